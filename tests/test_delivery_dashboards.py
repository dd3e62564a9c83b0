"""The dashboard of the loop, driven without a browser, and the figures of a delivery."""

import pandas as pd
import pytest
from driving import drive

from devops_lab.change_flow import ChangeFlow
from devops_lab.delivery_dashboards import LoopDashboard, loop_dashboard
from devops_lab.delivery_figures import seen_after_stages, time_of_stages
from devops_lab.families import wait_until
from devops_lab.figures import summary_of

PATIENCE_S = 30
STAGES = ("commit", "build", "test", "release", "deploy", "check")


def move(dashboard: LoopDashboard, **values: object) -> str:
    """What the dashboard says after these moves."""
    for name, value in values.items():
        dashboard.controls[name].value = value
    assert dashboard.message == ""
    return dashboard.live.summary


def test_every_control_moves_the_figure() -> None:
    dashboard = loop_dashboard()
    assert drive(dashboard, values_of_each=8) == []
    for name, low, high in (
        ("lines", 25, 200),
        ("test_percent", 20, 80),
        ("faulty_percent", 10, 50),
        ("detection_h", 1, 24),
        ("hour", 20, 90),
    ):
        assert move(dashboard, **{name: low}) != move(dashboard, **{name: high}), name


def test_the_summary_has_the_models_measures_and_the_weeks_counts() -> None:
    dashboard = loop_dashboard()
    flow = ChangeFlow(100, 0.5, 0.2, 4.0)
    said = dashboard.live.summary
    assert f"deployments a day: {flow.deployments_per_day:.2g}" in said
    assert f"failed deployments: {100 * flow.failing_share:.1f} %" in said
    assert "hour 112 of the week, 5 deployed, 1 failed, 1 failing change is live now" in said
    assert "no failing change is live now" in move(dashboard, hour=130)


def test_the_week_is_played_to_its_end_or_to_a_pause() -> None:
    dashboard = loop_dashboard()
    hour = dashboard.controls["hour"]
    before = hour.value
    dashboard.button.click()
    assert dashboard.button.description == "Pause"
    assert wait_until(lambda: hour.value > before + 1, within_s=PATIENCE_S)
    dashboard.button.click()
    assert wait_until(lambda: dashboard.button.description == "Play the week", within_s=PATIENCE_S)
    hour.value = hour.max - 1
    dashboard.button.click()
    assert wait_until(lambda: not dashboard.is_playing, within_s=PATIENCE_S)
    assert hour.value == hour.max
    # From the end it begins afresh.
    dashboard.button.click()
    assert wait_until(lambda: 0 < hour.value < hour.max, within_s=PATIENCE_S)
    dashboard.button.click()


def test_what_people_see_names_the_stage_that_changed_it() -> None:
    figure = seen_after_stages(STAGES, [19_500] * 4 + [18_000] * 2, prediction=1)
    assert "stage “deploy”" in figure.layout.title.text
    assert [list(trace.x) for trace in figure.data] == [[1, 2, 3, 4], [5, 6]]
    assert "release 19,500, deploy 18,000" in summary_of(figure)
    assert "No stage" in seen_after_stages(STAGES[:2], [19_500] * 2).layout.title.text


@pytest.mark.parametrize(("last", "finding"), [("done", "to the people"), ("stopped", "“deploy”")])
def test_the_times_of_the_stages_stand_end_to_end(last: str, finding: str) -> None:
    outcomes = ["done", "done", last]
    stages = pd.DataFrame(
        {"stage": ["commit", "build", "deploy"], "outcome": outcomes, "seconds": [0.5, 0.25, 1.0]}
    )
    figure = time_of_stages(stages)
    assert finding in figure.layout.title.text
    assert sorted(base for bars in figure.data for base in bars.base) == [0, 0.5, 0.75]
    assert "1.75 s" in summary_of(figure)
