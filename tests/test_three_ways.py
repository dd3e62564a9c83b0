"""The three ways dashboard, driven without a browser, at rest and with real servers at work."""

from collections.abc import Iterator

import pytest
from browser import NotebookPage, notebook_of
from driving import drive

from devops_lab import processes
from devops_lab.families import wait_until
from devops_lab.three_ways import ThreeWays, three_ways_dashboard


@pytest.fixture
def dashboard() -> Iterator[ThreeWays]:
    yield three_ways_dashboard(predicted_ms=600)
    processes.stop_all()


def move(dashboard: ThreeWays, **values: object) -> str:
    """What the dashboard says after these moves."""
    for name, value in values.items():
        dashboard.controls[name].value = value
    assert dashboard.message == ""
    return dashboard.live.summary


def names(dashboard: ThreeWays) -> set[str]:
    return {trace["name"] for trace in dashboard.live.traces if trace.get("name")}


def test_formula_and_simulation_follow_every_control(dashboard: ThreeWays) -> None:
    assert {"theory", "simulated", "your prediction"} <= names(dashboard)
    said = {move(dashboard, rate_per_s=rate) for rate in (2, 10, 18)}
    assert len(said) == 3
    assert drive(dashboard) == []


def test_the_formula_says_what_can_be_checked_by_hand(dashboard: ThreeWays) -> None:
    assert "Formula: mean 250 ms," in move(dashboard, rate_per_s=16, work_ms=50)
    assert "Formula: mean 100 ms," in move(dashboard, rate_per_s=10)


def test_a_move_of_the_load_sends_numbers_and_words_and_no_other_picture(
    dashboard: ThreeWays,
) -> None:
    move(dashboard, servers=4, rate_per_s=20)
    sent: set[str] = set()
    dashboard.live.observe(lambda change: sent.add(change.name))
    for rate in (23, 27, 30):
        move(dashboard, rate_per_s=rate)
    assert sent == {"arrays", "finding", "summary"}


def test_a_balancer_without_a_formula_says_so_and_has_no_line(dashboard: ThreeWays) -> None:
    said = move(dashboard, servers=3, policy="least connections")
    assert "No formula is known for this balancer" in said
    assert "Simulation: mean" in said
    assert "theory" not in names(dashboard)


def test_too_much_load_gets_a_bounded_and_honest_answer(dashboard: ThreeWays) -> None:
    said = move(dashboard, rate_per_s=40, work_ms=50)
    assert "the queue has no end" in dashboard.live.finding
    assert "It never settles: who comes after 1 min waits" in said
    assert "mean" not in said


def test_a_simulation_that_has_not_settled_says_so(dashboard: ThreeWays) -> None:
    assert "has not settled" not in move(dashboard, rate_per_s=10)
    said = move(dashboard, rate_per_s=19, variation="heavy: few but very long")
    assert "mean has not settled" in dashboard.live.finding
    assert "The simulation has not settled: the means of its tenths go from" in said


def test_a_setting_that_is_kept_stays_beside_the_present_one_on_the_same_draws(
    dashboard: ThreeWays,
) -> None:
    before = dashboard.live.summary
    dashboard.keep_button.click()
    assert dashboard.live.summary == before.replace("Now:", "B:") + before.replace("Now:", " A:")
    assert before.replace("Now:", "A:") in move(dashboard, rate_per_s=5)
    dashboard.keep_button.click()
    assert "A:" not in dashboard.live.summary


def test_real_servers_are_laid_over_the_setting_they_were_run_with(dashboard: ThreeWays) -> None:
    dashboard.run_button.click()
    assert dashboard.run_button.description == "Stop"
    move(dashboard, rate_per_s=4)
    assert wait_until(lambda: "% of the run" in dashboard.progress.value, within_s=20)
    assert wait_until(lambda: not dashboard.is_running, within_s=60)
    assert processes.running() == []
    # A cross for that run, at its own load; no numbers of it beside those of another load.
    assert wait_until(lambda: "measured" in names(dashboard), within_s=10)
    assert "Real servers: mean" not in dashboard.live.summary
    assert "Real servers: mean" in move(dashboard, rate_per_s=16)
    move(dashboard, work_ms=100)
    assert "measured" not in names(dashboard)


def test_a_run_that_is_stopped_keeps_what_it_has_and_leaves_nothing_behind(
    dashboard: ThreeWays,
) -> None:
    dashboard.run_button.click()
    assert wait_until(lambda: len(processes.running()) >= 2, within_s=20)
    assert drive(dashboard, random_moves=5) == []
    dashboard.run_button.click()
    assert wait_until(lambda: dashboard.run_button.description != "Stop", within_s=20)
    assert processes.running() == []
    assert dashboard.message == ""


def test_a_run_whose_server_dies_ends_and_says_so(dashboard: ThreeWays) -> None:
    dashboard.run_button.click()
    assert wait_until(lambda: len(processes.running()) >= 2, within_s=20)
    processes.stop_all()
    assert wait_until(lambda: dashboard.run_button.description != "Stop", within_s=20)
    assert processes.running() == []


# ---- in JupyterLab ----

NOTE_FINDINGS = """() => {
    const finding = document.querySelector('.devops-lab-finding');
    window.shown = [];
    new MutationObserver(() => window.shown.push(finding.textContent)).observe(
        finding, { childList: true, characterData: true, subtree: true });
}"""


def test_after_release_no_stale_move_is_painted(notebook_page: NotebookPage) -> None:
    page = notebook_page.page
    code = "from devops_lab.three_ways import three_ways_dashboard\nthree_ways_dashboard()"
    notebook_page.open(notebook_of(code))
    notebook_page.run_all()
    page.locator(".js-line").first.wait_for()
    handle = notebook_page.slider("load (requests/s)").bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y, steps=60)
    page.mouse.move(x - 60, y, steps=60)
    page.mouse.up()
    page.evaluate(NOTE_FINDINGS)
    load = notebook_page.slider("load (requests/s)").get_attribute("aria-valuetext")
    page.locator(".devops-lab-finding").filter(has_text=f"{load} requests/s").wait_for()
    notebook_page.wait_until_idle()
    # Of 120 moves one may be on its way to the kernel and one back, before the last.
    assert len(page.evaluate("() => window.shown")) <= 3
    assert notebook_page.errors == []
    assert notebook_page.red_outputs() == []
