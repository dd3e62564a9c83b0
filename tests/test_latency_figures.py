"""Figures of latency: what is drawn where, and what they say in words."""

import re

import numpy as np
import pandas as pd
import pytest

from devops_lab.figures import summary_of, time_text
from devops_lab.latency_figures import (
    latencies,
    latency_against_load,
    request_by_request,
)
from devops_lab.scenario import Scenario, sweep
from devops_lab.simulate import simulate
from devops_lab.theory import theory

FRIDAY = Scenario(arrival_rate_per_s=19, service_time_s=0.05)
BY_LOAD = pd.DataFrame({"arrival_rate_per_s": [10, 19], "latency_mean_s": [0.1, 1.0]})


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


def test_formula_and_real_servers_are_laid_over_the_same_bars() -> None:
    shop = Scenario(arrival_rate_per_s=40, service_time_s=0.06, servers=3)
    attempts, real = simulate(shop, 20_000), simulate(shop.changed(seed=2), 2_000)
    formula = theory(shop).state
    figure = latencies(attempts, formula=formula, measured=real, predicted_ms=300)
    line, bars, crosses = figure.data
    assert (line.mode, bars.type, crosses.marker.symbol) == ("lines", "bar", "x-thin")
    assert list(line.x) == list(bars.x) == list(crosses.x)
    np.testing.assert_allclose(line.y, bars.y, atol=0.7)
    np.testing.assert_allclose(crosses.y, bars.y, atol=2.5)
    assert "your prediction" in {mark.text for mark in figure.layout.annotations}
    p95 = time_text(formula.latency_quantile_s(0.95))
    assert re.search(
        rf"Theory: half .*, 95 of 100 less than {p95}, .* Measured: half ", summary_of(figure)
    )


def test_quick_errors_do_not_make_latencies_look_short() -> None:
    broken = simulate(FRIDAY.changed(error_share=0.5), 2_000)
    fast = broken["latency_s"].where(broken["outcome"] == "ok", 0.0)
    assert latencies(broken.assign(latency_s=fast)).data == latencies(broken).data


def test_where_nothing_was_answered_there_is_no_figure() -> None:
    with pytest.raises(ValueError, match="No request was answered"):
        latencies(simulate(FRIDAY.changed(error_share=1.0), 50))
