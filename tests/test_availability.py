"""The closed forms give the published numbers, hold together, and refuse what makes no sense."""

import math
from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from truth import expected, truth

from devops_lab.availability import (
    availability,
    downtime,
    from_mtbf,
    k_of_n,
    nines,
    parallel,
    series,
    still_up,
    with_failover,
    with_shared_causes,
)

SHARES = st.floats(0, 1)
TIMES = st.floats(0.01, 1e6)


def as_share(percent: str) -> float:
    return float(percent.removesuffix("%")) / 100


@truth("avail-nines")
def test_the_table_of_nines_is_the_published_one(case):
    inputs, wanted = case["inputs"], expected(case)
    down = downtime(as_share(inputs["availability"]), inputs["period"])
    assert down / pd.Timedelta(1, wanted["unit"]) == wanted["allowed_downtime"]


@truth("avail-julian")
def test_a_year_can_have_another_length(case):
    wanted, tolerance = case["expected"]["downtime_seconds"], case["tolerance"]["abs_seconds"]
    share = as_share(case["inputs"]["availability"])
    for period, seconds in wanted.items():
        down = downtime(share, period, year_days=365.25).total_seconds()
        assert down == pytest.approx(seconds, abs=tolerance[period])
        assert down == pytest.approx(case["computed"][period])


@truth("avail-mtbf")
def test_mean_times_give_the_published_availability(case):
    inputs = case["inputs"]
    share = from_mtbf(inputs["MTBF_h"], inputs["MTTR_h"])
    assert {"availability_percent": 100 * share} == expected(case)


@truth("avail-series", "avail-azure")
def test_chains_have_the_published_availability(case):
    parts = map(float, case["inputs"]["series"])
    assert {"availability_percent": 100 * series(*parts)} == expected(case)


@truth("avail-kofn")
def test_two_of_three_have_the_published_availability(case):
    inputs = case["inputs"]
    share = k_of_n(inputs["k"], inputs["n"], inputs["component"])
    assert {"availability": share} == expected(case)


@truth("avail-betafactor")
def test_shared_causes_follow_the_published_formula(case):
    inputs = case["inputs"]
    up = with_shared_causes(1, inputs["n"], 1 - inputs["unavailability"], inputs["beta"])
    assert {"system_unavailability": 1 - up} == expected(case)


def test_two_copies_of_two_nines_with_a_tenth_of_shared_causes_have_not_four():
    assert f"{100 * parallel(0.99, 0.99):.2f}" == "99.99"
    assert f"{100 * with_shared_causes(1, 2, 0.99, 0.1):.2f}" == "99.89"


@given(TIMES, TIMES)
def test_times_may_have_any_unit_as_long_as_it_is_the_same(up, down):
    share = availability(up, down)
    assert availability(timedelta(days=up), timedelta(days=down)) == pytest.approx(share)
    assert availability(pd.Timedelta(up, "h"), pd.Timedelta(down, "h")) == pytest.approx(share)
    assert from_mtbf(up, down) == share
    with pytest.raises(TypeError, match="same unit"):
        availability(timedelta(seconds=up), down)


@given(st.floats(0, 1), st.sampled_from(["year", "quarter", "month", "week", "day", "hour"]))
def test_the_downtime_of_a_period_is_what_is_missing_of_it(share, period):
    whole = downtime(0.0, period)
    assert isinstance(whole, pd.Timedelta)
    assert downtime(1.0, period) == pd.Timedelta(0)
    assert downtime(share, period) / whole == pytest.approx(1 - share, abs=1e-9)
    assert downtime(share, whole) == downtime(share, period)
    assert downtime(0.0, "year", year_days=366) == pd.Timedelta(days=366)


def test_nines_are_counted():
    counted = [nines(share) for share in (0.0, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.0)]
    assert counted == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, math.inf]
    assert str(nines(0.0)) == "0.0"


