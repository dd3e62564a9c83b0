"""A new version is judged by its first answers: a bad one is stopped, a good one seldom."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.judgement import compare_latencies, judge
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate

OLD = Scenario(arrival_rate_per_s=50, service_time_s=0.02, servers=2)


def answers(requests: int, seed: int, **changes: object) -> pd.DataFrame:
    return simulate(OLD.changed(seed=seed, **changes), requests)


def test_a_version_like_the_old_one_goes_on() -> None:
    verdicts = [judge(answers(500, seed), answers(200, 100 + seed)).verdict for seed in range(60)]
    # At a level of 1 % for each of the two questions, one in fifty is stopped by chance.
    assert verdicts.count("roll back") <= 5
    assert verdicts.count("go on") == len(verdicts) - verdicts.count("roll back")


def test_more_errors_are_stopped_and_told() -> None:
    judgement = judge(answers(500, 1, error_share=0.01), answers(200, 2, error_share=0.2))
    assert judgement.verdict == "roll back"
    assert "of the new version's answers are errors" in judgement.reasons[0]


def test_slower_answers_are_stopped_although_none_is_an_error() -> None:
    judgement = judge(answers(500, 1), answers(300, 2, service_time_s=0.035))
    assert judgement.verdict == "roll back"
    assert judgement.errors.difference == 0
    assert "took longer" in judgement.reasons[0]


def test_a_difference_too_small_to_matter_does_not_stop_a_release() -> None:
    judgement = judge(answers(40_000, 1), answers(40_000, 2, service_time_s=0.0208))
    assert judgement.latencies.p_value < 0.01
    assert judgement.verdict == "go on"


def test_a_few_answers_are_not_enough_unless_it_is_clear() -> None:
    assert judge(answers(500, 1), answers(20, 2)).verdict == "wait"
    assert judge(answers(500, 1), answers(20, 2, error_share=1.0)).verdict == "roll back"


def test_a_version_that_answers_nothing_is_stopped() -> None:
    judgement = judge(answers(100, 1), answers(100, 2, error_share=1.0))
    assert judgement.verdict == "roll back"
    assert judgement.latencies is None


def test_nothing_to_judge_by_is_refused() -> None:
    with pytest.raises(ValueError, match="new has no attempt to judge by. Send some load first"):
        judge(answers(10, 1), answers(10, 1).head(0))


@given(*(st.lists(st.integers(0, 9), min_size=1, max_size=40) for _side in range(2)))
def test_the_share_of_slower_answers_counts_all_pairs(old: list[int], new: list[int]) -> None:
    pairs = np.subtract.outer(new, old)
    by_hand = ((pairs > 0).sum() + (pairs == 0).sum() / 2) / pairs.size
    result = compare_latencies(np.array(old, float), np.array(new, float))
    assert result.slower_share == pytest.approx(by_hand)
    assert 0 <= result.p_value <= 1
    back = compare_latencies(np.array(new, float), np.array(old, float))
    assert back.slower_share == pytest.approx(1 - by_hand)
    assert back.p_value == pytest.approx(result.p_value)


def test_chance_alone_is_seldom_taken_for_a_difference() -> None:
    random = np.random.default_rng(1)
    found = [
        compare_latencies(random.exponential(1, 80), random.exponential(1, 60)).p_value < 0.05
        for _experiment in range(2_000)
    ]
    assert np.mean(found) == pytest.approx(0.05, abs=5 * np.sqrt(0.05 * 0.95 / 2_000))
