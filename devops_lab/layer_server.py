"""One layer of a site: it does its own work and then asks the layer below, as its client says.

The program behind `devops_lab.layers`. Its worker is busy until the layer below has answered, as
in most servers.
"""

import asyncio
import json
import math
import random
import time
from pathlib import Path
from typing import Any

from devops_lab import shop
from devops_lab.access_log import AccessLog, Entry
from devops_lab.calls import Calls, Wish
from devops_lab.connections import Attempt
from devops_lab.http1 import Reply, Request
from devops_lab.purpose_program import PurposeWebServer, run
from devops_lab.serve import DEADLINE_HEADER

# What is said when the layer below gave no answer.
STATUSES = {"timed_out": 504, "held_back": 503}


class LayerServer(PurposeWebServer):
    """A server whose `/work` is the work of the layer below."""

    def __init__(
        self,
        name: str,
        log: AccessLog,
        folder: Path,
        *,
        below: int,
        client: dict[str, float],
        workers: int,
    ) -> None:
        super().__init__(name, log, folder, workers)
        self._below, self._client = below, client
        self._calls: Calls | None = None
        self._asked = 0
        self._draw = random.Random(name)
        self._answers: dict[int, asyncio.Future[Attempt]] = {}
        self._ids: dict[int, str] = {}
        self._for_operators["/-/client"] = self._change_client

    async def reply(self, request: Request, entry: Entry) -> Reply:
        if request.path != "/work":
            return await super().reply(request, entry)
        below = await self._ask_below(entry.request_id, _time_left_s(request))
        if below.status is not None and below.status < 500:
            return self._work_done
        entry.error = f"the layer below: {below.status or below.outcome}"
        return shop.as_json({"error": entry.error}, STATUSES.get(below.outcome, 502))

    async def _ask_below(self, request_id: str, within_s: float) -> Attempt:
        self._calls = self._calls or self._new_calls()
        number, self._asked = self._asked, self._asked + 1
        self._ids[number] = request_id
        self._answers[number] = asyncio.get_running_loop().create_future()
        self._calls.ask(number, self._calls.now_s(), within_s)
        try:
            return await self._answers[number]
        finally:
            del self._answers[number], self._ids[number]

    def _new_calls(self) -> Calls:
        return Calls(
            [("127.0.0.1", self._below)],
            self._client,
            self._lines,
            tried=lambda _attempt: None,
            over=self._answered,
            luck=lambda _request, _number: self._draw.random(),
        )

    def _lines(self, attempt: Attempt) -> str:
        return (
            f"GET /work HTTP/1.1\r\nHost: 127.0.0.1:{self._below}\r\n"
            f"X-Request-Id: {self._ids[attempt.request]}\r\n"
        )

    def _answered(self, wish: Wish, deciding: Attempt) -> None:
        if wish.request in self._answers:
            self._answers[wish.request].set_result(deciding)

    def _change_client(self, request: Request) -> Reply:
        if not self._is_allowed(request):
            return shop.as_json({"error": "not allowed"}, 403)
        self._client = json.loads(request.body)
        # Who is under way goes on by the rules it began with.
        self._calls = None
        return shop.as_json({"changed": True})


def _time_left_s(request: Request) -> float:
    if DEADLINE_HEADER not in request.headers:
        return math.inf
    return float(request.headers[DEADLINE_HEADER]) - time.time()


def main() -> None:
    """Serve one layer until the process is asked to end."""

    def make(name: str, log: AccessLog, folder: Path, **options: Any) -> LayerServer:
        return LayerServer(name, log, folder, **options)

    run(make)
