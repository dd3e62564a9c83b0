"""Every lesson in real JupyterLab, in a real Chromium: all cells run, every control of every
dashboard is moved, and nothing on the page turns red. The pages are kept in `screenshots/`."""

import time
from pathlib import Path

import pytest
from browser import NotebookPage
from lessons import (
    LESSON_FILES,
    ROOT,
    Lesson,
    code_cell,
    make_lesson,
    prose_cell,
    read_lesson,
    tags,
)
from playwright.sync_api import Locator

from devops_lab.course import make_copies

REACTS_WITHIN_S = 20


@pytest.mark.parametrize("file", LESSON_FILES, ids=lambda file: file.stem)
def test_the_lesson_works_in_jupyterlab(file: Path, notebook_page: NotebookPage) -> None:
    make_copies(notebook_page.lab.folder)
    assert problems(notebook_page, read_lesson(file)) == []


def problems(
    notebook_page: NotebookPage, lesson: Lesson, reacts_within_s: float = REACTS_WITHIN_S
) -> list[str]:
    """What went wrong while the lesson was run and all its controls were moved."""
    notebook_page.open(lesson.notebook)
    run_to_the_end(notebook_page)
    found = [f"{cell_id}: was not run" for cell_id in cells_not_run(notebook_page)]
    cells = notebook_page.page.locator(".jp-Notebook .jp-Cell")
    for cell, shown in zip(lesson.cells, cells.all(), strict=True):
        if "dashboard" in tags(cell):
            still = unmoved(notebook_page, shown, reacts_within_s)
            found += [f"{cell.id}: {problem}" for problem in still]
    keep_screenshots(notebook_page, lesson.name)
    for cell, shown in zip(lesson.cells, cells.all(), strict=True):
        if "raises-exception" not in tags(cell):
            found += [f"{cell.id}: red output: {text[:200]}" for text in red(shown)]
    found += [f"error on the page: {error}" for error in notebook_page.errors]
    return found + [f"a request to {address}" for address in notebook_page.foreign_requests]


def run_to_the_end(notebook_page: NotebookPage) -> None:
    """Run every cell, those after one that fails on purpose too: for them JupyterLab does not
    wait, so the kernel is asked for one thing more, which it does last."""
    notebook_page.run_all()
    notebook_page.page.evaluate(
        """() => jupyterapp.shell.currentWidget.sessionContext.session.kernel
            .requestExecute({code: '', silent: true}).done.then(() => null)"""
    )
    notebook_page.wait_until_idle()


def cells_not_run(notebook_page: NotebookPage) -> list[str]:
    return notebook_page.page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets
            .map((cell) => cell.model)
            .filter((model) => model.type === 'code' && model.executionCount === null)
            .map((model) => model.id)"""
    )


def red(shown: Locator) -> list[str]:
    kinds = ("error", "stderr")
    selectors = [f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in kinds]
    return shown.locator(",".join(selectors)).all_inner_texts()


def unmoved(notebook_page: NotebookPage, dashboard: Locator, within_s: float) -> list[str]:
    """The controls that can be moved without the dashboard showing anything else. All are moved
    twice: a button may start what the sliders then act on, let other buttons be pressed, and stop
    it again, so those are pressed before it."""
    still = []
    for _time in range(2):
        controls = [
            *dashboard.get_by_role("slider").all(),
            *dashboard.get_by_role("combobox").all(),
            *reversed(dashboard.locator("button.jupyter-button:enabled").all()),
        ]
        if not controls:
            return ["a dashboard without a control"]
        for control in controls:
            before = what_it_shows(dashboard)
            move(notebook_page, control)
            if not changes(notebook_page, dashboard, before, within_s):
                name = control.get_attribute("aria-label") or control.inner_text()
                still.append(f"nothing changes with the control {name}")
    return still


def move(notebook_page: NotebookPage, control: Locator) -> None:
    """Drag a slider to its other half, choose the next in a menu, press a button."""
    control.scroll_into_view_if_needed()
    match control.evaluate("control => control.getAttribute('role') ?? control.localName"):
        case "slider":
            value, low, high = (
                float(control.get_attribute(f"aria-value{end}")) for end in ("now", "min", "max")
            )
            # A page that still arranges itself moves the handle away from under the mouse.
            for _again in range(3):
                drag(notebook_page, control, 0.2 if value > (low + high) / 2 else 0.8)
                if float(control.get_attribute("aria-valuenow")) != value:
                    break
        case "select":
            chosen = control.evaluate("menu => (menu.selectedIndex + 1) % menu.options.length")
            control.select_option(index=chosen)
        case _:
            control.click()


def drag(notebook_page: NotebookPage, handle: Locator, share: float) -> None:
    """Drag a slider's handle to this share (0..1) of its way, with the mouse."""
    track = handle.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]").bounding_box()
    handle.hover()
    mouse = notebook_page.page.mouse
    mouse.down()
    mouse.move(track["x"] + share * track["width"], track["y"] + track["height"] / 2, steps=8)
    mouse.up()


