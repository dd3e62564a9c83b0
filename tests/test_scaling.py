import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from truth import CASES, expected, truth

from devops_lab.closing import ClosingPlan
from devops_lab.course import data_folder
from devops_lab.least_squares import student_t_quantile
from devops_lab.queueing import mmc
from devops_lab.scaling import (
    MachineSize,
    Usl,
    amdahl,
    amdahl_parts,
    cheapest_fleet,
    cost_curves,
    fit_usl,
    gustafson,
    hpa_desired_replicas,
    hpa_stabilised,
    hpa_step,
    usl,
)

shares = st.floats(0, 1)
replicas = st.integers(1, 1_000)


def published(system):
    """The sizes and throughputs of a published benchmark; data/README.md names the sources."""
    table = pd.read_csv(data_folder() / "scalability" / "published.csv")
    rows = table[table["system"] == system]
    return rows["n"].tolist(), rows["throughput"].tolist()


SPECSDM91, CISCO, RAY_TRACER = map(published, ("spec_sdm91", "cisco_router", "ray_tracer"))


@truth("amdahl-30-2x")
def test_amdahl_is_as_published(case):
    assert {"speedup": amdahl(case["inputs"]["factor"], case["inputs"]["parallel"])} == expected(
        case
    )


@truth("amdahl-4parts")
def test_amdahl_of_four_parts_is_as_published(case):
    speedup = amdahl_parts(case["inputs"]["fractions"], case["inputs"]["factors"])
    assert {"speedup": speedup} == expected(case)


@truth("amdahl-curve")
def test_amdahl_takes_an_array_of_sizes(case):
    sizes = np.array(case["inputs"]["N"])
    assert {"S": list(amdahl(sizes, case["inputs"]["parallel"]))} == expected(case)


@truth("amdahl-limit")
def test_the_serial_rest_limits_endless_processors(case):
    speedup = amdahl(1e300, case["inputs"]["parallel"])
    assert {"max_speedup": speedup} == expected(case)


@truth("usl-cisco-N-at-R", "usl-cisco-latency", "usl-fixed")
def test_latencies_of_the_universal_law_are_as_published(case):
    inputs = case["inputs"]
    law = fit_usl(*CISCO).law if "same_as" in inputs else Usl(inputs["lambda"], inputs["sigma"], 0)
    if "N" in inputs:
        assert {"R": [law.latency_s(n) for n in inputs["N"]]} == expected(case)
    elif "X" in inputs:
        latencies = [law.latency_without_coherency_s(rate) for rate in inputs["X"]]
        assert {"R": latencies} == expected(case)
    else:
        assert {"N": [law.n_at_latency(latency) for latency in inputs["R"]]} == expected(case)


@truth("usl-override")
def test_peak_limit_and_optimum_are_as_published(case):
    inputs = case["inputs"]
    law = Usl(inputs["gamma"], inputs["alpha"], inputs["beta"])
    assert {"peak": law.peak_n, "limit": law.limit, "optimal": law.optimal_n} == expected(case)


@truth("usl-raytracer6")
def test_the_ray_tracers_fit_is_as_published(case):
    law = fit_usl(*zip(*case["inputs"]["data"], strict=True)).law
    assert {
        "alpha": law.contention,
        "beta": law.coherency,
        "gamma": law.rate_1,
    } == expected(case)


@truth("usl-specsdm91")
def test_the_residuals_of_specsdm91_are_as_published(case):
    assert {"res": list(fit_usl(*SPECSDM91).residuals)} == expected(case)


def in_percent_of_request(inputs):
    """The values pod by pod, None where one is missing, and the positions of unready pods."""
    gone = [int(pod) for pod, why in inputs["status"].items() if why in ("deleted", "failed")]
    values = [100 * value / inputs["request_milli"] for value in inputs["metric_milli"]]
    missing = inputs["pods_total"] - len(gone) - len(values)
    unready = {int(pod) for pod, why in inputs["status"].items() if why in ("hot", "unready")}
    return values + [None] * missing, unready


@truth(
    "hpa-missing", "hpa-scale-down-ignores", "hpa-scale-up-hotcpu", "hpa-scale-up-ignores-failed"
)
def test_the_autoscaler_treats_pods_without_a_value_as_kubernetes_tests_do(case):
    inputs = case["inputs"]
    values, unready = in_percent_of_request(inputs)
    assert (
        hpa_desired_replicas(
            inputs["current"],
            values,
            inputs["target_percent"],
            inputs["tolerance"],
            unready=unready,
            missing_counts_as=max(100, inputs["target_percent"]),
        )
        == expected(case)["replicas"]
    )


