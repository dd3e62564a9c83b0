import json
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devops_lab import backoff, kernels
from devops_lab import simulate as simulation
from devops_lab.queueing import erlang_b, mg1, mmc, mmck
from devops_lab.scenario import Scenario, sweep
from devops_lab.simulate import arrivals, has_no_feedback, simulate
from devops_lab.tables import ATTEMPTS, requests, summarise

SHOP = Scenario(arrival_rate_per_s=70, service_time_s=0.03, servers=3)
SEEDS = range(1, 9)
# Compiling takes longer than hypothesis allows for one example.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

OWN_QUEUES = ["round_robin", "random", "least_connections", "power_of_two"]
scenarios = st.builds(
    Scenario,
    arrival_rate_per_s=st.floats(1, 200),
    service_time_s=st.floats(0.001, 0.05),
    servers=st.integers(1, 6),
    workers=st.integers(1, 3),
    balancer=st.sampled_from(["shared_queue", *OWN_QUEUES]),
    service_distribution=st.sampled_from(["constant", "exponential", "lognormal", "heavy_tailed"]),
    queue_limit=st.none() | st.integers(0, 5),
    seed=st.integers(0, 2**63 - 1),
)
troubles = st.fixed_dictionaries(
    {
        "timeout_s": st.none() | st.floats(0.06, 0.5),
        "attempts": st.integers(1, 4),
        "backoff_s": st.floats(0, 0.5),
        "backoff": st.sampled_from(["fixed", "exponential"]),
        "longest_backoff_s": st.none() | st.floats(0.01, 1),
        "jitter": st.sampled_from(["none", "full", "equal"]),
        "retry_budget_share": st.none() | st.floats(0, 1),
        "hedge_after_s": st.none() | st.floats(0.001, 0.5),
        "tied": st.booleans(),
        "breaker_error_share": st.none() | st.floats(0.1, 1),
        "breaker_requests": st.integers(1, 20),
        "deadline_s": st.none() | st.floats(0.05, 1),
        "idempotency_keys": st.booleans(),
        "error_share": st.floats(0, 1),
        "slow_factor": st.floats(0.5, 20),
        "time_between_failures_s": st.none() | st.floats(0.5, 50),
        "repair_time_s": st.floats(0.1, 5),
        "detection_s": st.sampled_from([0.0, 0.2, 10.0]),
    }
)


def by_events(scenario, count):
    """The same scenario through the event loop, even where the recursion would do."""
    with np.errstate(over="ignore"):
        table = simulation._by_events(scenario, arrivals(scenario, count))
    return table.sort_values(["request", "attempt"]).reset_index(drop=True)


def mean_and_error(scenario, count, number=lambda table: table.latency_s.mean()):
    """The mean over seeds and its standard error."""
    runs = [number(simulate(scenario.changed(seed=seed), count)) for seed in SEEDS]
    return np.mean(runs), np.std(runs, ddof=1) / np.sqrt(len(runs))


def assert_agrees(scenario, theory, count=100_000, number=lambda table: table.latency_s.mean()):
    mean, error = mean_and_error(scenario, count, number)
    assert abs(mean - theory) < 4.5 * error + 0.001 * theory, (mean, theory, error)


def test_the_table_has_the_columns_that_real_servers_give():
    table = simulate(SHOP, 100)
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        name: column.dtype for name, column in ATTEMPTS.items()
    }
    assert set(table.server) == {"server-1", "server-2", "server-3"}
    assert table.attrs["notes"] == []


def test_one_queue_before_several_servers_is_mmc():
    theory = mmc(70, 0.03, 3)
    assert_agrees(SHOP, theory.mean_latency_s)
    assert_agrees(SHOP, theory.wait_probability, number=lambda t: (t.wait_s > 0).mean())
    p95 = theory.latency_quantile_s(0.95)
    assert_agrees(SHOP, p95, number=lambda table: table.latency_s.quantile(0.95))


@pytest.mark.parametrize(
    ("distribution", "scv"), [("constant", 0), ("exponential", 1), ("lognormal", 2)]
)
def test_one_server_is_as_pollaczek_and_khinchine_say(distribution, scv):
    scenario = Scenario(70, 0.01, service_distribution=distribution)
    assert_agrees(scenario, mg1(70, 0.01, scv).mean_latency_s)


