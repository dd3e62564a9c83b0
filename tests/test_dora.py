"""The four measures of how changes reach people."""

import pandas as pd
import pytest
from truth import expected, truth

from devops_lab.dora import history, measures
from devops_lab.tables import DEPLOYMENTS, table

MONDAY = pd.Timestamp("2026-03-02")


def deployments(*rows: tuple[float, float, float | None]) -> pd.DataFrame:
    """Hours since Monday of the commit, the deployment and, if it failed, the recovery."""

    def moments(hours: list[float | None]) -> pd.Series:
        return pd.Series(
            [MONDAY + pd.Timedelta(hours=hour) if hour is not None else pd.NaT for hour in hours],
            dtype="datetime64[us]",
        )

    committed, deployed, recovered = zip(*rows, strict=True) if rows else ([], [], [])
    return table(
        {
            "change": [f"1.{minor}" for minor in range(len(rows))],
            "committed": moments(committed),
            "deployed": moments(deployed),
            "failed": pd.Series([hour is not None for hour in recovered], dtype=bool),
            "recovered": moments(recovered),
        },
        DEPLOYMENTS,
    )


def test_the_measures_can_be_checked_by_hand() -> None:
    week = deployments((0, 2, None), (10, 14, 15), (20, 30, None), (40, 46, 49))
    (row,) = measures(week, "7D").itertuples()
    assert row.deployments_per_day == pytest.approx(4 / 7)
    assert row.lead_time == pd.Timedelta("5h")
    assert row.failing_share == 0.5
    assert row.recovery_time == pd.Timedelta("2h")


def test_what_cannot_be_said_is_missing() -> None:
    (row,) = measures(deployments(), "7D").itertuples()
    assert row.deployments_per_day == 0
    assert pd.isna([row.lead_time, row.failing_share, row.recovery_time]).all()
    (row,) = measures(deployments((0, 1, None)), "7D").itertuples()
    assert row.failing_share == 0
    assert pd.isna(row.recovery_time)


@truth("dora-2021")
def test_two_teams_are_as_far_apart_as_published(case) -> None:
    """The report's ratios come out for teams that deploy so often, or so soon."""
    given = case["inputs"]
    if "elite_per_year" in given:
        often = deployments(*[(0, hour, None) for hour in range(given["elite_per_year"])])
        seldom = deployments(*[(0, hour, None) for hour in range(int(2 * given["low_per_year"]))])
        (elite,), (low,) = (
            measures(team, period).deployments_per_day
            for team, period in ((often, "365D"), (seldom, "730D"))
        )
        assert elite / low == expected(case)["ratio"]
    else:
        hours = (24 * given["low_lead_days"], given["elite_lead_h"])
        low, elite = (
            measures(deployments((0, lead, None)), "7D").lead_time.iloc[0] for lead in hours
        )
        assert low / elite == expected(case)["ratio"]


def test_a_generated_history_has_the_means_that_were_asked_for() -> None:
    table_ = history(
        days=7_000,
        deployments_per_week=10,
        failing_share=0.15,
        hours_to_deploy=10,
        hours_to_recover=3,
    )
    (row,) = measures(table_, "7000D").itertuples()
    assert row.deployments_per_day == pytest.approx(10 / 7, rel=0.05)
    assert row.failing_share == pytest.approx(0.15, abs=0.015)
    # The median of an exponential time is log 2 of its mean.
    assert row.lead_time / pd.Timedelta("1h") == pytest.approx(10 * 0.693, rel=0.05)
    assert row.recovery_time / pd.Timedelta("1h") == pytest.approx(3 * 0.693, rel=0.1)


def test_what_cannot_be_meant_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="For 15 % write 0.15"):
        history(days=7, deployments_per_week=1, failing_share=15)
    with pytest.raises(ValueError, match="period must be above 0"):
        measures(deployments(), "0D")
    with pytest.raises(ValueError, match="deployments must be at most 1,000,000"):
        history(days=36_000, deployments_per_week=10**6, failing_share=0)
