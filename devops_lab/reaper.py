"""Starts programs for one kernel, and ends them all when the kernel is gone.

The reaper is a child of the kernel and reads requests from its standard input, one a line. Only
the kernel holds the other end of that pipe, so end-of-file means that the kernel is gone, however
it went, `kill -9` included. As the reaper starts every program itself, there is none that it does
not know.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from typing import Any

from devops_lab.families import GRACE_S, Birth, birth_of, end
from devops_lab.leftovers import new_home, sweep_all, write_birth
from devops_lab.lifeline import Lifeline

# A Ctrl-C in the terminal, or an interrupted cell, is meant for the kernel's process group only.
DETACHED: dict[str, Any] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    if sys.platform == "win32"
    else {"start_new_session": True}
)


class Reaper:
    """The programs of one kernel, by the names of their folders."""

    def __init__(self) -> None:
        self.home = new_home()
        self.programs: dict[str, tuple[subprocess.Popen[bytes], Birth]] = {}

    def start(self, name: str) -> dict[str, Any]:
        """Start what the order in this folder says; tells the birth of the program."""
        folder = self.home / name
        order = json.loads((folder / "order.json").read_text())
        # It holds the kernel's whole environment, secrets included.
        (folder / "order.json").unlink()
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                **order, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **DETACHED
            )
        birth = birth_of(process.pid)
        self.programs[name] = process, birth
        write_birth(folder, birth)
        return {"birth": birth}

    def stop(self, name: str) -> dict[str, Any]:
        """End the program, if it was started, and remove its folder; tells the exit code."""
        exit_code = None
        if name in self.programs:
            process, birth = self.programs.pop(name)
            end(birth)
            # Where a program has threads, the first of them may end a moment before the others.
            with contextlib.suppress(subprocess.TimeoutExpired):
                exit_code = process.wait(GRACE_S)
        shutil.rmtree(self.home / name, ignore_errors=True)
        return {"exit_code": exit_code}

    def answer(self, verb: str, name: str) -> dict[str, Any]:
        """What the verb tells, or the error that it met."""
        try:
            return {"start": self.start, "stop": self.stop}[verb](name)
        # Whatever is wrong with one program must not cost the others their reaper.
        except Exception as error:
            return {"error": str(error)}

    def end_all(self) -> None:
        """End every program and remove all folders."""
        end(*(birth for _, birth in self.programs.values()))
        shutil.rmtree(self.home, ignore_errors=True)


def main() -> None:
    """Answer requests until the kernel is gone, then end everything."""
    # Only end-of-file ends the reaper. A handler that does nothing, because a signal ignored
    # here would be ignored by every program it starts.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: None)
    try:
        sweep_all()
        reaper = Reaper()
    except OSError as error:
        return _say(error=str(error))
    try:
        _say(home=str(reaper.home), lifeline=Lifeline().address)
        for line in sys.stdin:
            request, verb, name = line.split()
            _say(request=int(request), **reaper.answer(verb, name))
    finally:
        reaper.end_all()


def _say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)
