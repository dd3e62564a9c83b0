"""A scenario answered by real servers: the attempts table, as the simulation would give it.

    attempts = measure(Scenario(arrival_rate_per_s=40, service_time_s=0.05, servers=3))

Real processes do the work, Caddy shares it among them, and the load generator sends the very
requests that `simulate` has drawn: each at its moment, with its service time. So prediction and
reality can be compared request by request.
"""

import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from devops_lab.balancer import Balancer
from devops_lab.loadgen import MOST_REQUESTS, Load, lateness_note
from devops_lab.processes import Program, ProgramError
from devops_lab.rules import number, whole
from devops_lab.scenario import MOST_SERVERS, Scenario
from devops_lab.servers import Server
from devops_lab.service import LONGEST_SERVICE_S
from devops_lab.simulate import arrivals, service_times, simulate, turns
from devops_lab.tables import ATTEMPTS, table
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

AnyProgram = TypeVar("AnyProgram", bound=Program)

DURATION_S = 10.0
# A request costs about a millisecond on its way; a service that is not much longer hides in it.
SHORTEST_CLEAR_SERVICE_S = 0.005
MOST_TURNS = 1_000
MOST_WORKERS = 10_000

# The scenario's balancers as Caddy names them; turns by weight are a longer round of turns.
POLICIES = {
    "round_robin": "round_robin",
    "weighted": "round_robin",
    "random": "random",
    "least_connections": "least_conn",
}


@dataclass(frozen=True)
class Limits:
    """What real load is kept within, so that it measures the servers and not the machine."""

    requests_per_s: float
    balanced_requests_per_s: float
    servers: int
    longest_s: float


OWN_MACHINE = Limits(requests_per_s=5_000, balanced_requests_per_s=2_000, servers=16, longest_s=60)
# One or two cores that are shared with many others.
BINDER = Limits(requests_per_s=200, balanced_requests_per_s=100, servers=6, longest_s=15)


def limits() -> Limits:
    """The limits of real load here."""
    return BINDER if "BINDER_LAUNCH_HOST" in os.environ else OWN_MACHINE


def obstacle(scenario: Scenario) -> str:
    """Why the scenario cannot be measured with the tools here; empty where it can.

    >>> print(obstacle(Scenario(40, 0.05, servers=3, balancer="power_of_two")))
    Caddy has no power_of_two. Choose least_connections or random, or simulate it.
    """
    return next(_obstacles(scenario), "")


def _obstacles(scenario: Scenario) -> Iterator[str]:
    alone, most = has_one_queue(scenario), limits()
    workers = scenario.servers * scenario.workers
    if alone and workers > MOST_WORKERS:
        yield _(
            "A real server has its workers in one process, and the most is {most:,}, got "
            "{workers:,}. Choose fewer workers, or simulate it."
        ).format(most=MOST_WORKERS, workers=workers)
    if not alone and scenario.balancer not in POLICIES:
        text = _("Caddy has no {balancer}. Choose least_connections or random, or simulate it.")
        yield text.format(balancer=scenario.balancer)
    if not alone and scenario.servers > most.servers:
        yield _(
            "Each server is a real process, and here the most is {most}, got {servers}. "
            "Choose fewer servers with more workers each, or simulate it."
        ).format(most=most.servers, servers=scenario.servers)
    most_per_s = most.requests_per_s if alone else most.balanced_requests_per_s
    if scenario.arrival_rate_per_s > most_per_s:
        yield _(
            "Above {most:,} requests/s a run here would measure the machine, not the servers; got "
            "{rate:,}. Choose a lower rate and longer service times, or simulate it."
        ).format(most=most_per_s, rate=scenario.arrival_rate_per_s)
    if not alone and scenario.balancer == "weighted" and not _has_short_round(scenario):
        yield _(
            "A real balancer counts turns: weights must be whole numbers with a sum of at most "
            "{most:,}. Write 3 and 1 for 0.75 and 0.25."
        ).format(most=MOST_TURNS)
    yield from _obstacles_in_parts(scenario)