def test_heavy_tailed_services_have_the_mean_and_the_median_of_a_pareto():
    scenario = Scenario(1, 0.01, service_distribution="heavy_tailed", service_scv=1.0)
    services = simulate(scenario, 400_000).service_s
    tail = 1 + np.sqrt(2)
    smallest = 0.01 * (tail - 1) / tail
    assert services.min() >= smallest
    assert services.median() == pytest.approx(smallest * 2 ** (1 / tail), rel=0.01)
    assert services.mean() == pytest.approx(0.01, rel=0.02)


def test_measured_samples_are_drawn_again_with_the_wanted_mean():
    scenario = Scenario(1, 0.02, service_distribution="samples", service_samples=[1, 1, 2, 4])
    services = simulate(scenario, 40_000).service_s
    assert set(services.round(6)) == {0.01, 0.02, 0.04}
    assert services.mean() == pytest.approx(0.02, rel=0.02)


def test_a_queue_of_its_own_for_each_server_under_random_choice_is_mm1():
    scenario = SHOP.changed(balancer="random", arrival_rate_per_s=60)
    assert_agrees(scenario, mmc(20, 0.03).mean_latency_s)


def test_a_limited_queue_turns_away_as_many_as_mmck_says():
    theory = mmck(120, 0.03, 3, 5)
    limited = SHOP.changed(arrival_rate_per_s=120, queue_limit=2)
    assert_agrees(limited, theory.blocking, number=lambda t: (t.outcome == "failed").mean())
    accepted = lambda t: t.latency_s[t.outcome == "ok"].mean()  # noqa: E731
    assert_agrees(limited, theory.mean_latency_s, number=accepted)


@pytest.mark.parametrize("distribution", ["constant", "lognormal"])
def test_without_room_to_wait_only_the_mean_service_matters(distribution):
    scenario = SHOP.changed(queue_limit=0, service_distribution=distribution)
    blocking = lambda t: (t.outcome == "failed").mean()  # noqa: E731
    assert_agrees(scenario, erlang_b(3, 2.1), number=blocking)


def test_better_informed_balancers_make_requests_wait_less():
    base = SHOP.changed(servers=8, arrival_rate_per_s=220)
    mean_wait = {
        balancer: simulate(base.changed(balancer=balancer), 50_000).wait_s.mean()
        for balancer in ("random", "round_robin", "power_of_two", "least_connections")
    } | {"shared_queue": simulate(base, 50_000).wait_s.mean()}
    assert sorted(mean_wait, key=mean_wait.get, reverse=True) == list(mean_wait)


def test_two_choices_of_two_servers_are_all_there_is_to_know():
    two = SHOP.changed(servers=2, arrival_rate_per_s=60, service_distribution="constant")
    informed, all_known = (
        simulate(two.changed(balancer=balancer), 20_000)
        for balancer in ("power_of_two", "least_connections")
    )
    # Who is chosen among equals differs, what that does to the waits does not.
    assert informed.wait_s.mean() == pytest.approx(all_known.wait_s.mean(), rel=0.02)


def test_the_shortest_queue_of_long_ago_is_worse_than_no_knowledge():
    base = SHOP.changed(servers=8, arrival_rate_per_s=200)
    stale = base.changed(balancer="stale_shortest_queue", information_age_s=1.0)
    fresh = stale.changed(information_age_s=0.001)
    random, least = (base.changed(balancer=b) for b in ("random", "least_connections"))
    waits = [simulate(s, 50_000).wait_s.mean() for s in (stale, random, fresh, least)]
    assert waits[0] > waits[1] > waits[2]
    assert waits[2] == pytest.approx(waits[3], rel=0.2)


def test_one_slow_server_hurts_those_who_do_not_look():
    base = SHOP.changed(servers=8, arrival_rate_per_s=60, slow_servers=1, slow_factor=3)
    shares = {
        balancer: (simulate(base.changed(balancer=balancer), 20_000).server == "server-1").mean()
        for balancer in OWN_QUEUES
    }
    assert shares["round_robin"] == pytest.approx(1 / 8)
    assert shares["least_connections"] < shares["power_of_two"] < shares["random"]


