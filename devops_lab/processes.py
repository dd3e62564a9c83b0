"""Real programs that are never left behind.

A `Program` is a `with` block, or is started in one cell and stopped in another:

    with Program("sleeper", ["sleep", "60"]) as sleeper:
        sleeper.freeze()

It is started by the reaper (`devops_lab.reaper`), a small child of the kernel that ends it when
the kernel is gone. In a notebook, a cell that runs again first stops what it started before.

Tested on Linux. Nothing here is of one system alone, but on Windows, where a program cannot be
asked to end, it is ended by force at once.
"""

import contextlib
import itertools
import json
import os
import shutil
import socket
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

import psutil

from devops_lab import cells, lifeline
from devops_lab.families import GRACE_S, Birth, family, is_alive, wait_until
from devops_lab.reaper_link import ProgramError, ReaperLink, no_room, the_reaper
from devops_lab.rules import number
from devops_lab.translation import _

_numbers = itertools.count(1)


class Program:
    """A real program, ended with all that it started at the end of its block or of the kernel.

    `environment` is added to the kernel's own; a variable that is None there is taken out. The
    program begins in the folder `cwd`, the kernel's own unless another is named. `start` raises
    `ProgramError`, and leaves nothing behind, where the program is missing, ends at once, or is
    not ready within `ready_within_s`.
    """

    remedy = _("Is it installed?")

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        ready_within_s: float = 10.0,
    ) -> None:
        self.name = name
        self.cwd = cwd
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.ready_within_s = number("ready_within_s", ready_within_s, above=0)
        self.cell: str | None = None
        self._reaper: ReaperLink | None = None
        self._folder: Path | None = None
        self._birth: Birth | None = None

    def prepare(self) -> None:
        """Write what the program needs into its folder; called just before each start."""

    def is_ready(self) -> bool:
        """Whether the program can be used now; `start` waits for it."""
        return self.is_running

    def start(self) -> Self:
        """Start the program, wait until it is ready, and return it."""
        if self.is_running:
            return self
        self.stop()
        try:
            self._launch()
            self._wait_until_ready()
        # An interrupt, too, leaves nothing behind.
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the program and all that it started, and remove its folder."""
        self._end()

    def kill(self) -> None:
        """End the program by force, as a crash would; folder and log stay until `stop`."""
        self._do(psutil.Process.kill)
        wait_until(lambda: not self.is_running, within_s=GRACE_S)

    def freeze(self) -> None:
        """Hold the program still, as a machine that hangs would: its connections stay open."""
        self._do(psutil.Process.suspend)

    def resume(self) -> None:
        """Let a frozen program run on."""
        self._do(psutil.Process.resume)

    @property
    def is_running(self) -> bool:
        """Whether the process is there; a frozen one is."""
        return self._birth is not None and is_alive(self._birth)

    @property
    def pid(self) -> int | None:
        """The number of the process; None before the start and after the stop."""
        return self._birth[0] if self._birth else None

    @property
    def folder(self) -> Path:
        """The program's private folder, there from `prepare` to `stop`."""
        if self._folder is None:
            text = _("{name} has not been started. Use a with block, or call start() first.")
            raise ProgramError(text.format(name=self.name))
        return self._folder

    @property
    def log_path(self) -> Path:
        """The file with all that the program has printed."""
        return self.folder / "log"

    def last_log_lines(self, count: int = 10) -> list[str]:
        """The last lines that the program has printed."""
        with contextlib.suppress(FileNotFoundError):
            return self.log_path.read_text(errors="replace").splitlines()[-count:]
        return []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.is_running else "not running"
        return f"<{type(self).__name__} {self.name}: {state}>"

    def _launch(self) -> None:
        self._reaper, self.cell = the_reaper(), None
        cells.follow()
        # The name is known before the folder is made, so that `stop` finds it in any case.
        self._folder = self._reaper.home / f"{type(self).__name__.lower()}-{next(_numbers)}"
        cells.started.append(self)
        try:
            self._folder.mkdir(mode=0o700)
            self.prepare()
            self._write_order()
        except OSError as error:
            raise no_room(error) from error
        answer = self._reaper.ask("start", self._folder.name)
        if "error" in answer:
            text = _("{name} could not be started: {reason}.")
            raise ProgramError(text.format(name=self.name, reason=answer["error"]))
        self._birth = tuple(answer["birth"])

    def _write_order(self) -> None:
        # Programs that pip has installed are not on the PATH of every kernel.
        path = [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
        environment = {
            **os.environ,
            "PATH": os.pathsep.join(path),
            **lifeline_environment(),
            **self.environment,
        }
        program = shutil.which(self.arguments[0], path=environment["PATH"])
        if program is None:
            text = _("{name} needs the program {program}, which is not there.")
            text = text.format(name=self.name, program=self.arguments[0])
            raise ProgramError(f"{text} {self.remedy}")
        order = {
            "args": [program, *self.arguments[1:]],
            "env": {name: value for name, value in environment.items() if value is not None},
            "cwd": str(self.cwd or Path.cwd()),
        }
        (self.folder / "order.json").write_text(json.dumps(order))

    def _wait_until_ready(self) -> None:
        ready = wait_until(
            lambda: self.is_ready() or not self.is_running, within_s=self.ready_within_s
        )
        if ready and self.is_running:
            return
        ended, lines = not self.is_running, self.last_log_lines()
        exit_code = self._end()
        if ended:
            text = _("{name} ended before it was ready, with exit code {exit_code}.")
        else:
            text = _("{name} was not ready within {seconds:g} s and has been stopped.")
        text = text.format(name=self.name, exit_code=exit_code, seconds=self.ready_within_s)
        if lines:
            text = "\n".join([text, _("The last lines it printed:"), *lines])
        raise ProgramError(text)

    def _end(self) -> int | None:
        exit_code = None
        if self._reaper and self._folder:
            # When the reaper is gone, so are its programs.
            with contextlib.suppress(ProgramError):
                exit_code = self._reaper.ask("stop", self._folder.name).get("exit_code")
        self._reaper = self._folder = self._birth = None
        if self in cells.started:
            cells.started.remove(self)
        return exit_code

    def _do(self, act: Callable[[psutil.Process], None]) -> None:
        for process in family(self._birth) if self._birth else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                act(process)


AnyProgram = TypeVar("AnyProgram", bound=Program)


def running() -> list[Program]:
    """The programs that run now, in the order of their starts."""
    return [program for program in cells.started if program.is_running]


def start_together(programs: Sequence[AnyProgram]) -> list[AnyProgram]:
    """The programs, all started at the same time: it takes as long as the slowest of them.

    Where one cannot start, none is left.
    """
    pool = ThreadPoolExecutor(max(1, len(programs)))
    starts = [pool.submit(program.start) for program in programs]
    try:
        return [start.result() for start in starts]
    except BaseException:
        # After an interrupt the others are still starting, in threads that heard nothing of it.
        pool.shutdown()
        for program in programs:
            program.stop()
        raise
    finally:
        pool.shutdown(wait=False)


def stop_all() -> None:
    """Stop all programs, the youngest first."""
    for program in reversed(cells.started.copy()):
        program.stop()


def free_port() -> int:
    """A port of 127.0.0.1 that is free now; another program may take it at any time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lifeline_environment() -> dict[str, str]:
    """The variable that ties servers of ours to this kernel, whoever starts them."""
    return {lifeline.VARIABLE: the_reaper().lifeline}


if hasattr(os, "register_at_fork"):
    # A forked child must not end the programs of its parent.
    os.register_at_fork(after_in_child=cells.started.clear)
