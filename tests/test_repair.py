"""Markov chains give the published numbers, steady and on the way, and repair crews follow them."""

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truth import expected, truth

from devops_lab.availability import from_mtbf, k_of_n
from devops_lab.repair import MarkovChain, RepairCrew, birth_and_death

HOUR_S = 3600
TIMES = st.floats(0.01, 1e4)


@truth("avail-bd")
def test_births_and_deaths_have_the_published_steady_state(case):
    chain = birth_and_death(case["inputs"]["birth"], case["inputs"]["death"])
    assert {"pi": chain.steady_state().tolist()} == expected(case)


@truth("avail-ctmc-7")
def test_a_chain_of_seven_has_the_published_steady_state(case):
    rows = case["inputs"]["Q"]
    rates = {
        (i, j): rate for i, row in enumerate(rows) for j, rate in enumerate(row) if i != j and rate
    }
    shares = MarkovChain(rates).steady_state().sort_index()
    assert {"pi": shares.tolist()} == expected(case)


def satellite() -> MarkovChain:
    """Six units in orbit, of which the last is lost for good; a shuttle is called when two are
    left, and brings all six into order (Tijms 2003, page 172). Rates a year."""
    failure, launch, repair = 0.1, 100, 5
    rates = {(units, units - 1): units * failure for units in range(6, 1, -1)}
    rates |= {(2, "called at 2"): launch, (1, "called at 1"): launch, (1, "lost"): failure}
    rates |= {("called at 2", "called at 1"): 2 * failure, ("called at 1", "lost"): failure}
    return MarkovChain(rates | {("called at 2", 6): repair, ("called at 1", 6): repair})


@truth("avail-ctmc-transient")
def test_the_way_of_a_chain_has_the_published_chances(case):
    years = case["inputs"]["t"]
    never_called = satellite().ending_in("called at 1", "called at 2").after(years, start=6)
    chance = never_called[[6, 5, 4, 3, 2, 1]].sum()
    assert {"p": chance} == expected(case)
    assert satellite().after(years, start=6)["lost"] == pytest.approx(0.000504, abs=1e-6)


def two_processors() -> MarkovChain:
    """Two processors, and a switch that works nine times of ten; otherwise all is started anew
    (Heimann, Mittal and Trivedi 1990, section 2.5). Rates a second."""
    failure, repair, works = 1 / (5_000 * HOUR_S), 1 / (4 * HOUR_S), 0.9
    switch, restart = 1 / 30, 1 / 600
    return MarkovChain(
        {
            ("two", "switching"): 2 * works * failure,
            ("two", "starting anew"): 2 * (1 - works) * failure,
            ("switching", "one"): switch,
            ("starting anew", "one"): restart,
            ("one", "two"): repair,
            ("one", "none"): failure,
            ("none", "one"): repair,
        }
    )


def test_imperfect_switching_has_the_published_shares_and_time_to_an_outage():
    shares = two_processors().steady_state()
    assert shares["two"] == pytest.approx(0.9983916, abs=1e-6)
    assert shares["switching"] == pytest.approx(2.995e-6, abs=1e-8)
    assert shares["starting anew"] == pytest.approx(6.6559e-6, abs=1e-9)
    assert shares["one"] == pytest.approx(0.00159742, abs=1e-7)
    hours = two_processors().mean_time_to("starting anew", "none", start="two") / HOUR_S
    assert math.floor(hours) == 24_857


@given(st.integers(1, 8), TIMES, TIMES)
def test_with_a_hand_for_each_copy_they_are_independent(copies, mtbf, mttr):
    crew = RepairCrew(copies, mtbf, mttr, hands=copies)
    for needed in range(1, copies + 1):
        wanted = k_of_n(needed, copies, from_mtbf(mtbf, mttr))
        assert crew.availability(needed) == pytest.approx(wanted, abs=1e-9)


@given(st.integers(2, 6), TIMES, TIMES)
def test_more_hands_help_and_an_hour_ago_all_was_well(copies, mtbf, mttr):
    few, many = (RepairCrew(copies, mtbf, mttr, hands) for hands in (1, copies))
    assert few.availability() <= many.availability() + 1e-12
    assert few.availability_after(0) == 1.0
    assert few.availability_after(1e4 * (mtbf + mttr)) == pytest.approx(
        few.availability(), abs=1e-6
    )
    assert few.mean_time_to_outage() <= many.mean_time_to_outage() * (1 + 1e-9)


@given(TIMES, TIMES, st.floats(0, 1e5))
def test_one_copy_on_its_way_follows_the_formula(mtbf, mttr, time):
    # a + (1 - a) e^(-(1/mtbf + 1/mttr) t): Trivedi 2001, section 8.3
    share = from_mtbf(mtbf, mttr)
    wanted = share + (1 - share) * math.exp(-time * (1 / mtbf + 1 / mttr))
    assert RepairCrew(1, mtbf, mttr).availability_after(time) == pytest.approx(wanted, abs=1e-9)
    assert RepairCrew(1, mtbf, mttr).mean_time_to_outage() == pytest.approx(mtbf)


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] != pair[1]),
        st.floats(0.001, 1000),
        min_size=1,
    ),
    st.floats(0, 1000),
)
def test_the_chances_of_all_states_add_up_to_one(rates, time):
    chain = MarkovChain(rates)
    after = chain.after(time, start=chain.states[0])
    assert after.sum() == pytest.approx(1)
    assert (after >= 0).all()
    with contextlib.suppress(ValueError):
        assert chain.steady_state().sum() == pytest.approx(1)


def test_two_chains_that_never_meet_have_no_one_steady_state():
    with pytest.raises(ValueError, match="depends on its start"):
        MarkovChain({("a", "b"): 1, ("b", "a"): 1, ("c", "d"): 1, ("d", "c"): 1}).steady_state()


def test_what_may_never_be_reached_takes_for_ever():
    chain = MarkovChain({("a", "b"): 1, ("b", "a"): 1, ("b", "lost"): 1, ("a", "goal"): 1})
    assert chain.mean_time_to("goal", start="a") == math.inf
    assert chain.mean_time_to("goal", "lost", start="a") == pytest.approx(1.0)
    assert chain.mean_time_to("a", start="a") == 0.0
    beside = MarkovChain({("a", "b"): 2, ("c", "d"): 1})
    assert beside.mean_time_to("b", start="a") == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: RepairCrew(2, 0, 1), "mtbf must be above 0"),
        (lambda: RepairCrew(2, 1, math.inf), "mttr must be a finite number"),
        (lambda: RepairCrew(2, 1, 1).availability(3), "needed must be at most 2, got 3"),
        (lambda: RepairCrew(2, 1, 1).availability_after(-1), "time must be at least 0"),
        (lambda: MarkovChain({}), "must lead from one state to another"),
        (lambda: MarkovChain({("a", "b"): 1.0, ("a", "a"): 1.0}), "to itself"),
        (lambda: MarkovChain({("a", "b"): -1.0}), "rates must be at least 0"),
        (lambda: MarkovChain({("a", "b"): 1.0}).after(1, "c"), "one of a, b, got 'c'"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(ValueError) as refused:
        wrong()
    assert said in str(refused.value)
