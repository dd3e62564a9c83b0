"""The figure that follows: what is sent, and what a real browser makes of it."""

from collections.abc import Iterator

import ipywidgets
import nbformat
import numpy as np
import plotly.graph_objects as go
import pytest
from browser import NotebookPage, notebook_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from playwright.sync_api import Locator

from devops_lab.figures import drawing
from devops_lab.live_figure import LiveFigure


def sent(live: LiveFigure, figure: go.Figure) -> set[str]:
    """The parts that go to the browser when this figure is shown."""
    changed: list[str] = []
    live.observe(lambda change: changed.append(change.name))
    live.show(figure)
    live.unobserve_all()
    return set(changed)


def wave(height: float, title: str = "A wave") -> go.Figure:
    x = np.linspace(0, 6, 50)
    figure = drawing(title, f"A wave of {height} m.", x="time (s)", y="height (m)")
    return figure.add_scatter(x=x, y=height * np.sin(x), name="wave")


def test_only_what_has_changed_is_sent() -> None:
    live = LiveFigure(wave(1))
    assert sent(live, wave(1)) == set()
    assert sent(live, wave(2)) == {"arrays", "summary"}
    assert sent(live, wave(2, "Another wave")) == {"finding"}
    assert sent(live, wave(2, "Another wave").update_yaxes(dtick=1)) == {"arrangement"}
    live.show(wave(2, "Another wave"))
    assert sent(live, wave(2, "Another wave").update_traces(name="sea")) == {"traces"}


def test_the_look_of_the_course_is_worn_by_every_figure_and_sent_once() -> None:
    live = LiveFigure(go.Figure(go.Scatter(y=[1, 2]), layout_template="plotly_dark"), "Two points.")
    assert "template" not in live.arrangement
    assert live.templates["light"]["layout"]["title"]["x"] == 0


NUMBERS = arrays_of.arrays(
    dtype=arrays_of.integer_dtypes()
    | arrays_of.unsigned_integer_dtypes()
    | arrays_of.floating_dtypes(),
    shape=st.integers(1, 20),
)


@given(NUMBERS)
def test_an_array_arrives_as_the_same_numbers(numbers: np.ndarray) -> None:
    live = LiveFigure(go.Figure(go.Scatter(y=numbers)), "Numbers.")
    assert live.traces[0]["y"] == {"array": "traces.0.y"}
    array = live.arrays["traces.0.y"]
    arrived = np.frombuffer(array["bytes"], array["dtype"])
    np.testing.assert_array_equal(arrived, numbers.astype("float64"))


def test_what_is_no_number_travels_as_text_and_what_is_missing_as_nothing() -> None:
    figure = go.Figure(go.Scatter(x=["a", None, "c"], y=[1.0, float("nan"), 3.0]))
    figure.add_heatmap(z=np.array([[1.0, np.nan], [3.0, 4.0]]))
    live = LiveFigure(figure, "Gaps.")
    assert live.traces[0]["x"] == ["a", None, "c"]
    assert live.traces[0]["y"] == [1.0, None, 3.0]
    assert live.traces[1]["z"] == [[1.0, None], [3.0, 4.0]]


def test_a_figure_made_ahead_is_only_what_differs_from_the_first() -> None:
    live = LiveFigure()
    live.show_ahead([wave(1), wave(2), wave(2, "Another")], [ipywidgets.IntSlider()])
    same, higher, renamed = live.frames
    assert same == {}
    assert set(higher) == {"arrays", "summary"}
    assert set(higher["arrays"]) == {"traces.0.y"}
    assert set(renamed) == {"arrays", "summary", "finding"}


# ---- in JupyterLab ----