def _obstacles_in_parts(scenario: Scenario) -> Iterator[str]:
    text = _("The real servers here have no {part}. Leave it out, or simulate it.")
    faults = scenario.faults
    if scenario.queue_limit is not None:
        yield text.format(part="queue_limit")
    if faults.slow_servers:
        yield text.format(part="slow_servers")
    if faults.time_between_failures_s is not None:
        yield text.format(part="time_between_failures_s")
    if scenario.client.attempts > 1:
        yield _("The load generator tries once. Leave out attempts, or simulate it.")


def has_one_queue(scenario: Scenario) -> bool:
    """Whether one real server with all the workers is the whole scenario."""
    return scenario.balancer == "shared_queue" or scenario.servers == 1


def is_replayed_exactly(scenario: Scenario) -> bool:
    """Whether each request meets the server that it meets in the simulation.

    Otherwise only distributions can be compared: the real balancer draws or looks for itself, or of
    two requests that come within a millisecond the second is ahead on the way to it.
    """
    in_turn = scenario.balancer in ("round_robin", "weighted")
    return has_one_queue(scenario) or (in_turn and scenario.load.shape == "constant")


def measure(
    scenario: Scenario, requests: int | None = None, *, duration_s: float | None = None
) -> "DataFrame":
    """The attempts table of a run on real servers, with the requests that `simulate` draws.

    So many `requests`, or those of the first `duration_s` seconds (10 when neither is given), and
    no more than a run on this machine may take. A shared queue is one server with all the workers.
    `attrs["notes"]` says what to beware of, and is printed: that the run measured the machine, for
    instance. An interrupt ends the run and returns what there is.

    Assumes that the machine has nothing else to do. Raises ValueError for a scenario that has an
    `obstacle`, and ProgramError where a server or Caddy cannot start.
    """
    # Two at once would measure each other, in a sweep for instance.
    with _one_at_a_time, Measurement(scenario, requests, duration_s=duration_s) as running:
        attempts = running.wait()
    for note in attempts.attrs["notes"]:
        print(note)
    return attempts


_one_at_a_time = threading.Lock()


class Measurement:
    """A measurement that goes on beside the cells; `measure` waits for its end.

    A `with` block, or `start` and `stop`. `planned` is the simulation of the same requests.
    """

    def __init__(
        self, scenario: Scenario, requests: int | None = None, *, duration_s: float | None = None
    ) -> None:
        if reason := obstacle(scenario):
            raise ValueError(reason)
        self.scenario = scenario
        self.planned = _plan(scenario, requests, duration_s)
        self.programs: list[Program] = []
        self._load: Load | None = None
        self._end: list[str] = []

    def start(self) -> Self:
        """Start the servers, the balancer where there is one, and the load."""
        try:
            self._load = self._started(self._new_load(self._start_servers()))
        # An interrupt, too, leaves nothing behind.
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all that was started; what has been measured stays."""
        while self.programs:
            self.programs.pop().stop()

    @property
    def is_running(self) -> bool:
        """Whether requests are still sent or answered."""
        return self._load is not None and self._load.is_running

    def wait(self) -> "DataFrame":
        """The attempts when all have ended; those so far after an interrupt or a failure."""
        try:
            self._load.wait()
        except KeyboardInterrupt:
            self._load.stop()
            text = _("The run was interrupted: {done} of {total} requests have been kept.")
            done = len(self._load.attempts())
            self._end = [text.format(done=done, total=len(self.planned))]
        except ProgramError as error:
            self._end = [str(error)]
        self.stop()
        return self.attempts()

    def attempts(self) -> "DataFrame":
        """The attempts that have ended so far; `attrs["notes"]` says what to beware of."""
        if self._load is None:
            return table({name: [] for name in ATTEMPTS}, ATTEMPTS)
        attempts = self._load.attempts()
        late = [note] if (note := lateness_note(attempts)) else []
        attempts.attrs["notes"] = self.planned.attrs["notes"] + late + self._end
        return attempts

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _started(self, program: AnyProgram) -> AnyProgram:
        self.programs.append(program)
        return program.start()

    def _start_servers(self) -> Server | Balancer:
        """The servers' common front door, with the way through it warmed up."""
        servers = [self._started(server) for server in _servers(self.scenario)]
        front, turns = servers[0], 1
        if len(servers) > 1:
            order = [servers[number] for number in _round(self.scenario)]
            # Caddy begins with the second.
            behind = [order[-1], *order[:-1]]
            front = self._started(Balancer(behind, policy=POLICIES[self.scenario.balancer]))
            turns = len(order)
        for _turn in range(turns):
            front.get("/healthz")
        return front

    def _new_load(self, front: Server | Balancer) -> Load:
        times_s = service_times(self.scenario, len(self.planned))
        patience_s = 2 * limits().longest_s
        return Load(
            f"{front.url}work",
            arrivals=self.planned["intended_s"].tolist(),
            # A longer one would not end within any run.
            service_times_s=np.minimum(times_s, LONGEST_SERVICE_S).tolist(),
            timeout_s=min(self.scenario.client.timeout_s or patience_s, patience_s),
        )


