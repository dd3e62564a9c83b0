"""A time limit for somebody else's function: a loop without an end must not hang the caller."""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

from devops_lab import rules
from devops_lab.translation import _

_ATTEMPTS_TO_STOP = 10
_BETWEEN_ATTEMPTS_S = 0.05


def call_with_limit(function: Callable[..., Any], *arguments: Any, seconds: float = 1.0) -> Any:
    """What the function returns, if it comes within `seconds`.

    The function runs in a thread of its own. When the time is up, an exception is raised inside
    it, which ends any loop written in Python. A single long step in C (a huge power, a sleep) ends
    first; its thread is left behind and goes with the process. Raises `TimeoutError` when the time
    is up, and otherwise whatever the function raised; `sys.exit()` becomes a `RuntimeError`, since
    it must not end the caller.

    >>> call_with_limit(len, "abc")
    3
    >>> def endless():
    ...     while True:
    ...         pass
    >>> call_with_limit(endless, seconds=0.05)
    Traceback (most recent call last):
    TimeoutError: endless had not finished after 0.05 s. Look for a loop without end.
    """
    rules.number("seconds", seconds, above=0)
    call = _Call(function, arguments)
    call.start()
    try:
        call.join(seconds)
    finally:
        in_time = not call.is_alive()
        if not in_time:
            call.stop()
    if not in_time:
        text = _("{function} had not finished after {seconds:g} s. Look for a loop without end.")
        raise TimeoutError(text.format(function=_name(function), seconds=seconds))
    return call.outcome()


class _Stop(SystemExit):
    """Raised inside the thread; as a `SystemExit` it leaves the thread without a traceback."""


class _Call(threading.Thread):
    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        super().__init__(name="call_with_limit", daemon=True)
        self._function, self._arguments = function, arguments
        self._ending = threading.Lock()
        self._over = False
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            try:
                self._result = self._function(*self._arguments)
            except BaseException as error:
                self._error = error
            with self._ending:
                self._over = True
        except _Stop:  # it arrived between the function's end and ours
            self._over = True

    def stop(self) -> None:
        """Ask again and again: the function may catch what we raise in it."""
        for _attempt in range(_ATTEMPTS_TO_STOP):
            # Under the lock, so that nothing is raised in a thread that is already cleaning up.
            with self._ending:
                if self._over:
                    return
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self.ident or 0), ctypes.py_object(_Stop)
                )
            self.join(_BETWEEN_ATTEMPTS_S)
            if not self.is_alive():
                return

    def outcome(self) -> Any:
        if self._error is None:
            return self._result
        if isinstance(self._error, Exception):
            raise self._error
        text = _("{function} tried to end the whole program ({error}).")
        raise RuntimeError(
            text.format(function=_name(self._function), error=type(self._error).__name__)
        ) from self._error


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", _("The function"))