@truth("hpa-scale-down-cm", "hpa-scale-up-cm-object")
def test_the_autoscaler_scales_the_ready_pods_by_a_metric_of_all(case):
    inputs = case["inputs"]
    replicas = hpa_desired_replicas(
        inputs["current"],
        inputs["metric_milli"],
        inputs["target_value_milli"],
        ready_replicas=inputs["ready_pods"],
    )
    assert replicas == expected(case)["replicas"]


@truth("hpa-scale-up-cm-unready")
def test_the_autoscaler_counts_unready_pods_in_other_metrics(case):
    inputs = case["inputs"]
    replicas = hpa_desired_replicas(
        inputs["current"], inputs["pod_metric_milli"], inputs["target_average_milli"]
    )
    assert replicas == expected(case)["replicas"]


@truth("hpa-scale-up-perpod")
def test_the_autoscaler_shares_an_outside_metric_among_the_pods(case):
    inputs = case["inputs"]
    mean = inputs["metric_total_milli"] / inputs["current"]
    replicas = hpa_desired_replicas(inputs["current"], mean, inputs["target_average_milli"])
    assert replicas == expected(case)["replicas"]


@truth("hpa-doc-tolerance")
def test_the_autoscaler_leaves_small_differences_alone(case):
    inputs = case["inputs"]
    acts = [
        hpa_desired_replicas(1_000, ratio, 1, inputs["tolerance"]) != 1_000
        for ratio in inputs["ratios"]
    ]
    assert {"acts": acts} == expected(case)


@truth("hpa-doc-policy-min")
def test_the_autoscaler_takes_the_smaller_step_when_told_to(case):
    inputs = case["inputs"]
    percent, pods = (policy["value"] for policy in inputs["policies"])
    left = hpa_step(inputs["current"], 0, percent=percent, pods=pods, select="min")
    assert {"step": inputs["current"] - left} == expected(case)


@truth("hpa-default-scaleup-steps")
def test_the_autoscaler_grows_by_doubling_or_four(case):
    def steps_to(desired):
        at, steps = case["inputs"]["current"], 0
        while at < desired:
            at, steps = hpa_step(at, desired), steps + 1
        return steps

    assert {"steps": [steps_to(desired) for desired in case["inputs"]["desired"]]} == expected(case)


@given(st.floats(1, 1e6), shares)
def test_amdahl_lies_between_no_gain_and_its_two_limits(n, parallel):
    assert 1 - 1e-12 <= amdahl(n, parallel) <= n * (1 + 1e-12)
    if parallel < 1:
        assert amdahl(n, parallel) <= 1 / (1 - parallel) * (1 + 1e-12)


@given(st.integers(1, 10_000), shares)
def test_gustafson_and_amdahl_tell_the_same_story_of_two_sizes(n, parallel):
    speedup = gustafson(n, parallel)
    share_of_old_time = parallel * n / speedup
    assert amdahl(n, min(share_of_old_time, 1.0)) == pytest.approx(speedup)


@given(st.floats(1, 1e4), shares, st.floats(0.1, 1e4))
def test_the_universal_law_without_coherency_is_amdahls(n, parallel, rate_1):
    without = usl(n, rate_1, contention=1 - parallel, coherency=0)
    assert without == pytest.approx(rate_1 * amdahl(n, parallel))


@given(st.floats(1, 1e4), st.floats(0, 0.9), st.floats(0, 0.1), st.floats(0.1, 1e4))
def test_latency_and_users_are_each_others_inverse(n, contention, coherency, rate_1):
    law = Usl(rate_1, contention, coherency)
    if contention + coherency > 1e-9:
        assert law.n_at_latency(law.latency_s(n)) == pytest.approx(n, rel=1e-4)
    assert law.throughput(n) <= max(law.peak_throughput, rate_1) * (1 + 1e-9)


def test_the_fit_of_a_router_is_as_schwartz_printed_it():
    router = fit_usl(*CISCO)
    assert router.law.contention == pytest.approx(0.02671591, rel=1e-5)
    assert router.law.coherency == pytest.approx(7.690945e-4, rel=1e-5)
    assert router.law.rate_1 == pytest.approx(995.6486, rel=1e-5)
    assert int(router.law.peak_n) == 35
    assert int(router.law.throughput(35)) == 12341


