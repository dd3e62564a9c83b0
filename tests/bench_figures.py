"""From a slider's move to the painted figure, in real JupyterLab, beside the usual ways; and the
first figure of a fresh kernel. Run by `make bench`.

The same two lines of 200 points are drawn in four ways, on one page, with the moves taken in turn;
a move is a key press, and ends when the frame with the changed lines is painted. `--smoke` measures
as little as shows that all of this still works.
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from browser import (
    CHROMIUM,
    CHROMIUM_OPTIONS,
    JupyterLab,
    NotebookPage,
    notebook_of,
    running_jupyterlab,
)
from playwright.sync_api import Browser, Locator, sync_playwright

BUDGET_P95_MS = 50
BUDGET_AHEAD_P95_MS = 16
FIRST_FIGURE_BUDGET_S = 2.0
FIRST_FIGURE = "first figure of a fresh kernel"
ALIKE = {
    "plotly's FigureWidget": "go.FigureWidget(draw(0))",
    "our LiveFigure": "LiveFigure(draw(0))",
}

SETUP = """
import numpy as np
import plotly.graph_objects as go
from ipywidgets import IntSlider, VBox, interact
from devops_lab.dashboards import Dashboard, slider
from devops_lab.live_figure import LiveFigure
x = np.linspace(0, 1, 200)
lines = lambda load: (x + load / 100, x ** 2 + load / 100)
look = {"width": 700, "height": 360, "xaxis_range": [0, 1], "yaxis_range": [0, 3]}
def draw(load):
    return go.Figure([go.Scatter(x=x, y=y) for y in lines(load)], layout=look)
"""
DESIGNS = {
    "interact, a new figure each time": """
@interact(load=IntSlider(0, 0, 100))
def drawn_anew(load):
    draw(load).show()
""",
    "plotly's FigureWidget": """
widget, moved = go.FigureWidget(draw(0)), IntSlider(0, 0, 100)
def follow(change):
    with widget.batch_update():
        for line, y in zip(widget.data, lines(change.new)):
            line.y = y
moved.observe(follow, "value")
VBox([moved, widget])
""",
    "our Dashboard": """
Dashboard(draw, {"load": slider("load", 0, 100, 0)})
""",
    "our Dashboard, ahead": """
