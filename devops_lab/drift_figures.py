"""How far a fleet drifts, and what keeping it costs: by hand, and automated."""

import math

import numpy as np
import plotly.graph_objects as go

from devops_lab.figures import (
    COLOURS,
    WAYS,
    divide,
    drawing,
    percent_text,
    simulated_points,
    theory_line,
)
from devops_lab.toil import (
    Practice,
    Upkeep,
    break_even_weeks,
    drifted_share,
    simulated_drift,
)
from devops_lab.translation import _


def fleet_drift(
    work: Upkeep,
    hand: Practice,
    program: Practice,
    *,
    weeks: int = 26,
    seed: int = 1,
    predicted_percent: float | None = None,
) -> go.Figure:
    """The share of servers that are not as they should be, week by week, in the two practices:
    what is expected as a line, one fleet by lot as points. The prediction is of the last week, by
    hand."""
    expected = [
        drifted_share(each, weeks, found_share=work.found_share) for each in (hand, program)
    ]
    by_hand, automated = (percent_text(round(shares[-1], 2)) for shares in expected)
    finding = _(
        "After {weeks} weeks {by_hand} of the servers have drifted; automated, it is {automated}"
    )
    words = {"weeks": weeks, "by_hand": by_hand, "automated": automated}
    summary = _(
        "Servers that are not as they should be after {weeks} weeks, as expected: {by_hand} by "
        "hand, {automated} automated."
    )
    x, y = _("weeks"), _("servers that have drifted (%)")
    figure = drawing(finding.format(**words), summary.format(**words), x=x, y=y)
    divide(figure, [_("by hand"), _("automated")])
    at_week = np.arange(weeks + 1)
    for column, (practice, shares) in enumerate(zip((hand, program), expected, strict=True), 1):
        one_fleet = simulated_drift(
            practice, weeks, servers=work.servers, found_share=work.found_share, seed=seed
        )
        line, points = (
            theory_line(at_week, 100 * shares),
            simulated_points(at_week, 100 * one_fleet),
        )
        line.update(name=_("expected"))
        points.update(name=_("one fleet, by lot"), cliponaxis=False)
        for trace in (line, points):
            figure.add_trace(trace.update(showlegend=column == 1), row=1, col=column)
    if predicted_percent is not None:
        look = {"line": WAYS["prediction"]["line"], "annotation": {"text": _("your prediction")}}
        figure.add_hline(predicted_percent, row=1, col=1, **look)
    figure.update_xaxes(rangemode="tozero")
    return figure.update_yaxes(range=[0, 105]).update_layout(showlegend=True)


def drift_and_hours(
    work: Upkeep, hand: Practice, program: Practice, *, weeks: int = 26
) -> go.Figure:
    """Both practices in each of two panels: the expected share of servers that are not as they
    should be, and the hours that it has taken since the beginning."""
    at_week = np.arange(weeks + 1)
    shares = [drifted_share(each, weeks, found_share=work.found_share) for each in (hand, program)]
    finding, summary = _in_words(hand, program, shares)
    figure = drawing(finding, summary, x=_("weeks"), y=_("servers that have drifted (%)"))
    divide(figure, [_("drift"), _("work")])
    looks = ((hand, _("by hand"), "solid"), (program, _("automated"), "dash"))
    for (practice, name, dash), share in zip(looks, shares, strict=True):
        drift = theory_line(at_week, 100 * share).update(name=name, line_dash=dash)
        figure.add_trace(drift, row=1, col=1)
        line = {"color": COLOURS["wait"], "width": 2.5, "dash": dash}
        hours = practice.set_up_hours + practice.hours_per_week * at_week
        work_done = go.Scatter(x=at_week, y=hours, mode="lines", line=line, showlegend=False)
        figure.add_trace(work_done, row=1, col=2)
    figure.update_yaxes(range=[0, 105], col=1)
    # The panels share their weeks only.
    own = {"matches": None, "showticklabels": True, "ticks": "outside", "rangemode": "tozero"}
    figure.update_yaxes(title_text=_("hours since the beginning"), col=2, **own)
    return figure.update_layout(showlegend=True)


def _in_words(hand: Practice, program: Practice, shares: list[np.ndarray]) -> tuple[str, str]:
    """The finding, and the numbers of the last week."""
    even = break_even_weeks(hand, program)
    if math.isinf(even):
        finding = _("Drift {hand} by hand, {program} automated; the hours never come back")
    else:
        finding = _("Drift {hand} by hand, {program} automated; hours back after {even:.1f} weeks")
    summary = _(
        "After {weeks} weeks: by hand {hand} of the servers have drifted, at {hand_hours:.1f} "
        "hours a week; automated {program}, at {program_hours:.1f} hours a week and {set_up:.0f} "
        "to begin with."
    )
    words = {
        "weeks": len(shares[0]) - 1,
        "even": even,
        "hand": percent_text(round(shares[0][-1], 2)),
        "program": percent_text(round(shares[1][-1], 2)),
        "hand_hours": hand.hours_per_week,
        "program_hours": program.hours_per_week,
        "set_up": program.set_up_hours,
    }
    return finding.format(**words), summary.format(**words)
