"""Figures of metrics: the four golden signals, a percentile read from buckets, a hidden fault."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from devops_lab.figures import (
    COLOURS,
    add_prediction,
    drawing,
    milliseconds,
    percent_text,
    time_text,
)
from devops_lab.timeseries import histogram_quantile
from devops_lab.translation import _

HEIGHT_PX = 640
MARK_WIDTH = 2


def golden_signals(
    signals: pd.DataFrame,
    *,
    finding: str = "",
    x: str = "",
    planted: pd.DataFrame | None = None,
    **layout: Any,
) -> go.Figure:
    """The four signals over time, one panel below the other.

    Takes the table of `signals.signals`, whose index is the axis: timestamps, or seconds with `x`
    as their title. `planted` faults (`Shop.planted`) are shaded. `layout` is plotly's,
    `figures.LIVE` for a figure that moves.
    """
    summary = _whole_in_words(signals) if finding else _now_in_words(signals)
    figure = drawing(
        finding or summary,
        summary,
        x=x,
        y="",
        traces=[*_lines(signals)],
        **_four_panels() | layout,
    )
    for fault in () if planted is None else planted.itertuples():
        shade(figure, fault.start, fault.end)
    return figure


def _lines(signals: pd.DataFrame) -> Iterator[dict[str, Any]]:
    lines = (
        ("y", "requests_per_s", "measured", 1, "solid"),
        ("y2", "error_share", "error", 100, "solid"),
        ("y3", "latency_p99_s", "slow", 1000, "solid"),
        ("y3", "latency_p50_s", "service", 1000, "dot"),
        ("y4", "in_flight", "theory", 1, "solid"),
    )
    for axis, column, colour, times, dash in lines:
        known = signals[column].dropna()
        yield {
            "type": "scatter",
            "x": _moments(known.index),
            "y": times * known.to_numpy(),
            "yaxis": axis,
            "mode": "lines",
            "line": {"color": COLOURS[colour], "width": 2, "dash": dash},
        }


def _moments(index: pd.Index) -> list[str] | np.ndarray:
    if isinstance(index, pd.DatetimeIndex):
        return index.strftime("%Y-%m-%d %H:%M:%S").tolist()
    return index.to_numpy(float)


def _four_panels() -> dict[str, Any]:
    """Four vertical axes, one below the other, on one axis of time. Far quicker than subplots."""
    names = (
        _("traffic (requests/s)"),
        _("errors (%)"),
        _("latency (ms): p99, and p50 dotted"),
        _("saturation (requests waiting or in work)"),
    )
    layout: dict[str, Any] = {"height": HEIGHT_PX, "showlegend": False, "annotations": []}
    for row, name in enumerate(names):
        top = 1 - row / 4
        axis = {"domain": [top - 0.19, top], "anchor": "x", "rangemode": "tozero"}
        layout["yaxis" if row == 0 else f"yaxis{row + 1}"] = axis
        place = {"x": 0, "xanchor": "left", "y": top, "yanchor": "bottom"}
        look = {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 13}}
        layout["annotations"].append({"text": name, **place, **look})
    layout["xaxis"] = {"anchor": "y4"}
    return layout


def shade(figure: go.Figure, start: object, end: object) -> None:
    """Shade the time of a fault through all panels."""
    figure.add_shape(
        type="rect",
        x0=start,
        x1=end,
        y0=0,
        y1=1,
        yref="paper",
        line_width=0,
        fillcolor=COLOURS["no_answer"],
        opacity=0.3,
    )


def mark(figure: go.Figure, moment: object) -> None:
    """Draw the learner's own mark through all panels."""
    line = {"color": COLOURS["prediction"], "width": 3, "dash": "dot"}
    figure.add_shape(type="line", x0=moment, x1=moment, y0=0, y1=1, yref="paper", line=line)


def _now_in_words(signals: pd.DataFrame) -> str:
    if signals.empty:
        return _("Nothing has been measured yet.")
    now = signals.iloc[-1]
    if not now["requests_per_s"] > 0:
        return _("No requests at the moment.")
    return _(
        "{rate:.0f} requests/s, {errors} errors, p99 {latency}, {inside:.0f} in flight."
    ).format(
        rate=now["requests_per_s"],
        errors=percent_text(round(now["error_share"], 3)),
        latency=time_text(now["latency_p99_s"]),
        inside=now["in_flight"],
    )


def _whole_in_words(signals: pd.DataFrame) -> str:
    highest = signals.max()
    return _(
        "From {least:.0f} to {most:.0f} requests/s; at most {errors} errors, a p99 of {latency}, "
        "and {inside:.0f} in flight."
    ).format(
        least=signals["requests_per_s"].min(),
        most=highest["requests_per_s"],
        errors=percent_text(round(highest["error_share"], 3)),
        latency=time_text(highest["latency_p99_s"]),
        inside=highest["in_flight"],
    )


def percentile_by_buckets(
    latencies_s: np.ndarray,
    edges_s: Mapping[str, Sequence[float]],
    *,
    q: float = 0.99,
    predicted_ms: float | None = None,
) -> go.Figure:
    """One percentile of the same latencies, read from buckets with other edges: a row each, and the
    true one as a line through all of them."""
    exact_ms = milliseconds(float(np.quantile(latencies_s, q)))
    read_ms = {
        name: milliseconds(histogram_quantile(q, counted(latencies_s, edges)))
        for name, edges in edges_s.items()
    }
    percentile = f"p{100 * q:g}"
    lowest, highest = min(read_ms.values()), max(read_ms.values())
    finding = _(
        "The same requests: {percentile} is {lowest:.0f} or {highest:.0f} ms, as the edges have it"
    ).format(percentile=percentile, lowest=lowest, highest=highest)
    each = _("{name}: {read:.0f} ms.")
    words = [each.format(name=name, read=read) for name, read in read_ms.items()]
    truth = _("In truth {exact:.0f} ms.").format(exact=exact_ms)
    figure = drawing(finding, " ".join([*words, truth]), x=_("latency (ms)"), y="")
    rows = [*reversed(read_ms)]
    figure.add_bar(
        x=[read_ms[name] for name in rows],
        y=rows,
        orientation="h",
        name=_("read from the buckets"),
        marker_color=COLOURS["theory"],
        opacity=0.4,
        width=0.5,
    )
    for row, name in enumerate(rows):
        inside = [
            milliseconds(edge)
            for edge in edges_s[name]
            if milliseconds(edge) < 1.3 * max(highest, exact_ms)
        ]
        figure.add_scatter(
            x=inside,
            y=[name] * len(inside),
            mode="markers",
            name=_("edges of the buckets"),
            showlegend=row == 0,
            marker={
                "symbol": "line-ns",
                "size": 34,
                "line": {"width": 2, "color": COLOURS["theory"]},
            },
        )
    figure.add_vline(
        exact_ms,
        line={"color": COLOURS["measured"], "width": 3},
        annotation={"text": _("in truth")},
        annotation_position="bottom right",
    )
    if predicted_ms is not None:
        add_prediction(figure, _("your prediction"), x=predicted_ms)
    return figure.update_layout(showlegend=True, yaxis_showgrid=False)


def counted(values: np.ndarray, edges: Sequence[float]) -> dict[float, int]:
    """How many values are at most each edge, and how many there are.

    >>> counted(np.array([1, 2, 3]), [2])
    {2: 2, inf: 3}
    """
    return {edge: int((values <= edge).sum()) for edge in (*edges, np.inf)}
