"""How evenly balancers share, by formula or by table: numbers in, numbers out.

>>> from devops_lab.load_balancing import supermarket_latency_s
>>> round(supermarket_latency_s(choices=2, utilisation=0.9, service_time_s=1.0), 2)
2.61
"""

import hashlib
import random
from collections.abc import Sequence

import numpy as np

from devops_lab.rules import number, whole
from devops_lab.translation import _

# Two queues of which the shorter is always chosen never come further apart than this, but for a
# chance too small to be seen in the mean.
WIDEST_GAP = 60


def supermarket_latency_s(choices: int, utilisation: float, service_time_s: float) -> float:
    """The mean latency in seconds where each request draws so many servers and takes the one with
    the fewest requests.

    Assumes very many servers with one worker each, Poisson arrivals and exponential service times:
    service time x sum over i of u^((d^i - d) / (d - 1)) (Mitzenmacher 2001). One choice is random
    balancing, M/M/1. Few servers are quicker with 2 choices, and random draws of the same server
    twice are not excluded. Do not use it for servers of which one is slow: simulate that.

    >>> supermarket_latency_s(choices=1, utilisation=0.75, service_time_s=0.1)
    0.4
    """
    drawn = whole("choices", choices, at_least=1)
    busy = number("utilisation", utilisation, at_least=0, below=1)
    service_s = number("service_time_s", service_time_s, above=0)
    if drawn == 1:
        return service_s / (1 - busy)
    # u^(0 + 1 + d + d^2 + ...): what is left of each term is the one before, to the power of d.
    total, term = 0.0, 1.0
    while term > 1e-18:
        total += term
        term = term**drawn * busy**drawn
    return service_s * total


def shorter_of_two_latency_s(utilisation: float, service_time_s: float) -> float:
    """The mean latency in seconds of two servers where each request goes to the one with fewer.

    Assumes one worker each, Poisson arrivals and exponential service times. Solves the Markov chain
    of the two queues by the matrix-geometric method (Neuts 1981), their difference cut off at 60.

    >>> round(shorter_of_two_latency_s(utilisation=0.5, service_time_s=1.0), 5)
    1.42632
    """
    service_s = number("service_time_s", service_time_s, above=0)
    remedy = _("Closer to 1 the chain takes too long to solve: simulate it.")
    load = 2 * number("utilisation", utilisation, above=0, at_most=0.99, remedy=remedy)
    up, same, down = _moves_of_two_queues(load)
    ratio, step = np.zeros_like(up), np.ones_like(up)
    while np.abs(step).max() > 1e-13:
        step = -up @ np.linalg.inv(same + ratio @ down) - ratio
        ratio += step
    # Nobody leaves an empty queue.
    empty = same + np.diag([2.0] + [1.0] * (WIDEST_GAP - 1) + [0.0])
    beyond = np.linalg.inv(np.eye(len(up)) - ratio)
    balance = empty + ratio @ down
    balance[:, -1] = beyond.sum(axis=1)
    none = np.linalg.solve(balance.T, np.eye(len(up))[-1])
    gaps = np.arange(WIDEST_GAP + 1)
    requests = 2 * (none @ ratio @ beyond @ beyond).sum() + none @ beyond @ gaps
    return float(requests / load * service_s)


def _moves_of_two_queues(load: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rates from gap to gap between the queues, in units of a service, where the shorter one gets
    longer, stays as it is, or gets shorter."""
    up, same, down = (np.zeros((WIDEST_GAP + 1, WIDEST_GAP + 1)) for _matrix in range(3))
    for gap in range(1, WIDEST_GAP + 1):
        up[gap, gap - 1] = load
        same[gap, gap - 1] = 1
        down[gap, min(gap + 1, WIDEST_GAP)] = gap < WIDEST_GAP
    same[0, 1], down[0, 1] = load, 2
    same -= np.diag((up + same + down).sum(axis=1))
    return up, same, down


def backend_subset(client: int, backends: int, size: int) -> list[int]:
    """The numbers of the backends that a client keeps connections to, `size` of all.

    Clients with neighbouring numbers share the backends out evenly among themselves: each round of
    clients takes every backend once (deterministic subsetting, Google SRE book, chapter 20).

    >>> sorted(backend_subset(0, 6, 3) + backend_subset(1, 6, 3))
    [0, 1, 2, 3, 4, 5]
    """
    remedy = _("A subset cannot be larger than the whole.")
    size = whole("size", size, at_least=1, at_most=backends, remedy=remedy)
    turn, place = divmod(whole("client", client, at_least=0), backends // size)
    shuffled = list(range(backends))
    random.Random(turn).shuffle(shuffled)
    return shuffled[place * size : (place + 1) * size]


def maglev_table(backends: Sequence[str], size: int = 65_537) -> list[int]:
    """For each of `size` slots (a prime number) the number of its backend.

    A request's key is hashed to a slot. Each backend has a permutation of the slots of its own; in
    turn, each takes the first slot of it that is free (Maglev, Eisenbud et al. 2016, section 3.4).
    When one backend goes, most keys stay where they were, as with a ring, but the shares are even.

    >>> table = maglev_table(["a", "b", "c"], size=7)
    >>> sorted(table.count(backend) for backend in range(3))
    [2, 2, 3]
    """
    whole("size", size, at_least=len(backends), remedy=_("Each backend needs a slot."))
    offsets = [_hashed("offset", name) % size for name in backends]
    skips = [_hashed("skip", name) % (size - 1) + 1 for name in backends]
    table, free = [-1] * size, size
    while free:
        for backend in range(len(backends)):
            while table[offsets[backend]] >= 0:
                offsets[backend] = (offsets[backend] + skips[backend]) % size
            table[offsets[backend]] = backend
            free -= 1
            if not free:
                break
    return table


def _hashed(purpose: str, name: str) -> int:
    digest = hashlib.blake2b(f"{purpose} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest)


def multi_probe_peak(probes: int) -> float:
    """The busiest server's share, as a multiple of the mean, with so many probes of a hash ring.

    Assumes very many servers at one point of the ring each: 1 + 1 / (probes - 1) (Appleton and
    O'Reilly 2015).

    >>> multi_probe_peak(21)
    1.05
    """
    return 1 + 1 / (whole("probes", probes, at_least=2) - 1)
