"""The inner loops of the simulators, compiled by Numba where it is installed.

Everything here is numbers and arrays; `simulate` gives them their names. Without Numba the same
functions run as plain Python: the same tables, a hundred times slower.

Random numbers are not drawn one after the other but computed from what they are for: `uniform` of a
key (seed, purpose, attempt) and the number of the request. So the service time of request 17 is the
same whatever happened to the sixteen before it (splitmix64: Steele, Lea and Flood 2014).
"""

import math
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from devops_lab import backoff
from devops_lab.backoff import NO_JITTER, SAVED_TRIES, SLOTS

# A compiled file on disk must also run on the machine that the next container starts on.
os.environ.setdefault("NUMBA_CPU_NAME", "generic")

Function = TypeVar("Function", bound=Callable)

try:
    from numba import njit

    COMPILED = True

    def compiled(function: Function) -> Function:
        """For what is called from outside: kept on disk. Its parameters are numbers and arrays, as
        the files of a class that has been renamed could not be read."""
        return njit(cache=True, nogil=True, error_model="numpy")(function)

    def inside(function: Function) -> Function:
        """For what is called by compiled functions only."""
        return njit(error_model="numpy")(function)

    def inlined(function: Function) -> Function:
        """For what is small or called from one place: as calls they would take twice as long."""
        return njit(inline="always", error_model="numpy")(function)
except ImportError:
    COMPILED = False

    def compiled(function: Function) -> Function:
        return function

    inside = inlined = compiled


# Purposes of random numbers.
ARRIVAL, SERVICE, SERVICE_ANGLE, CHOICE, CHOICE_TWO, ERROR, BACKOFF, FAILURE, BURST = range(9)
FAILURE_KIND = 9
# Laws of service times.
CONSTANT, EXPONENTIAL, LOGNORMAL, HEAVY_TAILED, SAMPLES = range(5)
# How the balancer chooses.
SHARED, ROUND_ROBIN, RANDOM, WEIGHTED, LEAST_CONNECTIONS, POWER_OF_TWO, STALE = range(7)
# Events.
DEPARTURE, RETRY, HEDGE, FAIL, REPAIR, LEARN, KINDS = range(7)
# How an attempt ended.
OPEN, OK, FAILED, FULL, REFUSED, CLOSED, TIMED_OUT, WITHDRAWN, HELD_BACK = range(9)
# How a server fails: any of them, drawn by lot, or always the same.
ANY, CRASH, FREEZE, SLOW, ERRORS, UNREACHABLE = range(6)
NOBODY = -1
# Beside the numbers of the servers: what takes all of them at once, by chance or as planned.
SHARED_CAUSE, PLANNED = 1 << 40, (1 << 40) + 1

# The client's rules are those of real clients, too; here they are compiled.
_pause_s, _earn, _may_spend = map(inside, (backoff.pause_s, backoff.earn, backoff.may_spend))
_lets_out, _breaker_learns = map(inside, (backoff.lets_out, backoff.learn))

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
ONE, BITS_11, BITS_27, BITS_30, BITS_31 = (np.uint64(n) for n in (1, 11, 27, 30, 31))


@inside
def _mixed(bits):
    bits = (bits ^ (bits >> BITS_30)) * MIX_1
    bits = (bits ^ (bits >> BITS_27)) * MIX_2
    return bits ^ (bits >> BITS_31)


@inside
def key(seed, purpose, attempt):
    """The key of a stream of random numbers: one a seed, purpose and number of the try."""
    bits = _mixed(np.uint64(seed) + GOLDEN)
    bits = _mixed(bits + GOLDEN * np.uint64(purpose + 1))
    return _mixed(bits + GOLDEN * np.uint64(attempt + 1))


@inside
def uniform(stream, number):
    """The random number between 0 and 1, both excluded, that a stream has for this request."""
    bits = _mixed(stream + GOLDEN * np.uint64(number + 1))
    return (np.float64(bits >> BITS_11) + 0.5) * 2.0**-53


@inside
def exponential(stream, number):
    return -math.log(uniform(stream, number))


@inside
def service_factor(law, shape, samples, stream, angle_stream, number):
    """The service time of a request as a multiple of the mean; samples are sorted, of mean 1."""
    if law == CONSTANT:
        return 1.0
    if law == EXPONENTIAL:
        return exponential(stream, number)
    if law == HEAVY_TAILED:
        return (shape - 1) / shape * uniform(stream, number) ** (-1 / shape)
    if law == SAMPLES:
        return samples[int(uniform(stream, number) * len(samples))]
    # Log-normal, from two uniform numbers (Box and Muller 1958).
    radius = math.sqrt(2 * exponential(stream, number))
    normal = radius * math.cos(2 * math.pi * uniform(angle_stream, number))
    return math.exp(shape * normal - shape**2 / 2)