def test_weights_are_kept_exactly():
    scenario = SHOP.changed(balancer="weighted", weights=(5, 3, 1))
    counts = simulate(scenario, 9_000).server.value_counts()
    assert counts.to_dict() == {"server-1": 5_000, "server-2": 3_000, "server-3": 1_000}


@unhurried
@given(scenarios)
def test_recursion_and_events_tell_the_same_story(scenario):
    if scenario.queue_limit is not None:
        scenario = scenario.changed(queue_limit=None)
    if not has_no_feedback(scenario):
        return
    fast, slow = simulate(scenario, 300), by_events(scenario, 300)
    for column in ("intended_s", "end_s", "wait_s", "service_s"):
        assert slow[column].to_numpy() == pytest.approx(fast[column].to_numpy(), abs=1e-9)
    if scenario.balancer != "shared_queue":
        assert slow.server.tolist() == fast.server.tolist()


@unhurried
@given(scenarios, troubles)
def test_whatever_goes_wrong_the_table_makes_sense(scenario, trouble):
    trouble["tied"] &= trouble["hedge_after_s"] is not None
    table = simulate(scenario.changed(slow_servers=1, **trouble), 200)
    numbers = table.groupby("request").attempt
    assert numbers.min().tolist() == [1] * 200
    assert (numbers.max() == numbers.size()).all()
    assert numbers.max().max() <= trouble["attempts"]
    ended = table[table.outcome == "ok"]
    assert not ended.request.duplicated().any()
    assert (ended.latency_s - ended.wait_s - ended.service_s).abs().max() < 1e-9 or ended.empty
    assert table.status.notna().equals(table.outcome.isin(["ok", "failed"]))
    assert table.wait_s.notna().equals(table.status.notna())
    assert (table.wait_s.dropna() >= 0).all()
    unanswered = table[~table.request.isin(ended.request)]
    limited = {"retry_budget_share", "deadline_s", "breaker_error_share"}
    if all(trouble[name] is None for name in limited):
        assert (unanswered.groupby("request").size() == trouble["attempts"]).all()
    if trouble["timeout_s"]:
        assert table.latency_s.max() <= trouble["timeout_s"] + 1e-9
    if trouble["deadline_s"]:
        assert requests(table).latency_s.max() <= trouble["deadline_s"] + 1e-9
    if trouble["retry_budget_share"] is not None:
        assert (table.attempt > 1).sum() <= 10 + trouble["retry_budget_share"] * 200 + 1e-6


@unhurried
@given(scenarios)
def test_work_is_conserved_and_no_worker_does_two_things_at_once(scenario):
    table = by_events(scenario, 300)
    served = table[table.outcome == "ok"]
    starts = served.intended_s + served.wait_s
    for server in served.server.unique():
        mine = served.server == server
        # One begins when another ends; rounding must not make them overlap.
        moments = np.concatenate([starts[mine] + 1e-9, served.end_s[mine]])
        steps = np.repeat([1, -1], mine.sum())[np.argsort(moments)]
        assert np.cumsum(steps).max() <= scenario.workers
    if scenario.balancer == "shared_queue" and scenario.queue_limit is None:
        waiting = served[served.wait_s > 1e-9]
        for start, arrival in zip(starts[waiting.index], waiting.intended_s, strict=True):
            middle = (start + arrival) / 2
            busy = ((starts <= middle) & (served.end_s > middle)).sum()
            assert busy == scenario.servers * scenario.workers


@unhurried
@given(scenarios)
def test_littles_law_holds_in_every_run(scenario):
    table = simulate(scenario, 300)
    moments = np.concatenate([table.intended_s, table.end_s])
    steps = np.repeat([1, -1], len(table))
    order = np.argsort(moments, kind="stable")
    present = np.cumsum(steps[order])[:-1]
    length_s = moments.max() - moments.min()
    mean_in_system = (present * np.diff(moments[order])).sum() / length_s
    throughput = len(table) / length_s
    assert mean_in_system == pytest.approx(throughput * table.latency_s.mean(), abs=1e-9)


