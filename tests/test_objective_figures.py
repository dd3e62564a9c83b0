"""The figures and dashboards of objectives: what they draw and say, and how they are used."""

import re

import pandas as pd
import pytest
from driving import drive, problems

from devops_lab.alert_quality import firing, intervals
from devops_lab.families import wait_until
from devops_lab.figures import summary_of
from devops_lab.incidents import FIRST, Incident, budget_left
from devops_lab.objective_dashboards import OnCall, objective_and_alert
from devops_lab.objective_figures import month_of_alerts, shift_on_call
from devops_lab.objectives import Alert

WITHIN_S = 30
SLOW_BURN = Incident(0.009, "3D", "27D")


def test_a_burn_under_the_alerts_line_empties_the_budget_and_calls_nobody() -> None:
    counted = SLOW_BURN.counts()
    assert budget_left(counted, 0.999).iloc[-1] < -5
    figure = month_of_alerts(counted, {"old": Alert(10, "6h")}, 0.999, SLOW_BURN.interval())
    assert "nobody is called" in figure.layout.title.text.replace("<br>", " ")
    assert "The budget is gone 3.26 days after" in summary_of(figure)
    assert "old: calls 0" in summary_of(figure)
    line = figure.layout.shapes[-1]
    assert (line.y0, line.yref) == (pytest.approx(1.0), "y")


def test_the_bars_lie_where_the_alert_fires() -> None:
    counted = SLOW_BURN.counts()
    alert = Alert(6, "6h", "30min")
    figure = month_of_alerts(counted, {"new": alert}, 0.999, SLOW_BURN.interval())
    (call,) = intervals(firing(alert, counted["failed"], counted["requests"], 0.999)).itertuples()
    bars = figure.data[2]
    assert bars.base[0] == pytest.approx((call.start - FIRST) / pd.Timedelta("1D"))
    # It fires to the end of the month.
    assert bars.base[0] + bars.x[0] == pytest.approx(30)
    assert "first call comes 3.75 h after" in figure.layout.title.text.replace("<br>", " ")


def test_what_is_predicted_is_drawn_from_the_incidents_beginning() -> None:
    alerts = {"old": Alert(10, "6h")}
    figure = month_of_alerts(
        SLOW_BURN.counts(), alerts, 0.999, SLOW_BURN.interval(), predicted_after_days=10
    )
    assert figure.layout.shapes[-1].x0 == 13


def test_a_shift_says_what_the_alert_is_and_marks_its_calls() -> None:
    calls = pd.DataFrame({"start": [-9.0], "acknowledged": [-5.0], "end": [float("nan")]})
    shares = pd.Series([0.0, 0.12], index=[-10.0, 0.0])
    figure = shift_on_call(shares, 0.05, "acknowledged", calls, 60)
    assert summary_of(figure) == (
        "12 % errors, the alert fires above 5 %: acknowledged: you have it."
    )
    marks = {trace.name: list(trace.x) for trace in figure.data[1:]}
    assert marks == {"fires": [-9], "you have it": [-5], "resolved": []}


def test_every_objective_alert_and_incident_can_be_set() -> None:
    dashboard = objective_and_alert()
    assert drive(dashboard, random_moves=30) == []


def test_little_traffic_and_a_short_window_are_noise_and_a_long_one_is_late() -> None:
    dashboard = objective_and_alert()
    dashboard.controls["errors"].value = 0
    dashboard.controls["mean_per_s"].value = 0.5
    dashboard.controls["window"].value = "5min"
    noisy = int(re.search(r"false alarms (\d+)", dashboard.live.summary)[1])
    dashboard.controls["window"].value = "6h"
    assert noisy > 10 + int(re.search(r"false alarms (\d+)", dashboard.live.summary)[1])


def test_a_shift_on_call_from_the_call_to_the_repair() -> None:
    dashboard = OnCall(quiet_s=(2.0, 2.5))
    assert problems(dashboard) == []
    dashboard.have_it.click()
    assert "Press Start first." in dashboard.reply_box.value
    dashboard.controls["errors"].value = 60
    dashboard.button.click()
    try:
        assert wait_until(lambda: "FIRING" in dashboard.live.finding, within_s=WITHIN_S)
        dashboard.have_it.click()
        assert "acknowledged" in dashboard.live.finding
        dashboard.roll_back.click()
        assert problems(dashboard) == []
        assert "repaired: 1." in dashboard.times_box.value
        assert "–" not in dashboard.times_box.value
        dashboard.roll_back.click()
        assert "nothing to roll back" in dashboard.reply_box.value
    finally:
        dashboard.button.click()
    assert not dashboard.is_running
    assert "Start sends" in dashboard.state.value
