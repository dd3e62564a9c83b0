"""One run of `ansible-playbook`, as a real program that ends with the kernel, and what it tells.

Ansible keeps to its folder: its home, its temporary files and its hosts are there, and no setting
of the learner's own gets in.
"""

import json
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from devops_lab import machine
from devops_lab.interpreter import python_program
from devops_lab.processes import Program
from devops_lab.supervisor import TOKEN_VARIABLE
from devops_lab.translation import _

PLUGINS = Path(__file__).with_name("ansible_plugins")
EVENTS_VARIABLE = "DEVOPS_LAB_ANSIBLE_EVENTS"
LOOK_EVERY_S = 0.02
# Ansible wants a locale whose letters are UTF-8, and these are there whatever the learner's own is.
UTF8_LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"

Event = dict[str, Any]


class PlayError(RuntimeError):
    """A play that Ansible could not run to its end; says it in Ansible's words, with a remedy."""


def ansible() -> machine.Tool:
    """Ansible, as this machine has it or not."""
    return next(tool for tool in machine.tools() if tool.name == "Ansible")


class Modules(Program):
    """What runs Ansible's modules (`devops_lab.module_runner`), for many plays."""

    def __init__(self, home: Path) -> None:
        self.address = home / "modules.json"
        self._token = secrets.token_urlsafe()
        environment = {**_environment(home), TOKEN_VARIABLE: self._token}
        super().__init__("modules", python_program("module_runner"), environment=environment)

    def prepare(self) -> None:
        """Make Ansible's own folder."""
        self.address.parent.mkdir(exist_ok=True)

    def is_ready(self) -> bool:
        """Whether it has said where it listens; that is written down for Ansible."""
        return write_address(self.log_path, self.address, self._token)


def write_address(log: Path, address: Path, token: str) -> bool:
    """Whether a program has said in its log at which port it listens; port and token are then in
    the file `address`, for those who may ask it."""
    said = log.read_text(errors="replace") if log.exists() else ""
    if not said.endswith("\n"):
        return False
    address.write_text(json.dumps([int(said.split()[-1]), token]), encoding="utf-8")
    return True


class PlayRun(Program):
    """A play on the hosts of an inventory; `options` are further words of the command line."""

    def __init__(
        self, play: Path, inventory: Path, modules: Modules, options: Sequence[str] = ()
    ) -> None:
        self._play, self._home = play, modules.address.parent
        self.remedy = _("To install it: {line}").format(line=ansible().install)
        command = ["ansible-playbook", "--inventory", str(inventory), *options, str(play)]
        environment = {**_environment(self._home), "DEVOPS_LAB_MODULES": str(modules.address)}
        super().__init__("ansible-playbook", command, environment=environment)

    def prepare(self) -> None:
        """Say where the events go."""
        self.environment[EVENTS_VARIABLE] = str(self._events_file)
        self._events_file.touch()
        # Empty: else Ansible would read one that lies where the learner works.
        (self._home / "ansible.cfg").touch()

    @property
    def _events_file(self) -> Path:
        return self.folder / "events.jsonl"

    def events(self) -> Iterator[Event]:
        """Each event as it happens, until the play has ended.

        Raises `PlayError` where it did not come to its end.
        """
        last = ""
        with self._events_file.open(encoding="utf-8") as file:
            while last != "end":
                # What was written before the end is read after it.
                was_running = self.is_running
                for event in map(json.loads, _whole_lines(file)):
                    last = event["event"]
                    yield event
                if not was_running and last != "end":
                    raise self._error()
                time.sleep(LOOK_EVERY_S)

    def _error(self) -> PlayError:
        said = self.log_path.read_text(encoding="utf-8", errors="replace").strip()
        if "YAML parsing failed" in said and "Origin:" not in said:
            said += f"\nOrigin: {_place_of_bad_yaml(self._play.parent)}"
        return PlayError("\n".join((readable(said, self._play.parent), _remedy(said))))


def _whole_lines(file: TextIO) -> Iterator[str]:
    """The lines that have come; half a line is left for the next look."""
    while True:
        place = file.tell()
        line = file.readline()
        if not line.endswith("\n"):
            file.seek(place)
            return
        yield line


def _place_of_bad_yaml(plays: Path) -> str:
    """The first file, with its line, that is no YAML; Ansible names no place in `group_vars`."""
    import yaml

    for file in sorted(plays.rglob("*.yml")):
        try:
            yaml.safe_load(file.read_text(encoding="utf-8"))
        except yaml.MarkedYAMLError as error:
            # Where the trouble began, else where it showed.
            mark = error.context_mark or error.problem_mark
            return f"{file}:{mark.line + 1}"
    return str(plays)


def readable(said: str, plays: Path) -> str:
    """Ansible's words with the names of the learner's files instead of whole paths."""
    return re.sub(r"\n{2,}", "\n", said.replace(f"{plays}{os.sep}", ""))


def _remedy(said: str) -> str:
    if "Origin:" in said:
        return _("Mend the line that it names, save the file, and run the play again.")
    if "locale" in said:
        text = _("Ansible needs the locale {name}: install it, and run the play again.")
        return text.format(name=UTF8_LOCALE)
    if "ERROR" in said:
        return _("Mend what it names, and run the play again.")
    return _("Run the play again: it goes on where it stopped.")


def _environment(home: Path) -> Mapping[str, str | None]:
    strange = {name: None for name in os.environ if name.startswith("ANSIBLE_")}
    return strange | {
        "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(home / "remote"),
        "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
        "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
        "ANSIBLE_STDOUT_CALLBACK": "json_lines",
        # A module goes through a pipe instead of a file, and all hosts are worked on at once.
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_FORKS": "16",
        "ANSIBLE_NOCOLOR": "True",
        "HOME": str(home),
        "LC_ALL": UTF8_LOCALE,
    }
