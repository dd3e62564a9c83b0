"""The delivery of the bakery's shop page: from an edited line to the people who see it.

    delivery = Delivery().start()
    delivery.edit("src/moonlight/prices.py", "1_500", "1_600")
    delivery.deliver("Rolls cost 1,600 won")

or stage by stage: `commit`, `build`, `test`, `release`, `deploy`, `check`, `roll_back`. All of it
is real: a git repository, a wheel, pytest, a package index, servers. It happens in one folder.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from devops_lab.commands import CommandError
from devops_lab.package_index import ReleaseError
from devops_lab.pipeline import Pipeline
from devops_lab.processes import ProgramError
from devops_lab.releases import ReleaseServer, restart, sick
from devops_lab.rules import one_of, whole
from devops_lab.servers import Server
from devops_lab.tables import DEPLOYMENTS, STAGES, table
from devops_lab.translation import _
from devops_lab.workshop import open_workshop

if TYPE_CHECKING:
    from IPython.display import HTML
    from pandas import DataFrame

# What tools, the system, an earlier stage or a line of pipeline.toml may have against a stage.
_REFUSALS = (CommandError, OSError, ProgramError, ReleaseError, TypeError, ValueError)
_MOST_LINES = 20


class StageError(RuntimeError):
    """A stage that stopped the line: which, the words of its tool, and what to do."""


@dataclass(frozen=True, repr=False)
class Stage:
    """One run of a stage: whether it was done or stopped, how long it took, and what was said."""

    stage: str
    outcome: str
    seconds: float
    said: str
    log: Path

    def __repr__(self) -> str:
        last = self.said.splitlines()[-1] if self.said else ""
        return f"{self.stage}: {last}"


class Delivery:
    """The shop's source, its delivery, and the servers that people ask.

    `folder` is where all of it lies, `delivery` beside your copies unless you name another. A
    folder that is there already is kept under another name, never written over.
    """

    def __init__(self, *, servers: int = 2, folder: Path | None = None) -> None:
        count = whole("servers", servers, at_least=1, at_most=8)
        self.workshop = open_workshop(folder)
        self._pipeline = Pipeline(self.workshop)
        names = [f"shop-{number}" for number in range(1, count + 1)]
        self.servers = [ReleaseServer(name, self.workshop) for name in names]
        self._stages: list[Stage] = []
        self._deployments: list[dict[str, Any]] = []
        # The releases that can be gone back to, and last the present one.
        self._live: list[str] = []

    def start(self) -> Self:
        """Begin the history of the source and deliver its first release; later, start the servers
        again where they were stopped."""
        if not self._live:
            self._pipeline.repository.create()
            self._run_all(_("The shop as we found it"))
        elif not self._is_running:
            restart(self.servers, self.version)
        return self

    def stop(self) -> None:
        """Stop the servers; the files stay."""
        for server in self.servers:
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        """The folder with the source, the index, the releases and the logs."""
        return self.workshop.folder

    @property
    def source(self) -> Path:
        """The folder with the source code: edit it here or in JupyterLab."""
        return self.workshop.source

    @property
    def version(self) -> str:
        """The release that people have now."""
        return self._live[-1] if self._live else ""

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a piece of one file of the source, and print what is edited but not committed.

        Raises `ValueError` where the piece is not in the file.
        """
        edited = self.source / file
        text = edited.read_text(encoding="utf-8")
        if old not in text:
            said = _("{old!r} is not in {file}. Open the file and look: you may have edited it.")
            raise ValueError(said.format(old=old, file=file))
        edited.write_text(text.replace(old, new), encoding="utf-8", newline="\n")
        print(self._pipeline.repository.changes(), end="\n\n")

    def ask(self, path: str = "/") -> "DataFrame":
        """What people get for a path now: one row a server, with release, status and text."""
        from pandas import DataFrame

        rows = []
        for server in self.servers:
            try:
                answer = server.get(path)
                rows.append((server.name, answer.headers["X-Version"], answer.status, answer.text))
            except (ConnectionError, ProgramError, TimeoutError) as error:
                rows.append((server.name, None, None, str(error)))
        return DataFrame(rows, columns=["server", "release", "status", "text"])

    def link(self) -> "HTML":
        """A link that opens the shop's page in a browser tab."""
        return Server.link(self.servers[0])

    def deliver(self, message: str) -> "DataFrame":
        """Run all stages: a table of `tables.STAGES`. A failing one stops the line, and what had
        been deployed by then is rolled back; the reason is printed.

        Raises nothing that a change can cause.
        """
        first, before = len(self._stages), self.version
        try:
            self._run_all(message)
        except StageError as error:
            print(error)
            if self.version != before:
                print(self.roll_back())
        return self.stages().iloc[first:].reset_index(drop=True)

    def commit(self, message: str) -> Stage:
        """Keep what was edited as a new state of the source, which has a version of its own."""
        return self._stage("commit", lambda: self._pipeline.commit(message))

    def build(self) -> Stage:
        """Make one file, a wheel, of the newest commit."""
        return self._stage("build", self._pipeline.build)

    def test(self) -> Stage:
        """Run the tests on the wheel."""
        return self._stage("test", self._pipeline.test)

    def release(self) -> Stage:
        """Put the wheel under its version into the package index, and tag the commit."""
        return self._stage("release", self._pipeline.release)

    def deploy(self) -> Stage:
        """Install the newest release and restart all servers with it: now people have it."""
        return self._stage("deploy", self._deploy)

    def check(self) -> Stage:
        """Ask every server whether it is well, as `pipeline.toml` says."""
        return self._stage("check", self._check)

    def roll_back(self) -> Stage:
        """Give people the release before this one again, which is still in its folder."""
        return self._stage("roll_back", self._roll_back)

    def stages(self) -> "DataFrame":
        """All stages that were run so far, in order: a table of `tables.STAGES`."""
        names = ("stage", "outcome", "seconds", "said")
        rows = {name: [getattr(stage, name) for stage in self._stages] for name in names}
        return table(rows | {"log": [stage.log.name for stage in self._stages]}, STAGES)

    def log(self, stage: str) -> str:
        """All that the stage's last run said; the files are in `logs`."""
        runs = [run for run in self._stages if run.stage == stage]
        if not runs:
            one_of("stage", stage, {run.stage for run in self._stages})
        return runs[-1].log.read_text(encoding="utf-8")

    def deployments(self) -> "DataFrame":
        """Your deployments, for `dora.measures`: a table of `tables.DEPLOYMENTS`.

        Times are UTC; git counts those of commits in whole seconds, so that a lead time may be up
        to a second too long.
        """
        rows = {name: [row[name] for row in self._deployments] for name in DEPLOYMENTS}
        return table(rows, DEPLOYMENTS)

    def _run_all(self, message: str) -> None:
        self.commit(message)
        for stage in (self.build, self.test, self.release, self.deploy, self.check):
            stage()

    def _stage(self, name: str, work: Callable[[], str]) -> Stage:
        began_s = time.perf_counter()
        outcome, said = "done", ""
        try:
            said = work()
        except _REFUSALS as error:
            outcome, said = "stopped", str(error)
        # Nobody needs to read where on this machine the folder is.
        said = said.replace(f"{self.folder}{os.sep}", "")
        seconds = time.perf_counter() - began_s
        log = self.workshop.logs / f"{len(self._stages) + 1:03}-{name}.log"
        log.write_text(said + "\n", encoding="utf-8")
        self._stages.append(stage := Stage(name, outcome, seconds, said, log))
        if outcome == "stopped":
            raise StageError(self._why(stage))
        return stage

    def _why(self, stage: Stage) -> str:
        lines = stage.said.splitlines()
        text = _("The line stopped at the stage “{stage}”.").format(stage=stage.stage)
        shown = [text, *lines[:1], *lines[1:][-_MOST_LINES:]]
        if len(lines) > _MOST_LINES + 1:
            shown.append(_("(All of it: {log})").format(log=f"logs/{stage.log.name}"))
        return "\n".join((*shown, self._remedy(stage.stage)))

    def _remedy(self, stage: str) -> str:
        if stage == "deploy" and self._is_running:
            text = _("Nothing has changed for anybody: people still have release {version}.")
            return text.format(version=self.version)
        return _REMEDIES[stage]

    def _deploy(self) -> str:
        head = self._pipeline.head
        version, committed = head.version, head.time.replace(tzinfo=None)
        self._pipeline.install(version)
        row = {"change": version, "committed": committed, "failed": False, "recovered": None}
        if version != self.version:
            self._live.append(version)
        try:
            restart(self.servers, version)
        # After an interrupt, too, nobody is served.
        except BaseException:
            row["failed"] = True
            raise
        finally:
            self._deployments.append(row | {"deployed": _now()})
        return _("{count} servers run release {version}.").format(
            count=len(self.servers), version=version
        )

    def _check(self) -> str:
        path, tries = self._pipeline.health_check()
        server = sick(self.servers, path, tries)
        if server:
            self._has_failed(self.version)
            text = _("{server} is sick: asked for {path} it said {status} in {tries} tries.")
            said = text.format(
                server=server.name, path=path, status=server.status(path), tries=tries
            )
            raise ReleaseError("\n".join((said, *server.last_log_lines())))
        self._recovered()
        return _("Every server answers {path} with status 200.").format(path=path)

    def _roll_back(self) -> str:
        if len(self._live) < 2:
            raise ReleaseError(_("There is no release before this one."))
        restart(self.servers, self._live[-2])
        taken_back = self._live.pop()
        self._has_failed(taken_back)
        self._recovered()
        return _("{count} servers run release {version} again; {taken_back} is taken back.").format(
            count=len(self.servers), version=self.version, taken_back=taken_back
        )

    @property
    def _is_running(self) -> bool:
        return all(server.is_running for server in self.servers)

    def _has_failed(self, version: str) -> None:
        rows = (row for row in reversed(self._deployments) if row["change"] == version)
        next(rows)["failed"] = True

    def _recovered(self) -> None:
        """People are served: whatever had failed until now is over."""
        for row in self._deployments:
            if row["failed"]:
                row["recovered"] = row["recovered"] or _now()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


_REMEDIES = {
    "commit": _("Nothing has changed for anybody. Mend it and run commit() again."),
    "build": _("Nothing was built. Mend the source, and commit it: only commits are built."),
    "test": _("Nothing was released. Mend the source or the test, and commit it."),
    "release": _("Nothing was deployed. Mend it and run release() again."),
    "deploy": _("No server runs now. roll_back() brings the release before this one back."),
    "check": _("People have a sick release. roll_back() brings the one before back."),
    "roll_back": _("Mend the source and deliver it: that is called fixing forward."),
}
