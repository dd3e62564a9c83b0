"""From a slider's move to the painted figure, in real JupyterLab, beside the usual ways; the first
figure of a fresh kernel; and the frames of the traffic view. Run by `make bench`.

The same two lines of 200 points are drawn in four ways, on one page, with the moves taken in turn,
and among them a dashboard of the course, which simulates 20,000 requests a move. A move is a key
press, and ends when the frame with the changed lines is painted. `--smoke` measures as little as
shows that all of our own still works.
"""

import contextlib
import re
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

from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate
from devops_lab.traffic_view import journeys_of

BUDGET_P95_MS = 50
BUDGET_AHEAD_P95_MS = 16
FIRST_FIGURE_BUDGET_S = 2.0
FIRST_FIGURE = "first figure of a fresh kernel"
AFTER_A_STILL = "first live figure after a stored one, as in the lessons"
FRAME_BUDGET_MS = 1000 / 60
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
    "our three ways": """
from devops_lab.three_ways import three_ways_dashboard
ways = three_ways_dashboard()
ways.controls["servers"].value, ways.controls["rate_per_s"].value = 4, 1
ways
""",
}
STILL = """
from devops_lab.figures import drawing, show
show(drawing("A", "still", x="x", y="y").add_scatter(y=[1, 2]))
"""
# Some 150 in work, and as many on their ways there and back, which take so long at this speed.
BUSY = Scenario(1000, 0.15, servers=4, workers=38, balancer="least_connections")
FLIGHT_S = 0.2 * 0.7
TRAFFIC = f"""
from devops_lab.scenario import Client, Faults, Load, Scenario
from devops_lab.simulate import simulate
from devops_lab.traffic_view import traffic_view
traffic_view(simulate({BUSY}, 10_000), speed=0.2)
"""
FRAMES = """async (frames) => {
    const times = [];
    for (let frame = 0; frame <= frames; frame++) {
        times.push(await new Promise(requestAnimationFrame));
    }
    return times.slice(1).map((at, frame) => at - times[frame]);
}"""

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
    moves, figures = (1, 1) if smoke else (50, 10)
    designs, alike = (
        {name: code for name, code in all_of.items() if name.startswith("our") or not smoke}
        for all_of in (DESIGNS, ALIKE)
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        with lab_of_its_own(no_delay=True) as lab:
            print("\nslider to painted figure:")
            print_moves(moves_ms(browser, lab, designs, moves))
            print_first_figures(browser, lab)
            print(f"\n{figures} figures on one page:")
            print_many_figures(browser, lab, alike, figures)
            print_frames(browser, lab, 10 if smoke else 300)
        if not smoke:
            with lab_of_its_own(no_delay=False) as lab:
                print("\nslider to painted figure, without the no-delay extension:")
                print_moves(moves_ms(browser, lab, designs, moves))
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


def moves_ms(
    browser: Browser, lab: JupyterLab, designs: dict[str, str], moves: int
) -> dict[str, list[float]]:
    """The time of each move of each design, in ms."""
    measured: dict[str, list[float]] = {name: [] for name in designs}
    opened = NotebookPage(browser.new_page(), lab)
    opened.open(notebook_of(SETUP, *designs.values()))
    opened.run_all()
    cells = opened.page.locator(".jp-CodeCell").all()[1:]
    for cell in cells:
        cell.locator(".scatterlayer .js-line").nth(1).wait_for(state="attached")
    for _ in range(moves):
        for name, cell in zip(designs, cells, strict=True):
            measured[name].append(move_ms(opened, cell))
    lab.end_kernels()
    opened.page.close()
    return measured


def print_first_figures(browser: Browser, lab: JupyterLab) -> None:
    """Seconds from "run all" in a fresh kernel to the first figure, and to one after a still."""
    first = f"{SETUP}\n{DESIGNS['our Dashboard']}"
    opened = NotebookPage(browser.new_page(), lab)
    opened.open(notebook_of(first))
    print(f"  {FIRST_FIGURE}: {until_drawn_ms(opened) / 1000:.1f} s", end="")
    print(f" (budget {FIRST_FIGURE_BUDGET_S:.0f} s)")
    lab.end_kernels()
    opened.open(notebook_of(STILL, first))
    opened.page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell-and-select-next')")
    opened.page.locator(".scatterlayer .js-line").first.wait_for()
    print(f"  {AFTER_A_STILL}: {until_drawn_ms(opened, 3) / 1000:.1f} s")
    opened.page.close()
    lab.end_kernels()


def print_frames(browser: Browser, lab: JupyterLab, frames: int) -> None:
    """Milliseconds from frame to frame of a running traffic view, and what of them it computes."""
    opened = NotebookPage(browser.new_page(), lab)
    opened.open(notebook_of(TRAFFIC))
    opened.run_all()
    view = opened.page.locator(".devops-lab-traffic")
    working = view.get_by_role("status").filter(has_text=re.compile("1[0-9][0-9] in work"))
    working.wait_for(state="attached")
    computed_ms, times_ms = computed_frames_ms(opened, frames)
    print(f"\ntraffic view, {dots_on_screen(view)} requests on the screen:")
    view.get_by_role("button").click()
    _computed_ms, still_ms = computed_frames_ms(opened, frames)
    for name, each_ms in (("a frame", times_ms), ("a frame of the page at rest", still_ms)):
        p50, p95 = statistics.median(each_ms), percentile(each_ms, 95)
        print(f"  {name:34} p50 {p50:4.1f} ms  p95 {p95:4.1f} ms")
    print(f"  budget: {FRAME_BUDGET_MS:.1f} ms; of it the view computes {computed_ms:.1f} ms")
    opened.page.close()
    lab.end_kernels()


def computed_frames_ms(opened: NotebookPage, frames: int) -> tuple[float, list[float]]:
    """What the page's scripts, styles and layout took of each of so many frames, and the frames."""
    session = opened.page.context.new_cdp_session(opened.page)
    session.send("Performance.enable")

    def busy_s() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        parts = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
        return sum(metric["value"] for metric in metrics if metric["name"] in parts)

    before_s = busy_s()
    times_ms = opened.page.evaluate(FRAMES, frames)
    return 1000 * (busy_s() - before_s) / frames, times_ms


def dots_on_screen(view: Locator) -> int:
    """How many tries had left their client at the view's moment and were not yet back."""
    now_s = float(view.locator(".devops-lab-traffic-moment").inner_text().split()[0])
    times = journeys_of(simulate(BUSY, 10_000))
    has_left = times["start_s"] < now_s + FLIGHT_S
    return int((has_left & (times["end_s"] > now_s - FLIGHT_S)).sum())


def print_many_figures(
    browser: Browser, lab: JupyterLab, alike: dict[str, str], figures: int
) -> None:
    """Seconds until a page is drawn, in a kernel that has imported everything."""
    for name, figure in alike.items():
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
    base_ms = statistics.median(measured["our Dashboard"])
    for name, times_ms in measured.items():
        p50, p95 = statistics.median(times_ms), percentile(times_ms, 95)
        print(f"  {name:34} p50 {p50:4.0f} ms  p95 {p95:4.0f} ms  {p50 / base_ms:5.2f} × ours")
    print(f"  budget, p95: {BUDGET_P95_MS} ms with a kernel, {BUDGET_AHEAD_P95_MS} ms without")


def percentile(values: list[float], percent: int) -> float:
    """The smallest of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1]


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv)