@given(st.lists(SHARES, min_size=1, max_size=6))
def test_a_chain_is_as_weak_as_its_weakest_and_copies_as_strong_as_their_strongest(parts):
    assert series(*parts) <= min(parts)
    assert parallel(*parts) >= max(parts) - 1e-15
    assert k_of_n(len(parts), len(parts), parts) == pytest.approx(series(*parts), abs=1e-12)
    assert k_of_n(1, len(parts), parts) == pytest.approx(parallel(*parts), abs=1e-12)


@given(st.integers(1, 30), st.data())
def test_k_of_n_is_the_binomial_sum(n, data):
    k, share = data.draw(st.integers(1, n)), data.draw(SHARES)
    terms = [math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(k, n + 1)]
    assert k_of_n(k, n, share) == pytest.approx(math.fsum(terms), abs=1e-12)


# The formula is one for rare failures.
@given(st.integers(1, 5), st.floats(0.9, 1), SHARES)
def test_more_shared_causes_never_help_where_one_copy_is_enough(n, share, shared):
    none, some, all_ = (with_shared_causes(1, n, share, b) for b in (0.0, shared, 1.0))
    assert none >= some - 1e-12 >= all_ - 2e-12
    assert none == pytest.approx(k_of_n(1, n, share), abs=1e-12)
    assert all_ == pytest.approx(share, abs=1e-12)


@given(TIMES, TIMES, st.floats(0, 1e6), SHARES)
def test_a_spare_helps_less_the_later_the_failure_is_noticed(up, down, late, works):
    alone, together = from_mtbf(up, down), parallel(from_mtbf(up, down), from_mtbf(up, down))
    with_spare = with_failover(up, down, detection=late, switch_share=works)
    assert alone <= with_spare + 1e-12
    assert with_spare <= together + 1e-12
    assert with_failover(up, down) == pytest.approx(together)
    assert with_failover(up, down, switch_share=0) == pytest.approx(alone)
    assert with_failover(up, down, detection=1000 * down) == pytest.approx(alone)


@given(TIMES, TIMES, st.floats(0, 1e6))
def test_the_older_the_news_the_less_it_says(up, down, age):
    share = still_up(up, down, age)
    assert still_up(up, down, 0) == 1.0
    # At worst it says nothing.
    assert from_mtbf(up, down) - 1e-12 <= still_up(up, down, 2 * age) <= share <= 1.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            lambda: downtime(99.9),
            "availability must be a share between 0 and 1, got 99.9. For 99.9",
        ),
        (lambda: nines(99.9), "write 0.999"),
        (lambda: series(0.9, 99), "write 0.99"),
        (lambda: parallel(-0.1), "between 0 and 1"),
        (lambda: k_of_n(4, 3, 0.99), "k must be at most 3, got 4. There are not more copies."),
        (lambda: k_of_n(0, 3, 0.99), "k must be at least 1"),
        (lambda: k_of_n(1, 2, [0.9]), "one number a copy, 2, got 1"),
        (lambda: with_shared_causes(1, 2, 0.99, 10), "shared_share must be a share"),
        (lambda: from_mtbf(0, 1), "mtbf must be above 0, got 0. What fails at once is never up."),
        (lambda: from_mtbf(1, 0), "mttr must be above 0, got 0. A repair takes time"),
        (lambda: from_mtbf(math.inf, 1), "mtbf must be a finite number, got inf. For what never"),
        (lambda: from_mtbf(1, math.inf), "mttr must be a finite number, got inf. For what never"),
        (lambda: from_mtbf(-5, 1), "mtbf must be above 0, got -5"),
        (lambda: with_failover(1, 1, detection=-1), "detection must be at least 0"),
        (lambda: still_up(1, 1, -1), "after must be at least 0"),
        (lambda: availability(0, 0), "no time to be up in"),
        (lambda: availability(-1, 2), "uptime must be at least 0"),
        (lambda: downtime(0.9, "decade"), "period must be one of year, quarter, month"),
        (lambda: downtime(0.9, timedelta(0)), "period must be above 0"),
        (lambda: downtime(0.9, year_days=0), "year_days must be above 0"),
        (lambda: series(), "at least one"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(wrong, said):
    with pytest.raises(ValueError) as refused:
        wrong()
    assert said in str(refused.value)
