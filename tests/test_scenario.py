import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, fields

import pytest

from devops_lab.scenario import Client, Faults, Load, Scenario, sweep

SHOP = Scenario(arrival_rate_per_s=80, service_time_s=0.03, servers=3)


def test_no_two_parts_have_a_parameter_of_the_same_name():
    names = [field.name for part in (Scenario, Load, Client, Faults) for field in fields(part)]
    assert len(names) == len(set(names))


def test_one_argument_changes_wherever_it_stands():
    changed = SHOP.changed(servers=5, shape="bursty", timeout_s=1.0, error_share=0.1)
    assert (changed.servers, changed.load.shape) == (5, "bursty")
    assert (changed.client.timeout_s, changed.faults.error_share) == (1.0, 0.1)
    assert changed.changed(servers=3, load=Load(), client=Client(), faults=Faults()) == SHOP
    with pytest.raises(TypeError, match="no serverz"):
        SHOP.changed(serverz=3)
    with pytest.raises(FrozenInstanceError):
        SHOP.servers = 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arrival_rate_per_s": 0}, "arrival_rate_per_s must be above 0, got 0"),
        ({"arrival_rate_per_s": float("nan")}, "arrival_rate_per_s must be a finite number"),
        ({"service_time_s": -1}, "service_time_s must be above 0"),
        ({"servers": 20_000}, "servers must be at most 10,000"),
        ({"servers": 2.5}, "servers must be a whole number"),
        ({"workers": 10**9}, "workers must be at most"),
        ({"balancer": "robin"}, "balancer must be one of shared_queue, round_robin"),
        ({"service_distribution": "normal"}, "service_distribution must be one of"),
        ({"service_scv": 2.0}, "service_scv belongs to lognormal, heavy_tailed, got it with"),
        ({"service_samples": [0.1]}, "service_samples belongs to samples"),
        ({"service_distribution": "samples"}, "must have a service time above 0"),
        ({"weights": (1, 2, 3)}, "weights belongs to weighted"),
        ({"balancer": "weighted"}, "weights must have one number a server, 3, got 0"),
        ({"balancer": "weighted", "weights": (1, 0, 2)}, "weights must be above 0"),
        ({"balancer": "stale_shortest_queue"}, "Say how many seconds old"),
        ({"information_age_s": 1}, "information_age_s belongs to stale_shortest_queue"),
        ({"queue_limit": -1}, "queue_limit must be at least 0"),
        ({"shape": "spiky"}, "shape must be one of poisson, constant"),
        ({"burst_share": 0.5, "burst_factor": 3}, "burst_factor must be at most 2.0"),
        ({"error_share": 5}, "For 5 % write 0.05"),
        ({"slow_servers": 4}, "slow_servers must be at most 3"),
        ({"attempts": 0}, "attempts must be at least 1"),
        ({"attempts": 10**9}, "attempts must be at most 10, got 1000000000. Each layer multiplies"),
        ({"timeout_s": 0}, "timeout_s must be above 0"),
        ({"timeout_s": float("nan")}, "timeout_s must be a finite number"),
        ({"backoff_s": -0.1}, "backoff_s must be at least 0"),
        ({"backoff": "linear"}, "backoff must be one of fixed, exponential"),
        ({"jitter": True}, "jitter must be one of none, full, equal, got True"),
        ({"retry_budget_share": 10}, "For 10 % write 0.1"),
        ({"hedge_after_s": 0}, "hedge_after_s must be above 0"),
        ({"tied": True}, "tied belongs to hedged requests"),
        ({"breaker_error_share": 0}, "breaker_error_share must be above 0"),
        ({"breaker_window_s": 0}, "breaker_window_s must be above 0"),
        ({"deadline_s": -1}, "deadline_s must be above 0"),
        (
            {"service_distribution": "constant", "timeout_s": 0.02},
            "timeout_s must be above 0.03, got 0.02. The service alone takes that long",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_remedy(changes, said):
    with pytest.raises(ValueError) as refusal:
        SHOP.changed(**changes)
    assert said in str(refusal.value)


def busy(scenario):
    return {"utilisation": scenario.utilisation}


def test_a_sweep_has_a_row_for_each_combination_in_order():
    table = sweep(busy, SHOP, servers=[3, 4], arrival_rate_per_s=[10, 20, 30])
    assert table.servers.tolist() == [3, 3, 3, 4, 4, 4]
    assert table.arrival_rate_per_s.tolist() == [10, 20, 30] * 2
    assert table.utilisation[0] == pytest.approx(0.1)


def test_a_sweep_reports_and_stops_with_what_it_has():
    seen = []

    def take_a_while(scenario):
        threading.Event().wait(0.01)
        return busy(scenario)

    def stop_after_two(done, total):
        seen.append((done, total))
        return done < 2

    with ThreadPoolExecutor(1) as one_by_one:
        table = sweep(
            take_a_while, SHOP, executor=one_by_one, report=stop_after_two, seed=list(range(1_000))
        )
    assert seen == [(1, 1_000), (2, 1_000)]
    assert 2 <= len(table) < 1_000


def test_a_sweep_refuses_a_wrong_setting_before_it_runs_one():
    started = threading.Event()

    def run(scenario):
        started.set()
        return {}

    with pytest.raises(ValueError, match="servers must be at least 1"):
        sweep(run, SHOP, servers=[3, 0])
    assert not started.is_set()


def test_a_failure_in_a_sweep_is_told():
    with pytest.raises(ZeroDivisionError):
        sweep(lambda scenario: {"x": 1 / (scenario.servers - 4)}, SHOP, servers=[3, 4])
