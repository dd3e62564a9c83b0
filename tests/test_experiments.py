"""What two counts say, held to published examples and to repeated experiments."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.experiments import (
    Counted,
    always_valid_p_value,
    compare,
    false_alarm_share,
    significance_per_look,
    users_needed,
)

COUNTS = st.integers(1, 10**6).flatmap(
    lambda users: st.builds(Counted, st.just(users), st.integers(0, users))
)


def counted(pairs: list[tuple[int, int]]) -> list[Counted]:
    return [Counted(users=users, successes=successes) for successes, users in pairs]


# Newcombe (1998), Table II, method 10: the difference of 56/70 and 48/80, and so on.
@pytest.mark.parametrize(
    ("more", "less", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((5, 56), (0, 29), -0.0381, 0.1926),
    ],
)
def test_the_interval_of_a_difference_is_the_published_one(more, less, low, high) -> None:
    b, a = counted([more, less])
    result = compare(a, b)
    assert (result.low, result.high) == pytest.approx((low, high), abs=5e-5)


# Armitage, McPherson and Rowe (1969), Table 2, and Pocock (1977), Table 1.
@pytest.mark.parametrize(
    ("looks", "false_alarms"),
    [
        (1, 0.05),
        (2, 0.083),
        (3, 0.107),
        (4, 0.126),
        (5, 0.142),
        (10, 0.193),
        (20, 0.248),
        (50, 0.320),
    ],
)
def test_peeking_finds_winners_as_often_as_published(looks: int, false_alarms: float) -> None:
    assert false_alarm_share(looks) == pytest.approx(false_alarms, abs=6e-4)


@pytest.mark.parametrize(("looks", "level"), [(1, 0.05), (2, 0.0294), (5, 0.0158), (10, 0.0106)])
def test_a_stricter_level_at_each_look_makes_up_for_peeking(looks: int, level: float) -> None:
    assert significance_per_look(looks) == pytest.approx(level, abs=6e-5)
    assert false_alarm_share(looks, significance_per_look(looks)) == pytest.approx(0.05, abs=1e-6)


def test_enough_users_find_the_difference_as_often_as_promised() -> None:
    users = users_needed(0.10, 0.02, power=0.8)
    random = np.random.default_rng(1)
    found = [
        compare(Counted(users, a), Counted(users, b)).p_value < 0.05
        for a, b in zip(
            random.binomial(users, 0.10, 4_000), random.binomial(users, 0.12, 4_000), strict=True
        )
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=4 * math.sqrt(0.8 * 0.2 / 4_000))


def test_the_always_valid_p_value_may_be_looked_at_after_every_hundred_users() -> None:
    random, experiments, winners = np.random.default_rng(1), 400, 0
    for _number in range(experiments):
        a, b = random.binomial(100, 0.1, (2, 100)).cumsum(axis=1)
        looks = zip(range(100, 10_001, 100), a.tolist(), b.tolist(), strict=True)
        winners += any(
            always_valid_p_value(Counted(n, x), Counted(n, y), expected_effect=0.02) < 0.05
            for n, x, y in looks
        )
    # Two equal versions: peeking a hundred times at a usual test would give winners to a third.
    assert winners / experiments < 0.05 + 4 * math.sqrt(0.05 * 0.95 / experiments)


def test_a_true_difference_is_found_by_the_always_valid_p_value_too() -> None:
    a, b = counted([(1_000, 10_000), (1_300, 10_000)])
    assert always_valid_p_value(a, b, expected_effect=0.02) < 1e-6
    assert compare(a, b).p_value < always_valid_p_value(a, b, expected_effect=0.02)


@given(COUNTS, COUNTS)
def test_to_exchange_the_versions_changes_only_the_sign(a: Counted, b: Counted) -> None:
    forth, back = compare(a, b), compare(b, a)
    assert forth.difference == -back.difference
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert forth.p_value == back.p_value
    assert forth.low <= forth.difference <= forth.high


@given(COUNTS, st.floats(0.5, 0.999))
def test_more_confidence_is_a_wider_interval_round_the_share(count: Counted, sure: float) -> None:
    (low, high), (lower, higher) = count.interval(sure / 2), count.interval(sure)
    within = [0, lower, low, count.share, high, higher, 1]
    assert all(b >= a - 1e-12 for a, b in pairwise(within))


def test_two_versions_in_which_nobody_did_it_do_not_differ() -> None:
    nobody = Counted(users=50, successes=0)
    assert compare(nobody, nobody).p_value == 1
    assert always_valid_p_value(nobody, nobody, expected_effect=0.1) == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Counted(users=0, successes=0), "users must be at least 1, got 0"),
        (lambda: Counted(users=10, successes=11), "at most 10, got 11. Nobody is counted twice"),
        (lambda: users_needed(0.2, 0), "difference must not be 0"),
        (lambda: users_needed(0.9, 0.2), "between 0 and 1, got 0.2 and 0.9"),
        (lambda: users_needed(20, 0.05), "For 20 % write 0.2"),
        (lambda: users_needed(0.2, 0.05, power=1.0), "Certainty would need everybody"),
        (lambda: false_alarm_share(10**9), "looks must be at most 1,000"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_remedy(wrong, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wrong()
