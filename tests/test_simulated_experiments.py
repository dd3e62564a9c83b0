"""A thousand experiments at once agree with the formulas about one."""

import math

import numpy as np
import pytest

from devops_lab.experiments import Counted, compare, false_alarm_share, power
from devops_lab.simulated_experiments import RULES, simulate_experiments

MANY = 4_000


def spread(share: float) -> float:
    """How far a share of so many experiments may be off: four spreads, and what a share of a few
    hundred successes differs from the normal one of the formulas."""
    return 4 * math.sqrt(share * (1 - share) / MANY) + 0.01


@pytest.mark.parametrize("looks", [1, 5, 10, 20])
def test_identical_versions_win_as_often_as_the_formula_says(looks: int) -> None:
    same = simulate_experiments(0.2, users=4_000, looks=looks, experiments=MANY)
    by_look = same.won("peek").mean(axis=0)
    assert by_look[-1] == pytest.approx(false_alarm_share(looks), abs=spread(0.2))
    assert (np.diff(by_look) >= 0).all()


@pytest.mark.parametrize("rule", ["once", "stricter", "always valid"])
def test_each_remedy_holds_the_level(rule: str) -> None:
    same = simulate_experiments(0.2, users=4_000, looks=10, experiments=MANY)
    assert same.winner_share(rule) < 0.05 + spread(0.05)


def test_a_difference_is_found_as_often_as_the_power_says_and_peeking_finds_it_more_often() -> None:
    real = simulate_experiments(0.2, users=1_094, looks=10, difference=0.05, experiments=MANY)
    found = {rule: real.winner_share(rule) for rule in RULES}
    assert found["once"] == pytest.approx(power(0.2, 0.05, users=1_094), abs=spread(0.2))
    assert found["peek"] > found["once"] > found["stricter"] > found["always valid"] > 0


def test_one_experiment_of_the_many_is_what_compare_says_of_its_counts() -> None:
    many = simulate_experiments(0.2, users=500, looks=5, difference=0.1, experiments=50)
    a, b = (
        [Counted(500, int(successes)) for successes in version.successes[:, -1]]
        for version in (many.a, many.b)
    )
    alone = [compare(*pair).p_value < 0.05 for pair in zip(a, b, strict=True)]
    assert many.significant("once")[:, -1].tolist() == alone


def test_another_difference_leaves_version_a_as_it_was() -> None:
    one, other = (simulate_experiments(0.2, users=500, looks=5, difference=d) for d in (0, 0.1))
    assert (one.a.successes == other.a.successes).all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"users": 5}, "users must be at least 10, got 5. Between two looks somebody has to come"),
        ({"difference": 0.9}, "share between 0 and 1"),
        ({"looks": 0}, "looks must be at least 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        simulate_experiments(**{"base_share": 0.2, "users": 100, "looks": 10} | wrong)


def test_an_unknown_rule_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="peek, once, stricter, always valid"):
        simulate_experiments(0.2, users=10, looks=1).won("guess")
