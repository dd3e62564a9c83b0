import numpy as np
import pytest
from truth import expected, truth

from devops_lab.loadgen import send_load
from devops_lab.scenario import Client
from devops_lab.servers import Server
from devops_lab.tail import Answers, change, fan_out_plan, pages, slow_pages


@truth("tail-0.0")
def test_the_more_servers_a_page_needs_the_more_pages_are_slow(case):
    given = case["inputs"]
    assert {"P": slow_pages(given["p_slow"], given["fanout"])} == expected(case)


@truth("tail-two-copies")
def test_two_copies_have_to_be_slow_both(case):
    given = case["inputs"]
    slow = slow_pages(given["p_slow"], given["fanout"], given["copies"])
    assert {"P_slow": slow} == expected(case)


@truth("tail-tied")
def test_what_tied_requests_bring_is_the_published_share(case):
    before, after = case["inputs"]["no_hedge_ms"], case["inputs"]["tied_after_1ms_ms"]
    assert {"change_percent": 100 * change(before, after)} == expected(case)


@pytest.mark.parametrize("hedge_after_s", [None, 0.0, 0.03])
@pytest.mark.parametrize("fan_out", [1, 20])
def test_quantiles_are_those_of_many_drawn_pages(fan_out, hedge_after_s):
    answers = Answers(slow_share=0.05, hedge_after_s=hedge_after_s)
    first, second = answers.draw(400_000, seed=1), answers.draw(400_000, seed=2)
    if hedge_after_s is not None:
        first = np.minimum(first, hedge_after_s + second)
    drawn = first.reshape(-1, fan_out).max(axis=1)
    levels = [0.5, 0.9, 0.99]
    for wanted, level in zip(answers.quantile_s(levels, fan_out), levels, strict=True):
        below = (drawn <= wanted).mean()
        assert below == pytest.approx(level, abs=4.5 * np.sqrt(level * (1 - level) / len(drawn)))


def test_hedging_after_the_95th_percentile_costs_a_twentieth_more_requests():
    plain = Answers()
    late_s = plain.quantile_s([0.95])[0]
    hedged = Answers(hedge_after_s=late_s)
    assert hedged.hedged_share == pytest.approx(0.05)
    assert plain.hedged_share == 0
    assert hedged.quantile_s([0.5], 100)[0] < plain.quantile_s([0.5], 100)[0] / 5


def test_real_pages_wait_for_their_slowest_answer_and_hedging_shortens_that():
    answers, fan_out = Answers(slow_share=0.02, usual_s=0.01, slow_s=0.6), 20
    plan = fan_out_plan(answers, pages=15, fan_out=fan_out)
    late = plan["service_times_s"][0]
    slowest_s = np.array(late).reshape(-1, fan_out).max(axis=1)
    with Server(workers=1_000) as server:
        plain = pages(send_load(server.url + "work", **plan), fan_out)
        client = Client(attempts=2, hedge_after_s=0.1)
        hedged = pages(send_load(server.url + "work", client=client, **plan), fan_out)
    assert len(plain) == 15
    # The machine may add to a page, but takes nothing off.
    assert (plain["latency_s"].to_numpy() >= slowest_s - 0.001).all()
    assert plain["asked"].eq(fan_out).all()
    assert hedged["asked"].sum() > 15 * fan_out
    assert hedged["latency_s"].max() < plain["latency_s"].max()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"slow_share": 1}, None),
        ({"slow_share": 5}, "For 5 % write 0.05"),
        ({"usual_s": 0}, "usual_s must be above 0"),
        ({"slow_s": float("nan")}, "slow_s must be a finite number"),
        ({"hedge_after_s": -1}, "hedge_after_s must be at least 0"),
    ],
)
def test_what_does_not_fit_is_named(wrong, said):
    if said is None:
        assert Answers(**wrong).quantile_s([0.5])[0] == pytest.approx(np.log(2))
        return
    with pytest.raises(ValueError, match=said):
        Answers(**wrong)


def test_a_page_of_no_servers_and_a_certain_quantile_are_refused():
    with pytest.raises(ValueError, match="fan_out must be at least 1"):
        slow_pages(0.01, 0)
    with pytest.raises(ValueError, match="quantiles must be below 1"):
        Answers().quantile_s([1.0])
