import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.queue_networks import closed_network, open_network
from devops_lab.queueing import (
    allen_cunneen,
    erlang_a,
    erlang_b,
    erlang_c,
    littles_law,
    machine_repair,
    mg1,
    mmc,
    mmck,
    offered_load_for_blocking,
    servers_needed,
    square_root_margin,
)

server_counts = st.integers(min_value=1, max_value=200)
utilisations = st.floats(min_value=0.01, max_value=0.995)
service_times = st.floats(min_value=1e-4, max_value=100)
quantiles = st.floats(min_value=0.05, max_value=0.999)


def queue_at(utilisation, service_time_s, servers):
    return mmc(utilisation * servers / service_time_s, service_time_s, servers)


# Kleinrock 1975 and the usual tables of the telephone companies print these.
@pytest.mark.parametrize(
    ("servers", "load", "blocking"),
    [(1, 1.0, 0.5), (2, 1.0, 0.2), (5, 3.0, 0.1101), (10, 5.0, 0.0184), (20, 15.0, 0.0456)],
)
def test_erlang_b_is_what_the_tables_print(servers, load, blocking):
    assert erlang_b(servers, load) == pytest.approx(blocking, abs=5e-5)


@pytest.mark.parametrize(("servers", "load"), [(3, 2.4), (100, 97.3), (1_000, 999.99), (30, 1.0)])
def test_erlang_b_and_c_agree_with_fifty_digits(servers, load):
    with mpmath.workdps(50):
        a = mpmath.mpf(load)
        top = a**servers / mpmath.factorial(servers)
        below = mpmath.fsum(a**n / mpmath.factorial(n) for n in range(servers))
        exact_b = top / (below + top)
        queued = top * servers / (servers - a)
        exact_c = queued / (below + queued)
    assert erlang_b(servers, load) == pytest.approx(float(exact_b), rel=1e-12)
    assert erlang_c(servers, load) == pytest.approx(float(exact_c), rel=1e-10)


def test_a_million_servers_near_full_load_obey_the_square_root_rule():
    servers, waits = 1_000_000, 0.3
    margin = square_root_margin(waits)
    load = servers - margin * math.sqrt(servers)
    queue = mmc(load, 1.0, servers)
    assert queue.wait_probability == pytest.approx(waits, abs=5e-4)
    assert math.isfinite(queue.latency_quantile_s(0.99))
    assert servers_needed(load, 1.0, wait_probability=waits) == pytest.approx(servers, abs=5)


def test_a_load_one_millionth_below_the_limit_keeps_its_digits():
    queue = mmc(1 - 2**-20, 1.0)
    assert queue.mean_in_system == pytest.approx(2**20 - 1, rel=1e-12)
    assert queue.latency_quantile_s(0.5) == pytest.approx(2**20 * math.log(2), rel=1e-12)


@given(server_counts, utilisations, service_times)
def test_one_more_server_never_makes_anybody_wait_longer(servers, utilisation, service_time_s):
    rate = utilisation * servers / service_time_s
    few, more = mmc(rate, service_time_s, servers), mmc(rate, service_time_s, servers + 1)
    assert more.mean_wait_s <= few.mean_wait_s
    assert more.wait_probability <= few.wait_probability
    assert more.latency_quantile_s(0.99) <= few.latency_quantile_s(0.99) * (1 + 1e-12)


@given(server_counts, utilisations, service_times, st.integers(0, 50), st.floats(0, 4))
def test_every_steady_state_obeys_littles_law(servers, utilisation, service_time_s, room, scv):
    rate = utilisation * servers / service_time_s
    limited = mmck(rate, service_time_s, servers, servers + room)
    states = [
        (mmc(rate, service_time_s, servers), rate),
        (mg1(rate / servers, service_time_s, scv), rate / servers),
        (allen_cunneen(rate, service_time_s, servers, scv), rate),
        (limited, limited.throughput_per_s),
    ]
    for state, throughput in states:
        assert state.mean_in_system == pytest.approx(
            littles_law(throughput_per_s=throughput, mean_latency_s=state.mean_latency_s)
        )
        assert state.mean_latency_s == pytest.approx(state.mean_wait_s + service_time_s)
        busy = state.mean_in_system - state.mean_queue
        assert busy == pytest.approx(throughput * service_time_s, rel=1e-6)


