"""How close real servers come to the simulation, and what real load the machine can send. Run by
`make bench`.

Agreement: the same requests, simulated and on real servers. Lateness: how late requests are sent,
to one server and through the balancer. `--smoke` runs as little as shows that all of this works.
"""

import sys

from pandas import DataFrame

from devops_lab.compare import agreement
from devops_lab.measure import Measurement
from devops_lab.scenario import Scenario
from devops_lab.tables import requests, summarise

SHOP = Scenario(arrival_rate_per_s=40, service_time_s=0.06, servers=3)
IN_TURN = SHOP.changed(balancer="round_robin", shape="constant")
SCENARIOS = {
    "one queue, exponential": SHOP,
    "one queue, heavy-tailed": SHOP.changed(service_distribution="heavy_tailed"),
    "one queue, overload": SHOP.changed(arrival_rate_per_s=60),
    "turns, exponential": IN_TURN,
    "turns by weight": IN_TURN.changed(balancer="weighted", weights=(6, 4, 4)),
}
LOADS = {
    "to one server": SHOP.changed(arrival_rate_per_s=5_000, service_time_s=0.0001, servers=1),
    "through the balancer": SHOP.changed(
        arrival_rate_per_s=2_000, service_time_s=0.0005, balancer="round_robin"
    ),
}


def main(smoke: bool) -> None:
    duration_s = 0.5 if smoke else 10.0
    print("the same requests, simulated and on real servers (budget: 0.99, 5 %, 5 %):")
    for name, scenario in SCENARIOS.items():
        found = agreement(scenario, run(scenario, duration_s))
        print(
            f"  {name:<24} correlation {found.correlation:.4f}, p50 {found.p50_difference:+.1%}, "
            f"p99 {found.p99_difference:+.1%}, overhead {1e3 * found.overhead_s:.1f} ms"
        )
    print("lateness of sends (budget: p99 of 2 ms on a quiet machine):")
    for name, scenario in LOADS.items():
        attempts = run(scenario.changed(arrival_rate_per_s=50) if smoke else scenario, duration_s)
        lateness_ms = 1e3 * (attempts["start_s"] - attempts["intended_s"])
        numbers = summarise(requests(attempts)).iloc[0]
        print(
            f"  {name:<24} {numbers['throughput_per_s']:.0f} requests/s, "
            f"p50 {lateness_ms.median():.2f} ms, p99 {lateness_ms.quantile(0.99):.2f} ms late; "
            f"latency p99 {1e3 * numbers['latency_p99_s']:.1f} ms, "
            f"errors {numbers['error_share']:.2%}"
        )


def run(scenario: Scenario, duration_s: float) -> DataFrame:
    with Measurement(scenario, duration_s=duration_s) as measurement:
        return measurement.wait()


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv)
