"""Which cell started which program: a cell that runs again replaces what it started before, and
an interrupted cell takes with it only what it has started itself.
"""

import asyncio
import functools
import sys
from typing import Any, Protocol

# An interrupt is raised in plain code, and cancels what a cell awaits.
_INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)
_NO_CELL = "started by a button"


class StartedProgram(Protocol):
    """A program, and the cell that started it: None while that cell still runs."""

    cell: str | None

    def stop(self) -> None: ...


# All that was started and has not been stopped, in the order of the starts.
started: list[StartedProgram] = []


def current() -> str | None:
    """The cell that runs now, for a button in its output that starts something later on.

    None where no notebook's cell runs: in a script, and while a button's own work is done.
    """
    shell = _shell()
    message = shell.get_parent() if hasattr(shell, "get_parent") else {}
    if message.get("msg_type") != "execute_request":
        return None
    return message["metadata"].get("cellId") or message["content"]["code"]


@functools.cache
def follow() -> None:
    """Have IPython tell, where there is one, when a cell begins and ends."""
    shell = _shell()
    if shell:
        shell.events.register("pre_run_cell", _begin)
        shell.events.register("post_run_cell", _end)


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _begin(info: Any) -> None:
    for program in started.copy():
        program.cell = program.cell or _NO_CELL
        if program.cell == _name(info):
            program.stop()


def _end(result: Any) -> None:
    for program in [program for program in started if program.cell is None]:
        if _was_interrupted(result):
            program.stop()
        else:
            program.cell = _name(result.info)


def _was_interrupted(result: Any) -> bool:
    # Cut off very early, a cell has no result at all; cut off between two of its statements, its
    # error counts as one "before" the execution.
    if result is None:
        return True
    errors = (result.error_before_exec, result.error_in_exec)
    return any(isinstance(error, _INTERRUPTS) for error in errors)


def _name(info: Any) -> str:
    # Some clients send no cell id; to them a cell is its text.
    return info.cell_id or info.raw_cell