@given(utilisations, service_times, quantiles)
def test_mg1_with_exponential_service_is_mm1(utilisation, service_time_s, q):
    general = mg1(utilisation / service_time_s, service_time_s, scv=1)
    exact = queue_at(utilisation, service_time_s, 1)
    assert general.mean_wait_s == pytest.approx(exact.mean_wait_s)
    assert general.latency_quantile_s(q) == pytest.approx(exact.latency_quantile_s(q), rel=1e-5)


@given(st.integers(1, 20), utilisations, st.floats(0, 3))
def test_the_approximation_is_exact_where_it_says_so(servers, utilisation, scv):
    assert allen_cunneen(utilisation * servers, 1.0, servers, service_scv=1).mean_wait_s == (
        pytest.approx(mmc(utilisation * servers, 1.0, servers).mean_wait_s)
    )
    assert allen_cunneen(utilisation, 1.0, 1, service_scv=scv).mean_wait_s == pytest.approx(
        mg1(utilisation, 1.0, scv).mean_wait_s
    )


@given(st.integers(1, 20), st.floats(0.05, 0.9), quantiles)
def test_much_room_makes_a_limited_queue_an_unlimited_one(servers, utilisation, q):
    limited = mmck(utilisation * servers, 1.0, servers, servers + 400)
    unlimited = mmc(utilisation * servers, 1.0, servers)
    assert limited.mean_wait_s == pytest.approx(unlimited.mean_wait_s, rel=1e-9, abs=1e-12)
    assert limited.latency_quantile_s(q) == pytest.approx(unlimited.latency_quantile_s(q), rel=1e-7)
    assert limited.wait_quantile_s(q) == pytest.approx(
        unlimited.wait_quantile_s(q), rel=1e-6, abs=1e-9
    )


@given(st.integers(1, 30), st.floats(0.1, 3.0))
def test_no_room_to_wait_is_erlang_b(servers, utilisation):
    queue = mmck(utilisation * servers, 1.0, servers, capacity=servers)
    assert queue.blocking == pytest.approx(erlang_b(servers, utilisation * servers))
    assert queue.mean_wait_s == pytest.approx(0, abs=1e-12)
    assert queue.latency_quantile_s(0.5) == pytest.approx(math.log(2))


@given(st.integers(1, 40), st.floats(0.01, 5.0), st.integers(1, 10))
def test_machines_under_repair_obey_littles_law_twice(machines, load, servers):
    crew = machine_repair(machines, load, 1.0, servers)
    up = machines - crew.mean_in_system
    assert crew.throughput_per_s == pytest.approx(up * load)
    assert crew.mean_in_system == pytest.approx(crew.throughput_per_s * crew.mean_latency_s)
    assert crew.wait_probability <= crew.all_busy + 1e-12


def test_a_fixed_number_of_users_is_a_closed_network():
    crew = machine_repair(machines=20, rate_per_s=0.5, service_time_s=0.2, servers=1)
    users = closed_network([0.2], [1], users=20, think_time_s=2.0)
    assert users.throughput_per_s == pytest.approx(crew.throughput_per_s)
    assert users.mean_latency_s == pytest.approx(crew.mean_latency_s)


def test_deterministic_service_has_the_distribution_crommelin_gave():
    rate, service_s = 0.8, 1.0

    def exact_wait_tail(t):
        with mpmath.workdps(60):
            terms = (
                mpmath.exp(rate * (t - j)) * (-rate * (t - j)) ** j / mpmath.factorial(j)
                for j in range(int(t) + 1)
            )
            return float(1 - (1 - rate) * mpmath.fsum(terms))

    queue = mg1(rate, service_s, scv=0)
    for wait_s in (0.3, 0.7, 1.5, 3.3, 10.5):
        assert queue.wait_tail(wait_s) == pytest.approx(exact_wait_tail(wait_s), abs=1e-6)
        assert queue.latency_tail(wait_s + 1) == pytest.approx(exact_wait_tail(wait_s), abs=1e-6)
    assert queue.latency_tail(0.5) == 1


@given(st.integers(1, 50), st.floats(0.05, 0.97), quantiles)
def test_a_quantile_leaves_the_rest_above_it(servers, utilisation, q):
    for queue in (
        queue_at(utilisation, 1.0, servers),
        mmck(utilisation * servers, 1.0, servers, servers + 5),
        mg1(utilisation, 1.0, scv=0.5),
    ):
        assert queue.latency_tail(queue.latency_quantile_s(q)) == pytest.approx(1 - q, abs=1e-6)


