"""What a learner sees of an error: their own lines and what is wrong, without the course's lines.

An error that the course raises says in its last line what to do, and the twenty lines of ours
above it would only frighten. `%tb` shows them.
"""

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

PACKAGE = str(Path(__file__).parent)
# Nobody raises these to tell somebody something: they are a mistake of ours, and shown whole.
_MISHAPS = (ArithmeticError, AssertionError, AttributeError, IndexError, KeyError, NameError)


def shorten() -> None:
    """Leave the course's lines out of the errors that this notebook shows from now on."""
    ipython = sys.modules.get("IPython")
    if ipython and (shell := ipython.get_ipython()):
        shell.set_custom_exc((Exception,), _show)


def _show(
    shell: Any,
    kind: type[Exception],
    error: Exception,
    whole: TracebackType,
    tb_offset: int | None = None,
) -> None:
    shell.showtraceback((kind, error, shortened(error, whole)), tb_offset=tb_offset)
    sys.last_traceback = whole


def shortened(error: Exception, whole: TracebackType) -> TracebackType:
    """The traceback without the course's frames, if the course or the learner raised the error.

    Raised anywhere deeper, in a library that the course called, it is left whole.
    """
    parts = [whole]
    while parts[-1].tb_next:
        parts.append(parts[-1].tb_next)
    theirs = [part for part in parts if not _is_ours(part)]
    was_told = _is_ours(parts[-1]) and not isinstance(error, _MISHAPS)
    if not (theirs and (was_told or _is_of_a_cell(parts[-1]))):
        return whole
    rest = None
    for part in reversed(theirs):
        rest = TracebackType(rest, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return rest


def _is_ours(part: TracebackType) -> bool:
    # A dataclass's own __init__ stands in no file.
    return _file(part).startswith(PACKAGE) or _file(part) == "<string>"


def _is_of_a_cell(part: TracebackType) -> bool:
    return "ipykernel_" in _file(part)


def _file(part: TracebackType) -> str:
    return part.tb_frame.f_code.co_filename
