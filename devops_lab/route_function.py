"""The learner's routing function: tried once, sent to the server's process, called with a limit.

The function takes a path (still percent-encoded, without the query) and returns
`(status, content_type, body)`. The server has a copy of it, made when it was handed over.
"""

import linecache
import pickle
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from devops_lab import limits
from devops_lab.http1 import Reply
from devops_lab.translation import _

RouteFunction = Callable[[str], tuple[int, str, str | bytes]]

LIMIT_S = 1.0
MOST_LINES = 5


def as_reply(answer: Any) -> Reply:
    """The function's answer, checked; raises a `TypeError` or `ValueError` that says what it was.

    A body of str is sent as UTF-8, and text without a character set is labelled so.

    >>> as_reply((200, "text/plain", "Hello"))
    Reply(status=200, content_type='text/plain; charset=utf-8', body=b'Hello', headers={})
    >>> as_reply("Hello")
    Traceback (most recent call last):
    TypeError: The function returned 'Hello'. It must return (status, content_type, body), such as \
(200, "text/html", "<h1>Bread</h1>").
    """
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        raise TypeError(
            _(
                "The function returned {answer}. It must return (status, content_type, body), "
                'such as (200, "text/html", "<h1>Bread</h1>").'
            ).format(answer=_short(answer))
        )
    status, content_type, body = answer
    _check_head(status, content_type)
    if isinstance(body, bytes):
        return Reply(status, content_type, body)
    if not isinstance(body, str):
        raise TypeError(_("The body must be str or bytes, got {body}.").format(body=_short(body)))
    # A browser that is told no character set guesses one, and shows 빵 as something else.
    if content_type.startswith("text/") and "charset=" not in content_type.lower():
        content_type += "; charset=utf-8"
    return Reply(status, content_type, body.encode())


def _check_head(status: Any, content_type: Any) -> None:
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        text = _("The status must be a whole number from 200 to 599, got {status}.")
        raise ValueError(text.format(status=_short(status)))
    # A line break would let the answer's text write headers of its own.
    if not isinstance(content_type, str) or not re.fullmatch(r"[\w.+-]+/[ -~]+", content_type):
        text = _('The content type must be text such as "text/html", got {content_type}.')
        raise ValueError(text.format(content_type=_short(content_type)))


def answer(route: RouteFunction, path: str) -> Reply:
    """The reply of the function to this path; raises what the function raises.

    A function that has not finished after a second is ended with a `TimeoutError`.
    """
    return as_reply(limits.call_with_limit(route, path, seconds=LIMIT_S))


def try_once(route: RouteFunction, path: str = "/") -> None:
    """Call the function here, before a server gets it, so that a mistake shows where it was made.

    Raises what the function raises, with a note that says what was tried.
    """
    if not callable(route):
        raise TypeError(
            _("route must be a function that takes a path, got {route}.").format(
                route=_short(route)
            )
        )
    try:
        answer(route, path)
    except Exception as error:
        error.add_note(
            _(
                "This was a trial: before the server starts, your function is called once as "
                "{call}. Mend it, and run this cell again."
            ).format(call=f"{_name(route)}({path!r})")
        )
        raise error.with_traceback(_their_part(error)) from None


def explain(error: Exception, route: RouteFunction, path: str) -> str:
    """What went wrong in a call of the function: the call, the lines that led there, the error."""
    frames = traceback.extract_tb(_their_part(error))
    lines = [f"  line {frame.lineno} in {frame.name}: {frame.line}" for frame in frames]
    call = _("{call} failed:").format(call=f"{_name(route)}({path!r})")
    kind = "".join(traceback.format_exception_only(error)).rstrip()
    return "\n".join((call, *lines[-MOST_LINES:], kind))


def pack(route: RouteFunction) -> bytes:
    """The function as bytes for another process, with the text of the cells it was written in.

    Raises a `TypeError` when it uses something that cannot leave this process.
    """
    import cloudpickle

    try:
        return cloudpickle.dumps((route, _cells()))
    except Exception as error:
        raise TypeError(
            _(
                "{function} cannot be sent to the server's process ({reason}). It may use "
                "functions, numbers, texts, lists and modules, but no open file, widget or "
                "connection."
            ).format(function=_name(route), reason=error)
        ) from error


def unpack(packed: bytes) -> RouteFunction:
    """The function again, in the server's process; its tracebacks can show the lines of cells."""
    route, cells = pickle.loads(packed)
    for file, lines in cells.items():
        linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
    return route


def _cells() -> dict[str, list[str]]:
    """The text of everything typed in here, which no other process could find on the disk."""
    cells = {file: entry for file, entry in linecache.cache.items() if len(entry) == 4}
    return {file: entry[2] for file, entry in cells.items() if not Path(file).exists()}


def _their_part(error: Exception) -> TracebackType | None:
    """The traceback from the learner's first line on, which comes after the call in the thread."""
    part, rest = None, error.__traceback__
    while rest:
        if rest.tb_frame.f_code.co_filename == limits.__file__:
            part = rest.tb_next
        rest = rest.tb_next
    return part


def _name(route: RouteFunction) -> str:
    return getattr(route, "__name__", type(route).__name__)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
