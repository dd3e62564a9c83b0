"""Hours, drift and incidents of a fleet: the formulas, the same by lot, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.toil import (
    MOST_WEEKS,
    Practice,
    Upkeep,
    automated,
    break_even_weeks,
    by_hand,
    drifted_share,
    simulated_drift,
)

works = st.builds(
    Upkeep,
    servers=st.integers(1, 50),
    changes_per_week=st.integers(0, 5),
    steps_per_change=st.integers(1, 20),
    error_share=st.floats(0, 0.2),
    night_edits_per_week=st.floats(0, 5),
    found_share=st.floats(0, 1),
)


@pytest.mark.parametrize("way", [by_hand, automated])
def test_many_fleets_by_lot_drift_as_the_formula_says(way: object) -> None:
    work = Upkeep(servers=10, error_share=0.005, found_share=0.2, night_edits_per_week=2)
    practice = way(work)
    fleets = np.array(
        [
            simulated_drift(practice, 20, servers=10, found_share=0.2, seed=seed)
            for seed in range(2_000)
        ]
    )
    expected = drifted_share(practice, 20, found_share=0.2)
    standard_error = np.sqrt(expected * (1 - expected) / fleets.shape[0] / 10)
    assert (np.abs(fleets.mean(axis=0) - expected) <= 4.5 * standard_error).all()


def test_steps_by_lot_go_wrong_as_often_as_the_closed_form_of_a_week_says() -> None:
    work = Upkeep(servers=8, changes_per_week=3, steps_per_change=7, night_edits_per_week=2)
    random = np.random.default_rng(5)
    weeks = 40_000
    wrong = random.binomial(work.steps_per_week, work.error_share, (weeks, work.servers)) > 0
    edited = random.poisson(work.night_edits_per_week / work.servers, (weeks, work.servers)) > 0
    assert (wrong | edited).mean() == pytest.approx(by_hand(work).wrong_share_per_week, abs=0.003)


@given(works, st.integers(1, 60))
def test_a_share_grows_from_nothing_to_where_as_many_are_found_as_go_wrong(
    work: Upkeep, weeks: int
) -> None:
    practice = by_hand(work)
    shares = drifted_share(practice, MOST_WEEKS, found_share=work.found_share)
    assert shares[0] == 0
    assert (np.diff(shares) >= -1e-12).all()
    assert (shares <= 1).all()
    wrong, left = practice.wrong_share_per_week, 1 - work.found_share
    here, after = shares[weeks - 1], shares[weeks]
    assert after == pytest.approx(wrong + (1 - wrong) * left * here, abs=1e-12)


@given(works)
def test_automation_makes_fewer_and_larger_incidents(work: Upkeep) -> None:
    hand, program = by_hand(work), automated(work)
    assert program.incidents_per_week <= hand.incidents_per_week
    hits = [each.incidents_per_week * each.servers_hit for each in (hand, program)]
    assert hits[0] == pytest.approx(hits[1])
    assert program.wrong_share_per_week <= hand.wrong_share_per_week


def test_the_hours_come_back_or_never_do() -> None:
    work = Upkeep(servers=12, changes_per_week=2, steps_per_change=10, minutes_per_step=2)
    assert by_hand(work).hours_per_week == 8
    program = automated(work, set_up_hours=40, writing_factor=4)
    assert program.hours_per_week == pytest.approx(8 / 3)
    assert break_even_weeks(by_hand(work), program) == pytest.approx(7.5)
    alone = Upkeep(servers=1)
    assert break_even_weeks(by_hand(alone), automated(alone)) == math.inf
    assert break_even_weeks(by_hand(work), by_hand(work)) == 0


def test_one_setting_leaves_the_other_lots_as_they_were() -> None:
    practice = Practice(0, 0, 0.2, 0, 1)
    never, often = (
        simulated_drift(practice, 30, servers=40, found_share=found) for found in (0, 0.5)
    )
    assert (often <= never).all()


def test_what_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="error_share must be a share.*For 2 % write 0.02"):
        Upkeep(error_share=2)
    with pytest.raises(ValueError, match="servers must be at least 1, got 0"):
        Upkeep(servers=0)
    with pytest.raises(ValueError, match="described_share must be a share"):
        automated(Upkeep(), described_share=90)
    with pytest.raises(ValueError, match="weeks must be at most 1,000"):
        drifted_share(by_hand(Upkeep()), 10_000, found_share=0.1)
