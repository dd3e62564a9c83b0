"""A ramp shows a new version to few first: a bad one is taken back before most have seen it."""

import numpy as np
import pytest

from devops_lab.experiments import Counted
from devops_lab.ramps import Decision, Ramp


def run(b_share: float, seed: int, users: int = 2_000) -> list[Decision]:
    """The decisions of one ramp, ten days of so many users who come by lot, or until it stops."""
    ramp, random, decisions = Ramp(), np.random.default_rng(seed), []
    share_b = ramp.stages[0]
    while share_b and len(decisions) < 10:
        saw_b = random.binomial(users, share_b)
        a = Counted(users - saw_b, random.binomial(users - saw_b, 0.2))
        decisions.append(ramp.decide(share_b, a, Counted(saw_b, random.binomial(saw_b, b_share))))
        share_b = decisions[-1].share_b
    return decisions


def test_a_bad_version_never_reaches_half_of_the_users() -> None:
    for seed in range(100):
        decisions = run(b_share=0.08, seed=seed)
        assert decisions[-1].verdict == "roll back"
        assert max(decision.share_b for decision in decisions) <= 0.25


def test_a_version_that_is_no_worse_is_seldom_taken_back() -> None:
    runs = 400
    stopped = sum(run(0.2, seed)[-1].verdict == "roll back" for seed in range(runs))
    # Ten looks of the level 0.05 / 4 each, of which only the side of harm stops a ramp.
    assert stopped / runs < 10 * 0.05 / 4 / 2 + 0.03


def test_a_stage_waits_for_its_users_unless_the_harm_is_clear() -> None:
    ramp, a = Ramp(users=50), Counted(1_900, 380)
    assert ramp.decide(0.05, a, Counted(40, 8)).verdict == "wait"
    assert ramp.decide(0.05, a, Counted(40, 8)).share_b == 0.05
    assert ramp.decide(0.05, a, Counted(40, 0)) == Decision(
        "roll back", 0.0, "0.0% with B and 20.0% with A: chance alone hardly does that."
    )


def test_the_stages_are_climbed_one_by_one_and_the_last_one_is_kept() -> None:
    shares, equal = [0.01], Counted(1_000, 200)
    for _stage in Ramp().stages:
        shares.append(Ramp().decide(shares[-1], equal, equal).share_b)
    assert shares == [0.01, 0.05, 0.25, 0.5, 0.5]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Ramp(stages=(0.5, 0.1)), "each larger than the one before"),
        (lambda: Ramp(stages=()), "each larger than the one before"),
        (lambda: Ramp(stages=(1, 5, 25)), "For 5 % write 0.05"),
        (lambda: Ramp(users=0), "users must be at least 1"),
        (lambda: Ramp().decide(0.1, Counted(9, 1), Counted(9, 1)), "one of the stages"),
    ],
)
def test_a_ramp_that_cannot_be_meant_is_refused(wrong, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wrong()
