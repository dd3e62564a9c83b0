"""The bakery's shop as a text that real Terraform makes: planned, applied, healed, taken away.

    with Provisioning() as shop:
        shop.plan()
        shop.apply()
        shop.kill("web-1")
        shop.drift()

The text is `main.tf` in `shop.folder`, a copy to be edited. What it describes is made in this
computer's lab by the course's own provider, and goes with the kernel. Terraform comes from its
Python wheel, or `tofu` or `terraform` on the PATH is taken; where none of them is, a stand-in does
the same with a small part of the language, and says so.
"""

import atexit
import contextlib
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from devops_lab import cells, rules
from devops_lab.course import PROGRESS_FILE, data_folder
from devops_lab.lab_resources import Lab, kinds
from devops_lab.leftovers import new_home
from devops_lab.processes import Program
from devops_lab.provisioning_plans import (
    NEEDS,
    TESTED,
    Event,
    Plan,
    Wish,
    as_table,
    done,
    drifted,
    planned,
    resources,
)
from devops_lab.reconcile import StandIn
from devops_lab.servers import Server
from devops_lab.terraform import (
    KilledError,
    ProvisioningError,
    Surroundings,
    Terraform,
    damaged_state,
    present_tools,
    terraform,
)
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

FOLDER = "provisioning"
STAND_IN = "stand-in"
STATE = "terraform.tfstate"
_TOLD = ("apply_complete", "apply_errored", "change_summary")