@unhurried
@given(scenarios, st.integers(1, 4))
def test_more_servers_never_make_anybody_wait_longer_on_the_same_draws(scenario, more):
    few = scenario.changed(balancer="shared_queue", queue_limit=None)
    many = few.changed(servers=few.servers + more)
    fewer, more_table = simulate(few, 300), simulate(many, 300)
    assert (more_table.wait_s <= fewer.wait_s + 1e-9).all()


@unhurried
@given(scenarios)
def test_changing_one_thing_leaves_all_other_draws_as_they_were(scenario):
    base = simulate(scenario.changed(queue_limit=None), 100)
    faster = simulate(
        scenario.changed(queue_limit=None, service_time_s=scenario.service_time_s / 2), 100
    )
    assert faster.intended_s.tolist() == base.intended_s.tolist()
    assert faster.service_s.to_numpy() == pytest.approx(base.service_s.to_numpy() / 2)
    other = scenario.changed(
        queue_limit=None, balancer="power_of_two", error_share=0.5, attempts=3, backoff_s=0.1
    )
    first = simulate(other, 100).query("attempt == 1").sort_values("request")
    assert first.intended_s.tolist() == base.intended_s.tolist()
    assert first.service_s.to_numpy() == pytest.approx(base.service_s.to_numpy())


@pytest.mark.parametrize("shape", ["poisson", "constant", "bursty", "daily"])
def test_every_load_keeps_its_mean_rate(shape):
    scenario = Scenario(50, 0.01).changed(shape=shape, day_s=100, burst_length_s=1)
    times = arrivals(scenario, 200_000)
    assert (np.diff(times) >= 0).all()
    assert len(times) / times[-1] == pytest.approx(50, rel=0.05)


def test_loads_have_their_shapes():
    base = Scenario(50, 0.01)

    def per_second(**load):
        times = arrivals(base.changed(**load), 200_000)
        return np.bincount(times.astype(int))

    poisson, constant = per_second(), per_second(shape="constant")
    bursty = per_second(shape="bursty", burst_length_s=5)
    daily = per_second(shape="daily", day_s=1_000, peak_factor=1.8)
    assert poisson.var() / poisson.mean() == pytest.approx(1, abs=0.1)
    assert constant[:-1].var() < 1
    assert np.quantile(bursty, 0.95) > 2.5 * 50
    assert daily[450:550].mean() == pytest.approx(50 * 1.8, rel=0.05)
    assert daily[1_000:1_050].mean() == pytest.approx(50 * 0.2, rel=0.2)


def test_servers_are_down_as_long_as_they_take_to_repair():
    scenario = SHOP.changed(
        arrival_rate_per_s=1,
        balancer="round_robin",
        time_between_failures_s=90,
        repair_time_s=10,
        detection_s=1e9,
    )
    refused = lambda t: (t.outcome == "refused").mean()  # noqa: E731
    assert_agrees(scenario, 0.1, number=refused)


def test_a_balancer_that_looks_loses_only_what_was_under_way():
    blind = SHOP.changed(
        arrival_rate_per_s=20,
        balancer="round_robin",
        time_between_failures_s=20,
        repair_time_s=5,
        detection_s=100,
    )
    seeing = blind.changed(detection_s=0.0)
    errors = [(simulate(s, 20_000).outcome != "ok").mean() for s in (blind, seeing)]
    assert errors[0] > 10 * errors[1] > 0


def test_retries_hide_errors_and_cost_work():
    scenario = SHOP.changed(error_share=0.2, attempts=3)
    table = simulate(scenario, 50_000)
    assert (requests(table).outcome != "ok").mean() == pytest.approx(0.2**3, rel=0.2)
    assert len(table) / 50_000 == pytest.approx(1 + 0.2 + 0.04, rel=0.02)


def pauses_s(**client):
    """Of a client whose every try fails at once: retry, pause."""
    failing = Scenario(1, 1e-9).changed(error_share=1.0, attempts=5, backoff_s=0.1, **client)
    table = simulate(failing, 500).sort_values(["request", "attempt"])
    pauses = (table.intended_s - table.end_s.shift())[table.attempt > 1]
    return pauses.to_numpy().reshape(-1, 4)


def test_the_pause_before_a_retry_is_fixed_or_doubles_up_to_the_longest():
    assert pauses_s(backoff="fixed") == pytest.approx(0.1)
    assert pauses_s()[7] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert pauses_s(longest_backoff_s=0.3)[7] == pytest.approx([0.1, 0.2, 0.3, 0.3])


