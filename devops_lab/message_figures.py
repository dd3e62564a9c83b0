"""Figures of messages: who worked on what and when, and how often each order was paid.

All take tables of events (`tables.EVENTS`).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame, Series

from devops_lab.figures import (
    COLOURS,
    add_prediction,
    divide,
    drawing,
    measured_crosses,
    percent_text,
    simulated_points,
    theory_line,
)
from devops_lab.translation import _, ngettext

# How an event is drawn: the colour's name, the words for it, and a shape that says it without
# colour. What happened to money or to the board, and what kept it from happening.
_MARKS = {
    "paid": ("measured", _("paid"), "circle"),
    "paid again": ("error", _("paid again"), "diamond"),
    "written": ("measured", _("written"), "square"),
    "refused": ("no_answer", _("refused by the book"), "x"),
    "lost": ("wait", _("message lost"), "x-thin"),
    "failed": ("error", _("failed"), "x"),
    "set_aside": ("error", _("set aside"), "star"),
}
_LABELLED_SPANS = 40


class Span(NamedTuple):
    """One worker's work on one delivery of a job; `is_whole` when it came to its end."""

    job: str
    worker: str
    delivery: int
    start_s: float
    end_s: float
    is_whole: bool


def spans(events: DataFrame) -> list[Span]:
    """The stretches of work, in the order of their beginnings.

    One without an end was cut off; it lasts to the last sign of life.
    """
    own = events[events["worker"].notna()]
    found = []
    for (job, worker, delivery), rows in own.groupby(["job", "worker", "delivery"], sort=False):
        start_s = rows.loc[rows["what"] == "started", "time_s"].min()
        ends = rows.loc[rows["what"].isin(["done", "failed"]), "time_s"]
        end_s = ends.min() if len(ends) else rows["time_s"].max()
        if start_s == start_s:
            found.append(Span(job, worker, int(delivery), start_s, end_s, len(ends) > 0))
    return sorted(found, key=lambda span: span.start_s)


def who_did_what(events: DataFrame, finding: str = "") -> go.Figure:
    """A line for each worker over time in s: its work, what it took or wrote, and where it ended.

    The title is the `finding`, or how often the orders were paid.
    """
    workers = sorted(events["worker"].dropna().unique())
    summary = f"{_payments_in_words(events)} {_cuts_in_words(events)}".strip()
    figure = drawing(
        finding or _payments_in_words(events), summary, x=_("time since the start (s)"), y=""
    )
    _add_spans(figure, events, {name: place for place, name in enumerate(workers)}, "worker")
    _add_handovers(figure, events, workers)
    labels = [_("worker {name}").format(name=name) for name in workers]
    figure.update_yaxes(
        tickvals=list(range(len(workers))),
        ticktext=labels,
        range=[len(workers) - 0.4, -0.6],
        showgrid=False,
        rangemode="normal",
    )
    return figure


def order_lives(runs: Mapping[str, DataFrame]) -> go.Figure:
    """A line for each order over time in s: the work on it, its payments, what was lost on the way;
    a panel for each run."""
    finding = " · ".join(
        _("{run}: {payments}").format(run=run, payments=_payments_in_words(events))
        for run, events in runs.items()
    )
    figure = drawing(finding, finding, x=_("time since the start (s)"), y=_("order"))
    if len(runs) > 1:
        divide(figure, list(runs))
    for column, events in enumerate(runs.values(), 1):
        jobs = list(dict.fromkeys(events["job"]))
        at = {"row": 1, "col": column} if len(runs) > 1 else {}
        places = {job: place for place, job in enumerate(jobs, 1)}
        _add_spans(figure, events, places, "job", **at)
    most = max(events["job"].nunique() for events in runs.values())
    figure.update_yaxes(range=[most + 0.7, 0.3], rangemode="normal")
    last_s = max(events["time_s"].max() for events in runs.values())
    figure.update_xaxes(range=[-0.02 * last_s, 1.05 * last_s])
    return figure


def times_paid_by_order(runs: Mapping[str, "Series"], predicted: float | None = None) -> go.Figure:
    """How often each order was paid (`shifts.times_paid`), a panel for each run.

    A learner's prediction is dotted.
    """
    finding = " · ".join(
        _("{run}: {payments}").format(run=run, payments=_counts_in_words(times))
        for run, times in runs.items()
    )
    figure = drawing(finding, finding, x=_("order"), y=_("times paid"))
    if len(runs) > 1:
        divide(figure, list(runs))
    kinds = {0: ("error", _("never"), "x"), 1: ("ok", _("once"), "circle")}
    for column, times in enumerate(runs.values(), 1):
        numbers = np.arange(1, len(times) + 1)
        for least, name in ((0, "never"), (1, "once"), (2, "again")):
            chosen = (times == least) if least < 2 else (times >= 2)
            colour, words, symbol = kinds.get(least, ("error", _("more than once"), "diamond"))
            points = go.Scatter(
                x=numbers[chosen],
                y=times[chosen].to_numpy(),
                mode="markers",
                name=words,
                legendgroup=name,
                showlegend=_is_first(figure, name) and bool(chosen.any()),
                marker={"color": COLOURS[colour], "symbol": symbol, "size": 13},
            )
            at = {"row": 1, "col": column} if len(runs) > 1 else {}
            figure.add_trace(points, **at)
    highest = max(2, *(int(times.max()) for times in runs.values()), int(predicted or 0))
    figure.update_yaxes(range=[-0.3, highest + 0.4], dtick=1)
    figure.update_xaxes(dtick=1)
    if predicted is not None:
        add_prediction(figure, _("your prediction"), y=predicted)
    return figure


