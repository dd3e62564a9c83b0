"""A hypothesis that was written before is judged by the counts, with one of four verdicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.experiments import Counted
from devops_lab.verdicts import judge_hypothesis

A = Counted(users=4_000, successes=800)


@pytest.mark.parametrize(
    ("relative_change", "ordered", "verdict"),
    [
        (0.10, 880, "held"),
        (0.10, 1_200, "otherwise"),
        (0.10, 700, "otherwise"),
        (0.10, 790, "refuted"),
        (0.05, 820, "undecided"),
        (-0.10, 720, "held"),
    ],
)
def test_the_same_hypothesis_meets_other_counts(
    relative_change: float, ordered: int, verdict: str
) -> None:
    judged = judge_hypothesis(relative_change, A, Counted(4_000, ordered))
    assert judged.verdict == verdict
    assert f"from 20.0% to {ordered / 4_000:.1%}" in judged.reason
    assert judged.written == pytest.approx(relative_change * 0.2)


@given(st.floats(-0.9, 1), st.integers(1, 4_000))
def test_a_change_that_is_found_has_the_sign_that_held(written: float, ordered: int) -> None:
    judged = judge_hypothesis(written, A, Counted(4_000, ordered))
    if judged.verdict == "held":
        assert written * judged.comparison.difference > 0


def test_a_change_of_more_than_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="relative_change must be above -1, got -2"):
        judge_hypothesis(-2, A, A)
