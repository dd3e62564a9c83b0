"""A day of a fleet in simulated time: servers come and go as an autoscaler says.

A plain event loop: so few requests come in a short day that nothing has to be compiled. What the
autoscaler sees, and when a server is ready or gone, is as with `devops_lab.real_fleet`.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devops_lab.autoscaler import LOOKS, Autoscaler, Counters, Database, Day, FleetDay, look_between
from devops_lab.simulate import arrivals, service_times
from devops_lab.tables import ATTEMPTS, table

if TYPE_CHECKING:
    import numpy as np
    from pandas import DataFrame


def simulate_fleet(day: Day, autoscaler: Autoscaler) -> FleetDay:
    """The attempts and the autoscaler's looks of a simulated day, which starts with idle servers.

    The requests are those of `simulate`, and those that `measure_fleet` sends to real servers.
    """
    return _Simulation(day, autoscaler).run()


def arrivals_of(day: Day) -> "np.ndarray":
    """When the day's requests come, in seconds since its start."""
    count = round(1.2 * day.scenario.arrival_rate_per_s * day.duration_s) + 100
    while (times_s := arrivals(day.scenario, count))[-1] < day.duration_s:
        count *= 2
    return times_s[times_s < day.duration_s]


@dataclass(slots=True, eq=False)
class _Server:
    """A server with its queue, and the counters that the autoscaler reads."""

    name: str
    in_flight: int = 0
    busy: int = 0
    queue: deque[int] = field(default_factory=deque)
    busy_s: float = 0.0
    latency_s: float = 0.0
    answered: int = 0
    last_read: Counters = Counters(0.0)

    def read(self, now: float) -> tuple[Counters, Counters]:
        """The counters at the look before, and now."""
        before = self.last_read
        counted = Counters(now, self.in_flight, self.busy_s, self.latency_s, self.answered)
        self.last_read = counted
        return before, counted


class _SharedDatabase:
    """First come, first served: a query's end is known when it is asked."""

    def __init__(self, database: Database) -> None:
        self._query_s = database.query_s
        self._free_at = [0.0] * database.workers

    def ask(self, now: float) -> float:
        """When the answer to a query asked now is there."""
        end = max(now, self._free_at[0]) + self._query_s
        heapq.heapreplace(self._free_at, end)
        return end


class _Simulation:
    def __init__(self, day: Day, autoscaler: Autoscaler) -> None:
        self._day, self._autoscaler = day, autoscaler
        self._times_s = arrivals_of(day).tolist()
        count = len(self._times_s)
        self._services_s = service_times(day.scenario, max(1, count)).tolist()
        self._rows: list[tuple[Any, ...] | None] = [None] * count
        self._looks: list[dict[str, float]] = []
        self._draw = random.Random(f"{day.scenario.seed} choice")
        self._choose = getattr(self, f"_{day.scenario.balancer}")
        self._turn = itertools.count()
        self._names = (f"server-{number}" for number in itertools.count(1))
        self._database = _SharedDatabase(day.database) if day.database else None
        self._ready = [_Server(next(self._names)) for _number in range(day.scenario.servers)]
        self._starting: list[_Server] = []
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []

    def run(self) -> FleetDay:
        for request, time_s in enumerate(self._times_s):
            self._at(time_s, self._arrive, request)
        self._at(self._autoscaler.look_every_s, self._look)
        while self._events:
            now, _order, happen, what = heapq.heappop(self._events)
            happen(now, *what)
        looks = {name: [look[name] for look in self._looks] for name in LOOKS}
        return FleetDay(self._attempts(), table(looks, LOOKS))

    def _at(self, time_s: float, happen: Callable[..., None], *what: Any) -> None:
        heapq.heappush(self._events, (time_s, next(self._order), happen, what))

    # ---- requests ----

    def _arrive(self, now: float, request: int) -> None:
        server = self._choose()
        server.in_flight += 1
        if server.busy < self._day.scenario.workers:
            self._begin(now, server, request)
        else:
            server.queue.append(request)

    def _begin(self, now: float, server: _Server, request: int) -> None:
        server.busy += 1
        end = now + self._services_s[request]
        if self._database:
            end = max(end, self._database.ask(now))
        self._at(end, self._depart, server, request, now)

    def _depart(self, now: float, server: _Server, request: int, begin: float) -> None:
        came = self._times_s[request]
        server.in_flight -= 1
        server.busy -= 1
        server.busy_s += now - begin
        server.latency_s += now - came
        server.answered += 1
        self._rows[request] = (server.name, begin - came, now - begin, now)
        if server.queue:
            self._begin(now, server, server.queue.popleft())

    def _round_robin(self) -> _Server:
        return self._ready[next(self._turn) % len(self._ready)]

    def _random(self) -> _Server:
        return self._draw.choice(self._ready)

    def _least_connections(self) -> _Server:
        fewest = min(server.in_flight for server in self._ready)
        return self._draw.choice([one for one in self._ready if one.in_flight == fewest])

    # ---- servers ----

    def _look(self, now: float) -> None:
        read = [server.read(now) for server in self._ready]
        look = look_between(read, self._day.scenario.workers, len(self._starting))
        self._looks.append(self._autoscaler.decide(look, self._looks))
        self._scale_to(now, self._looks[-1]["asked"])
        if (after := now + self._autoscaler.look_every_s) <= self._day.duration_s:
            self._at(after, self._look)

    def _scale_to(self, now: float, wanted: int) -> None:
        while len(self._ready) + len(self._starting) < wanted:
            server = _Server(next(self._names))
            self._starting.append(server)
            queries = self._day.database.queries_at_start if self._day.database else 0
            self._prepare(now, server, queries, now + self._day.time_to_ready_s)
        for servers in (self._starting, self._ready):
            while servers and len(self._ready) + len(self._starting) > wanted:
                # A server that is taken out finishes what it has.
                servers.pop()

    def _prepare(self, now: float, server: _Server, queries: int, ready_s: float) -> None:
        """Fill a new server with the data it needs; then it is ready, if its time has come."""
        if queries and server in self._starting:
            self._at(self._database.ask(now), self._prepare, server, queries - 1, ready_s)
        elif not queries:
            self._at(max(now, ready_s), self._join, server)

    def _join(self, now: float, server: _Server) -> None:
        if server in self._starting:
            self._starting.remove(server)
            server.last_read = Counters(now)
            self._ready.append(server)

    def _attempts(self) -> "DataFrame":
        import numpy as np

        intended_s = np.array(self._times_s)
        servers, wait_s, service_s, end_s = [*zip(*self._rows, strict=True)] or [()] * 4
        end_s = np.array(end_s, dtype=float)
        patience_s = self._day.scenario.client.timeout_s or np.inf
        late = end_s > intended_s + patience_s
        end_s = np.minimum(end_s, intended_s + patience_s)
        columns = {
            "request": range(len(intended_s)),
            "attempt": np.ones(len(intended_s), np.int64),
            "intended_s": intended_s,
            "start_s": intended_s,
            "end_s": end_s,
            "latency_s": end_s - intended_s,
            "outcome": np.where(late, "timed_out", "ok"),
            "status": [None if given_up else 200 for given_up in late],
            "server": [
                None if given_up else name for name, given_up in zip(servers, late, strict=True)
            ],
            "wait_s": np.where(late, np.nan, np.array(wait_s, dtype=float)),
            "service_s": np.where(late, np.nan, np.array(service_s, dtype=float)),
        }
        return table(columns, ATTEMPTS)
