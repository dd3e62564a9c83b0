import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from truth import expected, truth

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


@truth("q-erlangB-10-14")
def test_erlang_b_is_the_published_one(case):
    assert {"B": erlang_b(case["inputs"]["servers"], case["inputs"]["erlangs"])} == expected(case)


@truth("q-erlangB-15-3-1")
def test_erlang_b_takes_the_load_of_rates_too(case):
    inputs = case["inputs"]
    blocking = mmck(
        inputs["lambda"], 1 / inputs["mu"], inputs["servers"], inputs["servers"]
    ).blocking
    assert {"B": blocking} == expected(case)
    assert {"B": erlang_b(inputs["servers"], inputs["lambda"] / inputs["mu"])} == expected(case)


@truth("q-erlangB-inv")
def test_the_load_for_a_blocking_is_the_published_one(case):
    load = offered_load_for_blocking(case["inputs"]["lines"], case["inputs"]["blocking"])
    assert {"erlangs": load} == expected(case)


@truth("q-erlangB-table")
def test_the_printed_erlang_b_table_comes_out(case):
    # The table leaves the last digits away rather than rounding: half a unit more either way.
    for servers, printed in enumerate(case["expected"]["offered_erlangs"], start=1):
        if servers not in case["skip_n"]:
            load = offered_load_for_blocking(servers, case["inputs"]["blocking"])
            assert load == pytest.approx(printed, abs=0.001 if servers <= 5 else 0.1), servers


@truth("q-erlangC")
def test_a_call_centre_is_as_published(case):
    inputs, published = case["inputs"], expected(case)
    rate, talk_s = inputs["calls"] / inputs["per_seconds"], inputs["aht_s"]
    centre = mmc(rate, talk_s, inputs["agents"])
    assert centre.wait_probability == published["C"] == erlang_c(inputs["agents"], rate * talk_s)
    assert 1 - centre.wait_tail(20) == published["service_level_20s"]
    assert centre.mean_wait_s == published["asa_s"]
    assert servers_needed(rate, talk_s, wait_s=20, quantile=0.8) == published["first_N_80_20"]


@truth("q-erlangA")
def test_a_call_centre_with_impatient_callers_is_as_published(case):
    inputs = case["inputs"]
    rate_per_min = inputs["transactions"] / inputs["interval_min"]
    centre = erlang_a(rate_per_min, inputs["aht_min"], inputs["servers"], inputs["patience_min"])
    assert {
        "waiting_probability": centre.wait_probability,
        "abandonment": centre.abandonment,
        "occupancy": centre.utilisation,
    } == expected(case)


@truth("q-halfin-whitt")
def test_the_square_root_rule_is_as_published(case):
    assert {"beta": square_root_margin(case["inputs"]["delay_probability"])} == expected(case)


def textbook_letters(queue):
    return {
        "rho": queue.utilisation,
        "Pw": queue.wait_probability,
        "Wq": queue.mean_wait_s,
        "W": queue.mean_latency_s,
        "Lq": queue.mean_queue,
        "L": queue.mean_in_system,
    }


def with_states(queue, published):
    letters = textbook_letters(queue) | {"P0": queue.state_probability(0)}
    for name, values in published.items():
        if name == "P_gt_k":
            below = np.cumsum([queue.state_probability(n) for n in range(len(values) + 1)])
            letters[name] = list(1 - below)[: len(values)]
        elif name == "p":
            letters[name] = [queue.state_probability(n) for n in range(len(values))]
    return {name: letters[name] for name in published}


@truth("q-mm1-golden", "q-mm1-pi", "q-mm2", "q-mmc-", "q-queuecomputer")
def test_textbook_queues_are_as_printed(case):
    inputs, published = case["inputs"], expected(case)
    rate = next(value for name, value in inputs.items() if name.startswith("lambda"))
    speed = next((value for name, value in inputs.items() if name.startswith("mu")), None)
    service_time_s = 1 / speed if speed else inputs["mean_service"]
    queue = mmc(rate, service_time_s, servers=int(inputs["model"].split("/")[2]))
    assert with_states(queue, published) == published


