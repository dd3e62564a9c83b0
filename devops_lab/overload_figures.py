"""Figures of overload: what is asked and answered over time, tries by layer, when tries come, and
pages that wait for the slowest of many."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.figures import (
    COLOURS,
    add_prediction,
    divide,
    drawing,
    measured_crosses,
    milliseconds,
    percent_text,
    theory_line,
    time_text,
)
from devops_lab.translation import _

# The last seconds of a run tell how it ended.
END_S = 3.0
# Answered is who gets an answer as often as all but a tenth of the requests come.
GOOD_SHARE = 0.9


class Outage(NamedTuple):
    """When the cause of the trouble was there, in seconds since the run's start."""

    from_s: float
    until_s: float


def asked_and_answered(
    courses: Mapping[str, DataFrame],
    *,
    outage: Outage,
    load_per_s: float,
    capacity_per_s: float,
    measured: DataFrame | None = None,
) -> go.Figure:
    """Tries and answers a second over time, a panel a run (`overload.over_time`).

    The outage is shaded, `capacity_per_s` dashed. `measured` are crosses over a single run.
    """
    sentences = [_end_in_words(name, run, outage, load_per_s) for name, run in courses.items()]
    last = list(courses)[-1]
    finding = _finding(courses[last], outage, load_per_s)
    summary = " ".join([f"{finding}.", *sentences, *_measured_in_words(measured, outage)])
    x, y = _("time since the run's start (s)"), _("requests a second")
    panels = [*courses.values()]
    scale = {"range": [0, _scale_end(panels, capacity_per_s)]}
    if len(courses) == 1:
        traces = _traces(panels[0], capacity_per_s, measured)
        look = {"shapes": [_shade(outage)], "annotations": [_shade_name(outage)], "yaxis": scale}
        look["xaxis"] = {"range": [0, _end_s(panels[0])]}
        return drawing(finding, summary, x=x, y=y, traces=traces, showlegend=True, **look)
    figure = drawing(finding, summary, x=x, y=y)
    divide(figure, list(courses))
    for column, run in enumerate(panels, 1):
        for trace in _traces(run, capacity_per_s):
            figure.add_trace(trace | {"showlegend": column == 1}, row=1, col=column)
        figure.add_vrect(*outage, **_SHADE, **_upright_name(), row=1, col=column)
    figure.update_yaxes(scale)
    figure.update_xaxes(range=[0, max(map(_end_s, panels))])
    return figure.update_layout(showlegend=True)


_SHADE = {"fillcolor": COLOURS["theory"], "opacity": 0.18, "line_width": 0, "layer": "below"}
_TRIES = {"color": COLOURS["slow"], "width": 2.5, "dash": "solid"}
_GOOD = {"color": COLOURS["ok"], "width": 3}


def _traces(
    run: DataFrame, capacity_per_s: float, measured: DataFrame | None = None
) -> list[dict[str, Any]]:
    x = run["time_s"].to_numpy()
    edges = np.array([0.0, _end_s(run)])
    traces = [
        _line(_("can be answered"), edges, np.full(2, capacity_per_s), _CAPACITY),
        _line(_("tries that come"), x, run["tries_per_s"].to_numpy(), _TRIES),
        _line(_("answered in time"), x, run["answers_per_s"].to_numpy(), _GOOD),
    ]
    if measured is not None:
        x = measured["time_s"].to_numpy()
        tries, good = (measured[name].to_numpy() for name in ("tries_per_s", "answers_per_s"))
        traces.append(_crosses(_("tries, measured"), x, tries, _TRIES))
        traces.append(_crosses(_("answered, measured"), x, good, _GOOD))
    return traces


_CAPACITY = {"color": COLOURS["theory"], "width": 2, "dash": "dash"}


def _line(name: str, x: np.ndarray, y: np.ndarray, line: dict[str, Any]) -> dict[str, Any]:
    return {"type": "scatter", "x": x, "y": y, "name": name, "mode": "lines", "line": line}


def _crosses(name: str, x: np.ndarray, y: np.ndarray, line: dict[str, Any]) -> dict[str, Any]:
    stroke = {"color": line["color"], "width": 2}
    marker = {"symbol": "x-thin", "size": 9, "line": stroke, "color": line["color"]}
    return {"type": "scatter", "x": x, "y": y, "name": name, "mode": "markers", "marker": marker}


def _shade(outage: Outage) -> dict[str, Any]:
    return {
        "type": "rect",
        "yref": "paper",
        "x0": outage.from_s,
        "x1": outage.until_s,
        "y0": 0,
        "y1": 1,
        "fillcolor": _SHADE["fillcolor"],
        "opacity": _SHADE["opacity"],
        "line": {"width": 0},
        "layer": "below",
    }