def exponentials(seed: int, purpose: int, attempt: int, count: int) -> np.ndarray:
    """The exponential numbers of the first requests. NumPy takes several logarithms at once, which
    compiled code for every machine cannot."""
    numbers = uniforms(seed, purpose, attempt, count)
    np.log(numbers, out=numbers)
    return np.negative(numbers, out=numbers)


@compiled
def uniforms(seed, purpose, attempt, count):
    """The numbers between 0 and 1 of the first requests."""
    stream = key(seed, purpose, attempt)
    numbers = np.empty(count)
    for request in range(count):
        numbers[request] = uniform(stream, request)
    return numbers


def service_times(
    mean_s: float, law: int, shape: float, samples: np.ndarray, seed: int, attempt: int, count: int
) -> np.ndarray:
    """The service times of all requests' tries of this number, from 0."""
    if law == EXPONENTIAL:
        times = exponentials(seed, SERVICE, attempt, count)
    else:
        times = _service_factors(law, shape, samples, seed, attempt, count)
    times *= mean_s
    return times


@compiled
def _service_factors(law, shape, samples, seed, attempt, count):
    stream, angle = key(seed, SERVICE, attempt), key(seed, SERVICE_ANGLE, attempt)
    factors = np.empty(count)
    for request in range(count):
        factors[request] = service_factor(law, shape, samples, stream, angle, request)
    return factors


def poisson_arrivals(seed: int, count: int) -> np.ndarray:
    """Arrival times of independent users who come once a second on average."""
    gaps = exponentials(seed, ARRIVAL, 0, count)
    return np.cumsum(gaps, out=gaps)


@compiled
def random_servers(seed, servers, count):
    """A server drawn for each request."""
    stream = key(seed, CHOICE, 0)
    chosen = np.empty(count, np.int32)
    for request in range(count):
        chosen[request] = int(uniform(stream, request) * servers)
    return chosen


@compiled
def errors(seed, error_share, count):
    """Which of the first tries end as errors."""
    stream = key(seed, ERROR, 0)
    failed = np.empty(count, np.bool_)
    for request in range(count):
        failed[request] = uniform(stream, request) < error_share
    return failed


@compiled
def failure_draws(seed, which, failure, count):
    """The first failures of a server: how long it ran and how long the repair took, each divided by
    its mean, and how it failed."""
    ran, repaired, kinds = np.empty(count), np.empty(count), np.empty(count, np.int64)
    for number in range(count):
        ran[number] = exponential(key(seed, FAILURE, 2 * number), which)
        repaired[number] = exponential(key(seed, FAILURE, 2 * number + 1), which)
        kinds[number] = failure_kind(failure, seed, which, 2 * number)
    return ran, repaired, kinds


@inside
def failure_kind(failure, seed, which, cycle):
    """How a server fails, or what the shared cause does."""
    if failure != ANY:
        return failure
    return CRASH + int(uniform(key(seed, FAILURE_KIND, cycle), which) * UNREACHABLE)


@compiled
def bursty_arrivals(unit_times, rate, factor, share, length_s, seed):
    """Arrivals that would come once a second, moved into bursts and the quiet times between."""
    stream, phase = key(seed, BURST, 0), 0
    levels = (rate * (1 - share * factor) / (1 - share), rate * factor)
    lengths_s = (length_s * (1 - share) / share, length_s)
    now, passed = 0.0, 0.0
    left_s = lengths_s[0] * exponential(stream, 0)
    times = np.empty(len(unit_times))
    for request in range(len(unit_times)):
        while passed + levels[phase % 2] * left_s < unit_times[request]:
            passed += levels[phase % 2] * left_s
            now += left_s
            phase += 1
            left_s = lengths_s[phase % 2] * exponential(stream, phase)
        step_s = (unit_times[request] - passed) / levels[phase % 2]
        now, passed, left_s = now + step_s, unit_times[request], left_s - step_s
        times[request] = now
    return times


@inside
def next_by_weight(servers):
    """The server whose turn it is: nginx's smooth weighted round robin over those taken for up."""
    best, total = NOBODY, 0.0
    for server in range(len(servers)):
        candidate = servers[server]
        if candidate.up_seen:
            candidate.credit += candidate.weight
            total += candidate.weight
            if best == NOBODY or candidate.credit > servers[best].credit:
                best = server
    servers[best].credit -= total
    return best


