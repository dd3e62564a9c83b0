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
        "After {weeks} weeks {by_hand} of the servers differ by hand, {automated} automated"
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


def hours_of_work(hand: Practice, program: Practice, *, weeks: int = 26) -> go.Figure:
    """The hours that each practice has taken since its beginning, and when they cross."""
    even = break_even_weeks(hand, program)
    if math.isinf(even):
        finding = _("The hours that automating takes never come back")
    else:
        finding = _("The hours that automating takes have come back after {weeks:.1f} weeks")
    finding = finding.format(weeks=even)
    at_week = np.arange(weeks + 1)
    looks = (
        (hand, _("by hand"), {"color": COLOURS["wait"], "width": 3}),
        (program, _("automated"), {"color": COLOURS["ok"], "width": 3, "dash": "dash"}),
    )
    lines = [
        go.Scatter(
            x=at_week,
            y=practice.set_up_hours + practice.hours_per_week * at_week,
            mode="lines",
            name=name,
            line=line,
        )
        for practice, name, line in looks
    ]
    summary = _(
        "{finding}: by hand {hand:.1f} hours a week, automated {program:.1f}, after {set_up:.0f} "
        "hours to begin with."
    ).format(
        finding=finding,
        hand=hand.hours_per_week,
        program=program.hours_per_week,
        set_up=program.set_up_hours,
    )
    x, y = _("weeks"), _("hours of work since the beginning")
    return drawing(finding, summary, x=x, y=y, traces=lines, showlegend=True)
