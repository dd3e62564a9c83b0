"""A scenario answered by simulation: the attempts table, as real servers would give it.

>>> from devops_lab.scenario import Scenario
>>> from devops_lab.simulate import simulate
>>> attempts = simulate(Scenario(arrival_rate_per_s=80, service_time_s=0.01), requests=1_000)
>>> len(attempts), attempts.outcome.unique().tolist()
(1000, ['ok'])
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from devops_lab import kernels
from devops_lab.kernels import World
from devops_lab.rules import whole
from devops_lab.scenario import BALANCERS, FAILURES, SERVICE_DISTRIBUTIONS, Scenario
from devops_lab.tables import ATTEMPTS, table
from devops_lab.translation import _

if TYPE_CHECKING:
    import pandas as pd

MOST_REQUESTS = 5_000_000

# By the kernels' codes; a status of 0 is none.
OUTCOMES = (
    *("", "ok", "failed", "failed", "refused", "closed", "timed_out"),
    *("withdrawn", "held_back"),
)
STATUSES = np.array([0, 200, 500, 503, 0, 0, 0, 0, 0])


# Without Numba, the random numbers' arithmetic of 64 bits would warn that it wraps.
_wrapping_numbers = np.errstate(over="ignore")


@_wrapping_numbers
def simulate(scenario: Scenario, requests: int = 100_000) -> "pd.DataFrame":
    """The attempts table of so many requests to the scenario's servers, which start empty.

    A recursion does where each request's server is known beforehand, events in the order of time
    where it depends on what happened before. `attrs["notes"]` says what to beware of: a queue that
    grows for ever has no steady state, and its numbers depend on how long one looks.

    Raises ValueError for more than 5 million requests.
    """
    count = whole(
        "requests",
        requests,
        at_least=1,
        at_most=MOST_REQUESTS,
        remedy=_("For more, sweep over several seeds."),
    )
    answered = _by_recursion if has_no_feedback(scenario) else _by_events
    attempts = answered(scenario, arrivals(scenario, count))
    attempts.attrs["notes"] = _notes(scenario)
    return attempts


def has_no_feedback(scenario: Scenario) -> bool:
    """Whether each request's server and service are known before anything has run."""
    faults, client = scenario.faults, scenario.client
    return (
        scenario.balancer in ("shared_queue", "round_robin", "random", "weighted")
        and not (scenario.balancer == "shared_queue" and faults.slow_servers)
        and scenario.queue_limit is None
        and client.is_patient
        and (faults.error_share == 0 or not client.minds_errors)
        and not faults.can_fail
    )


@_wrapping_numbers
def arrivals(scenario: Scenario, requests: int) -> np.ndarray:
    """When the requests arrive, in seconds since the start."""
    load, rate, seed = scenario.load, scenario.arrival_rate_per_s, scenario.seed
    if load.shape == "constant":
        return np.arange(1, requests + 1) / rate
    times_s = kernels.poisson_arrivals(seed, requests)
    if load.shape == "bursty":
        burst = (load.burst_factor, load.burst_share, load.burst_length_s)
        return kernels.bursty_arrivals(times_s, float(rate), *map(float, burst), seed)
    times_s /= rate
    if load.shape == "daily":
        return _on_daily_curve(times_s, load.peak_factor, load.day_s)
    return times_s


def _on_daily_curve(times_s: np.ndarray, peak_factor: float, day_s: float) -> np.ndarray:
    """Arrivals of a steady load, moved to where a daily wave has had as many."""
    day = np.linspace(0, 1, 20_001)
    arrived = day - (peak_factor - 1) * np.sin(2 * np.pi * day) / (2 * np.pi)
    days = np.floor(times_s / day_s)
    return (days + np.interp(times_s / day_s - days, arrived, day)) * day_s


@_wrapping_numbers
def service_times(scenario: Scenario, requests: int, attempt: int = 1) -> np.ndarray:
    """How long a worker is busy with each request's try of this number, in seconds, at a usual
    server."""
    mean_s = float(scenario.service_time_s)
    return kernels.service_times(mean_s, *_law(scenario), scenario.seed, attempt - 1, requests)


@_wrapping_numbers
def lucks(seed: int, retry: int, requests: int) -> np.ndarray:
    """The random number from 0 to 1 that each request has for the pause before this retry."""
    return kernels.uniforms(seed, kernels.BACKOFF, retry, requests)


@_wrapping_numbers
def turns(scenario: Scenario, requests: int) -> np.ndarray:
    """The number of each request's queue, from 0, where the balancer looks at nothing else."""
    if scenario.balancer == "round_robin":
        return np.arange(requests, dtype=np.int32) % np.int32(scenario.servers)
    if scenario.balancer == "random":
        return kernels.random_servers(scenario.seed, scenario.servers, requests)
    if scenario.balancer == "weighted":
        return kernels.weighted_servers(_world(scenario, 0).servers, requests)
    return np.zeros(requests, np.int32)


