"""How a server works: its settings, its workers with the queue before them, its service times."""

import asyncio
import math
import random
import time
from collections import deque
from dataclasses import dataclass, fields
from typing import NamedTuple

from devops_lab import rules
from devops_lab.translation import _

DISTRIBUTIONS = ("constant", "exponential")
LONGEST_SERVICE_S = 60.0

# How late a timer may be and still count as on time; a longer delay was a freeze, and is lost.
LATEST_TIMER_S = 0.02


@dataclass(frozen=True)
class Settings:
    """What can be changed while a server runs.

    `service_time_s` is how long one worker is busy with one request (the mean, when
    `service_distribution` is "exponential"), `workers` how many requests are in work at once;
    the others wait, `queue_limit` of them at most (None: any number): who finds the queue full is
    shed, with a 503 at once. A sick machine takes `slow_factor` times as long, also where a request
    says how much work it is. `error_share` of the answers are a 500. A server that is not `ready`
    says so at `/readyz`, and answers all the same. One that is not `reachable` is cut off: it says
    nothing to anybody but the notebook that started it, and what it was asked meanwhile is answered
    after.

    >>> Settings(service_time_s=0.03, workers=2).workers
    2
    """

    service_time_s: float = 0.0
    service_distribution: str = "constant"
    workers: int = 1
    queue_limit: int | None = None
    slow_factor: float = 1.0
    error_share: float = 0.0
    ready: bool = True
    reachable: bool = True

    def __post_init__(self) -> None:
        rules.number(
            "service_time_s",
            self.service_time_s,
            at_least=0,
            at_most=LONGEST_SERVICE_S,
            remedy=_("It is in seconds: 0.03 is 30 ms."),
        )
        rules.one_of("service_distribution", self.service_distribution, DISTRIBUTIONS)
        rules.whole("workers", self.workers, at_least=1, at_most=10_000)
        if self.queue_limit is not None:
            rules.whole("queue_limit", self.queue_limit, at_least=0)
        rules.number("slow_factor", self.slow_factor, above=0, at_most=1_000)
        rules.share("error_share", self.error_share)
        for name in ("ready", "reachable"):
            if not isinstance(value := getattr(self, name), bool):
                text = _("{name} must be True or False, got {value!r}.")
                raise TypeError(text.format(name=name, value=value))

    @classmethod
    def names(cls) -> list[str]:
        """The settings' names, in their order."""
        return [field.name for field in fields(cls)]


class Draws:
    """A server's random numbers, one stream for each purpose.

    Both are drawn for every request, used or not, so that changing one setting leaves the
    other's numbers as they were.
    """

    def __init__(self, seed: int) -> None:
        self._service = random.Random(f"{seed} service")
        self._error = random.Random(f"{seed} error")

    def next(self, settings: Settings) -> tuple[float, bool]:
        """The service time in seconds of the next request, and whether it fails."""
        factor, luck = self._service.expovariate(1.0), self._error.random()
        if settings.service_distribution == "constant":
            factor = 1.0
        return factor * settings.service_time_s, luck < settings.error_share


class NotServedError(Exception):
    """A request that no worker takes."""


class QueueFullError(NotServedError):
    """As many wait already as may wait."""


class TooLateError(NotServedError):
    """Nobody waits for the answer any more."""


class WithdrawnError(NotServedError):
    """Another server has begun on a copy of it."""


class Turn(NamedTuple):
    """A request in the queue: its client waits until `until` (of `time.perf_counter`)."""

    start: asyncio.Future[float]
    until: float
    key: str


class Workers:
    """A queue, first come first served, before `count` workers.

    Timers ring up to a millisecond or so late, and behind a long queue these delays would add up
    to a slower server than the one asked for. So each worker keeps its own clock: the next
    request starts, on paper, when the one before *should* have ended.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._busy = 0
        self._queue: deque[Turn] = deque()

    async def take(
        self, queue_limit: int | None = None, until: float = math.inf, key: str = ""
    ) -> float:
        """The time (of `time.perf_counter`) at which a worker starts on the caller's request.

        Raises a `NotServedError` where none will: the queue is full, nobody waits any more when
        it would be the request's turn, or its key was withdrawn.
        """
        arrival = time.perf_counter()
        if until <= arrival:
            raise TooLateError
        if self._busy < self._count:
            self._busy += 1
            return arrival
        if queue_limit is not None and len(self._queue) >= queue_limit:
            raise QueueFullError
        turn = Turn(asyncio.get_running_loop().create_future(), until, key)
        self._queue.append(turn)
        return max(arrival, await turn.start)

    def give_back(self, end: float) -> None:
        """The worker is free again; `end` is when its work should have ended."""
        self._busy -= 1
        self._start_waiting(max(end, time.perf_counter() - LATEST_TIMER_S))

    def resize(self, count: int) -> None:
        """Change the number of workers; those at work finish first."""
        self._count = count
        self._start_waiting(time.perf_counter())

    def withdraw(self, key: str) -> None:
        """Take the requests with this key out of the queue."""
        for turn in [turn for turn in self._queue if turn.key == key]:
            self._queue.remove(turn)
            turn.start.set_exception(WithdrawnError)

    def _start_waiting(self, start: float) -> None:
        while self._queue and self._busy < self._count:
            turn = self._queue.popleft()
            if turn.until <= time.perf_counter():
                turn.start.set_exception(TooLateError)
            else:
                self._busy += 1
                turn.start.set_result(start)


async def sleep_until(end: float) -> None:
    """Return at `end` (of `time.perf_counter`), at once when that is over."""
    remaining = end - time.perf_counter()
    if remaining > 0:
        await asyncio.sleep(remaining)
