"""Budgets, burn rates and alerts as in the SRE Workbook, its misprints put right."""

import math

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from truth import expected, truth

from devops_lab.objectives import (
    Alert,
    allowed_failures,
    budget_used,
    burn_rate,
    burn_rate_to_use,
    error_budget,
    time_to_exhaustion,
    workbook_alerts,
)

MINUTE, DAY = pd.Timedelta("1min"), pd.Timedelta("1D")


@truth("slo-90pct", "slo-duration", "slo-budget-10min", "slo-spike")
def test_an_incident_uses_as_much_budget_as_published(case) -> None:
    given_ = case["inputs"]
    minutes = given_.get("outage_minutes") or given_.get("minutes") or given_["spike_minutes"]
    lasting = given_.get("spikes", 1) * minutes * MINUTE
    period = given_.get("period_days", 30) * DAY
    used = budget_used(given_.get("error_ratio", 1), lasting, given_["slo"], period)
    assert 100 * used == expected(case)["budget_percent"]


@truth("slo-table5-4", "slo-pyrra-exhaust")
def test_a_budget_lasts_as_long_as_published(case) -> None:
    given_, wanted = case["inputs"], expected(case)
    rate = given_.get("burn_rate") or given_["factor"]
    period = (given_.get("period_days") or given_["slo_window_days"]) * DAY
    assert time_to_exhaustion(rate, period) / DAY == wanted["exhaustion_days"]
    if "error_rate" in wanted:
        assert Alert(rate, "1h").error_share(given_["slo"]) == wanted["error_rate"]


@truth("slo-table5-6", "slo-sloth")
def test_a_share_of_the_budget_in_a_time_is_the_published_burn_rate(case) -> None:
    given_, wanted = case["inputs"], expected(case)
    percent = given_.get("budget_percent") or given_["error_budget_percent"]
    within = given_.get("window_minutes") or 60 * given_["long_window_h"]
    period = (given_.get("period_days") or given_["slo_period_days"]) * DAY
    rate = burn_rate_to_use(percent / 100, within * MINUTE, period)
    assert rate == wanted.get("burn_rate", wanted.get("burn_rate_factor"))


@truth("slo-table5-8")
def test_the_recommended_alerts_are_the_workbooks(case) -> None:
    given_, wanted = case["inputs"], expected(case)
    period = given_["period_days"] * DAY
    (alert,) = [a for a in workbook_alerts(period) if a.burn_rate == given_["burn_rate"]]
    assert alert.window / MINUTE == given_["long_window_minutes"]
    assert alert.short_window / MINUTE == wanted["short_window_minutes"]
    assert 100 * alert.budget_used(period) == wanted["budget_consumed_percent"]


@truth("slo-detect")
def test_an_alert_fires_as_soon_as_published(case) -> None:
    given_, wanted = case["inputs"], expected(case)
    minutes = given_.get("window_minutes") or 60 * given_["window_hours"]
    alert = Alert(given_.get("burn_rate", 1), minutes * MINUTE)
    detected = alert.detection_time(given_["error_ratio"], given_["slo"])
    unit, number = next(iter(wanted.items()))
    assert detected / pd.Timedelta(1, unit) == number


@truth("slo-multiwindow")
def test_a_short_window_ends_the_alert_soon_after_the_errors(case) -> None:
    given_, wanted = case["inputs"], expected(case)
    long, short = given_["long_minutes"] * MINUTE, given_["short_minutes"] * MINUTE
    both, long_only = Alert(given_["burn_rate"], long, short), Alert(given_["burn_rate"], long)
    errors, objective = given_["error_ratio"], given_["slo"]
    assert both.detection_time(errors, objective) / MINUTE == wanted["fires_after_minutes"]
    assert both.reset_time(errors, objective) / MINUTE == wanted["stops_after_errors_stop_minutes"]
    cleared = long_only.reset_time(errors, objective) / MINUTE
    assert cleared == wanted["long_window_clears_after_minutes"]


@truth("slo-lowtraffic")
def test_one_failure_of_little_traffic_is_a_large_part_of_the_budget(case) -> None:
    given_, wanted = case["inputs"], expected(case)
    requests = given_["requests_per_hour"] * 24 * given_["period_days"]
    assert allowed_failures(requests, given_["slo"]) == wanted["allowed_failures_floor"]
    used = budget_used(given_["failed"] / requests, 30 * DAY, given_["slo"])
    assert 100 * used == wanted["budget_percent"]


def test_errors_below_the_alert_use_up_the_budget_unseen() -> None:
    """0.9 % of errors never call anybody at 1 %, and a month's budget of 99.9 % is gone in days."""
    errors, objective = 0.009, 0.999
    naive = Alert(burn_rate(0.01, objective), "1h")
    assert naive.detection_time(errors, objective) is pd.NaT
    assert time_to_exhaustion(burn_rate(errors, objective)) / DAY == pytest.approx(3.33, abs=0.01)
    slow = workbook_alerts()[1]
    assert slow.detection_time(errors, objective) == pd.Timedelta("4h")


@given(st.floats(1e-6, 1), st.floats(0.5, 0.99999))
def test_a_budget_is_used_up_exactly_when_it_is_exhausted(errors: float, objective: float) -> None:
    lasts = time_to_exhaustion(burn_rate(errors, objective))
    assume(lasts < pd.Timedelta.max)
    assert budget_used(errors, lasts, objective) == pytest.approx(1, rel=1e-6)


@given(st.floats(0.001, 1), st.floats(1, 20))
def test_what_fires_later_has_let_more_of_the_budget_go(errors: float, rate: float) -> None:
    short, long = (Alert(rate, window).detection_time(errors, 0.999) for window in ("1h", "6h"))
    assume(short is not pd.NaT)
    assert long == pytest.approx(6 * short, rel=1e-6)


def test_without_errors_a_budget_lasts_for_ever_and_nothing_fires() -> None:
    assert time_to_exhaustion(0) == pd.Timedelta.max
    assert Alert(1, "1h").detection_time(0, 0.999) is pd.NaT
    assert Alert(1, "1h").reset_time(0, 0.999) is pd.NaT
    assert budget_used(0, "1h", 0.999) == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: error_budget(1), "objective must be below 1, got 1. Nothing is up all the time"),
        (lambda: error_budget(99.9), "For 99.9 % write 0.999"),
        (lambda: burn_rate(-0.1, 0.99), "error_share must be a share between 0 and 1, got -0.1"),
        (
            lambda: Alert(14.4, 60),
            "window must be a duration above 0, got 60. Say it with its unit",
        ),
        (lambda: Alert(14.4, "an hour"), "window must be a duration above 0, got 'an hour'"),
        (lambda: Alert(14.4, "-1h"), "window must be a duration above 0, got '-1h'"),
        (lambda: Alert(math.nan, "1h"), "burn_rate must be a finite number, got nan"),
        (lambda: Alert(1, "1h", "2h"), "short_window must be at most the window"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_remedy(wrong, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wrong()
