"""Processes with all that they started: whether they live, and how to end them.

A program is known by its birth, `(pid, born_s)`: its process number and the moment it was created.
The moment tells it from a stranger that was given the same number later.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable

import psutil

# How long a program may take to end by itself before it is ended by force.
GRACE_S = 1.0

Birth = tuple[int, float]


def birth_of(pid: int) -> Birth:
    """The birth of the process with this number; raises `psutil.NoSuchProcess`."""
    return pid, _born_s(psutil.Process(pid))


def is_alive(birth: Birth) -> bool:
    """Whether the program's own process still runs (a zombie does not)."""
    try:
        process = psutil.Process(birth[0])
        return _is_same(process, birth) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family(birth: Birth) -> set[psutil.Process]:
    """The program's process, its descendants, and those of them whose parents have died."""
    members: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(birth[0])
        if not _is_same(leader, birth):
            return members
        members = {leader, *leader.children(recursive=True)}
    # An orphan is nobody's child any more; what is left is the session it was born in.
    members |= {process for process in psutil.process_iter() if _session(process) == birth[0]}
    return {process for process in members if not _is_zombie(process)}


def end(*births: Birth) -> None:
    """End programs with all that they started: politely first, then by force."""

    def members() -> list[psutil.Process]:
        return [process for birth in births for process in family(birth)]

    for act in (psutil.Process.terminate, psutil.Process.kill):
        for process in members():
            with contextlib.suppress(psutil.Error):
                act(process)
                # A frozen process hears nothing until it runs again.
                process.resume()
        if wait_until(lambda: not members(), within_s=GRACE_S):
            return


def wait_until(condition: Callable[[], bool], *, within_s: float) -> bool:
    """Whether the condition became true within the given seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _is_same(process: psutil.Process, birth: Birth) -> bool:
    return abs(_born_s(process) - birth[1]) < 1


def _born_s(process: psutil.Process) -> float:
    """Seconds from the machine's start to the process's; on Windows, from 1970."""
    created_s = process.create_time()
    # Elsewhere the system counts from its start, and when the clock is set (a laptop wakes up, a
    # virtual machine goes on), psutil's times since 1970 move with it.
    return created_s if sys.platform == "win32" else created_s - psutil.boot_time()


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _session(process: psutil.Process) -> int | None:
    # Windows has no sessions in this sense.
    try:
        return os.getsid(process.pid) if hasattr(os, "getsid") else None
    except OSError:
        return None
