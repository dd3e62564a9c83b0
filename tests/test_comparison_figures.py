"""The figures say what the tables say: each way with its own shape, titles with the finding."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from devops_lab.comparison_figures import percentiles_over_time, throughput_against_load
from devops_lab.figures import summary_of
from devops_lab.scenario import Scenario, sweep
from devops_lab.simulate import simulate

SHOP = Scenario(arrival_rate_per_s=40, service_time_s=0.06, servers=3)


def traces(figure: go.Figure) -> dict[str, go.Scatter]:
    return {trace.name: trace for trace in figure.data}


def test_where_nothing_was_answered_there_is_no_figure() -> None:
    with pytest.raises(ValueError, match="No request was answered"):
        percentiles_over_time(simulate(SHOP.changed(error_share=1.0), 50))


def test_throughput_follows_the_load_up_to_the_knee() -> None:
    loads = [10, 30, 45, 60, 80]
    simulated = sweep(lambda one: simulate(one, 5_000), SHOP, arrival_rate_per_s=loads)
    measured = simulated[simulated["arrival_rate_per_s"] >= 45]
    figure = throughput_against_load(
        simulated, capacity_per_s=50, measured=measured, predicted_per_s=44
    )
    ways = traces(figure)
    assert list(ways["theory"].y) == [0, 50, 50]
    assert list(ways["simulated"].x) == loads
    assert list(ways["measured"].y) == measured["throughput_per_s"].tolist()
    most = f"{measured['throughput_per_s'].max():.3g}"
    assert figure.layout.title.text.startswith(f"No more than {most} requests/s are answered")
    assert f"the knee: {most} requests/s" in {a.text for a in figure.layout.annotations}


def test_below_the_knee_there_is_none_to_mark() -> None:
    loads = [10, 20, 40]
    simulated = sweep(lambda one: simulate(one, 5_000), SHOP, arrival_rate_per_s=loads)
    figure = throughput_against_load(simulated, capacity_per_s=50)
    assert figure.layout.title.text == "Up to 40 requests/s, all that come are answered at once"
    assert len(figure.layout.annotations) == 0
    assert list(traces(figure)["theory"].y) == [0, 40, 40]


def test_percentiles_over_time_are_those_of_each_window() -> None:
    calm, slow = [0.1] * 50, [0.1] * 40 + [0.9] * 10
    attempts = pd.DataFrame(
        {
            "intended_s": np.arange(100) / 10,
            "latency_s": calm + slow,
            "outcome": "ok",
        }
    )
    figure = percentiles_over_time(attempts, measured=attempts, window_s=5.0, predicted_ms=200)
    p50, p95, p99 = figure.data[:3]
    assert [list(trace.x) for trace in (p50, p95, p99)] == [[2.5, 7.5]] * 3
    assert list(p50.y) == pytest.approx([100, 100])
    assert list(p95.y) == list(p99.y) == pytest.approx([100, 900])
    assert len({trace.line.dash for trace in (p50, p95, p99)}) == 3
    shown = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert shown == ["simulated", "measured", "p50", "p95", "p99"]
    assert figure.layout.title.text.startswith("The 95th percentile climbs to 900 ms")
    assert "Measured: worst after 7.5 s, with p50 100 ms, p95 900 ms" in summary_of(figure)


def test_a_window_in_which_nothing_was_answered_is_a_gap() -> None:
    attempts = simulate(SHOP, 2_000)
    hole = attempts["intended_s"].between(10, 20)
    outcome = attempts["outcome"].mask(hole, "failed")
    p50 = percentiles_over_time(attempts.assign(outcome=outcome), window_s=1.0).data[0]
    assert all(np.isnan(y) == (10 < x < 20) for x, y in zip(p50.x, p50.y, strict=True))