SETUP = """
import numpy as np
from IPython.display import display
from devops_lab import live_figure
from devops_lab.dashboards import Dashboard, menu, slider
from devops_lab.figures import drawing
from devops_lab.live_figure import LiveFigure
x = np.linspace(0, 6, 50)
def wave(height, name="wave"):
    if height == 7:
        raise ValueError("no 7 <b>here</b>")
    words = f"A {name} of {height} m."
    figure = drawing(words, words, x="time (s)", y="height (m)")
    # On a fixed scale, or else all heights would look the same.
    figure.update_yaxes(range=[-10, 10])
    return figure.add_scatter(x=x, y=height * np.sin(x))
"""
A_DASHBOARD = """
Dashboard(wave, {"height": slider("height (m)", 1, 9, 2), "name": menu("name", ["wave", "tide"])})
"""
AHEAD = A_DASHBOARD.replace("1, 9, 2", "1, 5, 2").replace("])})", "])}, ahead=True)")


@pytest.fixture
def opened(notebook_page: NotebookPage) -> Iterator[NotebookPage]:
    """A page that must end without an error in its console, and without a request to elsewhere."""
    yield notebook_page
    assert notebook_page.errors == []
    assert notebook_page.foreign_requests == []
    assert notebook_page.red_outputs() == []


def run(opened: NotebookPage, *cells: str) -> None:
    opened.open(notebook_of(SETUP, *cells))
    opened.run_all()


def figures(opened: NotebookPage) -> Locator:
    drawn = opened.page.locator(".js-line")
    return opened.page.locator(".devops-lab-figure [role=img]").filter(has=drawn)


def wait_for_summary(opened: NotebookPage, text: str, *, within_s: float = 20) -> None:
    said = opened.page.locator(".devops-lab-summary").filter(has_text=text)
    said.first.wait_for(timeout=within_s * 1000)


def scripts(opened: NotebookPage) -> int:
    """How often plotly's script was put into the page."""
    return opened.page.locator('head script[src^="blob:"]').count()


def test_many_figures_a_second_kernel_and_a_restart_share_one_script(opened: NotebookPage) -> None:
    run(opened, *["LiveFigure(wave(1))"] * 6)
    figures(opened).nth(5).wait_for()
    assert scripts(opened) == 1
    opened.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    opened.wait_until_idle()
    opened.run_all()
    figures(opened).nth(5).wait_for()
    other = "other.ipynb"
    nbformat.write(notebook_of(SETUP, "LiveFigure(wave(3))"), opened.lab.folder / other)
    opened.page.evaluate("path => jupyterapp.commands.execute('docmanager:open', {path})", other)
    opened.wait_until_ready()
    opened.run_all()
    wait_for_summary(opened, "A wave of 3 m.")
    assert scripts(opened) == 1


def test_a_reloaded_page_shows_the_figure_as_it_was_last(opened: NotebookPage) -> None:
    run(opened, A_DASHBOARD)
    figures(opened).wait_for()
    opened.drag("height (m)", 1.0)
    wait_for_summary(opened, "A wave of 9 m.")
    opened.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    opened.page.reload()
    opened.wait_until_ready()
    wait_for_summary(opened, "A wave of 9 m.")
    figures(opened).wait_for()


def test_a_drag_and_the_keys_move_the_line_and_say_so(opened: NotebookPage) -> None:
    run(opened, A_DASHBOARD)
    figures(opened).wait_for()
    before = opened.drawn()
    opened.drag("height (m)", 0.5)
    before = opened.wait_until_drawn_anew(before)
    opened.slider("height (m)").press("Home")
    wait_for_summary(opened, "A wave of 1 m.")
    before = opened.wait_until_drawn_anew(before)
    opened.page.get_by_label("name").select_option("tide")
    wait_for_summary(opened, "A tide of 1 m.")
    assert opened.page.get_by_role("status").inner_text() == "A tide of 1 m."
    assert opened.page.get_by_role("img", name="A tide of 1 m.").count() == 1