@pytest.mark.parametrize(("jitter", "least"), [("full", 0.0), ("equal", 0.5)])
def test_jitter_makes_the_pause_a_random_share_of_it_or_of_its_half(jitter, least):
    shares = pauses_s(jitter=jitter) / [0.1, 0.2, 0.4, 0.8]
    assert least <= shares.min() < least + 0.05 < 0.95 < shares.max() <= 1
    # 2,000 uniform numbers.
    assert shares.mean() == pytest.approx((1 + least) / 2, abs=5 * 0.29 / np.sqrt(2_000))


def test_a_budget_keeps_the_load_of_a_failing_site_at_a_tenth_more():
    failing = SHOP.changed(error_share=1.0, attempts=3)
    assert len(simulate(failing, 10_000)) == 30_000
    tries = len(simulate(failing.changed(retry_budget_share=0.1), 10_000))
    assert 11_000 <= tries <= 11_000 + 10


def test_an_answer_that_is_late_is_hedged_and_the_first_of_both_counts():
    rare = Scenario(5, 0.03, servers=8, balancer="least_connections").changed(
        service_distribution="lognormal", service_scv=20.0
    )
    hedging = rare.changed(attempts=2, hedge_after_s=0.1)
    plain, hedged = (simulate(scenario, 20_000) for scenario in (rare, hedging))
    late = (plain.latency_s > 0.1).mean()
    copies = hedged[hedged.attempt == 2]
    assert len(copies) / 20_000 == pytest.approx(late, rel=0.05)
    assert (
        copies.intended_s
        - hedged[hedged.attempt == 1].set_index("request").intended_s.loc[copies.request].to_numpy()
    ).to_numpy() == pytest.approx(0.1)
    assert hedged.groupby("request").outcome.agg(lambda ends: (ends == "ok").sum()).eq(1).all()
    assert requests(hedged).latency_s.quantile(0.999) < plain.latency_s.quantile(0.999) / 2


def test_tied_requests_are_worked_on_once():
    busy = Scenario(200, 0.03, servers=8, balancer="random").changed(attempts=2)
    hedged, tied = (
        simulate(busy.changed(hedge_after_s=0.001, tied=tied), 20_000) for tied in (False, True)
    )
    # Twice the work is more than the servers can do; the tied copies cost none.
    assert hedged.wait_s.mean() > 50 * tied.wait_s.mean()
    alone = simulate(busy.changed(attempts=1), 20_000)
    assert requests(tied).latency_s.quantile(0.99) < alone.latency_s.quantile(0.99) / 1.5
    assert (tied.outcome == "withdrawn").sum() == (tied.attempt == 2).sum()
    # Nearly full, and yet it settles: of two copies in two queues only one is ever begun.
    full = busy.changed(arrival_rate_per_s=250, hedge_after_s=0.001, tied=True)
    assert simulate(full, 40_000).wait_s.tail(4_000).mean() < 0.5


def test_a_breaker_holds_back_what_would_fail_and_tries_now_and_then():
    broken = SHOP.changed(error_share=1.0, breaker_error_share=0.5, service_time_s=1e-6)
    table = simulate(broken.changed(shape="constant"), 7_000)
    sent = table[table.outcome != "held_back"]
    # 70 a second for 100 s: it opens at the twentieth, and lets one out every 5 s.
    assert sent.intended_s.to_numpy()[:20] == pytest.approx(np.arange(1, 21) / 70)
    assert len(sent) == 20 + 19
    assert sent.intended_s.diff()[20:].min() == pytest.approx(5.0, abs=1 / 70)
    held_back = table[table.outcome == "held_back"]
    assert held_back.latency_s.max() == 0
    assert held_back[["status", "server", "wait_s", "service_s"]].isna().all(axis=None)


def test_a_breaker_closes_when_a_trial_succeeds():
    # With half of the tries failing it opens again and again, and the trials close it as often.
    table = simulate(SHOP.changed(error_share=0.5, breaker_error_share=0.5), 50_000)
    held_back = (table.outcome == "held_back").to_numpy()
    assert 0.1 < held_back.mean() < 0.9
    assert (np.diff(held_back.astype(int)) == -1).sum() > 50


