"""A scenario answered by real servers: the attempts table, as the simulation would give it.

    attempts = measure(Scenario(arrival_rate_per_s=40, service_time_s=0.05, servers=3))

Real processes do the work, Caddy or nginx shares it among them, and the load generator sends the
very requests that `simulate` has drawn: each at its moment, with its service time. So prediction
and reality can be compared request by request. What can be measured so says `measurable`.
"""

import math
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

import numpy as np

from devops_lab.balancer import Balancer
from devops_lab.families import wait_until
from devops_lab.fault_injection import FaultInjection
from devops_lab.loadgen import MOST_REQUESTS, Load, lateness_note, print_notes
from devops_lab.measurable import (
    BINDER,
    POLICIES,
    has_one_queue,
    is_replayed_exactly,
    limits,
    needs_checks,
    obstacle,
)
from devops_lab.outages import outages
from devops_lab.processes import AnyProgram, Program, ProgramError, start_together
from devops_lab.rules import number, whole
from devops_lab.scenario import MOST_SERVERS, Scenario
from devops_lab.servers import Server
from devops_lab.service import LONGEST_SERVICE_S
from devops_lab.simulate import arrivals, service_times, simulate
from devops_lab.tables import ATTEMPTS, INTERVALS, table
from devops_lab.translation import _
from devops_lab.upstreams import BalancerProgram

if TYPE_CHECKING:
    from pandas import DataFrame

DURATION_S = 10.0
# A request costs about a millisecond on its way; a service that is not much longer hides in it.
SHORTEST_CLEAR_SERVICE_S = 0.005
SOONEST_DETECTION_S, LATEST_DETECTION_S = 0.05, 1_800.0
# With less, a busy machine would make healthy servers look dead.
LEAST_PATIENCE_S = 0.25


def measure(
    scenario: Scenario, requests: int | None = None, *, duration_s: float | None = None
) -> "DataFrame":
    """The attempts table of a run on real servers, with the requests that `simulate` draws.

    So many `requests`, or those of the first `duration_s` seconds (10 when neither is given), and
    no more than a run on this machine may take. A shared queue is one server with all the workers.
    `attrs["notes"]` says what to beware of, and is printed: that the run measured the machine, for
    instance. An interrupt ends the run and returns what there is.

    Assumes that the machine has nothing else to do. Raises ValueError for a scenario that has an
    `obstacle`, and ProgramError where a server or its balancer cannot start.
    """
    # Two at once would measure each other, in a sweep for instance.
    with _one_at_a_time, Measurement(scenario, requests, duration_s=duration_s) as running:
        attempts = running.wait()
    print_notes(attempts.attrs["notes"])
    return attempts


def measure_each(
    scenarios: Mapping[str, Scenario],
    requests: int | None = None,
    *,
    duration_s: float | None = None,
) -> "dict[str, DataFrame]":
    """The attempts of each scenario that can be measured here, by its name; see `measure`.

    Why another one cannot is printed, such as that its balancer is missing.
    """
    reasons = {name: obstacle(scenario) for name, scenario in scenarios.items()}
    for name, reason in reasons.items():
        if reason:
            print(_("{name} is not measured: {reason}").format(name=name, reason=reason))
    return {
        name: measure(scenario, requests, duration_s=duration_s)
        for name, scenario in scenarios.items()
        if not reasons[name]
    }


_one_at_a_time = threading.Lock()


