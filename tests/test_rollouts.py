"""The model of rollouts: its phases, and whom they hit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.rollouts import STRATEGIES, Phase, Rollout, cost, plan

PEOPLE = {"servers": 4, "rate_per_s": 200}


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_a_good_version_costs_spare_machines_or_missing_ones_and_no_request(strategy: str) -> None:
    row = cost(plan(Rollout(strategy), **PEOPLE), **PEOPLE)
    assert row["failed_requests"] == row["users_hit"] == 0
    spare = {"rolling": (0, 1), "blue_green": (4, 0), "canary": (1, 0)}
    assert (row["extra"], row["missing"]) == spare[strategy]


def test_recreate_turns_everybody_away_while_the_servers_change() -> None:
    phases = plan(Rollout("recreate"), **PEOPLE, start_s=1.0, drain_s=0.5)
    row = cost(phases, **PEOPLE)
    assert row["failed_requests"] == 200 * 1.5
    assert (row["users_hit"], row["missing"]) == (1.0, 4)


def test_a_canary_limits_a_bad_version_to_its_share_until_it_is_found() -> None:
    rollout = Rollout("canary", canary_share=0.1, detection_s=3)
    row = cost(plan(rollout, **PEOPLE, error_share=0.5), **PEOPLE, error_share=0.5)
    assert row["failed_requests"] == pytest.approx(200 * 3 * 0.1 * 0.5)
    # Each of a hundred people asks six times, and is unlucky one time in twenty.
    assert row["users_hit"] == pytest.approx(1 - 0.95**6)


def test_a_canary_with_few_people_waits_until_there_are_enough_answers() -> None:
    rollout = Rollout("canary", canary_share=0.01, detection_s=1)
    assert plan(rollout, **PEOPLE)[1].seconds == 50 / (200 * 0.01)


def test_larger_batches_are_quicker_and_leave_fewer_servers() -> None:
    one, two = (
        cost(plan(Rollout(batch=batch, detection_s=0), **PEOPLE), **PEOPLE) for batch in (1, 2)
    )
    assert one["duration_s"] == pytest.approx(2 * two["duration_s"])
    assert (one["missing"], two["missing"]) == (1, 2)


@given(
    strategy=st.sampled_from(STRATEGIES),
    error_share=st.floats(0.01, 1),
    detection_s=st.floats(0, 60),
    servers=st.integers(2, 12),
)
def test_who_finds_a_bad_version_later_lets_more_people_be_hit(
    strategy: str, error_share: float, detection_s: float, servers: int
) -> None:
    people = {"servers": servers, "rate_per_s": 200}

    def hit(seconds: float) -> dict[str, float]:
        phases = plan(Rollout(strategy, detection_s=seconds), **people, error_share=error_share)
        assert all(0 <= phase.old + phase.new <= phase.machines for phase in phases)
        return cost(phases, **people, error_share=error_share)

    soon, late = hit(detection_s), hit(detection_s + 1)
    assert soon["failed_requests"] <= late["failed_requests"] + 1e-9
    assert 0 <= soon["users_hit"] <= late["users_hit"] + 1e-9 <= 1 + 2e-9


def test_after_a_bad_version_the_old_one_serves_alone() -> None:
    for strategy in STRATEGIES:
        phases = plan(Rollout(strategy), **PEOPLE, error_share=0.2)
        good = plan(Rollout(strategy), **PEOPLE)
        assert phases[-1].new == 0
        assert good[-1].old == 0


def test_what_cannot_be_rolled_out_is_named_with_its_remedy() -> None:
    with pytest.raises(ValueError, match=r"batch must be at most 3, got 4.*recreate"):
        plan(Rollout(batch=4), **PEOPLE)
    with pytest.raises(ValueError, match="strategy must be one of recreate, rolling"):
        Rollout("big_bang")
    with pytest.raises(ValueError, match=r"canary_share must be at most 0\.5"):
        Rollout("canary", canary_share=0.9)


def test_where_nobody_serves_every_request_fails() -> None:
    assert Phase(1, 0, 0, 4, 0.0).failing_share(0.1) == 1