def test_what_nobody_waits_for_is_not_begun_where_deadlines_are_passed_on():
    overload = Scenario(120, 0.03, servers=3).changed(timeout_s=0.3)
    table, dropping = simulate(overload, 5_000), simulate(overload.changed(deadline_s=0.3), 5_000)
    good, kept = ((t.outcome == "ok").mean() for t in (table, dropping))
    assert good < 0.1 < 0.5 < kept
    assert dropping.latency_s.max() <= 0.3 + 1e-9


def test_a_request_ends_at_its_deadline_however_many_tries_are_left():
    slow = Scenario(1, 1e6, servers=9)
    table = simulate(slow.changed(timeout_s=0.4, attempts=9, backoff_s=0.1, deadline_s=1.5), 50)
    assert requests(table).latency_s.to_numpy() == pytest.approx(1.5)
    # 0 to 0.4, 0.5 to 0.9, 1.1 to 1.5, and no pause of 0.4 s any more.
    assert requests(table).attempts.eq(3).all()


def test_work_that_is_done_already_is_not_done_again_where_keys_say_so():
    slow = Scenario(1, 0.5, servers=9, service_distribution="constant")
    with_keys = slow.changed(timeout_s=0.3, attempts=2, backoff_s=0.3, idempotency_keys=True)
    with_keys = simulate(with_keys, 50)
    assert with_keys.query("attempt == 2").outcome.eq("ok").all()
    assert with_keys.query("attempt == 2").service_s.eq(0).all()


def test_what_a_client_gave_up_is_still_worked_on():
    scenario = Scenario(30, 0.03, service_distribution="constant")
    patient, hasty = (simulate(s, 5_000) for s in (scenario, scenario.changed(timeout_s=0.05)))
    answered = hasty.outcome == "ok"
    assert 0.1 < answered.mean() < 0.9
    assert hasty.wait_s[answered].to_numpy() == pytest.approx(patient.wait_s[answered].to_numpy())


def test_an_overload_without_a_limit_says_so_and_ends():
    table = simulate(SHOP.changed(arrival_rate_per_s=300), 10_000)
    assert "grows as long as the run lasts" in table.attrs["notes"][0]
    assert simulate(SHOP.changed(arrival_rate_per_s=300, queue_limit=5), 10).attrs["notes"] == []


def test_a_billion_requests_are_refused():
    with pytest.raises(ValueError, match="requests must be at most 5,000,000, got 1000000000"):
        simulate(SHOP, 1_000_000_000)


def test_ten_thousand_servers_are_served():
    scenario = SHOP.changed(servers=10_000, arrival_rate_per_s=200_000)
    for balancer in ("shared_queue", "least_connections"):
        assert len(simulate(scenario.changed(balancer=balancer), 2_000)) == 2_000


def test_a_sweep_of_simulations_is_the_same_on_any_executor():
    alone = sweep(simulate_little, SHOP, servers=[3, 4], seed=[1, 2])
    with ThreadPoolExecutor(2) as pool:
        assert sweep(simulate_little, SHOP, executor=pool, servers=[3, 4], seed=[1, 2]).equals(
            alone
        )
    expected = summarise(requests(simulate(SHOP, 500))).iloc[0]
    assert alone.iloc[0].latency_p95_s == expected.latency_p95_s


def simulate_little(scenario):
    return simulate(scenario, 500)


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
import json, warnings
warnings.simplefilter("error")
from devops_lab import kernels
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate
assert not kernels.COMPILED
plain = Scenario(70, 0.03, servers=3)
busy = plain.changed(balancer="power_of_two", service_distribution="lognormal", attempts=3,
                     error_share=0.1, timeout_s=0.3, time_between_failures_s=2, repair_time_s=1,
                     jitter="full", retry_budget_share=0.5, hedge_after_s=0.05, tied=True,
                     breaker_error_share=0.3, deadline_s=0.5, idempotency_keys=True)