def test_everything_that_can_be_moved_or_seen_has_a_name(opened: NotebookPage) -> None:
    run(opened, A_DASHBOARD)
    figures(opened).wait_for()
    parts = accessible_parts(opened)
    assert {
        ("slider", "height (m)"),
        ("textbox", "height (m)"),
        ("combobox", "name"),
        ("image", "A wave of 2 m."),
        ("StaticText", "A wave of 2 m."),
    } <= parts
    # A screen reader meets the figure as one picture, not as its hundred shapes.
    assert ("StaticText", "time (s)") not in parts


def accessible_parts(opened: NotebookPage) -> set[tuple[str, str]]:
    """Roles and names of all that is on the page, as Chromium tells them to a screen reader."""
    client = opened.page.context.new_cdp_session(opened.page)
    nodes = client.send("Accessibility.getFullAXTree")["nodes"]
    heard = [node for node in nodes if not node["ignored"]]
    return {(node["role"]["value"], node["name"]["value"]) for node in heard if "name" in node}


def test_an_error_in_a_move_is_shown_and_the_next_move_recovers(opened: NotebookPage) -> None:
    run(opened, A_DASHBOARD)
    figures(opened).wait_for()
    for _ in range(5):
        opened.slider("height (m)").press("ArrowRight")
    alert = opened.page.get_by_role("alert")
    alert.wait_for()
    assert alert.inner_text() == "This did not work: ValueError: no 7 <b>here</b>"
    opened.slider("height (m)").press("ArrowRight")
    wait_for_summary(opened, "A wave of 8 m.")
    assert opened.page.get_by_role("alert").count() == 0


def test_figures_made_ahead_move_after_the_kernel_has_gone(opened: NotebookPage) -> None:
    run(opened, AHEAD)
    figures(opened).wait_for()
    opened.lab.end_kernels()
    before = opened.drawn()
    opened.slider("height (m)").press("End")
    opened.page.get_by_label("name").select_option("tide")
    wait_for_summary(opened, "A tide of 5 m.")
    opened.wait_until_drawn_anew(before)


def test_of_many_moves_the_last_one_stands(opened: NotebookPage) -> None:
    run(opened, "live = LiveFigure(wave(1)); live", "for n in range(300): live.show(wave(10 + n))")
    wait_for_summary(opened, "A wave of 309 m.")
    figures(opened).wait_for()
    assert opened.page.locator(".devops-lab-finding").text_content() == "A wave of 309 m."


COUNT_REPAINTS = """() => {
    window.repaints = { react: 0, animate: 0 };
    for (const name of ['react', 'animate']) {
        const paint = Plotly[name];
        Plotly[name] = (...given) => { window.repaints[name]++; return paint(...given); };
    }
}"""


def test_where_only_numbers_move_nothing_else_is_drawn_again(opened: NotebookPage) -> None:
    fixed = """
def part(height, points):
    figure = wave(height).update_xaxes(range=[0, 6])
    return figure.update_traces(x=x[:points], y=x[:points] - height)
Dashboard(part, {"height": slider("height (m)", 1, 6, 2), "points": slider("points", 0, 9, 9)})
"""
    run(opened, fixed)
    figures(opened).wait_for()
    opened.page.evaluate(COUNT_REPAINTS)
    before = opened.drawn()
    opened.slider("height (m)").press("ArrowRight")
    before = opened.wait_until_drawn_anew(before)
    assert opened.page.locator(".devops-lab-finding").text_content() == "A wave of 3 m."
    assert opened.page.evaluate("() => window.repaints") == {"react": 0, "animate": 1}
    # Nothing is left to draw: to plotly that is another figure.
    opened.slider("points").press("Home")
    opened.page.wait_for_function("() => window.repaints.react === 1")