@compiled
def weighted_servers(servers, count):
    """The servers of `count` requests, in turn, as often as their weights say."""
    chosen = np.empty(count, np.int32)
    for request in range(count):
        chosen[request] = next_by_weight(servers)
    return chosen


@compiled
def first_come_first_served(arrivals, services, queue_of, queues, places, servers):
    """How long each request waits, when it ends, and at which server: `queues` queues before
    `places` each, all servers' places before a single one.

    A request starts when it has come and the place that is free first is free (Kiefer and
    Wolfowitz 1955). The places of a queue are a heap, the first to be free on top.
    """
    free_at, server_at = np.zeros(queues * places), np.empty(queues * places, np.int64)
    for place in range(queues * places):
        server_at[place] = place // places if queues > 1 else place % servers
    waits, ends = np.empty(len(arrivals)), np.empty(len(arrivals))
    taken = np.empty(len(arrivals), np.int64)
    for request in range(len(arrivals)):
        top = queue_of[request] * places
        start = max(arrivals[request], free_at[top])
        free = start + services[request]
        waits[request], ends[request] = start - arrivals[request], free
        taken[request] = server_at[top]
        hole = 0
        while True:
            child = 2 * hole + 1
            if child >= places:
                break
            if child + 1 < places and free_at[top + child + 1] < free_at[top + child]:
                child += 1
            if free <= free_at[top + child]:
                break
            free_at[top + hole] = free_at[top + child]
            server_at[top + hole] = server_at[top + child]
            hole = child
        free_at[top + hole] = free
        server_at[top + hole] = taken[request]
    return waits, ends, taken


# What the event loop works on. Records rather than an array a field: passing an array to a compiled
# function costs more than what most of these functions do.
SETTINGS = np.dtype(
    [
        ("seed", np.int64),
        ("policy", np.int64),
        ("places", np.int64),  # before each queue
        ("law", np.int64),
        ("law_shape", np.float64),
        ("queue_limit", np.float64),  # this and the times below: infinite where there is none
        ("information_age_s", np.float64),
        ("error_share", np.float64),
        ("timeout_s", np.float64),
        ("attempts", np.int64),
        ("backoff_s", np.float64),
        ("backoff", np.int64),
        ("longest_backoff_s", np.float64),
        ("jitter", np.int64),
        ("retry_budget_share", np.float64),
        ("hedge_after_s", np.float64),
        ("tied", np.bool_),
        ("breaker_error_share", np.float64),
        ("breaker_requests", np.int64),
        ("breaker_window_s", np.float64),
        ("breaker_open_s", np.float64),
        ("deadline_s", np.float64),
        ("idempotency_keys", np.bool_),
        ("time_between_failures_s", np.float64),
        ("shared_share", np.float64),
        ("failure", np.int64),
        ("slow_factor", np.float64),
        ("repair_time_s", np.float64),
        ("outage_from_s", np.float64),
        ("outage_s", np.float64),
        ("detection_s", np.float64),
    ]
)
COUNTS = np.dtype(
    [
        ("events", np.int64),
        ("sent", np.int64),
        ("unanswered", np.int64),
        ("turn", np.int64),  # of the server that round robin takes next
        ("up_seen", np.int64),
        ("shared_cycle", np.int64),  # failures and repairs by the shared cause so far
        ("next_look_s", np.float64),
    ]
)
# As `backoff.Memory`.
MEMORY = np.dtype(
    [
        ("tokens", np.float64),
        ("is_open", np.bool_),
        ("on_trial", np.bool_),
        ("changed_s", np.float64),
        ("slots", np.int64, SLOTS),
        ("tries", np.int64, SLOTS),
        ("failures", np.int64, SLOTS),
    ]
)
REQUEST = np.dtype(
    [
        ("deadline_s", np.float64),
        ("latest", np.int64),  # of its tries
        ("open", np.int64),  # tries that have not ended for the client
        ("over", np.bool_),
        ("worked", np.bool_),  # a server has done its work once
    ]
)
ATTEMPT = np.dtype(
    [
        ("request", np.int64),
        ("number", np.int64),  # of the try, from 0
        ("intended_s", np.float64),
        ("begin_s", np.float64),
        ("service_s", np.float64),
        ("end_s", np.float64),
        ("behind", np.int64),  # the next in the same queue
        ("before", np.int64),  # the try of the same request before this one
        ("server", np.int32),
        ("place", np.int32),
        ("outcome", np.int64),
    ]
)
SERVER = np.dtype(
    [
        ("service_time_s", np.float64),
        ("weight", np.float64),
        ("credit", np.float64),
        ("in_system", np.int64),
        ("in_system_seen", np.int64),
        ("up", np.bool_),  # it does work, well or badly
        ("up_seen", np.bool_),  # what the balancer believes
        ("failure", np.int64),  # how it has failed; 0 where it has not
        ("causes", np.int64),  # of that
        ("changed_s", np.float64),
        ("is_watched", np.bool_),  # the balancer is about to learn something
        ("cycle", np.int64),  # failures and repairs of its own so far
    ]
)
QUEUE = np.dtype(
    [
        ("first", np.int64),
        ("last", np.int64),
        ("waiting", np.int64),
        ("left", np.int64),  # of the waiting, those that were withdrawn
        ("idle_from", np.int64),
        ("idle", np.int64),
    ]
)
# `holds` is the try in service, `is_done` says that its answer cannot leave a silent server; `idle`
# are the rings, one a queue, of places, longest idle first.
PLACE = np.dtype([("holds", np.int64), ("idle", np.int64), ("is_done", np.bool_)])
EVENT = np.dtype([("time_s", np.float64), ("what", np.int64)])