def _law(scenario: Scenario) -> tuple[int, float, np.ndarray]:
    """The law of service times as the kernels know it: code, parameter, samples of mean 1."""
    distribution, shape = scenario.service_distribution, 0.0
    if distribution == "lognormal":
        shape = math.sqrt(math.log1p(scenario.scv))
    elif distribution == "heavy_tailed":
        shape = 1 + math.sqrt(1 + 1 / scenario.scv)
    samples = np.sort(np.array(scenario.service_samples or (1.0,), dtype=float))
    return SERVICE_DISTRIBUTIONS.index(distribution), shape, samples / samples.mean()


def _slowness(scenario: Scenario) -> np.ndarray:
    """How many times as long as planned each server takes."""
    slowness = np.ones(scenario.servers)
    slowness[: scenario.faults.slow_servers] = scenario.faults.slow_factor
    return slowness


def _by_recursion(scenario: Scenario, times: np.ndarray) -> "pd.DataFrame":
    count, servers = len(times), scenario.servers
    services = service_times(scenario, count)
    shared = scenario.balancer == "shared_queue"
    queue_of = turns(scenario, count)
    if scenario.faults.slow_servers:
        services *= _slowness(scenario)[queue_of]
    queues, places = (1, servers * scenario.workers) if shared else (servers, scenario.workers)
    waits, ends, server = kernels.first_come_first_served(
        times, services, queue_of, queues, places, servers
    )
    outcome = np.full(count, kernels.OK)
    if scenario.faults.error_share:
        outcome[kernels.errors(scenario.seed, scenario.faults.error_share, count)] = kernels.FAILED
    return _table(
        scenario,
        request=np.arange(count),
        attempt=np.ones(count, np.int64),
        intended_s=times,
        end_s=ends,
        outcome=outcome,
        server=server,
        wait_s=waits,
        service_s=services,
    )


def _by_events(scenario: Scenario, times: np.ndarray) -> "pd.DataFrame":
    world = _world(scenario, len(times))
    kernels.serve(times, *world)
    done = world.attempts[: world.counts[0].sent]
    outcome = done["outcome"]
    full, answered = outcome == kernels.FULL, STATUSES[outcome] > 0
    wait_s = np.where(answered, done["begin_s"] - done["intended_s"], np.nan)
    return _table(
        scenario,
        request=done["request"],
        attempt=done["number"] + 1,
        intended_s=done["intended_s"],
        end_s=done["end_s"],
        outcome=outcome,
        server=np.where(answered, done["server"], kernels.NOBODY),
        wait_s=np.where(full, 0.0, wait_s),
        service_s=np.where(full, 0.0, np.where(answered, done["service_s"], np.nan)),
    )


def _world(scenario: Scenario, requests: int) -> World:
    def or_endless(value: float | None) -> float:
        return math.inf if value is None else float(value)

    shared = scenario.balancer == "shared_queue"
    client, faults = scenario.client, scenario.faults
    law, shape, samples = _law(scenario)
    settings = {
        **client.numbers(),
        "seed": scenario.seed,
        "policy": BALANCERS.index(scenario.balancer),
        "places": scenario.workers * (scenario.servers if shared else 1),
        "law": law,
        "law_shape": shape,
        "queue_limit": or_endless(scenario.queue_limit),
        "information_age_s": or_endless(scenario.information_age_s),
        "error_share": faults.error_share,
        "time_between_failures_s": or_endless(faults.time_between_failures_s),
        "shared_share": faults.shared_share,
        "failure": FAILURES.index(faults.failure),
        "slow_factor": faults.slow_factor,
        "repair_time_s": faults.repair_time_s,
        "outage_from_s": or_endless(faults.outage_from_s),
        "outage_s": faults.outage_s,
        "detection_s": faults.detection_s,
    }
    service_times_s = scenario.service_time_s * _slowness(scenario)
    weights = np.array(scenario.weights or [1.0] * scenario.servers)
    return kernels.new_world(settings, service_times_s, weights, samples, requests)


def _table(
    scenario: Scenario, *, outcome: np.ndarray, server: np.ndarray, **columns: np.ndarray
) -> "pd.DataFrame":
    import pandas as pd

    status = STATUSES[outcome]
    # One column for two names, until somebody writes to one of them.
    intended_s = pd.Series(columns["intended_s"], copy=False)
    names = [f"server-{number}" for number in range(1, scenario.servers + 1)]
    return table(
        columns
        | {
            "intended_s": intended_s,
            "start_s": intended_s,
            "latency_s": columns["end_s"] - columns["intended_s"],
            "outcome": pd.array(OUTCOMES, dtype="string").take(outcome),
            "status": pd.arrays.IntegerArray(status, status == 0),
            "server": pd.array(names, dtype="string").take(server, allow_fill=True),
        },
        ATTEMPTS,
    )


def _notes(scenario: Scenario) -> list[str]:
    if scenario.utilisation < 1 or scenario.queue_limit is not None:
        return []
    return [
        _(
            "More work comes than the servers can do (utilisation would be {percent:.0f} %): the "
            "queue grows as long as the run lasts, so the numbers depend on its length."
        ).format(percent=100 * scenario.utilisation)
    ]