@pytest.mark.parametrize(
    ("trace", "drawn"),
    [("go.Bar(", ".bars path"), ("go.Scatter(mode='markers', ", ".scatterlayer .point")],
)
def test_every_bar_and_point_has_its_colour_also_one_that_is_new(
    trace: str, drawn: str, opened: NotebookPage
) -> None:
    growing = f"""
import plotly.graph_objects as go
def growing(count):
    look = {{"xaxis_range": [0, 9], "yaxis_range": [0, 9], "meta": {{"summary": "Some."}}}}
    made = {trace}x=np.arange(count), y=np.arange(count) + 1, marker_color="#009E73")
    return go.Figure(made, layout=look)
Dashboard(growing, {{"count": slider("count", 1, 9, 3)}})
"""
    run(opened, growing)
    shapes = opened.page.locator(drawn)
    shapes.nth(2).wait_for()
    opened.slider("count").press("End")
    shapes.nth(8).wait_for()
    fills = shapes.evaluate_all("shapes => shapes.map((shape) => getComputedStyle(shape).fill)")
    assert fills == ["rgb(0, 158, 115)"] * 9


def test_a_page_that_has_plotly_is_sent_no_other(opened: NotebookPage) -> None:
    stored = "from devops_lab.figures import show\nshow(wave(1))"
    opened.open(notebook_of(SETUP + stored, "LiveFigure(wave(2))"))
    run_next = "() => jupyterapp.commands.execute('notebook:run-cell-and-select-next')"
    opened.page.evaluate(run_next)
    opened.page.wait_for_function("() => globalThis.Plotly")
    opened.page.evaluate(run_next)
    figures(opened).wait_for()
    assert scripts(opened) == 0


def test_the_script_comes_although_the_figure_that_asked_is_closed(opened: NotebookPage) -> None:
    close_first = """
script = live_figure._plotly_script
def closing_the_one_that_asks():
    live_figure._plotly_script = script
    first.close()
    return script()
live_figure._plotly_script = closing_the_one_that_asks
first, second = LiveFigure(wave(1)), LiveFigure(wave(2))
display(first)
display(second)
"""
    run(opened, close_first)
    figures(opened).wait_for(timeout=20_000)
    assert opened.page.get_by_role("img", name="A wave of 2 m.").count() == 1


@pytest.mark.parametrize("broken", ["b'no script'", "gzip.compress(b'let let = 1')"])
def test_a_script_that_does_not_load_is_said_and_the_next_run_loads_it(
    broken: str, notebook_page: NotebookPage
) -> None:
    break_it_once = f"""
import gzip
if "script" not in globals():
    script = live_figure._plotly_script
    live_figure._plotly_script = lambda: {broken}
else:
    live_figure._plotly_script = script
"""
    run(notebook_page, break_it_once, "LiveFigure(wave(1))")
    alert = notebook_page.page.get_by_role("alert")
    alert.wait_for()
    assert alert.inner_text().startswith("The figure could not be drawn. Reload this page")
    notebook_page.run_all()
    figures(notebook_page).wait_for()
    assert alert.count() == 0


def test_the_figure_follows_the_theme_and_the_width_of_the_page(opened: NotebookPage) -> None:
    run(opened, "LiveFigure(wave(1))")
    figures(opened).wait_for()
    paper = opened.page.locator(".main-svg").first
    wide = paper.bounding_box()["width"]
    opened.page.set_viewport_size({"width": 900, "height": 1000})
    opened.page.wait_for_function(
        "wide => document.querySelector('.main-svg').clientWidth < wide", arg=wide
    )
    dark = {"theme": "JupyterLab Dark"}
    opened.page.evaluate("to => jupyterapp.commands.execute('apputils:change-theme', to)", dark)
    opened.page.wait_for_function(
        "() => document.querySelector('.main-svg').style.background === 'rgba(0, 0, 0, 0)'"
    )


def test_it_works_in_notebook_7_too(notebook_page: NotebookPage) -> None:
    pytest.importorskip("notebook")
    notebook_page.open(notebook_of(SETUP, A_DASHBOARD), view="notebooks")
    notebook_page.run_all()
    figures(notebook_page).wait_for()
    before = notebook_page.drawn()
    notebook_page.drag("height (m)", 0.0)
    wait_for_summary(notebook_page, "A wave of 1 m.")
    notebook_page.wait_until_drawn_anew(before)
    assert notebook_page.foreign_requests == []
