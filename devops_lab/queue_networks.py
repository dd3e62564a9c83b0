"""Requests that visit several resources (a page that needs CPU, disk and a database), and users
who wait for one answer before they ask again.

Each resource is a single server with its own queue; `service_time_s` is its time for one visit and
`visits` how often one request comes by. The product of the two is the demand.

>>> from devops_lab.queue_networks import closed_network
>>> shop = closed_network(service_times_s=[0.005, 0.010], visits=[1, 1], users=20)
>>> round(shop.throughput_per_s)
100
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from devops_lab.rules import number, whole
from devops_lab.translation import _


@dataclass(frozen=True)
class NetworkState:
    """What a network of resources settles to; tuples have one entry a resource, `latencies_s` per
    visit."""

    throughput_per_s: float
    mean_latency_s: float
    utilisations: tuple[float, ...]
    throughputs_per_s: tuple[float, ...]
    latencies_s: tuple[float, ...]
    means_in_system: tuple[float, ...]


def closed_network(
    service_times_s: Sequence[float],
    visits: Sequence[float],
    users: int,
    think_time_s: float = 0.0,
) -> NetworkState:
    """What a fixed number of users gets, each of whom waits for an answer and thinks before asking
    again.

    Exact for exponential service times, or processor sharing (mean value analysis, Reiser and
    Lavenberg 1980): a request finds a resource as it would be with one user fewer.

    >>> closed_network([0.010], [1], users=1, think_time_s=0.990).throughput_per_s
    1.0
    """
    service_s, visit_counts = _resources(service_times_s, visits)
    users = whole("users", users, at_least=1, at_most=1_000_000)
    think_s = number("think_time_s", think_time_s, at_least=0)
    queue = np.zeros(len(service_s))
    for population in range(1, users + 1):
        latency_s = service_s * (1 + queue)
        throughput = population / (think_s + visit_counts @ latency_s)
        queue = throughput * visit_counts * latency_s
    return _network_state(throughput, service_s, visit_counts, latency_s)


def open_network(
    arrival_rate_per_s: float, service_times_s: Sequence[float], visits: Sequence[float]
) -> NetworkState:
    """What requests get that come whether or not earlier ones are answered.

    Each resource behaves as if it were alone (Jackson 1957): Poisson arrivals, exponential service
    times. Raises ValueError when one of them cannot keep up.

    >>> round(open_network(50, [0.010, 0.005], [1, 2]).mean_latency_s, 3)
    0.04
    """
    service_s, visit_counts = _resources(service_times_s, visits)
    busiest = float(1 / (service_s * visit_counts).max())
    rate = number(
        "arrival_rate_per_s",
        arrival_rate_per_s,
        above=0,
        below=busiest,
        remedy=_("The resource with the largest demand could not keep up."),
    )
    latency_s = service_s / (1 - rate * visit_counts * service_s)
    return _network_state(rate, service_s, visit_counts, latency_s)


def _resources(
    service_times_s: Sequence[float], visits: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    if len(service_times_s) != len(visits) or not len(visits):
        raise ValueError(
            _(
                "service_times_s and visits must have one entry a resource each, "
                "got {times} and {visits}."
            ).format(times=len(service_times_s), visits=len(visits))
        )
    times = [number("service_times_s", time_s, above=0) for time_s in service_times_s]
    counts = [number("visits", count, above=0) for count in visits]
    return np.array(times), np.array(counts)


def _network_state(
    throughput: float, service_s: np.ndarray, visits: np.ndarray, latency_s: np.ndarray
) -> NetworkState:
    flows = throughput * visits
    return NetworkState(
        throughput_per_s=float(throughput),
        mean_latency_s=float(visits @ latency_s),
        utilisations=tuple((flows * service_s).tolist()),
        throughputs_per_s=tuple(flows.tolist()),
        latencies_s=tuple(latency_s.tolist()),
        means_in_system=tuple((flows * latency_s).tolist()),
    )