class World(NamedTuple):
    """The state of a run: one record of settings, of counts and of what the client remembers, one
    a request, try, server, queue, place; the events to come are a heap by time."""

    settings: np.ndarray
    counts: np.ndarray
    memory: np.ndarray
    requests: np.ndarray
    attempts: np.ndarray
    servers: np.ndarray
    queues: np.ndarray
    places: np.ndarray
    events: np.ndarray
    samples: np.ndarray


def new_world(
    settings: dict[str, float],
    service_times_s: np.ndarray,
    weights: np.ndarray,
    samples: np.ndarray,
    requests: int,
) -> World:
    """Servers that are up and idle, and room for every try that there can be.

    Memory that is never written to is never taken.
    """
    tries, servers = requests * int(settings["attempts"]), len(service_times_s)
    queues = 1 if settings["policy"] == SHARED else servers
    places = int(queues * settings["places"])
    return World(
        settings=_records(1, SETTINGS, **settings),
        counts=_records(1, COUNTS, up_seen=servers),
        memory=_records(1, MEMORY, tokens=SAVED_TRIES, slots=-1),
        requests=_records(requests, REQUEST, latest=NOBODY),
        attempts=np.empty(tries, ATTEMPT).view(np.recarray),
        servers=_records(
            servers, SERVER, service_time_s=service_times_s, weight=weights, up=True, up_seen=True
        ),
        queues=_records(queues, QUEUE, idle=settings["places"]),
        places=_records(places, PLACE, holds=NOBODY, idle=np.arange(places)),
        # Events to come: of a try its departure, its hedge and, once given up, a retry; of a server
        # two, and one of each cause that all share.
        events=np.empty(3 * tries + 2 * servers + 2, EVENT).view(np.recarray),
        samples=samples,
    )


def _records(count: int, kind: np.dtype, **values: object) -> np.ndarray:
    records = np.zeros(count, kind).view(np.recarray)
    for name, value in values.items():
        records[name] = value
    return records


