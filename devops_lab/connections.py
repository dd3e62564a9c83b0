"""Tries to get an answer over HTTP, on connections that are kept for the next try."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httptools

_DURATION = re.compile(rb"(wait|service);dur=([0-9.]+)")
# What a server says to a copy that the other copy has made needless (`duplicates`).
NEEDLESS = 409


@dataclass(slots=True)
class Attempt:
    """One try: what is sent, and what became of it.

    `wish` is what its client knows of the request; a connection does not look into it.
    """

    request: int
    attempt: int
    intended_s: float
    start_s: float
    wish: Any = None
    message: bytes = b""
    timer: asyncio.TimerHandle | None = None
    carrier: Any = None
    end_s: float = 0.0
    outcome: str = ""
    status: int | None = None
    server: str | None = None
    wait_s: float | None = None
    service_s: float | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


Ended = Callable[[Attempt, str], None]


class Connection(asyncio.Protocol):
    """One connection, with at most one try at a time; `httptools` calls the `on_` methods."""

    def __init__(self, pool: "Connections") -> None:
        self._pool = pool
        self._attempt: Attempt | None = None
        self._used = self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, attempt: Attempt) -> None:
        """Send the try; the one before has ended."""
        self._attempt, self._answering = attempt, False
        attempt.carrier = self
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(attempt.message)

    def cancel(self) -> None:
        """Forget the try, and the connection on which its answer may still come."""
        self._attempt = None
        self._transport.abort()

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._answering = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        attempt = self._attempt
        attempt.headers.append((name, value))
        name = name.lower()
        if name == b"x-served-by":
            attempt.server = value.decode("latin-1")
        elif name == b"server-timing":
            seen = {
                kind: float(milliseconds) / 1e3 for kind, milliseconds in _DURATION.findall(value)
            }
            attempt.wait_s, attempt.service_s = seen.get(b"wait"), seen.get(b"service")

    def on_body(self, part: bytes) -> None:
        self._attempt.body += part

    def on_message_complete(self) -> None:
        attempt, self._attempt = self._attempt, None
        attempt.status = self._parser.get_status_code()
        if self._parser.should_keep_alive():
            self._used = True
            self._pool.idle.append(self)
        else:
            self._transport.close()
        self._pool.ended(attempt, _outcome(attempt.status))

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._pool.idle:
            self._pool.idle.remove(self)
        if self._attempt is None:
            return
        attempt, self._attempt = self._attempt, None
        # The server may close an idle connection just as we use it; then nobody has read the
        # request, and a client sends it again (RFC 9112, 9.3.1).
        if self._pool.resends and self._used and not self._answering:
            self._pool.send_on_new_connection(attempt)
        else:
            self._pool.ended(attempt, "closed")


def _outcome(status: int) -> str:
    if status == NEEDLESS:
        return "withdrawn"
    return "ok" if status < 500 else "failed"


class Connections:
    """The connections to one server. `ended` is told each try and how it ended, but not those that
    were cancelled. Unless it `resends`, a try on a kept connection that is just being closed ends
    there."""

    def __init__(self, host: str, port: int, ended: Ended, *, resends: bool = True) -> None:
        self.host, self.port, self.ended, self.resends = host, port, ended, resends
        self.idle: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, attempt: Attempt) -> None:
        """Send the try on a connection that is idle, or on a new one."""
        if self.idle:
            self.idle.pop().send(attempt)
        else:
            self.send_on_new_connection(attempt)

    def send_on_new_connection(self, attempt: Attempt) -> None:
        """Connect for this try, and send it then."""
        task = asyncio.get_running_loop().create_task(self._connect_and_send(attempt))
        attempt.carrier = task
        # The loop itself holds tasks weakly only.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Close what is idle; what is under way ends by itself."""
        while self.idle:
            self.idle.pop().close()

    async def _connect_and_send(self, attempt: Attempt) -> None:
        try:
            connecting = asyncio.get_running_loop().create_connection(
                lambda: Connection(self), self.host, self.port
            )
            _transport, connection = await connecting
        except ConnectionError:
            self.ended(attempt, "refused")
        except OSError:
            self.ended(attempt, "unsent")
        else:
            connection.send(attempt)
