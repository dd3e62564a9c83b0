"""Still pictures beside stored figures, for readers of a lesson on GitHub and on paper.

Drawn when outputs are stored, so that no learner's kernel needs a browser for them.
"""

import re
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import plotly
from browser import CHROMIUM, CHROMIUM_OPTIONS
from nbformat import NotebookNode
from playwright.sync_api import sync_playwright

from devops_lab.figures import HEIGHT_PX, PLOTLY

SVG = "image/svg+xml"
SCRIPT = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
DRAW = f"""(figure) => Plotly.toImage(figure, {{
    format: 'svg', imageDataOnly: true,
    width: 820, height: figure.layout.height ?? {HEIGHT_PX} }})"""


def add_stills(notebook: NotebookNode) -> None:
    """Put a picture beside each figure that the notebook stores."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.data for output in outputs if PLOTLY in output.get("data", {})]
    for data, picture in zip(shown, pictures([data[PLOTLY] for data in shown]), strict=True):
        data[SVG] = picture


def pictures(figures: Sequence[dict[str, Any]]) -> list[str]:
    """The figures as SVG; the same figure gives the same text."""
    if not figures:
        return []
    if not CHROMIUM:
        raise SystemExit("Still pictures need Chromium: apt install chromium, or set CHROMIUM.")
    # In a thread of its own: Playwright refuses a second start in a thread where tests have one.
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(_drawn, figures).result()


def _drawn(figures: Sequence[dict[str, Any]]) -> list[str]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        page = browser.new_page()
        page.add_script_tag(path=SCRIPT)
        drawn = [page.evaluate(DRAW, figure) for figure in figures]
        browser.close()
    return [_smaller(_without_chance(svg)) for svg in drawn]


def _without_chance(svg: str) -> str:
    """Each picture has a random name inside; in its place goes one that follows from the rest."""
    random_name = re.search(r'id="defs-([0-9a-f]+)"', svg)[1]
    nameless = svg.replace(random_name, "")
    return svg.replace(random_name, f"{zlib.crc32(nameless.encode()):08x}")


def _smaller(svg: str) -> str:
    """Points of a trace that look the same say so once, not each: half of a picture of points."""
    return re.sub(r'<g class="points">(.*?)</g>', _styled_once, svg)


def _styled_once(group: re.Match[str]) -> str:
    styles = {*re.findall(r' style="([^"]*)"', group[1])}
    if len(styles) != 1 or "<g" in group[1]:
        return group[0]
    [style] = styles
    points = group[1].replace(f' style="{style}"', "").replace(' class="point"', "")
    return f'<g class="points" style="{style}">{points}</g>'
