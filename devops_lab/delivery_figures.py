"""Figures of a delivery: what people see after each stage, how long the stages took, and the loop
that changes run through."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.change_flow import LOOP, ChangeFlow
from devops_lab.figures import COLOURS, add_prediction, drawing, percent_text, time_text
from devops_lab.translation import _, ngettext

# The stages of the loop, as a learner reads them.
NAMES = {
    "plan": _("Plan"),
    "code": _("Code"),
    "build": _("Build"),
    "test": _("Test"),
    "release": _("Release"),
    "deploy": _("Deploy"),
    "operate": _("Operate"),
}
_TRACK = "#B8C0C8"
# Between two stages of the ring, in stages.
_GAP = 0.04


def seen_after_stages(
    stages: Sequence[str], prices_won: Sequence[float], prediction: float | None = None
) -> go.Figure:
    """What people were asked for after each stage, in won, and after which stage the learner
    expected it to change."""
    numbers = np.arange(1, len(stages) + 1)
    changed = next((at for at, won in enumerate(prices_won) if won != prices_won[0]), None)
    if changed is None:
        finding = _("No stage has changed what people see")
    else:
        text = _("People see the change after the stage “{stage}”, and not before")
        finding = text.format(stage=stages[changed])
    rows = ", ".join(f"{stage} {won:,.0f}" for stage, won in zip(stages, prices_won, strict=True))
    summary = _("Price of 13 rolls in won after each stage: {rows}.").format(rows=rows)
    has_changed = np.asarray(prices_won) != prices_won[0]
    traces = [
        {
            "type": "scatter",
            "name": name,
            "mode": "markers",
            "x": numbers[which],
            "y": np.asarray(prices_won, dtype=float)[which],
            "marker": {"size": 14, "color": COLOURS[colour], "symbol": symbol},
        }
        for name, which, colour, symbol in (
            (_("the old price"), ~has_changed, "error", "x"),
            (_("the mended price"), has_changed, "ok", "circle"),
        )
    ]
    figure = drawing(
        finding,
        summary,
        x=_("after the stage"),
        y=_("price of 13 rolls (won)"),
        traces=traces,
        # The words of a prediction stand to its right.
        xaxis={"tickvals": numbers, "ticktext": [*stages], "range": [0.5, len(stages) + 1.2]},
        yaxis={"range": [0, 1.15 * max(prices_won)]},
    )
    if prediction is not None:
        add_prediction(figure, _("your prediction"), x=prediction)
    return figure


def time_of_stages(stages: DataFrame) -> go.Figure:
    """How long each stage of one delivery took, one after another: a table of `tables.STAGES`."""
    seconds = stages["seconds"].to_numpy()
    is_stopped = (stages["outcome"] == "stopped").to_numpy()
    whole = time_text(float(seconds.sum()))
    if is_stopped.any():
        text = _("{whole} in all; the line stopped at “{stage}”")
        finding = text.format(whole=whole, stage=stages["stage"][is_stopped].iloc[0])
    else:
        finding = _("{whole} from the commit to the people").format(whole=whole)
    rows = zip(stages["stage"], seconds, strict=True)
    told = ", ".join(f"{stage} {time_text(each)}" for stage, each in rows)
    traces = [
        {
            "type": "bar",
            "name": name,
            "orientation": "h",
            "y": stages["stage"][which],
            "x": seconds[which],
            "base": (np.cumsum(seconds) - seconds)[which],
            "text": [time_text(each) for each in seconds[which]],
            "textposition": "outside",
            "cliponaxis": False,
            "marker": {"color": COLOURS[colour], "pattern": {"shape": pattern}},
        }
        for name, which, colour, pattern in (
            (_("done"), ~is_stopped, "ok", ""),
            (_("stopped"), is_stopped, "error", "/"),
        )
        if which.any()
    ]
    return drawing(
        finding,
        _("{finding}. {told}.").format(finding=finding, told=told),
        x=_("time since the commit began (s)"),
        y="",
        traces=traces,
        barmode="overlay",
        showlegend=bool(is_stopped.any()),
        xaxis={"range": [0, 1.15 * seconds.sum()]},
        yaxis={"categoryorder": "array", "categoryarray": stages["stage"][::-1].tolist()},
    )


def loop(
    flow: ChangeFlow, places: DataFrame, hour: float, deployed: int, failed: int, **layout: Any
) -> go.Figure:
    """The loop with its changes where they are at this hour, and the four measures within it.

    `places` is what `change_flow.places` gives; `deployed` and `failed` count until this hour.
    """
    four = _four_measures(flow)
    finding = _("{share} of the deployments fail, and a line waits {lead} for its people").format(
        share=percent_text(round(flow.failing_share, 3)), lead=_hours(flow.lead_time_h)
    )
    now = _now(places, hour, deployed, failed)
    return drawing(
        finding,
        _("In the long run {measures}; {now}.").format(
            measures=", ".join(four), now=", ".join(now)
        ),
        x="",
        y="",
        traces=[*_tracks(), _stage_names(), *_dots(flow, places)],
        annotations=[
            {
                "text": "<br>".join((*four, "", *now)),
                "x": 0,
                "y": 0,
                "showarrow": False,
                "font": {"size": 14},
            }
        ],
        height=560,
        margin={"t": 60, "b": 60},
        xaxis={"visible": False, "range": [-1.8, 1.8], "fixedrange": True},
        yaxis={"visible": False, "range": [-1.4, 1.3], "scaleanchor": "x", "fixedrange": True},
        legend={"y": 0, "yanchor": "top"},
        **layout,
    )


def _four_measures(flow: ChangeFlow) -> tuple[str, ...]:
    return (
        _("deployments a day: {number}").format(number=f"{flow.deployments_per_day:.2g}"),
        _("lead time: {time}").format(time=_hours(flow.lead_time_h)),
        _("failed deployments: {share}").format(share=percent_text(round(flow.failing_share, 3))),
        _("time to recover: {time}").format(time=_hours(flow.recovery_time_h)),
    )


def _now(places: DataFrame, hour: float, deployed: int, failed: int) -> tuple[str, ...]:
    sick = int(places["failed"].sum())
    failing = ngettext(
        "{count} failing change is live now", "{count} failing changes are live now", sick
    )
    return (
        _("hour {hour} of the week").format(hour=f"{hour:g}"),
        _("{deployed} deployed, {failed} failed").format(deployed=deployed, failed=failed),
        failing.format(count=sick) if sick else _("no failing change is live now"),
    )


def _hours(hours: float) -> str:
    return _("{hours} h").format(hours=f"{hours:.3g}")


def _tracks() -> list[dict[str, Any]]:
    """One piece of the ring for each stage."""
    line = {"color": _TRACK, "width": 10, "simplify": False}
    arcs = [np.linspace(stage + _GAP, stage + 1 - _GAP, 30) for stage in range(len(LOOP))]
    return [_on_ring(arc, mode="lines", line=line) for arc in arcs]


def _stage_names() -> dict[str, Any]:
    middles = np.arange(len(LOOP)) + 0.5
    look = {"text": [NAMES[stage] for stage in LOOP], "textfont": {"size": 16}}
    return _on_ring(middles, radius=1.27, mode="text", **look)


def _dots(flow: ChangeFlow, places: DataFrame) -> list[dict[str, Any]]:
    """The changes, as large as they are, in their four kinds."""
    at = places["stage"].map(LOOP.index).to_numpy(dtype=float)
    at = at + _GAP + (1 - 2 * _GAP) * places["progress"].to_numpy()
    failed, mended = places["failed"].to_numpy(), places["mended"].to_numpy()
    live = (places["stage"] == "operate").to_numpy() & ~failed
    size = float(np.clip(6 + 1.2 * np.sqrt(flow.change_lines), 8, 36))
    kinds = (
        (_("on its way"), ~(failed | mended | live), "simulated", "circle"),
        (_("mended after its tests"), mended, "slow", "diamond"),
        (_("live and well"), live, "ok", "circle"),
        (_("live and failing"), failed, "error", "x"),
    )
    return [
        _on_ring(
            at[which],
            name=name,
            mode="markers",
            showlegend=True,
            marker={"color": COLOURS[colour], "symbol": symbol, "size": size},
        )
        # Where there is none of a kind, its legend stays.
        | ({} if which.any() else {"x": [None], "y": [None]})
        for name, which, colour, symbol in kinds
    ]


def _on_ring(place: np.ndarray, *, radius: float = 1.0, **look: Any) -> dict[str, Any]:
    """A trace on the ring at these places, counted in stages, clockwise from the top."""
    angle = 2 * np.pi * place / len(LOOP)
    x, y = radius * np.sin(angle), radius * np.cos(angle)
    common = {"type": "scatter", "showlegend": False, "hoverinfo": "skip"}
    return common | look | {"x": x, "y": y}
