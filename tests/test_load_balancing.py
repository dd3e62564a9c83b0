"""How balancers share, held to published numbers, and the simulated policies beside them."""

from collections import Counter

import numpy as np
import pytest
from truth import expected, truth

from devops_lab.load_balancing import (
    backend_subset,
    maglev_table,
    multi_probe_peak,
    shorter_of_two_latency_s,
    supermarket_latency_s,
)
from devops_lab.queueing import mmc
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate, turns


@truth("lb-supermarket")
def test_two_choices_are_as_published(case):
    inputs = case["inputs"]
    latency_s = supermarket_latency_s(inputs["d"], inputs["lambda"], service_time_s=1.0)
    assert {"mean_sojourn": latency_s} == expected(case)


@truth("lb-jsq2")
def test_the_shorter_of_two_queues_is_as_computed(case):
    inputs = case["inputs"]
    latency_s = shorter_of_two_latency_s(inputs["rho"], service_time_s=1 / inputs["mu"])
    assert {"mean_sojourn": latency_s} == expected(case)


@truth("lb-jsq10")
def test_the_shortest_of_ten_queues_is_simulated_as_elsewhere(case):
    inputs = case["inputs"]
    rate = inputs["n"] * inputs["lambda_per_server"]
    scenario = Scenario(rate, 1 / inputs["mu"], servers=10, balancer="least_connections")
    latency_s = float(simulate(scenario, 2_000_000)["latency_s"].mean())
    assert {"mean_sojourn_simulated": latency_s} == expected(case)


@truth("lb-deterministic-subset")
def test_subsets_give_every_backend_as_many_clients(case):
    inputs = case["inputs"]
    clients = Counter(
        backend
        for client in range(inputs["clients"])
        for backend in backend_subset(client, inputs["backends"], inputs["subset_size"])
    )
    assert len(clients) == inputs["backends"]
    assert {"connections_per_backend": max(clients.values())} == expected(case)
    assert min(clients.values()) == max(clients.values())


@truth("lb-maglev")
def test_the_shares_of_maglevs_table_are_even(case):
    slots, backends = case["inputs"]["M"], case["inputs"]["N"]
    table = maglev_table([f"backend {number}" for number in range(backends)], slots)
    entries = np.bincount(table, minlength=backends)
    assert {
        "max_minus_min_entries": int(entries.max() - entries.min()),
        "imbalance_below_1_percent": bool(entries.max() / entries.mean() - 1 < 0.01),
    } == expected(case)


@truth("lb-multiprobe")
def test_more_probes_share_more_evenly_as_published(case):
    assert {"peak_to_average": multi_probe_peak(case["inputs"]["probes"])} == expected(case)


@truth("lb-random-hash")
def test_random_shares_are_as_uneven_as_chance_makes_them(case):
    servers = case["inputs"]["backends"]

    def excess(requests: int) -> float:
        scenario = Scenario(1.0, 0.1, servers=servers, balancer="random")
        drawn = [turns(scenario.changed(seed=seed), requests) for seed in range(20)]
        return float(np.mean([np.bincount(t).max() * servers / requests - 1 for t in drawn]))

    found = [excess(requests) for requests in case["inputs"]["balls"]]
    assert {"mean_max_over_avg_minus_1": found} == expected(case)


def test_two_choices_simulated_over_many_servers_come_to_the_formula():
    scenario = Scenario(400.0, 1.0, servers=500, balancer="power_of_two")
    simulated_s = simulate(scenario, 1_000_000)["latency_s"].tail(500_000).mean()
    assert simulated_s == pytest.approx(supermarket_latency_s(2, 0.8, 1.0), rel=0.02)


@pytest.mark.parametrize("utilisation", [0.01, 0.3, 0.7, 0.9, 0.99])
def test_the_shorter_of_two_lies_between_one_queue_for_all_and_no_look_at_all(utilisation):
    latency_s = shorter_of_two_latency_s(utilisation, 1.0)
    one_queue = mmc(2 * utilisation, 1.0, servers=2).mean_latency_s
    assert one_queue < latency_s < mmc(utilisation, 1.0).mean_latency_s
    scenario = Scenario(2 * utilisation, 1.0, servers=2, balancer="least_connections")
    if utilisation <= 0.7:
        simulated_s = simulate(scenario, 1_000_000)["latency_s"].mean()
        assert simulated_s == pytest.approx(latency_s, rel=0.02)


def test_when_a_backend_goes_most_keys_stay_with_theirs():
    names = [f"backend {number}" for number in range(10)]
    before, after = maglev_table(names, 5_003), maglev_table(names[:-1], 5_003)
    moved = sum(b != a for b, a in zip(before, after, strict=True) if b != 9)
    assert moved / 5_003 < 0.15


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: supermarket_latency_s(0, 0.5, 1.0), "choices must be at least 1"),
        (lambda: supermarket_latency_s(2, 1.0, 1.0), "utilisation must be below 1"),
        (lambda: shorter_of_two_latency_s(0.999, 1.0), "simulate it"),
        (lambda: backend_subset(0, 5, 6), "size must be at most 5"),
        (lambda: maglev_table(["a", "b"], 1), "size must be at least 2"),
        (lambda: multi_probe_peak(1), "probes must be at least 2"),
    ],
)
def test_what_has_no_answer_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
