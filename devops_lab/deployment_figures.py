"""Figures of deployments: who answered over time, and what each way costs. The old version is grey,
what stands still; the new one green where it does its work; failed requests are vermilion."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.deployments import DONE, STOPPED, TAKEN_BACK, Deployment
from devops_lab.figures import COLOURS, WAYS, drawing, percent_text, time_text
from devops_lab.rollouts import STRATEGIES
from devops_lab.translation import _

WINDOW_S = 0.1
NAMES = {
    "recreate": _("recreate"),
    "rolling": _("rolling"),
    "blue_green": _("blue-green"),
    "canary": _("canary"),
}
OUTCOMES = {DONE: _("done"), TAKEN_BACK: _("taken back"), STOPPED: _("stopped")}
# By column of `rollouts.cost`: the axis' title, and what a value is multiplied by there.
_COSTS = {
    "users_hit": (_("users hit (%)"), 100),
    "failed_requests": (_("failed requests"), 1),
    "duration_s": (_("time (s)"), 1),
    "spare": (_("servers extra (+)<br>or missing (−)"), 1),
}
_GAP = 0.035


def answers_over_time(deployment: Deployment) -> go.Figure:
    """How many requests in each tenth of a second were answered by the old version and by the new
    one, and how many failed; the dashed lines are the begin and the end of the deployment."""
    attempts, row = deployment.attempts, deployment.row.iloc[0]
    text = _("{version} by {strategy}: {failed} of {requests:,} requests failed ({outcome})")
    finding = text.format(
        version=row["version"],
        strategy=NAMES[row["strategy"]],
        failed=row["failed_requests"],
        requests=row["requests"],
        outcome=OUTCOMES[row["outcome"]],
    )
    is_ok, is_new = attempts["outcome"] == "ok", attempts["version"] == deployment.release.version
    parts = {
        _("answered by the old version"): ("theory", attempts[is_ok & ~is_new.fillna(False)]),
        _("answered by the new version"): ("ok", attempts[is_ok & is_new.fillna(False)]),
        _("failed"): ("error", attempts[~is_ok]),
    }
    edges = np.arange(0, attempts["intended_s"].max() + WINDOW_S, WINDOW_S)
    bars = [
        go.Bar(
            x=edges[:-1] + WINDOW_S / 2,
            y=np.histogram(some["intended_s"], edges)[0],
            name=name,
            marker={"color": COLOURS[colour], "line_width": 0},
        )
        for name, (colour, some) in parts.items()
    ]
    ended_s = deployment.began_s + row["duration_s"]
    summary = _("{finding}. It took {duration}, and {users} of the users had a request fail.")
    return drawing(
        finding,
        summary.format(
            finding=finding,
            duration=time_text(row["duration_s"]),
            users=percent_text(row["users_hit"]),
        ),
        x=_("time since the run's start (s)"),
        y=_("requests in a tenth of a second"),
        traces=bars,
        barmode="stack",
        bargap=0.05,
        showlegend=True,
        shapes=[_moment(deployment.began_s), _moment(ended_s)],
    )


def _moment(time_s: float) -> dict[str, Any]:
    line = {"color": COLOURS["theory"], "width": 1.5, "dash": "dash"}
    return {"type": "line", "x0": time_s, "x1": time_s, "y0": 0, "y1": 1, "yref": "paper"} | {
        "line": line
    }


def cost_by_strategy(
    planned: Mapping[str, Mapping[str, float]],
    measured: Mapping[str, DataFrame],
    *,
    chosen: str | None = None,
    predicted_percent: float | None = None,
) -> go.Figure:
    """What each strategy costs: users hit, failed requests, time, and servers extra or missing.

    `planned` are rows of `rollouts.cost`, `measured` those of `Deployment.row`, by strategy.
    `predicted_percent` is the share of users hit that the learner predicted.
    """
    most = max(planned, key=lambda strategy: planned[strategy]["users_hit"])
    shown = chosen or most
    text = _("{strategy}: {users} of the users hit, {failed:.0f} requests failed, in {duration}")
    finding = text.format(
        strategy=NAMES[shown].capitalize(),
        users=percent_text(round(planned[shown]["users_hit"], 2)),
        failed=planned[shown]["failed_requests"],
        duration=time_text(planned[shown]["duration_s"]),
    )
    traces = []
    for place, cost in enumerate(_COSTS, 1):
        traces.append(_bars(cost, place, planned, chosen))
        if measured:
            traces.append(_crosses(cost, place, measured))
    if predicted_percent is not None:
        ends = _listed([STRATEGIES[0], STRATEGIES[-1]])
        traces.append(go.Scatter(x=[predicted_percent] * 2, y=ends, **WAYS["prediction"]))
    return drawing(
        finding,
        " ".join([f"{finding}.", *_in_words(planned, measured)]),
        x="",
        y="",
        traces=traces,
        barmode="overlay",
        showlegend=True,
        yaxis={"categoryorder": "array", "categoryarray": _listed([*STRATEGIES][::-1])},
        margin={"b": 76},
        **_axes(),
    )


def _axes() -> dict[str, dict[str, Any]]:
    width = (1 + _GAP) / len(_COSTS)
    return {
        f"xaxis{place if place > 1 else ''}": {
            "domain": [(place - 1) * width, place * width - _GAP],
            "title": {"text": title},
            "rangemode": "tozero",
            "anchor": "y",
            "nticks": 6,
            "zeroline": True,
            "zerolinecolor": COLOURS["theory"],
        }
        for place, (title, _factor) in enumerate(_COSTS.values(), 1)
    }


def _listed(strategies: list[str]) -> list[str]:
    return [NAMES[strategy] for strategy in strategies]


def _value(cost: str, row: Mapping[str, float]) -> float:
    value = row["extra"] - row["missing"] if cost == "spare" else row[cost]
    return float(value) * _COSTS[cost][1]


def _bars(
    cost: str, place: int, planned: Mapping[str, Mapping[str, float]], chosen: str | None
) -> go.Bar:
    return go.Bar(
        x=[_value(cost, row) for row in planned.values()],
        y=_listed([*planned]),
        orientation="h",
        xaxis=f"x{place}",
        name=_("the model"),
        showlegend=place == 1,
        legendgroup="model",
        marker={
            "color": COLOURS["simulated"],
            "opacity": [1.0 if chosen in (None, strategy) else 0.45 for strategy in planned],
        },
    )


def _crosses(cost: str, place: int, measured: Mapping[str, DataFrame]) -> go.Scatter:
    return go.Scatter(
        x=[_value(cost, row.iloc[0]) for row in measured.values()],
        y=_listed([*measured]),
        xaxis=f"x{place}",
        name=_("real servers"),
        showlegend=place == 1,
        legendgroup="real",
        mode="markers",
        marker={**WAYS["measured"]["marker"], "size": 13},
        cliponaxis=False,
    )


def _in_words(
    planned: Mapping[str, Mapping[str, float]], measured: Mapping[str, DataFrame]
) -> list[str]:
    text = _(
        "{strategy}: {users} of the users hit, {failed:.0f} failed requests, {duration}, servers "
        "extra or missing: {spare:+.0f}."
    )
    real = _("{strategy} on real servers: {users} of the users hit, {failed} failed requests.")
    said = [
        text.format(
            strategy=NAMES[strategy].capitalize(),
            users=percent_text(round(row["users_hit"], 2)),
            failed=row["failed_requests"],
            duration=time_text(row["duration_s"]),
            spare=_value("spare", row),
        )
        for strategy, row in planned.items()
    ]
    return said + [
        real.format(
            strategy=NAMES[strategy].capitalize(),
            users=percent_text(row["users_hit"].iloc[0]),
            failed=row["failed_requests"].iloc[0],
        )
        for strategy, row in measured.items()
    ]