def _shade_name(outage: Outage) -> dict[str, Any]:
    return {
        "text": _("outage"),
        "x": (outage.from_s + outage.until_s) / 2,
        "y": 0.99,
        "yref": "paper",
        "yanchor": "top",
        "showarrow": False,
    }


def _upright_name() -> dict[str, Any]:
    """The stripe's name for a narrow panel; a new one each time, as plotly writes into it."""
    name = {"text": _("outage"), "textangle": -90, "xanchor": "center", "yanchor": "top"}
    return {"annotation": name, "annotation_position": "top"}


def _scale_end(runs: list[DataFrame], capacity_per_s: float) -> float:
    """The end of the scale: one that moves with each number would hide a climb."""
    highest = max(capacity_per_s, *(float(run["tries_per_s"].max()) for run in runs))
    return next((end for end in (80, 160, 320, 640, 1_280) if 1.04 * highest < end), 2_560)


def _ending(run: DataFrame, outage: Outage) -> tuple[float, float]:
    """Tries and answers a second at the end of a run."""
    end_s = _end_s(run)
    last = run[run["time_s"] > end_s - min(END_S, (end_s - outage.until_s) / 2)]
    return float(last["tries_per_s"].mean()), float(last["answers_per_s"].mean())


def _end_s(run: DataFrame) -> float:
    """The end of a run, of which the table has the middles of its steps."""
    return float(run["time_s"].iloc[-1] + run["time_s"].iloc[0])


def _finding(run: DataFrame, outage: Outage, load_per_s: float) -> str:
    tries, answers = _ending(run, outage)
    since = time_text(_end_s(run) - outage.until_s)
    if answers >= GOOD_SHARE * load_per_s:
        return _("At the run's end, {since} after the outage, all is well again").format(
            since=since
        )
    text = _("{since} after the outage {tries:.0f} tries come each second, and {good:.0f} succeed")
    return text.format(since=since, tries=tries, good=answers)


def _end_in_words(name: str, run: DataFrame, outage: Outage, load_per_s: float) -> str:
    tries, answers = _ending(run, outage)
    text = _(
        "{name}: the outage lasts {lasts}; at the end {tries:.0f} tries a second come for "
        "{load:g} requests, and {good:.0f} are answered."
    )
    lasts = time_text(outage.until_s - outage.from_s)
    name = name[:1].upper() + name[1:]
    return text.format(name=name, lasts=lasts, tries=tries, load=load_per_s, good=answers)


def _measured_in_words(measured: DataFrame | None, outage: Outage) -> list[str]:
    if measured is None:
        return []
    tries, answers = _ending(measured, outage)
    text = _("On real servers: {tries:.0f} tries and {good:.0f} answers a second at the end.")
    return [text.format(tries=tries, good=answers)]


def tries_by_layer(
    asked: DataFrame, expected: list[float], clicks: int, predicted_tries: float | None = None
) -> go.Figure:
    """How many tries each layer gets for one click: measured (`Layers.asked`), and the formula's.

    `clicks` is how many customers there were; a learner's prediction is dotted.
    """
    per_click = asked["requests"].to_numpy() / clicks
    layers = asked["layer"].tolist()
    finding = _("One click is {tries:.0f} tries at the {layer}").format(
        tries=per_click[-1], layer=layers[-1]
    )
    text = _("{layer}: {tries:.1f} for each click, the formula says {expected:g}.")
    said = [
        text.format(layer=layer, tries=tries, expected=formula)
        for layer, tries, formula in zip(layers, per_click, expected, strict=True)
    ]
    figure = drawing(finding, " ".join([f"{finding}.", *said]), x="", y=_("tries for one click"))
    figure.add_bar(
        x=layers,
        y=per_click,
        name=_("measured"),
        marker_color=COLOURS["measured"],
        text=[f"{tries:.0f}" for tries in per_click],
        textposition="outside",
        width=0.5,
    )
    dash = {"symbol": "line-ew", "size": 80, "line": {"color": COLOURS["theory"], "width": 3}}
    figure.add_scatter(x=layers, y=expected, name=_("theory"), mode="markers", marker=dash)
    if predicted_tries is not None:
        add_prediction(figure, _("your prediction"), y=predicted_tries)
    highest = max(*expected, *per_click, min(predicted_tries or 0, 3 * expected[-1]))
    figure.update_yaxes(range=[0, 1.2 * highest])
    return figure.update_layout(showlegend=True)


