"""Overload over time, its figures and dashboards, simulated and with a real server at work."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from driving import drive

from devops_lab import processes
from devops_lab.families import wait_until
from devops_lab.figures import summary_of
from devops_lab.overload import course_of_layers, endings, how_it_ends, over_time, recovered_at_s
from devops_lab.overload_dashboards import (
    BUDGETS,
    GUARDS,
    PAUSES,
    RetryStorm,
    retry_storm,
    tail_at_scale,
)
from devops_lab.overload_figures import (
    Outage,
    asked_and_answered,
    slow_pages_by_servers,
    tries_by_layer,
    when_tries_come,
)
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate
from devops_lab.tail import slow_pages

HURT = Scenario(arrival_rate_per_s=40, service_time_s=0.01).changed(
    shape="constant",
    timeout_s=0.4,
    attempts=3,
    failure="freeze",
    outage_from_s=5,
    outage_s=2,
)
CABLE = {"outage": Outage(5, 7), "load_per_s": 40, "capacity_per_s": 100}


def test_tries_and_answers_are_counted_in_their_steps() -> None:
    course = over_time(simulate(HURT.changed(attempts=1), 400), 10, step_s=1)
    assert course["time_s"].tolist() == [step + 0.5 for step in range(10)]
    assert course["tries_per_s"].sum() == 399  # the last one comes at the very end
    assert course["answers_per_s"].iloc[6] == 0
    # Whoever could be answered in time is answered once.
    assert course["answers_per_s"].sum() <= 399
    assert course["tries_per_s"].iloc[3] == pytest.approx(40, abs=1)


def test_a_last_step_that_is_cut_short_counts_by_its_length() -> None:
    clicks = simulate(HURT.changed(attempts=1), 400)
    course = course_of_layers(clicks, np.arange(0, 4, 0.1), duration_s=3.25, step_s=0.5)
    assert course["time_s"].iloc[-1] == pytest.approx(3.125)
    assert course["tries_per_s"].iloc[-1] == pytest.approx(10, abs=4)


def test_load_times_attempts_above_the_capacity_has_no_way_back() -> None:
    """The storm is there ten minutes later, and a little less load ends it."""
    stays = how_it_ends(HURT.changed(arrival_rate_per_s=34), duration_s=600)
    ends = how_it_ends(HURT.changed(arrival_rate_per_s=32), duration_s=600)
    assert stays["answers_per_s"] == 0
    assert stays["tries_per_s"] == pytest.approx(3 * 34, abs=1)
    assert math.isnan(stays["recovered_after_s"])
    assert ends["answers_per_s"] == pytest.approx(32, abs=1)
    assert 0 < ends["recovered_after_s"] < 120


@pytest.mark.parametrize(
    "knob",
    [
        {"attempts": 1},
        {"retry_budget_share": 0.1},
        {"queue_limit": 30},
        {"deadline_s": 1.2},
        {"idempotency_keys": True},
        {"breaker_error_share": 0.5, "breaker_open_s": 2.0},
    ],
    ids=lambda knob: next(iter(knob)),
)
def test_each_guard_ends_the_storm_which_pauses_do_not(knob: dict) -> None:
    table = endings(HURT, {"storm": {}, "pause": {"backoff_s": 0.5}, "guard": knob}, 60)
    assert table["answers_per_s"].tolist() == [0, 0, 40]
    assert table["recovered_after_s"].isna().tolist() == [True, True, False]


def test_nothing_to_recover_from_is_well_from_the_beginning() -> None:
    calm = how_it_ends(Scenario(20, 0.001).changed(shape="constant"), 10)
    assert calm == {
        "tries_per_s": pytest.approx(20, abs=1),
        "answers_per_s": pytest.approx(20, abs=1),
        "recovered_after_s": pytest.approx(0, abs=0.5),
    }
    course = over_time(simulate(Scenario(20, 0.001), 100), 5)
    assert math.isnan(recovered_at_s(course, good_per_s=1, since_s=99))
    with pytest.raises(ValueError, match="duration_s must be above 0, got -1"):
        how_it_ends(HURT, -1)


def test_the_figure_says_whether_it_ended_and_marks_the_outage() -> None:
    courses = {str(n): over_time(simulate(HURT.changed(attempts=n), 800), 20) for n in (1, 3)}
    stormy = asked_and_answered(courses, **CABLE)
    assert "13 s after the outage 120 tries come each second, and 0 succeed" in summary_of(stormy)
    assert "at the end 40 tries a second come for 40 requests, and 40" in summary_of(stormy)
    assert [shape.x0 for shape in stormy.layout.shapes] == [5, 5]
    later = asked_and_answered(courses, **CABLE | {"outage": Outage(8, 10)})
    names = [note.x for note in later.layout.annotations if note.text == "outage"]
    assert names == [9, 9]
    calm = asked_and_answered({"1": courses["1"]}, measured=courses["1"], **CABLE)
    assert "13 s after the outage, all is well again" in calm.layout.title.text
    assert "On real servers: 40 tries and 40 answers" in summary_of(calm)
    assert [trace.name for trace in calm.data] == [
        "can be answered",
        "tries that come",
        "answered in time",
        "tries, measured",
        "answered, measured",
    ]


def test_tries_by_layer_stand_beside_the_formula_and_the_prediction() -> None:
    asked = pd.DataFrame({"layer": ["shop", "database"], "requests": [30, 90]})
    figure = tries_by_layer(asked, [3, 9], clicks=10, predicted_tries=1_000_000)
    assert figure.layout.title.text == "One click is 9 tries at the database"
    assert figure.data[0].y.tolist() == [3, 9]
    assert len(figure.layout.shapes) == 1
    # A wild guess does not make the bars vanish.
    assert figure.layout.yaxis.range[1] < 100


def test_jitter_takes_the_blocks_apart() -> None:
    herd = Scenario(2000, 0.0001).changed(error_share=1.0, attempts=4, backoff_s=0.2)
    kinds = {"fixed": {"backoff": "fixed"}, "jitter": {"jitter": "full"}}
    figure = when_tries_come({name: simulate(herd.changed(**k), 60) for name, k in kinds.items()})
    assert "fixed: 33 % of the retries" in summary_of(figure)
    assert sum(len(trace.x) for trace in figure.data) == 2 * 4 * 60


def test_slow_pages_are_a_line_with_crosses_where_pages_were_real() -> None:
    formula = pd.DataFrame({"servers": range(1, 101)})
    formula["slow_pages"] = [slow_pages(0.01, n) for n in formula["servers"]]
    figure = slow_pages_by_servers(formula, {50: 0.42}, predicted_percent=10)
    assert "Of pages that ask 100 servers 63 % are slow" in summary_of(figure)
    assert "With 50 servers 42 % of the real pages" in summary_of(figure)
    assert [trace.name for trace in figure.data] == ["theory", "measured"]


@pytest.fixture
def storm() -> Iterator[RetryStorm]:
    yield retry_storm()
    processes.stop_all()


def test_the_storm_follows_every_control(storm: RetryStorm) -> None:
    assert drive(storm, values_of_each=5, random_moves=15) == []
    assert {"none", "exponential, full jitter"} <= set(PAUSES)


def test_the_storm_dies_when_the_guards_are_chosen(storm: RetryStorm) -> None:
    assert "0 succeed" in storm.live.finding
    for control, choices in (("budget", BUDGETS), ("guard", GUARDS)):
        storm.controls[control].value = list(choices)[-1]
        assert "all is well again" in storm.live.finding
        storm.controls[control].value = next(iter(choices))


def test_a_real_storm_is_laid_over_and_can_be_stopped(storm: RetryStorm) -> None:
    storm.controls["outage_s"].value = 0.5
    storm.run_button.click()
    assert wait_until(lambda: _share(storm) > 0.1, within_s=60)
    assert "server-1" in [program.name for program in processes.running()]
    assert "% of the run is over" in storm.progress.value
    storm.run_button.click()
    assert wait_until(lambda: not storm.is_running, within_s=60)
    assert wait_until(lambda: "On real servers" in storm.live.summary, within_s=30)
    assert storm.message == ""
    assert processes.running() == []


def _share(storm: RetryStorm) -> float:
    run = storm._run
    return run.share_done if run else 0.0


def test_the_tail_needs_no_kernel_and_says_what_hedging_costs() -> None:
    dashboard = tail_at_scale()
    assert drive(dashboard, values_of_each=3, random_moves=3) == []
    assert len(dashboard.live.frames) == 7 * 5 * 4
    summaries = [frame.get("summary", "") for frame in dashboard.live.frames]
    wanted = "With 100 servers a page, 63.4 % of the pages meet a slow one."
    assert any(said.startswith(wanted) for said in summaries)
    assert any("for 5 % more requests" in said for said in summaries)
