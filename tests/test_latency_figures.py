"""Figures of latency: what is drawn where, and what they say in words."""

import pandas as pd
import pytest

from devops_lab.figures import summary_of
from devops_lab.latency_figures import (
    Answers,
    latencies,
    latency_against_load,
    request_by_request,
    three_ways,
)
from devops_lab.scenario import Scenario, sweep
from devops_lab.simulate import simulate

FRIDAY = Scenario(arrival_rate_per_s=19, service_time_s=0.05)
BY_LOAD = pd.DataFrame({"arrival_rate_per_s": [10, 19], "latency_mean_s": [0.1, 1.0]})
SECONDS = {"mean": 0.25, "p50": 0.2, "p95": 0.7, "p99": 1.2}


def slower(attempts: pd.DataFrame) -> pd.DataFrame:
    return attempts.assign(latency_s=attempts["latency_s"] + 0.003)


def test_every_way_to_a_latency_has_its_own_mark_in_milliseconds() -> None:
    attempts = simulate(FRIDAY, 50)
    figure = latency_against_load(
        sweep(simulate, FRIDAY, arrival_rate_per_s=[10, 19]),
        formula=BY_LOAD,
        replayed={19: attempts},
        measured={19: slower(attempts)},
        predicted_ms=600,
    )
    line, points, ring, cross = figure.data
    assert (line.mode, list(line.y)) == ("lines", [100, 1000])
    assert points.marker.symbol == "circle"
    assert (ring.marker.symbol, cross.marker.symbol) == ("circle-open", "x-thin")
    assert cross.y[0] == pytest.approx(ring.y[0] + 3)
    assert figure.layout.shapes[0].y0 == 600
    assert "At 19 requests/s real servers took" in summary_of(figure)


def test_only_what_there_is_is_drawn() -> None:
    (points,) = latency_against_load(BY_LOAD).data
    assert list(points.x) == [10, 19]


def test_the_same_requests_lie_on_each_other() -> None:
    attempts = simulate(FRIDAY, 50)
    figure = request_by_request(attempts, slower(attempts))
    points, crosses = figure.data
    assert list(points.x) == list(crosses.x)
    assert (
        figure.layout.title.text
        == "Half of the real answers came within 3 ms of the simulated ones"
    )


def test_the_mean_and_the_percentiles_are_marked_over_the_latencies() -> None:
    attempts = simulate(FRIDAY, 20_000)
    figure = latencies(attempts)
    marks = {
        mark.text: line.x0
        for mark, line in zip(figure.layout.annotations, figure.layout.shapes, strict=True)
    }
    assert marks["p95"] == pytest.approx(1000 * attempts["latency_s"].quantile(0.95))
    assert marks["p50"] < marks["mean"] < marks["p95"] < marks["p99"]
    assert sum(figure.data[0].y) == pytest.approx(99.8, abs=0.05)


def test_a_kept_setting_is_pale_and_named_once() -> None:
    now = Answers("now", 16, 20, BY_LOAD, BY_LOAD, SECONDS, SECONDS, SECONDS, SECONDS, {16: 0.25})
    kept = Answers("before", 10, 20, None, BY_LOAD, {}, SECONDS)
    figure = three_ways(now, kept, predicted_ms=600)
    assert {trace.opacity for trace in figure.data if trace.name == "A, kept"} == {0.35}
    crosses = [list(trace.y) for trace in figure.data if trace.name == "measured"]
    assert crosses == [[250], [250, 200, 700, 1200]]
    shown = [trace.name for trace in figure.data if trace.showlegend]
    assert len(shown) == len(set(shown))
    assert "A, kept" in shown
    assert "B: now. formula: mean 250 ms, p50 200 ms, p95 700 ms, p99 1.2 s." in summary_of(figure)


def test_a_queue_without_end_has_no_numbers() -> None:
    endless = Answers("too much", 30, 20, BY_LOAD, BY_LOAD, {}, {}, note="It never settles.")
    figure = three_ways(endless)
    assert "the queue has no end" in figure.layout.title.text
    assert summary_of(figure) == "Now: too much. It never settles."
