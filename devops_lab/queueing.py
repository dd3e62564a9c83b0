"""How long requests wait when they share servers: the closed forms of queueing theory.

Every function takes the load in requests a second and the mean service time in seconds and returns
a frozen `SteadyState`: what holds after the start is forgotten. A queue that grows for ever has no
such state and is refused.

The letters of the names are Kendall's: arrivals / service times / servers / places. M is
"memoryless" (Poisson arrivals, exponential service times), G is "general".

>>> from devops_lab.queueing import mmc
>>> one_server = mmc(arrival_rate_per_s=80, service_time_s=0.010)
>>> round(one_server.utilisation, 3), round(one_server.mean_latency_s, 3)
(0.8, 0.05)
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

import numpy as np

from devops_lab.rules import number, share, whole
from devops_lab.translation import _

# One step of the recursion a server: more would keep the learner waiting for seconds.
MOST_SERVERS = 10_000_000


@dataclass(frozen=True)
class SteadyState:
    """What a queue settles to.

    `utilisation` is the share of time a server is busy, `wait_probability` the share of requests
    that find every server busy; `mean_queue` counts the waiting, `mean_in_system` also those in
    service. Waits and latencies are those of accepted requests, first come first served.
    """

    utilisation: float
    wait_probability: float
    mean_wait_s: float
    mean_latency_s: float
    mean_queue: float
    mean_in_system: float

    def wait_quantile_s(self, q: float) -> float:
        """The wait in seconds that a share `q` of the requests does not exceed."""
        return _quantile(self.wait_tail, q, self.mean_latency_s)

    def latency_quantile_s(self, q: float) -> float:
        """The latency in seconds that a share `q` of the requests does not exceed.

        >>> round(mmc(80, 0.010).latency_quantile_s(0.5), 4)
        0.0347
        """
        return _quantile(self.latency_tail, q, self.mean_latency_s)

    def wait_tail(self, wait_s: float) -> float:
        """The share of requests that wait longer than this."""
        raise NotImplementedError(_("No formula for this distribution: simulate it instead."))

    def latency_tail(self, latency_s: float) -> float:
        """The share of requests that take longer than this, wait and service together."""
        raise NotImplementedError(_("No formula for this distribution: simulate it instead."))


def offered_load(arrival_rate_per_s: float, service_time_s: float) -> float:
    """The work that arrives a second, in servers kept busy (erlangs).

    >>> offered_load(arrival_rate_per_s=80, service_time_s=0.025)
    2.0
    """
    rate = number("arrival_rate_per_s", arrival_rate_per_s, above=0)
    return rate * number("service_time_s", service_time_s, above=0)


def littles_law(
    *,
    mean_in_system: float | None = None,
    throughput_per_s: float | None = None,
    mean_latency_s: float | None = None,
) -> float:
    """The third of mean number in the system, throughput and mean latency, from the other two.

    It holds for any system that is stable, whatever the distributions and the order of service:
    number in the system = throughput x latency (Little 1961).

    >>> littles_law(throughput_per_s=80, mean_latency_s=0.05)
    4.0
    """
    given = {
        "mean_in_system": mean_in_system,
        "throughput_per_s": throughput_per_s,
        "mean_latency_s": mean_latency_s,
    }
    known = {
        name: number(name, value, above=0) for name, value in given.items() if value is not None
    }
    if len(known) != 2:
        raise ValueError(
            _("littles_law needs exactly two of {names}, got {count}.").format(
                names=", ".join(given), count=len(known)
            )
        )
    if mean_in_system is None:
        return known["throughput_per_s"] * known["mean_latency_s"]
    return known.pop("mean_in_system") / next(iter(known.values()))


def erlang_b(servers: int, offered_load: float) -> float:
    """The share of requests turned away when nobody may wait (M/G/c/c; Erlang 1917).

    Holds for any service times with this mean, as long as arrivals are Poisson.
    B(n) = a B(n-1) / (n + a B(n-1)), which loses no digits however many servers there are.

    >>> erlang_b(servers=2, offered_load=1.0)
    0.2
    """
    servers = whole("servers", servers, at_least=0, at_most=MOST_SERVERS)
    load = number("offered_load", offered_load, at_least=0)
    return next(islice(_blocking_by_servers(load), servers, None))


def erlang_c(servers: int, offered_load: float) -> float:
    """The share of requests that must wait (M/M/c; Erlang 1917).

    C = B / (1 - utilisation (1 - B)) with Erlang's B. A load that keeps all servers busy all the
    time is refused, as the queue would grow for ever.

    >>> round(erlang_c(servers=2, offered_load=1.0), 4)
    0.3333
    """
    servers = whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
    load = number("offered_load", offered_load, at_least=0)
    if load >= servers:
        raise ValueError(
            _(
                "servers must be at least {needed} for an offered load of {load:g}, got {servers} "
                "(utilisation would be {utilisation:.0f} %)"
            ).format(
                needed=math.floor(load) + 1,
                load=load,
                servers=servers,
                utilisation=100 * load / servers,
            )
        )
    return _waiting(servers, load, erlang_b(servers, load))


def offered_load_for_blocking(servers: int, blocking: float) -> float:
    """The largest load in erlangs of which `servers` turn away no more than a share `blocking`.

    >>> round(offered_load_for_blocking(servers=10, blocking=0.01), 2)
    4.46
    """
    servers = whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
    target = number("blocking", blocking, above=0, below=1)
    # Of a load a, at least a - servers is turned away.
    return _bisect(lambda load: erlang_b(servers, load) - target, 0.0, servers / (1 - target))


@dataclass(frozen=True)
class MMc(SteadyState):
    """The steady state of `mmc`: waits are exponential for those who wait at all."""

    servers: int = field(repr=False)
    service_time_s: float = field(repr=False)
    drain_rate_per_s: float = field(repr=False)

    def wait_tail(self, wait_s: float) -> float:
        return self.wait_probability * math.exp(-self.drain_rate_per_s * wait_s)

    def latency_tail(self, latency_s: float) -> float:
        # e^-mu t (1 + C mu (1 - e^-(d-mu)t) / (d-mu)) with drain rate d, written so that it keeps
        # its digits where d and mu meet and does not overflow where d is the smaller one.
        service_rate = 1 / self.service_time_s
        gap = abs(self.drain_rate_per_s - service_rate)
        slower = min(self.drain_rate_per_s, service_rate)
        overlap_s = -math.expm1(-gap * latency_s) / gap if gap > 0 else latency_s
        waited = self.wait_probability * service_rate * math.exp(-slower * latency_s) * overlap_s
        return math.exp(-service_rate * latency_s) + waited

    def state_probability(self, requests: int) -> float:
        """The share of time with exactly this many requests in the system."""
        load = self.utilisation * self.servers
        if requests >= self.servers:
            idle = self.drain_rate_per_s * self.service_time_s / self.servers
            return idle * self.wait_probability * self.utilisation ** (requests - self.servers)
        # Below that, the chances are those of a Poisson quantity that is less than `servers`.
        counts = np.arange(1, self.servers)
        shares = _birth_death(np.full(len(counts), load), counts)
        return (1 - self.wait_probability) * float(shares[requests])


def mmc(arrival_rate_per_s: float, service_time_s: float, servers: int = 1) -> MMc:
    """The steady state of `servers` that share one queue (M/M/c).

    Assumes Poisson arrivals, exponential service times, one queue, first come first served, and
    nobody who gives up. A queue in front of each server is something else: use `mmc` with a
    server's share of the load and one server. Source: Erlang 1917; Kleinrock 1975, section 3.5.

    Raises ValueError when the servers cannot keep up.

    >>> three = mmc(arrival_rate_per_s=80, service_time_s=0.030, servers=3)
    >>> round(three.utilisation, 3), round(three.wait_probability, 3)
    (0.8, 0.647)
    """
    servers = whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
    load = _stable_load(arrival_rate_per_s, service_time_s, servers)
    return _mmc(load, service_time_s, servers, erlang_b(servers, load))


def servers_needed(
    arrival_rate_per_s: float,
    service_time_s: float,
    *,
    wait_probability: float | None = None,
    mean_wait_s: float | None = None,
    mean_latency_s: float | None = None,
    wait_s: float | None = None,
    latency_s: float | None = None,
    quantile: float = 0.95,
) -> int:
    """The fewest servers with one queue (M/M/c) that meet one target.

    The target is a `wait_probability`, a `mean_wait_s`, a `mean_latency_s`, or a `wait_s` or
    `latency_s` that a share `quantile` of the requests must not exceed. The assumptions are those
    of `mmc`.

    Raises ValueError for no target or several, or when not even endless servers would do, because
    the service itself takes too long.

    >>> servers_needed(80, 0.030, mean_latency_s=0.040)
    4
    """
    load = offered_load(arrival_rate_per_s, service_time_s)
    number("offered_load", load, below=MOST_SERVERS)
    name, target = _one_target(
        wait_probability=wait_probability,
        mean_wait_s=mean_wait_s,
        mean_latency_s=mean_latency_s,
        wait_s=wait_s,
        latency_s=latency_s,
    )
    late = 1 - number("quantile", quantile, above=0, below=1)
    meets: dict[str, Callable[[MMc], bool]] = {
        "wait_probability": lambda queue: queue.wait_probability <= target,
        "mean_wait_s": lambda queue: queue.mean_wait_s <= target,
        "mean_latency_s": lambda queue: queue.mean_latency_s <= target,
        "wait_s": lambda queue: queue.wait_tail(target) <= late,
        "latency_s": lambda queue: queue.latency_tail(target) <= late,
    }
    nobody_waits = _mmc(load, service_time_s, math.floor(load) + 1, blocking=0.0)
    if not meets[name](nobody_waits):
        raise ValueError(
            _(
                "{name} cannot be {target:g}: the service alone takes longer, however many servers "
                "there are. Allow more, or make service_time_s smaller than {service}."
            ).format(name=name, target=target, service=_in_words(service_time_s))
        )
    return next(
        servers
        for servers, blocking in enumerate(_blocking_by_servers(load))
        if servers > load and meets[name](_mmc(load, service_time_s, servers, blocking))
    )


@dataclass(frozen=True)
class LimitedQueue(SteadyState):
    """The steady state of a queue with a limited number of requests: `mmck`, `machine_repair`.

    `blocking` is the share of requests turned away, `all_busy` the share of time in which all
    servers are busy.
    """

    blocking: float
    throughput_per_s: float
    all_busy: float
    servers: int = field(repr=False)
    service_time_s: float = field(repr=False)
    states: np.ndarray = field(repr=False, compare=False)
    # The share of requests that 0, 1, 2, ... others must leave before their own service begins.
    departures_first: np.ndarray = field(repr=False, compare=False)

    def state_probability(self, requests: int) -> float:
        """The share of time with exactly this many requests in the system."""
        return float(self.states[requests]) if requests < len(self.states) else 0.0

    def wait_tail(self, wait_s: float) -> float:
        return self._after_departures(self._still_waiting, 0.0, wait_s)

    def latency_tail(self, latency_s: float) -> float:
        return self._after_departures(self._still_here, 1 - 1 / self.servers, latency_s)

    @cached_property
    def _still_waiting(self) -> np.ndarray:
        """The share of requests still waiting after 0, 1, 2, ... departures of a busy system."""
        return np.append(np.cumsum(self.departures_first[:0:-1])[::-1], 0.0)

    @cached_property
    def _still_here(self) -> np.ndarray:
        # The next departure is that of a given request in service with probability 1/servers:
        # only sums of positive terms, so no digits are lost.
        in_service, shares = 0.0, np.empty(len(self.departures_first))
        for departures, starting in enumerate(self.departures_first):
            in_service = in_service * (1 - 1 / self.servers) + starting
            shares[departures] = in_service
        return shares + self._still_waiting

    def _after_departures(self, shares: np.ndarray, stays: float, time_s: float) -> float:
        """The mean of `shares` after the departures of that time (Poisson, all servers busy);
        beyond their end they go on falling by the factor `stays`."""
        counts, weights = _poisson(time_s * self.servers / self.service_time_s)
        last = len(shares) - 1
        beyond = np.maximum(counts - last, 0)
        return float(np.sum(weights * shares[np.minimum(counts, last)] * stays**beyond))


def mmck(
    arrival_rate_per_s: float, service_time_s: float, servers: int, capacity: int
) -> LimitedQueue:
    """The steady state of `servers` with room for `capacity` requests, waiting and in service.

    Who finds no room is turned away: `blocking` is their share; waits and latencies are those of
    the others. Any load is stable. Assumptions otherwise as for `mmc` (M/M/c/K; Kleinrock 1975,
    section 3.7).

    >>> full = mmck(arrival_rate_per_s=100, service_time_s=0.010, servers=1, capacity=4)
    >>> round(full.blocking, 12)
    0.2
    """
    servers = whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
    capacity = whole(
        "capacity",
        capacity,
        at_least=servers,
        at_most=2 * MOST_SERVERS,
        remedy=_("It counts the requests in service too."),
    )
    load = offered_load(arrival_rate_per_s, service_time_s)
    requests = np.arange(1, capacity + 1)
    states = _birth_death(np.full(capacity, load), np.minimum(requests, servers))
    accepted = states[:-1] / states[:-1].sum()
    return _limited_queue(states, accepted, servers, service_time_s, blocking=float(states[-1]))


def machine_repair(
    machines: int, rate_per_s: float, service_time_s: float, servers: int
) -> LimitedQueue:
    """The steady state of `servers` that serve a fixed number of machines (M/M/c//N).

    Each machine that is up asks for service `rate_per_s` times a second (a failure, or a user who
    has finished thinking) and does not ask again until it has been served. The same system as a
    load test with a fixed number of users: that is why such a test cannot overload a server.
    `wait_probability` is that of a request on arrival, which sees the others only, so it is lower
    than `all_busy`. Source: Gross and Harris 1998, section 2.7.

    >>> crew = machine_repair(machines=2, rate_per_s=1.0, service_time_s=1.0, servers=1)
    >>> round(crew.utilisation, 4), round(crew.mean_in_system, 4)
    (0.8, 1.2)
    """
    machines = whole("machines", machines, at_least=1, at_most=MOST_SERVERS)
    servers = whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
    load = offered_load(number("rate_per_s", rate_per_s, above=0), service_time_s)
    down = np.arange(1, machines + 1)
    births, deaths = (machines - down + 1) * load, np.minimum(down, servers)
    states = _birth_death(births, deaths)
    # A machine that fails sees the state that the other machines would have without it.
    seen = _birth_death(births[1:], deaths[:-1])
    return _limited_queue(states, seen, servers, service_time_s, blocking=0.0)


@dataclass(frozen=True)
class GeneralService(SteadyState):
    """The steady state of `mg1` and `allen_cunneen`, whatever the service times."""

    service_time_s: float = field(repr=False)
    scv: float = field(repr=False)
    wait_transform: Callable[[np.ndarray], np.ndarray] = field(repr=False, compare=False)

    def wait_tail(self, wait_s: float) -> float:
        if wait_s <= 0:
            return self.wait_probability
        return _invert_tail(self.wait_transform, wait_s)

    def latency_tail(self, latency_s: float) -> float:
        if latency_s <= 0:
            return 1.0
        if self.scv == 0:
            waited_s = latency_s - self.service_time_s
            return self.wait_tail(waited_s) if waited_s >= 0 else 1.0
        service = _gamma_transform(self.service_time_s, self.scv)
        return _invert_tail(lambda s: self.wait_transform(s) * service(s), latency_s)


def mg1(arrival_rate_per_s: float, service_time_s: float, scv: float) -> GeneralService:
    """The steady state of one server with any service times (M/G/1).

    `scv` is the squared coefficient of variation of the service time, variance / mean²: 0 when all
    are alike, 1 when they are exponential, more when a few are very long. Means are exact for every
    distribution; percentiles assume gamma distributed service times with this mean and scv.

    wait = utilisation x service time x (1 + scv) / (2 (1 - utilisation))
    (Pollaczek 1930, Khinchine 1932)

    >>> round(mg1(80, 0.010, scv=0).mean_wait_s, 3), round(mg1(80, 0.010, scv=1).mean_wait_s, 3)
    (0.02, 0.04)
    """
    scv = number("scv", scv, at_least=0)
    load = offered_load(arrival_rate_per_s, service_time_s)
    if load >= 1:
        raise ValueError(
            _(
                "arrival_rate_per_s must be below {limit:.4g} for one server with {service} a "
                "request, got {rate:g} (utilisation would be {utilisation:.0f} %)"
            ).format(
                limit=1 / service_time_s,
                service=_in_words(service_time_s),
                rate=arrival_rate_per_s,
                utilisation=100 * load,
            )
        )
    mean_wait_s = load * service_time_s * (1 + scv) / (2 * (1 - load))
    service = _gamma_transform(service_time_s, scv)

    def wait_transform(s: np.ndarray) -> np.ndarray:
        # The rest of the service a request finds under way, over and over: a geometric sum.
        rest = (1 - service(s)) / (s * service_time_s)
        return (1 - load) / (1 - load * rest)

    return _by_transform(load, load, mean_wait_s, service_time_s, 1, scv, wait_transform)


def allen_cunneen(
    arrival_rate_per_s: float,
    service_time_s: float,
    servers: int,
    service_scv: float,
    arrival_scv: float = 1.0,
) -> GeneralService:
    """An approximation of several servers with any arrivals and service times (G/G/c).

    The mean wait of M/M/c times (arrival scv + service scv) / 2 (Allen and Cunneen 1978, after
    Kingman), less for arrivals that are more regular than independent users' (Kraemer and
    Langenbach-Belz 1976). Exact for M/M/c and M/G/1, within some ten per cent at high load; the
    wait can be wrong by a quarter at medium load, and means nothing for very variable arrivals.
    Percentiles take waits as exponential and service times as gamma. Simulate where it matters.

    >>> round(allen_cunneen(80, 0.030, servers=3, service_scv=0).mean_wait_s, 4)
    0.0162
    """
    exact = mmc(arrival_rate_per_s, service_time_s, servers)
    service_scv = number("service_scv", service_scv, at_least=0)
    arrival_scv = number("arrival_scv", arrival_scv, at_least=0)
    factor = (arrival_scv + service_scv) / 2
    if factor > 0 and arrival_scv < 1:
        idle = 1 - exact.utilisation
        factor *= math.exp(-idle * (1 - arrival_scv) ** 2 / (3 * exact.utilisation * factor))
    waits = exact.wait_probability
    mean_if_waiting_s = factor / exact.drain_rate_per_s
    return _by_transform(
        exact.utilisation * exact.servers,
        waits,
        waits * mean_if_waiting_s,
        service_time_s,
        exact.servers,
        service_scv,
        lambda s: 1 - waits + waits / (1 + s * mean_if_waiting_s),
    )


@dataclass(frozen=True)
class Impatient(SteadyState):
    """The steady state of `erlang_a`; `abandonment` is the share of requests that give up."""

    abandonment: float


def erlang_a(
    arrival_rate_per_s: float, service_time_s: float, servers: int, patience_s: float
) -> Impatient:
    """The steady state of `servers` whose waiting requests give up after `patience_s` on average
    (M/M/c+M; Palm 1957).

    Patience is exponential; a request in service stays. Any load is stable. The waits are those of
    all requests, whether served in the end or not. No percentiles.

    >>> queue = erlang_a(arrival_rate_per_s=2, service_time_s=1, servers=1, patience_s=1)
    >>> round(queue.abandonment, 4)
    0.5677
    """
    servers = whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
    load = offered_load(arrival_rate_per_s, service_time_s)
    leave_rate = service_time_s / number("patience_s", patience_s, above=0)
    # With this many in the system, departures are far more than arrivals.
    most = servers + math.ceil((load + 60 * math.sqrt(load) + 60) / leave_rate)
    most = whole("patience_s", most, at_most=MOST_SERVERS, remedy=_("Make patience_s smaller."))
    requests = np.arange(most + 1)
    waiting = np.maximum(requests - servers, 0)
    deaths = np.minimum(requests, servers) + waiting * leave_rate
    states = _birth_death(np.full(most, load), deaths[1:])
    mean_queue = float(waiting @ states)
    abandonment = mean_queue / (arrival_rate_per_s * patience_s)
    busy = load * (1 - abandonment)
    return Impatient(
        utilisation=busy / servers,
        wait_probability=float(states[servers:].sum()),
        mean_wait_s=mean_queue / arrival_rate_per_s,
        mean_latency_s=(mean_queue + busy) / arrival_rate_per_s,
        mean_queue=mean_queue,
        mean_in_system=mean_queue + busy,
        abandonment=abandonment,
    )


def square_root_margin(wait_probability: float) -> float:
    """The beta of the square-root rule: a load of `a` with a + beta √a servers makes this share
    of requests wait (Halfin and Whitt 1981; for many servers).

    >>> round(square_root_margin(wait_probability=0.5), 3)
    0.506
    """
    target = number("wait_probability", wait_probability, above=0, below=1)

    def waits(beta: float) -> float:
        density = math.exp(-beta * beta / 2) / math.sqrt(2 * math.pi)
        below = math.erfc(-beta / math.sqrt(2)) / 2
        return 1 / (1 + beta * below / density) if density > 0 else 0.0

    return _bisect(lambda beta: target - waits(beta), 0.0, 40.0)


def _blocking_by_servers(load: float) -> Iterator[float]:
    """Erlang's B for 0, 1, 2, ... servers."""
    blocking, servers = 1.0, 0
    while True:
        yield blocking
        servers += 1
        blocking = load * blocking / (servers + load * blocking)


