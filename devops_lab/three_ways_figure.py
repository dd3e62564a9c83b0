"""The figure of the three ways: latency and errors by formula, simulation and real servers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.figures import (
    COLOURS,
    LIVE,
    WAYS,
    drawing,
    milliseconds,
    percent_text,
    scale_end,
    time_text,
)
from devops_lab.latency_figures import means_by_load
from devops_lab.translation import _

Numeric = Sequence[float] | np.ndarray
MARKS = ("mean", "p50", "p95", "p99")


@dataclass(frozen=True)
class Numbers:
    """What one way says to a setting: its latencies in seconds by `MARKS`, and its error share."""

    latencies_s: Mapping[str, float]
    error_share: float


@dataclass(frozen=True)
class Answers:
    """One setting and what each of the three ways says to it.

    `formula` and `curve` are the mean latency by load: the formula's (None where there is none) and
    simulated. `theory`, `simulated` and `measured` are the setting's own numbers, None where that
    way says nothing; `replayed` is the simulation of the requests measured. `measured_means_s` are
    the runs on real servers by load. `unsettled_s` are the means between which the simulation still
    goes up and down, None where it has settled. `note` says what no number can.
    """

    setting: str
    load_per_s: float
    capacity_per_s: float
    formula: DataFrame | None
    curve: DataFrame
    theory: Numbers | None
    simulated: Numbers | None
    measured: Numbers | None = None
    replayed: Numbers | None = None
    measured_means_s: Mapping[float, float] = field(default_factory=dict)
    unsettled_s: tuple[float, float] | None = None
    note: str = ""

    @property
    def numbers(self) -> Iterator[Numbers]:
        """Of each way that says something."""
        ways = (self.theory, self.simulated, self.replayed, self.measured)
        return (numbers for numbers in ways if numbers)


def three_ways(
    now: Answers, kept: Answers | None = None, predicted_ms: float | None = None
) -> go.Figure:
    """A setting's three answers: mean latency in ms against load, percentiles, and errors in %.

    `kept`, an earlier setting, is drawn pale as A; the present one is then B. The scales grow in
    steps, so that they stand still while a slider moves.
    """
    settings = {"A": kept, "B": now} if kept else {_("now"): now}
    edge_per_s = 1.1 * max(max(a.capacity_per_s, a.load_per_s) for a in settings.values())
    sentences = [_setting_in_words(name, answers) for name, answers in reversed(settings.items())]
    traces = [trace for name, answers in settings.items() for trace in _traces(answers, name)]
    if predicted_ms is not None:
        traces.append(_trace("prediction", [0, edge_per_s], [predicted_ms, predicted_ms]))
    return drawing(
        _finding(now),
        " ".join(sentences),
        x=_("load (requests/s)"),
        y="",
        traces=_named_once(traces),
        **_panels([*settings.values()], edge_per_s, predicted_ms or 0),
    )


def _trace(way: str, x: Numeric, y: Numeric, axes: str = "") -> dict[str, Any]:
    place = {"xaxis": f"x{axes}", "yaxis": f"y{axes}"}
    return {"type": "scatter", "x": np.array(x, float), "y": np.array(y, float)} | place | WAYS[way]


def _named_once(traces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The traces, each name once in the legend."""
    named: set[str] = {""}
    for trace in traces:
        trace["showlegend"] = trace["name"] not in named
        named.add(trace["name"])
    return traces