def test_the_fit_of_specsdm91_and_its_intervals_are_as_the_r_package_prints_them():
    fit = fit_usl(*SPECSDM91)
    law, t = fit.law, student_t_quantile(0.975, len(SPECSDM91[0]) - 3)
    # estimate and standard error, from tests/summary.Rout.save of usl 3.0.3
    printed = {
        "contention": (2.773e-02, 9.122e-03),
        "coherency": (1.044e-04, 1.988e-05),
        "rate_1": (9.000e01, 1.421e01),
    }
    for name, (estimate, standard_error) in printed.items():
        low, high = getattr(fit, f"{name}_interval")
        assert getattr(law, name) == pytest.approx(estimate, rel=5e-4)
        assert (high - low) / 2 / t == pytest.approx(standard_error, rel=1e-3)
    assert law.limit == pytest.approx(3245.589, rel=1e-4)
    assert law.peak_n == pytest.approx(96.51956, rel=1e-4)
    assert law.optimal_n == pytest.approx(36.06401, rel=1e-4)


def test_the_ray_tracer_never_turns_back_and_its_first_rows_are_those_of_the_case():
    fit = fit_usl(*RAY_TRACER)
    assert (fit.law.coherency, fit.law.peak_n, fit.peak_n_interval[1]) == (0, math.inf, math.inf)
    [case] = [case for case in CASES if case["id"] == "usl-raytracer6-fit"]
    assert [list(row) for row in zip(*RAY_TRACER, strict=True)][:6] == case["inputs"]["data"]


def test_the_recorded_closings_have_the_law_of_their_plan():
    runs = pd.read_csv(data_folder() / "scalability" / "closing.csv")
    found, planned = fit_usl(runs["workers"], runs["orders_per_s"]).law, ClosingPlan().law
    assert found.rate_1 == pytest.approx(planned.rate_1, rel=0.05)
    assert found.contention == pytest.approx(planned.contention, rel=0.2)
    assert found.coherency == pytest.approx(planned.coherency, rel=0.2)


@given(
    st.floats(1, 1e4),
    st.floats(0, 0.5),
    st.floats(0, 0.01),
    st.integers(4, 12),
)
def test_a_law_is_found_again_in_its_own_curve(rate_1, contention, coherency, points):
    sizes = np.unique(np.geomspace(1, 64, points).round())
    law = Usl(rate_1, contention, coherency)
    found = fit_usl(sizes, law.throughput(sizes)).law
    assert found.rate_1 == pytest.approx(rate_1, rel=1e-6)
    assert found.contention == pytest.approx(contention, rel=1e-6, abs=1e-8)
    assert found.coherency == pytest.approx(coherency, rel=1e-6, abs=1e-8)


def test_the_intervals_hold_the_truth_as_often_as_they_promise():
    law, sizes = Usl(100.0, 0.05, 0.002), np.array([1, 2, 4, 8, 12, 16, 24, 32])
    draw, runs = np.random.default_rng(5), 400
    holds = np.zeros(4)
    for _run in range(runs):
        fit = fit_usl(sizes, law.throughput(sizes) + draw.normal(0, 10, len(sizes)))
        truths = (law.rate_1, law.contention, law.coherency, law.peak_n)
        intervals = (
            fit.rate_1_interval,
            fit.contention_interval,
            fit.coherency_interval,
            fit.peak_n_interval,
        )
        holds += [
            low <= truth <= high for truth, (low, high) in zip(truths, intervals, strict=True)
        ]
    assert (holds / runs > 0.90).all(), holds / runs


def test_measurements_that_never_bend_promise_no_peak():
    fit = fit_usl([1, 2, 4, 8, 16], [100, 200, 410, 850, 1900])
    assert (fit.law.contention, fit.law.coherency) == (0, 0)
    assert fit.law.peak_n == math.inf
    assert fit.peak_n_interval[1] == math.inf


def test_student_t_is_what_the_tables_print():
    table = {1: 12.706, 2: 4.303, 3: 3.182, 5: 2.571, 10: 2.228, 30: 2.042, 120: 1.980}
    for freedom, value in table.items():
        assert student_t_quantile(0.975, freedom) == pytest.approx(value, abs=5e-4)


@given(replicas, st.floats(0.01, 1e4), st.floats(0.01, 1e4))
def test_the_autoscaler_moves_the_metric_to_its_target(current, metric, target):
    desired = hpa_desired_replicas(current, metric, target)
    if desired == current:
        assert metric / target * current <= current * 1.1 + 1
    else:
        assert metric * current / desired <= target * (1 + 1e-6)