Dashboard(draw, {"load": slider("load", 0, 100, 0)}, ahead=True)
""",
}

WATCH = """(cell) => {
    const handle = cell.querySelector('.noUi-handle');
    const drawn = () => [...cell.querySelectorAll('.js-line')].map((l) => l.getAttribute('d'));
    const before = drawn().join();
    handle.focus();
    window.moved = new Promise((resolve) => {
        let pressed;
        handle.addEventListener(
            'keydown', () => { pressed = performance.now(); }, { once: true, capture: true });
        const watch = new MutationObserver(() => {
            if (drawn().length < 2 || drawn().join() === before) return;
            watch.disconnect();
            // What a frame callback posts to itself is read once that frame is painted.
            const painted = new MessageChannel();
            painted.port1.onmessage = () => resolve(performance.now() - pressed);
            requestAnimationFrame(() => painted.port2.postMessage(null));
        });
        watch.observe(cell, { attributes: true, childList: true, subtree: true });
    });
}"""


def main(smoke: bool) -> None:
    print_imports(1 if smoke else 5)
    if not CHROMIUM:
        print("slider to painted figure: no Chromium here (apt install chromium)")
        return
    moves, figures = (2, 1) if smoke else (60, 10)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        with lab_of_its_own(no_delay=True) as lab:
            print("\nslider to painted figure:")
            print_moves(moves_ms(browser, lab, moves))
            print(f"\n{figures} figures on one page:")
            print_many_figures(browser, lab, figures)
        if not smoke:
            with lab_of_its_own(no_delay=False) as lab:
                print("\nslider to painted figure, without the no-delay extension:")
                print_moves(moves_ms(browser, lab, moves))
        browser.close()


@contextlib.contextmanager
def lab_of_its_own(*, no_delay: bool) -> Iterator[JupyterLab]:
    with (
        tempfile.TemporaryDirectory() as home,
        running_jupyterlab(Path(home), no_delay=no_delay) as lab,
    ):
        yield lab


def print_imports(repetitions: int) -> None:
    """Seconds of a fresh Python until it has made its first figure, and what of it is ours."""
    peer = "import pandas, plotly.graph_objects as go; go.Figure(go.Scatter(y=[1, 2])).to_json()"
    ours = (
        "import pandas; from devops_lab.figures import drawing\n"
        "drawing('a', 'b', x='c', y='d').add_scatter(y=[1, 2]).to_json()"
    )
    live = f"{ours}\nfrom devops_lab.dashboards import Dashboard; Dashboard(lambda: None, {{}})"
    base_s, *others_s = (quickest_s(code, repetitions) for code in (peer, ours, live))
    print(f"fresh Python to a first figure with pandas and plotly alone: {base_s:.2f} s")
    for name, seconds in zip(("devops_lab.figures", "and a Dashboard"), others_s, strict=True):
        print(f"  {name}: {seconds:.2f} s ({seconds / base_s:.2f} ×)")


def quickest_s(code: str, repetitions: int) -> float:
    """The shortest of the runs: what others do on this machine can only add to it."""
    times_s = []
    for _ in range(repetitions):
        started_s = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times_s.append(time.perf_counter() - started_s)
    return min(times_s)


def moves_ms(browser: Browser, lab: JupyterLab, moves: int) -> dict[str, list[float]]:
    """The time of each move of each design, in ms; and of the first figure on the page."""
    measured: dict[str, list[float]] = {name: [] for name in (*DESIGNS, FIRST_FIGURE)}
    opened = NotebookPage(browser.new_page(), lab)
    opened.open(notebook_of(f"{SETUP}\n{DESIGNS['our Dashboard']}"))
    measured[FIRST_FIGURE].append(until_drawn_ms(opened))
    lab.end_kernels()
    opened.open(notebook_of(SETUP, *DESIGNS.values()))
    opened.run_all()
    cells = opened.page.locator(".jp-CodeCell").all()[1:]
    for cell in cells:
        cell.locator(".scatterlayer .js-line").nth(1).wait_for()
    for _ in range(moves):
        for name, cell in zip(DESIGNS, cells, strict=True):
            measured[name].append(move_ms(opened, cell))
    lab.end_kernels()
    opened.page.close()
    return measured


def print_many_figures(browser: Browser, lab: JupyterLab, figures: int) -> None:
    """Seconds until a page is drawn, in a kernel that has imported everything."""
    for name, figure in ALIKE.items():
        opened = NotebookPage(browser.new_page(), lab)
        opened.open(notebook_of(SETUP, *[figure] * figures))
        opened.page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
        opened.wait_until_idle()
        print(f"  {name:34} {until_drawn_ms(opened, 2 * figures) / 1000:.1f} s")
        opened.page.close()
        lab.end_kernels()


def until_drawn_ms(opened: NotebookPage, lines: int = 2) -> float:
    """From "run all" to this many lines on the page."""
    started_s = time.perf_counter()
    opened.page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
    opened.page.locator(".scatterlayer .js-line").nth(lines - 1).wait_for(timeout=180_000)
    return 1000 * (time.perf_counter() - started_s)


def move_ms(opened: NotebookPage, cell: Locator) -> float:
    cell.scroll_into_view_if_needed()
    opened.page.wait_for_timeout(60)
    cell.evaluate(WATCH)
    opened.page.keyboard.press("ArrowRight")
    return opened.page.evaluate("() => window.moved")


def print_moves(measured: dict[str, list[float]]) -> None:
    first_s = measured.pop(FIRST_FIGURE)[0] / 1000
    base_ms = statistics.median(measured["our Dashboard"])
    for name, times_ms in measured.items():
        p50, p95 = statistics.median(times_ms), percentile(times_ms, 95)
        print(f"  {name:34} p50 {p50:4.0f} ms  p95 {p95:4.0f} ms  {p50 / base_ms:5.2f} × ours")
    print(f"  budget, p95: {BUDGET_P95_MS} ms with a kernel, {BUDGET_AHEAD_P95_MS} ms without")
    print(f"  {FIRST_FIGURE}: {first_s:.1f} s (budget {FIRST_FIGURE_BUDGET_S:.0f} s)")


def percentile(values: list[float], percent: int) -> float:
    """The smallest of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1]


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv)
