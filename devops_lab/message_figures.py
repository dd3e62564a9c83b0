"""Figures of messages: who worked on what and when, and how often each order was paid.

All but two take tables of events (`tables.EVENTS`); times count from the first message sent.
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


class Mark(NamedTuple):
    """How a kind of event is drawn: the name of its colour, its words and its symbol."""

    colour: str
    words: str
    symbol: str


# What became of an order and what went wrong with it; a shape each, so that no eye needs the
# colours.
_MARKS = {
    "paid": Mark("measured", _("paid"), "circle"),
    "paid again": Mark("error", _("paid again"), "diamond"),
    "written": Mark("measured", _("written"), "square"),
    "refused": Mark("no_answer", _("refused by the book"), "hexagon"),
    "lost": Mark("slow", _("order lost on its way"), "x-thin"),
    "lost_acknowledgement": Mark("slow", _("acknowledgement lost"), "circle-open"),
    "failed": Mark("error", _("failed"), "x"),
    "set_aside": Mark("error", _("set aside"), "star"),
}
_SIZES = {"lost_acknowledgement": 17}


class Span(NamedTuple):
    """One worker's work on one delivery of a job, in s; `is_whole` when it came to its end."""

    job: str
    worker: str
    delivery: int
    start_s: float
    end_s: float
    is_whole: bool


def spans(events: DataFrame) -> list[Span]:
    """The stretches of work, in the order of their beginnings; one cut off ends with its worker."""
    begun: dict[tuple[str, str, int], float] = {}
    found = []
    columns = (events[name].tolist() for name in ("job", "worker", "delivery", "what", "time_s"))
    for job, worker, delivery, what, time_s in zip(*columns, strict=True):
        if what == "started":
            begun[job, worker, delivery] = time_s
        elif what in ("done", "failed"):
            start_s = begun.pop((job, worker, delivery))
            found.append(Span(job, worker, delivery, start_s, time_s, is_whole=True))
    for (job, worker, delivery), start_s in begun.items():
        end_s = _end_of(worker, start_s, events)
        found.append(Span(job, worker, delivery, start_s, end_s, is_whole=False))
    return sorted(found, key=lambda span: span.start_s)


def who_did_what(events: DataFrame, finding: str = "") -> go.Figure:
    """A line for each process over time in s: its work, what it took or wrote, and its troubles.

    The title is the `finding`, or else how often the orders were paid.
    """
    events = _from_the_first_message(events)
    names = _names(events)
    said = (*_payments_in_words(events), *_writes_in_words(events), *_troubles_in_words(events))
    title = finding or _payments(events)
    figure = drawing(title, " ".join(said), x=_("time (s)"), y="")
    places = {name: place for place, name in enumerate(names)}
    _add_troubles(figure, events, places)
    _add_work(figure, events, places, "worker")
    _add_handovers(figure, events, places)
    _add_marks(figure, events, places, "worker")
    figure.update_yaxes(
        tickvals=list(places.values()),
        ticktext=[_lane(name) for name in names],
        range=[len(names) - 0.4, -0.6],
        showgrid=False,
        rangemode="normal",
    )
    return figure


def order_lives(runs: Mapping[str, DataFrame]) -> go.Figure:
    """A line for each order over time in s: the work on it, its payments, what was lost on the way;
    a panel for each run."""
    runs = {name: _from_the_first_message(events) for name, events in runs.items()}
    finding = _for_each(runs, {name: _payments(events) for name, events in runs.items()})
    figure = drawing(finding, finding, x=_("time (s)"), y=_("order"))
    if len(runs) > 1:
        divide(figure, list(runs))
    for column, events in enumerate(runs.values(), 1):
        places = {job: place for place, job in enumerate(events["job"].dropna().unique(), 1)}
        at = {"row": 1, "col": column} if len(runs) > 1 else {}
        _add_work(figure, events, places, "job", **at)
        _add_marks(figure, events, places, "job", **at)
    most = max(events["job"].nunique() for events in runs.values())
    figure.update_yaxes(range=[most + 0.9, 0.1], rangemode="normal", showgrid=False)
    last_s = max(events["time_s"].max() for events in runs.values())
    figure.update_xaxes(range=[-0.02 * last_s, 1.05 * last_s])
    return figure


def times_paid_by_order(runs: Mapping[str, Series], predicted: float | None = None) -> go.Figure:
    """How often each order was paid (`shifts.times_paid`), a panel for each run.

    A learner's prediction is dotted.
    """
    finding = _for_each(runs, {name: _counts(times) for name, times in runs.items()})
    figure = drawing(finding, finding, x=_("order"), y=_("times paid"))
    if len(runs) > 1:
        divide(figure, list(runs))
    for column, times in enumerate(runs.values(), 1):
        at = {"row": 1, "col": column} if len(runs) > 1 else {}
        for mark, is_so in (
            (Mark("ok", _("once"), "circle"), times == 1),
            (Mark("error", _("never"), "x"), times == 0),
            (Mark("error", _("more than once"), "diamond"), times > 1),
        ):
            x = np.flatnonzero(is_so) + 1
            _add_points(figure, mark, mark.words, x, times[is_so].to_numpy(), size=13, **at)
    highest = max(2, *(int(times.max()) for times in runs.values()), int(predicted or 0))
    figure.update_yaxes(range=[-0.3, highest + 0.4], dtick=1)
    figure.update_xaxes(dtick=1)
    if predicted is not None:
        add_prediction(figure, _("your prediction"), y=predicted)
    return figure


