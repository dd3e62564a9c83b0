"""The traffic view: where each try was, as far as a table says, and what a browser makes of it."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import NotebookPage, notebook_of
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Locator

from devops_lab.figures import ENDS, summary_of
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate
from devops_lab.tables import ATTEMPTS, table
from devops_lab.traffic_view import (
    COLUMNS,
    NOWHERE,
    journeys_of,
    traffic_over_time,
    traffic_view,
)

SHOP = Scenario(arrival_rate_per_s=90, service_time_s=0.03, servers=3)


def tries(*rows: dict[str, Any]) -> pd.DataFrame:
    """A table of attempts of these rows; what a row does not say is missing, or follows."""
    defaults = {"attempt": 1, "outcome": "ok", "status": 200, "server": "a", "wait_s": np.nan}
    made = [
        {"request": number, "service_s": np.nan} | defaults | row for number, row in enumerate(rows)
    ]
    frame = pd.DataFrame(made).assign(intended_s=lambda t: t["start_s"])
    frame["latency_s"] = frame["end_s"] - frame["intended_s"]
    return table(frame.to_dict("series"), ATTEMPTS)


def test_a_simulated_try_is_in_each_place_as_long_as_the_table_says() -> None:
    attempts = simulate(SHOP.changed(balancer="random"), 500)
    journeys = journeys_of(attempts)
    pd.testing.assert_series_equal(journeys["enter_s"], attempts["start_s"], check_names=False)
    waited_s = journeys["begin_s"] - journeys["enter_s"]
    np.testing.assert_allclose(waited_s, attempts["wait_s"], atol=1e-9)
    np.testing.assert_allclose(journeys["leave_s"], attempts["end_s"], atol=1e-9)
    assert journeys.attrs["servers"] == ["server-1", "server-2", "server-3"]
    assert set(journeys["place"]) == {0}


@given(st.integers(1, 4), st.integers(1, 5), st.sampled_from(["shared_queue", "random"]))
def test_no_worker_has_two_tries_at_once(servers: int, workers: int, balancer: str) -> None:
    busy = SHOP.changed(servers=servers, workers=workers, balancer=balancer)
    journeys = journeys_of(simulate(busy.changed(arrival_rate_per_s=30.0 * servers * workers), 300))
    assert journeys["place"].max() < workers
    for _worker, had in journeys.groupby(["lane", "place"]):
        in_turn = had.sort_values("begin_s")
        gaps_s = in_turn["begin_s"].to_numpy()[1:] - in_turn["leave_s"].to_numpy()[:-1]
        assert (gaps_s >= -1e-9).all()


def test_what_a_measured_try_spent_on_the_way_is_half_there_and_half_back() -> None:
    attempts = tries({"start_s": 1.0, "end_s": 1.5, "wait_s": 0.1, "service_s": 0.2})
    journey = journeys_of(attempts).iloc[0]
    assert journey[["enter_s", "begin_s", "leave_s"]].tolist() == pytest.approx([1.1, 1.2, 1.4])


def test_a_real_server_whose_timers_ring_late_has_no_more_workers_for_it() -> None:
    # Each begins when the one before should have ended, and says when it did end.
    row = {"wait_s": 0.0, "service_s": 0.115}
    attempts = tries(*({"start_s": n / 10, "end_s": n / 10 + 0.116} | row for n in range(20)))
    assert set(journeys_of(attempts)["place"]) == {0}
    longer = tries(*({"start_s": n / 10, "end_s": n / 10 + 0.151} | row for n in range(20)))
    assert set(journeys_of(longer.assign(service_s=0.15))["place"]) == {0, 1}


def test_what_the_table_does_not_say_is_not_made_up() -> None:
    attempts = tries(
        {"start_s": 0.0, "end_s": 0.5},
        {"start_s": 0.1, "end_s": 0.6, "server": None, "status": None, "outcome": "timed_out"},
    )
    reported, given_up = journeys_of(attempts).itertuples()
    assert (reported.lane, reported.place) == (0, NOWHERE)
    assert (reported.enter_s, reported.leave_s) == (0.0, 0.5)
    assert (given_up.lane, given_up.place) == (NOWHERE, NOWHERE)
    view = traffic_view(attempts)
    assert view.summary.endswith("1 try had no answer: where it was is not known.")


def test_every_end_has_its_own_symbol_and_a_full_queue_one_more() -> None:
    outcomes = ["ok", "failed", "failed", "timed_out", "closed", "refused"]
    statuses = [200, 500, 503, None, None, None]
    attempts = tries(
        *(
            {"start_s": float(n), "end_s": n + 0.5, "outcome": outcome, "status": status}
            for n, (outcome, status) in enumerate(zip(outcomes, statuses, strict=True))
        )
    )
    ends = [[*ENDS][number] for number in journeys_of(attempts)["end"]]
    assert ends == ["ok", "failed", "turned_away", "timed_out", "closed", "refused"]
    assert len({end.symbol for end in ENDS.values()}) == len(ENDS)


def test_all_that_can_go_wrong_in_a_simulation_is_shown() -> None:
    storm = SHOP.changed(balancer="random", queue_limit=4, error_share=0.1, timeout_s=0.1)
    storm = storm.changed(attempts=3, time_between_failures_s=1.0, repair_time_s=1.0)
    storm = storm.changed(detection_s=0.3)
    journeys = journeys_of(simulate(storm, 1_000))
    assert set(journeys["end"]) == set(range(len(ENDS)))
    assert journeys["attempt"].max() == 3


@pytest.mark.parametrize(
    ("balancer", "has_one_queue"),
    [("shared_queue", True), ("random", False), ("round_robin", False)],
)
def test_one_queue_for_all_is_seen_in_the_order_of_the_tries(
    balancer: str, has_one_queue: bool
) -> None:
    attempts = simulate(SHOP.changed(balancer=balancer), 300)
    assert traffic_view(attempts).has_one_queue is has_one_queue
    assert len(traffic_over_time(attempts).data) == (2 if has_one_queue else 6)


def test_numbers_travel_as_bytes() -> None:
    view = traffic_view(simulate(SHOP, 300))
    numbers = np.frombuffer(view.numbers, "<f8").reshape(len(COLUMNS), 300)
    np.testing.assert_array_equal(numbers[COLUMNS.index("attempt")], 1)
    assert (np.diff(numbers[COLUMNS.index("start_s")]) >= 0).all()


@pytest.mark.parametrize(
    ("attempts", "speed", "refusal"),
    [
        (simulate(SHOP, 1).head(0), 1, "attempts must be at least 1, got 0"),
        (simulate(SHOP, 20_001), 1, r"attempts must be at most 20,000, .* attempts\[:1000\]"),
        (simulate(SHOP.changed(servers=17), 99), 1, "servers must be at most 16, got 17"),
        (simulate(SHOP, 9), 0, "speed must be above 0, got 0"),
        (simulate(SHOP, 9), float("nan"), "speed must be a finite number"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    attempts: pd.DataFrame, speed: float, refusal: str
) -> None:
    with pytest.raises(ValueError, match=refusal):
        traffic_view(attempts, speed=speed)


def test_the_still_says_how_many_wait_at_each_moment() -> None:
    row = {"service_s": 1.0, "server": "a"}
    attempts = tries(
        row | {"start_s": 0.0, "end_s": 1.0, "wait_s": 0.0},
        row | {"start_s": 0.25, "end_s": 2.0, "wait_s": 0.75},
        row | {"start_s": 0.5, "end_s": 3.0, "wait_s": 1.5},
    )
    figure = traffic_over_time(attempts)
    work, wait = figure.data
    assert (work.name, wait.name) == ("in work", "waiting")
    assert list(work.x) == [0, 0.25, 0.5, 1, 2, 3]
    assert list(work.y) == [1, 1, 1, 1, 1, 0]
    assert list(wait.y) == [0, 1, 2, 1, 0, 0]
    assert figure.layout.title.text == "3 of 3 tries are answered; at most 2 wait at once"
    assert summary_of(figure) == "a: 3 tries, at most 2 wait."


# ---- in JupyterLab ----

SETUP = """
import pandas as pd
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate
from devops_lab.tables import ATTEMPTS, table
from devops_lab.traffic_view import traffic_view
"""
# One worker, 1 s of work each: at 0.5 s one is in work and two wait.
THREE = """
attempts = simulate(Scenario(1, 1.0, service_distribution="constant"), 3)
start_s = pd.Series([0.0, 0.25, 0.5])
wait_s = pd.Series([0.0, 0.75, 1.5])
end_s = pd.Series([1.0, 2.0, 3.0])
attempts = attempts.assign(start_s=start_s, wait_s=wait_s, end_s=end_s)
traffic_view(attempts, speed=0.01)
"""
# The middles of all dots of a colour, from left to right; a dot in work with the ring about it.
DOTS = """(canvas, [colour, apart]) => {
    const { width, height } = canvas;
    const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
    const wanted = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    const columns = new Map();
    for (let at = 0; at < pixels.length; at += 4) {
        if (wanted.some((part, channel) => pixels[at + channel] !== part)) continue;
        const x = (at / 4) % width;
        columns.set(x, (columns.get(x) ?? 0) + 1);
    }
    const dots = [];
    for (const x of [...columns.keys()].filter((x) => columns.get(x) > 4).sort((a, b) => a - b)) {
        if (dots.length && x - dots.at(-1).at(-1) < apart) dots.at(-1).push(x);
        else dots.push([x]);
    }
    return dots.map((xs) => (xs[0] + xs.at(-1)) / 2);
}"""
NOW_S = "parseFloat(document.querySelector('.devops-lab-traffic-moment').textContent)"
WAITS, WORKS = "#E69F00", "#009E73"


@pytest.fixture
def opened(notebook_page: NotebookPage) -> Iterator[NotebookPage]:
    """A page that must end without an error in its console, and without a request to elsewhere."""
    yield notebook_page
    assert notebook_page.errors == []
    assert notebook_page.foreign_requests == []
    assert notebook_page.red_outputs() == []


def run(opened: NotebookPage, *cells: str) -> Locator:
    """The traffic view that the cells show."""
    opened.open(notebook_of(SETUP, *cells))
    opened.run_all()
    view = opened.page.locator(".devops-lab-traffic")
    view.locator("canvas[role=img]").wait_for()
    return view


def go_to(view: Locator, moment_s: float) -> str:
    """What the view says of this moment."""
    view.locator("input[type=range]").evaluate(
        """(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }""",
        moment_s,
    )
    return view.get_by_role("status").inner_text()


def dots(view: Locator, colour: str) -> list[float]:
    apart_px = 8 if colour == WORKS else 2
    return view.locator("canvas[role=img]").evaluate(DOTS, [colour, apart_px])


def test_dots_are_where_the_table_says(opened: NotebookPage) -> None:
    view = run(opened, THREE)
    assert go_to(view, 0.504).startswith("After 0.50 s: 2 waiting, 1 in work, 0 of 3 ended.")
    second, first = dots(view, WAITS)
    (worker,) = dots(view, WORKS)
    assert second < first < worker
    assert go_to(view, 1.5).startswith("After 1.50 s: 1 waiting, 1 in work, 1 of 3 ended.")
    assert dots(view, WAITS) == [first]
    assert dots(view, WORKS) == [worker]
    # Just answered: on its way back, while the next one goes from the queue to the worker.
    assert "1 of 3 ended" in go_to(view, 1.002)
    assert min(dots(view, WORKS)) < worker
    assert "3 of 3 ended" in go_to(view, 3.006)
    assert dots(view, WAITS) == []


def moment_s(view: Locator) -> float:
    return float(re.match(r"[\d.]+", view.locator(".devops-lab-traffic-moment").inner_text())[0])


def test_a_film_runs_by_itself_and_stands_while_paused(opened: NotebookPage) -> None:
    view = run(opened, "traffic_view(simulate(Scenario(90, 0.03, servers=3), 600))")
    button = view.get_by_role("button")
    button.filter(has_text="Pause").wait_for()
    begun_s = moment_s(view)
    opened.page.wait_for_function(
        f"begun => {NOW_S} > begun",
        arg=begun_s,
    )
    button.press("Space")
    button.filter(has_text="Play").wait_for()
    stood_s, picture = moment_s(view), view.screenshot()
    for _frame in range(5):
        opened.page.evaluate("() => new Promise(requestAnimationFrame)")
    assert (moment_s(view), view.screenshot()) == (stood_s, picture)
    view.get_by_role("slider", name="time of the run (s)").press("End")
    assert "600 of 600 ended" in view.get_by_role("status").inner_text()
    button.filter(has_text="Play again").press("Enter")
    opened.page.wait_for_function(f"() => {NOW_S} < 1")


def test_it_is_worked_by_keyboard_and_heard(opened: NotebookPage) -> None:
    view = run(opened, THREE)
    view.get_by_role("button", name="Pause").press("Enter")
    slider = view.get_by_role("slider", name="time of the run (s)")
    slider.press("Home")
    said = view.get_by_role("status")
    assert said.get_attribute("aria-live") == "polite"
    before = said.inner_text()
    slider.press("PageUp")
    assert said.inner_text() != before
    assert (
        slider.get_attribute("aria-valuetext")
        == view.locator(".devops-lab-traffic-moment").inner_text()
    )
    view.get_by_role("combobox", name="speed").select_option("2")
    assert view.get_by_role("img", name="3 of 3 tries are answered").count() == 1
    # No key went to the notebook: its cell is neither run again nor deleted.
    assert opened.page.locator(".jp-CodeCell").count() == 2


def test_who_wants_no_motion_gets_none_unasked(opened: NotebookPage) -> None:
    opened.page.emulate_media(reduced_motion="reduce")
    view = run(opened, THREE)
    view.get_by_role("button", name="Play").wait_for()
    assert "0 of 3 ended" in go_to(view, 0.504)
    assert len(dots(view, WAITS)) == 2


def test_it_follows_the_theme_and_the_width_of_the_page(opened: NotebookPage) -> None:
    view = run(opened, THREE)
    go_to(view, 0.504)
    wide = dots(view, WAITS)
    opened.page.set_viewport_size({"width": 700, "height": 900})
    opened.page.wait_for_function(
        "wide => document.querySelector('.devops-lab-traffic').clientWidth < wide", arg=max(wide)
    )
    dark = {"theme": "JupyterLab Dark"}
    opened.page.evaluate("to => jupyterapp.commands.execute('apputils:change-theme', to)", dark)
    opened.page.wait_for_function(
        """() => getComputedStyle(document.querySelector('.devops-lab-traffic'))
            .getPropertyValue('--ink').trim() === '#e4e7eb'"""
    )
    narrow = dots(view, WAITS)
    assert len(narrow) == 2
    assert max(narrow) < max(wide)


def test_all_outcomes_and_a_thousand_tries_are_painted_without_an_error(
    opened: NotebookPage,
) -> None:
    storm = """
storm = Scenario(90, 0.03, servers=3, balancer="random").changed(
    queue_limit=4, error_share=0.1, timeout_s=0.1, attempts=3, time_between_failures_s=1.0,
    repair_time_s=1.0, detection_s=0.3)
traffic_view(simulate(storm, 1_000), speed=0.2)
"""
    view = run(opened, storm)
    legend = view.locator("ul").inner_text()
    assert all(f"{end.words}: " in legend for end in ENDS.values())
    assert "a further try" in legend
    for share in np.linspace(0, 1, 40):
        moment = view.locator("input").evaluate("(s, share) => s.max * share", float(share))
        go_to(view, moment)
    assert " ended." in view.get_by_role("status").inner_text()
