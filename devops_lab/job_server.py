"""A server for work that takes longer than a request should wait: it answers 202, ask again.

`POST /jobs` with `{"orders": 60000}` starts a job and names its address; `GET` there answers 202
while it runs and 200 with the result. The work (`devops_lab.baskets`) is cut into parts for worker
processes, and their results are gathered.
"""

import asyncio
import itertools
import json
import multiprocessing
import os
import re
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from devops_lab import lifeline, rules, shop
from devops_lab.access_log import AccessLog, Entry
from devops_lab.baskets import Pairs, count_pairs, cut
from devops_lab.http1 import Refusal, Reply, Request
from devops_lab.purpose_program import PurposeWebServer, run

PART = 2_000
MOST_ORDERS = 500_000
MOST_JOBS = 8
ASK_AGAIN_S = 1


@dataclass
class Job:
    """One job: its parts, and what has been gathered so far."""

    number: int
    orders: int
    parts: int
    done: int = 0
    pairs: Pairs = field(default_factory=Counter)
    began: float = field(default_factory=time.perf_counter)
    took_s: float | None = None
    problem: str = ""

    @property
    def address(self) -> str:
        return f"/jobs/{self.number}"

    @property
    def is_running(self) -> bool:
        return self.took_s is None and not self.problem

    def reply(self) -> Reply:
        """202 while it runs, then 200 with the result, or 500 when it could not be ended."""
        if self.problem:
            return shop.as_json({"job": self.number, "problem": self.problem}, 500)
        if self.took_s is None:
            so_far = {"job": self.number, "parts": self.parts, "done": self.done}
            accepted = shop.as_json(so_far, 202)
            accepted.headers |= {"Location": self.address, "Retry-After": str(ASK_AGAIN_S)}
            return accepted
        [(pair, times)] = self.pairs.most_common(1) or [((), 0)]
        result = {"orders": self.orders, "bought_together": pair, "times": times}
        return shop.as_json({**result, "took_s": round(self.took_s, 3)})


class JobServer(PurposeWebServer):
    """A web server that takes jobs and has them done by worker processes."""

    def __init__(self, name: str, log: AccessLog, folder: Path, worker_processes: int) -> None:
        super().__init__(name, log, folder)
        self._worker_processes = worker_processes
        self._jobs: dict[int, Job] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._hire()
        self._pool.submit(os.getpid).result()

    def close(self) -> None:
        """Let the worker processes go; what they have not begun is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    async def reply(self, request: Request, entry: Entry) -> Reply:
        if request.path == "/jobs":
            return self._accept(request)
        found = re.fullmatch(r"/jobs/([0-9]{1,9})", request.path)
        if found and int(found[1]) in self._jobs:
            return self._jobs[int(found[1])].reply()
        raise Refusal(404, f"There is no job at {request.path}. POST one to /jobs.")

    def _accept(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply(405, "text/plain", b"A job comes by POST.\n", {"Allow": "POST"})
        orders = _orders(request.body)
        if sum(job.is_running for job in self._jobs.values()) >= MOST_JOBS:
            raise Refusal(503, f"{MOST_JOBS} jobs are running already; come back later.")
        job = Job(next(self._numbers), orders, len(cut(orders, PART)))
        self._jobs[job.number] = job
        task = asyncio.get_running_loop().create_task(self._work(job))
        # The loop itself holds tasks weakly only.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job.reply()

    async def _work(self, job: Job) -> None:
        """Hand out the parts, and gather what comes back, in any order."""
        pool, loop = self._pool, asyncio.get_running_loop()
        try:
            parts = [
                loop.run_in_executor(pool, count_pairs, *part) for part in cut(job.orders, PART)
            ]
            for part in asyncio.as_completed(parts):
                job.pairs += await part
                job.done += 1
            job.took_s = time.perf_counter() - job.began
        except Exception as error:
            job.problem = (
                f"A part of the work was lost ({type(error).__name__}). Send the job again."
            )
            if pool is self._pool:
                self._hire()

    def _hire(self) -> None:
        """New worker processes: a pool that has lost one takes no more work."""
        self._pool = ProcessPoolExecutor(
            self._worker_processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=lifeline.hold,
        )


def _orders(body: bytes) -> int:
    try:
        orders = json.loads(body)["orders"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refusal(400, 'A job is JSON such as {"orders": 60000}.') from None
    try:
        return rules.whole("orders", orders, at_least=1, at_most=MOST_ORDERS)
    except (TypeError, ValueError) as error:
        raise Refusal(400, str(error)) from None


def main() -> None:
    """Take jobs until the process is asked to end."""
    run(JobServer)