def _panels(settings: list[Answers], edge_per_s: float, predicted_ms: float) -> dict[str, object]:
    """The layout, at once: plotly's own subplots take longer than a slider may."""
    numbers = [numbers for answers in settings for numbers in answers.numbers]
    means_ms = milliseconds(max(answers.curve["latency_mean_s"].max() for answers in settings))
    slowest_ms = milliseconds(max((max(n.latencies_s.values()) for n in numbers), default=0))
    errors = 110 * max((n.error_share for n in numbers), default=0)
    titles = {0: _("the mean latency by load (ms)")}
    if numbers:
        titles |= {0.56: _("at this load (ms)"), 0.91: _("errors (%)")}
    if not settings[-1].simulated:
        titles |= {0.56: _("at this load: no end in sight")}
    place = {"y": 1.02, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return {
        **LIVE,
        "xaxis": {"domain": [0, 0.48], "range": [0, edge_per_s]},
        "xaxis2": {
            "domain": [0.56, 0.84],
            "range": [-0.5, len(MARKS) - 0.5],
            "tickvals": [*range(len(MARKS))],
            "ticktext": MARKS,
        },
        "xaxis3": {"domain": [0.92, 1], "range": [-1, 1], "tickvals": []},
        "yaxis": {"range": [0, scale_end(max(means_ms, predicted_ms))]},
        "yaxis2": {"range": [0, scale_end(slowest_ms)], "anchor": "x2"},
        "yaxis3": {"range": [0, scale_end(errors, least=12)], "anchor": "x3"},
        "annotations": [
            {"text": text, "x": x, "showarrow": False, **place} for x, text in titles.items()
        ],
        "margin": {"t": 126},
        "legend": {"y": 1.13},
        "showlegend": True,
    }


def _traces(answers: Answers, setting: str) -> Iterator[dict[str, Any]]:
    look = {"name": _("A, kept"), "opacity": 0.35} if setting == "A" else {}
    for trace in (*_by_load(answers), *_at_this_load(answers)):
        yield trace | {"legendgroup": setting} | look


def _by_load(answers: Answers) -> Iterator[dict[str, Any]]:
    if answers.formula is not None:
        yield _trace("theory", *means_by_load(answers.formula))
    loads_per_s, means_ms = means_by_load(answers.curve)
    yield _trace("simulated", loads_per_s, means_ms)
    if measured_s := answers.measured_means_s:
        yield _trace("measured", [*measured_s], [milliseconds(s) for s in measured_s.values()])
    here = _trace("theory", [answers.load_per_s] * 2, [0, means_ms.max()])
    yield here | {"name": "", "line": {"color": COLOURS["theory"], "width": 1.5, "dash": "dash"}}


def _at_this_load(answers: Answers) -> Iterator[dict[str, Any]]:
    ways = {
        "theory_dashes": answers.theory,
        "simulated": answers.simulated,
        "replayed": answers.replayed,
        "measured": answers.measured,
    }
    for way, numbers in ways.items():
        if numbers:
            heights_ms = [milliseconds(numbers.latencies_s[mark]) for mark in MARKS]
            yield _trace(way, range(len(MARKS)), heights_ms, axes="2")
            yield _trace(way, [0], [100 * numbers.error_share], axes="3")


def _finding(answers: Answers) -> str:
    if not answers.simulated:
        text = _("{load:g} requests/s come, {capacity:.3g} can be answered: the queue has no end")
        return text.format(load=answers.load_per_s, capacity=answers.capacity_per_s)
    text = _("At {load:g} requests/s ({busy:.0f} % busy) the mean latency is {mean}")
    if answers.unsettled_s:
        text = _(
            "At {load:g} requests/s ({busy:.0f} % busy) the mean has not settled: {mean} so far"
        )
    return text.format(
        load=answers.load_per_s,
        busy=100 * answers.load_per_s / answers.capacity_per_s,
        mean=time_text(answers.simulated.latencies_s["mean"]),
    )


def _setting_in_words(name: str, answers: Answers) -> str:
    ways = {
        _("Formula"): answers.theory,
        _("Simulation"): answers.simulated,
        _("Real servers"): answers.measured,
    }
    text = _("{way}: mean {mean}, p50 {p50}, p95 {p95}, p99 {p99}, errors {errors}.")
    said = [
        text.format(
            way=way,
            errors=percent_text(numbers.error_share),
            **{mark: time_text(s) for mark, s in numbers.latencies_s.items()},
        )
        for way, numbers in ways.items()
        if numbers
    ]
    setting = _("{name}: {setting}.").format(
        name=name[:1].upper() + name[1:], setting=answers.setting
    )
    return " ".join(filter(None, [setting, *said, _chance_in_words(answers), answers.note]))


def _chance_in_words(answers: Answers) -> str:
    if answers.unsettled_s is None:
        return ""
    least_s, most_s = answers.unsettled_s
    return _(
        "The simulation has not settled: the means of its tenths go from {least} to {most}."
    ).format(least=time_text(least_s), most=time_text(most_s))