class Measurement:
    """A measurement that goes on beside the cells; `measure` waits for its end.

    A `with` block, or `start` and `stop`. `planned` is the simulation of the same requests. Its
    programs belong to the `cell`, where one is given.
    """

    def __init__(
        self,
        scenario: Scenario,
        requests: int | None = None,
        *,
        duration_s: float | None = None,
        cell: str | None = None,
    ) -> None:
        if reason := obstacle(scenario):
            raise ValueError(reason)
        self.scenario = scenario
        self.planned = _plan(scenario, requests, duration_s)
        self.requests = int(self.planned["request"].max()) + 1
        self.programs: list[Program] = []
        self._cell = cell
        self._load: Load | None = None
        self._faults: FaultInjection | None = None
        self._end: list[str] = []

    def start(self) -> Self:
        """Start the servers, the balancer where there is one, the load, and what goes wrong."""
        try:
            self._load = self._started(self._new_load(self._start_servers()))
            if self._faults:
                wait_until(lambda: self._load.begun_at or not self._load.is_running, within_s=10)
                self._faults.start(self._load.begun_at or time.time())
        # An interrupt, too, leaves nothing behind.
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all that was started; what has been measured stays."""
        if self._faults:
            self._faults.stop()
        while self.programs:
            self.programs.pop().stop()

    @property
    def is_running(self) -> bool:
        """Whether requests are still sent or answered."""
        return self._load is not None and self._load.is_running

    @property
    def share_done(self) -> float:
        """How many of its requests are over, from 0 to 1."""
        return self._load.requests_over() / self.requests if self._load else 0.0

    def wait(self) -> "DataFrame":
        """The attempts when all have ended; those so far after an interrupt or a failure."""
        try:
            self._load.wait()
        except KeyboardInterrupt:
            self._load.stop()
            text = _("The run was interrupted: {done} of {total} requests have been kept.")
            done = self._load.requests_over()
            self._end = [text.format(done=done, total=self.requests)]
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
        troubles = self._faults.troubles if self._faults else []
        attempts.attrs["notes"] = self.planned.attrs["notes"] + late + troubles + self._end
        return attempts

    def intervals(self) -> "DataFrame":
        """The outages so far (`tables.INTERVALS`): what was done to the servers, and when the
        balancer noticed."""
        if self._faults is None:
            return table({name: [] for name in INTERVALS}, INTERVALS)
        return self._faults.intervals()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _started(self, program: AnyProgram) -> AnyProgram:
        self.programs.append(program)
        program.start().cell = self._cell
        return program

    def _start_servers(self) -> Server | BalancerProgram:
        """The servers' common front door, with the way through it warmed up."""
        servers = _servers(self.scenario)
        self.programs += servers
        for server in start_together(servers):
            server.cell = self._cell
        front, turns = servers[0], 1
        balancer = None
        if len(servers) > 1 or needs_checks(self.scenario):
            front = balancer = self._started(_balancer(self.scenario, servers))
            turns = _turns_of_a_round(self.scenario)
        if self.scenario.faults.can_fail:
            self._faults = self._new_faults(servers, balancer)
        # After one round it is the first one's turn again.
        for _turn in range(turns):
            front.get("/healthz")
        return front

    def _new_faults(self, servers: list[Server], balancer: Balancer | None) -> FaultInjection:
        planned = outages(self.scenario, float(self.planned["end_s"].max()))
        slow_factor = self.scenario.faults.slow_factor
        return FaultInjection(servers, planned, slow_factor=slow_factor, balancer=balancer)

    def _new_load(self, front: Server | BalancerProgram) -> Load:
        scenario, patience_s = self.scenario, 2 * limits().longest_s
        times_s = [
            service_times(scenario, self.requests, attempt)
            for attempt in range(1, scenario.client.attempts + 1)
        ]
        return Load(
            f"{front.url}work",
            arrivals=arrivals(scenario, self.requests).tolist(),
            # A longer one would not end within any run.
            service_times_s=np.minimum(times_s, LONGEST_SERVICE_S).tolist(),
            timeout_s=patience_s,
            client=scenario.client,
            seed=scenario.seed,
        )


def _plan(scenario: Scenario, requests: int | None, duration_s: float | None) -> "DataFrame":
    """The requests to send, as the simulation answers them; its notes are about the whole run."""
    if requests is None and duration_s is None:
        duration_s = DURATION_S
    longest_s = limits().longest_s
    times_s = _arrivals(scenario, requests, duration_s)
    planned = simulate(scenario, max(1, len(times_s)))
    too_late = planned["request"][planned["end_s"] > longest_s]
    kept = min([len(times_s), *too_late])
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
    first = planned[planned["request"] < kept]
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
    count, workers, faults = scenario.servers, scenario.workers, scenario.faults
    if has_one_queue(scenario):
        count, workers = 1, count * workers
    return [
        Server(
            name=f"server-{number}",
            workers=workers,
            slow_factor=faults.slow_factor if number <= faults.slow_servers else 1.0,
            queue_limit=scenario.queue_limit,
            error_share=faults.error_share,
            # No two servers of any two seeds fail alike.
            seed=scenario.seed * MOST_SERVERS + number,
        )
        for number in range(1, count + 1)
    ]


def _balancer(scenario: Scenario, servers: list[Server]) -> BalancerProgram:
    kind, policy = POLICIES[scenario.balancer]
    checks = _checks(scenario) if needs_checks(scenario) else {}
    if scenario.balancer == "weighted":
        return kind(servers, policy=policy, weights=[int(weight) for weight in scenario.weights])
    if policy == "round_robin":
        # Caddy begins with the second.
        return kind([servers[-1], *servers[:-1]], policy=policy, **checks)
    return kind(servers, policy=policy, **checks)


def _checks(scenario: Scenario) -> dict[str, float]:
    """Checks that notice a crash as late as the scenario says, on average; a server that is silent
    is given some patience more."""
    detection_s = min(max(scenario.faults.detection_s, SOONEST_DETECTION_S), LATEST_DETECTION_S)
    patience_s = max(detection_s, LEAST_PATIENCE_S)
    return {"check_every_s": 2 * detection_s, "check_patience_s": patience_s}


def _turns_of_a_round(scenario: Scenario) -> int:
    weights = [int(weight) for weight in scenario.weights] or [1] * scenario.servers
    return sum(weights) // math.gcd(*weights)
