"""Dashboards, driven without a browser: each control through its range, then all at random."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from browser import NotebookPage, notebook_of
from driving import drive
from playwright.sync_api import Locator

from devops_lab import loadgen, processes
from devops_lab.dashboards import (
    Dashboard,
    OneServerUnderLoad,
    every_value,
    menu,
    one_server_under_load,
    request_mix,
    slider,
)
from devops_lab.families import wait_until
from devops_lab.figures import drawing
from devops_lab.servers import Server


def line(height: float, *more: object) -> go.Figure:
    words = f"A line at {height}."
    figure = drawing(words, words, x="x", y="y")
    return figure.add_scatter(y=np.full(3, float(height)))


def test_the_figure_follows_the_controls() -> None:
    heights = {"low": 1, "high": 10}
    dashboard = Dashboard(
        lambda height, times: line(heights[height] * times),
        {"height": menu("height", list(heights)), "times": slider("times", 1, 5, 2)},
    )
    assert dashboard.live.summary == "A line at 2."
    dashboard.controls["times"].value = 3
    dashboard.controls["height"].value = "high"
    assert dashboard.live.summary == "A line at 30."
    assert drive(dashboard) == []


def test_an_error_is_shown_and_the_next_move_starts_afresh() -> None:
    dashboard = Dashboard(lambda load: line(1 / load), {"load": slider("load", 0, 9, 5)})
    before = dashboard.live.summary
    dashboard.controls["load"].value = 0
    assert dashboard.message == "This did not work: ZeroDivisionError: division by zero"
    assert dashboard.live.summary == before
    dashboard.controls["load"].value = 1
    assert dashboard.message == ""
    assert dashboard.live.summary == "A line at 1.0."


def test_an_error_cannot_put_markup_into_the_page() -> None:
    def draw(load: int) -> go.Figure:
        raise ValueError("<img src=x onerror=alert(1)>")

    dashboard = Dashboard(draw, {"load": slider("load", 0, 9, 5)})
    assert "<img" in dashboard.message
    assert not any("<img" in str(child.get_state().get("value")) for child in dashboard.children)


@pytest.mark.parametrize(
    ("draw", "problem"),
    [
        (lambda load: line(1 / (load - 7)), "ZeroDivisionError"),
        (lambda load: line(np.nan if load == 7 else 1), "is not finite"),
        (lambda load: go.Figure() if load == 7 else line(1), "no summary"),
    ],
)
def test_driving_finds_the_one_setting_that_goes_wrong(draw: object, problem: str) -> None:
    dashboard = Dashboard(draw, {"load": slider("load", 0, 9, 5)})
    found = drive(dashboard)
    assert found
    assert all(problem in line and "{'load': 7}" in line for line in found)


def test_driving_finds_what_goes_wrong_in_a_combination_only() -> None:
    controls = {"servers": slider("servers", 0, 2, 1), "load": slider("load", 0, 2, 1)}
    dashboard = Dashboard(lambda servers, load: line(1 / (servers + load)), controls)
    found = drive(dashboard)
    assert found
    assert all("{'servers': 0, 'load': 0}: " in line for line in found)


def test_sliders_of_a_slow_dashboard_wait_until_they_are_let_go() -> None:
    messages = []

    def draw(load: int) -> go.Figure:
        time.sleep(0.15)
        messages.append(dashboard.message if load else "")
        return line(load)

    dashboard = Dashboard(draw, {"load": slider("load", 0, 9, 0)})
    load = dashboard.controls["load"]
    for value in (1, 2):
        load.value = value
        assert load.continuous_update
    load.value = 3
    assert not load.continuous_update
    assert messages == ["", "", "", "One moment …"]
    assert (dashboard.message, dashboard.live.summary) == ("", "A line at 3.")


def test_figures_made_ahead_are_one_for_each_setting_in_the_browsers_order() -> None:
    drawn = []

    def draw(servers: int, policy: str) -> go.Figure:
        drawn.append((servers, policy))
        return line(servers, policy)

    controls = {"servers": slider("servers", 1, 3, 2), "policy": menu("policy", ["a", "b"])}
    dashboard = Dashboard(draw, controls, ahead=True)
    assert drawn == [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "a"), (3, "b")]
    assert len(dashboard.live.frames) == 6
    assert dashboard.live.controls == list(controls.values())
    controls["servers"].value = 1
    assert len(drawn) == 6
    assert drive(dashboard) == []


def test_too_many_figures_ahead_are_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"at most 1,000, got 10001\. Give the sliders larger"):
        Dashboard(line, {"height": slider("height", 0, 10_000, 5)}, ahead=True)


@pytest.mark.parametrize(
    ("low", "high", "step", "readout"), [(1, 9, 2, ".0f"), (0, 1, 0.05, ".2f"), (0.5, 3, 1, ".1f")]
)
def test_a_sliders_number_has_as_many_digits_as_its_steps(
    low: float, high: float, step: float, readout: str
) -> None:
    control = slider("load", low, high, low, step=step)
    assert control.readout_format == readout
    assert every_value(control) == pytest.approx(np.arange(low, high + step / 2, step))


# ---- the lessons' dashboards, on real servers ----


@pytest.fixture
def load_dashboard() -> Iterator[OneServerUnderLoad]:
    yield one_server_under_load()
    processes.stop_all()


def test_the_load_dashboard_can_be_driven_at_rest_and_while_it_runs(
    load_dashboard: OneServerUnderLoad,
) -> None:
    assert drive(load_dashboard) == []
    assert processes.running() == []
    load_dashboard.button.click()
    assert load_dashboard.is_running
    assert drive(load_dashboard, values_of_each=7, random_moves=10) == []
    load_dashboard.button.click()
    assert not load_dashboard.is_running
    assert processes.running() == []
    assert drive(load_dashboard, random_moves=5) == []


def test_the_load_dashboard_draws_requests_as_they_are_answered(
    load_dashboard: OneServerUnderLoad,
) -> None:
    load_dashboard.controls["rate_per_s"].value = 20
    load_dashboard.button.click()
    assert wait_until(lambda: "ms of work" in load_dashboard.live.summary, within_s=20)
    assert load_dashboard.message == ""


def test_a_load_dashboard_whose_server_dies_says_so_and_can_be_started_again(
    load_dashboard: OneServerUnderLoad,
) -> None:
    load_dashboard.button.click()
    server = next(p for p in processes.running() if p.name == "oven")
    server.kill()
    load_dashboard.controls["workers"].value = 2
    assert wait_until(
        lambda: load_dashboard.message or "without" in load_dashboard.live.summary, within_s=20
    )
    load_dashboard.button.click()
    load_dashboard.button.click()
    assert load_dashboard.is_running
    assert load_dashboard.message == ""


def test_a_load_dashboard_can_be_started_and_stopped_in_a_hurry(
    load_dashboard: OneServerUnderLoad,
) -> None:
    for number in range(5):
        load_dashboard.button.click()
        assert load_dashboard.is_running
        load_dashboard.controls["rate_per_s"].value = 20 + number
        load_dashboard.button.click()
        assert not load_dashboard.is_running
        assert processes.running() == []
    load_dashboard.button.click()
    assert [program.name for program in processes.running()] == ["oven", "load"]
    assert load_dashboard.message == ""


def test_a_load_dashboard_says_what_it_will_do_and_what_it_does(
    load_dashboard: OneServerUnderLoad,
) -> None:
    load_dashboard.controls["workers"].value = 3
    planned = "Start sends 10 requests/s; each is 50 ms of work for one of 3 workers."
    assert planned in load_dashboard.state.value
    load_dashboard.button.click()
    assert "Running" in load_dashboard.state.value
    assert load_dashboard.button.description == "Stop"
    assert wait_until(lambda: "waited" in load_dashboard.live.summary, within_s=20)
    load_dashboard.button.click()
    assert planned in load_dashboard.state.value
    assert "waited" in load_dashboard.live.summary
    assert "before the stop" in str(load_dashboard.live.arrangement)


def test_a_load_dashboard_ends_by_itself(
    load_dashboard: OneServerUnderLoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadgen, "LONGEST_LIVE_S", 0.5)
    load_dashboard.button.click()
    assert wait_until(lambda: load_dashboard.button.description == "Start", within_s=20)
    assert processes.running() == []
    assert load_dashboard.message == ""


def test_a_start_that_fails_says_so_and_leaves_nothing(
    load_dashboard: OneServerUnderLoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(loadgen.LiveLoad, "is_ready", lambda load: 1 / 0)
        load_dashboard.button.click()
    assert load_dashboard.message == "This did not work: ZeroDivisionError: division by zero"
    assert processes.running() == []
    load_dashboard.button.click()
    assert load_dashboard.message == ""
    assert load_dashboard.is_running


def test_what_goes_wrong_at_the_press_of_the_button_stays_to_be_read(
    load_dashboard: OneServerUnderLoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_dashboard, "draw", lambda **values: 1 / 0)
    load_dashboard.button.click()
    assert "ZeroDivisionError" in load_dashboard.message


def test_time_that_a_server_cannot_make_good_shows_as_requests_without_an_answer(
    load_dashboard: OneServerUnderLoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(loadgen.LiveLoad):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options, timeout_s=0.3)

    monkeypatch.setattr(loadgen, "LiveLoad", Impatient)
    load_dashboard.controls["rate_per_s"].value = 60
    load_dashboard.controls["work_ms"].value = 200
    load_dashboard.button.click()
    found = "given up without an answer"
    assert wait_until(lambda: found in load_dashboard.live.summary, within_s=20)
    assert load_dashboard.live.traces[2]["marker"]["symbol"] == "triangle-up"


def test_the_request_mix_can_be_driven_against_a_leaky_and_a_safe_server(tmp_path: Path) -> None:
    (tmp_path / "site" / "recipes").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("Bakery")
    (tmp_path / "secret-recipe.txt").write_text("rye and patience")

    def leaky(path: str) -> tuple[int, str, str]:
        return (200, "text/plain", "rye and patience") if ".." in path else (404, "text/plain", "")

    servers = {"leaky": Server(route=leaky), "safe": Server(tmp_path / "site")}
    try:
        dashboard = request_mix(servers, secret="patience")
        assert drive(dashboard, values_of_each=7, random_moves=5) == []
    finally:
        processes.stop_all()


# ---- in JupyterLab ----

A_LOAD_DASHBOARD = """
from devops_lab.dashboards import one_server_under_load
one_server_under_load()
"""
WHAT_RUNS = "from devops_lab.processes import running\nprint([p.name for p in running()])"


def test_the_load_dashboard_is_worked_by_mouse_and_by_keyboard_and_ends_with_its_cell(
    notebook_page: NotebookPage,
) -> None:
    page = notebook_page.page
    notebook_page.open(notebook_of(A_LOAD_DASHBOARD, WHAT_RUNS))
    notebook_page.run_all()
    state = page.locator(".devops-lab-dashboard .widget-hbox [role=status]")
    summary = page.locator(".devops-lab-summary")

    load = page.get_by_role("textbox", name="load (requests/s)")
    load.fill("33")
    load.press("Enter")
    state.filter(has_text="Start sends 33 requests/s").wait_for()
    notebook_page.slider("workers").press("ArrowRight")
    state.filter(has_text="one of 2 workers").wait_for()

    page.get_by_role("button", name="Start", exact=True).click()
    state.filter(has_text="Running").wait_for()
    summary.filter(has_text="The last customers waited").wait_for()
    notebook_page.drag("work on a request (ms)", 0.5)
    summary.filter(has_text="for 1").wait_for()
    lefts = [box["x"] for box in map(Locator.bounding_box, page.locator(".noUi-target").all())]
    assert len(lefts) == 3
    assert max(lefts) - min(lefts) < 1

    assert printed(notebook_page, 1) == "['oven', 'load']"
    run_cell(notebook_page, 0)
    assert printed(notebook_page, 1) == "[]"
    state.filter(has_text="Start sends 10 requests/s").wait_for()
    assert notebook_page.errors == []
    assert notebook_page.red_outputs() == []


def run_cell(notebook_page: NotebookPage, number: int) -> None:
    notebook_page.page.evaluate(
        """async (number) => {
            jupyterapp.shell.currentWidget.content.activeCellIndex = number;
            await jupyterapp.commands.execute('notebook:run-cell');
        }""",
        number,
    )


def printed(notebook_page: NotebookPage, number: int) -> str:
    run_cell(notebook_page, number)
    cell = notebook_page.page.locator(".jp-CodeCell").nth(number)
    return cell.locator(".jp-OutputArea-output").inner_text().strip()
