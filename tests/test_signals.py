"""The four golden signals of generated and of real servers, their figures and their dashboards."""

import numpy as np
import pandas as pd
import pytest
from driving import drive, problems

from devops_lab.families import wait_until
from devops_lab.figures import summary_of
from devops_lab.loadgen import send_load
from devops_lab.metric_store import MetricStore
from devops_lab.servers import Server
from devops_lab.signal_dashboards import find_the_fault, golden_signals_dashboard
from devops_lab.signal_figures import golden_signals, percentile_by_buckets
from devops_lab.signals import signals
from devops_lab.telemetry import Fault, Shop, Traffic
from devops_lab.timeseries import histogram_quantile, pick, rate

NOON = pd.Timestamp("2026-03-02 12:00")
STEADY = Traffic(mean_per_s=20, daily_swing=0, noise=0)


def shop(*faults: Fault) -> Shop:
    return Shop(days=1, servers=2, step_s=60, traffic=STEADY, faults=faults)


def test_the_signals_are_the_sums_over_the_servers() -> None:
    samples = shop().samples()
    at = pd.DatetimeIndex([NOON])
    (row,) = signals(samples, 600, at).itertuples()
    by_hand = [
        rate(pick(samples, "http_requests_total", server=server, status=status), 600, NOON)
        for server in ("server-1", "server-2")
        for status in ("200", "500")
    ]
    assert row.requests_per_s == pytest.approx(sum(by_hand))
    assert row.error_share == pytest.approx((by_hand[1] + by_hand[3]) / sum(by_hand))
    buckets = {
        float(edge): sum(
            rate(
                pick(samples, "http_request_duration_seconds_bucket", server=s, le=edge), 600, NOON
            )
            for s in ("server-1", "server-2")
        )
        for edge in ("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "+Inf")
    }
    assert row.latency_p50_s == pytest.approx(histogram_quantile(0.5, buckets))


@pytest.mark.parametrize(
    ("kind", "signal", "times"),
    [
        ("bad_deploy", "error_share", 20),
        ("slow_dependency", "latency_p99_s", 2),
        ("slow_dependency", "in_flight", 1.5),
        ("step", "requests_per_s", 1.3),
    ],
)
def test_each_fault_is_seen_in_its_signal(kind: str, signal: str, times: float) -> None:
    seen = signals(shop(Fault(kind, "10h", "4h")).samples(), 600)[signal]
    inside = seen.index.to_series().between(NOON - pd.Timedelta("1h"), NOON + pd.Timedelta("1h"))
    before = seen.index < NOON - pd.Timedelta("3h")
    assert seen[inside].mean() > times * seen[before].mean()


def test_the_signals_of_a_real_server_are_those_of_its_load() -> None:
    with Server(service_time_s=0.02, workers=50, error_share=0.5) as server:
        with MetricStore([server], interval_s=0.2) as store:
            attempts = send_load(server.url + "work", rate_per_s=100, duration_s=2.0)
        samples = store.samples()
    (row,) = signals(samples, 60, pd.DatetimeIndex([samples["time"].max()])).itertuples()
    assert row.error_share == pytest.approx((attempts["outcome"] == "failed").mean(), abs=0.1)
    # No service was shorter than its 20 ms, and the bucket that holds them ends at 25.
    assert row.latency_p50_s >= 0.01


def test_where_nobody_asks_there_are_no_shares() -> None:
    with Server() as server, MetricStore([server]) as store:
        pass
    seen = signals(store.samples(), 1.0)
    assert (seen.requests_per_s == 0).all()
    assert seen[["error_share", "latency_p99_s"]].isna().all(axis=None)
    assert summary_of(golden_signals(seen)) == "No requests at the moment."


def test_other_edges_read_another_percentile_of_the_same_latencies() -> None:
    latencies_s = np.random.default_rng(1).exponential(0.06, 1_000)
    edges = {"many": [i / 100 for i in range(1, 60)], "few": [0.05, 0.2, 1.0]}
    figure = percentile_by_buckets(latencies_s, edges)
    read = dict(zip(figure.data[0].y, figure.data[0].x, strict=True))
    exact_ms = 1000 * np.quantile(latencies_s, 0.99)
    assert read["many"] == pytest.approx(exact_ms, abs=10)
    assert read["few"] > 2 * exact_ms
    assert f"In truth {exact_ms:.0f} ms." in summary_of(figure)


def test_the_hidden_fault_is_scored_by_hour_and_kind() -> None:
    dashboard = find_the_fault(seed=3)
    assert drive(dashboard, values_of_each=6, random_moves=6) == []
    kinds = dashboard.controls["kind"].options
    scores = []
    for kind in kinds:
        dashboard.controls["kind"].value = kind
        dashboard.button.click()
        scores.append(dashboard.score)
        assert problems(dashboard) == [dashboard.message]
        assert "hours away" in dashboard.message
    # One of the kinds is the hidden one, and is worth half of the points.
    assert sorted(np.diff(sorted(scores)))[-1] == 50
    hours = dashboard.controls["hour"]
    best = 0
    for hour in range(hours.min, hours.max + 1):
        hours.value = hour
        dashboard.button.click()
        best = max(best, dashboard.score)
    assert best >= 50


def test_another_seed_hides_another_fault() -> None:
    def message(seed: int) -> str:
        dashboard = find_the_fault(seed)
        dashboard.button.click()
        return dashboard.message

    assert len({message(seed) for seed in range(1, 4)}) == 3


def test_the_live_signals_follow_the_servers_and_end_with_the_run() -> None:
    dashboard = golden_signals_dashboard()
    assert problems(dashboard) == []
    dashboard.button.click()
    try:
        assert wait_until(lambda: "requests/s, 0 % errors" in dashboard.live.summary, within_s=20)
        dashboard.controls["failing"].value = 50
        assert wait_until(lambda: "0 % errors" not in dashboard.live.summary, within_s=20)
        assert problems(dashboard) == []
    finally:
        dashboard.button.click()
    assert not dashboard.is_running
    assert "Start sends" in dashboard.state.value
