"""Sends requests at the moments of a plan, whatever the answers do: the open loop.

The program behind `devops_lab.loadgen`, in a process of its own, since a busy notebook would send
late. A customer does not wait for other people's answers before asking; a generator that does
(a closed loop) falls silent just when the server is slow, and never measures the queue it made.
"""

import asyncio
import gc
import json
import random
import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import httptools

from devops_lab import lifeline
from devops_lab.open_files import allow_many_connections

FLUSH_S = 0.05
# How soon a live run follows a change of its rate.
LOOK_S = 0.05
# Time for the loop to come to rest before the first request.
HEAD_START_S = 0.05

_DURATION = re.compile(rb"(wait|service);dur=([0-9.]+)")


@dataclass(slots=True)
class Attempt:
    """One try: what is sent, and what became of it."""

    request: int
    intended_s: float
    start_s: float
    message: bytes
    end_s: float = 0.0
    outcome: str = ""
    status: int | None = None
    server: str | None = None
    wait_s: float | None = None
    service_s: float | None = None


REPORTED = (
    "request",
    "intended_s",
    "start_s",
    "end_s",
    "outcome",
    "status",
    "server",
    "wait_s",
    "service_s",
)


class Connection(asyncio.Protocol):
    """One connection, with at most one attempt at a time; `httptools` calls the `on_` methods."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._attempt: Attempt | None = None
        self._used = self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, attempt: Attempt) -> None:
        """Send the attempt; the one before has ended."""
        self._attempt, self._answering = attempt, False
        self._parser = httptools.HttpResponseParser(self)
        self._timer = self._run.loop.call_later(self._run.timeout_s, self._give_up)
        self._transport.write(attempt.message)

    def data_received(self, data: bytes) -> None:
        self._answering = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"x-served-by":
            self._attempt.server = value.decode("latin-1")
        elif name == b"server-timing":
            seen = {
                kind: float(milliseconds) / 1e3 for kind, milliseconds in _DURATION.findall(value)
            }
            self._attempt.wait_s, self._attempt.service_s = seen.get(b"wait"), seen.get(b"service")

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._attempt.status = status
        self._finish("ok" if status < 500 else "failed")
        if self._parser.should_keep_alive():
            self._used = True
            self._run.idle.append(self)
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._run.idle:
            self._run.idle.remove(self)
        if self._attempt is None:
            return
        # The server may close an idle connection just as we use it; then nobody has read the
        # request, and a client sends it again (RFC 9112, 9.3.1).
        if self._used and not self._answering:
            self._timer.cancel()
            self._run.send_on_new_connection(self._attempt)
        else:
            self._finish("closed")

    def _give_up(self) -> None:
        self._finish("timed_out")
        self._transport.abort()

    def _finish(self, outcome: str) -> None:
        self._timer.cancel()
        attempt, self._attempt = self._attempt, None
        self._run.finish(attempt, outcome)


class Run:
    """All attempts of a plan, and the file that tells of those that have ended."""

    def __init__(self, plan: dict[str, Any], report: TextIO) -> None:
        self.timeout_s: float = plan["timeout_s"]
        self.idle: list[Connection] = []
        self._plan = plan
        self._head = f"GET {plan['target']} HTTP/1.1\r\nHost: {plan['host']}:{plan['port']}\r\n"
        self._report = report
        self._lines: list[str] = []
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Send every request at its moment, and return when each has an end."""
        self.loop = asyncio.get_running_loop()
        self._none_open = asyncio.Event()
        self._begin = time.perf_counter() + HEAD_START_S
        Path(self._plan["begun_file"]).write_text(str(time.time() - self._now_s()))
        flushing = self.loop.create_task(self._flush_for_ever())
        moments = self._planned() if "intended_s" in self._plan else self._live()
        request = 0
        async for intended_s in moments:
            self._send(request, intended_s)
            request += 1
        if self._open:
            self._none_open.clear()
            await self._none_open.wait()
        flushing.cancel()
        self._flush()

    async def _planned(self) -> AsyncIterator[float]:
        for intended_s in self._plan["intended_s"]:
            await self._reach(intended_s)
            yield intended_s

    async def _live(self) -> AsyncIterator[float]:
        """Moments at a rate that may change at any time: what is left of a gap is stretched or
        shrunk, so that random arrivals stay random."""
        rate_file = Path(self._plan["rate_file"])
        draw = random.Random(self._plan["seed"])
        now_s = 0.0
        while True:
            gap = draw.expovariate(1.0) if self._plan["is_random"] else 1.0
            while gap > (passing := float(rate_file.read_text()) * LOOK_S):
                gap -= passing
                now_s += LOOK_S
                if now_s > self._plan["longest_s"]:
                    return
                await self._reach(now_s)
            now_s += LOOK_S * gap / passing
            await self._reach(now_s)
            yield now_s

    async def _reach(self, moment_s: float) -> None:
        # Also a sleep of nothing lets the answers in: without it, requests that are late would go
        # out together, each on a new connection, and be later still.
        await asyncio.sleep(max(0.0, moment_s - self._now_s()))

    def _now_s(self) -> float:
        return time.perf_counter() - self._begin

    def _send(self, request: int, intended_s: float) -> None:
        self._open += 1
        attempt = Attempt(request, intended_s, self._now_s(), self._message(request))
        if self.idle:
            self.idle.pop().send(attempt)
        else:
            self.send_on_new_connection(attempt)

    def _message(self, request: int) -> bytes:
        if self._plan["service_times_s"] is None:
            return f"{self._head}\r\n".encode()
        time_s = self._plan["service_times_s"][request]
        return f"{self._head}X-Service-Time: {time_s}\r\n\r\n".encode()

    def send_on_new_connection(self, attempt: Attempt) -> None:
        """Connect for this attempt, and send it then."""
        task = self.loop.create_task(self._connect_and_send(attempt))
        # The loop itself holds tasks weakly only.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect_and_send(self, attempt: Attempt) -> None:
        try:
            async with asyncio.timeout(self.timeout_s):
                connecting = self.loop.create_connection(
                    lambda: Connection(self), self._plan["host"], self._plan["port"]
                )
                _transport, connection = await connecting
        except TimeoutError:
            self.finish(attempt, "timed_out")
        except ConnectionError:
            self.finish(attempt, "refused")
        except OSError:
            self.finish(attempt, "unsent")
        else:
            connection.send(attempt)

    def finish(self, attempt: Attempt, outcome: str) -> None:
        """Write down how an attempt ended."""
        attempt.end_s, attempt.outcome = self._now_s(), outcome
        self._lines.append(json.dumps([getattr(attempt, name) for name in REPORTED]))
        self._open -= 1
        if not self._open:
            self._none_open.set()

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        self._report.write("".join(f"{line}\n" for line in lines))
        self._report.flush()


def main() -> None:
    """Carry out the plan in the first file of the command line, and report into the second."""
    plan_file, report_file = map(Path, sys.argv[1:])
    plan = json.loads(plan_file.read_text())
    lifeline.hold()
    allow_many_connections()
    # A collection in the middle of the run would be a pause of its own.
    gc.disable()
    with report_file.open("w", encoding="utf-8") as report:
        asyncio.run(Run(plan, report).work())