@given(replicas, replicas)
def test_steps_of_the_autoscaler_reach_the_wish_and_never_pass_it(current, desired):
    at = current
    for _period in range(20):
        after = hpa_step(at, desired)
        assert min(at, desired) <= after <= max(at, desired)
        at = after
    assert at == desired


@given(st.lists(st.floats(0, 500), min_size=1, max_size=20), st.floats(1, 100))
def test_a_missing_value_never_makes_it_more_eager(values, target):
    known = hpa_desired_replicas(len(values) + 1, values, target, tolerance=0.0)
    missing = hpa_desired_replicas(len(values) + 1, [*values, None], target, tolerance=0.0)
    mean = sum(values) / len(values)
    if mean > target:
        assert missing <= max(known + 1, len(values) + 1)
    if mean < target:
        assert missing <= len(values) + 1


def test_the_autoscaler_keeps_its_limits_and_its_memory():
    assert hpa_desired_replicas(10, 900, 60, max_replicas=12) == 12
    assert hpa_desired_replicas(10, 1, 60, min_replicas=3) == 3
    assert hpa_desired_replicas(0, 900, 60) == 0
    assert hpa_desired_replicas(7, 0.7, 0.1, tolerance=0) == 49
    assert hpa_desired_replicas(3, 50, 10, ready_replicas=1) == 5
    assert hpa_stabilised(10, 4, recent_for_shrinking=[12, 6]) == 10
    assert hpa_stabilised(10, 20, recent_for_growing=[13, 30]) == 13
    assert hpa_step(10, 50, select="disabled") == 10
    with pytest.raises(ValueError, match="at least one ready pod"):
        hpa_desired_replicas(2, [None, None], 60)


CATALOGUE = [
    MachineSize("small", workers=2, price_per_hour=0.10),
    MachineSize("medium", workers=4, price_per_hour=0.19),
    MachineSize("large", workers=16, price_per_hour=0.90, speed=1.5),
]


@given(st.floats(1, 2_000), st.floats(0.12, 1.0))
def test_the_cheapest_fleet_meets_the_target_and_one_machine_fewer_does_not(rate, latency_s):
    fleet = cheapest_fleet(rate, 0.030, latency_s, CATALOGUE)
    assert fleet.latency_s <= latency_s * (1 + 1e-9)
    workers, service_s = (fleet.machines - 1) * fleet.size.workers, 0.030 / fleet.size.speed
    if workers > rate * service_s:
        assert mmc(rate, service_s, workers).latency_quantile_s(0.95) > latency_s
    for kind in ("vertical", "horizontal"):
        try:
            other = cheapest_fleet(rate, 0.030, latency_s, CATALOGUE, kind=kind)
        except ValueError:
            assert kind == "vertical"
        else:
            assert other.price_per_hour >= fleet.price_per_hour


def test_cost_curves_have_a_row_for_each_load_and_kind():
    costs = cost_curves([10, 300, 5_000], 0.030, 0.120, CATALOGUE)
    assert len(costs) == 9
    vertical = costs[costs.kind == "vertical"].price_per_hour
    assert vertical.isna().tolist() == [False, False, True]
    horizontal = costs[costs.kind == "horizontal"].price_per_hour
    assert horizontal.is_monotonic_increasing


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: amdahl(2, 30), "For 30 % write 0.3."),
        (lambda: amdahl(0, 0.3), "n must be above 0, got 0"),
        (lambda: amdahl(np.array([1, math.nan]), 0.3), "n must be a finite number"),
        (lambda: amdahl_parts([0.5, 0.6], [1, 2]), "shares must sum to 1"),
        (lambda: usl(3, 100, -0.1, 0), "contention must be at least 0"),
        (lambda: fit_usl([1, 2, 3], [1, 2, 3]), "at least 4 of them"),
        (lambda: fit_usl([1, 2, 3, 4], [1, 2, math.nan, 3]), "throughput must be a finite number"),
        (lambda: hpa_desired_replicas(3, 50, 0), "target_metric must be above 0"),
        (lambda: cheapest_fleet(80, 0.03, 0.01, CATALOGUE), "latency_s must be longer"),
        (lambda: cheapest_fleet(80, 0.03, 0.1, []), "at least one machine size"),
    ],
)
def test_what_has_no_answer_is_refused_with_the_remedy(call, said):
    with pytest.raises(ValueError) as refusal:
        call()
    assert said in str(refusal.value)
