"""The figures and the dashboard of experiments: what they draw and say, for every setting."""

import re

import pytest
from driving import drive

from devops_lab.experiment_dashboards import RULES, looks_and_winners
from devops_lab.experiment_figures import SHOWN, differences_that_fit, looked_at
from devops_lab.experiments import Counted
from devops_lab.figures import summary_of
from devops_lab.simulated_experiments import simulate_experiments


def title(figure) -> str:
    return figure.layout.title.text.replace("<br>", " ")


def named(figure, name: str):
    return next(trace for trace in figure.data if trace.name == name)


def test_two_identical_versions_have_winners_and_each_is_called_false() -> None:
    same = simulate_experiments(0.2, users=2_000, looks=10)
    figure = looked_at(same, "peek", base_share=0.2, predicted_percent=5)
    winners = int(same.won("peek")[:, -1].sum())
    assert title(figure) == (
        f"Of 1,000 experiments with two identical versions, {winners} have a winner"
    )
    stopped = named(figure, "stopped: a winner that is none")
    assert len(stopped.x) == same.won("peek")[:SHOWN, -1].sum() > 0
    assert named(figure, "simulated").y[-1] == pytest.approx(winners / 10)
    assert named(figure, "theory").y[0] == pytest.approx(5)
    assert figure.layout.shapes[-1].y0 == 5


def test_every_stop_lies_on_the_line_or_beyond_it() -> None:
    same = simulate_experiments(0.2, users=2_000, looks=10)
    for rule in ("peek", "once", "stricter"):
        figure = looked_at(same, rule, base_share=0.2)
        line, stops = figure.data[0], named(figure, "stopped: a winner that is none")
        limit = dict(zip(line.x, line.y, strict=True))
        # The line stands for experiments with exactly 20 %; one differs from it by a little.
        assert all(abs(y) > 0.8 * limit[x] for x, y in zip(stops.x, stops.y, strict=True))


def test_a_true_difference_is_found_and_said_to_be_the_better_one() -> None:
    real = simulate_experiments(0.2, users=4_000, looks=10, difference=0.04)
    figure = looked_at(real, "once", base_share=0.2, difference=0.04)
    assert "find the better one" in title(figure)
    assert named(figure, "theory").y[0] == pytest.approx(100 * real.winner_share("once"), abs=3)
    assert "on average" in summary_of(figure)


def test_a_hypothesis_lies_in_what_fits_or_outside() -> None:
    counts = {
        "few": (Counted(200, 40), Counted(200, 46)),
        "many": (Counted(4_000, 800), Counted(4_000, 890)),
    }
    figure = differences_that_fit(counts, written=0.02)
    assert title(figure).startswith("many: there is a difference, +0.5 to +4.0 points")
    assert "few: +3.0 points; -5.1 to +11.0 fit." in summary_of(figure)
    assert list(figure.data[0].y) == ["few", "many"]
    assert figure.layout.shapes[-1].x0 == 2
    alone = differences_that_fit({"few": counts["few"]})
    assert "no difference at all fits, too" in title(alone)


def test_every_effect_traffic_duration_and_look_can_be_set() -> None:
    assert drive(looks_and_winners(), values_of_each=6, random_moves=25) == []


def test_peeking_makes_false_winners_and_a_stricter_level_takes_them_back() -> None:
    dashboard = looks_and_winners()

    def winners() -> int:
        finding = dashboard.live.finding.replace("<br>", " ")
        return int(re.search(r"([\d,]+) have a winner", finding)[1].replace(",", ""))

    peeking = winners()
    dashboard.controls["rule"].value = next(n for n, r in RULES.items() if r == "stricter")
    assert winners() < peeking / 2
