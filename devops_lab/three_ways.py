"""The three ways dashboard: one scenario by the formula, by simulation and on real servers.

Formula and simulation follow the controls; a button sends the same requests to real servers and
lays their answers over. A setting that is kept (A) stays beside the present one (B): both have the
same draws, so they differ by the setting alone.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ipywidgets
import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.dashboards import Dashboard, menu, slider
from devops_lab.figures import time_text
from devops_lab.measure import Measurement
from devops_lab.model_and_real import ModelAndReal
from devops_lab.scenario import Faults, Scenario
from devops_lab.simulate import simulate
from devops_lab.theory import Theory, theory
from devops_lab.three_ways_figure import Answers, Numbers, three_ways
from devops_lab.translation import _

REQUESTS = 20_000
REQUESTS_OF_A_POINT = 4_000
SIMULATED_AT = (0.1, 0.3, 0.5, 0.65, 0.8, 0.9, 0.95)
FORMULA_AT = tuple(percent / 100 for percent in range(2, 97, 2))
# A run has settled when the standard error of its mean, from ten parts of it, is below this share.
SETTLED = 0.15
RUN_S = 6.0
RUSH_S = 60.0

# What is chosen in a menu, and what it is for a scenario.
VARIATIONS: dict[str, dict[str, Any]] = {
    _("none: all alike"): {"service_distribution": "constant"},
    _("little"): {"service_distribution": "lognormal", "service_scv": 0.25},
    _("usual: exponential"): {"service_distribution": "exponential"},
    _("heavy: few but very long"): {"service_distribution": "lognormal", "service_scv": 8.0},
}
USUAL = 2
POLICIES: dict[str, str] = {
    _("one queue for all"): "shared_queue",
    _("taking turns"): "round_robin",
    _("random"): "random",
    _("least connections"): "least_connections",
}


QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

# By scenario: what real servers did, and what the simulation says of the same requests.
Measured = dict[Scenario, tuple[Numbers, Numbers]]


class ThreeWays(ModelAndReal):
    """Controls of a scenario, its three answers, and a setting to compare with."""

    def __init__(self, predicted_ms: float | None = None) -> None:
        self._predicted_ms = predicted_ms
        self._kept: dict[str, Any] | None = None
        self._measured: Measured = {}
        self.keep_button = ipywidgets.Button()
        self.keep_button.on_click(lambda _button: self._keep_or_forget())
        variation = menu(_("variation of the work"), list(VARIATIONS))
        variation.index = USUAL
        super().__init__(
            {
                "rate_per_s": slider(_("load (requests/s)"), 1, 60, 16),
                "work_ms": slider(_("work on a request (ms)"), 10, 200, 50, step=5),
                "variation": variation,
                "servers": slider(_("servers"), 1, 4, 1),
                "workers": slider(_("workers of each server"), 1, 4, 1),
                "policy": menu(_("who gets the next request"), list(POLICIES)),
                "error_percent": slider(_("errors (% of the answers)"), 0, 50, 0, step=5),
            }
        )
        self.head.children = (self.run_button, self.keep_button, self.progress)

    def draw(self, **setting: Any) -> go.Figure:
        """The answers to this setting, and to the one that is kept."""
        self.keep_button.description = _("Keep as A") if self._kept is None else _("Forget A")
        kept = None if self._kept is None else _answers(self._kept, self._measured)
        return three_ways(_answers(setting, self._measured), kept, self._predicted_ms)

    def new_run(self, **setting: Any) -> Measurement:
        """The same requests to real servers."""
        return Measurement(_scenario(**setting), duration_s=RUN_S, cell=self.cell)

    def keep(self, run: Measurement) -> None:
        """Keep what was measured under its scenario, with the simulation of the same requests."""
        attempts = run.attempts()
        if len(attempts):
            same = run.planned[run.planned["request"].isin(attempts["request"])]
            self._measured[run.scenario] = _numbers(attempts), _numbers(same)

    def _keep_or_forget(self) -> None:
        self._kept = self.values if self._kept is None else None
        self.redraw()


def three_ways_dashboard(predicted_ms: float | None = None) -> Dashboard:
    """A dashboard of one scenario by formula, simulation and real servers; from lesson 04 on.

    `predicted_ms`, a mean latency that the learner predicted, is drawn as a dotted line.
    """
    return ThreeWays(predicted_ms)


def _scenario(
    *,
    rate_per_s: int,
    work_ms: int,
    variation: str,
    servers: int,
    workers: int,
    policy: str,
    error_percent: int,
) -> Scenario:
    return Scenario(
        arrival_rate_per_s=rate_per_s,
        service_time_s=work_ms / 1000,
        servers=servers,
        workers=workers,
        balancer=POLICIES[policy],
        faults=Faults(error_share=error_percent / 100),
        **VARIATIONS[variation],
    )


def _in_words(setting: Mapping[str, Any]) -> str:
    return _(
        "{rate_per_s} requests/s, {work_ms} ms of work, variation {variation}, servers {servers}, "
        "workers of each {workers}, {policy}, {error_percent} % errors"
    ).format(**setting)


def _answers(setting: Mapping[str, Any], measured: Measured) -> Answers:
    """What the formula and the simulation say, and the real servers as far as they were run."""
    scenario = _scenario(**setting)
    answer, is_stable = theory(scenario), scenario.utilisation < 1
    run = simulate(scenario, REQUESTS) if is_stable else None
    real, replayed = measured.get(scenario, (None, None))
    means_s = {
        other.arrival_rate_per_s: numbers.latencies_s["mean"]
        for other, (numbers, _same) in measured.items()
        if _at(other, scenario.arrival_rate_per_s) == scenario
    }
    return Answers(
        setting=_in_words(setting),
        load_per_s=scenario.arrival_rate_per_s,
        # Not by way of the load, or its rounding would move the scale with every move.
        capacity_per_s=scenario.servers * scenario.workers / scenario.service_time_s,
        formula=_formula(_at(scenario, 1.0)),
        curve=_curve(_at(scenario, 1.0)),
        theory=_by_formula(answer, scenario) if answer.state else None,
        simulated=None if run is None else _numbers(run),
        unsettled_s=None if run is None else _unsettled_s(run),
        measured=real,
        replayed=replayed,
        measured_means_s=means_s,
        note=_formula_in_words(answer) if is_stable else _end_of_a_rush(scenario),
    )


def _at(scenario: Scenario, rate_per_s: float) -> Scenario:
    return scenario.changed(arrival_rate_per_s=rate_per_s)


# Both follow every control but that of the load, which is the one that is moved most.
@functools.lru_cache(maxsize=64)
def _curve(scenario: Scenario) -> DataFrame:
    def mean_s(at_load: Scenario) -> float:
        return simulate(at_load, REQUESTS_OF_A_POINT)["latency_s"].mean()

    return _by_load(scenario, SIMULATED_AT, mean_s)


@functools.lru_cache(maxsize=64)
def _formula(scenario: Scenario) -> DataFrame | None:
    """The formula's line, or None where no formula is known."""
    if theory(_loaded(scenario, 0.5)).state is None:
        return None
    return _by_load(scenario, FORMULA_AT, lambda at_load: theory(at_load).state.mean_latency_s)