def test_the_chances_of_all_numbers_of_requests_sum_to_one():
    queue = mmc(40, 0.07, servers=3)
    assert sum(queue.state_probability(n) for n in range(2_000)) == pytest.approx(1)
    mean = sum(n * queue.state_probability(n) for n in range(2_000))
    assert mean == pytest.approx(queue.mean_in_system)


@given(st.floats(0.5, 50.0), st.floats(0.01, 0.9))
def test_servers_needed_is_enough_and_one_fewer_is_not(load, waits):
    servers = servers_needed(load, 1.0, wait_probability=waits)
    assert mmc(load, 1.0, servers).wait_probability <= waits
    if servers - 1 > load:
        assert mmc(load, 1.0, servers - 1).wait_probability > waits


def test_each_target_asks_for_servers_that_meet_it():
    rate, service_s = 80, 0.030
    for target, reached in {
        "mean_wait_s": lambda queue: queue.mean_wait_s,
        "mean_latency_s": lambda queue: queue.mean_latency_s,
        "wait_s": lambda queue: queue.wait_quantile_s(0.9),
        "latency_s": lambda queue: queue.latency_quantile_s(0.9),
    }.items():
        goal = reached(mmc(rate, service_s, 5))
        assert servers_needed(rate, service_s, quantile=0.9, **{target: goal * 1.0001}) == 5
        assert servers_needed(rate, service_s, quantile=0.9, **{target: goal * 0.9999}) == 6


def test_endless_patience_is_no_impatience():
    patient = erlang_a(2.4, 1.0, 3, patience_s=1e4)
    assert patient.mean_wait_s == pytest.approx(mmc(2.4, 1.0, 3).mean_wait_s, rel=1e-2)
    assert patient.abandonment < 1e-3
    with pytest.raises(NotImplementedError, match="simulate"):
        patient.latency_quantile_s(0.9)


def test_blocking_and_its_load_are_each_others_inverse():
    for servers in (1, 7, 300):
        load = offered_load_for_blocking(servers, 0.02)
        assert erlang_b(servers, load) == pytest.approx(0.02)


def test_an_open_network_of_one_resource_is_one_server():
    alone = open_network(80, [0.010], [1])
    assert alone.mean_latency_s == pytest.approx(mmc(80, 0.010).mean_latency_s)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: mmc(80, 0.030, 2),
            "servers must be at least 3 for 80 requests/s of 30 ms each, got 2 "
            "(utilisation would be 120 %)",
        ),
        (lambda: mmc(100, 0.010, 1), "servers must be at least 2 for 100 requests/s of 10 ms each"),
        (lambda: erlang_c(2, 2.0), "servers must be at least 3 for an offered load of 2, got 2"),
        (lambda: mg1(2, 1.5, 0), "arrival_rate_per_s must be below 0.6667 for one server with 1.5 s"),
        (lambda: mmc(0, 0.030), "arrival_rate_per_s must be above 0, got 0"),
        (lambda: mmc(-1, 0.030), "arrival_rate_per_s must be above 0, got -1"),
        (lambda: mmc(math.nan, 0.030), "arrival_rate_per_s must be a finite number, got nan"),
        (lambda: mmc(1, math.inf), "service_time_s must be a finite number, got inf"),
        (lambda: mmc(1, 0.1, 2_000_000_000), "servers must be at most 10,000,000"),
        (lambda: mmck(1, 0.1, 3, 2), "capacity must be at least 3, got 2. It counts the requests"),
        (lambda: mmc(1, 0.1).latency_quantile_s(95), "q must be below 1, got 95. For the 95th"),
        (lambda: servers_needed(80, 0.030), "exactly one target"),
        (lambda: servers_needed(80, 0.030, latency_s=0.05), "the service alone takes longer"),
        (lambda: servers_needed(80, 0.030, mean_latency_s=0.02), "the service alone takes longer"),
        (lambda: littles_law(throughput_per_s=1), "exactly two of"),
        (lambda: closed_network([0.1], [1, 2], users=1), "one entry a resource each"),
        (lambda: open_network(200, [0.01], [1]), "arrival_rate_per_s must be below 100"),
    ],
)
def test_what_has_no_answer_is_refused_with_the_remedy(call, said):
    with pytest.raises(ValueError) as refusal:
        call()
    assert said in str(refusal.value)


def test_results_are_plain_numbers():
    for state in (mmc(1, 0.5), mmck(1, 0.5, 1, 3), mg1(1, 0.5, 2), machine_repair(3, 1, 0.5, 1)):
        assert not any(isinstance(value, np.generic) for value in vars(state).values())