def wrong_against_loss(
    simulated: Mapping[str, DataFrame], measured: Mapping[str, DataFrame]
) -> go.Figure:
    """The share of wrong orders in % over the share of lost messages in %, a panel a promise.

    Each table has the columns `loss_share` and `wrong_share`, both 0 to 1, under the words for
    what went wrong. The line is the formula: as many as are lost.
    """
    finding = _("The network loses as much either way: you choose who pays for it")
    text = _("{panel}: {wrong} of the orders, where {loss} of the messages are lost.")
    summary = " ".join(
        text.format(
            panel=panel,
            wrong=percent_text(table["wrong_share"].iloc[-1]),
            loss=percent_text(table["loss_share"].iloc[-1]),
        )
        for panel, table in simulated.items()
    )
    figure = drawing(finding, summary, x=_("messages lost (%)"), y=_("orders (%)"))
    divide(figure, list(simulated))
    for column, (panel, table) in enumerate(simulated.items(), 1):
        loss, real = 100 * table["loss_share"].to_numpy(), measured[panel]
        ways = (
            theory_line(loss, loss),
            simulated_points(loss, 100 * table["wrong_share"].to_numpy()),
            measured_crosses(
                100 * real["loss_share"].to_numpy(), 100 * real["wrong_share"].to_numpy()
            ),
        )
        for way in ways:
            figure.add_trace(way.update(showlegend=column == 1), row=1, col=column)
    return figure


def _from_the_first_message(events: DataFrame) -> DataFrame:
    began_s = events.loc[events["what"].isin(["sent", "unanswered"]), "time_s"].min()
    return events.assign(time_s=events["time_s"] - began_s).reset_index(drop=True)


def _names(events: DataFrame) -> list[str]:
    """The workers, and the broker above them where something was done to it."""
    workers = sorted(events.loc[events["job"].notna(), "worker"].dropna().unique())
    others = events.loc[events["what"].isin(["frozen", "killed"]), "worker"].dropna().unique()
    return [name for name in others if name not in workers] + workers


def _lane(name: str) -> str:
    return _("worker {name}").format(name=name) if len(name) == 1 else name


def _end_of(worker: str, start_s: float, events: DataFrame) -> float:
    """When the worker was killed after it had started on something, or else the table's end."""
    kills = events[(events["worker"] == worker) & (events["what"] == "killed")]
    later = kills.loc[kills["time_s"] >= start_s, "time_s"]
    return later.min() if len(later) else events["time_s"].max()


def _add_work(
    figure: go.Figure, events: DataFrame, places: Mapping[str, int], by: str, **at: int
) -> None:
    found = spans(events)
    colour = COLOURS["service"]
    bars = go.Bar(
        orientation="h",
        base=[span.start_s for span in found],
        x=[span.end_s - span.start_s for span in found],
        y=[places[getattr(span, by)] for span in found],
        width=0.55,
        name=_("work"),
        legendgroup="work",
        showlegend=_is_new(figure, "work"),
        marker={"color": "rgba(0,158,115,0.3)", "line": {"color": colour, "width": 1}},
        hovertext=[f"{span.job}, {_lane(span.worker)}, {span.delivery}" for span in found],
        hoverinfo="text",
    )
    if by == "worker":
        bars.text = [span.job.removeprefix("order ") for span in found]
        bars.update(textposition="inside", insidetextanchor="start", textangle=0)
        bars.update(insidetextfont={"color": "#1F2933", "size": 13})
    figure.add_trace(bars, **at)
    figure.update_layout(barmode="overlay")


def _add_marks(
    figure: go.Figure, events: DataFrame, places: Mapping[str, int], by: str, **at: int
) -> None:
    # The money is taken by whoever comes first; all others take it again.
    payments = events[events["what"] == "paid"]
    again = payments.index[payments["job"].duplicated()]
    shown = events.assign(what=events["what"].mask(events.index.isin(again), "paid again"))
    shown = shown.assign(place=shown[by].map(places)).dropna(subset=["place"])
    for kind, rows in shown[shown["what"].isin(list(_MARKS))].groupby("what"):
        x, y = rows["time_s"].to_numpy(), rows["place"].to_numpy(dtype=float)
        _add_points(figure, _MARKS[kind], kind, x, y, size=_SIZES.get(kind, 11), **at)
        if kind == "written":
            _add_values(figure, rows)


def _add_values(figure: go.Figure, rows: DataFrame) -> None:
    """What was written, beside its mark."""
    for row in rows.itertuples():
        figure.add_annotation(
            x=row.time_s, y=row.place, text=row.detail, showarrow=False, yshift=18, font_size=13
        )


