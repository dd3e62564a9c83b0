"""An autoscaler, by itself and over simulated days: when it helps, when it turns round and round,
and when it makes things worse."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.autoscaler import (
    Autoscaler,
    Database,
    Day,
    FleetDay,
    Look,
    changes_of_direction,
    server_seconds,
)
from devops_lab.scenario import Load, Scenario
from devops_lab.simulate import simulate
from devops_lab.simulated_fleet import simulate_fleet

SHOP = Day(
    Scenario(
        arrival_rate_per_s=60,
        service_time_s=0.04,
        servers=2,
        balancer="least_connections",
        load=Load(shape="daily", day_s=10, peak_factor=1.8),
    )
)
GOOD = Autoscaler(target=0.6, max_servers=8, window_s=1.5)


def p99_s(day: FleetDay) -> float:
    return float(day.attempts["latency_s"].quantile(0.99))


def always(servers: int) -> Autoscaler:
    return GOOD.changed(min_servers=servers, max_servers=servers)


def look(*utilisation: float, starting: int = 0, time_s: float = 1.0) -> Look:
    count = len(utilisation)
    return Look(time_s, utilisation, (1.0,) * count, (0.1,) * count, starting)


def test_a_fleet_that_never_changes_is_the_simulation_of_one() -> None:
    day = SHOP.changed(servers=3, balancer="round_robin")
    found = simulate_fleet(day, always(3)).attempts
    known = simulate(day.scenario, len(found))
    assert found["latency_s"].tolist() == pytest.approx(known["latency_s"].tolist())
    assert found["server"].tolist() == known["server"].tolist()


def test_it_grows_with_the_load_and_shrinks_after_it() -> None:
    day = simulate_fleet(SHOP, GOOD)
    looks = day.looks
    assert looks["asked"].iloc[0] == 2
    assert looks["asked"].max() >= 6
    assert looks["asked"].iloc[-1] <= 4
    assert changes_of_direction(looks) <= 2
    # As quick as a fleet of the size of its top, for less.
    assert p99_s(day) < p99_s(simulate_fleet(SHOP.changed(servers=4), always(4)))
    assert server_seconds(looks, GOOD) < 8 * SHOP.duration_s


def test_servers_that_start_are_not_ordered_twice() -> None:
    assert GOOD.wish(look(0.9, 0.9)) == 3
    assert GOOD.wish(look(0.9, 0.9, starting=1)) == 3
    assert GOOD.wish(look(0.9, 0.9, starting=4)) == 6


def test_it_shrinks_only_to_the_highest_wish_of_the_window() -> None:
    before = [{"time_s": 0.1, "wish": 7}, {"time_s": 0.6, "wish": 3}]
    assert GOOD.decide(look(0.1, 0.1, 0.1, 0.1, time_s=1.5), before)["asked"] == 4
    assert GOOD.decide(look(0.1, 0.1, 0.1, 0.1, time_s=1.7), before)["asked"] == 3
    assert GOOD.decide(look(0.1, 0.1, 0.1, 0.1, time_s=2.2), before)["asked"] == 1


def test_without_a_window_and_with_slow_starts_it_is_worse_than_no_autoscaler() -> None:
    slow = SHOP.changed(time_to_ready_s=2.0)
    hasty = simulate_fleet(slow, GOOD.changed(window_s=0))
    assert changes_of_direction(hasty.looks) >= 4
    fixed = simulate_fleet(slow.changed(servers=4), always(4))
    assert p99_s(hasty) > 5 * p99_s(fixed)
    assert p99_s(hasty) > 2 * p99_s(simulate_fleet(slow, GOOD))


def test_under_a_steady_load_it_keeps_still_only_with_a_window() -> None:
    steady = SHOP.changed(servers=3, shape="poisson", arrival_rate_per_s=40)

    def turns(window_s: float) -> int:
        looks = simulate_fleet(steady, GOOD.changed(window_s=window_s)).looks
        return changes_of_direction(looks)

    assert turns(window_s=0) >= 5
    assert turns(window_s=3) <= 1


def test_a_latency_is_a_bad_thing_to_steer_by() -> None:
    """It is not halved by twice as many servers: it stays small for long, and then it explodes."""
    by_latency = GOOD.changed(metric="latency_s", target=0.08, window_s=0.5)
    day = simulate_fleet(SHOP, by_latency)
    assert p99_s(day) > 3 * p99_s(simulate_fleet(SHOP, GOOD))
    assert changes_of_direction(day.looks) >= 3


def test_more_servers_do_not_help_where_all_share_a_full_database() -> None:
    full = SHOP.changed(service_time_s=0.02, database=Database(query_s=0.012))
    by_queue = GOOD.changed(metric="in_flight", target=1.0)
    scaled, fixed = (
        simulate_fleet(full, by_queue),
        simulate_fleet(full.changed(servers=3), always(3)),
    )
    assert scaled.looks["asked"].max() == 8
    assert p99_s(scaled) > 0.8 * p99_s(fixed)
    assert server_seconds(scaled.looks, GOOD) > 1.5 * server_seconds(fixed.looks, GOOD)
    cold = full.changed(database=Database(query_s=0.012, queries_at_start=20))
    # The new servers' own questions keep the database from the customers'.
    assert p99_s(simulate_fleet(cold, by_queue)) > 5 * p99_s(fixed)


def test_a_rule_of_ones_own_is_tried_before_it_is_used_and_kept_within_the_limits() -> None:
    def greedy(look: Look) -> int:
        return look.servers + 100

    assert Autoscaler(rule=greedy, max_servers=5).wish(look(0.5)) == 5
    with pytest.raises(AttributeError, match="utilization"):
        Autoscaler(rule=lambda seen: seen.utilization)
    with pytest.raises(ValueError, match=r"your rule returned must be a whole number, got 1\.5"):
        Autoscaler(rule=lambda _seen: 1.5)
    with pytest.raises(TypeError, match="your rule returned must be a number, got None"):
        Autoscaler(rule=lambda _seen: None)


def test_a_look_at_servers_without_an_answer_changes_nothing() -> None:
    silent = Look(1.0, (0.0, 0.0), (3.0, 3.0), (None, None))
    assert Autoscaler(metric="latency_s", target=0.1).wish(silent) == 2
    assert math.isnan(silent.mean("latency_s"))


@given(
    rate=st.floats(5, 120),
    ready_s=st.floats(0.2, 3),
    window_s=st.floats(0, 3),
    metric=st.sampled_from(["utilisation", "in_flight", "latency_s"]),
    seed=st.integers(0, 1000),
)
def test_every_request_is_answered_once_and_the_limits_hold(
    rate: float, ready_s: float, window_s: float, metric: str, seed: int
) -> None:
    day = SHOP.changed(
        arrival_rate_per_s=rate, time_to_ready_s=ready_s, seed=seed, duration_s=3.0, day_s=3.0
    )
    autoscaler = Autoscaler(metric=metric, window_s=window_s, min_servers=2, max_servers=5)
    attempts, looks, _notes = simulate_fleet(day, autoscaler)
    assert (attempts["outcome"] == "ok").all()
    assert (attempts["wait_s"] >= -1e-9).all()
    assert attempts["latency_s"].tolist() == pytest.approx(
        (attempts["wait_s"] + attempts["service_s"]).tolist()
    )
    assert looks["asked"].between(2, 5).all()
    assert (looks["ready"] + looks["starting"]).between(2, 5).all()
    assert simulate_fleet(day, autoscaler).attempts.equals(attempts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": 0}, "target must be above 0"),
        ({"metric": "cpu"}, "metric must be one of utilisation, in_flight, latency_s"),
        ({"min_servers": 0}, "min_servers must be at least 1"),
        ({"min_servers": 5, "max_servers": 4}, "max_servers must be at least 5"),
        ({"max_servers": 100}, "max_servers must be at most 12, got 100. Each is a real process"),
        ({"window_s": -1}, "window_s must be at least 0"),
        ({"look_every_s": 0.01}, "look_every_s must be at least 0.1"),
        ({"tolerance": 1}, "tolerance must be below 1"),
    ],
)
def test_an_autoscaler_without_sense_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GOOD.changed(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration_s": 1_000}, "duration_s must be at most 120"),
        ({"time_to_ready_s": 0}, "time_to_ready_s must be at least 0.2"),
        ({"balancer": "power_of_two"}, "balancer must be one of round_robin, random, least_conn"),
        ({"servers": 40}, "servers must be at most 12"),
        ({"queue_limit": 3}, "has no queue_limit"),
        ({"attempts": 2}, "has no attempts"),
        ({"error_share": 0.1}, "has no faults"),
    ],
)
def test_a_day_that_cannot_be_run_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SHOP.changed(**changes)


def test_clients_that_give_up_do_not_make_the_work_less() -> None:
    patient = simulate_fleet(SHOP, always(2)).attempts
    hasty = simulate_fleet(SHOP.changed(timeout_s=1.0), always(2)).attempts
    given_up = hasty["outcome"] == "timed_out"
    assert (given_up == (patient["latency_s"] > 1)).all()
    assert hasty["latency_s"].max() == pytest.approx(1.0)
