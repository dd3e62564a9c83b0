"""A scenario answered by a formula, where there is one; otherwise why there is none.

>>> from devops_lab.scenario import Scenario
>>> from devops_lab.theory import theory
>>> answer = theory(Scenario(arrival_rate_per_s=80, service_time_s=0.03, servers=3))
>>> answer.formula, round(answer.state.mean_latency_s, 3)
('M/M/c', 0.062)
>>> print(theory(Scenario(80, 0.03, servers=3, balancer="least_connections")).reason)
No formula is known for this balancer: it looks at the queues before it sends.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor

from devops_lab.queueing import SteadyState, allen_cunneen, mg1, mmc, mmck
from devops_lab.scenario import Scenario
from devops_lab.translation import _

ERLANG = "Erlang 1917"
POLLACZEK = "Pollaczek 1930, Khinchine 1932"
LIMITED = "Kleinrock 1975, section 3.7"
ALLEN_CUNNEEN = "Allen and Cunneen 1978"


@dataclass(frozen=True)
class Theory:
    """What a formula says: the `state` of one queue, of which the scenario has `queues` alike.

    `state` is None where there is no formula, and `reason` says why. An `exact` answer holds under
    the formula's assumptions, which the scenario then meets; one that is not may be some ten per
    cent off. Percentiles of service times other than exponential ones assume a gamma distribution.
    """

    state: SteadyState | None = None
    formula: str = ""
    source: str = ""
    exact: bool = True
    queues: int = 1
    reason: str = ""


def theory(scenario: Scenario) -> Theory:
    """The formula's answer to a scenario, or why none exists."""
    reason = next(_obstacles(scenario), "")
    if reason:
        return Theory(reason=reason)
    rate, servers = scenario.arrival_rate_per_s, scenario.servers
    arrival_scv = 0.0 if scenario.load.shape == "constant" else 1.0
    if _shares_a_queue(scenario):
        return _queue(scenario, rate, servers * scenario.workers, arrival_scv)
    # One of k random turns leaves a Poisson process as it is; every k-th makes gaps more regular.
    if scenario.balancer == "random":
        arrival_scv = 1 - (1 - arrival_scv) / servers
    else:
        arrival_scv /= servers
    one = _queue(scenario, rate / servers, scenario.workers, arrival_scv)
    return replace(one, queues=servers)


def _queue(scenario: Scenario, rate_per_s: float, workers: int, arrival_scv: float) -> Theory:
    """The formula for one queue before so many workers."""
    service_s, limit = scenario.service_time_s, scenario.queue_limit
    c = "1" if workers == 1 else "c"
    if limit is not None:
        name = f"M/G/{c}/{c}" if limit == 0 else f"M/M/{c}/K"
        return Theory(mmck(rate_per_s, service_s, workers, workers + limit), name, LIMITED)
    if arrival_scv == 1 and scenario.service_distribution == "exponential":
        return Theory(mmc(rate_per_s, service_s, workers), f"M/M/{c}", ERLANG)
    if arrival_scv == 1 and workers == 1:
        return Theory(mg1(rate_per_s, service_s, scenario.scv), "M/G/1", POLLACZEK)
    state = allen_cunneen(rate_per_s, service_s, workers, scenario.scv, arrival_scv)
    return Theory(state, f"G/G/{c}, approximately", ALLEN_CUNNEEN, exact=False)


def _obstacles(scenario: Scenario) -> Iterator[str]:
    faults, client, load = scenario.faults, scenario.client, scenario.load
    if load.shape in ("bursty", "daily"):
        yield _("No formula here: the load changes with time, and formulas want a steady one.")
    if not client.is_patient or (client.minds_errors and faults.error_share > 0):
        yield _("No formula here: clients that give up or try again change the load they make.")
    if faults.can_fail:
        yield _("No formula here: servers crash, and their queues with them.")
    if faults.slow_servers:
        yield _("No formula here: the servers are not alike.")
    if not _shares_a_queue(scenario) and scenario.balancer not in ("random", "round_robin"):
        yield (
            _("No formula here: weights make the queues differ.")
            if scenario.balancer == "weighted"
            else _("No formula is known for this balancer: it looks at the queues before it sends.")
        )
    if scenario.queue_limit is not None:
        yield from _obstacles_to_a_limit(scenario)
    elif scenario.utilisation >= 1:
        needed = floor(scenario.utilisation * scenario.servers) + 1
        yield _(
            "No steady state: the queue grows for ever (utilisation would be {percent:.0f} %). "
            "With {needed} servers there would be one."
        ).format(percent=100 * scenario.utilisation, needed=needed)


def _obstacles_to_a_limit(scenario: Scenario) -> Iterator[str]:
    memoryless = scenario.service_distribution == "exponential"
    if scenario.load.shape != "poisson" or not (memoryless or scenario.queue_limit == 0):
        yield _(
            "No formula here: with a limit there is one for independent users and exponential "
            "service times only."
        )
    if not _shares_a_queue(scenario) and scenario.balancer == "round_robin":
        yield _("No formula here: taking turns makes arrivals at one server too regular.")


def _shares_a_queue(scenario: Scenario) -> bool:
    return scenario.balancer == "shared_queue" or scenario.servers == 1