def _waiting(servers: int, load: float, blocking: float) -> float:
    return blocking * servers / (servers - load + load * blocking)


def _mmc(load: float, service_time_s: float, servers: int, blocking: float) -> MMc:
    waits = _waiting(servers, load, blocking)
    drain_rate = (servers - load) / service_time_s
    mean_queue = waits * load / (servers - load)
    return MMc(
        utilisation=load / servers,
        wait_probability=waits,
        mean_wait_s=waits / drain_rate,
        mean_latency_s=waits / drain_rate + service_time_s,
        mean_queue=mean_queue,
        mean_in_system=mean_queue + load,
        servers=servers,
        service_time_s=service_time_s,
        drain_rate_per_s=drain_rate,
    )


def _limited_queue(
    states: np.ndarray, seen: np.ndarray, servers: int, service_time_s: float, *, blocking: float
) -> LimitedQueue:
    """From the states as time sees them and as accepted requests see them."""
    requests = np.arange(len(states))
    busy = float(np.minimum(requests, servers) @ states)
    mean_queue = float(np.maximum(requests - servers, 0) @ states)
    throughput_per_s = busy / service_time_s
    waits = float(seen[servers:].sum())
    return LimitedQueue(
        utilisation=busy / servers,
        wait_probability=waits,
        mean_wait_s=mean_queue / throughput_per_s,
        mean_latency_s=mean_queue / throughput_per_s + service_time_s,
        mean_queue=mean_queue,
        mean_in_system=mean_queue + busy,
        blocking=blocking,
        throughput_per_s=throughput_per_s,
        all_busy=float(states[servers:].sum()),
        servers=servers,
        service_time_s=service_time_s,
        states=states,
        departures_first=np.concatenate([[1 - waits], seen[servers:]]),
    )


