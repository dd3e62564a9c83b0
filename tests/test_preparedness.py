"""Prepared resources against those made on demand: the formulas against a simulation and against
real servers."""

import random

import pytest

from devops_lab.preparedness import mean_idle, mean_wait_s, measure_readiness, ready_share


def waits_by_lot(prepared: int, rate_per_s: float, make_s: float, requests: int) -> list[float]:
    """The wait of each request: first come, first served, from a stock that is refilled."""
    lot, now_s = random.Random(1), 0.0
    ready_s = [0.0] * prepared
    waits = []
    for _request in range(requests):
        now_s += lot.expovariate(rate_per_s)
        # Each taken one is replaced by one begun now; the oldest that is or gets ready is taken.
        ready_s.append(now_s + lot.expovariate(1 / make_s))
        ready_s.sort()
        waits.append(max(0.0, ready_s.pop(0) - now_s))
    return waits


@pytest.mark.parametrize("prepared", [0, 1, 2, 5])
def test_the_formulas_are_what_a_simulation_finds(prepared: int) -> None:
    waits = waits_by_lot(prepared, 0.5, 4.0, 100_000)
    found = sum(wait == 0 for wait in waits) / len(waits)
    assert found == pytest.approx(ready_share(prepared, 0.5, 4.0), abs=0.02)
    assert sum(waits) / len(waits) == pytest.approx(mean_wait_s(prepared, 0.5, 4.0), rel=0.05)


def test_nothing_prepared_is_the_whole_wait_and_much_prepared_is_mostly_idle() -> None:
    assert mean_wait_s(0, 0.5, 4.0) == 4.0
    assert ready_share(0, 0.5, 4.0) == mean_idle(0, 0.5, 4.0) == 0.0
    assert ready_share(50, 0.5, 4.0) == pytest.approx(1.0)
    assert mean_idle(50, 0.5, 4.0) == pytest.approx(48.0)


def test_a_prepared_server_answers_before_one_that_has_to_be_started() -> None:
    readiness = measure_readiness(3).groupby("way")["ready_s"].median()
    assert readiness["prepared"] < readiness["on demand"]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="prepared must be at least 0, got -1"):
        ready_share(-1, 0.5, 4.0)
    with pytest.raises(ValueError, match="make_s must be above 0, got 0"):
        mean_wait_s(1, 0.5, 0)
