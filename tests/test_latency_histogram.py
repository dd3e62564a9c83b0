"""Percentiles of long runs in little memory, equal to HdrHistogram's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from truth import expected, truth

from devops_lab.latency_histogram import LatencyHistogram

US_OF_AN_HOUR = 3_600_000_000


def ten_thousand_and_a_stall(expected_interval: float | None = None) -> LatencyHistogram:
    """In microseconds: 10,000 answers after a millisecond, one after 100 seconds."""
    histogram = LatencyHistogram(US_OF_AN_HOUR)
    histogram.record([1_000] * 10_000 + [100_000_000], expected_interval=expected_interval)
    return histogram


@truth("hdr-highest-equivalent")
def test_values_are_counted_together_as_in_hdrhistogram(case) -> None:
    given_ = case["inputs"]
    histogram = LatencyHistogram(
        given_["highest"], lowest=given_["lowest"], digits=given_["sig_digits"]
    )
    answers = [histogram.highest_equivalent(value) for value in given_["values"]]
    assert answers == expected(case)["highest_equivalent"]


@truth("hdr-raw-percentiles")
def test_percentiles_are_those_of_hdrhistogram(case) -> None:
    histogram, wanted = ten_thousand_and_a_stall(), expected(case)
    assert histogram.count == wanted.pop("count")
    for name, value in wanted.items():
        assert histogram.percentile(float(name.removeprefix("p"))) == value


@truth("hdr-p99.999")
def test_a_value_is_told_to_the_end_of_its_bucket(case) -> None:
    histogram = ten_thousand_and_a_stall()
    for percent, value in expected(case).items():
        assert histogram.percentile(float(percent)) == value


@truth("hdr-large-numbers")
def test_large_values_keep_their_digits(case) -> None:
    given_ = case["inputs"]
    histogram = LatencyHistogram(
        given_["highest"], lowest=given_["lowest"], digits=given_["sig_digits"]
    )
    histogram.record(given_["values"])
    for name, value in expected(case).items():
        # Compared as the publication does: values below 2^24 apart count as one.
        assert histogram.percentile(float(name.removeprefix("p"))) >> 24 == value


def test_the_requests_that_were_not_sent_in_a_stall_are_counted() -> None:
    """Half of what should have been sent fell into the stall, and waited for its rest."""
    corrected = ten_thousand_and_a_stall(expected_interval=10_000)
    assert corrected.count == 20_000
    for percent, seconds in ((50, 0.001), (75, 50), (90, 80), (99, 98), (100, 100)):
        assert corrected.percentile(percent) == pytest.approx(1e6 * seconds, rel=1e-3)


@truth("co-stall")
def test_a_stall_of_all_connections_is_as_long_as_worked_out_by_hand(case) -> None:
    given_, wanted = case["inputs"], expected(case)
    everyone_ms = np.full(given_["connections"], 1e3 * given_["stall_s"])
    histogram = LatencyHistogram(60_000)
    histogram.record(everyone_ms, expected_interval=1e3 / given_["rate_per_connection"])
    assert histogram.count == wanted["affected_requests"]
    histogram.record(np.full(39_500 - histogram.count, 3))
    assert 2_800 / histogram.count == wanted["fraction_of_39500"]
    by_hand_s = given_["stall_s"] * (1 - 0.01 / 0.0709)
    assert histogram.percentile(99) == pytest.approx(1e3 * by_hand_s, rel=0.05)


@given(st.lists(st.integers(0, 10**7), min_size=1), st.floats(0, 100), st.integers(1, 4))
def test_no_percentile_is_further_off_than_the_digits_allow(
    values: list[int], percent: float, digits: int
) -> None:
    histogram = LatencyHistogram(10**7, digits=digits)
    histogram.record(values)
    exact = sorted(values)[max(1, int(percent / 100 * len(values) + 0.5)) - 1]
    assert exact <= histogram.percentile(percent) <= max(exact * (1 + 10.0**-digits), exact)


def test_values_that_do_not_fit_are_refused_and_none_is_counted() -> None:
    histogram = LatencyHistogram(1_000)
    with pytest.raises(ValueError, match="at most 1,000, got 5,000"):
        histogram.record([1, 5_000])
    with pytest.raises(ValueError, match="finite and not negative"):
        histogram.record([1, float("nan")])
    with pytest.raises(ValueError, match=r"Call record\(values\) first"):
        histogram.percentile(50)
    assert histogram.count == 0