def when_tries_come(clients: Mapping[str, DataFrame]) -> go.Figure:
    """The moments at which many clients try that failed together: a row a kind of pause, one
    circle a try (`tables.ATTEMPTS`)."""
    busiest = {name: _busiest_share(attempts) for name, attempts in clients.items()}
    finding = _("Without chance all come back in one block, as often as they try")
    text = _("{name}: {share} of the retries come within the same tenth of a second.")
    said = [text.format(name=name, share=percent_text(share)) for name, share in busiest.items()]
    x = _("time since the first failure (s)")
    figure = drawing(finding, " ".join([f"{finding}.", *said]), x=x, y="")
    for name, attempts in reversed(clients.items()):
        figure.add_scatter(
            x=attempts["start_s"].to_numpy(),
            y=[name] * len(attempts),
            mode="markers",
            marker={
                "symbol": "line-ns",
                "size": 26,
                "opacity": 0.7,
                "line": {"width": 1.5, "color": COLOURS["simulated"]},
            },
            showlegend=False,
        )
    return figure


def _busiest_share(attempts: DataFrame) -> float:
    retries_s = attempts.loc[attempts["attempt"] > 1, "start_s"]
    return round(float((retries_s // 0.1).value_counts(normalize=True).max()), 2)


def slow_pages_by_servers(
    formula: DataFrame,
    measured: Mapping[int, float] | None = None,
    predicted_percent: float | None = None,
) -> go.Figure:
    """The share of slow pages in % by the number of servers a page asks: columns `servers`,
    `slow_pages` of the formula, crosses for real pages, dotted the learner's own."""
    servers, shares = formula["servers"].to_numpy(), formula["slow_pages"].to_numpy()
    finding = _("Of pages that ask {servers} servers {share} are slow").format(
        servers=servers[-1], share=percent_text(round(shares[-1], 2))
    )
    text = _("With {servers} servers {share} of the real pages were slow.")
    said = [
        text.format(servers=count, share=percent_text(round(share, 3)))
        for count, share in (measured or {}).items()
    ]
    x, y = _("servers that a page asks"), _("slow pages (%)")
    figure = drawing(finding, " ".join([f"{finding}.", *said]), x=x, y=y)
    figure.add_trace(theory_line(servers, 100 * shares))
    if measured:
        crosses = np.array([*measured]), 100 * np.array([*measured.values()])
        figure.add_trace(measured_crosses(*crosses))
    if predicted_percent is not None:
        add_prediction(figure, _("your prediction"), y=predicted_percent)
    figure.update_yaxes(range=[0, 102])
    return figure.update_layout(showlegend=True)


class Tail(NamedTuple):
    """One choice of hedging for `page_latencies`: the pages' p50, p95 and p99 in seconds, and how
    many requests more it sends, as a share."""

    quantiles_s: np.ndarray
    more_requests: float


MARKS = ("p50", "p95", "p99")
_BARS = {"one": COLOURS["slow"], "hedged": COLOURS["ok"]}


def page_latencies(one: Tail, hedged: Tail, slow_pages: float, fan_out: int) -> go.Figure:
    """A page's p50, p95 and p99 in ms on a logarithmic scale, without and with hedging.

    `slow_pages` is the share of pages that meet at least one slow server, without hedging.
    """
    share = percent_text(round(slow_pages, 3))
    finding = _("With {servers} servers a page, {share} of the pages meet a slow one")
    finding = finding.format(servers=fan_out, share=share)
    text = _("{finding}. Without hedging {one}; with it {hedged}, for {more} more requests.")
    summary = text.format(
        finding=finding,
        one=_marks_in_words(one),
        hedged=_marks_in_words(hedged),
        more=percent_text(round(hedged.more_requests, 3)),
    )
    traces = [
        _mark_bars(_("one request each"), one, _BARS["one"], ""),
        _mark_bars(_("hedged"), hedged, _BARS["hedged"], "/"),
    ]
    scale = {"type": "log", "range": [0.9, 4.3], "dtick": 1}
    y = _("a page's latency (ms)")
    return drawing(finding, summary, x="", y=y, traces=traces, yaxis=scale, showlegend=True)


def _mark_bars(name: str, tail: Tail, colour: str, pattern: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": list(MARKS),
        "y": milliseconds(tail.quantiles_s),
        "name": name,
        "marker": {"color": colour, "pattern": {"shape": pattern}},
        "text": [time_text(seconds) for seconds in tail.quantiles_s],
        "textposition": "outside",
    }


def _marks_in_words(tail: Tail) -> str:
    said = [
        f"{mark} {time_text(seconds)}"
        for mark, seconds in zip(MARKS, tail.quantiles_s, strict=True)
    ]
    return ", ".join(said)
