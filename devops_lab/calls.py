"""A client's requests over HTTP: which tries are sent and when, by the rules that `backoff` has for
real and for simulated clients alike.

It lives in an asyncio loop: that of the load generator, of a server that asks another one, or of
a client in a notebook.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from devops_lab import backoff
from devops_lab.connections import Attempt, Connections

# What a server is told of a request, beside the request itself.
DEADLINE_HEADER = "X-Deadline"
KEY_HEADER = "Idempotency-Key"
TIED_HEADER = "X-Tied-To"

# What a breaker learns nothing from.
_NO_LESSON = ("withdrawn", "held_back")

Address = tuple[str, int]
Lines = Callable[[Attempt], str]


@dataclass(slots=True)
class Wish:
    """A request: what somebody wants, whatever number of tries it takes."""

    request: int
    deadline_s: float
    key: str
    body: bytes = b""
    is_dropped: bool = False
    tries: int = 0
    open: list[Attempt] = field(default_factory=list)


class Calls:
    """The requests of one client, in the loop that runs now.

    `settings` are `Client.numbers()`; `addresses` have one server, or several of the same kind, of
    which the next try takes the next one. `lines` gives the first line and the headers of a try.
    `tried` is told each try that has ended, `over` each wish that has, with the try that decided
    it. `luck` is a random number from 0 to 1 for a request and its retry's number. What `resends`
    means, `connections.Connections` says.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        settings: Mapping[str, float],
        lines: Lines,
        *,
        tried: Callable[[Attempt], None],
        over: Callable[[Wish, Attempt], None],
        luck: Callable[[int, int], float],
        begin: float | None = None,
        resends: bool = True,
    ) -> None:
        self._settings = backoff.settings_of(settings)
        self._memory = backoff.Memory()
        self._lines, self._tried, self._over, self._luck = lines, tried, over, luck
        self._pools = [
            Connections(host, port, self._ended, resends=resends) for host, port in addresses
        ]
        self._loop = asyncio.get_running_loop()
        self._begin = time.perf_counter() if begin is None else begin
        self._prefix = secrets.token_hex(8)

    def now_s(self) -> float:
        """Seconds since the begin of its clock."""
        return time.perf_counter() - self._begin

    def ask(
        self, request: int, intended_s: float, within_s: float = math.inf, body: bytes = b""
    ) -> Wish:
        """Send the first try of a request, meant to start at `intended_s`; the request ends
        `within_s` of that, if not at a deadline of its client before."""
        deadline_s = intended_s + min(within_s, self._settings.deadline_s)
        wish = Wish(request, deadline_s, f"{self._prefix}-{request}", body)
        backoff.earn(self._settings, self._memory)
        self._try(wish, intended_s)
        return wish

    def drop(self, wish: Wish) -> None:
        """Forget a request: who asked does not wait any more. Its tries are not told."""
        wish.is_dropped = True
        for attempt in wish.open:
            self._cancel(attempt)
        wish.open.clear()

    def close(self) -> None:
        """Give up the idle connections."""
        for pool in self._pools:
            pool.close()

    def _try(self, wish: Wish, intended_s: float) -> None:
        if wish.is_dropped:
            return
        settings, now_s = self._settings, self.now_s()
        wish.tries += 1
        attempt = Attempt(wish.request, wish.tries, intended_s, now_s, wish)
        wish.open.append(attempt)
        is_guarded = settings.breaker_error_share < math.inf
        if is_guarded and not backoff.lets_out(settings, self._memory, now_s):
            self._ended(attempt, "held_back")
            return
        left_s = min(settings.timeout_s, wish.deadline_s - now_s)
        if left_s < math.inf:
            attempt.timer = self._loop.call_later(left_s, self._give_up, attempt)
        if settings.hedge_after_s < math.inf and wish.tries < settings.attempts:
            self._loop.call_later(settings.hedge_after_s, self._hedge, attempt)
        head = f"{self._lines(attempt)}{self._told(wish, left_s)}\r\n"
        attempt.message = head.encode() + wish.body
        self._pool(attempt).send(attempt)

    def _told(self, wish: Wish, left_s: float) -> str:
        """The headers of a client that behaves."""
        settings, told = self._settings, ""
        if wish.deadline_s < math.inf:
            # A moment and not a time left, which would begin anew wherever the request had to lie.
            told += f"{DEADLINE_HEADER}: {time.time() + left_s:.6f}\r\n"
        if settings.idempotency_keys or settings.tied:
            told += f"{KEY_HEADER}: {wish.key}\r\n"
        if settings.tied:
            others = " ".join(f"{pool.host}:{pool.port}" for pool in self._pools)
            told += f"{TIED_HEADER}: {others}\r\n"
        return told

    def _pool(self, attempt: Attempt) -> Connections:
        return self._pools[(attempt.request + attempt.attempt - 1) % len(self._pools)]

    def _give_up(self, attempt: Attempt) -> None:
        self._cancel(attempt)
        self._ended(attempt, "timed_out")

    def _hedge(self, attempt: Attempt) -> None:
        is_open = not attempt.outcome and not attempt.wish.is_dropped
        if is_open and backoff.may_spend(self._settings, self._memory):
            self._try(attempt.wish, attempt.start_s + self._settings.hedge_after_s)

    def _ended(self, attempt: Attempt, outcome: str) -> None:
        wish = attempt.wish
        self._write_down(attempt, outcome)
        if self._settings.breaker_error_share < math.inf and outcome not in _NO_LESSON:
            backoff.learn(self._settings, self._memory, attempt.end_s, outcome != "ok")
        if outcome == "ok":
            for other in wish.open.copy():
                self._cancel(other)
                self._write_down(other, "withdrawn")
        elif wish.open or (outcome != "held_back" and self._tries_again(wish)):
            return
        self._over(wish, attempt)

    def _write_down(self, attempt: Attempt, outcome: str) -> None:
        if attempt.timer:
            attempt.timer.cancel()
        # A timer that has rung still knows its try: in a circle, it would stay for good.
        attempt.timer = attempt.carrier = None
        attempt.end_s, attempt.outcome = self.now_s(), outcome
        attempt.wish.open.remove(attempt)
        self._tried(attempt)

    def _tries_again(self, wish: Wish) -> bool:
        """Whether there will be one more try, after a pause."""
        settings, number = self._settings, wish.tries
        if number >= settings.attempts:
            return False
        luck = self._luck(wish.request, number) if settings.jitter != backoff.NO_JITTER else 0.0
        pause_s, now_s = backoff.pause_s(settings, number, luck), self.now_s()
        if now_s + pause_s >= wish.deadline_s or not backoff.may_spend(settings, self._memory):
            return False
        self._loop.call_later(pause_s, self._try, wish, now_s + pause_s)
        return True

    @staticmethod
    def _cancel(attempt: Attempt) -> None:
        if attempt.timer:
            attempt.timer.cancel()
        # A connection, or the task that makes one.
        attempt.carrier.cancel()