def _by_load(
    scenario: Scenario, busy: Iterable[float], mean_s: Callable[[Scenario], float]
) -> DataFrame:
    loaded = [_loaded(scenario, share) for share in busy]
    rows = [
        {"arrival_rate_per_s": each.arrival_rate_per_s, "latency_mean_s": mean_s(each)}
        for each in loaded
    ]
    return DataFrame(rows)


def _loaded(scenario: Scenario, utilisation: float) -> Scenario:
    """The scenario with the load that keeps its workers so busy."""
    return _at(scenario, utilisation * scenario.arrival_rate_per_s / scenario.utilisation)


def _by_formula(answer: Theory, scenario: Scenario) -> Numbers:
    quantiles_s = {mark: answer.state.latency_quantile_s(q) for mark, q in QUANTILES.items()}
    means_s = {"mean": answer.state.mean_latency_s}
    return Numbers(means_s | quantiles_s, scenario.faults.error_share)


def _numbers(attempts: DataFrame) -> Numbers:
    """The latencies of what ended well, as `tables.summarise` has them of requests with one try
    each, which these are; a table of requests would take as long as all else."""
    is_good = (attempts["outcome"] == "ok").to_numpy()
    latency_s = attempts["latency_s"].to_numpy()[is_good]
    marks_s = zip(QUANTILES, np.quantile(latency_s, [*QUANTILES.values()]), strict=True)
    return Numbers({"mean": latency_s.mean(), **dict(marks_s)}, 1 - is_good.mean())


def _unsettled_s(attempts: DataFrame) -> tuple[float, float] | None:
    """The least and the highest mean latency of a tenth of the run; None where it has settled."""
    tenths = np.array_split(attempts["latency_s"].to_numpy(), 10)
    means_s = np.array([tenth.mean() for tenth in tenths])
    standard_error_s = means_s.std(ddof=1) / math.sqrt(len(means_s))
    if standard_error_s < SETTLED * means_s.mean():
        return None
    return means_s.min(), means_s.max()


def _formula_in_words(answer: Theory) -> str:
    if answer.state is None:
        return answer.reason
    return _("The formula is {formula} ({source}).").format(
        formula=answer.formula, source=answer.source
    )


def _end_of_a_rush(scenario: Scenario) -> str:
    rush = simulate(scenario, max(1, round(RUSH_S * scenario.arrival_rate_per_s)))
    text = _(
        "It never settles: who comes after {rush} waits {wait}, after twice as long about twice."
    )
    return text.format(rush=time_text(RUSH_S), wait=time_text(rush["wait_s"].tail(20).mean()))