@inlined
def _schedule(world, time_s, kind, number):
    counts, events = world.counts[0], world.events
    hole = counts.events
    counts.events += 1
    while hole > 0 and events[(hole - 1) // 2].time_s > time_s:
        above = events[(hole - 1) // 2]
        events[hole].time_s, events[hole].what = above.time_s, above.what
        hole = (hole - 1) // 2
    events[hole].time_s, events[hole].what = time_s, number * KINDS + kind


@inlined
def _next_event(world):
    """Take the earliest event off the heap."""
    counts, events = world.counts[0], world.events
    earliest = events[0].what
    counts.events -= 1
    size = counts.events
    time_s, hole = events[size].time_s, 0
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        if child + 1 < size and events[child + 1].time_s < events[child].time_s:
            child += 1
        if time_s <= events[child].time_s:
            break
        events[hole].time_s, events[hole].what = events[child].time_s, events[child].what
        hole = child
    events[hole].time_s, events[hole].what = time_s, events[size].what
    return earliest


@inlined
def _server_of(world, place):
    # Neighbours in the shared queue's row of places belong to different servers.
    if world.settings[0].policy == SHARED:
        return place % len(world.servers)
    return place // world.settings[0].places


@inlined
def _queue_of(world, server):
    return 0 if world.settings[0].policy == SHARED else server


@inlined
def _luck(world, purpose, request, number):
    return uniform(key(world.settings[0].seed, purpose, number), request)


@inside
def _nth_up(world, nth):
    """The nth of the servers that the balancer takes for running."""
    if world.counts[0].up_seen == len(world.servers):
        return nth
    for server in range(len(world.servers)):
        if world.servers[server].up_seen:
            if nth == 0:
                return server
            nth -= 1
    return NOBODY


@inside
def _fewest(world, luck):
    """The server with the fewest requests that the balancer knows of; the search begins anywhere,
    so that equals are treated alike."""
    servers, stale = len(world.servers), world.settings[0].policy == STALE
    server, best, fewest = int(luck * servers), NOBODY, 0
    for _step in range(servers):
        candidate = world.servers[server]
        requests = candidate.in_system_seen if stale else candidate.in_system
        if candidate.up_seen and (best == NOBODY or requests < fewest):
            best, fewest = server, requests
        server = server + 1 if server + 1 < servers else 0
    return best


@inside
def _next_by_turn(world):
    counts, server = world.counts[0], world.counts[0].turn
    while not world.servers[server].up_seen:
        server = (server + 1) % len(world.servers)
    counts.turn = (server + 1) % len(world.servers)
    return server


@inside
def _fewer_of_two(world, request, number):
    up = world.counts[0].up_seen
    first = int(_luck(world, CHOICE, request, number) * up)
    one = _nth_up(world, first)
    if up == 1:
        return one
    second = int(_luck(world, CHOICE_TWO, request, number) * (up - 1))
    two = _nth_up(world, second if second < first else second + 1)
    return two if world.servers[two].in_system < world.servers[one].in_system else one


@inside
def _choose(world, request, number):
    """The server that the balancer sends a try to, NOBODY when it takes all for dead."""
    policy, up = world.settings[0].policy, world.counts[0].up_seen
    if up == 0:
        return NOBODY
    if policy == ROUND_ROBIN:
        return _next_by_turn(world)
    if policy == WEIGHTED:
        return next_by_weight(world.servers)
    if policy == POWER_OF_TWO:
        return _fewer_of_two(world, request, number)
    luck = _luck(world, CHOICE, request, number)
    return _nth_up(world, int(luck * up)) if policy == RANDOM else _fewest(world, luck)


@inlined
def _send(world, request, now):
    """One more try: into service, into a queue, or back to the client."""
    settings, wish = world.settings[0], world.requests[request]
    this = world.counts[0].sent
    world.counts[0].sent += 1
    attempt = world.attempts[this]
    attempt.before, attempt.number = wish.latest, 0
    if wish.latest != NOBODY:
        attempt.number = world.attempts[wish.latest].number + 1
    wish.latest = this
    wish.open += 1
    attempt.request, attempt.intended_s = request, now
    attempt.begin_s, attempt.service_s = math.nan, math.nan
    attempt.server, attempt.outcome = NOBODY, OPEN
    if settings.breaker_error_share < math.inf and not _lets_out(settings, world.memory[0], now):
        _end(world, this, HELD_BACK, now)
        return
    if settings.hedge_after_s < math.inf and attempt.number + 1 < settings.attempts:
        _schedule(world, now + settings.hedge_after_s, HEDGE, this)
    shared = settings.policy == SHARED
    server = 0 if shared else _choose(world, request, attempt.number)
    if server == NOBODY or (not shared and world.servers[server].failure == CRASH):
        _end(world, this, REFUSED, now)
        return
    queue = world.queues[server]
    if settings.tied and _is_at_work(world, attempt.before):
        _end(world, this, WITHDRAWN, now)
    elif queue.idle > 0:
        place = _take_idle(world, server)
        world.servers[_server_of(world, place)].in_system += 1
        _begin(world, this, place, now)
    elif queue.waiting - queue.left >= settings.queue_limit and world.servers[server].up:
        attempt.server = server
        _end(world, this, FULL, now)
    else:
        attempt.server = server
        _join(world, this, server)
        if not shared:
            world.servers[server].in_system += 1


@inlined
def _is_at_work(world, this):
    """Whether a worker is busy with this try, if it is one, for a client that waits."""
    return (
        this != NOBODY
        and world.attempts[this].outcome == OPEN
        and world.attempts[this].begin_s >= 0
    )


@inlined
def _join(world, this, number):
    """The last place in a queue."""
    queue = world.queues[number]
    if queue.waiting == 0:
        queue.first = this
    else:
        world.attempts[queue.last].behind = this
    queue.last = this
    queue.waiting += 1


@inlined
def _leave(world, number):
    """The first of a queue leaves it."""
    queue = world.queues[number]
    this = queue.first
    queue.first = world.attempts[this].behind
    queue.waiting -= 1
    return this


@inlined
def _take_idle(world, number):
    queue, places = world.queues[number], world.settings[0].places
    place = world.places[number * places + queue.idle_from].idle
    queue.idle_from = queue.idle_from + 1 if queue.idle_from + 1 < places else 0
    queue.idle -= 1
    return place


@inlined
def _rest(world, number, place):
    queue, places = world.queues[number], world.settings[0].places
    end = (queue.idle_from + queue.idle) % places
    world.places[number * places + end].idle = place
    queue.idle += 1


@inlined
def _begin(world, this, place, now):
    """A worker starts on a try."""
    settings, attempt = world.settings[0], world.attempts[this]
    server = _server_of(world, place)
    if settings.idempotency_keys and world.requests[attempt.request].worked:
        attempt.service_s = 0.0
    else:
        stream = key(settings.seed, SERVICE, attempt.number)
        angle = key(settings.seed, SERVICE_ANGLE, attempt.number)
        factor = service_factor(
            settings.law, settings.law_shape, world.samples, stream, angle, attempt.request
        )
        attempt.service_s = world.servers[server].service_time_s * factor
        if world.servers[server].failure == SLOW:
            attempt.service_s *= settings.slow_factor
    attempt.server, attempt.place, attempt.begin_s = server, place, now
    world.places[place].holds = this
    _schedule(world, now + attempt.service_s, DEPARTURE, this)
    if settings.tied:
        _withdraw_others(world, attempt.request, this, now)


@inside
def _withdraw_others(world, request, this, now):
    """The other tries of a request end: unanswered, or unworked where they are tied."""
    other = world.requests[request].latest
    while other != NOBODY:
        attempt = world.attempts[other]
        if other != this and attempt.outcome == OPEN:
            attempt.outcome, attempt.end_s = WITHDRAWN, now
            world.requests[request].open -= 1
            if world.settings[0].tied and not attempt.begin_s >= 0:
                world.queues[_queue_of(world, attempt.server)].left += 1
                if world.settings[0].policy != SHARED:
                    world.servers[attempt.server].in_system -= 1
        other = attempt.before


@inside
def _end(world, this, outcome, now):
    """A try has its answer, or none; where no other one is open, the client may try again."""
    settings, attempt = world.settings[0], world.attempts[this]
    wish = world.requests[attempt.request]
    attempt.outcome, attempt.end_s = outcome, now
    wish.open -= 1
    if settings.breaker_error_share < math.inf and outcome < WITHDRAWN:
        _breaker_learns(settings, world.memory[0], now, outcome != OK)
    if outcome == OK:
        if wish.open > 0:
            _withdraw_others(world, attempt.request, this, now)
    elif wish.open > 0 or (outcome != HELD_BACK and _tries_again(world, attempt.request, now)):
        return
    wish.over = True
    world.counts[0].unanswered -= 1


@inlined
def _tries_again(world, request, now):
    """Whether there will be one more try, after a pause."""
    settings, wish = world.settings[0], world.requests[request]
    number = world.attempts[wish.latest].number + 1
    if number >= settings.attempts:
        return False
    luck = 0.0
    if settings.jitter != NO_JITTER:
        luck = _luck(world, BACKOFF, request, number)
    again_s = now + _pause_s(settings, number, luck)
    if again_s >= wish.deadline_s or not _may_spend(settings, world.memory[0]):
        return False
    _schedule(world, again_s, RETRY, wish.latest)
    return True


@inlined
def _is_hedged(world, this):
    """Whether one more try is sent for one that is late."""
    return world.attempts[this].outcome == OPEN and _may_spend(world.settings[0], world.memory[0])


@inside
def _give_up(world, request, now):
    """The request's deadline has come."""
    this = world.requests[request].latest
    while this != NOBODY:
        if world.attempts[this].outcome == OPEN:
            _end(world, this, TIMED_OUT, now)
        this = world.attempts[this].before


@inlined
def _free(world, place, now):
    """A worker is free: for the next in its queue that somebody waits for, or to rest."""
    server = _server_of(world, place)
    number = _queue_of(world, server)
    shared = world.settings[0].policy == SHARED
    while world.queues[number].waiting > 0:
        this = _leave(world, number)
        outcome = world.attempts[this].outcome
        if outcome == WITHDRAWN and world.settings[0].tied:
            world.queues[number].left -= 1
        elif outcome == TIMED_OUT and world.settings[0].deadline_s < math.inf:
            if not shared:
                world.servers[server].in_system -= 1
        else:
            if shared:
                world.servers[server].in_system += 1
            _begin(world, this, place, now)
            return
    _rest(world, number, place)


@inlined
def _depart(world, this, now):
    """A worker has finished a try, whether or not the client still waits for it."""
    attempt, place = world.attempts[this], world.attempts[this].place
    if world.places[place].holds != this:
        return
    if not world.servers[attempt.server].up:
        world.places[place].is_done = True
        return
    world.places[place].holds = NOBODY
    world.servers[attempt.server].in_system -= 1
    luck = _luck(world, ERROR, attempt.request, attempt.number)
    errs = world.servers[attempt.server].failure == ERRORS
    fails = errs or luck < world.settings[0].error_share
    if not fails:
        world.requests[attempt.request].worked = True
    if attempt.outcome == OPEN:
        _end(world, this, FAILED if fails else OK, now)
    _free(world, place, now)


@inside
def _lose(world, server, this, now):
    """A try that a dead server held."""
    outcome = world.attempts[this].outcome
    # Where it is tied, it was counted out when the other one began.
    if not (outcome == WITHDRAWN and world.settings[0].tied):
        world.servers[server].in_system -= 1
    if outcome == OPEN:
        _end(world, this, CLOSED, now)


@inside
def _change_later(world, which, mean_s, kind, now):
    """Schedule the next failure or repair of a server, or of the cause that all share."""
    if which == SHARED_CAUSE:
        cycle = world.counts[0].shared_cycle
        world.counts[0].shared_cycle += 1
    else:
        cycle = world.servers[which].cycle
        world.servers[which].cycle += 1
    stream = key(world.settings[0].seed, FAILURE, cycle)
    _schedule(world, now + mean_s * exponential(stream, which), kind, which)


@inside
def _fail_later(world, which, now):
    settings = world.settings[0]
    part = settings.shared_share if which == SHARED_CAUSE else 1 - settings.shared_share
    if part > 0:
        _change_later(world, which, settings.time_between_failures_s / part, FAIL, now)


@inside
def _fail(world, which, now):
    """A server fails, or all do at once."""
    settings, cycle = world.settings[0], 1
    if which == SHARED_CAUSE:
        cycle = world.counts[0].shared_cycle
    elif which != PLANNED:
        cycle = world.servers[which].cycle
    failure = failure_kind(settings.failure, settings.seed, which, cycle - 1)
    for server in range(len(world.servers)):
        if which >= SHARED_CAUSE or server == which:
            world.servers[server].causes += 1
            if world.servers[server].causes == 1:
                _take_down(world, server, failure, now)
    if which == PLANNED:
        _schedule(world, now + settings.outage_s, REPAIR, which)
    else:
        _change_later(world, which, settings.repair_time_s, REPAIR, now)


@inside
def _take_down(world, server, failure, now):
    """A crash takes all that a server holds; in the shared queue the waiting stay. A server that is
    frozen or cannot be reached keeps it and is silent. One that is slow or answers with errors
    looks well to the balancer."""
    world.servers[server].failure = failure
    if failure in (SLOW, ERRORS):
        return
    world.servers[server].up = False
    number = _queue_of(world, server)
    for _place in range(world.queues[number].idle):
        place = _take_idle(world, number)
        if _server_of(world, place) != server:
            _rest(world, number, place)
    if failure == CRASH:
        _lose_all(world, server, now)
    _watch(world, server, now)


@inside
def _lose_all(world, server, now):
    number = _queue_of(world, server)
    for place in range(len(world.places)):
        this = world.places[place].holds
        if this != NOBODY and _server_of(world, place) == server:
            world.places[place].holds = NOBODY
            _lose(world, server, this, now)
    if world.settings[0].policy != SHARED:
        while world.queues[number].waiting > 0:
            _lose(world, server, _leave(world, number), now)
        world.queues[number].left = 0


@inside
def _repair(world, which, now):
    """One cause has gone; a server that has no other is back."""
    for server in range(len(world.servers)):
        if which >= SHARED_CAUSE or server == which:
            world.servers[server].causes -= 1
            if world.servers[server].causes == 0:
                _bring_back(world, server, now)
    if which != PLANNED:
        _fail_later(world, which, now)


@inside
def _bring_back(world, server, now):
    """A server works again: after a crash with nothing to do, else on what it held."""
    world.servers[server].failure = 0
    if world.servers[server].up:
        return
    world.servers[server].up = True
    for place in range(len(world.places)):
        if _server_of(world, place) == server:
            if world.places[place].holds == NOBODY:
                _free(world, place, now)
            elif world.places[place].is_done:
                world.places[place].is_done = False
                _depart(world, world.places[place].holds, now)
    _watch(world, server, now)


@inside
def _watch(world, server, now):
    """The balancer believes a change that has lasted for a while."""
    detection_s = world.settings[0].detection_s
    world.servers[server].changed_s = now
    if detection_s == 0:
        _learn(world, server, now)
    elif not world.servers[server].is_watched:
        world.servers[server].is_watched = True
        _schedule(world, now + detection_s, LEARN, server)


@inside
def _learn(world, server, now):
    changed = world.servers[server]
    sure_s = changed.changed_s + world.settings[0].detection_s
    if sure_s > now:
        _schedule(world, sure_s, LEARN, server)
        return
    changed.is_watched = False
    world.counts[0].up_seen += int(changed.up) - int(changed.up_seen)
    changed.up_seen = changed.up


@inside
def _look(world, now):
    """The balancer with stale information looks at the servers, as often as it does."""
    for server in range(len(world.servers)):
        world.servers[server].in_system_seen = world.servers[server].in_system
    age_s = world.settings[0].information_age_s
    world.counts[0].next_look_s = (math.floor(now / age_s) + 1) * age_s


@inlined
def _happen(world, what, now):
    kind, which = what % KINDS, what // KINDS
    if kind == DEPARTURE:
        _depart(world, which, now)
    elif kind in (RETRY, HEDGE):
        if kind == RETRY or _is_hedged(world, which):
            _send(world, world.attempts[which].request, now)
    elif kind == FAIL:
        _fail(world, which, now)
    elif kind == REPAIR:
        _repair(world, which, now)
    else:
        _learn(world, which, now)


@inlined
def _arrive(world, request, now):
    world.requests[request].deadline_s = now + world.settings[0].deadline_s
    _earn(world.settings[0], world.memory[0])
    _send(world, request, now)


@inside
def _run(arrivals, world):
    """The next thing to happen is an arrival, a time-out (they come in the order of the tries, as
    all are equally long), a deadline (in the order of the requests) or the earliest of the
    scheduled events."""
    settings, counts = world.settings[0], world.counts[0]
    request, oldest, waiting = 0, 0, 0
    counts.unanswered = len(arrivals)
    if settings.time_between_failures_s < math.inf:
        for server in range(len(world.servers)):
            _fail_later(world, server, 0.0)
        _fail_later(world, SHARED_CAUSE, 0.0)
    if settings.outage_from_s < math.inf:
        _schedule(world, settings.outage_from_s, FAIL, PLANNED)
    while counts.unanswered > 0:
        arrival_s = arrivals[request] if request < len(arrivals) else math.inf
        event_s = world.events[0].time_s if counts.events > 0 else math.inf
        timeout_s = deadline_s = math.inf
        if settings.timeout_s < math.inf:
            while oldest < counts.sent and world.attempts[oldest].outcome != OPEN:
                oldest += 1
            if oldest < counts.sent:
                timeout_s = world.attempts[oldest].intended_s + settings.timeout_s
        if settings.deadline_s < math.inf:
            while waiting < request and world.requests[waiting].over:
                waiting += 1
            if waiting < request:
                deadline_s = world.requests[waiting].deadline_s
        now = min(arrival_s, event_s, timeout_s, deadline_s)
        if settings.policy == STALE and now >= counts.next_look_s:
            _look(world, now)
        if event_s == now:
            _happen(world, _next_event(world), now)
        elif deadline_s == now:
            _give_up(world, waiting, now)
        elif timeout_s == now:
            _end(world, oldest, TIMED_OUT, now)
        else:
            _arrive(world, request, now)
            request += 1


def _serving(rules: int) -> Callable:
    @compiled
    def serve(arrivals, settings, counts, memory, requests, attempts, *places_and_events):
        """Run a `World` in the order of time until every request has its answer, or none for
        good."""
        _run(arrivals, World(settings, counts, memory, requests, attempts, *places_and_events))
        return rules

    return serve


# The compiled file on disk knows of changes in this module only; what a function closes over is
# in its key, too.
serve = _serving(zlib.crc32(Path(backoff.__file__).read_bytes()))
