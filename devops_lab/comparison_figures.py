"""Figures of the three ways beside each other: how much the servers answer, and how a run goes over
time. Theory is a line, the simulation points, real servers crosses."""

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
    theory_line,
    time_text,
)
from devops_lab.translation import _

WINDOWS = 20
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
# Each percentile of a run over time has its own kind of line.
DASHES = {"p50": "solid", "p95": "dash", "p99": "dot"}
# A throughput below this share of the load is no longer chance.
KEEPS_UP = 0.95


_WAYS = {"simulated": simulated_points, "measured": measured_crosses}


def _runs(simulated: DataFrame, measured: DataFrame | None) -> dict[str, DataFrame]:
    return {"simulated": simulated} | ({} if measured is None else {"measured": measured})


def _answered(attempts: DataFrame) -> Series:
    """The latencies of what ended well: a quick error would make a broken server look fast."""
    latency_s = attempts["latency_s"][attempts["outcome"] == "ok"]
    if latency_s.empty:
        raise ValueError(_("No request was answered: there is no latency to draw."))
    return latency_s


def throughput_against_load(
    simulated: DataFrame,
    *,
    capacity_per_s: float | None = None,
    measured: DataFrame | None = None,
    predicted_per_s: float | None = None,
) -> go.Figure:
    """How many requests a second were answered at each load, and the knee where no more are.

    Takes sweeps over `arrival_rate_per_s`. Theory is a line: all that come are answered, up to
    `capacity_per_s`. `predicted_per_s` is where the learner expects the knee.
    """
    sweeps = _runs(simulated, measured)
    most_per_s = max(float(swept["arrival_rate_per_s"].max()) for swept in sweeps.values())
    knee_per_s = _knee_per_s([*sweeps.values()][-1])
    finding = _knee_in_words(knee_per_s, most_per_s)
    figure = drawing(
        finding,
        " ".join([f"{finding}.", *_throughput_in_words(sweeps)]),
        x=_("load (requests/s)"),
        y=_("throughput (answers/s)"),
    )
    if capacity_per_s is not None:
        loads = np.array([0, min(capacity_per_s, most_per_s), most_per_s])
        figure.add_trace(theory_line(loads, np.minimum(loads, capacity_per_s)))
    for way, swept in sweeps.items():
        loads, throughput = swept["arrival_rate_per_s"], swept["throughput_per_s"]
        figure.add_trace(_WAYS[way](loads.to_numpy(float), throughput.to_numpy(float)))
    if knee_per_s is not None:
        text = _("the knee: {rate:.3g} requests/s").format(rate=knee_per_s)
        figure.add_annotation(x=knee_per_s, y=knee_per_s, text=text, ax=50, ay=64)
    if predicted_per_s is not None:
        add_prediction(figure, _("your prediction"), x=predicted_per_s)
    figure.update_xaxes(rangemode="tozero")
    return figure.update_layout(showlegend=True)


def _knee_per_s(swept: DataFrame) -> float | None:
    """The load from which on the throughput stays where it is; None where it still follows."""
    busiest = swept.loc[swept["arrival_rate_per_s"].idxmax()]
    if busiest["throughput_per_s"] > KEEPS_UP * busiest["arrival_rate_per_s"]:
        return None
    return float(swept["throughput_per_s"].max())


def _knee_in_words(knee_per_s: float | None, most_per_s: float) -> str:
    if knee_per_s is None:
        text = _("Up to {most:.3g} requests/s, all that come are answered at once")
        return text.format(most=most_per_s)
    text = _("No more than {knee:.3g} requests/s are answered, however many come")
    return text.format(knee=knee_per_s)


def _throughput_in_words(sweeps: Mapping[str, DataFrame]) -> Iterator[str]:
    words = {
        "simulated": _("Simulated: {answered:.3g} answers/s at a load of {load:.3g} requests/s."),
        "measured": _("Measured: {answered:.3g} answers/s at a load of {load:.3g} requests/s."),
    }
    for way, swept in sweeps.items():
        busiest = swept.loc[swept["arrival_rate_per_s"].idxmax()]
        yield words[way].format(
            answered=busiest["throughput_per_s"], load=busiest["arrival_rate_per_s"]
        )


def percentiles_over_time(
    simulated: DataFrame,
    *,
    measured: DataFrame | None = None,
    predicted_ms: float | None = None,
    window_s: float | None = None,
) -> go.Figure:
    """The median and the 95th and 99th percentile of the latency in ms, window by window.

    Takes tables of attempts (`tables.ATTEMPTS`); a request belongs to the window in which it was
    meant to start. A window is a twentieth of the run when `window_s` is not given. Raises
    ValueError where no request was answered.
    """
    runs = _runs(simulated, measured)
    if window_s is None:
        window_s = float(simulated["intended_s"].max()) / WINDOWS
    by_window = {way: _by_window(attempts, window_s) for way, attempts in runs.items()}
    finding = _worst_in_words([*by_window.values()][-1])
    figure = drawing(
        finding,
        " ".join([f"{finding}.", *_windows_in_words(by_window)]),
        x=_("time since the run's start (s)"),
        y=_("latency (ms)"),
    )
    for way, percentiles in by_window.items():
        for name in PERCENTILES:
            figure.add_trace(_course(way, percentiles, name))
    for name, dash in DASHES.items():
        line = {"color": COLOURS["theory"], "width": 1.5, "dash": dash}
        figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name=name)
    if predicted_ms is not None:
        add_prediction(figure, _("your prediction"), y=predicted_ms)
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(tickformat=",")
    return figure.update_layout(showlegend=True)


def _by_window(attempts: DataFrame, window_s: float) -> DataFrame:
    """A row a window, by its middle: a column a percentile, in seconds."""
    middle_s = (attempts["intended_s"] // window_s + 0.5) * window_s
    # A window in which nothing was answered stays, as a gap.
    latency_s = _answered(attempts).reindex(attempts.index)
    quantiles = latency_s.groupby(middle_s).quantile([*PERCENTILES.values()])
    return quantiles.unstack().set_axis([*PERCENTILES], axis=1)


def _course(way: str, percentiles: DataFrame, name: str) -> go.Scatter:
    trace = _WAYS[way](percentiles.index.to_numpy(), milliseconds(percentiles[name].to_numpy()))
    line = {"color": COLOURS[way], "width": 1.5, "dash": DASHES[name]}
    return trace.update(mode="lines+markers", line=line, legendgroup=way, showlegend=name == "p50")


def _worst_in_words(percentiles: DataFrame) -> str:
    p95_s = percentiles["p95"]
    text = _("The 95th percentile climbs to {worst}; half of the time it is below {usual}")
    return text.format(worst=time_text(p95_s.max()), usual=time_text(p95_s.median()))


def _windows_in_words(by_window: Mapping[str, DataFrame]) -> Iterator[str]:
    words = {
        "simulated": _("Simulated: worst after {time}, with p50 {p50}, p95 {p95}, p99 {p99}."),
        "measured": _("Measured: worst after {time}, with p50 {p50}, p95 {p95}, p99 {p99}."),
    }
    for way, percentiles in by_window.items():
        worst_s = percentiles["p95"].idxmax()
        seconds = {name: time_text(s) for name, s in percentiles.loc[worst_s].items()}
        yield words[way].format(time=time_text(worst_s), **seconds)