class Provisioning:
    """The text, and the lab that it describes.

    `folder` holds the text, made with the course's own where it is missing. Where none is named it
    is `provisioning` beside the learner's lessons, and always begins with the course's text: what
    was edited before is kept beside it. Elsewhere (in a test) it goes with the kernel. `tool` is
    one of `tools()`, the first of them by default.
    """

    cell: str | None = None

    def __init__(self, *, folder: str | Path | None = None, tool: str | None = None) -> None:
        self._given_folder = folder
        self._tool_name = tools()[0] if tool is None else rules.one_of("tool", tool, tools())
        self._home: Path | None = None
        self._plans = itertools.count(1)
        self._by_hand: set[str] = set()

    def start(self) -> Self:
        """Begin with an empty lab."""
        self.stop()
        self._home = new_home()
        atexit.register(self.stop)
        (self._home / "lab").mkdir()
        self.lab = Lab(self._home / "lab")
        # What a state names went with the kernel that made it.
        self._forget()
        self._lay_out()
        self._provider = None
        self._tool = self._make_tool()
        self.cell = None
        cells.follow()
        cells.started.append(self)
        return self

    def stop(self) -> None:
        """Take everything away at once, as the end of the kernel would."""
        if self._home is None:
            return
        self._stop_provider()
        self.lab.stop()
        self._forget()
        shutil.rmtree(self._home, ignore_errors=True)
        self._home = None
        atexit.unregister(self.stop)
        cells.started.remove(self)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether there is a lab."""
        return self._home is not None

    @property
    def folder(self) -> Path:
        """Where `main.tf` is, and the state file beside it."""
        if self._given_folder is not None:
            return Path(self._given_folder).absolute()
        own = Path.cwd()
        return (own if (own / PROGRESS_FILE).exists() else self._home) / FOLDER

    @property
    def text(self) -> Path:
        """The file that says what shall be."""
        return self.folder / "main.tf"

    @property
    def state_file(self) -> Path:
        """The file in which Terraform writes down what it has made."""
        return self.folder / STATE

    def about(self) -> str:
        """One sentence: which tool does the work here."""
        text = _("The work is done by {tool}.").format(tool=self._tool.about())
        if self._tool_name != STAND_IN:
            return text
        return " ".join((text, _("To get it: {line}").format(line=terraform().install)))

    def plan(
        self,
        *,
        destroy: bool = False,
        refresh_only: bool = False,
        replace: str = "",
        **variables: Any,
    ) -> Plan:
        """What an apply would do; nothing is done. `variables` win over those in the text."""
        wish = Wish(variables, destroy, refresh_only, replace)
        saved = self._home / f"plan-{next(self._plans)}"
        told = self._tool.plan(saved, wish)
        changes = planned(told.get("resource_changes", ()))
        return Plan(changes, drifted(told.get("resource_drift", ())), saved)

    def drift(self) -> "DataFrame":
        """What is other than it was left, by whomever: a table of `provisioning_plans.DRIFT`."""
        return self.plan(refresh_only=True).drift

    def apply(
        self, plan: Plan | None = None, *, tell: Callable[[str], None] = print, **variables: Any
    ) -> "DataFrame":
        """Do what the plan says, or a new one: a table of `provisioning_plans.DONE`.

        Each step is told in a line as soon as it is done. Raises `ProvisioningError` where one
        fails: what was done before stays, is known, and the next apply goes on from there.
        """
        return self._done(plan and plan.saved, Wish(variables), tell)

    def destroy(self, *, tell: Callable[[str], None] = print) -> "DataFrame":
        """Take away what the state names, in the opposite order."""
        return self._done(None, Wish({}, destroy=True), tell)

    def import_(self, address: str, name: str, **variables: Any) -> "DataFrame":
        """Write down, under an address of the text, what somebody else has made; then the state."""
        self._tool.import_(address, name, Wish(variables))
        return self.state()

    def state(self) -> "DataFrame":
        """What the state file names: a table of `provisioning_plans.RESOURCES`."""
        if not self.state_file.exists():
            return resources({})
        try:
            return resources(json.loads(self.state_file.read_text(encoding="utf-8")))
        except ValueError:
            raise ProvisioningError(damaged_state()) from None

    def needs(self) -> "DataFrame":
        """Who needs whom, in the text: a table of `provisioning_plans.NEEDS`."""
        return as_table(self._tool.graph(), NEEDS)

    def test(self) -> "DataFrame":
        """The text's own tests, on a trial of its own: a table of `provisioning_plans.TESTED`."""
        ended = [
            event["test_run"]
            for event in self._tool.test()
            if event.get("type") == "test_run" and event["test_run"].get("status")
        ]
        return as_table([(run["run"], run["status"]) for run in ended], TESTED)

    def validate(self) -> None:
        """Raise `ProvisioningError`, with file and line, for a text that means nothing."""
        self._tool.validate()

    def server(self, name: str) -> Server:
        """The server of this name, to be asked, or changed behind Terraform's back."""
        servers = [one for one, program in self.lab.programs.items() if isinstance(program, Server)]
        return self.lab.programs[rules.one_of("name", name, servers)]

    def front(self, name: str = "front") -> Program:
        """The balancer of this name."""
        return self.lab.programs[name]

    def kill(self, name: str) -> None:
        """End a server by force, as a crash would."""
        self.server(name).kill()

    def start_by_hand(self, name: str, **settings: Any) -> Server:
        """A server that somebody starts without telling Terraform."""
        server = Server(name=name, **settings)
        self.lab.add(server)
        self._by_hand.add(name)
        return server

    def file(self, kind: str, name: str) -> Path:
        """Where the file of an account (`user`) or of settings (`config`) is."""
        return kinds(self.lab)[f"lab_{rules.one_of('kind', kind, ('user', 'config'))}"].path(name)

    def edit(self, old: str, new: str) -> None:
        """Replace a piece of the text, as an editor would, unless it was done already.

        Raises `ValueError` where neither the old piece nor the new one is there.
        """
        text = self.text.read_text(encoding="utf-8")
        if old not in text and new not in text:
            told = _("{file} does not say {old!r} anywhere.")
            raise ValueError(told.format(file=self.text.name, old=old))
        self.text.write_text(text.replace(old, new), encoding="utf-8")

    def _lay_out(self) -> None:
        """Put the course's text into the folder, unless it is a folder that was named."""
        original = data_folder() / FOLDER
        is_own = self._given_folder is None and self.text.exists()
        if is_own and self.text.read_bytes() != (original / self.text.name).read_bytes():
            paths = (self.folder.with_name(f"{FOLDER}-before-{n}") for n in itertools.count(1))
            self.folder.rename(next(path for path in paths if not path.exists()))
        if not self.folder.exists():
            shutil.copytree(original, self.folder)

    def _make_tool(self) -> Any:
        if self._tool_name == STAND_IN:
            return StandIn(self.lab, self.folder)
        # Slow to import, and missing where Terraform is.
        from devops_lab.lab_provider import ProviderThread

        self._provider = ProviderThread(self.lab, self._home)
        surroundings = Surroundings(self.folder, self._home / "own", self._provider.reattach)
        return Terraform(self._tool_name, surroundings)

    def _done(self, saved: Path | None, wish: Wish, tell: Callable[[str], None]) -> "DataFrame":
        events: list[Event] = []
        try:
            with contextlib.closing(self._tool.apply(saved, wish)) as steps:
                for event in steps:
                    events.append(event)
                    if event.get("type") in _TOLD:
                        tell(event["@message"])
        except (KilledError, KeyboardInterrupt):
            self._tidy()
            raise
        return done(events)

    def _tidy(self) -> None:
        """Take away what was made and not written down, and the lock of who did not write it."""
        # Whoever asked may be gone, and the provider still at it.
        self._stop_provider()
        self._tool = self._make_tool()
        (self.folder / f".{STATE}.lock.info").unlink(missing_ok=True)
        self._mend_state()
        known = {*self.state()["name"], *self._by_hand}
        for name in {*self.lab.programs} - known:
            self.lab.remove(name)
        for file in (self._home / "lab").glob("*/*"):
            if file.name not in known:
                file.unlink()

    def _mend_state(self) -> None:
        """Put the one before in the place of a state that was not written to its end."""
        with contextlib.suppress(ProvisioningError):
            self.state()
            return
        self.state_file.unlink()
        before = self.state_file.with_name(f"{STATE}.backup")
        if before.exists():
            before.rename(self.state_file)

    def _stop_provider(self) -> None:
        if self._provider:
            self._provider.stop()

    def _forget(self) -> None:
        for file in (*self.folder.glob(f"{STATE}*"), *self.folder.glob(f".{STATE}*")):
            with contextlib.suppress(OSError):
                file.unlink()


def tools() -> tuple[str, ...]:
    """What can do the work on this machine, the preferred first; the stand-in always can."""
    return (*present_tools(), STAND_IN)
