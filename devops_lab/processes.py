"""Real programs that are never left behind.

A `Program` is started by the reaper, a small child of the kernel (`devops_lab.reaper`), which ends
it when the kernel is gone. It is a `with` block, or is started in one cell and stopped in another:

    with Program("sleeper", ["sleep", "60"]) as sleeper:
        sleeper.freeze()

In a notebook, running a cell again first stops what that cell started before, and an interrupt
stops what the interrupted cell started; programs of other cells live on.
"""

import atexit
import contextlib
import functools
import itertools
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from devops_lab import lifeline
from devops_lab.families import GRACE_S, Birth, family, is_alive, wait_until
from devops_lab.reaper import DETACHED, sweep
from devops_lab.rules import number
from devops_lab.translation import _


class ProgramError(RuntimeError):
    """A program that could not be started, or is not there any more; says what to do about it."""


class Program:
    """A real program, ended with all that it started at the end of its block or of the kernel.

    `environment` is added to the kernel's own. `start` raises `ProgramError`, and leaves nothing
    behind, where the program is missing, ends at once, or is not ready within `ready_within_s`.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        ready_within_s: float = 10.0,
    ) -> None:
        self.name = name
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.ready_within_s = number("ready_within_s", ready_within_s, above=0)
        self._reaper: _Reaper | None = None
        self._folder: Path | None = None
        self._birth: Birth | None = None
        self._cell: str | None = None

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
        self._signal(psutil.Process.kill)
        wait_until(lambda: not self.is_running, within_s=GRACE_S)

    def freeze(self) -> None:
        """Hold the program still, as a machine that hangs would: its connections stay open."""
        self._signal(psutil.Process.suspend)

    def resume(self) -> None:
        """Let a frozen program run on."""
        self._signal(psutil.Process.resume)

    @property
    def is_running(self) -> bool:
        """Whether the process is there; a frozen one is."""
        return self._birth is not None and is_alive(self._birth)

    @property
    def pid(self) -> int | None:
        """The number of the process, None before the start and after the stop."""
        return self._birth[0] if self._birth else None

    @property
    def folder(self) -> Path:
        """The program's private folder, from `prepare` to `stop`."""
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
        try:
            return self.log_path.read_text(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            return []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.is_running else "not running"
        return f"<{type(self).__name__} {self.name}: {state}>"

    def _launch(self) -> None:
        self._reaper = _the_reaper()
        # Known before it is made, so that an interrupt in between leaves nothing unnamed.
        self._folder = self._reaper.home / f"{type(self).__name__.lower()}-{next(_numbers)}"
        self._cell = None
        _started.append(self)
        try:
            self._folder.mkdir(mode=0o700)
            self.prepare()
            self._write_order()
        except OSError as error:
            raise ProgramError(_no_room(error)) from error
        self._birth = tuple(self._reaper.ask("start", self._folder.name)["birth"])

    def _write_order(self) -> None:
        environment = {**os.environ, **lifeline_environment(), **self.environment}
        # What pip installed as a program is not on the PATH of every kernel.
        path = [sysconfig.get_path("scripts"), environment.get("PATH", "")]
        environment["PATH"] = os.pathsep.join(path)
        if not shutil.which(self.arguments[0], path=environment["PATH"]):
            text = _("{name} needs the program {program}, which is not there. Is it installed?")
            raise ProgramError(text.format(name=self.name, program=self.arguments[0]))
        order = {"arguments": self.arguments, "environment": environment, "cwd": str(Path.cwd())}
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
            text = _("{name} ended before it was ready (exit code {exit_code}).")
        else:
            text = _("{name} was not ready within {seconds:g} s and has been stopped.")
        text = text.format(name=self.name, exit_code=exit_code, seconds=self.ready_within_s)
        if lines:
            text += "\n" + _("The last lines it printed:") + "\n" + "\n".join(lines)
        raise ProgramError(text)

    def _end(self) -> int | None:
        exit_code = None
        if self._reaper and self._folder:
            # When the reaper is gone, so are its programs.
            with contextlib.suppress(ProgramError):
                exit_code = self._reaper.ask("stop", self._folder.name)["exit_code"]
        self._reaper = self._folder = self._birth = None
        if self in _started:
            _started.remove(self)
        return exit_code

    def _signal(self, act: Callable[[psutil.Process], None]) -> None:
        for process in family(self._birth) if self._birth else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                act(process)


def running() -> list[Program]:
    """The programs that run now, in the order of their start."""
    return [program for program in _started if program.is_running]


def stop_all() -> None:
    """Stop all programs, the youngest first."""
    for program in reversed(_started.copy()):
        program.stop()


def free_port() -> int:
    """A port of 127.0.0.1 that is free now; another program may take it at any time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lifeline_environment() -> dict[str, str]:
    """Environment variables that tie servers of ours to this kernel, whoever starts them."""
    return {lifeline.VARIABLE: _the_reaper().lifeline}


class _Reaper:
    """The kernel's end of the pipes to `devops_lab.reaper`."""

    def __init__(self) -> None:
        # The folder a learner works in may hold a json.py: keep it off the reaper's path.
        root = str(Path(__file__).parent.parent)
        code = (
            f"import sys; sys.path.append({root!r}); from devops_lab import reaper; reaper.main()"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            **DETACHED,
        )
        hello = json.loads(self._process.stdout.readline() or "{}")
        if "home" not in hello:
            self._process.wait()
            raise ProgramError(_no_room(hello.get("error")))
        self.home, self.lifeline = Path(hello["home"]), hello["lifeline"]
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._gone = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def ask(self, verb: str, name: str) -> dict[str, Any]:
        """The reaper's answer to one request, or a `ProgramError`."""
        request = next(_numbers)
        answers = self._waiting[request] = queue.SimpleQueue()
        try:
            # So short a line goes through the pipe whole or not at all, interrupt or no.
            self._process.stdin.write(f"{request} {verb} {name}\n".encode())
        except (OSError, ValueError):
            self._gone.wait()
            answers.put({"error": _GONE})
        answer = answers.get()
        if "error" in answer:
            raise ProgramError(answer["error"])
        return answer

    def _listen(self) -> None:
        for line in self._process.stdout:
            answer = json.loads(line)
            self._waiting.pop(answer["request"]).put(answer)
        self._process.wait()
        sweep(self.home)
        self._gone.set()
        for answers in list(self._waiting.values()):
            answers.put({"error": _GONE})

    @property
    def is_gone(self) -> bool:
        return self._process.poll() is not None

    def disown(self) -> None:
        """Let go of the pipes without a word, in a process that is not the reaper's parent."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.returncode = 0

    def close(self) -> None:
        """Let go of the pipe, whereupon the reaper ends all programs; wait for it."""
        self._process.stdin.close()
        self._listener.join(timeout=5)


_started: list[Program] = []
_numbers = itertools.count(1)
_lock = threading.Lock()
_current: _Reaper | None = None
_GONE = _(
    "The helper process that starts and ends programs is gone, and all programs with it. "
    "Start them again."
)


def _the_reaper() -> _Reaper:
    global _current
    with _lock:
        if _current is None or _current.is_gone:
            _current = _Reaper()
    _follow_cells()
    return _current


def _no_room(reason: object) -> str:
    text = _(
        "No private folder for a program can be made or written ({reason}). Free some space, or "
        "set TMPDIR to a folder that can be written and restart the kernel."
    )
    return text.format(reason=reason)


@atexit.register
def _close() -> None:
    if _current:
        _current.close()


def _forget() -> None:
    """In a forked child: let go of the pipe, or the reaper would wait for the child to end too."""
    global _current, _lock
    if _current:
        _current.disown()
    _current, _lock = None, threading.Lock()
    _started.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@functools.cache
def _follow_cells() -> None:
    """Have IPython say, where there is one, when a cell begins and ends."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell:
        shell.events.register("pre_run_cell", _before_cell)
        shell.events.register("post_run_cell", _after_cell)


def _before_cell(info: Any) -> None:
    for program in _started.copy():
        # What a button started since the last cell belongs to no cell.
        program._cell = program._cell or "none"
        if program._cell == _cell(info):
            program.stop()


def _after_cell(result: Any) -> None:
    # A cell that awaits has no result at all when it was interrupted.
    interrupted = result is None or isinstance(result.error_in_exec, KeyboardInterrupt)
    for program in [program for program in _started if program._cell is None]:
        if interrupted:
            program.stop()
        else:
            program._cell = _cell(result.info)


def _cell(info: Any) -> str:
    """What tells one cell from another: its id, or its text where the client sends no id."""
    return info.cell_id or info.raw_cell
