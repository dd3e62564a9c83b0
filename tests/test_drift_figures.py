"""What the figures of drift and of hours say; the dashboard, driven."""

import numpy as np
from driving import drive

from devops_lab.drift_dashboards import fleet_upkeep
from devops_lab.drift_figures import drift_and_hours, fleet_drift
from devops_lab.figures import summary_of
from devops_lab.toil import Upkeep, automated, by_hand, drifted_share

WORK = Upkeep()
HAND, PROGRAM = by_hand(WORK), automated(WORK)


def test_drift_is_drawn_in_per_cent_beside_the_fleet_by_lot_and_the_prediction() -> None:
    figure = fleet_drift(WORK, HAND, PROGRAM, weeks=10, predicted_percent=30)
    expected = drifted_share(HAND, 10, found_share=WORK.found_share)
    line, points = figure.data[:2]
    assert np.allclose(line.y, 100 * expected)
    assert len(points.y) == 11
    assert figure.layout.shapes[0].y0 == 30
    last = f"{expected[-1]:.0%}".replace("%", " %")
    assert f"after 10 weeks, as expected: {last} by hand" in summary_of(figure)
    assert last in figure.layout.title.text


def test_hours_begin_with_the_set_up_and_cross_where_the_title_says() -> None:
    figure = drift_and_hours(WORK, HAND, PROGRAM)
    hand_drift, hand, program_drift, program = (np.array(line.y) for line in figure.data)
    assert (hand_drift[1:] > program_drift[1:]).all()
    assert (hand[0], program[0]) == (0, PROGRAM.set_up_hours)
    assert hand[7] < program[7]
    assert hand[8] > program[8]
    assert "7.5 weeks" in figure.layout.title.text
    alone = Upkeep(servers=1)
    never = drift_and_hours(alone, by_hand(alone), automated(alone))
    assert "never come back" in never.layout.title.text


def test_the_dashboard_follows_each_control() -> None:
    dashboard = fleet_upkeep()
    before = dashboard.live.summary
    dashboard.controls["servers"].value = 3
    assert dashboard.live.summary != before
    assert drive(dashboard) == []
