"""An autoscaler: looks at the servers from time to time, and says how many there should be.

It is the same in simulated time (`devops_lab.simulated_fleet`) and on real servers
(`devops_lab.real_fleet`): it gets a `Look` and gives a number.

>>> from devops_lab.autoscaler import Autoscaler, Look
>>> busy = Look(time_s=1.0, utilisation=(0.9, 0.9), in_flight=(1, 2), latency_s=(0.1, 0.1))
>>> Autoscaler(target=0.6).wish(busy)
3
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from devops_lab.rules import number, one_of, whole
from devops_lab.scaling import hpa_desired_replicas, hpa_stabilised
from devops_lab.scenario import Faults, Scenario
from devops_lab.tables import Column, Schema
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

# Those of Caddy, which asks the servers themselves whether they are ready.
BALANCERS = ("round_robin", "random", "least_connections")
METRICS = ("utilisation", "in_flight", "latency_s")
MOST_SERVERS = 12
LONGEST_DAY_S = 120.0

LOOKS: Schema = {
    "time_s": Column("float64", "s", "when the autoscaler looked, since the run's start"),
    "ready": Column("int64", "", "servers that got requests until then"),
    "starting": Column("int64", "", "servers asked for and not ready yet"),
    "utilisation": Column("float64", "", "share of the ready servers' time in work since then"),
    "in_flight": Column("float64", "", "requests waiting or in work, the mean of a ready server"),
    "latency_s": Column("float64", "s", "mean latency of the answers since the look before"),
    "wish": Column("int64", "", "servers wanted by this look alone"),
    "asked": Column("int64", "", "servers asked for, with the wishes before in mind"),
}


@dataclass(frozen=True)
class Look:
    """What the servers' own metrics say: one number a ready server, since the look before.

    `utilisation` is the share of a server's time in work (what it has finished), `in_flight` the
    requests that wait or are in work now, `latency_s` the mean latency of its answers, None where
    it gave none. `starting` servers are asked for and not ready.
    """

    time_s: float
    utilisation: tuple[float, ...]
    in_flight: tuple[float, ...]
    latency_s: tuple[float | None, ...]
    starting: int = 0

    @property
    def ready(self) -> int:
        """How many servers get requests."""
        return len(self.in_flight)

    @property
    def servers(self) -> int:
        """How many servers there are, those that start counted."""
        return self.ready + self.starting

    def mean(self, metric: str) -> float:
        """The mean of a metric over the servers that have one; missing where none has."""
        values = [value for value in getattr(self, metric) if value is not None]
        return sum(values) / len(values) if values else float("nan")


class Counters(NamedTuple):
    """What a server has counted until `time_s`: seconds in work, seconds that its answers took,
    and how many they were."""

    time_s: float
    in_flight: float = 0.0
    busy_s: float = 0.0
    latency_s: float = 0.0
    answered: float = 0.0


def look_between(pairs: Sequence[tuple[Counters, Counters]], workers: int, starting: int) -> Look:
    """What is seen of servers of which each was read twice, at the look before and now.

    >>> before = Counters(time_s=1.0)
    >>> now = Counters(time_s=2.0, in_flight=3, busy_s=0.5, latency_s=2.0, answered=4)
    >>> look_between([(before, now)], workers=1, starting=0)
    Look(time_s=2.0, utilisation=(0.5,), in_flight=(3,), latency_s=(0.5,), starting=0)
    """
    spans = [(now, now.time_s - old.time_s, now.answered - old.answered) for old, now in pairs]
    busy_s = [now.busy_s - old.busy_s for old, now in pairs]
    took_s = [now.latency_s - old.latency_s for old, now in pairs]
    return Look(
        time_s=max(now.time_s for now, _span, _count in spans),
        # What was begun before the last look is counted at its end.
        utilisation=tuple(
            min(1.0, busy / (span * workers)) if span else 0.0
            for busy, (_now, span, _count) in zip(busy_s, spans, strict=True)
        ),
        in_flight=tuple(now.in_flight for now, _span, _count in spans),
        latency_s=tuple(
            took / count if count else None
            for took, (_now, _span, count) in zip(took_s, spans, strict=True)
        ),
        starting=starting,
    )


Rule = Callable[[Look], int]


@dataclass(frozen=True)
class Autoscaler:
    """How many servers there should be, by Kubernetes' rules or by a `rule` of your own.

    Every `look_every_s` it compares a `metric` with its `target`: "utilisation" (0 to 1),
    "in_flight" (requests a server) or "latency_s". Of the wishes of the last `window_s`, the
    stabilisation window, it takes the highest, so it grows at once and shrinks late. Servers that
    are not ready yet are counted as Kubernetes does: with nothing to do, when it would grow.

    A `rule` takes a `Look` and returns a number of servers; limits and window apply to it too.
    """

    target: float = 0.6
    metric: str = "utilisation"
    min_servers: int = 1
    max_servers: int = 8
    window_s: float = 1.0
    look_every_s: float = 0.25
    tolerance: float = 0.1
    rule: Rule | None = None

    def __post_init__(self) -> None:
        number("target", self.target, above=0)
        one_of("metric", self.metric, METRICS)
        whole("min_servers", self.min_servers, at_least=1)
        remedy = _("Each is a real process.")
        whole(
            "max_servers",
            self.max_servers,
            at_least=self.min_servers,
            at_most=MOST_SERVERS,
            remedy=remedy,
        )
        number("window_s", self.window_s, at_least=0)
        number("look_every_s", self.look_every_s, at_least=0.1)
        number("tolerance", self.tolerance, at_least=0, below=1)
        if self.rule is not None:
            self.wish(_FIRST_LOOK)

    def changed(self, **changes: object) -> "Autoscaler":
        """The same autoscaler with other values."""
        return replace(self, **changes)

    def wish(self, look: Look) -> int:
        """How many servers this look alone asks for."""
        if self.rule is None:
            return self._by_kubernetes(look)
        wanted = whole("the number that your rule returned", self.rule(look))
        return min(max(wanted, self.min_servers), self.max_servers)

    def decide(self, look: Look, looks: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """This look as a row of `LOOKS`, with the wish and the number of servers asked for.

        `looks` are the rows before it.
        """
        wish = self.wish(look)
        recent = [row["wish"] for row in looks if row["time_s"] > look.time_s - self.window_s]
        return {
            "time_s": look.time_s,
            "ready": look.ready,
            "starting": look.starting,
            **{metric: look.mean(metric) for metric in METRICS},
            "wish": wish,
            "asked": hpa_stabilised(look.servers, wish, recent_for_shrinking=recent),
        }

    def _by_kubernetes(self, look: Look) -> int:
        values = getattr(look, self.metric)
        if all(value is None for value in values):
            return min(max(look.servers, self.min_servers), self.max_servers)
        return hpa_desired_replicas(
            look.servers,
            [*values, *[0.0] * look.starting],
            self.target,
            self.tolerance,
            unready=range(look.ready, look.servers),
            min_replicas=self.min_servers,
            max_replicas=self.max_servers,
        )


_FIRST_LOOK = Look(time_s=0.5, utilisation=(0.5,), in_flight=(1.0,), latency_s=(0.1,))


@dataclass(frozen=True)
class Database:
    """What all servers share: each request asks it once, while it is worked on.

    A query takes `query_s`, and `workers` are answered at once. A new server reads the shop's data
    first: `queries_at_start`, one after the other; it is not ready before.
    """

    query_s: float
    workers: int = 1
    queries_at_start: int = 0

    def __post_init__(self) -> None:
        number("query_s", self.query_s, above=0)
        whole("workers", self.workers, at_least=1, at_most=100)
        whole("queries_at_start", self.queries_at_start, at_least=0, at_most=1_000)

    @property
    def capacity_per_s(self) -> float:
        """How many queries it answers in a second, at most."""
        return self.workers / self.query_s


@dataclass(frozen=True)
class Day:
    """A day of a fleet whose size changes: what comes in, and what a new server needs.

    The `scenario` has the load, the work, the balancer, how many servers there are at the start,
    and how patient the clients are. A server is ready `time_to_ready_s` after it was asked for;
    on this machine it takes a tenth of a second or more by itself.
    """

    scenario: Scenario
    duration_s: float = 10.0
    time_to_ready_s: float = 0.5
    database: Database | None = None

    def __post_init__(self) -> None:
        number("duration_s", self.duration_s, above=0, at_most=LONGEST_DAY_S)
        number("time_to_ready_s", self.time_to_ready_s, at_least=0.2, at_most=60)
        whole("servers", self.scenario.servers, at_least=1, at_most=MOST_SERVERS)
        one_of("balancer", self.scenario.balancer, BALANCERS)
        unused = {
            "queue_limit": self.scenario.queue_limit is not None,
            "attempts": self.scenario.client.attempts > 1,
            "faults": self.scenario.faults != Faults(),
        }
        for name in filter(unused.get, unused):
            text = _("A day of a fleet has no {name}. Leave it out of the scenario.")
            raise ValueError(text.format(name=name))

    def changed(self, **changes: object) -> "Day":
        """The same day with other values; names of the scenario and its parts too."""
        own = {name: changes.pop(name) for name in [*changes] if name in self.__dataclass_fields__}
        scenario = own.pop("scenario", self.scenario).changed(**changes)
        return replace(self, scenario=scenario, **own)

    def servers_busy(self, time_s: float) -> float:
        """How many servers the load at this moment would keep busy all the time, on average."""
        scenario, load = self.scenario, self.scenario.load
        rate_per_s = scenario.arrival_rate_per_s
        if load.shape == "daily":
            wave = math.cos(2 * math.pi * time_s / load.day_s)
            rate_per_s *= 1 - (load.peak_factor - 1) * wave
        return rate_per_s * scenario.service_time_s / scenario.workers


class FleetDay(NamedTuple):
    """What became of a day: the attempts (`tables.ATTEMPTS`), the looks (`LOOKS`), and notes."""

    attempts: "DataFrame"
    looks: "DataFrame"
    notes: tuple[str, ...] = ()


def server_seconds(looks: "DataFrame", autoscaler: Autoscaler) -> float:
    """What a day cost: one second of one server, ready or starting, is one."""
    return float(((looks["ready"] + looks["starting"]) * autoscaler.look_every_s).sum())


def changes_of_direction(looks: "DataFrame") -> int:
    """How often the autoscaler turned round, from growing to shrinking or back: flapping.

    >>> import pandas as pd
    >>> changes_of_direction(pd.DataFrame({"asked": [1, 2, 3, 3, 2, 3]}))
    2
    """
    steps = looks["asked"].diff()
    directions = steps[steps != 0].dropna() > 0
    return int((directions != directions.shift()).sum() - 1) if len(directions) else 0
