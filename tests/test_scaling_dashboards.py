"""The dashboard of lesson 05, driven without a browser, at rest and with a real server at work."""

from collections.abc import Iterator

import pytest
from driving import drive

from devops_lab import processes
from devops_lab.families import wait_until
from devops_lab.scaling import amdahl
from devops_lab.scaling_dashboards import ScalingDashboard, scaling_dashboard


@pytest.fixture
def dashboard() -> Iterator[ScalingDashboard]:
    yield scaling_dashboard()
    processes.stop_all()


def move(dashboard: ScalingDashboard, **values: object) -> str:
    """What the dashboard says after these moves."""
    for name, value in values.items():
        dashboard.controls[name].value = value
    assert dashboard.message == ""
    return dashboard.live.summary


def crosses(dashboard: ScalingDashboard) -> int:
    """How many closings are drawn as measured."""
    places = [t["x"]["array"] for t in dashboard.live.traces if t.get("name") == "measured"]
    return sum(len(dashboard.live.arrays[place]["bytes"]) // 8 for place in places)


def test_every_control_moves_the_figure(dashboard: ScalingDashboard) -> None:
    assert drive(dashboard) == []
    for name, low, high in (
        ("serial_percent", 3, 20),
        ("entry_ms", 1.5, 4),
        ("workers", 3, 17),
        ("size", "size 2", "size 4"),
        ("double_costs", 2.0, 3.0),
    ):
        assert move(dashboard, **{name: low}) != move(dashboard, **{name: high}), name


def test_the_model_is_amdahls_law_where_nothing_has_to_be_agreed(
    dashboard: ScalingDashboard,
) -> None:
    said = move(dashboard, serial_percent=10, entry_ms=0, workers=32)
    assert said.startswith(f"32 workers do {amdahl(32, 0.9):.1f} times the work of one:")
    assert "it is never more than" in said
    assert "There is no limit" in move(dashboard, serial_percent=0)


def test_a_bigger_machine_does_all_of_it_quicker_and_costs_what_the_slider_says(
    dashboard: ScalingDashboard,
) -> None:
    small = move(dashboard, serial_percent=0, entry_ms=0, workers=1, size="size 1")
    assert "178 orders a second, 0.16 € a million." in small
    # Twice as quick at three times the price is one and a half times the price of an order.
    twice = move(dashboard, size="size 2", double_costs=3.0)
    assert "356 orders a second, 0.23 € a million." in twice


def test_the_real_server_is_laid_over_the_setting_it_was_run_with(
    dashboard: ScalingDashboard,
) -> None:
    move(dashboard, serial_percent=10, entry_ms=2, size="size 4")
    dashboard.run_button.click()
    assert dashboard.run_button.description == "Stop"
    move(dashboard, workers=3)
    assert wait_until(lambda: not dashboard.is_running, within_s=120)
    assert processes.running() == []
    assert wait_until(lambda: crosses(dashboard) == 18, within_s=20)
    assert "Fitted: serial share" in dashboard.live.summary
    move(dashboard, serial_percent=11)
    assert crosses(dashboard) == 0


def test_a_run_that_is_stopped_keeps_what_it_has_and_leaves_nothing_behind(
    dashboard: ScalingDashboard,
) -> None:
    dashboard.run_button.click()
    assert wait_until(lambda: "1 of 18 closings" in dashboard.progress.value, within_s=60)
    dashboard.run_button.click()
    assert wait_until(lambda: not dashboard.is_running, within_s=60)
    assert wait_until(lambda: crosses(dashboard) > 0, within_s=20)
    assert crosses(dashboard) < 18
    assert processes.running() == []
    assert dashboard.message == ""
