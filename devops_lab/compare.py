"""One scenario, three ways to the same numbers: theory, simulation and measurement side by side.

compare(Scenario(arrival_rate_per_s=40, service_time_s=0.06, servers=3))
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from devops_lab.measurable import is_replayed_exactly, obstacle
from devops_lab.measure import measure
from devops_lab.queueing import GeneralService
from devops_lab.scenario import Scenario
from devops_lab.simulate import service_times, simulate
from devops_lab.tables import requests as by_request
from devops_lab.tables import summarise
from devops_lab.theory import theory
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame, Series

QUANTITIES = (
    "throughput_per_s",
    "error_share",
    "wait_mean_s",
    "service_mean_s",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p95_s",
    "latency_p99_s",
)
SIMULATED_REQUESTS = 10_000
OTHER_RUNS = 19


class Agreement(NamedTuple):
    """How well real servers did what the simulation said of the same requests.

    `overhead_s` is what the machine adds to a request (the median): the way there and back, and
    timers that ring late. The rest is about latencies without it: their correlation request by
    request, and by what share the measured percentiles are above the simulated ones.
    """

    overhead_s: float
    correlation: float
    p50_difference: float
    p99_difference: float


def compare(
    scenario: Scenario,
    requests: int | None = None,
    *,
    duration_s: float | None = None,
    measured: "DataFrame | None" = None,
) -> "DataFrame":
    """One row a quantity (in seconds, requests a second or shares), one column a way to it.

    `theory` is the formula's answer, for a run without end. `simulated` and `measured` had the very
    same requests; `difference` is the share by which the second is above the first. `low` and
    `high` are the least and the most of 19 more simulations, as long but with other requests: what
    chance alone does. `overhead_s` is what the machine added to a request.

    Real servers run as `measure` has them, unless its table is given as `measured`. Where there is
    no formula or no measurement its column is empty. The notes that are printed say why, and what
    to beware of; they are kept in `attrs["notes"]`.
    """
    if measured is None and not obstacle(scenario):
        measured = measure(scenario, requests, duration_s=duration_s)
    # Interrupted at once, a run has measured nothing.
    if measured is None or measured.empty:
        measured, simulated = None, simulate(scenario, requests or SIMULATED_REQUESTS)
    else:
        simulated = same_requests(scenario, measured)
    compared = _side_by_side(scenario, simulated, measured)
    notes = [*_on_theory(scenario), *_on_measurement(scenario, simulated, measured)]
    for note in notes:
        print(note)
    # Those of a measurement have been printed by it.
    compared.attrs["notes"] = notes if measured is None else measured.attrs["notes"] + notes
    return compared


def in_theory(scenario: Scenario) -> dict[str, float]:
    """The formula's numbers under the names of `tables.summarise`; all missing where there is none.

    >>> round(in_theory(Scenario(arrival_rate_per_s=80, service_time_s=0.01))["latency_mean_s"], 6)
    0.05
    """
    state = theory(scenario).state
    if state is None:
        return dict.fromkeys(QUANTITIES, float("nan"))
    answered = (1 - scenario.faults.error_share) * (1 - getattr(state, "blocking", 0.0))
    return {
        # Who is turned away has an answer, too.
        "throughput_per_s": scenario.arrival_rate_per_s,
        "error_share": 1 - answered,
        "wait_mean_s": state.mean_wait_s,
        "service_mean_s": scenario.service_time_s,
        "latency_mean_s": state.mean_latency_s,
        **{f"latency_p{p}_s": state.latency_quantile_s(p / 100) for p in (50, 95, 99)},
    }


def same_requests(scenario: Scenario, measured: "DataFrame") -> "DataFrame":
    """The simulation's attempts for the very requests of a measurement."""
    simulated = simulate(scenario, int(measured["request"].max()) + 1)
    return simulated[simulated["request"].isin(measured["request"])]


def agreement(scenario: Scenario, measured: "DataFrame") -> Agreement:
    """How well a measurement agrees with the simulation of the same requests."""
    simulated = by_request(same_requests(scenario, measured))
    overhead_s = _overhead_s(scenario, measured)
    ours = simulated["latency_s"].to_numpy()
    theirs = by_request(measured)["latency_s"].to_numpy() - overhead_s
    above = np.quantile(theirs, [0.5, 0.99]) / np.quantile(ours, [0.5, 0.99]) - 1
    return Agreement(overhead_s, float(np.corrcoef(ours, theirs)[0, 1]), *map(float, above))


def _overhead_s(scenario: Scenario, measured: "DataFrame") -> float:
    measured = measured[measured["attempt"] == 1]
    planned_s = service_times(scenario, int(measured["request"].max()) + 1)[measured["request"]]
    slow = [f"server-{number + 1}" for number in range(scenario.faults.slow_servers)]
    planned_s[measured["server"].isin(slow)] *= scenario.faults.slow_factor
    return float((measured["latency_s"] - measured["wait_s"] - planned_s).median())


def _side_by_side(
    scenario: Scenario, simulated: "DataFrame", measured: "DataFrame | None"
) -> "DataFrame":
    import pandas as pd

    others = [
        _numbers(simulate(scenario.changed(seed=scenario.seed + number), len(simulated)))
        for number in range(1, OTHER_RUNS + 1)
    ]
    columns = {
        "theory": pd.Series(in_theory(scenario)),
        "simulated": _numbers(simulated),
        "low": pd.concat(others, axis=1).min(axis=1),
        "high": pd.concat(others, axis=1).max(axis=1),
        "measured": pd.Series(dtype=float),
    }
    if measured is not None:
        columns["measured"] = _numbers(measured)
        columns["measured"]["overhead_s"] = _overhead_s(scenario, measured)
    compared = pd.DataFrame(columns, index=[*QUANTITIES, "overhead_s"], dtype=float)
    compared["difference"] = compared["measured"] / compared["simulated"] - 1
    return compared.rename_axis("quantity")


def _numbers(attempts: "DataFrame") -> "Series":
    return summarise(by_request(attempts)).iloc[0][[*QUANTITIES]].astype(float)


def _on_theory(scenario: Scenario) -> Iterator[str]:
    answer = theory(scenario)
    if answer.state is None:
        yield answer.reason
        return
    yield _("Theory: {formula} ({source}).").format(formula=answer.formula, source=answer.source)
    if not answer.exact:
        yield _("This formula is an approximation: simulate where some ten per cent matter.")
    elif isinstance(answer.state, GeneralService) and scenario.scv > 0:
        yield _("Its means are exact; its percentiles take service times as gamma distributed.")


def _on_measurement(
    scenario: Scenario, simulated: "DataFrame", measured: "DataFrame | None"
) -> Iterator[str]:
    if measured is None:
        yield from simulated.attrs["notes"]
        yield from filter(None, [obstacle(scenario)])
        return
    found = agreement(scenario, measured)
    yield _("The machine adds {added} ms to a request.").format(
        added=f"{found.overhead_s * 1e3:.1f}"
    )
    if is_replayed_exactly(scenario):
        text = _("Request by request, measured and simulated latency have a correlation of {r}.")
        yield text.format(r=f"{found.correlation:.3f}")
