"""Ways to bring a new version to people, and what each costs, by a model.

A rollout is a row of phases: for so many seconds, so many servers of the old and of the new version
get requests. They are planned here and noted down by real servers (`deployments`), and one
function, `cost`, says of both whom they hit.

>>> phases = plan(Rollout("blue_green", detection_s=2), servers=4, rate_per_s=100, error_share=0.5)
>>> cost(phases, servers=4, rate_per_s=100, error_share=0.5)["failed_requests"]
100.0
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from devops_lab.rules import number, one_of, share, whole
from devops_lab.translation import _

STRATEGIES = ("recreate", "rolling", "blue_green", "canary")
# How many people ask, in turn.
USERS = 100
# With fewer answers of a canary nobody can tell bad luck from a bad version.
ENOUGH_ANSWERS = 50
# What a start takes, and to finish what is under way, on a machine with little else to do.
START_S, DRAIN_S = 0.35, 0.15


@dataclass(frozen=True)
class Rollout:
    """How a new version replaces the old one.

    - "recreate": all servers stop, and all start with the new version;
    - "rolling": `batch` servers at a time leave the balancer, finish what they have, and come back
      with the new version;
    - "blue_green": as many new servers start beside the old ones, and from one moment to the next
      the balancer sends all requests to them;
    - "canary": one new server beside the old ones gets `canary_share` of the requests; if it does
      well, the others follow one by one.

    `detection_s` after the first person met it, the new version is judged once, and taken back in
    the same way if it is bad. A canary is judged when it has given enough answers, at the earliest.
    """

    strategy: str = "rolling"
    batch: int = 1
    canary_share: float = 0.1
    detection_s: float = 1.0

    def __post_init__(self) -> None:
        one_of("strategy", self.strategy, STRATEGIES)
        whole("batch", self.batch, at_least=1)
        remedy = _("The canary is there so that most people do not meet the new version yet.")
        number(
            "canary_share",
            share("canary_share", self.canary_share),
            at_least=0.01,
            at_most=0.5,
            remedy=remedy,
        )
        number("detection_s", self.detection_s, at_least=0, at_most=86_400)

    def check(self, servers: int) -> None:
        """Raise ValueError where so many servers cannot be replaced in this way."""
        if self.strategy == "rolling":
            remedy = _("One server at least must go on meanwhile; without any, it is a recreate.")
            whole("batch", self.batch, at_most=servers - 1, remedy=remedy)

    def weights(self, stable: int) -> list[int]:
        """How many requests in turn each server gets: the stable ones, and last the canary.

        >>> Rollout("canary", canary_share=0.1).weights(stable=3)
        [3, 3, 3, 1]
        """
        canary = Fraction(self.canary_share).limit_denominator(100)
        each = (1 - canary) / stable
        turns = math.lcm(canary.denominator, each.denominator)
        return [int(each * turns)] * stable + [int(canary * turns)]


@dataclass(frozen=True)
class Phase:
    """A stretch of a rollout: so many servers of the `old` and the `new` version get requests, the
    new ones `new_share` of them, and there are so many `machines` in all."""

    seconds: float
    old: int
    new: int
    machines: int
    new_share: float

    def failing_share(self, error_share: float) -> float:
        """The share of the requests that fail, with so many errors of the new version."""
        return self.new_share * error_share if self.old + self.new else 1.0


@dataclass(frozen=True)
class _Plan:
    """What a plan is made of; `is_bad` says whether the new version will be taken back."""

    rollout: Rollout
    servers: int
    look_s: float
    is_bad: bool
    start_s: float
    drain_s: float

    def phase(self, seconds: float, old: int, new: int, extra: int = 0) -> Phase:
        return Phase(seconds, old, new, self.servers + extra, new / max(1, old + new))

    def recreate(self) -> Iterator[Phase]:
        gap = self.phase(self.drain_s + self.start_s, 0, 0)
        yield from (gap, self.phase(self.look_s, 0, self.servers))
        if self.is_bad:
            yield gap

    def rolling(self) -> Iterator[Phase]:
        step_s, batch = self.drain_s + self.start_s, self.rollout.batch
        new, left_s = 0, math.inf
        while new < self.servers and not (self.is_bad and left_s <= 0):
            changing = min(batch, self.servers - new)
            yield self.phase(step_s, self.servers - new - changing, new)
            # The clock of detection begins with the first new server.
            left_s = left_s - step_s if new else self.look_s
            new += changing
        if left_s > 0:
            yield self.phase(left_s, 0, new)
        while self.is_bad and new:
            changing = min(batch, new)
            new -= changing
            yield self.phase(step_s, self.servers - new - changing, new)

    def blue_green(self) -> Iterator[Phase]:
        count = self.servers
        yield self.phase(self.start_s, count, 0, extra=count)
        yield self.phase(self.look_s, 0, count, extra=count)
        old, new = (count, 0) if self.is_bad else (0, count)
        yield self.phase(self.drain_s, old, new, extra=count)

    def canary(self) -> Iterator[Phase]:
        count, part = self.servers, self.rollout.canary_share
        yield self.phase(self.start_s, count, 0, extra=1)
        yield Phase(self.look_s, count, 1, count + 1, part)
        if self.is_bad:
            yield self.phase(self.drain_s, count, 0, extra=1)
            return
        for new in range(1, count):
            yield self.phase(self.drain_s + self.start_s, count - new, new, extra=1)
        yield self.phase(self.drain_s, 0, count, extra=1)


def plan(
    rollout: Rollout,
    *,
    servers: int,
    rate_per_s: float,
    error_share: float = 0.0,
    start_s: float = START_S,
    drain_s: float = DRAIN_S,
) -> list[Phase]:
    """The phases of a rollout whose new version gives so many errors; with any, it is taken back.

    Assumes that starts and drains always take the same time, that fewer servers can bear the load
    as well, and that the judgement is right. Raises ValueError for what cannot be rolled out so.
    """
    whole("servers", servers, at_least=1, at_most=1000)
    rollout.check(servers)
    number("rate_per_s", rate_per_s, above=0)
    look_s = rollout.detection_s
    if rollout.strategy == "canary":
        look_s = max(look_s, ENOUGH_ANSWERS / (rate_per_s * rollout.canary_share))
    is_bad = share("error_share", error_share) > 0
    made = _Plan(rollout, servers, look_s, is_bad, start_s, drain_s)
    phases: dict[str, Callable[[], Iterator[Phase]]] = {
        "recreate": made.recreate,
        "rolling": made.rolling,
        "blue_green": made.blue_green,
        "canary": made.canary,
    }
    return [*phases[rollout.strategy]()]


def cost(
    phases: Sequence[Phase],
    *,
    servers: int,
    rate_per_s: float,
    error_share: float = 0.0,
    users: int = USERS,
) -> dict[str, float]:
    """What a rollout costs, as one row: the expected `failed_requests`, the share of `users_hit` by
    at least one, `duration_s`, and how many servers were there `extra` and were `missing` at most.

    Of so many `users`, each sends every `users`-th request: at equal distances, if the requests
    come so. In a phase of n of a user's requests of which a share p fails, the user gets through
    with (1 - p)^n; where n is no whole number, with so much of one request more.
    """
    failed, spared, asks_per_s = 0.0, 1.0, rate_per_s / users
    for phase in phases:
        fails = phase.failing_share(error_share)
        failed += rate_per_s * phase.seconds * fails
        part, asks = math.modf(asks_per_s * phase.seconds)
        spared *= (1 - fails) ** asks * (1 - part * fails)
    return {
        "failed_requests": failed,
        "users_hit": 1 - spared,
        "duration_s": sum(phase.seconds for phase in phases),
        "extra": max(phase.machines for phase in phases) - servers,
        "missing": servers - min(phase.old + phase.new for phase in phases),
    }
