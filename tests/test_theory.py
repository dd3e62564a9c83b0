import numpy as np
import pytest

from devops_lab.queueing import mmc
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate
from devops_lab.theory import theory

SHOP = Scenario(arrival_rate_per_s=70, service_time_s=0.03, servers=3)


@pytest.mark.parametrize(
    ("changes", "formula", "queues"),
    [
        ({}, "M/M/c", 1),
        ({"workers": 2, "error_share": 0.1}, "M/M/c", 1),
        ({"queue_limit": 4}, "M/M/c/K", 1),
        ({"queue_limit": 0, "service_distribution": "lognormal"}, "M/G/c/c", 1),
        ({"balancer": "random"}, "M/M/1", 3),
        ({"balancer": "random", "service_distribution": "constant"}, "M/G/1", 3),
        ({"balancer": "round_robin"}, "G/G/1, approximately", 3),
        ({"service_distribution": "constant"}, "G/G/c, approximately", 1),
        ({"shape": "constant"}, "G/G/c, approximately", 1),
    ],
)
def test_the_formula_agrees_with_the_simulation(changes, formula, queues):
    scenario = SHOP.changed(**changes)
    answer = theory(scenario)
    assert (answer.formula, answer.queues) == (formula, queues)
    runs = [simulate(scenario.changed(seed=seed), 100_000) for seed in range(8)]
    means = [run.latency_s[run.outcome != "refused"][run.service_s > 0].mean() for run in runs]
    allowed = 5 * np.std(means, ddof=1) / np.sqrt(len(means))
    if not answer.exact:
        allowed += 0.25 * answer.state.mean_wait_s
    assert np.mean(means) == pytest.approx(answer.state.mean_latency_s, abs=allowed)
    assert answer.reason == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"balancer": "least_connections"}, "looks at the queues"),
        ({"balancer": "power_of_two"}, "looks at the queues"),
        ({"balancer": "weighted", "weights": (3, 2, 1)}, "weights make the queues differ"),
        ({"shape": "bursty"}, "the load changes with time"),
        ({"timeout_s": 1.0}, "give up or try again"),
        ({"attempts": 3, "error_share": 0.1}, "give up or try again"),
        ({"time_between_failures_s": 100}, "servers crash"),
        ({"slow_servers": 1}, "not alike"),
        ({"queue_limit": 3, "service_distribution": "constant"}, "exponential service times only"),
        ({"queue_limit": 3, "balancer": "round_robin"}, "too regular"),
        ({"arrival_rate_per_s": 120}, "utilisation would be 120 %). With 4 servers"),
    ],
)
def test_where_there_is_no_formula_it_says_why(changes, said):
    answer = theory(SHOP.changed(**changes))
    assert answer.state is None
    assert said in answer.reason


def test_with_one_server_the_balancer_does_not_matter():
    answer = theory(Scenario(20, 0.03, balancer="least_connections"))
    assert answer.state == mmc(20, 0.03)
