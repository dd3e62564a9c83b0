"""The kernel's end of the pipes to the reaper (`devops_lab.reaper`)."""

import atexit
import itertools
import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

from devops_lab.interpreter import python_program
from devops_lab.leftovers import sweep
from devops_lab.reaper import DETACHED
from devops_lab.translation import _


class ProgramError(RuntimeError):
    """A program cannot be started, or is not there any more; says what to do about it."""


def no_room(reason: object) -> ProgramError:
    """The error for a temporary folder that cannot be used."""
    text = _(
        "No private folder can be made or written ({reason}). Free some space, or set TMPDIR to "
        "a folder that can be written and restart the kernel."
    )
    return ProgramError(text.format(reason=reason))


def gone() -> ProgramError:
    """The error for a reaper that was ended by somebody else."""
    text = _(
        "The helper process that starts programs was ended, and all programs with it. "
        "Start them again."
    )
    return ProgramError(text)


class ReaperLink:
    """A reaper of our own, its private folder and the address of its lifeline."""

    def __init__(self) -> None:
        self._process = _start()
        try:
            hello = json.loads(self._process.stdout.readline() or "{}")
        except BaseException:
            self._process.stdin.close()
            raise
        if "home" not in hello:
            self._process.communicate()
            raise no_room(hello["error"]) if "error" in hello else _not_started("it ended at once")
        self.home, self.lifeline = Path(hello["home"]), hello["lifeline"]
        self._questions = itertools.count()
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        self._ended = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, verb: str, name: str) -> dict[str, Any]:
        """The answer to one request; raises `ProgramError` when the reaper is gone."""
        question = next(self._questions)
        answers = self._waiting[question] = queue.SimpleQueue()
        try:
            # So short a line goes through the pipe whole or not at all, interrupt or no. An
            # interrupted question is answered all the same, to nobody.
            self._process.stdin.write(f"{question} {verb} {name}\n".encode())
        except (OSError, ValueError):
            self._ended.wait()
            raise gone() from None
        answer = answers.get()
        if answer is None:
            raise gone()
        return answer

    def _listen(self) -> None:
        for line in self._process.stdout:
            answer = json.loads(line)
            self._waiting.pop(answer["request"]).put(answer)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        sweep(self.home)
        self._ended.set()
        for answers in list(self._waiting.values()):
            answers.put(None)

    @property
    def is_gone(self) -> bool:
        """Whether the reaper has ended."""
        return self._process.poll() is not None

    def close(self) -> None:
        """Let go of the pipe, whereupon the reaper ends all programs; wait for it."""
        self._process.stdin.close()
        self._ended.wait(timeout=5)

    def disown(self) -> None:
        """Let go of the pipes in a forked child, or the reaper would wait for its end too."""
        self._process.stdin.close()
        self._process.stdout.close()
        # Not this process's child: nothing to wait for.
        self._process.returncode = 0


def _start() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            python_program("reaper"),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            **DETACHED,
        )
    except OSError as error:
        raise _not_started(error) from error


def _not_started(reason: object) -> ProgramError:
    text = _(
        "The helper process that starts programs could not be started ({reason}). Close other "
        "notebooks and programs, restart the kernel and try again."
    )
    return ProgramError(text.format(reason=reason))


_lock = threading.Lock()
_current: ReaperLink | None = None


def the_reaper() -> ReaperLink:
    """The one reaper of this kernel, started on first use and again when it is gone."""
    global _current
    with _lock:
        if _current is None or _current.is_gone:
            _current = ReaperLink()
        return _current


@atexit.register
def _close() -> None:
    if _current:
        _current.close()


def _disown() -> None:
    global _current, _lock
    if _current:
        _current.disown()
    _current, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
