"""The model of the loop: its closed form, its generated changes and `dora.measures` agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.change_flow import LOOP, ROLL_BACK_H, ChangeFlow, changes, deployments, places
from devops_lab.dora import measures

USUAL = {"change_lines": 100, "test_strength": 0.6, "faulty_share": 0.2, "detection_h": 4.0}
flows = st.builds(
    ChangeFlow,
    change_lines=st.floats(10, 600),
    test_strength=st.floats(0, 1),
    faulty_share=st.floats(0, 0.6),
    detection_h=st.floats(0, 48),
)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"change_lines": 15},
        {"change_lines": 500},
        {"test_strength": 0.0},
        {"test_strength": 0.95, "faulty_share": 0.5},
        {"detection_h": 24.0, "faulty_share": 0.05},
    ],
)
def test_the_four_measures_of_generated_changes_are_those_of_the_closed_form(
    changed: dict[str, float],
) -> None:
    flow = ChangeFlow(**USUAL | changed)
    days = 4_000
    measured = measures(deployments(flow, days=days), f"{days}D").iloc[0]
    count = flow.deployments_per_day * days
    spread = (flow.failing_share * (1 - flow.failing_share) / count) ** 0.5
    assert measured.deployments_per_day == pytest.approx(flow.deployments_per_day, rel=0.02)
    assert measured.lead_time.total_seconds() / 3600 == pytest.approx(flow.lead_time_h)
    assert measured.failing_share == pytest.approx(flow.failing_share, abs=4 * spread)
    assert measured.recovery_time.total_seconds() / 3600 == pytest.approx(flow.recovery_time_h)


def test_by_hand() -> None:
    flow = ChangeFlow(change_lines=100, test_strength=0.0, faulty_share=0.5, detection_h=2.0)
    # Half of the changes of 100 lines have a fault, and nothing finds it before people do.
    assert flow.failing_share == pytest.approx(0.5)
    assert flow.recovery_time_h == 2.0 + ROLL_BACK_H
    # 20 hours of writing, half of them before the middle line; then 4 hours of machines.
    assert flow.lead_time_h == pytest.approx(10 + 4)
    # 1 h to plan, 20 h to write, and 4 h for each of ln(2) faults.
    assert flow.deployments_per_day == pytest.approx(24 / (21 + 4 * np.log(2)))
    twice = ChangeFlow(change_lines=200, test_strength=0.0, faulty_share=0.5, detection_h=2.0)
    assert twice.failing_share == pytest.approx(0.75)


@given(flows, st.integers(1, 10))
def test_a_change_goes_through_the_stages_in_their_order(flow: ChangeFlow, seed: int) -> None:
    made = changes(flow, days=30, seed=seed)
    hours = made[["begun_h", "written_h", "tested_h", "mended_h", "released_h", "deployed_h"]]
    assert (np.diff(hours.to_numpy(), axis=1) >= 0).all()
    assert (np.diff(made["begun_h"]) > 0).all()
    assert (made["recovered_h"].notna() == made["failed"]).all()


@given(flows, st.integers(1, 10), st.floats(0, 200))
def test_each_change_is_at_one_place_and_only_forwards(
    flow: ChangeFlow, seed: int, hour: float
) -> None:
    made = changes(flow, days=7, seed=seed)
    now, soon = places(made, hour), places(made, hour + 1e-6)
    assert now["progress"].between(0, 1).all()
    assert set(now["stage"]) <= set(LOOP)
    assert set(now["stage"][now["failed"]]) <= {"operate"}
    assert set(now["stage"][now["mended"]]) <= {"code"}
    # The team plans and writes one at a time.
    assert now["stage"].isin(["plan", "code"])[~now["mended"]].sum() <= 1
    assert len(now) <= (made["begun_h"] <= hour).sum()
    if list(now["stage"]) == list(soon["stage"]):
        assert (soon["progress"] >= now["progress"]).all()


@given(flows, st.floats(0, 1))
def test_stronger_tests_let_less_through_and_a_smaller_change_fails_less(
    flow: ChangeFlow, part: float
) -> None:
    strength = flow.test_strength + part * (1 - flow.test_strength)
    fields = {"faulty_share": flow.faulty_share, "detection_h": flow.detection_h}
    stronger = ChangeFlow(flow.change_lines, strength, **fields)
    assert stronger.failing_share <= flow.failing_share + 1e-12
    smaller = ChangeFlow(max(1, part * flow.change_lines), flow.test_strength, **fields)
    assert smaller.failing_share <= flow.failing_share + 1e-12
    assert smaller.lead_time_h <= flow.lead_time_h + 1e-9


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"change_lines": 0}, "change_lines must be at least 1"),
        ({"test_strength": 60}, "For 60 % write 0.6"),
        ({"faulty_share": 1.0}, "faulty_share must be at most 0.9"),
        ({"detection_h": -1}, "detection_h must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ChangeFlow(**USUAL | changed)
