"""Rates, quantiles and predictions mean what they mean in Prometheus 3."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from truth import expected, truth

from devops_lab.timeseries import (
    delta,
    histogram_fraction,
    histogram_quantile,
    increase,
    predict_linear,
    quantile_over_time,
    rate,
    resets,
    stddev_over_time,
    value_at,
)

COUNTS = st.lists(st.integers(0, 10**6), min_size=2, max_size=30)


def samples(notation: str, step_s: float) -> pd.Series:
    """Samples in Prometheus' notation for tests: "0+10x4" is 0 10 20 30 40, "7" is one sample."""
    values: list[float] = []
    for part in notation.split():
        start, _, rest = part.partition("+")
        growth, _, times = rest.partition("x")
        values += [float(start) + i * float(growth or 0) for i in range(int(times or 0) + 1)]
    return pd.Series(values, index=step_s * np.arange(len(values)))


def buckets(pairs: list[list]) -> dict[float, float]:
    return {float(edge): count for edge, count in pairs}


@truth("prom-rate", "prom-inc")
def test_counters_grow_as_in_prometheus(case) -> None:
    given_, function = (
        case["inputs"],
        {"rate": rate, "increase": increase}[case["inputs"]["function"]],
    )
    series = samples(given_["series"], given_["scrape_step_s"])
    answer = function(series, given_["range_s"], given_["eval_s"])
    wanted = expected(case)["value"]
    assert math.isnan(answer) if wanted is None else answer == wanted


@truth("prom-resets")
def test_restarts_are_counted_as_in_prometheus(case) -> None:
    given_ = case["inputs"]
    for name, notation in given_["series"].items():
        series = samples(notation, given_["scrape_step_s"])
        assert resets(series, given_["range_s"], given_["eval_s"]) == expected(case)[name]


@truth("prom-predict-linear")
def test_a_straight_line_leads_where_prometheus_goes(case) -> None:
    given_ = case["inputs"]
    series = samples(given_["series"], given_["scrape_step_s"])
    at = given_["selector_at_s"]
    ahead_s = given_["eval_s"] - at + given_["offset_s"]
    assert predict_linear(series, given_["range_s"], ahead_s, at) == expected(case)["value"]


@truth("prom-quantile")
def test_quantiles_lie_between_neighbours_as_in_prometheus(case) -> None:
    for name, values in case["inputs"]["samples"].items():
        answer = quantile_over_time(case["inputs"]["q"], pd.Series(values), 100, at=10)
        assert answer == expected(case)[name]


@truth("prom-stddev")
def test_the_spread_is_that_of_all_samples(case) -> None:
    series = pd.Series(case["inputs"]["samples"])
    assert stddev_over_time(series, 100, at=10) == expected(case)["stddev"]
    assert stddev_over_time(series, 100, at=10) ** 2 == expected(case)["stdvar"]


@truth("prom-hq", "prom-bq")
def test_a_histogram_is_read_as_in_prometheus(case) -> None:
    pairs = case["inputs"].get("buckets_le_cumulative") or case["inputs"]["buckets"]
    answers = [histogram_quantile(q, buckets(pairs)) for q in case["inputs"]["q"]]
    assert answers == expected(case)["values"]


@truth("prom-hfrac")
def test_the_share_between_two_limits_is_prometheus(case) -> None:
    lower, upper = float(case["inputs"]["lower"]), float(case["inputs"]["upper"])
    answer = histogram_fraction(lower, upper, buckets(case["inputs"]["buckets"]))
    assert answer == expected(case)["value"]


def test_a_histogram_without_values_or_end_says_nothing() -> None:
    for empty in ({}, {1.0: 5}, {1.0: 0, math.inf: 0}, {1.0: 3, 2.0: 4}):
        assert math.isnan(histogram_quantile(0.5, empty))
        assert math.isnan(histogram_fraction(0, 1, empty))


def test_other_edges_give_another_median_of_the_same_values() -> None:
    values = np.array([0.11, 0.12, 0.13, 0.14])

    def read(edges: list[float]) -> float:
        counts = {edge: float((values <= edge).sum()) for edge in [*edges, math.inf]}
        return histogram_quantile(0.5, counts)

    assert read([0.1, 0.2]) == pytest.approx(0.15)
    assert read([0.1, 1.0]) == pytest.approx(0.55)


@given(COUNTS, st.integers(20, 400))
def test_growth_is_the_same_for_every_start_of_the_counter(
    counts: list[int], window_s: int
) -> None:
    """What a counter had counted before its first sample does not matter, unless it is so little
    that the growth would begin below 0."""
    series = pd.Series(np.cumsum(counts), index=15.0 * np.arange(len(counts)))
    high = series + 1e9
    for moment in (series.index[-1], series.index[-1] + 7):
        assert increase(high, window_s, moment) == pytest.approx(
            increase(high + 1e9, window_s, moment), nan_ok=True
        )
        assert increase(high, window_s, moment) == pytest.approx(
            delta(high, window_s, moment), nan_ok=True
        )


@given(COUNTS)
def test_many_moments_are_answered_as_one_by_one(counts: list[int]) -> None:
    series = pd.Series(counts, index=10.0 * np.arange(len(counts)))
    moments = np.arange(-5.0, 310.0, 7.0)
    for function in (rate, increase, delta, resets):
        together = function(series, 60, moments)
        one_by_one = [function(series, 60, moment) for moment in moments]
        np.testing.assert_array_equal(together.to_numpy(), one_by_one)


def test_timestamps_and_seconds_have_the_same_rate() -> None:
    seconds = pd.Series([0, 60, 120, 10], index=[0.0, 15.0, 30.0, 45.0])
    moments = pd.date_range("2026-03-01 09:00", periods=4, freq="15s", tz="Asia/Seoul")
    stamped = seconds.set_axis(moments)
    assert rate(stamped, 60, moments[-1]) == rate(seconds, 60, 45)
    assert list(rate(stamped, 60).index) == list(moments)


def test_a_series_that_was_gone_is_not_guessed_over() -> None:
    gone = pd.Series([1.0, 2.0, math.nan], index=[0, 15, 30])
    assert math.isnan(value_at(gone, 31))
    assert value_at(gone, 29) == 2
    assert rate(gone, 60, 30) == rate(gone.dropna(), 60, 30)


def test_samples_out_of_order_or_twice_are_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="sort_index"):
        rate(pd.Series([1, 2], index=[15, 0]), 60)
    with pytest.raises(ValueError, match="1 samples have the time of another"):
        rate(pd.Series([1, 2], index=[15, 15]), 60)
    with pytest.raises(ValueError, match="window_s must be above 0, got 0"):
        rate(pd.Series([1, 2]), 0)


def test_no_samples_give_no_rate() -> None:
    assert math.isnan(rate(pd.Series([], dtype=float), 60, at=5))
    assert math.isnan(value_at(pd.Series([math.nan]), at=0))
