"""One situation with all its numbers: what formula, simulation and real servers are asked alike.

A `Scenario` is the queue itself; what a lesson adds has its own part: the `Load`, the `Client`, the
`Faults`. A whole experiment is one changed argument, wherever it stands:

>>> from devops_lab.scenario import Scenario
>>> quiet = Scenario(arrival_rate_per_s=80, service_time_s=0.03, servers=3)
>>> round(quiet.utilisation, 2)
0.8
>>> quiet.changed(servers=4, error_share=0.05).faults.error_share
0.05
"""

import itertools
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from devops_lab.backoff import BACKOFFS, JITTERS
from devops_lab.rules import number, one_of, share, whole
from devops_lab.tables import requests, summarise
from devops_lab.translation import _

if TYPE_CHECKING:
    import pandas as pd

BALANCERS = (
    "shared_queue",
    "round_robin",
    "random",
    "weighted",
    "least_connections",
    "power_of_two",
    "stale_shortest_queue",
)
SERVICE_DISTRIBUTIONS = ("constant", "exponential", "lognormal", "heavy_tailed", "samples")
FAILURES = ("any", "crash", "freeze", "slow", "errors", "unreachable")
LOAD_SHAPES = ("poisson", "constant", "bursty", "daily")

MOST_SERVERS = 10_000
MOST_WORKERS = 1_000_000


@dataclass(frozen=True)
class Load:
    """When requests come, round the scenario's mean rate.

    "poisson": independent users; "constant": like a clock; "bursty": quiet times and bursts
    `burst_factor` times as busy as the mean, which take a `burst_share` of the time and last
    `burst_length_s` on average; "daily": a wave of `day_s` seconds whose top is `peak_factor`
    times the mean, starting at its low.
    """

    shape: str = "poisson"
    burst_factor: float = 3.0
    burst_share: float = 0.2
    burst_length_s: float = 10.0
    peak_factor: float = 1.6
    day_s: float = 86_400.0

    def __post_init__(self) -> None:
        one_of("shape", self.shape, LOAD_SHAPES)
        number("burst_share", share("burst_share", self.burst_share), above=0, below=1)
        number(
            "burst_factor",
            self.burst_factor,
            at_least=1,
            at_most=1 / self.burst_share,
            remedy=_("More would leave less than nothing for the quiet times."),
        )
        number("burst_length_s", self.burst_length_s, above=0)
        number("peak_factor", self.peak_factor, at_least=1, at_most=2)
        number("day_s", self.day_s, above=0)


