"""The closing: what the plan says, what a real server does, and what a fit finds in it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.closing import ClosingPlan
from devops_lab.closing_servers import ClosingServer, measure_closing
from devops_lab.processes import ProgramError
from devops_lab.scaling import fit_usl

QUICK = ClosingPlan(serial_s=0.02, parallel_s=0.08, entry_s=0.001)


@given(
    st.integers(1, 64),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
    st.floats(0, 0.01),
)
def test_the_plan_is_the_universal_law(workers, serial_s, parallel_s, entry_s):
    plan = ClosingPlan(serial_s=serial_s, parallel_s=parallel_s, entry_s=entry_s)
    by_law = plan.law.throughput(workers)
    assert plan.orders / plan.took_s(workers) == pytest.approx(by_law)


def test_a_real_closing_takes_at_least_its_plan_and_every_order_is_charged_once():
    with ClosingServer() as server:
        table = measure_closing(server, QUICK, workers=[1, 4, 16], repeats=2)
        book = (server.folder / "book").read_text().splitlines()
    assert table["workers"].tolist() == [1, 4, 16] * 2
    # A timer rings late and never early, but its clock is rounded.
    for workers, took_s in zip(table["workers"], table["took_s"], strict=True):
        assert took_s > QUICK.took_s(workers) - 0.001
    entries = [line.split(": ")[1] for line in book if line.startswith("worker")]
    assert len(entries) == 2 * (1 + 4 + 16)
    assert sum(int(entry.split()[0]) for entry in entries) == 6 * QUICK.orders
    totals = [int(entry.split(", ")[1].split()[0]) for entry in entries]
    sizes = [1, 4, 16] * 2
    ends = list(itertools.accumulate(sizes))
    sums = {sum(totals[end - size : end]) for size, end in zip(sizes, ends, strict=True)}
    assert len(sums) == 1


def test_the_fit_finds_the_serial_share_of_the_plan():
    sizes = [1, 2, 4, 8, 16, 32]
    plan = ClosingPlan()
    fit = fit_usl(sizes, [plan.orders / plan.took_s(n) for n in sizes])
    assert fit.law.contention == pytest.approx(plan.serial_share)
    assert fit.law.coherency == pytest.approx(plan.entry_s / plan.took_s(1))


def test_measuring_can_be_stopped_and_keeps_what_it_has():
    seen = []

    def stop_after_two(done, total):
        seen.append((done, total))
        return done < 2

    with ClosingServer() as server:
        table = measure_closing(server, QUICK, workers=[4, 8, 16], report=stop_after_two)
    assert seen == [(1, 9), (2, 9)]
    assert table["workers"].tolist() == [4, 8]


def test_a_closing_that_cannot_be_is_refused_in_one_line():
    with pytest.raises(ValueError, match="serial_s must be at least 0.5, got 0.1"):
        ClosingPlan(serial_s=0.1, entry_s=0.5)
    with pytest.raises(ValueError, match="together must be above 0"):
        ClosingPlan(serial_s=0, parallel_s=0, entry_s=0)
    with ClosingServer() as server:
        with pytest.raises(ProgramError, match="workers must be at most 64, got 65"):
            server.close_day(QUICK, workers=65)
        for query in ("workers=x", "serial_s=nan", "cake=1"):
            assert server.get(f"/closing?{query}").status == 400
        assert server.get("/").status == 404
