"""Figures of latency: against load, request by request, and the three ways to it side by side."""

from collections.abc import Iterator, Mapping

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame, Series

from devops_lab.figures import (
    COLOURS,
    add_prediction,
    drawing,
    measured_crosses,
    milliseconds,
    simulated_points,
    simulated_rings,
    theory_line,
    time_text,
)
from devops_lab.queueing import SteadyState
from devops_lab.translation import _

BARS = 60
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
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
        figure.add_trace(theory_line(*means_by_load(formula)))
    figure.add_trace(simulated_points(*means_by_load(simulated)))
    if replayed:
        figure.add_trace(simulated_rings(*_run_means(replayed)))
    if measured:
        figure.add_trace(measured_crosses(*_run_means(measured)))
    if predicted_ms is not None:
        add_prediction(figure, _("your prediction"), y=predicted_ms)
    figure.update_xaxes(rangemode="tozero")
    figure.update_layout(showlegend=True)
    return figure


def means_by_load(swept: DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The loads of a sweep in requests/s, and the mean latency in ms at each."""
    loads, means_s = swept["arrival_rate_per_s"], swept["latency_mean_s"]
    return loads.to_numpy(float), milliseconds(means_s.to_numpy(float))


def _run_means(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    means_s = [attempts["latency_s"].mean() for attempts in runs.values()]
    return np.array([*runs], float), milliseconds(np.array(means_s))


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
        points = trace(moments_s, milliseconds(attempts["latency_s"].to_numpy()))
        # Hardly any time at all would stand half below the axis.
        figure.add_trace(points.update(cliponaxis=False))
    # Large enough to be seen behind the crosses that lie on them.
    return figure.update_traces(marker_size=14, selector={"name": _("simulated")})


def latencies(
    attempts: DataFrame,
    *,
    formula: SteadyState | None = None,
    measured: DataFrame | None = None,
    predicted_ms: float | None = None,
) -> go.Figure:
    """How many requests took how long, in ms, with the mean and the percentiles marked.

    Takes simulated attempts and, for comparison, the state that a formula gives (a line) and
    attempts on real servers (crosses). Those that ended well count: a quick error would make a
    broken server look fast. Raises ValueError where there is none.
    """
    ways = {"simulated": _answered_s(attempts)}
    if measured is not None:
        ways["measured"] = _answered_s(measured)
    edges_s = np.linspace(0, float(ways["simulated"].quantile(0.998)), BARS + 1)
    finding = _("{share:.0f} % of the requests are quicker than the mean").format(
        share=100 * (ways["simulated"] < ways["simulated"].mean()).mean()
    )
    figure = drawing(
        finding,
        " ".join([f"{finding}.", *_percentiles_in_words(ways, formula)]),
        x=_("latency (ms)"),
        y=_("share of the requests (%)"),
        traces=[*_shares(ways, formula, edges_s)],
        bargap=0.05,
        showlegend=len(ways) > 1 or formula is not None,
    )
    _mark_percentiles(figure, ways["simulated"])
    if predicted_ms is not None:
        add_prediction(figure, _("your prediction"), x=predicted_ms)
    return figure


def _answered_s(attempts: DataFrame) -> Series:
    latency_s = attempts["latency_s"][attempts["outcome"] == "ok"]
    if latency_s.empty:
        raise ValueError(_("No request was answered: there is no latency to draw."))
    return latency_s


def _shares(
    ways: Mapping[str, Series], formula: SteadyState | None, edges_s: np.ndarray
) -> Iterator[go.Bar | go.Scatter]:
    """The percentage between each edge and the next, at its middle."""
    middles_ms = milliseconds((edges_s[1:] + edges_s[:-1]) / 2)
    percent = {
        way: 100 * np.histogram(latency_s, edges_s)[0] / len(latency_s)
        for way, latency_s in ways.items()
    }
    if formula is not None:
        longer = np.array([formula.latency_tail(edge_s) for edge_s in edges_s])
        yield theory_line(middles_ms, -100 * np.diff(longer))
    look = {"color": COLOURS["simulated"], "line_width": 0}
    yield go.Bar(x=middles_ms, y=percent["simulated"], name=_("simulated"), marker=look)
    if "measured" in percent:
        yield measured_crosses(middles_ms, percent["measured"])


def _mark_percentiles(figure: go.Figure, latency_s: Series) -> None:
    marks_s = {name: latency_s.quantile(q) for name, q in PERCENTILES.items()}
    marks_s[_("mean")] = latency_s.mean()
    for height, (name, seconds) in enumerate(sorted(marks_s.items(), key=lambda mark: mark[1])):
        look = "dash" if name == _("mean") else "solid"
        figure.add_vline(
            milliseconds(seconds),
            line={"color": COLOURS["theory"], "width": 2, "dash": look},
            annotation={"text": name, "yanchor": "top", "y": 1 - 0.07 * (height % 2)},
        )


def _percentiles_in_words(ways: Mapping[str, Series], formula: SteadyState | None) -> Iterator[str]:
    seconds = {way: latency_s.quantile for way, latency_s in ways.items()}
    if formula is not None:
        seconds["theory"] = formula.latency_quantile_s
    words = {
        "theory": _(
            "Theory: half take less than {p50}, 95 of 100 less than {p95}, 99 less than {p99}."
        ),
        "simulated": _(
            "Simulated: half take less than {p50}, 95 of 100 less than {p95}, 99 less than {p99}."
        ),
        "measured": _(
            "Measured: half take less than {p50}, 95 of 100 less than {p95}, 99 less than {p99}."
        ),
    }
    for way, text in words.items():
        if way in seconds:
            yield text.format(**{p: time_text(seconds[way](q)) for p, q in PERCENTILES.items()})
