"""Still pictures: beside each stored figure, the same each time, and of the figure."""

import xml.etree.ElementTree as ET

import pytest
from browser import CHROMIUM
from lessons import code_cell, make_lesson
from nbformat.v4 import new_output
from required import require
from stills import SVG, add_stills, pictures

from devops_lab.figures import PLOTLY, drawing


@pytest.fixture(autouse=True)
def _a_browser() -> None:
    require(CHROMIUM, "Chromium", "apt install chromium, or set CHROMIUM to the path of one.")


def bars(*heights: float) -> dict[str, object]:
    figure = drawing("A picture", "Bars.", x="time (s)", y="height (m)")
    return figure.add_bar(y=list(heights)).to_plotly_json()


def test_each_stored_figure_gets_its_picture() -> None:
    notebook = make_lesson(code_cell("show(figure)", "figure"), code_cell("2", "two")).notebook
    shown = [new_output("display_data", {PLOTLY: bars(height)}) for height in (1, 2)]
    notebook.cells[0].outputs = [*shown, new_output("stream", text="words")]
    notebook.cells[1].outputs = [new_output("execute_result", {"text/plain": "2"})]
    add_stills(notebook)
    first, second, words = notebook.cells[0].outputs
    assert [first.data[SVG], second.data[SVG]] == pictures([bars(1), bars(2)])
    assert first.data[SVG] != second.data[SVG]
    assert "data" not in words
    assert notebook.cells[1].outputs[0].data == {"text/plain": "2"}


def test_a_picture_is_the_same_each_time_and_small() -> None:
    once, again, other = (pictures([bars(*heights)])[0] for heights in ((1, 2), (1, 2), (1, 3)))
    assert once == again
    assert once != other
    assert len(once) < 20_000
    words = "".join(ET.fromstring(once).itertext())
    assert all(part in words for part in ("A picture", "time (s)", "height (m)"))