def wrong_against_loss(
    simulated: Mapping[str, DataFrame], measured: Mapping[str, DataFrame]
) -> go.Figure:
    """The share of orders paid never, or more than once, in % over the share of lost messages.

    Each table has the columns `loss_share`, `never_share` and `again_share`, under the promise's
    name, which is its panel. The line is the formula: as many as are lost.
    """
    figure = drawing(
        _("The network loses as much either way: you choose who pays for it"),
        _summary_against_loss(simulated, measured),
        x=_("messages lost (%)"),
        y=_("orders (%)"),
    )
    divide(figure, list(simulated))
    for column, (promise, table) in enumerate(simulated.items(), 1):
        loss = 100 * table["loss_share"].to_numpy()
        real = measured[promise]
        side = "never_share" if table["never_share"].sum() else "again_share"
        traces = (
            theory_line(loss, loss if table[side].sum() else 0 * loss),
            simulated_points(loss, 100 * table[side].to_numpy()),
            measured_crosses(100 * real["loss_share"].to_numpy(), 100 * real[side].to_numpy()),
        )
        for trace in traces:
            figure.add_trace(trace.update(showlegend=column == 1), row=1, col=column)
    return figure


def _summary_against_loss(
    simulated: Mapping[str, DataFrame], measured: Mapping[str, DataFrame]
) -> str:
    text = _(
        "{promise}: with {loss} of the messages lost, {never} of the orders are never paid and "
        "{again} more than once."
    )
    rows = ((promise, table.iloc[-1]) for promise, table in simulated.items())
    return " ".join(
        text.format(
            promise=promise,
            loss=percent_text(row["loss_share"]),
            never=percent_text(row["never_share"]),
            again=percent_text(row["again_share"]),
        )
        for promise, row in rows
    )


def _add_spans(
    figure: go.Figure, events: DataFrame, places: Mapping[str, int], by: str, **at: int
) -> None:
    """Bars for the work, and marks for what came of it, each at the place of its worker or job."""
    found = spans(events)
    # The money of an order is taken by whoever comes first; all others take it again.
    payments = events[events["what"] == "paid"]
    again = payments[payments["job"].duplicated()].index
    shown = events.assign(mark=events["what"].mask(events.index.isin(again), "paid again"))
    for is_whole, name, colour in (
        (True, _("work"), "service"),
        (False, _("work that was cut off"), "error"),
    ):
        chosen = [span for span in found if span.is_whole == is_whole]
        bars = go.Bar(
            orientation="h",
            base=[span.start_s for span in chosen],
            x=[span.end_s - span.start_s for span in chosen],
            y=[places[getattr(span, by)] for span in chosen],
            width=0.55,
            name=name,
            legendgroup=name,
            showlegend=bool(chosen) and _is_first(figure, name),
            marker={"color": COLOURS[colour], "opacity": 0.35, "line": {"width": 0}},
            hovertext=[f"{span.job}, {span.worker}, {span.delivery}" for span in chosen],
            hoverinfo="text",
        )
        if by == "worker" and len(found) <= _LABELLED_SPANS:
            texts = [span.job.removeprefix("order ") for span in chosen]
            bars.update(text=texts, textposition="inside", insidetextanchor="start", textangle=0)
        figure.add_trace(bars, **at)
    for mark, (colour, words, symbol) in _MARKS.items():
        rows = shown[(shown["mark"] == mark) & shown["worker"].notna()]
        is_line = symbol.endswith("thin")
        marks = go.Scatter(
            x=rows["time_s"].to_numpy(),
            y=rows[by].map(places).to_numpy(),
            mode="markers",
            name=words,
            legendgroup=mark,
            showlegend=len(rows) > 0 and _is_first(figure, mark),
            marker={
                "color": COLOURS[colour],
                "symbol": symbol,
                "size": 11,
                "line": {"color": COLOURS[colour] if is_line else "white", "width": 1.5},
            },
        )
        if len(rows):
            figure.add_trace(marks, **at)
    figure.update_layout(barmode="overlay")


def _add_handovers(figure: go.Figure, events: DataFrame, workers: list[str]) -> None:
    """A dotted line from the work of one delivery to that of the next of the same job."""
    latest: dict[str, Span] = {}
    x: list[float | None] = []
    y: list[float | None] = []
    for span in spans(events):
        before = latest.get(span.job)
        if before and span.delivery > before.delivery:
            x += [before.start_s, span.start_s, None]
            y += [workers.index(before.worker), workers.index(span.worker), None]
        latest[span.job] = span
    if x:
        look = {"color": COLOURS["wait"], "width": 2, "dash": "dot"}
        figure.add_scatter(x=x, y=y, mode="lines", name=_("delivered again"), line=look)


def _is_first(figure: go.Figure, group: str) -> bool:
    """Whether no trace of this group is in the legend yet."""
    return not any(trace.legendgroup == group and trace.showlegend for trace in figure.data)


def _payments_in_words(events: DataFrame) -> str:
    sent = events.loc[events["what"] == "sent", "job"].drop_duplicates()
    paid = events.loc[events["what"] == "paid", "job"].value_counts()
    return _counts_in_words(paid.reindex(sent, fill_value=0))


def _counts_in_words(times: "Series") -> str:
    never, again = int((times == 0).sum()), int((times >= 2).sum())
    orders = ngettext("{count} order", "{count} orders", len(times)).format(count=len(times))
    if not never + again:
        return _("{orders}, each paid once").format(orders=orders)
    text = _("{orders}, {never} never paid, {again} paid more than once")
    return text.format(orders=orders, never=never, again=again)


def _cuts_in_words(events: DataFrame) -> str:
    text = _("Worker {worker} was cut off while it worked on {job}.")
    return " ".join(
        text.format(worker=span.worker, job=span.job) for span in spans(events) if not span.is_whole
    )
