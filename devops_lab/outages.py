"""Outages: when the servers of a scenario are down, and what that makes of the whole.

>>> from devops_lab.scenario import Scenario
>>> shop = Scenario(40, 0.02, servers=2, balancer="round_robin")
>>> shop = shop.changed(time_between_failures_s=9.0, repair_time_s=1.0)
>>> intervals = outages(shop, duration_s=60.0)
>>> intervals.cause.unique().tolist()
['crash']
>>> round(expected(shop)["availability"], 4)
0.99

The draws are those of `simulate`, and real servers under `measure` are failed and repaired by them.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from devops_lab import kernels
from devops_lab.availability import from_mtbf, k_of_n, still_up
from devops_lab.rules import number, whole
from devops_lab.scenario import FAILURES, Scenario
from devops_lab.simulate import simulate
from devops_lab.tables import INTERVALS, requests, table
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_FAILURES = 100_000
RUNS = 200
WHOLE = "whole"

# A balancer that asks how they are does not notice these.
LOOKS_WELL = ("slow", "errors")


class _Times(NamedTuple):
    """Failures in the order of time: since when, until when, and the code of the failure."""

    starts_s: np.ndarray
    ends_s: np.ndarray
    failures: np.ndarray


def outages(scenario: Scenario, duration_s: float) -> "DataFrame":
    """The intervals (`tables.INTERVALS`) in which the scenario's servers are down.

    A server that fails while it is down stays down until both causes are repaired. What lies after
    `duration_s` is not known: an outage that lasts longer has no repair.
    """
    end_s = number("duration_s", duration_s, above=0)
    drawn = _failures(scenario, kernels.SHARED_CAUSE, scenario.faults.shared_share, end_s)
    shared = _Times(*map(np.concatenate, zip(drawn, _planned(scenario, end_s), strict=True)))
    alone = 1 - scenario.faults.shared_share
    rows: dict[str, list[np.ndarray]] = {name: [] for name in INTERVALS}
    for server in range(scenario.servers):
        own = _failures(scenario, server, alone, end_s)
        for name, column in _as_columns(server, own, shared, scenario).items():
            rows[name].append(column)
    columns = {name: np.concatenate(parts) for name, parts in rows.items()}
    in_order = np.argsort(columns["start_s"], kind="stable")
    columns = {name: column[in_order] for name, column in columns.items()}
    for name in ("detected_s", "repaired_s"):
        columns[name] = np.where(columns[name] <= end_s, columns[name], np.nan)
    return table(columns, INTERVALS)


def whole_outages(
    intervals: "DataFrame", servers: int, duration_s: float, needed: int = 1
) -> "DataFrame":
    """The intervals in which fewer than `needed` of so many servers were up, as one `whole`."""
    down = _count_down(intervals, duration_s)
    is_out = down.counts > servers - _needed(needed, servers)
    begins = is_out & ~np.roll(is_out, 1)
    ends = ~is_out & np.roll(is_out, 1)
    # Before the first change all are up.
    begins[:1], ends[:1] = is_out[:1], False
    starts_s, ends_s = down.times_s[begins], down.times_s[ends]
    repaired_s = np.append(ends_s, np.full(len(starts_s) - len(ends_s), np.nan))
    columns = {
        "server": np.full(len(starts_s), WHOLE),
        "cause": np.full(len(starts_s), "", object),
        "shared": np.zeros(len(starts_s), bool),
        "start_s": starts_s,
        "detected_s": np.full(len(starts_s), np.nan),
        "repaired_s": repaired_s,
    }
    return table(columns, INTERVALS)


def availability(intervals: "DataFrame", servers: int, duration_s: float, needed: int = 1) -> float:
    """The share of a run in which at least `needed` of so many servers were up."""
    down = _count_down(intervals, duration_s)
    lengths_s = np.diff(np.append(down.times_s, duration_s))
    is_out = down.counts > servers - _needed(needed, servers)
    return 1 - float(lengths_s[is_out].sum()) / duration_s


def answered(attempts: "DataFrame") -> float:
    """The share of the requests in a table of attempts that got an answer in the end."""
    return float((requests(attempts)["outcome"] == "ok").mean())


def by_server(
    intervals: "DataFrame", servers: int, duration_s: float, needed: int = 1
) -> "DataFrame":
    """One row a server, and one for the whole: its outages and what they come to.

    `mtbf_s` is its uptime divided by its failures, `mttr_s` the mean of the repairs that were seen
    to their end, `detection_s` the mean time until the balancer knew, which is how long the
    failover to the others took; missing where there was none.
    """
    from pandas import DataFrame, concat

    all_rows = concat([intervals, whole_outages(intervals, servers, duration_s, needed)])
    names = [*server_names(servers), WHOLE]
    return DataFrame(
        [_in_numbers(all_rows[all_rows["server"] == name], name, duration_s) for name in names]
    )


def expected(scenario: Scenario, needed: int = 1) -> dict[str, float]:
    """What formulas say in the long run: the `availability` of the whole, and the share of the
    requests that is `answered` when servers crash.

    A shared cause is a part in series with the servers, drawn or not. Where fewer than `needed` are
    up, nobody is served; else a request is lost if it is sent to a server that has crashed since
    the balancer looked. What a server holds when it crashes is lost on top.
    """
    needed = _needed(needed, scenario.servers)
    up, found_up = 1.0, 1.0 - scenario.faults.error_share
    for part, copies in _parts(scenario):
        up *= k_of_n(min(needed, copies), copies, from_mtbf(*part))
        found_up *= still_up(*part, after=scenario.faults.detection_s)
    return {"availability": up, "answered": up * found_up}


def spread(
    scenario: Scenario,
    duration_s: float,
    *,
    requests: int | None = None,
    needed: int = 1,
    runs: int = RUNS,
) -> "DataFrame":
    """One row a simulated run of this length, each with other draws: its `availability`, and with
    `requests` the share of so many that was `answered`.

    What chance alone does to a run: a single measured number can only be judged beside it.
    """
    from pandas import DataFrame

    rows = []
    for run in range(whole("runs", runs, at_least=1, at_most=10_000)):
        one = scenario.changed(seed=scenario.seed + 1 + run)
        up = availability(outages(one, duration_s), one.servers, duration_s, needed)
        share = math.nan if requests is None else answered(simulate(one, requests))
        rows.append({"seed": one.seed, "availability": up, "answered": share})
    return DataFrame(rows)


def server_names(servers: int) -> list[str]:
    """The names of a scenario's servers."""
    return [f"server-{number}" for number in range(1, servers + 1)]


