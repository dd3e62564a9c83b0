"""Figures of availability: who was up when, what copies buy, and how far chance spreads a run."""

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.availability import downtime
from devops_lab.blocks import Block, Copies, Part
from devops_lab.figures import COLOURS, add_prediction, drawing, percent_text
from devops_lab.translation import _

# The units of an axis of time: the name, its seconds, and the longest time that it is used for.
_UNITS = (
    (_("s"), 1, 180),
    (_("min"), 60, 3 * 3600),
    (_("hours"), 3600, 3 * 86_400),
    (_("days"), 86_400, math.inf),
)
_ROW_PX = 44
_LEAST_SEEN = 1 / 1_000


def share_text(share: float) -> str:
    """An availability in per cent, with two digits of what is missing from 100 %.

    >>> share_text(0.99), share_text(0.998919), share_text(0.9999994), share_text(1.0)
    ('99 %', '99.89 %', '99.99994 %', '100 %')
    """
    missing = 100 * (1 - share)
    decimals = max(0, math.ceil(-math.log10(missing)) + 1) if missing > 1e-12 else 0
    return f"{round(100 * share, decimals):.12g} %"


def duration_text(duration: timedelta) -> str:
    """A time in its two largest units, as people say it.

    >>> duration_text(timedelta(days=3.65)), duration_text(timedelta(seconds=315.36))
    ('3 d 16 h', '5 min 15 s')
    >>> duration_text(timedelta(seconds=8.64))
    '8.64 s'
    """
    seconds = duration.total_seconds()
    if round(seconds) < 60:
        return _("{seconds:.3g} s").format(seconds=seconds)
    units = (
        (_("{large} d {small} h"), 86_400, 3600),
        (_("{large} h {small} min"), 3600, 60),
        (_("{large} min {small} s"), 60, 1),
    )
    counts = (
        (text, *divmod(round(seconds / small_s), large_s // small_s))
        for text, large_s, small_s in units
    )
    text, large, small = next(count for count in counts if count[1])
    return text.format(large=large, small=small)


class _Outages(NamedTuple):
    """Outages as arrays: in which row, from when to when, noticed when, and of which kind."""

    row: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    detected_s: np.ndarray
    is_slow: np.ndarray
    is_shared: np.ndarray


def up_and_down(
    intervals: DataFrame,
    rows: Sequence[str],
    duration_s: float,
    *,
    finding: str = "",
    **layout: Any,
) -> go.Figure:
    """A strip of time for each row: thin where it is up, thick where it is down.

    Takes intervals (`tables.INTERVALS`) and the names of the rows from top to bottom: servers, and
    the whole where its outages are among the intervals. `layout` is plotly's, `figures.LIVE` for
    instance.
    """
    unit, unit_s = next((name, seconds) for name, seconds, most in _UNITS if duration_s <= most)
    known = _as_arrays(intervals[intervals["server"].isin(rows)], rows, duration_s)
    down_s = np.bincount(known.row, known.end_s - known.start_s, len(rows))
    ups = dict(zip(rows, 1 - down_s / duration_s, strict=True))
    counts = dict(zip(rows, np.bincount(known.row, minlength=len(rows)), strict=True))
    finding = finding or _finding(ups)
    return drawing(
        finding,
        f"{finding}. {_in_words(ups, counts)}",
        x=_("time ({unit})").format(unit=unit),
        y="",
        traces=_strips(known, len(rows), duration_s, unit_s),
        **_strip_layout(rows, duration_s / unit_s),
        **layout,
    )


def _as_arrays(known: DataFrame, rows: Sequence[str], duration_s: float) -> _Outages:
    place = {name: number for number, name in enumerate(rows)}
    end_s = known["repaired_s"].to_numpy()
    return _Outages(
        row=np.array([place[name] for name in known["server"]], int),
        start_s=known["start_s"].to_numpy(),
        end_s=np.where(end_s < duration_s, end_s, duration_s),
        detected_s=known["detected_s"].to_numpy(),
        is_slow=(known["cause"] == "slow").to_numpy(bool),
        is_shared=known["shared"].to_numpy(),
    )


def _strips(
    known: _Outages, rows: int, duration_s: float, unit_s: float
) -> Iterator[dict[str, Any]]:
    """The time of each row, its outages by their kinds, and when the balancer noticed them."""
    all_rows, nothing = np.arange(rows), np.zeros(rows)
    yield _bars(all_rows, nothing, nothing + duration_s / unit_s, 0.08, "ok", _("up"))
    alone = ~known.is_slow & ~known.is_shared
    kinds = (
        (alone, 0.42, "error", "", _("down")),
        (~known.is_slow & known.is_shared, 0.72, "error", "x", _("down, all by one cause")),
        (known.is_slow, 0.42, "slow", "", _("slow")),
    )
    for which, width, colour, shape, name in kinds:
        if which.any():
            start, end = known.start_s[which] / unit_s, known.end_s[which] / unit_s
            bars = _bars(known.row[which], start, end, width, colour, name)
            # The outline is seen where the outage is too short for this scale.
            bars["marker"]["line"] = {"color": COLOURS[colour], "width": 1.5}
            bars["marker"]["pattern"] = {"shape": shape, "size": 5}
            yield bars
    # In a year one cannot see the minutes until it was noticed.
    is_seen = known.detected_s - known.start_s > _LEAST_SEEN * duration_s
    if is_seen.any():
        yield {
            "type": "scatter",
            "x": known.detected_s[is_seen] / unit_s,
            "y": 0.42 - known.row[is_seen],
            "name": _("the balancer knows"),
            "mode": "markers",
            "marker": {"symbol": "triangle-down", "size": 9, "color": COLOURS["measured"]},
        }


def _bars(
    row: np.ndarray, start: np.ndarray, end: np.ndarray, width: float, colour: str, name: str
) -> dict[str, Any]:
    # The first row is on top.
    bars = {"type": "bar", "orientation": "h", "base": start, "x": end - start, "y": -1.0 * row}
    looks = {"width": width, "marker": {"color": COLOURS[colour]}, "hoverinfo": "name"}
    return bars | looks | {"name": name}


def _strip_layout(rows: Sequence[str], end: float) -> dict[str, Any]:
    return {
        "height": 190 + _ROW_PX * len(rows),
        "barmode": "overlay",
        "showlegend": True,
        "xaxis": {"range": [0, end]},
        "yaxis": {
            "range": [0.5 - len(rows), 0.6],
            "tickvals": [-place for place in range(len(rows))],
            "ticktext": list(rows),
            "showgrid": False,
            "ticks": "",
        },
    }


def _finding(ups: Mapping[str, float]) -> str:
    *servers, last = ups.values()
    if not servers:
        return _("Up {share} of the time").format(share=share_text(last))
    return _("The whole was up {last} of the time, its servers {least} to {most}").format(
        last=share_text(last), least=share_text(min(servers)), most=share_text(max(servers))
    )


def _in_words(ups: Mapping[str, float], counts: Mapping[str, int]) -> str:
    text = _("{name} was up {share} of the time; outages: {outages}.")
    return " ".join(
        text.format(name=name, share=share_text(up), outages=counts[name])
        for name, up in ups.items()
    )


def what_copies_buy(
    downtimes: Mapping[str, Sequence[float]], *, predicted_minutes: float | None = None
) -> go.Figure:
    """The downtime in minutes a year by the number of copies, one line a kind of failure.

    `downtimes` are minutes for one copy, two, three and so on, by what is assumed: two kinds or
    more, the most hopeful first.
    """
    first, *_between, last = downtimes
    text = _("{kind}: one copy is down {one} min a year, two {two} min, {most} copies {least} min.")
    summary = " ".join(
        text.format(
            kind=kind,
            one=f"{minutes[0]:,.0f}",
            two=f"{minutes[1]:,.3g}",
            most=len(minutes),
            least=f"{minutes[-1]:,.3g}",
        )
        for kind, minutes in downtimes.items()
    )
    text = _("{first}: the second copy buys {some} times less downtime; {last}: only {few} times")
    finding = text.format(
        first=first,
        some=f"{downtimes[first][0] / downtimes[first][1]:.0f}",
        last=last,
        few=f"{downtimes[last][0] / downtimes[last][1]:.0f}",
    )
    figure = drawing(finding, summary, x=_("copies"), y=_("downtime (minutes a year)"))
    looks = ("dot", "solid", "dash", "longdash")
    for (kind, minutes), dash in zip(downtimes.items(), looks, strict=False):
        copies = np.arange(1, len(minutes) + 1)
        line = {"color": COLOURS["theory"], "width": 2.5, "dash": dash}
        trace = go.Scatter(x=copies, y=list(minutes), name=kind, mode="lines+markers", line=line)
        figure.add_trace(trace.update(marker_size=8))
    # A trace: plotly puts the label of a line across a logarithmic scale somewhere else.
    if predicted_minutes is not None and predicted_minutes > 0:
        figure.add_trace(_prediction(len(downtimes[first]), predicted_minutes))
    figure.update_xaxes(dtick=1)
    figure.update_yaxes(type="log", dtick=1, exponentformat="none", rangemode="normal")
    return figure.update_layout(showlegend=True)


def _prediction(copies: int, minutes: float) -> go.Scatter:
    line = {"color": COLOURS["prediction"], "width": 3, "dash": "dot"}
    name = _("your prediction")
    return go.Scatter(x=[1, copies], y=[minutes, minutes], name=name, mode="lines", line=line)


def one_run_among_many(
    spread: DataFrame,
    measured: float,
    formula: float,
    *,
    column: str = "answered",
    predicted: float | None = None,
) -> go.Figure:
    """A measured share (0 to 1) over the formula's and those of simulated runs of the same length.

    Takes the table of `outages.spread`.
    """
    shares = 100 * spread[column].to_numpy()
    low, high = np.quantile(shares, [0.05, 0.95])
    inside = low - 1e-9 <= 100 * measured <= high + 1e-9
    text = (
        _("The real run gave {measured}; nine of ten simulated ones lie between {low} and {high}")
        if inside
        else _("The real run gave {measured}, outside the {low} to {high} of nine of ten simulated")
    )
    finding = text.format(
        measured=percent_text(round(measured, 4)),
        low=percent_text(round(low / 100, 4)),
        high=percent_text(round(high / 100, 4)),
    )
    ending = _("{finding}. In the long run the formula says {formula}.")
    summary = ending.format(finding=finding, formula=percent_text(round(formula, 4)))
    x, y = _("share in one run (%)"), _("simulated runs")
    figure = drawing(finding, summary, x=x, y=y)
    least = min(shares.min(), 100 * measured, 100 * formula)
    edges = np.linspace(min(least, 99.0), 100, 26)
    counts, edges = np.histogram(shares, edges)
    figure.add_bar(
        x=(edges[1:] + edges[:-1]) / 2,
        y=counts,
        width=np.diff(edges) * 0.92,
        name=_("simulated, each with other luck"),
        marker={"color": COLOURS["simulated"], "line_width": 0},
    )
    top = float(counts.max())
    figure.add_trace(_upright(100 * formula, top, _("theory"), "theory", "solid"))
    figure.add_trace(_upright(100 * measured, top, _("measured"), "measured", "dash"))
    figure.add_scatter(
        x=[100 * measured],
        y=[top / 2],
        mode="markers",
        marker={"symbol": "x", "size": 13, "color": COLOURS["measured"]},
        showlegend=False,
    )
    if predicted is not None:
        add_prediction(figure, _("your prediction"), x=100 * predicted)
    return figure.update_layout(showlegend=True)


def _upright(x: float, top: float, name: str, colour: str, dash: str) -> go.Scatter:
    line = {"color": COLOURS[colour], "width": 3, "dash": dash}
    return go.Scatter(x=[x, x], y=[0, 1.06 * top], name=name, mode="lines", line=line)


def block_diagram(system: Block, *, marks_weakest: bool = True) -> go.Figure:
    """The parts of a system as boxes on wires: it is up while a way leads from left to right.

    The part whose failures cost the whole most has a thick frame, unless somebody is to find it.
    """
    table = system.table()
    weakest = table["part"][table[table.columns[-1]].idxmin()] if marks_weakest else ""
    finding = _in_one_line(system, weakest)
    each = _("{part} {share}")
    parts = ", ".join(
        each.format(part=part, share=share_text(share))
        for part, share in zip(table["part"], table["availability"], strict=True)
    )
    figure = drawing(finding, f"{finding}. {parts}.", x="", y="")
    width, height = _size(system)
    _draw(figure, system, 0.0, 0.0, weakest)
    _wire(figure, (-0.35, 0), (0, 0))
    _wire(figure, (width, 0), (width + 0.35, 0))
    figure.update_xaxes(visible=False, range=[-0.5, width + 0.5])
    figure.update_yaxes(visible=False, range=[-height / 2 - 0.1, height / 2 + 0.3])
    return figure.update_layout(height=int(100 + 95 * height), margin={"t": 80, "b": 16})


def _in_one_line(system: Block, weakest: str) -> str:
    text = _("{name}: up {share}, down {duration} a year")
    if weakest:
        text = _("{name}: up {share}, down {duration} a year, weakest at: {weakest}")
    up = system.availability
    duration = duration_text(downtime(up))
    return text.format(name=system.name, share=share_text(up), duration=duration, weakest=weakest)


# Where copies begin and end, their wires part and meet.
_SPLIT = 0.3
_BOX_WIDTH, _BOX_HEIGHT = 0.82, 0.56


def _size(block: Block) -> tuple[float, float]:
    """How much room a block takes, where a part takes 1 by 1."""
    if isinstance(block, Part):
        return 1.0, 1.0
    widths, heights = zip(*map(_size, block.parts), strict=True)
    if isinstance(block, Copies):
        return max(widths) + 2 * _SPLIT, sum(heights)
    return sum(widths), max(heights)


def _draw(figure: go.Figure, block: Block, left: float, middle: float, weakest: str) -> None:
    """Draw a block whose way goes in at the left and out at the right, at this height."""
    if isinstance(block, Part):
        _draw_part(figure, block, left, middle, block.name == weakest)
    elif isinstance(block, Copies):
        _draw_copies(figure, block, left, middle, weakest)
    else:
        for part in block.parts:
            _draw(figure, part, left, middle, weakest)
            left += _size(part)[0]


def _draw_copies(
    figure: go.Figure, copies: Copies, left: float, middle: float, weakest: str
) -> None:
    width, height = _size(copies)
    top, right = middle + height / 2, left + width
    levels = []
    for part in copies.parts:
        own_width, own_height = _size(part)
        levels.append(top - own_height / 2)
        top -= own_height
        start = left + (width - own_width) / 2
        _draw(figure, part, start, levels[-1], weakest)
        _wire(figure, (left, levels[-1]), (start, levels[-1]))
        _wire(figure, (start + own_width, levels[-1]), (right, levels[-1]))
    for x in (left, right):
        _wire(figure, (x, levels[0]), (x, levels[-1]))
    text = _("{needed} of {copies}").format(needed=copies.needed, copies=len(copies.parts))
    corner = {"x": left, "y": levels[0], "xanchor": "left", "yanchor": "bottom"}
    figure.add_annotation(text=text, showarrow=False, **corner)


def _draw_part(figure: go.Figure, part: Part, left: float, middle: float, is_weakest: bool) -> None:
    gap = (1 - _BOX_WIDTH) / 2
    colour, thickness = (COLOURS["error"], 4) if is_weakest else (COLOURS["theory"], 1.5)
    figure.add_shape(
        type="rect",
        x0=left + gap,
        x1=left + 1 - gap,
        y0=middle - _BOX_HEIGHT / 2,
        y1=middle + _BOX_HEIGHT / 2,
        line={"color": colour, "width": thickness},
    )
    _wire(figure, (left, middle), (left + gap, middle))
    _wire(figure, (left + 1 - gap, middle), (left + 1, middle))
    text = f"<b>{html.escape(part.name)}</b><br>{share_text(part.availability)}"
    figure.add_annotation(x=left + 0.5, y=middle, text=text, showarrow=False)


def _wire(figure: go.Figure, origin: tuple[float, float], goal: tuple[float, float]) -> None:
    line = {"color": COLOURS["theory"], "width": 2}
    (x0, y0), (x1, y1) = origin, goal
    figure.add_shape(type="line", x0=x0, y0=y0, x1=x1, y1=y1, line=line)
