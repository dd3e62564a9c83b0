"""Resources that stand ready against resources that are made when they are asked for.

Requests for a resource arrive at random. `prepared` of them stand ready; for each that is taken,
another one is begun at once and takes `make_s`. So the number being made is that of a queue with a
worker for everybody: a Poisson number with mean `arrival_rate_per_s` times `make_s`, whatever the
distribution of the time to make one (C. Palm, 1938). Who comes when none is ready waits for one.

>>> round(ready_share(2, arrival_rate_per_s=0.5, make_s=2.0), 3)
0.736
>>> mean_wait_s(0, arrival_rate_per_s=0.5, make_s=2.0)
2.0
"""

import contextlib
import math
import time
from typing import TYPE_CHECKING

from devops_lab import rules
from devops_lab.balancer import Balancer
from devops_lab.families import wait_until
from devops_lab.servers import Server
from devops_lab.tables import Column, Schema, table

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_PREPARED = 1_000
READINESS: Schema = {
    "way": Column("string", "", "on demand (started when asked for), or prepared (ran already)"),
    "ready_s": Column("float64", "s", "from the asking to its first answer through the balancer"),
}


def ready_share(prepared: int, arrival_rate_per_s: float, make_s: float) -> float:
    """The share (0..1) of requests that find one ready: fewer are being made than are kept.

    Assumes that requests arrive at random and independently (a Poisson process): where they come
    together, as on a feast day, fewer find one.
    """
    kept, mean = _checked(prepared, arrival_rate_per_s, make_s)
    return min(1.0, math.fsum(_poisson(made, mean) for made in range(kept)))


def mean_wait_s(prepared: int, arrival_rate_per_s: float, make_s: float) -> float:
    """Seconds that a request waits on average, those that find one ready included.

    Those who wait, on average, are as many as are being made beyond what is kept; by Little's law
    their wait is that number over the arrival rate. The assumptions are those of `ready_share`.
    """
    kept, mean = _checked(prepared, arrival_rate_per_s, make_s)
    within = math.fsum((kept - made) * _poisson(made, mean) for made in range(kept))
    return max(0.0, mean - kept + within) / arrival_rate_per_s


def mean_idle(prepared: int, arrival_rate_per_s: float, make_s: float) -> float:
    """How many stand ready and unused on average: what being prepared costs."""
    kept, mean = _checked(prepared, arrival_rate_per_s, make_s)
    return math.fsum((kept - made) * _poisson(made, mean) for made in range(kept))


def measure_readiness(rounds: int = 3) -> "DataFrame":
    """A table of `READINESS`: real servers, put behind a real balancer, in both ways in turn."""
    rows = []
    with Server(name="first") as first, Balancer([first]) as balancer:
        for _round in range(rules.whole("rounds", rounds, at_least=1, at_most=20)):
            with Server(name="spare") as spare:
                rows.append(("prepared", _seconds_until_ready(balancer, spare)))
            spare = Server(name="spare")
            began = time.perf_counter()
            with spare:
                starting_s = time.perf_counter() - began
                rows.append(("on demand", starting_s + _seconds_until_ready(balancer, spare)))
            balancer.set(servers=[first])
    ways, seconds = zip(*rows, strict=True)
    return table({"way": list(ways), "ready_s": list(seconds)}, READINESS)


def _seconds_until_ready(balancer: Balancer, server: Server) -> float:
    began = time.perf_counter()
    balancer.set(servers=[server])
    wait_until(lambda: _is_behind(balancer, server), within_s=5)
    return time.perf_counter() - began


def _is_behind(balancer: Balancer, server: Server) -> bool:
    # A balancer that has just changed may close a connection.
    with contextlib.suppress(OSError):
        return balancer.get().headers["X-Served-By"] == server.name
    return False


def _checked(prepared: int, arrival_rate_per_s: float, make_s: float) -> tuple[int, float]:
    kept = rules.whole("prepared", prepared, at_least=0, at_most=MOST_PREPARED)
    rate = rules.number("arrival_rate_per_s", arrival_rate_per_s, above=0)
    return kept, rate * rules.number("make_s", make_s, above=0)


def _poisson(count: int, mean: float) -> float:
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
