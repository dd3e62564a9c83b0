"""A client in the notebook that behaves: it waits, tries again, hedges and gives up as it is told.

    with Server(error_share=0.5) as server:
        shop = HttpClient(server, Client(attempts=3, backoff_s=0.05))
        shop.get("/work")
        shop.attempts()

Its parameters are those of `scenario.Client`, so what was simulated can be done.
"""

import asyncio
import functools
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from devops_lab import rules
from devops_lab.calls import Calls, Wish
from devops_lab.client import Answer
from devops_lab.connections import Attempt
from devops_lab.event_loop import EventLoop
from devops_lab.scenario import Client
from devops_lab.tables import ATTEMPTS, table
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

LONGEST_TIMEOUT_S = 60.0


class HasPort(Protocol):
    """A server of this machine."""

    @property
    def port(self) -> int: ...


class BreakerOpenError(ConnectionError):
    """Nothing was sent: too many of the latest tries have failed."""


class HttpClient:
    """A client of one server, or of several of the same kind, of which each further try of a
    request takes the next one.

    It has one budget and one breaker for all its requests. A try ends after 60 s at the latest.
    `seed` decides about the jitter.
    """

    def __init__(
        self,
        servers: HasPort | Sequence[HasPort],
        client: Client | None = None,
        *,
        seed: int = 1,
    ) -> None:
        listed = servers if isinstance(servers, Sequence) else [servers]
        rules.whole("servers", len(listed), at_least=1, at_most=100)
        self._ports = [server.port for server in listed]
        self._draw = random.Random(rules.whole("seed", seed, at_least=0))
        settings = (client or Client()).numbers()
        self._settings = settings | {"timeout_s": min(settings["timeout_s"], LONGEST_TIMEOUT_S)}
        self._numbers = itertools.count()
        self._heads: dict[int, str] = {}
        self._ends: dict[int, asyncio.Future[Attempt]] = {}
        self._ended: list[Attempt] = []
        self._calls = _loop().call(self._new_calls())

    def get(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | bytes = b"",
        within_s: float | None = None,
    ) -> Answer:
        """The answer to a path, also one that is an error, when there will be no better one.

        `within_s` is what the caller has left itself: the request ends by then.

        Raises `TimeoutError` where no answer came in time, `BreakerOpenError` where none was
        asked for, and `ConnectionError` where nobody listens or the connection was closed.
        """
        left_s = math.inf
        if within_s is not None:
            remedy = _("A deadline in the past leaves nothing to ask for.")
            left_s = rules.number("within_s", within_s, above=0, remedy=remedy)
        content = body.encode() if isinstance(body, str) else body
        lines = dict(headers or {})
        if content:
            lines["Content-Length"] = str(len(content))
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return _answer(_loop().call(self._ask(head, content, left_s)), head)

    def attempts(self) -> "DataFrame":
        """All tries that have ended, one row each; see `tables.ATTEMPTS`."""
        rows = sorted(self._ended, key=lambda attempt: (attempt.request, attempt.attempt))
        columns = {
            name: [getattr(attempt, name) for attempt in rows]
            for name in ATTEMPTS
            if name != "latency_s"
        }
        columns["latency_s"] = [attempt.end_s - attempt.intended_s for attempt in rows]
        return table(columns, ATTEMPTS)

    async def _new_calls(self) -> Calls:
        return Calls(
            [("127.0.0.1", port) for port in self._ports],
            self._settings,
            lambda attempt: self._heads[attempt.request],
            tried=self._ended.append,
            over=self._answered,
            luck=lambda _request, _number: self._draw.random(),
        )

    async def _ask(self, head: str, content: bytes, within_s: float) -> Attempt:
        number = next(self._numbers)
        self._heads[number] = head
        self._ends[number] = asyncio.get_running_loop().create_future()
        wish = self._calls.ask(number, self._calls.now_s(), within_s, content)
        try:
            return await self._ends[number]
        finally:
            self._calls.drop(wish)
            del self._heads[number], self._ends[number]

    def _answered(self, wish: Wish, deciding: Attempt) -> None:
        if wish.request in self._ends and not self._ends[wish.request].done():
            self._ends[wish.request].set_result(deciding)


@functools.cache
def _loop() -> EventLoop:
    """One for all clients; its thread ends with the kernel."""
    return EventLoop()


def _answer(attempt: Attempt, head: str) -> Answer:
    """What the try that decided brought, as an answer or an error."""
    if attempt.status is None:
        raise _ERRORS.get(attempt.outcome, ConnectionError)(
            _TEXTS[attempt.outcome].format(tries=attempt.attempt)
        )
    headers = Message()
    for name, value in attempt.headers:
        headers[name.decode("latin-1")] = value.decode("latin-1")
    reason = HTTPStatus(attempt.status).phrase if attempt.status in iter(HTTPStatus) else ""
    return Answer(attempt.status, reason, headers, attempt.body, head)


_ERRORS = {
    "timed_out": TimeoutError,
    "refused": ConnectionRefusedError,
    "held_back": BreakerOpenError,
}
_TEXTS = {
    "timed_out": _("No answer came in time; the last try was number {tries}."),
    "refused": _("Nobody listens there; the last try was number {tries}."),
    "closed": _("The connection was closed without an answer; the last try was number {tries}."),
    "unsent": _("This machine has no connection left to ask with (try number {tries})."),
    "held_back": _(
        "Nothing was sent, since too many of the latest tries have failed: the breaker is open. "
        "It lets one out every now and then, and closes when that succeeds."
    ),
}
