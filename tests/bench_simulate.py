"""What a simulated request costs beside SimPy, Ciw and a C program. Run by `make bench`.

All answer the same question in the same run and hand over a table with a row a request; the
quickest of some rounds counts. `--smoke` simulates as little as shows that all of this still works.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ciw
import pandas as pd
import simpy

from devops_lab import backoff
from devops_lab.kernels import COMPILED
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate
from devops_lab.tables import requests

QUEUE = Scenario(arrival_rate_per_s=80, service_time_s=0.04, servers=4)
TROUBLED = QUEUE.changed(
    arrival_rate_per_s=40,
    balancer="least_connections",
    attempts=3,
    backoff_s=0.05,
    jitter="full",
    retry_budget_share=0.2,
    breaker_error_share=0.5,
    breaker_open_s=1.0,
    timeout_s=1.0,
    error_share=0.02,
    time_between_failures_s=60,
    repair_time_s=1,
)


def main(smoke: bool) -> None:
    count, peers_count, rounds = (1_000, 200, 1) if smoke else (1_000_000, 20_000, 5)
    simulate(QUEUE, 10), simulate(TROUBLED, 10)  # compiled before the clock runs
    print(f"simulated requests ({'compiled' if COMPILED else 'plain Python, no Numba'}):")
    ours, both, in_simpy, in_ciw = nanoseconds(
        rounds,
        lambda: simulate(QUEUE, count),
        lambda: requests(simulate(QUEUE, count)),
        lambda: simpy_queue(QUEUE, peers_count),
        lambda: ciw_queue(QUEUE, peers_count),
    )
    print(f"M/M/4 at 80 %: {ours:.0f} ns a request, {both:.0f} ns with the table of requests")
    print(f"  SimPy takes {in_simpy / ours:.0f} x as long (with requests {in_simpy / both:.0f} x)")
    print(f"  Ciw takes {in_ciw / ours:.0f} x as long (with requests {in_ciw / both:.0f} x)")
    in_c = c_nanoseconds(QUEUE, count, rounds)
    if in_c is None:
        print("  no C compiler here: install gcc to compare with a C program")
    else:
        print(f"  a C program (gcc -O3) takes {in_c:.0f} ns: ours {ours / in_c:.1f} x as long")
    troubled, peer = nanoseconds(
        min(rounds, 3),
        lambda: simulate(TROUBLED, count),
        lambda: simpy_troubled(TROUBLED, peers_count),
    )
    print("with a policy, crashes, time-outs, retries, jitter, a budget and a breaker:")
    print(f"  {troubled:.0f} ns a try")
    print(f"  SimPy takes {peer / troubled:.0f} x as long (budget 40 x)")


def nanoseconds(rounds: int, *runs: Callable[[], pd.DataFrame]) -> list[float]:
    """The time a row of each run's table takes, of the quickest round.

    Each round has every run, so that all of them meet the machine's quiet moments.
    """
    times = [[timed(run) for run in runs] for _round in range(rounds)]
    return [1e9 * min(of_one) for of_one in zip(*times, strict=True)]


def timed(run: Callable[[], pd.DataFrame]) -> float:
    """Seconds a row takes until its table is there; giving the table back is not part of it."""
    started = time.perf_counter()
    made = run()
    return (time.perf_counter() - started) / len(made)


def c_nanoseconds(scenario: Scenario, count: int, rounds: int) -> float | None:
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "mm4"
        source = Path(__file__).with_name("mm4.c")
        subprocess.run([compiler, "-O3", "-o", program, source, "-lm"], check=True)
        numbers = [count, scenario.servers, scenario.arrival_rate_per_s, scenario.service_time_s]
        told = subprocess.check_output([program, *map(str, numbers), str(rounds)], text=True)
    return float(told.split()[1])


def simpy_queue(scenario: Scenario, count: int) -> pd.DataFrame:
    """One queue before several workers."""
    draw, env, rows = random.Random(1), simpy.Environment(), []
    workers = simpy.Resource(env, scenario.servers)

    def one(number: int):
        came = env.now
        with workers.request() as turn:
            yield turn
            began = env.now
            yield env.timeout(draw.expovariate(1 / scenario.service_time_s))
        rows.append((number, 1, came, came, env.now, env.now - came, "ok", 200, began - came))

    def load():
        for number in range(count):
            yield env.timeout(draw.expovariate(scenario.arrival_rate_per_s))
            env.process(one(number))

    env.process(load())
    env.run()
    return pd.DataFrame(rows)


def ciw_queue(scenario: Scenario, count: int) -> pd.DataFrame:
    ciw.seed(1)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(scenario.arrival_rate_per_s)],
        service_distributions=[ciw.dists.Exponential(1 / scenario.service_time_s)],
        number_of_servers=[scenario.servers],
    )
    run = ciw.Simulation(network)
    run.simulate_until_max_customers(count, method="Finish")
    return pd.DataFrame(run.get_all_records())


class SimpyServer:
    """A server of the troubled scenario: one worker, its queue, crashes and repairs."""

    def __init__(self, env: simpy.Environment, draw: random.Random, scenario: Scenario):
        self.env, self.draw, self.faults = env, draw, scenario.faults
        self.worker = simpy.Resource(env, 1)
        self.in_system, self.up, self.crash = 0, True, env.event()
        env.process(self.live())

    def live(self):
        while True:
            yield self.env.timeout(self.draw.expovariate(1 / self.faults.time_between_failures_s))
            self.up = False
            self.crash.succeed()
            yield self.env.timeout(self.draw.expovariate(1 / self.faults.repair_time_s))
            self.up, self.crash = True, self.env.event()

    def work(self, service_s: float, done: simpy.Event):
        """Serve one try, whether or not its client still waits."""
        crash = self.crash
        self.in_system += 1
        with self.worker.request() as turn:
            yield turn | crash
            began = self.env.now
            if not crash.triggered:
                yield self.env.timeout(service_s) | crash
        self.in_system -= 1
        if not done.triggered:
            done.succeed(("closed", began) if crash.triggered else ("answered", began))


def simpy_troubled(scenario: Scenario, count: int) -> pd.DataFrame:
    """The same model as the event loop's, written as one would in SimPy."""
    draw, env, rows = random.Random(scenario.seed), simpy.Environment(), []
    servers = [SimpyServer(env, draw, scenario) for _number in range(scenario.servers)]
    client, all_done = scenario.client, env.event()
    settings, memory = backoff.settings_of(client.numbers()), backoff.Memory()

    def one_try(number: int, attempt: int):
        came = env.now
        if not backoff.lets_out(settings, memory, came):
            rows.append((number, attempt, came, came, 0.0, "held_back", None))
            return "held_back"
        outcome = yield from answer(number, attempt, came)
        backoff.learn(settings, memory, env.now, outcome != "ok")
        return outcome

    def answer(number: int, attempt: int, came: float):
        up = [server for server in servers if server.up]
        if not up:
            rows.append((number, attempt, came, came, 0.0, "refused", None))
            return "refused"
        server, done = min(up, key=lambda server: server.in_system), env.event()
        env.process(server.work(draw.expovariate(1 / scenario.service_time_s), done))
        yield done | env.timeout(client.timeout_s)
        outcome, began = done.value if done.triggered else ("timed_out", came)
        if not done.triggered:
            done.succeed((outcome, came))
        if outcome == "answered":
            outcome = "failed" if draw.random() < scenario.faults.error_share else "ok"
        rows.append((number, attempt, came, env.now, env.now - came, outcome, began - came))
        return outcome

    def one(number: int):
        backoff.earn(settings, memory)
        for attempt in range(1, client.attempts + 1):
            outcome = yield from one_try(number, attempt)
            if outcome in ("ok", "held_back") or attempt == client.attempts:
                break
            if not backoff.may_spend(settings, memory):
                break
            yield env.timeout(backoff.pause_s(settings, attempt, draw.random()))
        ended.append(number)
        if len(ended) == count:
            all_done.succeed()

    def load():
        for number in range(count):
            yield env.timeout(draw.expovariate(scenario.arrival_rate_per_s))
            env.process(one(number))

    ended: list[int] = []
    env.process(load())
    env.run(until=all_done)
    names = ("request", "attempt", "start_s", "end_s", "latency_s", "outcome", "wait_s")
    return pd.DataFrame(rows, columns=names)


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv)