print(json.dumps([simulate(s, 200).end_s.tolist() for s in (plain, busy)]))
"""


def test_without_numba_the_tables_are_the_same():
    root = Path(simulation.__file__).parents[1]
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMBA], cwd=root, capture_output=True, text=True, check=True
    )
    busy = SHOP.changed(
        balancer="power_of_two",
        service_distribution="lognormal",
        attempts=3,
        error_share=0.1,
        timeout_s=0.3,
        time_between_failures_s=2,
        repair_time_s=1,
        jitter="full",
        retry_budget_share=0.5,
        hedge_after_s=0.05,
        tied=True,
        breaker_error_share=0.3,
        deadline_s=0.5,
        idempotency_keys=True,
    )
    for scenario, ends in zip((SHOP, busy), json.loads(told.stdout), strict=True):
        assert simulate(scenario, 200).end_s.tolist() == pytest.approx(ends, rel=1e-9)


def simpy_latencies(scenario, count, seed):
    """One queue before several workers, in SimPy, with its own random numbers."""
    import simpy

    draw, env, latencies = np.random.default_rng(seed), simpy.Environment(), []
    workers = simpy.Resource(env, scenario.servers)

    def request():
        came = env.now
        with workers.request() as turn:
            yield turn
            yield env.timeout(draw.exponential(scenario.service_time_s))
        latencies.append(env.now - came)

    def load():
        for _number in range(count):
            yield env.timeout(draw.exponential(1 / scenario.arrival_rate_per_s))
            env.process(request())

    env.process(load())
    env.run()
    return latencies


def ciw_latencies(scenario, count, seed):
    """The same in Ciw."""
    import ciw

    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(scenario.arrival_rate_per_s)],
        service_distributions=[ciw.dists.Exponential(1 / scenario.service_time_s)],
        number_of_servers=[scenario.servers],
    )
    run = ciw.Simulation(network)
    run.simulate_until_max_customers(count, method="Finish")
    return [record.exit_date - record.arrival_date for record in run.get_all_records()]


@pytest.mark.parametrize("other", [simpy_latencies, ciw_latencies])
def test_other_libraries_find_the_same_distribution(other):
    # Every 25th request of long runs: neighbours resemble each other, the test wants independent
    # numbers. The limit is that of Kolmogorov and Smirnov for one chance in a thousand.
    pytest.importorskip(other.__name__.split("_")[0])
    ours = np.sort(simulate(SHOP, 100_000).latency_s[500::25])
    theirs = np.sort(np.array(other(SHOP, 40_000, seed=3))[500::25])
    both = np.concatenate([ours, theirs])
    distance = np.abs(
        np.searchsorted(ours, both, side="right") / len(ours)
        - np.searchsorted(theirs, both, side="right") / len(theirs)
    ).max()
    assert distance < 1.95 * np.sqrt(1 / len(ours) + 1 / len(theirs))


def test_who_writes_into_one_column_does_not_change_another():
    attempts, before = simulate(SHOP, 10), simulate(SHOP, 10)
    attempts.loc[0, "intended_s"] = -1.0
    assert attempts.drop(columns="intended_s").equals(before.drop(columns="intended_s"))


def test_a_change_of_the_clients_rules_makes_the_compiled_file_another_one():
    rules = Path(backoff.__file__).read_bytes()
    assert kernels.serve(np.zeros(0), *simulation._world(SHOP, 0)) == zlib.crc32(rules)


def test_simpy_finds_the_same_of_clients_that_try_again_on_servers_that_crash():
    """The very scenario that the benchmark is about, in its two programs."""
    pytest.importorskip("simpy")
    from bench_simulate import TROUBLED, simpy_troubled

    scenarios = [TROUBLED.changed(seed=seed) for seed in SEEDS]
    ours, theirs = (
        [run(scenario, 6_000) for scenario in scenarios] for run in (simulate, simpy_troubled)
    )
    for number in (
        len,
        lambda table: (table.outcome == "ok").sum(),
        lambda table: (table.outcome == "closed").sum(),
        lambda table: (table.outcome == "failed").sum(),
        lambda table: table.latency_s[table.outcome == "ok"].mean(),
    ):
        mine, others = ([number(table) for table in tables] for tables in (ours, theirs))
        error = np.sqrt((np.var(mine, ddof=1) + np.var(others, ddof=1)) / len(SEEDS))
        assert abs(np.mean(mine) - np.mean(others)) < 5 * error
