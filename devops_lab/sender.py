"""Sends requests at the moments of a plan, whatever the answers do: the open loop.

The program behind `devops_lab.loadgen`, in a process of its own, since a busy notebook would send
late. A customer does not wait for other people's answers before asking; a generator that does
(a closed loop) falls silent just when the server is slow, and never measures the queue it made.
"""

import asyncio
import gc
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TextIO

from devops_lab import lifeline
from devops_lab.calls import Calls, Wish
from devops_lab.connections import Attempt
from devops_lab.open_files import allow_many_connections

FLUSH_S = 0.05
# How soon a live run follows a change of its rate.
LOOK_S = 0.05
# Time for the loop to come to rest before the first request.
HEAD_START_S = 0.05

REPORTED = (
    "request",
    "attempt",
    "intended_s",
    "start_s",
    "end_s",
    "outcome",
    "status",
    "server",
    "wait_s",
    "service_s",
)


class Run:
    """All requests of a plan, and the file that tells of the tries that have ended, a list each,
    and of the requests that are over, a number each."""

    def __init__(self, plan: dict[str, Any], report: TextIO) -> None:
        self._plan = plan
        self._head = f"GET {plan['target']} HTTP/1.1\r\nHost: {plan['host']}:{plan['port']}\r\n"
        self._report = report
        self._lines: list[str] = []
        self._open = 0
        self._draw = random.Random(f"{plan['seed']} backoff")

    async def work(self) -> None:
        """Send every request at its moment, and return when each is over."""
        self._none_open = asyncio.Event()
        self._begin = time.perf_counter() + HEAD_START_S
        Path(self._plan["begun_file"]).write_text(str(time.time() - self._now_s()))
        flushing = asyncio.get_running_loop().create_task(self._flush_for_ever())
        calls = self._calls()
        moments = self._planned() if "intended_s" in self._plan else self._live()
        request = 0
        async for intended_s in moments:
            self._open += 1
            calls.ask(request, intended_s)
            request += 1
        if self._open:
            self._none_open.clear()
            await self._none_open.wait()
        flushing.cancel()
        self._flush()

    def _calls(self) -> Calls:
        return Calls(
            [(self._plan["host"], self._plan["port"])],
            self._plan["client"],
            self._request_lines,
            tried=self._write_down,
            over=self._count,
            luck=self._luck,
            begin=self._begin,
            resends=self._plan["resends"],
        )

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

    def _request_lines(self, attempt: Attempt) -> str:
        times_s = self._plan["service_times_s"]
        if times_s is None:
            return self._head
        time_s = times_s[min(attempt.attempt, len(times_s)) - 1][attempt.request]
        return f"{self._head}X-Service-Time: {time_s}\r\n"

    def _luck(self, request: int, number: int) -> float:
        lucks = self._plan["lucks"]
        return lucks[number - 1][request] if lucks else self._draw.random()

    def _write_down(self, attempt: Attempt) -> None:
        self._lines.append(json.dumps([getattr(attempt, name) for name in REPORTED]))

    def _count(self, wish: Wish, _deciding: Attempt) -> None:
        self._lines.append(str(wish.request))
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