def _add_points(
    figure: go.Figure,
    mark: Mark,
    group: str,
    x: np.ndarray,
    y: np.ndarray,
    *,
    size: int,
    **at: int,
) -> None:
    if not len(x):
        return
    is_line = mark.symbol.endswith(("thin", "open"))
    colour = COLOURS[mark.colour]
    edge = {"color": colour, "width": 2.5} if is_line else {"color": "white", "width": 1.5}
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            name=mark.words,
            legendgroup=group,
            showlegend=_is_new(figure, group),
            marker={"color": colour, "symbol": mark.symbol, "size": size, "line": edge},
        ),
        **at,
    )


def _add_handovers(figure: go.Figure, events: DataFrame, places: Mapping[str, int]) -> None:
    """A dotted line from the work on one delivery to that on the next of the same job."""
    latest: dict[str, Span] = {}
    x: list[float | None] = []
    y: list[float | None] = []
    for span in spans(events):
        before = latest.get(span.job)
        if before and span.delivery > before.delivery:
            x += [before.start_s, span.start_s, None]
            y += [places[before.worker], places[span.worker], None]
        latest[span.job] = span
    if x:
        look = {"color": COLOURS["wait"], "width": 2, "dash": "dot"}
        figure.add_scatter(x=x, y=y, mode="lines", name=_("delivered again"), line=look)


def _add_troubles(figure: go.Figure, events: DataFrame, places: Mapping[str, int]) -> None:
    """Grey where a process was held still, hatched where it was dead."""
    hatched = {"shape": "/", "fgcolor": COLOURS["error"], "fgopacity": 0.8, "solidity": 0.12}
    for trouble, remedy, words, look in (
        ("frozen", "resumed", _("frozen"), {"color": COLOURS["no_answer"], "opacity": 0.35}),
        (
            "killed",
            "begun",
            _("killed"),
            {"color": "rgba(0,0,0,0)", "pattern": hatched},
        ),
    ):
        found = [
            (row.worker, row.time_s, _end_of_trouble(events, row.worker, remedy, row.time_s))
            for row in events[events["what"] == trouble].itertuples()
        ]
        if found:
            figure.add_bar(
                orientation="h",
                base=[start_s for _name, start_s, _end_s in found],
                x=[end_s - start_s for _name, start_s, end_s in found],
                y=[places[name] for name, _start_s, _end_s in found],
                width=0.8,
                name=words,
                marker={**look, "line": {"width": 0}},
            )


def _end_of_trouble(events: DataFrame, name: str, remedy: str, since_s: float) -> float:
    ends = events[(events["worker"] == name) & (events["what"] == remedy)]
    later = ends.loc[ends["time_s"] > since_s, "time_s"]
    return later.min() if len(later) else events["time_s"].max()


def _is_new(figure: go.Figure, group: str) -> bool:
    """Whether the legend has no trace of this group yet."""
    return not any(trace.legendgroup == group for trace in figure.data)


def _for_each(runs: Mapping[str, object], said: Mapping[str, str]) -> str:
    if len(runs) == 1:
        return next(iter(said.values()))
    text = _("{run}: {what}")
    return "; ".join(text.format(run=run, what=what) for run, what in said.items())


def _payments(events: DataFrame) -> str:
    sent = events.loc[events["what"] == "sent", "job"].drop_duplicates()
    paid = events.loc[events["what"] == "paid", "job"].value_counts()
    return _counts(paid.reindex(sent, fill_value=0))


def _counts(times: Series) -> str:
    """How often the orders were paid, in words."""
    never, again = int((times == 0).sum()), int((times > 1).sum())
    values = {"count": len(times), "never": never, "again": again}
    if never and again:
        text = _("{never} of {count} orders never paid, {again} paid more than once")
    elif never:
        text = _("{never} of {count} orders never paid")
    elif again:
        text = _("{again} of {count} orders paid more than once")
    else:
        text = ngettext("{count} order, paid once", "{count} orders, each paid once", len(times))
    return text.format(**values)


def _payments_in_words(events: DataFrame) -> list[str]:
    """How often the orders were paid, where they are of the kind that is paid."""
    is_board = events["what"].isin(["written", "refused"]).any()
    is_till = (events["what"] == "paid").any()
    return [] if is_board and not is_till else [_("{payments}.").format(payments=_payments(events))]


def _writes_in_words(events: DataFrame) -> list[str]:
    texts = {
        "written": _("{name} wrote {value}."),
        "refused": _("{name} was refused with {value}."),
    }
    rows = events[events["what"].isin(list(texts))]
    return [
        texts[row.what].format(name=_beginning(row.worker), value=row.detail)
        for row in rows.itertuples()
    ]


def _troubles_in_words(events: DataFrame) -> list[str]:
    texts = {
        "killed": _("{name} was killed at {time:.1f} s."),
        "frozen": _("{name} was frozen at {time:.1f} s."),
        "resumed": _("{name} ran on at {time:.1f} s."),
    }
    rows = events[events["what"].isin(list(texts))]
    return [
        texts[row.what].format(name=_beginning(row.worker), time=row.time_s)
        for row in rows.itertuples()
    ]


def _beginning(name: str) -> str:
    """The name as it begins a sentence."""
    lane = _lane(name)
    return lane[:1].upper() + lane[1:]
