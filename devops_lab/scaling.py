"""What more or bigger machines bring: the laws of scaling, Kubernetes' autoscaler, and the price.

Where a law takes `n`, the number of processors, workers or users at once, it takes one number or an
array of them.

>>> from devops_lab.scaling import amdahl
>>> round(amdahl(n=8, parallel_share=0.5), 3)
1.778
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from devops_lab.least_squares import (
    best_coefficients,
    covariance,
    peak_interval,
    student_t_quantile,
)
from devops_lab.queueing import mmc, servers_needed
from devops_lab.rules import number, one_of, share, whole
from devops_lab.translation import _

if TYPE_CHECKING:
    import pandas as pd

Numbers = TypeVar("Numbers", float, np.ndarray)

FLEET_KINDS = ("vertical", "horizontal", "both")


def amdahl(n: Numbers, parallel_share: float) -> Numbers:
    """How many times faster the same job gets on `n` processors.

    Assumes that the rest, 1 - parallel_share, runs on one processor alone and that sharing the
    work costs nothing: 1 / (1 - p + p/n) (Amdahl 1967). With endless processors it comes to
    1 / (1 - parallel_share).

    >>> round(amdahl(n=2, parallel_share=0.3), 2)
    1.18
    """
    parallel = share("parallel_share", parallel_share)
    return 1 / (1 - parallel + parallel / _counts(n))


def amdahl_parts(shares: Sequence[float], factors: Sequence[float]) -> float:
    """How many times faster a job gets whose parts are made faster each by its own factor.

    `shares` are the parts' shares of the old time and sum to 1.

    >>> round(amdahl_parts(shares=[0.5, 0.5], factors=[1, 5]), 3)
    1.667
    """
    if len(shares) != len(factors) or not math.isclose(sum(shares), 1, rel_tol=1e-9):
        raise ValueError(
            _("shares must sum to 1 and have one factor each, got {shares} and {factors}.").format(
                shares=list(shares), factors=list(factors)
            )
        )
    times = [
        share("shares", part) / number("factors", factor, above=0)
        for part, factor in zip(shares, factors, strict=True)
    ]
    return 1 / sum(times)


def gustafson(n: Numbers, parallel_share: float) -> Numbers:
    """How many times more work is done in the same time on `n` processors, if the work grows.

    `parallel_share` is measured on the `n` processors: 1 - p + p n (Gustafson 1988). Use `amdahl`
    when the job stays as large as it is.

    >>> round(gustafson(n=64, parallel_share=0.9), 1)
    57.7
    """
    parallel = share("parallel_share", parallel_share)
    return 1 - parallel + parallel * _counts(n)


@dataclass(frozen=True)
class Usl:
    """The universal scalability law (Gunther 1993): throughput of `n` workers or users at once.

    `rate_1` is the throughput of one, `contention` the share of the work that goes one at a time,
    `coherency` what each pair costs that must agree. Without coherency it is Amdahl's law. A
    description of measurements, not a mechanism: beyond the sizes measured it is a guess.
    """

    rate_1: float
    contention: float
    coherency: float

    def __post_init__(self) -> None:
        number("rate_1", self.rate_1, above=0)
        number("contention", self.contention, at_least=0)
        number("coherency", self.coherency, at_least=0)

    def throughput(self, n: Numbers) -> Numbers:
        """The throughput of `n`: rate_1 n / (1 + contention (n-1) + coherency n (n-1))."""
        n = _counts(n)
        return self.rate_1 * n / (1 + self.contention * (n - 1) + self.coherency * n * (n - 1))

    def latency_s(self, n: Numbers) -> Numbers:
        """The mean latency in seconds with `n` users at once (Little's law), if rates are per
        second."""
        return _counts(n) / self.throughput(n)

    def n_at_latency(self, latency_s: float) -> float:
        """How many users at once bring the mean latency to this."""
        limit = number("latency_s", latency_s, at_least=1 / self.rate_1)
        # coherency n² + linear n = slack, solved in whichever form does not divide by nothing.
        linear = self.contention - self.coherency
        slack = self.rate_1 * limit - 1 + self.contention
        root = math.sqrt(linear**2 + 4 * self.coherency * slack)
        if linear < 0:
            return (root - linear) / (2 * self.coherency)
        return 2 * slack / (linear + root) if root > 0 else math.inf

    def latency_without_coherency_s(self, throughput: float) -> float:
        """The mean latency in seconds at this throughput, if nothing but contention slowed it."""
        through = number("throughput", throughput, above=0, below=self.limit)
        return (1 - self.contention) / (self.rate_1 - self.contention * through)

    @property
    def peak_n(self) -> float:
        """The `n` with the highest throughput; endless without coherency."""
        if self.coherency == 0:
            return math.inf
        return math.sqrt(max(1 - self.contention, 0) / self.coherency)

    @property
    def peak_throughput(self) -> float:
        """The highest throughput (at a whole number of users, a little less)."""
        return self.throughput(max(self.peak_n, 1.0)) if self.peak_n < math.inf else self.limit

    @property
    def limit(self) -> float:
        """What throughput would come to without coherency: rate_1 / contention."""
        return self.rate_1 / self.contention if self.contention > 0 else math.inf

    @property
    def optimal_n(self) -> float:
        """Where the straight line of the start meets the limit: 1 / contention."""
        return 1 / self.contention if self.contention > 0 else math.inf


def usl(n: Numbers, rate_1: float, contention: float, coherency: float) -> Numbers:
    """The throughput of `n` workers or users at once after the universal scalability law.

    >>> round(usl(n=10, rate_1=100, contention=0.05, coherency=0.001), 1)
    649.4
    """
    return Usl(rate_1, contention, coherency).throughput(n)


@dataclass(frozen=True)
class UslFit:
    """A law fitted to measurements, with the intervals in which its numbers lie with `confidence`.

    `residuals` are measured minus fitted. A `peak_n_interval` without an upper end says that the
    measurements do not show a peak.
    """

    law: Usl
    residuals: tuple[float, ...]
    confidence: float
    rate_1_interval: tuple[float, float]
    contention_interval: tuple[float, float]
    coherency_interval: tuple[float, float]
    peak_n_interval: tuple[float, float]


def fit_usl(n: Sequence[float], throughput: Sequence[float], confidence: float = 0.95) -> UslFit:
    """The universal scalability law that misses measured throughputs by least squares.

    Contention and coherency stay at 0 or above. The intervals take the misses as independent and
    equally large on average; they use Student's t, as few measurements say little about their own
    spread. At least 4 measurements at 3 sizes, one beyond the bend of the curve, or the intervals
    are wide.

    >>> fit = fit_usl([1, 2, 4, 8, 16], [100, 190, 340, 540, 680])
    >>> round(fit.law.contention, 2)
    0.05
    """
    sizes, measured = _measurements(n, throughput)
    level = number("confidence", confidence, above=0, below=1)
    coefficients = best_coefficients(sizes, measured)
    law = Usl(*coefficients.tolist())
    spread = covariance(sizes, measured, coefficients)
    freedom = len(sizes) - len(coefficients)
    reach = student_t_quantile((1 + level) / 2, freedom) * np.sqrt(np.diag(spread))
    lows = np.maximum(coefficients - reach, 0.0).tolist()
    highs = (coefficients + reach).tolist()
    rate_1, contention, coherency = zip(lows, highs, strict=True)
    return UslFit(
        law=law,
        residuals=tuple((measured - law.throughput(sizes)).tolist()),
        confidence=level,
        rate_1_interval=rate_1,
        contention_interval=contention,
        coherency_interval=coherency,
        peak_n_interval=peak_interval(coefficients, spread, freedom, level),
    )


def hpa_desired_replicas(
    current_replicas: int,
    current_metric: float | Sequence[float | None],
    target_metric: float,
    tolerance: float = 0.1,
    *,
    ready_replicas: int | None = None,
    unready: Collection[int] = (),
    missing_counts_as: float | None = None,
    min_replicas: int = 1,
    max_replicas: int | None = None,
) -> int:
    """How many replicas Kubernetes' horizontal pod autoscaler wants.

    ceil(replicas x metric / target); no change while metric / target is within `tolerance` of 1.

    `current_metric` is the mean over the `ready_replicas` (all, when not given), or the values pod
    by pod: None where one is missing, the positions of pods not ready yet in `unready`. Missing
    values count as 0 when it would grow and as `missing_counts_as` when it would shrink (the
    target; for CPU utilisation write 100, or the target if that is higher); unready pods count as
    0 when it would grow and not at all otherwise. If that turns the direction round, nothing
    changes. Leave failed pods and those being deleted out. A utilisation is cut to whole per cent
    by Kubernetes before it is compared. Limits of speed are in `hpa_step`, the memory in
    `hpa_stabilised`.

    Source: Kubernetes, pkg/controller/podautoscaler/replica_calculator.go.

    >>> hpa_desired_replicas(current_replicas=3, current_metric=90, target_metric=60)
    5
    >>> hpa_desired_replicas(3, 65, 60)
    3
    """
    current = whole("current_replicas", current_replicas, at_least=0)
    target = number("target_metric", target_metric, above=0)
    lowest = whole("min_replicas", min_replicas, at_least=0)
    highest = math.inf
    if max_replicas is not None:
        highest = whole("max_replicas", max_replicas, at_least=max(lowest, 1))
    slack = number("tolerance", tolerance, at_least=0, below=1)
    if current == 0:
        return 0
    if isinstance(current_metric, Sequence):
        fallback = target if missing_counts_as is None else missing_counts_as
        desired = _wanted_by_pods(current, current_metric, target, slack, set(unready), fallback)
    else:
        ratio = number("current_metric", current_metric, at_least=0) / target
        ready = whole(
            "ready_replicas", current if ready_replicas is None else ready_replicas, at_least=0
        )
        desired = current if _within(ratio, slack) else _ceil(ratio * ready)
    return int(min(max(desired, lowest), highest))


def hpa_step(
    current_replicas: int,
    desired_replicas: int,
    *,
    percent: float | None = 100,
    pods: int | None = 4,
    select: str = "max",
) -> int:
    """How many replicas there may be one period later (15 s by default), on the way to the desired.

    At most `percent` of the replicas or `pods` are added or removed in a period, whichever is more
    (`select="max"`), or less ("min"); "disabled" changes nothing. The defaults are Kubernetes' own
    for growing; shrinking it allows everything at once, which 100 % is.

    >>> hpa_step(current_replicas=1, desired_replicas=100)
    5
    >>> hpa_step(100, 10, percent=10, pods=5, select="min")
    95
    """
    current = whole("current_replicas", current_replicas, at_least=0)
    desired = whole("desired_replicas", desired_replicas, at_least=0)
    one_of("select", select, ["max", "min", "disabled"])
    if select == "disabled" or desired == current:
        return current
    grows = desired > current
    steps = []
    if percent is not None:
        change = current * number("percent", percent, at_least=0) / 100
        steps.append(_ceil(current + change) - current if grows else _ceil(change))
    if pods is not None:
        steps.append(whole("pods", pods, at_least=0))
    step = {"max": max, "min": min}[select](steps, default=abs(desired - current))
    return min(desired, current + step) if grows else max(desired, current - step, 0)


def hpa_stabilised(
    current_replicas: int,
    desired_replicas: int,
    *,
    recent_for_shrinking: Iterable[int] = (),
    recent_for_growing: Iterable[int] = (),
) -> int:
    """How many replicas are wanted when earlier wishes within the stabilisation windows count too.

    It shrinks only to the highest wish of the last 300 s (`recent_for_shrinking`) and grows only
    to the lowest of the growing window (0 s by default, so nothing to give).

    >>> hpa_stabilised(current_replicas=10, desired_replicas=4, recent_for_shrinking=[8, 6])
    8
    """
    floor = min([desired_replicas, *recent_for_growing])
    ceiling = max([desired_replicas, *recent_for_shrinking])
    return min(max(current_replicas, floor), ceiling)


@dataclass(frozen=True)
class MachineSize:
    """A machine one can rent: `workers` requests at once, each `speed` times as fast as planned."""

    name: str
    workers: int
    price_per_hour: float
    speed: float = 1.0

    def __post_init__(self) -> None:
        whole("workers", self.workers, at_least=1)
        number("price_per_hour", self.price_per_hour, at_least=0)
        number("speed", self.speed, above=0)


@dataclass(frozen=True)
class Fleet:
    """Machines of one size that meet a latency target, and what they cost and reach."""

    size: MachineSize
    machines: int
    price_per_hour: float
    utilisation: float
    latency_s: float


def cheapest_fleet(
    arrival_rate_per_s: float,
    service_time_s: float,
    latency_s: float,
    catalogue: Sequence[MachineSize],
    *,
    quantile: float = 0.95,
    kind: str = "both",
) -> Fleet:
    """The cheapest machines that answer a share `quantile` of the requests within `latency_s`.

    `kind` is "vertical" (one machine, as big as needed), "horizontal" (more of the smallest) or
    "both" (any number of any one size). All workers of all machines share one queue (M/M/c), the
    best any balancer could do; `service_time_s` is that of a machine with speed 1.

    Raises ValueError when no fleet of this kind meets the target.

    >>> sizes = [MachineSize("small", 2, 0.10), MachineSize("large", 8, 0.44)]
    >>> fleet = cheapest_fleet(80, 0.030, latency_s=0.120, catalogue=sizes)
    >>> fleet.size.name, fleet.machines, round(fleet.price_per_hour, 2)
    ('small', 2, 0.2)
    """
    one_of("kind", kind, FLEET_KINDS)
    if not catalogue:
        raise ValueError(_("catalogue must have at least one machine size, got none."))
    smallest = min(catalogue, key=lambda size: (size.workers * size.speed, size.price_per_hour))
    sizes = [smallest] if kind == "horizontal" else catalogue
    fleets = [
        fleet
        for size in sizes
        if (fleet := _fleet(arrival_rate_per_s, service_time_s, latency_s, quantile, size))
        and (kind != "vertical" or fleet.machines == 1)
    ]
    if not fleets:
        raise ValueError(
            _(
                "latency_s must be longer for this catalogue, got {latency_s:g}: no {kind} fleet "
                "serves {rate:g} requests/s that fast. Allow more, or add a bigger or faster size."
            ).format(latency_s=latency_s, kind=kind, rate=arrival_rate_per_s)
        )
    return min(fleets, key=lambda fleet: fleet.price_per_hour)


def fleets(
    arrival_rate_per_s: float,
    service_time_s: float,
    catalogue: Sequence[MachineSize],
    *,
    quantile: float = 0.95,
    most_machines: int = 10,
) -> "pd.DataFrame":
    """Every fleet of up to `most_machines` of one size that keeps up, one row each, in the order of
    the catalogue: what it costs an hour, and within how many seconds it answers a share `quantile`.

    Assumes what `cheapest_fleet` does.

    >>> sizes = [MachineSize("small", 2, 0.10), MachineSize("large", 8, 0.44)]
    >>> table = fleets(80, 0.030, sizes, most_machines=2)
    >>> table[["size", "machines", "price_per_hour"]].values.tolist()
    [['small', 2, 0.2], ['large', 1, 0.44], ['large', 2, 0.88]]
    """
    import pandas as pd

    share("quantile", quantile)
    whole("most_machines", most_machines, at_least=1, at_most=1_000)
    rows = [
        {"size": size.name, "machines": machines, "price_per_hour": machines * size.price_per_hour}
        | {"utilisation": queue.utilisation, "latency_s": queue.latency_quantile_s(quantile)}
        for size in catalogue
        for machines in range(1, most_machines + 1)
        if arrival_rate_per_s * service_time_s / size.speed < machines * size.workers
        for queue in [mmc(arrival_rate_per_s, service_time_s / size.speed, machines * size.workers)]
    ]
    columns = ["size", "machines", "price_per_hour", "utilisation", "latency_s"]
    return pd.DataFrame(rows, columns=columns)


def cost_curves(
    arrival_rates_per_s: Sequence[float],
    service_time_s: float,
    latency_s: float,
    catalogue: Sequence[MachineSize],
    *,
    quantile: float = 0.95,
) -> "pd.DataFrame":
    """The cheapest fleet of each kind for each load: one row each, missing where there is none.

    >>> sizes = [MachineSize("small", 2, 0.10), MachineSize("large", 8, 0.44)]
    >>> costs = cost_curves([50, 500], 0.030, latency_s=0.120, catalogue=sizes)
    >>> costs.query("kind == 'vertical'").price_per_hour.tolist()
    [0.44, nan]
    """
    import pandas as pd

    rows = []
    for rate in arrival_rates_per_s:
        for kind in FLEET_KINDS:
            row = {"arrival_rate_per_s": rate, "kind": kind}
            try:
                fleet = cheapest_fleet(
                    rate, service_time_s, latency_s, catalogue, quantile=quantile, kind=kind
                )
            except ValueError:
                rows.append(row)
                continue
            rows.append(
                row
                | {
                    "size": fleet.size.name,
                    "machines": fleet.machines,
                    "price_per_hour": fleet.price_per_hour,
                }
            )
    columns = ["arrival_rate_per_s", "kind", "size", "machines", "price_per_hour"]
    return pd.DataFrame(rows, columns=columns)


def _counts(n: Numbers) -> Numbers:
    if isinstance(n, np.ndarray):
        for extreme in (n.min(initial=1), n.max(initial=1)):
            number("n", extreme, above=0)
        return n
    return number("n", n, above=0)


def _measurements(n: Sequence[float], throughput: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    sizes, measured = np.asarray(n, dtype=float), np.asarray(throughput, dtype=float)
    if len(sizes) != len(measured) or len(sizes) < 4 or len(np.unique(sizes)) < 3:
        raise ValueError(
            _(
                "n and throughput must have one entry a measurement, at least 4 of them at 3 "
                "different sizes, got {sizes} and {measured}. Measure more sizes."
            ).format(sizes=len(sizes), measured=len(measured))
        )
    number("throughput", measured.min(), above=0)
    return _counts(sizes), measured


def _within(ratio: float, tolerance: float) -> bool:
    return 1 - tolerance <= ratio <= 1 + tolerance


def _ceil(replicas: float) -> int:
    # 0.7 / 0.1 replicas are 7: what is more than a whole number by rounding alone is none.
    return math.ceil(round(replicas, 9))


def _wanted_by_pods(
    current: int,
    values: Sequence[float | None],
    target: float,
    tolerance: float,
    unready: set[int],
    missing_counts_as: float,
) -> int:
    ready = [v for pod, v in enumerate(values) if v is not None and pod not in unready]
    missing = sum(v is None for pod, v in enumerate(values) if pod not in unready)
    if not ready:
        raise ValueError(
            _("current_metric must have the value of at least one ready pod, got {values}.").format(
                values=list(values)
            )
        )
    ratio = sum(number("current_metric", v, at_least=0) for v in ready) / len(ready) / target
    grows = ratio > 1
    if ratio == 1 or (missing == 0 and not (unready and grows)):
        return current if _within(ratio, tolerance) else _ceil(ratio * len(ready))
    counted = len(ready) + missing + (len(unready) if grows else 0)
    assumed = missing_counts_as * missing if ratio < 1 else 0.0
    careful = (ratio * target * len(ready) + assumed) / counted / target
    wanted = _ceil(careful * counted)
    turned = (ratio < 1 < careful) or (careful < 1 < ratio)
    wrong_way = (careful < 1 and wanted > current) or (careful > 1 and wanted < current)
    return current if _within(careful, tolerance) or turned or wrong_way else wanted


def _fleet(
    arrival_rate_per_s: float,
    service_time_s: float,
    latency_s: float,
    quantile: float,
    size: MachineSize,
) -> Fleet | None:
    own_service_s = number("service_time_s", service_time_s, above=0) / size.speed
    if latency_s <= -own_service_s * math.log(1 - quantile):
        return None
    workers = servers_needed(
        arrival_rate_per_s, own_service_s, latency_s=latency_s, quantile=quantile
    )
    machines = -(-workers // size.workers)
    queue = mmc(arrival_rate_per_s, own_service_s, machines * size.workers)
    return Fleet(
        size=size,
        machines=machines,
        price_per_hour=machines * size.price_per_hour,
        utilisation=queue.utilisation,
        latency_s=queue.latency_quantile_s(quantile),
    )