def _birth_death(births: np.ndarray, deaths: np.ndarray) -> np.ndarray:
    """The share of time in states 0, 1, 2, ...; births[n] leads from n to n + 1, deaths[n] back."""
    steps = np.log(births) - np.log(deaths)
    # Counted from the likeliest state, rounding stays small where the shares are large.
    peak = int(np.argmax(np.concatenate([[0.0], np.cumsum(steps)])))
    below = -np.cumsum(steps[:peak][::-1])[::-1]
    shares = np.exp(np.concatenate([below, [0.0], np.cumsum(steps[peak:])]))
    return shares / shares.sum()


def _poisson(mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Every count of a Poisson quantity that matters, and its probability."""
    if mean == 0:
        return np.array([0]), np.array([1.0])
    spread = 9 * math.sqrt(mean) + 40
    counts = np.arange(max(0, int(mean - spread)), int(mean + spread) + 1)
    return counts, _birth_death(np.full(len(counts) - 1, mean), counts[1:])


def _by_transform(
    load: float,
    waits: float,
    mean_wait_s: float,
    service_time_s: float,
    servers: int,
    scv: float,
    wait_transform: Callable[[np.ndarray], np.ndarray],
) -> GeneralService:
    mean_queue = mean_wait_s * load / service_time_s
    return GeneralService(
        utilisation=load / servers,
        wait_probability=waits,
        mean_wait_s=mean_wait_s,
        mean_latency_s=mean_wait_s + service_time_s,
        mean_queue=mean_queue,
        mean_in_system=mean_queue + load,
        service_time_s=service_time_s,
        scv=scv,
        wait_transform=wait_transform,
    )


def _gamma_transform(mean_s: float, scv: float) -> Callable[[np.ndarray], np.ndarray]:
    if scv == 0:
        return lambda s: np.exp(-s * mean_s)
    return lambda s: (1 + s * mean_s * scv) ** (-1 / scv)


# Abate and Whitt 1995: 15 terms before Euler's summation, 11 with it, discretisation error 1e-8.
_DIGITS = 18.4
_BINOMIAL_WEIGHTS = np.cumsum([math.comb(11, k) for k in range(12)])[::-1] / 2**11


def _invert_tail(transform: Callable[[np.ndarray], np.ndarray], time_s: float) -> float:
    """P(X > time) of a positive quantity from E exp(-sX), by Euler's inversion."""
    terms = np.arange(400 + 12)
    s = (_DIGITS + 2j * math.pi * terms) / (2 * time_s)
    values = ((1 - transform(s)) / s).real * (-1.0) ** terms
    values[0] /= 2
    weights = np.ones(len(terms))
    weights[-12:] = _BINOMIAL_WEIGHTS
    tail = math.exp(_DIGITS / 2) / time_s * float(values @ weights)
    return min(max(tail, 0.0), 1.0)


def _quantile(tail: Callable[[float], float], q: float, scale_s: float) -> float:
    late = 1 - number("q", q, at_least=0, below=1, remedy=_("For the 95th percentile write 0.95."))
    if tail(0.0) <= late:
        return 0.0
    above = scale_s
    while tail(above) > late:
        above *= 2
    return _bisect(lambda time_s: late - tail(time_s), 0.0, above)


def _bisect(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function passes zero, to the last digits a float has."""
    while (middle := (low + high) / 2) not in (low, high) and high - low > 1e-15 * high:
        low, high = (low, middle) if rising(middle) >= 0 else (middle, high)
    return middle


def _stable_load(arrival_rate_per_s: float, service_time_s: float, servers: int) -> float:
    load = offered_load(arrival_rate_per_s, service_time_s)
    if load < servers:
        return load
    raise ValueError(
        _(
            "servers must be at least {needed} for {rate:g} requests/s of {service} each, "
            "got {servers} (utilisation would be {utilisation:.0f} %)"
        ).format(
            needed=math.floor(load) + 1,
            rate=arrival_rate_per_s,
            service=_in_words(service_time_s),
            servers=servers,
            utilisation=100 * load / servers,
        )
    )


def _in_words(duration_s: float) -> str:
    return f"{duration_s:g} s" if duration_s >= 1 else f"{1000 * duration_s:g} ms"


def _one_target(**targets: float | None) -> tuple[str, float]:
    given = [(name, value) for name, value in targets.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            _("servers_needed takes exactly one target of {names}, got {count}.").format(
                names=", ".join(targets), count=len(given)
            )
        )
    name, value = given[0]
    if name == "wait_probability":
        return name, number(name, share(name, value), above=0)
    return name, number(name, value, above=0)