def what_it_shows(dashboard: Locator) -> str:
    """The shapes and words of the cell's output, without those of the controls themselves."""
    return dashboard.locator(".jp-Cell-outputWrapper").evaluate(
        """(output) => {
            const shapes = [...output.querySelectorAll('svg path')].map(
                (shape) => shape.getAttribute('d') + shape.getAttribute('transform'));
            const words = output.cloneNode(true);
            words.querySelectorAll('.widget-readout, select').forEach((own) => own.remove());
            return words.textContent + shapes.join('|');
        }"""
    )


def changes(notebook_page: NotebookPage, dashboard: Locator, before: str, within_s: float) -> bool:
    """Whether the dashboard shows something else before long; the kernel is idle afterwards."""
    deadline = time.monotonic() + within_s
    while what_it_shows(dashboard) == before:
        if time.monotonic() > deadline:
            return False
        notebook_page.page.wait_for_timeout(50)
    notebook_page.wait_until_idle()
    return True


def keep_screenshots(notebook_page: NotebookPage, name: str) -> None:
    """The whole lesson, page by page from the top: `screenshots/NAME-1.png` and so on."""
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    for former in folder.glob(f"{name}-[0-9]*.png"):
        former.unlink()
    page = notebook_page.page
    page.set_viewport_size({"width": 1400, "height": 1600})
    scrolled = page.locator(".jp-Notebook .jp-WindowedPanel-outer")
    # JupyterLab lets one scroll past the last cell; nothing is there.
    height, step = scrolled.evaluate(
        """(pane) => {
            const last = [...pane.querySelectorAll('.jp-Cell')].at(-1).getBoundingClientRect();
            return [last.bottom + pane.scrollTop, pane.clientHeight];
        }"""
    )
    for number, top in enumerate(range(0, int(height), step), 1):
        scrolled.evaluate("(pane, top) => pane.scrollTo({top, behavior: 'instant'})", top)
        page.wait_for_timeout(100)
        page.screenshot(path=folder / f"{name}-{number}.png")


FIGURE = """
import ipywidgets
import plotly.graph_objects as go
from devops_lab.live_figure import LiveFigure
slider = ipywidgets.IntSlider(1, 1, 9, description="load")
live = LiveFigure(go.Figure(go.Scatter(y=[1, 2, 3])), summary="A line.")
"""
A_DASHBOARD = """
redraw = lambda change: live.show(go.Figure(go.Scatter(y=[1, change.new])), summary="A line.")
slider.observe(redraw, "value")
ipywidgets.VBox([slider, live])
"""
A_DEAD_DASHBOARD = """
ipywidgets.VBox([ipywidgets.IntSlider(1, 1, 9, description="dead")])
"""
A_REQUEST_AND_AN_ERROR = """
from IPython.display import HTML, Javascript, display
display(HTML('<img alt="" src="http://192.0.2.1/picture.png">'))
display(Javascript('console.error("a bug on the page")'))
"""


def test_a_lesson_whose_dashboard_follows_its_slider_has_no_problem(
    notebook_page: NotebookPage,
) -> None:
    lesson = make_lesson(
        prose_cell("# A figure", "title"),
        code_cell(FIGURE, "figure"),
        code_cell(A_DASHBOARD, "dashboard", "dashboard"),
        code_cell("1 / 0", "failure", "raises-exception"),
        code_cell("2 + 2", "after-the-failure"),
        name="made_for_a_test",
    )
    assert problems(notebook_page, lesson) == []
    assert (ROOT / "screenshots" / "made_for_a_test-1.png").stat().st_size > 10_000


def test_a_lesson_is_told_each_problem_on_its_page(notebook_page: NotebookPage) -> None:
    lesson = make_lesson(
        code_cell(FIGURE, "figure"),
        code_cell(A_DEAD_DASHBOARD, "dashboard", "dashboard"),
        code_cell(A_REQUEST_AND_AN_ERROR, "request"),
        code_cell("import sys; print('old', file=sys.stderr)", "warning"),
        name="made_for_a_test_with_problems",
    )
    found = "\n".join(problems(notebook_page, lesson, reacts_within_s=1))
    assert "dashboard: nothing changes" in found
    assert "error on the page: a bug on the page" in found
    assert "a request to http://192.0.2.1/picture.png" in found
    assert "warning: red output: old" in found
