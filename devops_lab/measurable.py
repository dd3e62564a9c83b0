"""What of a scenario can be run on the real servers of this machine, and what not, and why.

>>> from devops_lab.scenario import Scenario
>>> print(obstacle(Scenario(10_000, 0.05)).split(";")[0])
Above 5,000 requests/s a run here would measure the machine, not the servers
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from devops_lab.balancer import Balancer
from devops_lab.nginx import Nginx, nginx_is_here
from devops_lab.scenario import Scenario
from devops_lab.translation import _
from devops_lab.upstreams import BalancerProgram

MOST_TURNS = 1_000
MOST_WORKERS = 10_000

# Which real balancer does it, and how it calls it.
POLICIES: dict[str, tuple[type[BalancerProgram], str]] = {
    "round_robin": (Balancer, "round_robin"),
    "random": (Balancer, "random"),
    "least_connections": (Balancer, "least_conn"),
    "weighted": (Nginx, "weighted_round_robin"),
    "power_of_two": (Nginx, "random_two"),
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
    """Why the scenario cannot be measured with the tools here; empty where it can."""
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
        text = _(
            "Neither Caddy nor nginx has {balancer}. Choose least_connections or power_of_two, or "
            "simulate it."
        )
        yield text.format(balancer=scenario.balancer)
    if not alone and _needs_nginx(scenario) and not nginx_is_here():
        text = _("{balancer} needs nginx, which is not here. {remedy}")
        yield text.format(balancer=scenario.balancer, remedy=Nginx.remedy)
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
    if scenario.faults.slow_servers and has_one_queue(scenario) and scenario.servers > 1:
        yield _(
            "One real server stands for all that share a queue, so none of them can be slower than "
            "the others. Choose another balancer, or simulate it."
        )
    if needs_checks(scenario) and not _is_checked(scenario):
        yield _(
            "Servers that fail need a balancer that asks them how they are, which is Caddy here. "
            "Choose the balancer round_robin, random or least_connections, or simulate it."
        )
    if scenario.client.tied and not has_one_queue(scenario):
        yield _(
            "Tied requests know the servers by name, and behind a balancer they do not. Leave out "
            "tied, or ask the servers with an HttpClient, or simulate it."
        )
    if scenario.client.idempotency_keys and not has_one_queue(scenario):
        yield _(
            "Each real server remembers its own answers only. Choose one server, or leave out "
            "idempotency_keys, or simulate it."
        )


def needs_checks(scenario: Scenario) -> bool:
    """Whether servers fail behind a balancer that has to find that out; where all share a queue,
    the balancer has nothing to choose."""
    faults = scenario.faults
    is_planned = faults.outage_from_s is not None and not has_one_queue(scenario)
    return faults.time_between_failures_s is not None or is_planned


def _is_checked(scenario: Scenario) -> bool:
    return POLICIES.get(scenario.balancer, (None,))[0] is Balancer


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


def _needs_nginx(scenario: Scenario) -> bool:
    return POLICIES.get(scenario.balancer, (None,))[0] is Nginx


def _has_short_round(scenario: Scenario) -> bool:
    whole_weights = all(float(weight).is_integer() for weight in scenario.weights)
    return whole_weights and sum(scenario.weights) <= MOST_TURNS
