"""Figures and the dashboard of deployments."""

import pytest

from devops_lab.deployment_dashboards import deployments_dashboard
from devops_lab.deployment_figures import answers_over_time, cost_by_strategy
from devops_lab.deployments import Deployment, Fleet, Release
from devops_lab.families import wait_until
from devops_lab.figures import COLOURS, summary_of
from devops_lab.processes import running
from devops_lab.rollouts import STRATEGIES, Rollout, cost, plan

PEOPLE = {"servers": 4, "rate_per_s": 200, "error_share": 0.3}


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    with Fleet(Release("1.0"), servers=2, rate_per_s=100) as fleet:
        return fleet.deploy(Release("2.0"), Rollout("recreate", detection_s=0))


def test_every_request_stands_in_one_colour_at_its_moment(deployment: Deployment) -> None:
    figure = answers_over_time(deployment)
    assert [bar.marker.color for bar in figure.data] == [
        COLOURS[name] for name in ("theory", "ok", "error")
    ]
    assert sum(sum(bar.y) for bar in figure.data) == len(deployment.attempts)
    failed = int(deployment.row["failed_requests"].iloc[0])
    assert sum(figure.data[2].y) == failed > 0
    assert f"{failed} of " in figure.layout.title.text
    assert "of the users had a request fail" in summary_of(figure)


def test_the_model_is_bars_and_real_servers_are_crosses(deployment: Deployment) -> None:
    planned = {each: cost(plan(Rollout(each), **PEOPLE), **PEOPLE) for each in STRATEGIES}
    figure = cost_by_strategy(
        planned, {"recreate": deployment.row}, chosen="canary", predicted_percent=20
    )
    assert figure.layout.title.text.startswith("Canary: ")
    crosses = [trace for trace in figure.data if trace.name == "real servers"]
    assert [trace.y for trace in crosses] == [("recreate",)] * 4
    assert figure.data[-1].name == "your prediction"
    assert "Recreate on real servers: " in summary_of(figure)


def test_the_button_brings_a_version_to_real_servers_and_lays_them_over_the_model() -> None:
    dashboard = deployments_dashboard()
    dashboard.controls["strategy"].value = "blue-green"
    dashboard.controls["detection_s"].value = 0.5
    dashboard.run_button.click()
    assert wait_until(lambda: not dashboard.is_running, within_s=60)
    assert dashboard.message == ""
    assert [row["outcome"].iloc[0] for row in dashboard._measured.values()] == ["taken back"]
    # What another strategy is about changes nothing about this one.
    dashboard.controls["batch"].value = 2
    assert dashboard._measured
    assert not running()


def test_a_deployment_can_be_stopped_by_the_button_and_leaves_nothing() -> None:
    dashboard = deployments_dashboard()
    dashboard.controls["detection_s"].value = 5
    dashboard.run_button.click()
    assert wait_until(lambda: len(running()) > 5, within_s=60)
    dashboard.run_button.click()
    assert wait_until(lambda: not dashboard.is_running, within_s=60)
    assert dashboard.message == ""
    assert not running()