class _Down(NamedTuple):
    """How many are down from each moment on."""

    times_s: np.ndarray
    counts: np.ndarray


def _count_down(intervals: "DataFrame", duration_s: float) -> _Down:
    number("duration_s", duration_s, above=0)
    starts_s = intervals["start_s"].to_numpy()
    ends_s = intervals["repaired_s"].dropna().to_numpy()
    times_s, steps = np.unique(np.concatenate([[0.0], starts_s, ends_s]), return_inverse=True)
    changes = np.repeat([0, 1, -1], [1, len(starts_s), len(ends_s)])
    return _Down(times_s, np.cumsum(np.bincount(steps, changes)))


def _needed(needed: int, servers: int) -> int:
    remedy = _("There are not more servers.")
    return whole("needed", needed, at_least=1, at_most=servers, remedy=remedy)


def _parts(scenario: Scenario) -> Iterator[tuple[tuple[float, float], int]]:
    """What can fail: its mean times up and down, and how many copies of it there are."""
    faults = scenario.faults
    if faults.time_between_failures_s is None:
        return
    for share, copies in ((1 - faults.shared_share, scenario.servers), (faults.shared_share, 1)):
        if share > 0:
            yield (faults.time_between_failures_s / share, faults.repair_time_s), copies


def _in_numbers(rows: "DataFrame", name: str, duration_s: float) -> dict[str, object]:
    down_s = (rows["repaired_s"].fillna(duration_s) - rows["start_s"]).sum()
    return {
        "server": name,
        "outages": len(rows),
        "availability": 1 - down_s / duration_s,
        "mtbf_s": (duration_s - down_s) / len(rows) if len(rows) else math.nan,
        "mttr_s": (rows["repaired_s"] - rows["start_s"]).mean(),
        "detection_s": (rows["detected_s"] - rows["start_s"]).mean(),
    }


def _failures(scenario: Scenario, which: int, part: float, end_s: float) -> _Times:
    """The failures of a server, or of what all share, that begin before the end."""
    faults = scenario.faults
    if faults.time_between_failures_s is None or part == 0:
        return _Times(np.empty(0), np.empty(0), np.empty(0, int))
    up_s, down_s = faults.time_between_failures_s / part, faults.repair_time_s
    count = 10 + int(1.5 * end_s / (up_s + down_s))
    remedy = _("Choose a shorter run, or a longer time between failures.")
    whole("failures", count, at_most=MOST_FAILURES, remedy=remedy)
    failure = FAILURES.index(faults.failure)
    while True:
        # Without Numba, the random numbers' arithmetic of 64 bits would warn that it wraps; what
        # hardly ever fails may run for longer than a number can say.
        with np.errstate(over="ignore"):
            ran, repaired, failures = kernels.failure_draws(scenario.seed, which, failure, count)
            ends_s = np.cumsum(ran * up_s + repaired * down_s)
        if ends_s[-1] > end_s:
            break
        count *= 2
    starts_s = ends_s - repaired * down_s
    begun = starts_s < end_s
    return _Times(starts_s[begun], ends_s[begun], failures[begun])


def _planned(scenario: Scenario, end_s: float) -> _Times:
    """The outage at a set moment, if there is one."""
    faults = scenario.faults
    from_s = math.inf if faults.outage_from_s is None else faults.outage_from_s
    if from_s >= end_s:
        return _Times(np.empty(0), np.empty(0), np.empty(0, int))
    with np.errstate(over="ignore"):
        failure = kernels.failure_kind(
            FAILURES.index(faults.failure), scenario.seed, kernels.PLANNED, 0
        )
    return _Times(np.array([from_s]), np.array([from_s + faults.outage_s]), np.array([failure]))


def _as_columns(
    server: int, own: _Times, shared: _Times, scenario: Scenario
) -> dict[str, np.ndarray]:
    """A server's outages: failures that overlap are one, with the cause of the first."""
    joined = _Times(*map(np.concatenate, zip(own, shared, strict=True)))
    is_shared = np.repeat([False, True], [len(own.starts_s), len(shared.starts_s)])
    in_order = np.argsort(joined.starts_s, kind="stable")
    starts_s, ends_s = joined.starts_s[in_order], np.maximum.accumulate(joined.ends_s[in_order])
    begins = np.append(True, starts_s[1:] > ends_s[:-1])[: len(starts_s)]
    starts_s, ends_s = starts_s[begins], ends_s[np.roll(begins, -1)]
    causes = np.array(FAILURES, object)[joined.failures[in_order][begins]]
    known_s = starts_s + scenario.faults.detection_s
    is_seen = (known_s < ends_s) & ~np.isin(causes.astype(str), LOOKS_WELL)
    return {
        "server": np.full(len(starts_s), server_names(scenario.servers)[server]),
        "cause": causes,
        "shared": is_shared[in_order][begins],
        "start_s": starts_s,
        "detected_s": np.where(is_seen, known_s, np.nan),
        "repaired_s": ends_s,
    }
