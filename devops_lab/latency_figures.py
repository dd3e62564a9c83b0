"""Figures of latency: against load, request by request, and the three ways to it side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.figures import (
    COLOURS,
    add_prediction,
    drawing,
    measured_crosses,
    milliseconds,
    simulated_points,
    theory_line,
    time_text,
)
from devops_lab.translation import _

Runs = Mapping[float, DataFrame]


def latency_against_load(
    simulated: DataFrame,
    *,
    formula: DataFrame | None = None,
    replayed: Runs | None = None,
    measured: Runs | None = None,
    predicted_ms: float | None = None,
) -> go.Figure:
    """The mean latency in ms at each load: what was simulated, and what else there is.

    `simulated` and `formula` are sweeps over `arrival_rate_per_s`. `measured` are attempts on real
    servers, by load, and `replayed` the simulation of the very same requests: rings, on which the
    crosses should lie. `predicted_ms` is the learner's own, drawn as a dotted line.
    """
    finding = _slope_in_words(simulated)
    summary = " ".join([finding + ".", *_pairs_in_words(replayed or {}, measured or {})])
    figure = drawing(finding, summary, x=_("load (requests/s)"), y=_("mean latency (ms)"))
    if formula is not None:
        figure.add_trace(theory_line(*_means(formula)))
    figure.add_trace(simulated_points(*_means(simulated)))
    if replayed:
        figure.add_trace(_rings(*_run_means(replayed)))
    if measured:
        figure.add_trace(measured_crosses(*_run_means(measured)))
    if predicted_ms is not None:
        add_prediction(figure, _("your prediction"), y=predicted_ms)
    figure.update_xaxes(rangemode="tozero")
    figure.update_layout(showlegend=True)
    return figure


def _means(by_load: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    loads, means_s = by_load["arrival_rate_per_s"], by_load["latency_mean_s"]
    return loads.to_numpy(float), milliseconds(means_s.to_numpy(float))


def _run_means(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    means_s = [attempts["latency_s"].mean() for attempts in runs.values()]
    return np.array([*runs], float), milliseconds(np.array(means_s))


def _rings(x: np.ndarray | list[str], y: np.ndarray) -> go.Scatter:
    marker = {"color": COLOURS["simulated"], "symbol": "circle-open", "size": 16, "line_width": 2}
    name = _("simulated, same requests")
    return go.Scatter(x=x, y=y, name=name, mode="markers", marker=marker)


def _slope_in_words(simulated: DataFrame) -> str:
    first, last = simulated.iloc[0], simulated.iloc[-1]
    return _("From {low:g} to {high:g} requests/s the mean goes from {least} to {most}").format(
        low=first["arrival_rate_per_s"],
        high=last["arrival_rate_per_s"],
        least=time_text(first["latency_mean_s"]),
        most=time_text(last["latency_mean_s"]),
    )


def _pairs_in_words(replayed: Runs, measured: Runs) -> list[str]:
    text = _(
        "At {load:g} requests/s real servers took {real}, the same requests simulated {model}."
    )
    return [
        text.format(
            load=load,
            real=time_text(measured[load]["latency_s"].mean()),
            model=time_text(replayed[load]["latency_s"].mean()),
        )
        for load in measured
        if load in replayed
    ]


def request_by_request(simulated: DataFrame, measured: DataFrame) -> go.Figure:
    """Each request's latency in ms at its moment, simulated and measured: the same requests.

    Takes two tables of attempts (`tables.ATTEMPTS`) in the same order.
    """
    gap_s = float((measured["latency_s"] - simulated["latency_s"]).abs().median())
    finding = _("Half of the real answers came within {gap} of the simulated ones")
    longest = _("The longest took {model} in the simulation and {real} on the real server.")
    summary = longest.format(
        model=time_text(simulated["latency_s"].max()), real=time_text(measured["latency_s"].max())
    )
    finding = finding.format(gap=time_text(gap_s))
    x, y = _("time since the run's start (s)"), _("latency (ms)")
    figure = drawing(finding, f"{finding}. {summary}", x=x, y=y)
    for trace, attempts in ((simulated_points, simulated), (measured_crosses, measured)):
        moments_s = attempts["intended_s"].to_numpy()
        figure.add_trace(trace(moments_s, milliseconds(attempts["latency_s"].to_numpy())))
    # Large enough to be seen behind the crosses that lie on them.
    return figure.update_traces(marker_size=14, selector={"name": _("simulated")})


def latencies(attempts: DataFrame) -> go.Figure:
    """How many requests took how long, in ms, with the mean and the percentiles marked."""
    latency_s = attempts["latency_s"]
    p50_s, p95_s, p99_s = latency_s.quantile([0.5, 0.95, 0.99])
    mean_s = latency_s.mean()
    quicker = (latency_s < mean_s).mean()
    finding = _("{share:.0f} % of the requests are quicker than the mean").format(
        share=100 * quicker
    )
    summary = _(
        "{finding}. Half take less than {p50}, 95 of 100 less than {p95}, 99 less than {p99}."
    )
    summary = summary.format(
        finding=finding, p50=time_text(p50_s), p95=time_text(p95_s), p99=time_text(p99_s)
    )
    figure = drawing(finding, summary, x=_("latency (ms)"), y=_("share of the requests (%)"))
    edges_s = np.linspace(0, float(latency_s.quantile(0.998)), 61)
    counts, edges_s = np.histogram(latency_s, edges_s)
    figure.add_bar(
        x=milliseconds((edges_s[1:] + edges_s[:-1]) / 2),
        y=100 * counts / len(latency_s),
        marker={"color": COLOURS["simulated"], "line_width": 0},
    )
    marks = {"p50": p50_s, _("mean"): mean_s, "p95": p95_s, "p99": p99_s}
    for height, (name, seconds) in enumerate(marks.items()):
        look = "dash" if name == _("mean") else "solid"
        figure.add_vline(
            milliseconds(seconds),
            line={"color": COLOURS["theory"], "width": 2, "dash": look},
            annotation={"text": name, "yanchor": "top", "y": 1 - 0.07 * (height % 2)},
        )
    figure.update_layout(bargap=0.05)
    return figure


Seconds = Mapping[str, float]
MARKS = ("mean", "p50", "p95", "p99")


@dataclass(frozen=True)
class Answers:
    """One setting and what each of the three ways says to it, for `three_ways`.

    `formula` and `curve` are the mean latency by load: the formula's (None where there is none) and
    simulated. `theory`, `simulated` and `measured` are the setting's own latencies by `MARKS`,
    empty where that way says nothing; `replayed` is the simulation of the requests measured.
    `measured_means_s` are the runs on real servers by load. `note` says what no number can.
    """

    setting: str
    load_per_s: float
    capacity_per_s: float
    formula: DataFrame | None
    curve: DataFrame
    theory: Seconds
    simulated: Seconds
    measured: Seconds = field(default_factory=dict)
    replayed: Seconds = field(default_factory=dict)
    measured_means_s: Mapping[float, float] = field(default_factory=dict)
    note: str = ""


def three_ways(
    now: Answers, kept: Answers | None = None, predicted_ms: float | None = None
) -> go.Figure:
    """A setting's latency in ms three ways: its mean against load, and its percentiles.

    `kept`, an earlier setting, is drawn pale as A; the present one is then B.
    """
    settings = {"B" if kept else _("now"): now} | ({"A": kept} if kept else {})
    sentences = [_setting_in_words(name, answers) for name, answers in settings.items()]
    edge_per_s = 1.1 * max(max(a.capacity_per_s, a.load_per_s) for a in settings.values())
    figure = drawing(_finding(now), " ".join(sentences), x="", y="")
    known: set[str] = set()
    for name, answers in reversed(settings.items()):
        for trace in (*_against_load(answers), *_percentiles(answers)):
            figure.add_trace(_named(trace, name, known))
    if predicted_ms is not None:
        figure.add_trace(_prediction(edge_per_s, predicted_ms))
    return figure.update_layout(_two_panels(edge_per_s, bool(now.simulated)))


def _two_panels(edge_per_s: float, is_stable: bool) -> dict[str, object]:
    """The layout of `three_ways`, at once: plotly's own subplots take longer than a slider may."""
    second = _("at this load") if is_stable else _("at this load: no end in sight")
    titles = {0.0: _("the mean, against the load"), 0.64: second}
    place = {"y": 1.02, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return {
        "xaxis": {"domain": [0, 0.54], "range": [0, edge_per_s], "title": _("load (requests/s)")},
        "xaxis2": {
            "domain": [0.64, 1],
            "categoryorder": "array",
            "categoryarray": MARKS,
            "range": [-0.5, 3.5],
        },
        "yaxis": {"title": _("latency (ms)")},
        "yaxis2": {"anchor": "x2", "rangemode": "tozero"},
        "annotations": [
            {"text": text, "x": x, "showarrow": False, **place} for x, text in titles.items()
        ],
        "margin": {"t": 126},
        "legend": {"y": 1.13},
        "showlegend": True,
    }


def _against_load(answers: Answers) -> Iterator[go.Scatter]:
    if answers.formula is not None:
        yield theory_line(*_means(answers.formula))
    yield simulated_points(*_means(answers.curve))
    if answers.measured_means_s:
        means_s = np.array([*answers.measured_means_s.values()])
        yield measured_crosses(np.array([*answers.measured_means_s], float), milliseconds(means_s))
    height_ms = float(milliseconds(answers.curve["latency_mean_s"].max()))
    yield go.Scatter(
        x=[answers.load_per_s, answers.load_per_s],
        y=[0, height_ms],
        mode="lines",
        line={"color": COLOURS["theory"], "width": 1.5, "dash": "dash"},
        showlegend=False,
    )


def _percentiles(answers: Answers) -> Iterator[go.Scatter]:
    ways = (
        (_theory_dashes, answers.theory),
        (simulated_points, answers.simulated),
        (_rings, answers.replayed),
        (measured_crosses, answers.measured),
    )
    for trace, seconds in ways:
        if seconds:
            heights_ms = milliseconds(np.array([seconds[mark] for mark in MARKS]))
            yield trace(list(MARKS), heights_ms).update(xaxis="x2", yaxis="y2")


def _theory_dashes(x: list[str], y: np.ndarray) -> go.Scatter:
    """The formula's line, in pieces."""
    line = {"color": COLOURS["theory"], "width": 3}
    marker = {"symbol": "line-ew", "size": 26, "line": line}
    return go.Scatter(x=x, y=y, name=_("theory"), mode="markers", marker=marker)


def _named(trace: go.Scatter, setting: str, known: set[str]) -> go.Scatter:
    """The trace as its setting's: pale, under one name, if that is A. A name stands once."""
    is_kept = setting == "A"
    name = _("A, kept") if is_kept else trace.name
    shown = name not in known and trace.showlegend is None
    known.add(name)
    return trace.update(
        name=name, legendgroup=name, showlegend=shown, opacity=0.35 if is_kept else 1
    )


def _prediction(edge_per_s: float, predicted_ms: float) -> go.Scatter:
    return go.Scatter(
        x=[0, edge_per_s],
        y=[predicted_ms, predicted_ms],
        name=_("your prediction"),
        mode="lines",
        line={"color": COLOURS["prediction"], "width": 3, "dash": "dot"},
    )


def _finding(answers: Answers) -> str:
    if not answers.simulated:
        text = _("{load:g} requests/s come, {capacity:.3g} can be answered: the queue has no end")
        return text.format(load=answers.load_per_s, capacity=answers.capacity_per_s)
    text = _("At {load:g} requests/s ({busy:.0f} % busy) the mean latency is {mean}")
    return text.format(
        load=answers.load_per_s,
        busy=100 * answers.load_per_s / answers.capacity_per_s,
        mean=time_text(answers.simulated["mean"]),
    )


def _setting_in_words(name: str, answers: Answers) -> str:
    ways = {
        _("formula"): answers.theory,
        _("simulation"): answers.simulated,
        _("real servers"): answers.measured,
    }
    text = _("{way}: mean {mean}, p50 {p50}, p95 {p95}, p99 {p99}.")
    said = [
        text.format(way=way, **{mark: time_text(s) for mark, s in seconds.items()})
        for way, seconds in ways.items()
        if seconds
    ]
    setting = _("{name}: {setting}.").format(
        name=name[:1].upper() + name[1:], setting=answers.setting
    )
    return " ".join([setting, *said, answers.note]).strip()