@truth("q-mmck")
def test_a_limited_queue_is_as_printed(case):
    inputs, published = case["inputs"], expected(case)
    queue = mmck(inputs["lambda"], 1 / inputs["mu"], inputs["c"], inputs["K"])
    assert queue.state_probability(0) == published["p0"]
    assert queue.blocking == queue.state_probability(5) == published["pK"]
    assert (queue.mean_in_system, queue.mean_wait_s) == (published["L"], published["Wq"])


@truth("q-mg1-hartlage")
def test_a_queue_with_general_service_is_as_printed(case):
    inputs, published = case["inputs"], expected(case)
    scv = (inputs["sd_service"] / inputs["mean_service"]) ** 2
    queue = mg1(inputs["lambda"], inputs["mean_service"], scv)
    letters = textbook_letters(queue) | {"P0": 1 - queue.utilisation}
    assert {name: letters[name] for name in published} == published


@truth("q-mm1-vs-md1")
def test_constant_service_halves_the_wait(case):
    rate, service_time_s = case["inputs"]["lambda"], 1 / case["inputs"]["mu"]
    memoryless, constant = mg1(rate, service_time_s, 1), mg1(rate, service_time_s, 0)
    assert {
        "mm1_W": memoryless.mean_latency_s,
        "md1_W": constant.mean_latency_s,
        "mm1_Lq": memoryless.mean_queue,
        "md1_Lq": constant.mean_queue,
    } == expected(case)


@truth("q-mm1ps")
def test_sharing_the_processor_has_the_mean_latency_of_taking_turns(case):
    queue = mmc(case["inputs"]["lambda"], 1 / case["inputs"]["mu"])
    assert {"mean_sojourn": queue.mean_latency_s} == expected(case)


@truth("q-repair-kolkmeyer")
def test_a_machine_that_fails_sees_the_others_only(case):
    inputs = case["inputs"]
    crew = machine_repair(inputs["N"], inputs["lambda_each"], 1 / inputs["mu"], servers=2)
    assert {"P_arrival_waits": crew.wait_probability} == expected(case)


def test_kolkmeyers_machines_are_as_printed():
    # Anderson, Sweeney and Williams, An Introduction to Management Science: one and two mechanics.
    one, two = (machine_repair(6, 1 / 20, 2, servers) for servers in (1, 2))
    assert one.state_probability(0) == pytest.approx(0.4845, abs=5e-5)
    assert (one.mean_queue, one.mean_in_system) == pytest.approx((0.3297, 0.8451), abs=6e-5)
    assert (one.mean_wait_s, one.mean_latency_s) == pytest.approx((1.279, 3.279), abs=6e-4)
    assert (two.mean_queue, two.mean_in_system) == pytest.approx((0.0227, 0.5661), abs=6e-5)


@truth("q-closed")
def test_a_closed_network_is_as_published(case):
    inputs = case["inputs"]
    network = closed_network(inputs["S"], inputs["V"], inputs["N"])
    assert {
        "U": list(network.utilisations),
        "X": list(network.throughputs_per_s),
        "R": list(network.latencies_s),
    } == expected(case)


@truth("q-gb")
def test_the_throughput_lies_within_the_published_bounds(case):
    inputs, bounds = case["inputs"], case["expected"]
    network = closed_network(inputs["D"], [1] * 4, inputs["N"], inputs["Z"])
    rounded = case["tolerance"]["abs"]
    assert bounds["X_lower"] - rounded <= network.throughput_per_s <= bounds["X_upper"] + rounded


@truth("q-open-bolch")
def test_an_open_network_is_as_published(case):
    inputs = case["inputs"]
    network = open_network(inputs["lambda"], inputs["S"], inputs["V"])
    assert {
        "X": list(network.throughputs_per_s),
        "U": list(network.utilisations),
        "R": list(network.latencies_s),
        "Q": list(network.means_in_system),
    } == expected(case)


# As the usual tables of the telephone companies print them.
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
        (
            lambda: mg1(2, 1.5, 0),
            "arrival_rate_per_s must be below 0.6667 for one server with 1.5 s",
        ),
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
