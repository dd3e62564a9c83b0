"""Figures of balancers and autoscalers: who got which request, and how many servers there were."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.autoscaler import Autoscaler, Day, FleetDay, changes_of_direction, server_seconds
from devops_lab.figures import (
    COLOURS,
    ENDS,
    WAYS,
    add_prediction,
    divide,
    drawing,
    measured_crosses,
    milliseconds,
    percent_text,
    scale_end,
    simulated_points,
    theory_line,
    time_text,
)
from devops_lab.translation import _, ngettext

Runs = Mapping[str, DataFrame]


def requests_by_server(
    runs: Runs, slow: str = "server-1", *, predicted_ms: float | None = None
) -> go.Figure:
    """Each request at its moment: its latency in ms, and whether the slow server had it.

    One panel a run, with its p95 as a line; takes tables of attempts (`tables.ATTEMPTS`) under the
    names of their panels. `predicted_ms`, the learner's p95 of the first run, is a dotted line.
    """
    summary = " ".join(_slow_share_in_words(name, run, slow) for name, run in runs.items())
    x, y = _("time since the run's start (s)"), _("latency (ms)")
    figure = drawing(_worst_in_words(runs), summary, x=x, y=y)
    divide(figure, [*runs])
    looks = {
        _("a well server"): (False, "service", "circle"),
        _("the slow server"): (True, "slow", "triangle-up"),
    }
    for column, attempts in enumerate(runs.values(), 1):
        is_slow = (attempts["server"] == slow).fillna(value=False)
        for name, (whose, colour, symbol) in looks.items():
            some = attempts[is_slow == whose]
            figure.add_scatter(
                x=some["intended_s"].to_numpy(),
                y=milliseconds(some["latency_s"].to_numpy()),
                name=name,
                legendgroup=name,
                mode="markers",
                marker={"color": COLOURS[colour], "symbol": symbol, "size": 7},
                showlegend=column == 1,
                row=1,
                col=column,
            )
        _mark_p95(figure, column, milliseconds(attempts["latency_s"].quantile(0.95)))
    if predicted_ms is not None:
        first = next(iter(runs.values()))
        figure.add_trace(_prediction(first["intended_s"].max(), predicted_ms), row=1, col=1)
    return figure


def _mark_p95(figure: go.Figure, column: int, p95_ms: float) -> None:
    figure.add_hline(
        p95_ms,
        row=1,
        col=column,
        line={"color": COLOURS["theory"], "width": 2, "dash": "dash"},
        annotation={"text": "p95"},
        annotation_position="top left",
    )


def _slow_share_in_words(name: str, attempts: DataFrame, slow: str) -> str:
    latency_s = attempts["latency_s"]
    text = _("{name}: the slow server had {share} of the requests, p50 {p50}, p95 {p95}.")
    return text.format(
        name=name[:1].upper() + name[1:],
        share=percent_text(round(float((attempts["server"] == slow).mean()), 2)),
        p50=time_text(latency_s.median()),
        p95=time_text(latency_s.quantile(0.95)),
    )


def _worst_in_words(runs: Runs) -> str:
    text = _("{name}: 95 of 100 within {p95}")
    return " · ".join(
        text.format(name=name, p95=time_text(run["latency_s"].quantile(0.95)))
        for name, run in runs.items()
    )


def outages(runs: Runs) -> go.Figure:
    """Each request at its moment: its latency in ms, and how it ended; one panel a run.

    Takes tables of attempts under the names of their panels; `attrs["outages"]`, where there, are
    the seconds from which to which a server was down, by what was wrong with it.
    """
    lost = {name: int((run["outcome"] != "ok").sum()) for name, run in runs.items()}
    text = _("{name}: {lost} of {count} lost")
    finding = " · ".join(
        text.format(name=name, lost=lost[name], count=len(run)) for name, run in runs.items()
    )
    text = _("{name}: the longest answer took {longest}.")
    said = [
        text.format(
            name=name, longest=time_text(run.loc[run["outcome"] == "ok", "latency_s"].max())
        )
        for name, run in runs.items()
    ]
    x, y = _("time (s)"), _("latency (ms)")
    figure = drawing(finding, " ".join([f"{finding}.", *said]), x=x, y=y)
    divide(figure, [*runs])
    in_legend: set[str] = set()
    for column, run in enumerate(runs.values(), 1):
        for rank, (end, (colour, words, symbol)) in enumerate(ENDS.items()):
            some = run[run["outcome"] == end]
            figure.add_scatter(
                x=some["intended_s"].to_numpy(),
                y=milliseconds(some["latency_s"].to_numpy()),
                name=words,
                legendgroup=end,
                legendrank=rank,
                mode="markers",
                marker={"color": COLOURS[colour], "symbol": symbol, "size": 8},
                # What takes no time at all would stand half below the axis.
                cliponaxis=False,
                # An empty panel would leave its word out of the legend of all.
                showlegend=len(some) > 0 and end not in in_legend,
                row=1,
                col=column,
            )
            in_legend |= {end} if len(some) else set()
        for trouble, (begin_s, end_s) in run.attrs.get("outages", {}).items():
            _shade(figure, column, trouble, begin_s, end_s)
    # Room above the points for the names of the troubles.
    longest_ms = milliseconds(max(run["latency_s"].max() for run in runs.values()))
    figure.update_yaxes(range=[0, scale_end(1.15 * longest_ms, least=20)])
    return figure.update_layout(showlegend=True)


def _shade(figure: go.Figure, column: int, trouble: str, begin_s: float, end_s: float) -> None:
    figure.add_vrect(
        begin_s,
        end_s,
        row=1,
        col=column,
        fillcolor=COLOURS["theory"],
        opacity=0.15,
        line_width=0,
        annotation={"text": trouble, "font": {"size": 12}, "xanchor": "left"},
        annotation_position="top left",
        layer="below",
    )


def latency_by_policy(
    simulated: Runs,
    measured: Runs | None = None,
    *,
    chosen: str = "",
    predicted_ms: float | None = None,
    **layout: Any,
) -> go.Figure:
    """The p95 latency in ms with each policy, simulated and on real servers; half of the requests
    are below the small mark.

    Takes tables of attempts under the policies' names. A ring is about the `chosen` one, and
    `predicted_ms` is drawn as a dotted line. `layout` is plotly's, `figures.LIVE` for a figure that
    moves.
    """
    p95_s = {name: run["latency_s"].quantile(0.95) for name, run in simulated.items()}
    best, worst = min(p95_s, key=p95_s.get), max(p95_s, key=p95_s.get)
    one = chosen or worst
    other = worst if one == best else best
    finding = _("95 of 100 within {one_s} with {one}, within {other_s} with {other}").format(
        one=one, other=other, one_s=time_text(p95_s[one]), other_s=time_text(p95_s[other])
    )
    traces = [
        _medians(simulated),
        simulated_points(*_p95_ms(simulated)).update(marker_size=13),
    ]
    if measured:
        traces.append(measured_crosses(*_p95_ms(measured)).update(marker_size=12))
    if chosen:
        traces.append(_ring(chosen, milliseconds(p95_s[chosen])))
    figure = drawing(
        finding,
        _policies_in_words(simulated, measured or {}),
        x="",
        y=_("latency, p95 (ms)"),
        traces=traces,
        xaxis={"categoryorder": "array", "categoryarray": [*simulated]},
        showlegend=True,
        **layout,
    )
    if predicted_ms is not None:
        add_prediction(figure, _("your prediction"), y=predicted_ms)
    return figure


def _ring(name: str, height_ms: float) -> go.Scatter:
    marker = {"symbol": "circle-open", "size": 26, "color": COLOURS["theory"], "line_width": 2}
    return go.Scatter(x=[name], y=[height_ms], name=_("chosen"), mode="markers", marker=marker)


def _p95_ms(runs: Runs) -> tuple[list[str], np.ndarray]:
    return [*runs], milliseconds(np.array([r["latency_s"].quantile(0.95) for r in runs.values()]))


def _medians(runs: Runs) -> go.Scatter:
    heights_ms = milliseconds(np.array([run["latency_s"].median() for run in runs.values()]))
    marker = {"symbol": "line-ew", "size": 20}
    marker["line"] = {"color": COLOURS["simulated"], "width": 2}
    name = _("simulated, p50")
    return go.Scatter(x=[*runs], y=heights_ms, name=name, mode="markers", marker=marker)


def _policies_in_words(simulated: Runs, measured: Runs) -> str:
    ways = {_("simulated"): simulated, _("measured"): measured}
    text = _("{policy}, {way}: p50 {p50}, p95 {p95}.")
    return " ".join(
        text.format(
            policy=policy[:1].upper() + policy[1:],
            way=way,
            p50=time_text(run["latency_s"].median()),
            p95=time_text(run["latency_s"].quantile(0.95)),
        )
        for way, runs in ways.items()
        for policy, run in runs.items()
    )


def old_news(by_age: DataFrame, others: Runs) -> go.Figure:
    """The p95 latency in ms of who sends to the shortest queue of some time ago, by that time.

    `by_age` is a sweep over `information_age_s`; `others` are the attempts with policies that need
    no such news, by their names, drawn as lines.
    """
    p95_s = {name: run["latency_s"].quantile(0.95) for name, run in others.items()}
    ages_ms = milliseconds(by_age["information_age_s"].to_numpy(float))
    p95_ms = milliseconds(by_age["latency_p95_s"].to_numpy(float))
    text = _("Knowing the queues of {age} ago is worse than knowing nothing")
    worse = by_age[by_age["latency_p95_s"] > max(p95_s.values())]
    finding = _("News of the queues helps as long as it is fresh")
    if len(worse):
        finding = text.format(age=time_text(worse["information_age_s"].iloc[0]))
    text = _("{name}: p95 {p95}.")
    said = [text.format(name=name, p95=time_text(s)) for name, s in p95_s.items()]
    text = _("Shortest queue of {age} ago: p95 {p95}.")
    said += [
        text.format(age=time_text(age_s), p95=time_text(s))
        for age_s, s in zip(by_age["information_age_s"], by_age["latency_p95_s"], strict=True)
    ]
    x = _("how old the balancer's news is (ms)")
    figure = drawing(finding, " ".join([finding + ".", *said]), x=x, y=_("latency, p95 (ms)"))
    points = simulated_points(ages_ms, p95_ms)
    figure.add_trace(points.update(mode="lines+markers", name=_("shortest queue, old news")))
    for dash, (name, seconds) in zip(("dash", "dot", "dashdot"), p95_s.items(), strict=False):
        line = {"color": COLOURS["theory"], "width": 2, "dash": dash}
        height = [milliseconds(seconds)] * 2
        figure.add_scatter(x=[0, ages_ms[-1]], y=height, name=name, mode="lines", line=line)
    figure.update_xaxes(range=[0, 1.03 * ages_ms[-1]])
    return figure.update_layout(showlegend=True)


def fleet_day(
    day: Day,
    autoscaler: Autoscaler,
    simulated: FleetDay,
    measured: FleetDay | None = None,
    *,
    predicted_ms: float | None = None,
    **layout: Any,
) -> go.Figure:
    """How many servers there were over the day, and how long each request took, in ms.

    The grey line is how many servers the load alone would keep busy. `layout` is plotly's,
    `figures.LIVE` for a figure that moves.
    """
    found = {_("model"): simulated} | ({_("real servers"): measured} if measured else {})
    summary = " ".join(_day_in_words(name, one, autoscaler) for name, one in found.items())
    moments_s = np.linspace(0, day.duration_s, 101)
    busy = np.array([day.servers_busy(moment_s) for moment_s in moments_s])
    traces = [
        theory_line(moments_s, busy).update(name=_("kept busy by the load")),
        _asked_steps(simulated.looks),
        _ready_steps(simulated.looks, day),
    ]
    if measured is not None and len(measured.looks):
        looks = measured.looks
        crosses = measured_crosses(looks["time_s"].to_numpy(), looks["ready"].to_numpy())
        traces.append(crosses.update(name=_("ready, measured"), cliponaxis=False))
    for trace, one in ((simulated_points, simulated), (measured_crosses, measured)):
        if one is None:
            continue
        points = trace(
            one.attempts["intended_s"].to_numpy(),
            milliseconds(one.attempts["latency_s"].to_numpy()),
        )
        look = {"marker_size": 5, "showlegend": False, "cliponaxis": False}
        traces.append(points.update(yaxis="y2", **look))
    if predicted_ms is not None:
        traces.append(_prediction(day.duration_s, predicted_ms, yaxis="y2"))
    return drawing(
        _day_finding(simulated, measured),
        summary,
        x=_("time since the day's start (s)"),
        y=_("servers"),
        traces=traces,
        **_two_floors(day, autoscaler) | layout,
    )


def _ready_steps(looks: DataFrame, day: Day) -> go.Scatter:
    return go.Scatter(
        x=[0.0, *looks["time_s"], day.duration_s],
        y=[day.scenario.servers, *looks["ready"], *looks["ready"].tail(1)],
        name=_("ready, simulated"),
        mode="lines",
        line={"color": COLOURS["simulated"], "width": 3, "shape": "vh"},
    )


def _asked_steps(looks: DataFrame) -> go.Scatter:
    return go.Scatter(
        x=looks["time_s"].to_numpy(),
        y=looks["asked"].to_numpy(),
        name=_("asked for, simulated"),
        mode="lines",
        line={"color": COLOURS["simulated"], "width": 1.5, "shape": "hv", "dash": "dot"},
    )


def _prediction(end_s: float, predicted_ms: float, **place: str) -> go.Scatter:
    return go.Scatter(x=[0, end_s], y=[predicted_ms] * 2, **place, **WAYS["prediction"])


def _two_floors(day: Day, autoscaler: Autoscaler) -> dict[str, Any]:
    """Servers above, latencies below, on one time axis; plotly's own subplots take longer than a
    slider may."""
    most = max(autoscaler.max_servers, day.scenario.servers)
    return {
        "height": 560,
        "xaxis": {"range": [0, day.duration_s], "anchor": "y2"},
        "yaxis": {"domain": [0.62, 1], "range": [0, most + 0.5]},
        "yaxis2": {
            "domain": [0, 0.54],
            "title": {"text": _("latency (ms)")},
            "rangemode": "tozero",
        },
        "showlegend": True,
    }


def _day_finding(simulated: FleetDay, measured: FleetDay | None) -> str:
    p99_s = simulated.attempts["latency_s"].quantile(0.99)
    text = _("{most} servers at the most, and 99 of 100 requests within {p99}")
    finding = text.format(most=int(simulated.looks["ready"].max()), p99=time_text(p99_s))
    if measured is None or measured.attempts.empty:
        return finding
    real_s = measured.attempts["latency_s"].quantile(0.99)
    text = _("{finding} (real servers: {real})")
    return text.format(finding=finding, real=time_text(real_s))


def _day_in_words(name: str, day: FleetDay, autoscaler: Autoscaler) -> str:
    latency_s, turns = day.attempts["latency_s"], changes_of_direction(day.looks)
    text = _(
        "{name}: p50 {p50}, p95 {p95}, p99 {p99}; {most} servers at the most, {cost:.0f} "
        "server-seconds."
    )
    said = text.format(
        name=name[:1].upper() + name[1:],
        **{f"p{q}": time_text(latency_s.quantile(q / 100)) for q in (50, 95, 99)},
        most=int(day.looks["ready"].max()) if len(day.looks) else 0,
        cost=server_seconds(day.looks, autoscaler),
    )
    turned = ngettext("It turned round once.", "It turned round {turns} times.", turns)
    return f"{said} {turned.format(turns=turns)}"