@dataclass(frozen=True)
class Client:
    """How clients behave: how long they wait for an answer, and what they do without one.

    A try that got no answer within `timeout_s`, or an error, is followed by another until there
    were `attempts`. Before the next try the client waits `backoff_s`; with the backoff
    "exponential" twice as long every time, `longest_backoff_s` at most. `jitter` makes that a
    random share of it ("full"), or half of it and a random share of the other half ("equal").

    `retry_budget_share` is how many tries beyond the first all requests together may have, for
    each request. `hedge_after_s` sends the next try while the last one is still awaited; the first
    answer counts, and the other is given up. Hedged requests that are `tied` know of each other:
    the server that begins first lets the other forget its copy.

    A breaker opens when of `breaker_requests` tries or more, in the last `breaker_window_s`, the
    share `breaker_error_share` has failed. Then requests end at once and nothing is sent, but one
    on trial every `breaker_open_s`.

    With `deadline_s` all tries of a request end in that time, and each says how long its client
    will wait: a server does not begin what nobody waits for. Without it, what a client has given
    up is still worked on. With `idempotency_keys` a server that has done a request's work before
    answers a later try of it at once.

    All requests of a scenario come through one client, such as the web server that asks an order
    service: one budget and one breaker.
    """

    timeout_s: float | None = None
    attempts: int = 1
    backoff_s: float = 0.0
    backoff: str = "exponential"
    longest_backoff_s: float | None = None
    jitter: str = "none"
    retry_budget_share: float | None = None
    hedge_after_s: float | None = None
    tied: bool = False
    breaker_error_share: float | None = None
    breaker_requests: int = 20
    breaker_window_s: float = 10.0
    breaker_open_s: float = 5.0
    deadline_s: float | None = None
    idempotency_keys: bool = False

    def __post_init__(self) -> None:
        for name in ("timeout_s", "longest_backoff_s", "hedge_after_s", "deadline_s"):
            if getattr(self, name) is not None:
                number(name, getattr(self, name), above=0)
        remedy = _("Each layer multiplies by it: more would only be more load.")
        whole("attempts", self.attempts, at_least=1, at_most=10, remedy=remedy)
        number("backoff_s", self.backoff_s, at_least=0)
        one_of("backoff", self.backoff, BACKOFFS)
        one_of("jitter", self.jitter, JITTERS)
        if self.retry_budget_share is not None:
            share("retry_budget_share", self.retry_budget_share)
        if self.tied and self.hedge_after_s is None:
            raise ValueError(_("tied belongs to hedged requests. Give hedge_after_s, or leave it."))
        self._check_breaker()

    def _check_breaker(self) -> None:
        if self.breaker_error_share is not None:
            number(
                "breaker_error_share",
                share("breaker_error_share", self.breaker_error_share),
                above=0,
            )
        whole("breaker_requests", self.breaker_requests, at_least=1)
        number("breaker_window_s", self.breaker_window_s, above=0)
        number("breaker_open_s", self.breaker_open_s, above=0)

    def numbers(self) -> dict[str, float]:
        """All of it as numbers, for `backoff`: what is not set is infinite, a choice its place."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        choices = {
            "backoff": BACKOFFS.index(self.backoff),
            "jitter": JITTERS.index(self.jitter),
        }
        return {name: math.inf if value is None else value for name, value in own.items()} | choices

    @property
    def is_patient(self) -> bool:
        """Whether it waits for the answer to its one try, however long that takes."""
        return self.timeout_s is None and self.deadline_s is None and self.hedge_after_s is None

    @property
    def minds_errors(self) -> bool:
        """Whether an error changes what it sends."""
        return self.attempts > 1 or self.breaker_error_share is not None


@dataclass(frozen=True)
class Faults:
    """What goes wrong: errors, slow servers, and servers that fail and are repaired.

    `error_share` of the answers are errors, after the usual service. The first `slow_servers` take
    `slow_factor` times as long.

    Servers run `time_between_failures_s` on average, then are down `repair_time_s` on average. Of
    the failures, `shared_share` (the beta factor) have a cause that takes all servers at once. The
    `failure` is one of:

    - "crash": what the server held is lost, and who asks it is refused at once;
    - "freeze": it keeps what it holds, and is silent until the repair;
    - "unreachable": the same from outside, since nothing comes through to it or from it;
    - "slow": it takes `slow_factor` times as long for what it begins then;
    - "errors": all its answers are errors;
    - "any": one of these each time, drawn by lot.

    With `outage_from_s` there is one more, at that moment: all servers fail for `outage_s`.

    The balancer learns of a failure or a repair that has lasted `detection_s`; until then it sends
    requests into the void. A slow server, or one that answers with errors, looks well to it.
    """

    error_share: float = 0.0
    slow_servers: int = 0
    slow_factor: float = 10.0
    time_between_failures_s: float | None = None
    repair_time_s: float = 30.0
    detection_s: float = 0.0
    failure: str = "crash"
    shared_share: float = 0.0
    outage_from_s: float | None = None
    outage_s: float = 5.0

    def __post_init__(self) -> None:
        share("error_share", self.error_share)
        whole("slow_servers", self.slow_servers, at_least=0)
        number("slow_factor", self.slow_factor, above=0)
        if self.time_between_failures_s is not None:
            remedy = _("Leave it out, or give None, for servers that never fail.")
            number("time_between_failures_s", self.time_between_failures_s, above=0, remedy=remedy)
        remedy = _("A repair takes time, and comes to an end.")
        number("repair_time_s", self.repair_time_s, above=0, remedy=remedy)
        number("detection_s", self.detection_s, at_least=0)
        one_of("failure", self.failure, FAILURES)
        if self.outage_from_s is not None:
            number("outage_from_s", self.outage_from_s, at_least=0)
        number("outage_s", self.outage_s, above=0, remedy=remedy)
        share("shared_share", self.shared_share)

    @property
    def can_fail(self) -> bool:
        """Whether a server is ever down."""
        return self.time_between_failures_s is not None or self.outage_from_s is not None


@dataclass(frozen=True)
class Scenario:
    """Requests that come at a mean rate to servers with a mean service time.

    Each of the `servers` works on up to `workers` requests at once. With the balancer
    "shared_queue" all wait in one queue; any other sends each request to one server, which has its
    own queue. `queue_limit` is how many may wait in one queue (None: any number); who finds it full
    gets an error at once.

    Service times are "constant", "exponential", "lognormal", "heavy_tailed" (Pareto) or "samples":
    measured ones, `service_samples`, drawn again and scaled to the mean `service_time_s`. For
    "lognormal" and "heavy_tailed", `service_scv` is variance / mean² (2 when not given).

    "weighted" sends by `weights`, one a server. "stale_shortest_queue" sends to the server that had
    the fewest requests when it last looked, every `information_age_s`.

    `seed` chooses the random numbers. Every purpose has its own, so that two scenarios that differ
    in one argument differ by that alone.
    """

    arrival_rate_per_s: float
    service_time_s: float
    servers: int = 1
    workers: int = 1
    balancer: str = "shared_queue"
    service_distribution: str = "exponential"
    service_scv: float | None = None
    service_samples: tuple[float, ...] = field(default=(), repr=False)
    queue_limit: int | None = None
    weights: tuple[float, ...] = ()
    information_age_s: float | None = None
    seed: int = 1
    load: Load = Load()
    client: Client = Client()
    faults: Faults = Faults()

    def __post_init__(self) -> None:
        number("arrival_rate_per_s", self.arrival_rate_per_s, above=0)
        number("service_time_s", self.service_time_s, above=0)
        whole("servers", self.servers, at_least=1, at_most=MOST_SERVERS)
        whole("workers", self.workers, at_least=1, at_most=MOST_WORKERS // self.servers)
        whole("seed", self.seed, at_least=0, at_most=2**63 - 1)
        if self.queue_limit is not None:
            whole("queue_limit", self.queue_limit, at_least=0)
        self._check_service()
        self._check_balancer()
        self._check_parts()

    def _check_service(self) -> None:
        distribution = one_of(
            "service_distribution", self.service_distribution, SERVICE_DISTRIBUTIONS
        )
        object.__setattr__(self, "service_samples", tuple(self.service_samples))
        for sample in self.service_samples:
            number("service_samples", sample, at_least=0)
        if distribution == "samples" and not sum(self.service_samples) > 0:
            raise ValueError(_("service_samples must have a service time above 0, got none."))
        if self.service_scv is not None:
            number("service_scv", self.service_scv, above=0, at_most=1_000)
        self._belongs("service_samples", self.service_samples, "samples", distribution)
        self._belongs("service_scv", self.service_scv, "lognormal heavy_tailed", distribution)

    def _check_balancer(self) -> None:
        balancer = one_of("balancer", self.balancer, BALANCERS)
        object.__setattr__(self, "weights", tuple(self.weights))
        self._belongs("weights", self.weights, "weighted", balancer)
        self._belongs("information_age_s", self.information_age_s, "stale_shortest_queue", balancer)
        if balancer == "weighted":
            if len(self.weights) != self.servers:
                raise ValueError(
                    _("weights must have one number a server, {servers}, got {count}.").format(
                        servers=self.servers, count=len(self.weights)
                    )
                )
            for weight in self.weights:
                number("weights", weight, above=0)
        if balancer == "stale_shortest_queue":
            remedy = _("Say how many seconds old the balancer's knowledge may be.")
            age_s = 0 if self.information_age_s is None else self.information_age_s
            number("information_age_s", age_s, above=0, remedy=remedy)

    def _check_parts(self) -> None:
        remedy = _("There are not more servers.")
        whole("slow_servers", self.faults.slow_servers, at_most=self.servers, remedy=remedy)
        if self.service_distribution == "constant" and not self.client.idempotency_keys:
            remedy = _("The service alone takes that long: no request would ever be answered.")
            for name in ("timeout_s", "deadline_s"):
                if getattr(self.client, name) is not None:
                    number(
                        name, getattr(self.client, name), above=self.service_time_s, remedy=remedy
                    )

    @staticmethod
    def _belongs(parameter: str, value: object, wanted: str, chosen: str) -> None:
        if value not in (None, ()) and chosen not in wanted.split():
            raise ValueError(
                _("{parameter} belongs to {wanted}, got it with {chosen}. Leave it out.").format(
                    parameter=parameter, wanted=wanted.replace(" ", ", "), chosen=chosen
                )
            )

    @property
    def utilisation(self) -> float:
        """The share of time a worker is busy if every request is worked on once and no server is
        slow; with 1 or more the queue grows for ever, unless it has a limit."""
        return self.arrival_rate_per_s * self.service_time_s / (self.servers * self.workers)

    @property
    def scv(self) -> float:
        """The variance of the service time, divided by its squared mean.

        >>> Scenario(80, 0.03, service_distribution="samples", service_samples=[1, 3]).scv
        0.25
        """
        if self.service_distribution == "samples":
            mean = sum(self.service_samples) / len(self.service_samples)
            return sum((s / mean - 1) ** 2 for s in self.service_samples) / len(
                self.service_samples
            )
        known = {"constant": 0.0, "exponential": 1.0}
        return known.get(self.service_distribution, self.service_scv or 2.0)

    def changed(self, **changes: Any) -> "Scenario":
        """The same scenario with other values; names of the load, the client and the faults too.

        >>> Scenario(80, 0.03, servers=3).changed(timeout_s=1.0).client.timeout_s
        1.0
        """
        own = {f.name for f in fields(self)}
        changed = {name: value for name, value in changes.items() if name in own}
        rest = {name: value for name, value in changes.items() if name not in own}
        for part_name in ("load", "client", "faults"):
            part = changed.get(part_name, getattr(self, part_name))
            inside = {f.name for f in fields(part)} & set(rest)
            if inside:
                changed[part_name] = replace(part, **{name: rest.pop(name) for name in inside})
        if rest:
            raise TypeError(_("A scenario has no {names}.").format(names=", ".join(sorted(rest))))
        return replace(self, **changed)


Answer = Callable[[Scenario], "Mapping[str, Any] | pd.DataFrame"]
Report = Callable[[int, int], bool | None]


def sweep(
    answer: Answer,
    scenario: Scenario,
    *,
    executor: Executor | None = None,
    report: Report | None = None,
    **settings: Sequence[Any],
) -> "pd.DataFrame":
    """One row for each combination of the settings: the settings and the numbers that come out.

    `answer` is asked for each changed scenario: `simulate`, or any function that returns a table of
    attempts or a mapping of numbers. All cores are used, or the `executor` given (Dask's
    `client.get_executor()` is one). `report` is called with the number done and the number of all
    after each, and stops the sweep by returning False: then the rows done so far are returned.
    Without it, a line on the screen counts once it takes long. An interrupt starts nothing new.

    Raises before the first run when one of the combinations is no scenario.

    >>> def busy(scenario):
    ...     return {"utilisation": scenario.utilisation}
    >>> sweep(busy, Scenario(50, 0.02), servers=[1, 2]).utilisation.tolist()
    [1.0, 0.5]
    """
    import pandas as pd

    grid = [
        dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())
    ]
    scenarios = [scenario.changed(**changes) for changes in grid]
    report = report or _counter()
    pool = executor or ThreadPoolExecutor()
    futures = [pool.submit(_numbers, answer, one) for one in scenarios]
    try:
        for count, _future in enumerate(as_completed(futures), start=1):
            if report(count, len(futures)) is False:
                break
    finally:
        for future in futures:
            future.cancel()
        if executor is None:
            pool.shutdown()
    rows = [
        changes | dict(future.result())
        for changes, future in zip(grid, futures, strict=True)
        if not future.cancelled()
    ]
    return pd.DataFrame(rows)


def _numbers(answer: Answer, scenario: Scenario) -> Mapping[str, Any]:
    given = answer(scenario)
    if isinstance(given, Mapping):
        return given
    return summarise(requests(given)).iloc[0].to_dict()


def _counter() -> Report:
    started = time.monotonic()

    def count(done: int, total: int) -> None:
        if time.monotonic() - started > 1:
            text = _("{done} of {total} settings done").format(done=done, total=total)
            print(f"\r{text}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return count
