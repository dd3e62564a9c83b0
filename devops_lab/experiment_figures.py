"""Figures of experiments with two versions: what becomes of many that are looked at again and
again, and which differences fit to what was counted."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go

from devops_lab.experiments import Comparison, Counted, compare, false_alarm_share, power
from devops_lab.figures import (
    COLOURS,
    WAYS,
    add_prediction,
    drawing,
    percent_text,
    simulated_points,
    theory_line,
)
from devops_lab.rules import number
from devops_lab.simulated_experiments import SIGNIFICANCE, Experiments, Version
from devops_lab.translation import _

HEIGHT_PX, ROW_PX, MARGIN_PX = 620, 60, 200
# Above the plot: the finding, the legend, and the name of the upper panel.
HEAD_PX, PANEL_NAME_PX = 140, 28
# More would be a grey area, fewer would often have no winner among them.
SHOWN = 40
# How finely the figure asks a rule which difference it would call significant.
TRIED = 400


def looked_at(
    many: Experiments,
    rule: str,
    *,
    base_share: float,
    difference: float = 0.0,
    predicted_percent: float | None = None,
) -> go.Figure:
    """Above, some of many experiments: the difference of the two shares at each look, in points
    of a hundred, until one stops at a winner by the rule (`simulated_experiments.RULES`). Below,
    how many of all have had a winner, and what a formula says.

    `base_share` and `difference` are those that the experiments were made with.
    """
    won, users = many.won(rule), many.a.users
    winners_percent = 100 * won.mean(axis=0)
    widest = 115 * np.abs(many.differences[:SHOWN]).max()
    highest = max(25, 1.15 * winners_percent[-1], 1.1 * (predicted_percent or 0))
    figure = drawing(
        _finding(many, won, difference),
        _in_words(many, won, difference),
        x=_("users who have seen each version"),
        y="",
        traces=[
            *_limits(many, rule),
            *_stops(many, won, difference),
            simulated_points(users, winners_percent).update(yaxis="y2", mode="lines+markers"),
            *_formula(rule, base_share, difference, users),
        ],
        **_two_panels(1.03 * users[-1], widest, min(105, highest)),
        shapes=_paths(many, won, difference),
    )
    if predicted_percent is not None:
        add_prediction(figure, _("your prediction"), y=predicted_percent)
        figure.layout.shapes[-1].yref = "y2"
        figure.layout.annotations[-1].update(yref="y2", x=1, xanchor="right")
    return figure


def _limits(many: Experiments, rule: str) -> list[dict[str, object]]:
    """From which difference on a look would call it a winner, above and below."""
    tried = np.linspace(0, 2 * np.abs(many.differences).max() + 0.01, TRIED)
    share_a = many.a.successes[:, -1].mean() / many.a.users[-1]
    users = many.a.users
    a = Version(users, np.tile(share_a * users, (TRIED, 1)))
    b = Version(users, np.clip(share_a + tried, 0, 1)[:, None] * users)
    wins = replace(many, a=a, b=b).significant(rule)
    has_limit = wins.any(axis=0)
    limit = 100 * tried[wins.argmax(axis=0)]
    look = {"color": COLOURS["theory"], "width": 2, "dash": "dash"}
    marker = {"symbol": "line-ew", "size": 12, "line": {"color": COLOURS["theory"], "width": 2}}
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": users[has_limit],
            "y": sign * limit[has_limit],
            "line": look,
            "marker": marker,
            "name": _("a winner beyond this line"),
            "showlegend": sign > 0,
        }
        for sign in (1, -1)
    ]


def _paths(many: Experiments, won: np.ndarray, difference: float) -> list[dict[str, object]]:
    """The first experiments as lines that end where they were stopped; one shape a colour."""
    ends = _looks_until_a_winner(won)
    right = _is_right(many, won, difference)
    texts: dict[str, list[str]] = {"theory": [], "error": [], "ok": []}
    for row in range(min(SHOWN, len(won))):
        colour = "theory" if not won[row, -1] else "ok" if right[row] else "error"
        points = zip(many.a.users[: ends[row]], 100 * many.differences[row], strict=False)
        texts[colour].append("M" + "L".join(f"{x},{y:.3f}" for x, y in points))
    return [
        {
            "type": "path",
            "path": " ".join(parts) or "M0,0",
            "line": {"color": COLOURS[colour], "width": 1 if colour == "theory" else 1.5},
            "opacity": 0.6,
            "layer": "below",
        }
        for colour, parts in texts.items()
    ]


def _stops(many: Experiments, won: np.ndarray, difference: float) -> list[dict[str, object]]:
    """A mark where one of the drawn experiments was stopped."""
    rows = np.flatnonzero(won[:SHOWN, -1])
    looks = _looks_until_a_winner(won)[rows] - 1
    right = _is_right(many, won, difference)[rows]
    wrong = _("stopped: the worse version") if difference else _("stopped: a winner that is none")
    kinds = {
        wrong: (~right, "error", "x"),
        _("stopped: the better version"): (right, "ok", "circle"),
    }
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": many.a.users[looks[which]],
            "y": 100 * many.differences[rows[which], looks[which]],
            "name": name,
            "marker": {"color": COLOURS[colour], "symbol": symbol, "size": 9},
            # A version cannot be better where both are the same.
            "visible": colour == "error" or difference != 0,
        }
        for name, (which, colour, symbol) in kinds.items()
    ]


def _looks_until_a_winner(won: np.ndarray) -> np.ndarray:
    """After how many looks each experiment was stopped; all looks where it had no winner."""
    return np.where(won[:, -1], won.argmax(axis=1) + 1, won.shape[1])


def _is_right(many: Experiments, won: np.ndarray, difference: float) -> np.ndarray:
    """Whether the version that won is the one that is better."""
    at = np.take_along_axis(many.differences, _looks_until_a_winner(won)[:, None] - 1, axis=1)
    return won[:, -1] & (at[:, 0] * difference > 0)


def _formula(
    rule: str, base_share: float, difference: float, users: np.ndarray
) -> list[go.Scatter]:
    """What a formula says of this rule, where one does."""
    looks = range(1, len(users) + 1)
    if rule == "peek" and difference == 0:
        shares = [false_alarm_share(count) for count in looks]
        return [theory_line(users, 100 * np.array(shares)).update(yaxis="y2")]
    if rule == "once":
        end = power(base_share, difference, int(users[-1])) if difference else SIGNIFICANCE
        dash = go.Scatter(x=users[-1:], y=[100 * end], yaxis="y2", **WAYS["theory_dashes"])
        return [dash]
    return []


def _two_panels(last: float, widest: float, highest: float) -> dict[str, object]:
    names = (_("B − A (points of a hundred)"), _("experiments with a winner so far (%)"))
    domains = ([0.5, 1.0], [0.0, 0.38])
    return {
        "height": HEIGHT_PX,
        "showlegend": True,
        "xaxis": {"anchor": "y2", "range": [0, last]},
        "yaxis": {"domain": domains[0], "anchor": "x", "range": [-widest, widest]},
        "yaxis2": {"domain": domains[1], "anchor": "x", "range": [0, highest]},
        "margin": {"t": HEAD_PX},
        "legend": {"y": 1 + PANEL_NAME_PX / (HEIGHT_PX - HEAD_PX)},
        "annotations": [
            {"text": name, "x": 0, "xanchor": "left", "y": top, "yanchor": "bottom"}
            | {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 13}}
            for name, (_bottom, top) in zip(names, domains, strict=True)
        ],
    }


def _finding(many: Experiments, won: np.ndarray, difference: float) -> str:
    found = int(won[:, -1].sum())
    if difference == 0:
        text = _("Of {count:,} experiments with two identical versions, {found:,} have a winner")
        return text.format(count=len(won), found=found)
    right = int(_is_right(many, won, difference).sum())
    text = _(
        "Of {count:,} experiments with two versions that differ, {right:,} find the better one"
    )
    told = text.format(count=len(won), right=right)
    wrong = _(", {wrong:,} the worse one").format(wrong=found - right) if found > right else ""
    return told + wrong


def _in_words(many: Experiments, won: np.ndarray, difference: float) -> str:
    looks = won.shape[1]
    text = _(
        "Looks: {looks}, the last with {users:,} users of each version. {first} of the experiments "
        "have a winner at the first look, {last} at the last."
    )
    told = text.format(
        looks=looks,
        users=int(many.a.users[-1]),
        first=percent_text(round(won[:, 0].mean(), 3)),
        last=percent_text(round(won[:, -1].mean(), 3)),
    )
    stopped = won[:, -1]
    if not stopped.any() or difference == 0:
        return told
    at = many.a.users[_looks_until_a_winner(won)[stopped] - 1].mean()
    more = _("Those that stop have shown each version to {users:,.0f} users on average.")
    return f"{told} {more.format(users=at)}"


def differences_that_fit(
    counts: Mapping[str, tuple[Counted, Counted]], *, written: float | None = None
) -> go.Figure:
    """For each pair of counts, A and B, the difference of their shares in points of a hundred and
    the 95 % interval of those that fit; `written` is what a hypothesis said, a dotted line."""
    found = {name: compare(a, b) for name, (a, b) in counts.items()}
    if written is not None:
        number("written", written)
    figure = drawing(
        _what_fits(found),
        " ".join(_one_in_words(name, found[name]) for name in counts),
        x=_("B − A (points of a hundred)"),
        y="",
        showlegend=True,
        height=MARGIN_PX + ROW_PX * len(counts),
        yaxis={"range": [len(counts) - 0.4, -0.9], "showgrid": False},
        xaxis={"rangemode": "tozero", "zeroline": True, "zerolinewidth": 2}
        | {"zerolinecolor": COLOURS["theory"]},
    )
    means = [100 * each.difference for each in found.values()]
    figure.add_scatter(
        x=means,
        y=list(found),
        mode="markers",
        name=_("counted, and what fits to it (95 %)"),
        marker={"color": COLOURS["measured"], "symbol": "x-thin", "size": 12}
        | {"line": {"color": COLOURS["measured"], "width": 3}},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [100 * (each.high - each.difference) for each in found.values()],
            "arrayminus": [100 * (each.difference - each.low) for each in found.values()],
            "color": COLOURS["measured"],
            "thickness": 3,
            "width": 8,
        },
    )
    if written is not None:
        add_prediction(figure, _("as it was written"), x=100 * written)
    return figure


def _what_fits(found: Mapping[str, Comparison]) -> str:
    name, last = list(found.items())[-1]
    fits = last.low <= 0 <= last.high
    text = (
        _("{name}: no difference at all fits, too ({low:+.1f} to {high:+.1f} points)")
        if fits
        else _("{name}: there is a difference, {low:+.1f} to {high:+.1f} points of a hundred")
    )
    return text.format(name=name, low=100 * last.low, high=100 * last.high)


def _one_in_words(name: str, found: Comparison) -> str:
    text = _("{name}: {difference:+.1f} points; {low:+.1f} to {high:+.1f} fit.")
    numbers = {"difference": found.difference, "low": found.low, "high": found.high}
    return text.format(name=name, **{key: 100 * value for key, value in numbers.items()})