def _plan(scenario: Scenario, requests: int | None, duration_s: float | None) -> "DataFrame":
    """The requests to send, as the simulation answers them; its notes are about the whole run."""
    if requests is None and duration_s is None:
        duration_s = DURATION_S
    longest_s = limits().longest_s
    times_s = _arrivals(scenario, requests, duration_s)
    planned = simulate(scenario, max(1, len(times_s)))
    too_late = np.flatnonzero(planned["end_s"] > longest_s)
    kept = min([len(times_s), *too_late[:1]])
    if kept == 0:
        text = _(
            "No request would come and be answered within {seconds:g} s. Choose a higher rate, a "
            "shorter service time or a longer duration, or simulate it."
        )
        raise ValueError(text.format(seconds=min(longest_s, duration_s or longest_s)))
    notes = list(_notes(scenario))
    if kept < len(times_s):
        text = _(
            "A run here takes {seconds:g} s at most: the first {kept:,} of {asked:,} requests."
        )
        notes.append(text.format(seconds=longest_s, kept=kept, asked=len(times_s)))
    first = planned.head(kept)
    first.attrs["notes"] = planned.attrs["notes"] + notes
    return first


def _arrivals(scenario: Scenario, requests: int | None, duration_s: float | None) -> np.ndarray:
    """When the requests of a run arrive: so many of them, or those of so many seconds."""
    end_s = math.inf if duration_s is None else number("duration_s", duration_s, above=0)
    if requests is not None:
        count = whole("requests", requests, at_least=1, at_most=MOST_REQUESTS)
        times_s = arrivals(scenario, count)
    else:
        count = 100
        while (times_s := arrivals(scenario, count))[-1] < end_s and count < MOST_REQUESTS:
            count *= 2
    return times_s[times_s < end_s][:MOST_REQUESTS]


def _notes(scenario: Scenario) -> Iterator[str]:
    if scenario.balancer == "shared_queue" and scenario.servers > 1:
        yield _(
            "One real server with {workers} workers stands for all the servers and their queue."
        ).format(workers=scenario.servers * scenario.workers)
    if not is_replayed_exactly(scenario):
        yield _(
            "Here a request may meet another server than in the simulation: compare distributions, "
            "not single requests."
        )
    if scenario.service_time_s < SHORTEST_CLEAR_SERVICE_S:
        yield _(
            "A request costs about a millisecond on its way, and the service takes only "
            "{milliseconds:g} ms: the machine is a good part of what is measured."
        ).format(milliseconds=scenario.service_time_s * 1e3)
    if limits() is BINDER:
        yield _("Many learners share Binder: real load is short and modest here.")


def _servers(scenario: Scenario) -> list[Server]:
    count, workers = scenario.servers, scenario.workers
    if has_one_queue(scenario):
        count, workers = 1, count * workers
    return [
        Server(
            name=f"server-{number}",
            workers=workers,
            error_share=scenario.faults.error_share,
            # No two servers of any two seeds fail alike.
            seed=scenario.seed * MOST_SERVERS + number,
        )
        for number in range(1, count + 1)
    ]


def _round(scenario: Scenario) -> list[int]:
    """One round of turns: every server once, or as often as its weight says."""
    if scenario.balancer != "weighted":
        return list(range(scenario.servers))
    weights = [int(weight) for weight in scenario.weights]
    return turns(scenario, sum(weights) // math.gcd(*weights)).tolist()


def _has_short_round(scenario: Scenario) -> bool:
    whole_weights = all(float(weight).is_integer() for weight in scenario.weights)
    return whole_weights and sum(scenario.weights) <= MOST_TURNS
