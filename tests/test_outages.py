"""The planned outages are those that the simulation meets; in the long run they are what the
formulas say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devops_lab.outages import (
    answered,
    availability,
    by_server,
    expected,
    outages,
    server_names,
    spread,
    whole_outages,
)
from devops_lab.scenario import FAILURES, Scenario
from devops_lab.simulate import simulate
from devops_lab.tables import INTERVALS, table

SHOP = Scenario(40, 0.01, servers=3, balancer="round_robin").changed(
    time_between_failures_s=9.0, repair_time_s=1.0
)
RUN_S = 20.0
LONG_S = 100_000.0


def rows(*each):
    """A table of intervals from (server, start, repaired)."""
    columns = {"server": [], "start_s": [], "repaired_s": []}
    for server, start_s, repaired_s in each:
        columns["server"].append(server)
        columns["start_s"].append(start_s)
        columns["repaired_s"].append(repaired_s)
    count = len(each)
    rest = {"cause": ["crash"] * count, "shared": [False] * count, "detected_s": [np.nan] * count}
    return table(columns | rest, INTERVALS)


FAULTY = st.builds(
    lambda servers, mtbf, mttr, late, shared, failure, seed: SHOP.changed(
        servers=servers,
        time_between_failures_s=mtbf,
        repair_time_s=mttr,
        detection_s=late,
        shared_share=shared,
        failure=failure,
        seed=seed,
    ),
    st.integers(1, 5),
    st.floats(0.5, 50),
    st.floats(0.05, 10),
    st.floats(0, 3),
    st.floats(0, 1),
    st.sampled_from(FAILURES),
    st.integers(0, 1_000),
)


@given(FAULTY)
def test_the_outages_of_a_server_follow_each_other(scenario):
    intervals = outages(scenario, RUN_S)
    assert intervals["start_s"].is_monotonic_increasing
    assert set(intervals["cause"]) <= set(FAILURES) - {"any"}
    for _server, own in intervals.groupby("server"):
        ends_s = own["repaired_s"].fillna(RUN_S)
        assert (own["start_s"] < ends_s).all()
        assert (own["start_s"].to_numpy()[1:] > ends_s.to_numpy()[:-1]).all()
        seen = own["detected_s"].notna()
        assert (own["detected_s"] >= own["start_s"])[seen].all()
        assert (own["detected_s"] <= ends_s)[seen].all()
        assert not own["cause"][seen].isin(["slow", "errors"]).any()
        # Only the last can go on after the end.
        assert own["repaired_s"].iloc[:-1].notna().all()


@given(FAULTY, st.floats(0.1, 1))
def test_a_shorter_run_is_the_beginning_of_a_longer_one(scenario, part):
    short_s = part * RUN_S
    longer, shorter = outages(scenario, RUN_S), outages(scenario, short_s)
    begun = longer[longer["start_s"] < short_s].reset_index(drop=True)
    assert begun["start_s"].tolist() == shorter["start_s"].tolist()
    ended = begun["repaired_s"] <= short_s
    assert begun["repaired_s"][ended].tolist() == shorter["repaired_s"].dropna().tolist()


@given(FAULTY)
def test_one_changed_argument_leaves_the_other_draws_as_they_were(scenario):
    alone = scenario.changed(shared_share=0.0, failure="crash")
    assert outages(alone.changed(failure="freeze"), RUN_S)["start_s"].tolist() == (
        outages(alone, RUN_S)["start_s"].tolist()
    )
    more = outages(alone.changed(servers=alone.servers + 1), RUN_S)
    same = more[more["server"].isin(server_names(alone.servers))].reset_index(drop=True)
    assert same.equals(outages(alone, RUN_S))


def met(scenario, failure):
    """What the simulation makes of requests in turn, server by server, where nobody notices a
    failure: the attempts, and until when the server was down at each; missing where it was up."""
    # So little work that it is done where it was begun.
    blind = scenario.changed(
        failure=failure, detection_s=1e6, service_time_s=1e-6, service_distribution="constant"
    )
    attempts = simulate(blind, 400)
    intervals = outages(blind, 1.1 * float(attempts["end_s"].max()) + 1)
    for number, name in enumerate(server_names(blind.servers)):
        own = intervals[intervals["server"] == name]
        mine = attempts.iloc[number :: blind.servers].reset_index(drop=True)
        moments_s = mine["intended_s"].to_numpy()[:, None]
        starts_s, ends_s = own["start_s"].to_numpy(), own["repaired_s"].fillna(np.inf).to_numpy()
        is_down = (starts_s <= moments_s) & (moments_s < ends_s)
        until_s = np.where(is_down, ends_s, 0.0).sum(axis=1)
        yield mine, np.where(is_down.any(axis=1), until_s, np.nan)


@settings(deadline=None)
@given(FAULTY)
def test_the_simulation_refuses_who_comes_while_a_server_has_crashed(scenario):
    for attempts, until_s in met(scenario, "crash"):
        assert ((attempts["outcome"] == "refused") == ~np.isnan(until_s)).all()


@settings(deadline=None)
@given(FAULTY, st.sampled_from(["freeze", "unreachable"]))
def test_a_silent_server_answers_when_it_is_repaired(scenario, failure):
    for attempts, until_s in met(scenario, failure):
        assert (attempts["outcome"] == "ok").all()
        silent = ~np.isnan(until_s)
        assert (attempts["end_s"] >= until_s)[silent].all()
        assert (attempts["latency_s"] < 1e-5)[~silent & (attempts["wait_s"] == 0)].all()


@settings(deadline=None)
@given(FAULTY, st.floats(0.001, 1.0), st.integers(1, 3))
def test_nobody_is_answered_before_the_work_is_done(scenario, service_time_s, workers):
    busy = scenario.changed(service_time_s=service_time_s, workers=workers, arrival_rate_per_s=4)
    attempts = simulate(busy, 200)
    done = attempts[attempts["outcome"] == "ok"]
    taken_s = done["wait_s"] + done["service_s"]
    assert (done["latency_s"] >= taken_s - 1e-9).all()


@settings(deadline=None)
@given(FAULTY)
def test_errors_come_from_the_servers_that_give_errors(scenario):
    for attempts, until_s in met(scenario, "errors"):
        assert ((attempts["outcome"] == "failed") == ~np.isnan(until_s)).mean() > 0.99


@settings(deadline=None)
@given(FAULTY)
def test_a_sick_server_takes_its_factor_longer(scenario):
    for attempts, until_s in met(scenario, "slow"):
        times_s = np.where(np.isnan(until_s), 1e-6, 1e-6 * scenario.faults.slow_factor)
        assert (np.abs(attempts["service_s"] - times_s) < 1e-9).mean() > 0.99
        assert (attempts["outcome"] == "ok").all()


@pytest.mark.parametrize("needed", [1, 2, 3])
@pytest.mark.parametrize("shared_share", [0.0, 0.2, 1.0])
def test_in_the_long_run_the_whole_is_as_available_as_the_formula_says(needed, shared_share):
    scenario = SHOP.changed(shared_share=shared_share)
    shares = [
        availability(outages(scenario.changed(seed=seed), LONG_S), 3, LONG_S, needed)
        for seed in range(8)
    ]
    wanted = expected(scenario, needed)["availability"]
    error = np.std(shares) / math.sqrt(len(shares))
    assert abs(np.mean(shares) - wanted) < 5 * error + 1e-4


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_of_the_requests_as_many_are_answered_as_the_formula_says(share):
    scenario = SHOP.changed(servers=2, detection_s=0.2, service_time_s=1e-4, shared_share=share)
    shares = [answered(simulate(scenario.changed(seed=seed), 100_000)) for seed in range(8)]
    error = np.std(shares) / math.sqrt(len(shares))
    # A change that the next one undoes before it is noticed is in no formula.
    assert abs(np.mean(shares) - expected(scenario)["answered"]) < 5 * error + 1e-3


def test_the_whole_is_down_where_too_few_are_up():
    intervals = rows(("server-1", 1.0, 4.0), ("server-2", 3.0, 6.0), ("server-1", 8.0, np.nan))
    whole = whole_outages(intervals, servers=2, duration_s=10)
    assert whole[["start_s", "repaired_s"]].to_numpy().tolist() == [[3.0, 4.0]]
    assert availability(intervals, 2, 10) == pytest.approx(0.9)
    both = whole_outages(intervals, 2, 10, needed=2)
    assert both["start_s"].tolist() == [1.0, 8.0]
    assert both["repaired_s"].isna().tolist() == [False, True]
    assert availability(intervals, 2, 10, needed=2) == pytest.approx(0.3)
    assert availability(rows(), 2, 10) == 1.0
    assert availability(rows(("server-1", 0.0, np.nan)), 1, 10) == pytest.approx(0.0)


def test_a_table_says_what_the_outages_of_each_server_come_to():
    intervals = rows(("server-1", 1.0, 2.0), ("server-1", 5.0, 8.0))
    numbers = by_server(intervals, 2, 10.0).set_index("server")
    assert numbers.index.tolist() == ["server-1", "server-2", "whole"]
    one = numbers.loc["server-1"]
    assert (one["outages"], one["mtbf_s"], one["mttr_s"]) == (2, 3.0, 2.0)
    assert one["availability"] == pytest.approx(0.6)
    assert numbers.loc["server-2", "availability"] == numbers.loc["whole", "availability"] == 1.0


@given(FAULTY)
def test_servers_and_the_whole_are_counted_alike(scenario):
    intervals = outages(scenario, RUN_S)
    for needed in range(1, scenario.servers + 1):
        numbers = by_server(intervals, scenario.servers, RUN_S, needed).set_index("server")
        whole = availability(intervals, scenario.servers, RUN_S, needed)
        assert numbers.loc["whole", "availability"] == pytest.approx(whole, abs=1e-9)
    assert numbers["availability"].between(-1e-9, 1).all()


def test_the_spread_is_made_of_runs_with_other_draws():
    runs = spread(SHOP.changed(detection_s=1.0), RUN_S, requests=500, runs=20)
    assert runs["seed"].is_unique
    assert SHOP.seed not in runs["seed"].tolist()
    assert runs["availability"].between(0, 1).all()
    assert runs["answered"].nunique() > 5


def test_servers_that_never_fail_have_no_outages():
    well = SHOP.changed(time_between_failures_s=None)
    assert len(outages(well, RUN_S)) == 0
    assert expected(well) == {"availability": 1.0, "answered": 1.0}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: outages(SHOP, 0), "duration_s must be above 0"),
        (lambda: outages(SHOP, 1e9), "Choose a shorter run"),
        (lambda: availability(rows(), 2, 10, needed=3), "needed must be at most 2, got 3"),
        (lambda: SHOP.changed(time_between_failures_s=0), "Leave it out, or give None"),
        (lambda: SHOP.changed(time_between_failures_s=math.inf), "a finite number, got inf"),
        (lambda: SHOP.changed(repair_time_s=0), "repair_time_s must be above 0"),
        (lambda: SHOP.changed(repair_time_s=math.inf), "comes to an end"),
        (lambda: SHOP.changed(shared_share=10), "For 10 % write 0.1"),
        (lambda: SHOP.changed(failure="fire"), "failure must be one of any, crash"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(ValueError) as refused:
        wrong()
    assert said in str(refused.value)
