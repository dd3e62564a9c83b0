"""A shift of orders over a bad network: the formula, the simulation and real processes."""

import math
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab import processes
from devops_lab.shifts import (
    PROMISES,
    Shift,
    both_promises,
    measure_shift,
    simulate_shift,
    times_paid,
    wrong_share,
)
from devops_lab.tables import EVENTS

shifts = st.builds(
    Shift,
    promise=st.sampled_from(PROMISES),
    orders=st.integers(1, 15),
    workers=st.integers(1, 4),
    work_s=st.floats(0, 1),
    lease_s=st.floats(0.05, 2),
    loss_share=st.floats(0, 0.5),
    delay_s=st.floats(0, 1),
    seed=st.integers(0, 1000),
)


def spread(share: float, orders: int) -> float:
    """Four standard deviations of a share among so many orders."""
    return 4 * math.sqrt(share * (1 - share) / orders)


@given(shifts)
def test_no_simulated_order_is_lost_or_doubled_against_its_promise(shift: Shift) -> None:
    events = simulate_shift(shift)
    assert list(events) == list(EVENTS)
    assert events["time_s"].is_monotonic_increasing
    times = times_paid(events)
    assert list(times.index) == shift.jobs
    if shift.promise == "at_most_once":
        assert times.max() <= 1
    else:
        given_up = set(events.loc[events["what"] == "set_aside", "job"])
        assert set(times.index[times == 0]) <= given_up
    if shift.promise == "paid_once":
        assert times.max() <= 1
    # Nobody works on two orders at once, and each delivery is started by one worker at most.
    started = events[events["what"] == "started"]
    assert not started.duplicated(["job", "delivery"]).any()
    for _worker, own in events[events["what"].isin(["started", "done"])].groupby("worker"):
        assert own["what"].tolist() == ["started", "done"] * (len(own) // 2)


@given(shifts)
def test_a_simulated_shift_is_the_same_each_time(shift: Shift) -> None:
    pd.testing.assert_frame_equal(simulate_shift(shift), simulate_shift(shift))


@pytest.mark.parametrize("loss_share", [0.05, 0.3])
@pytest.mark.parametrize("promise", PROMISES)
def test_the_simulation_agrees_with_the_formula(promise: str, loss_share: float) -> None:
    shift = Shift(promise=promise, orders=1000, loss_share=loss_share)
    expected = wrong_share(shift)
    simulated = (times_paid(simulate_shift(shift)) != 1).mean()
    assert simulated == pytest.approx(expected, abs=spread(expected, 1000))


def test_a_lease_shorter_than_the_work_doubles_orders_although_nothing_is_lost() -> None:
    # Two workers, one order: the second has it as soon as the lease is over.
    shift = Shift(orders=1, work_s=0.4, lease_s=0.3, loss_share=0)
    assert wrong_share(shift) is None
    assert times_paid(simulate_shift(shift)).tolist() == [2]
    assert times_paid(simulate_shift(replace(shift, lease_s=0.5))).tolist() == [1]
    # Where all are busy, too: whoever is free first takes what the other is about to acknowledge.
    busy = Shift(work_s=0.1, delay_s=0.2, lease_s=0.3, loss_share=0)
    assert (times_paid(simulate_shift(busy)) > 1).sum() > 3
    once = Shift(promise="paid_once", orders=1, work_s=0.4, lease_s=0.3, loss_share=0)
    events = simulate_shift(once)
    assert times_paid(events).tolist() == [1]
    assert Counter(events["what"])["refused"] == 1


def test_by_hand_one_worker_takes_one_order_after_the_other() -> None:
    events = simulate_shift(Shift(orders=2, workers=1, work_s=1, delay_s=0.25, loss_share=0))
    times_s = events.set_index(["job", "what"])["time_s"]
    # The way, the work, the way back; and so on.
    for job, begins_s in (("order 1", 0.0), ("order 2", times_s["order 1", "acknowledged"])):
        one = times_s[job]
        assert one["delivered"] == begins_s
        assert one["started"] == pytest.approx(begins_s + 0.25)
        assert one["paid"] - one["started"] == pytest.approx(1, abs=0.2)
        assert one["acknowledged"] == pytest.approx(one["paid"] + 0.25)


@pytest.mark.parametrize("promise", ["at_most_once", "paid_once"])
def test_real_processes_lose_the_very_orders_that_the_simulation_loses(promise: str) -> None:
    shift = Shift(promise=promise, orders=12, loss_share=0.3, work_s=0.01, lease_s=0.4)
    measured = measure_shift(shift)
    assert list(measured) == list(EVENTS)
    assert times_paid(measured).to_dict() == times_paid(simulate_shift(shift)).to_dict()
    assert processes.running() == []


def test_real_processes_double_at_least_the_orders_that_the_simulation_doubles() -> None:
    # A busy machine can let a lease run out, which doubles an order more.
    shift = Shift(orders=12, loss_share=0.3, work_s=0.01, lease_s=0.4)
    measured, simulated = times_paid(measure_shift(shift)), times_paid(simulate_shift(shift))
    assert simulated.max() > 1
    assert (measured >= simulated).all()


def test_what_goes_wrong_is_told_for_each_loss() -> None:
    tables = both_promises(simulate_shift, Shift(orders=50), [0.0, 0.2])
    assert list(tables) == ["at most once: never paid", "at least once: paid again"]
    for table in tables.values():
        assert table["loss_share"].tolist() == [0.0, 0.2]
        assert table["wrong_share"].iloc[0] == 0 < table["wrong_share"].iloc[1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"promise": "exactly_once"}, "promise must be one of at_most_once, at_least_once"),
        ({"loss_share": 10}, "For 10 % write 0.1"),
        ({"loss_share": 1}, "loss_share must be at most 0.9, got 1"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"orders": 10_000}, "orders must be at most 1,000, got 10000"),
        ({"lease_s": 0}, "lease_s must be at least 0.05, got 0"),
        ({"delay_s": -1}, "delay_s must be at least 0, got -1"),
    ],
)
def test_a_shift_that_cannot_be_is_refused(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Shift(**settings)
