"""The look of the course: readable on light and dark, one shape a way, words with each figure."""

import json
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab import figures
from devops_lab.figures import COLOURS, DARK, LIGHT, PLOTLY, drawing, show, summary_of, time_text

# What WCAG asks of graphics, and of words.
GRAPHICS, WORDS = 3.0, 4.5
# JupyterLab's own backgrounds.
BACKGROUNDS = {"light": "#FFFFFF", "dark": "#111111"}


def contrast(colour: str, background: str) -> float:
    """The contrast ratio of WCAG 2.2, from 1 to 21."""
    bright, dark = sorted((luminance(colour), luminance(background)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


@pytest.mark.parametrize(("template", "background"), [(LIGHT, "light"), (DARK, "dark")])
def test_words_can_be_read_on_their_background(
    template: go.layout.Template, background: str
) -> None:
    assert contrast(template.layout.font.color, BACKGROUNDS[background]) > WORDS


@pytest.mark.parametrize("meaning", ["ok", "error", "measured", "theory", "no_answer"])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_lines_and_points_stand_out_from_both_backgrounds(meaning: str, background: str) -> None:
    assert contrast(COLOURS[meaning], BACKGROUNDS[background]) > GRAPHICS


def test_theory_simulation_measurement_and_prediction_differ_in_shape_too() -> None:
    figure = drawing("", "", x="", y="")
    x = np.arange(3.0)
    ways = (figures.theory_line, figures.simulated_points, figures.measured_crosses)
    figure.add_traces([way(x, x) for way in ways])
    figures.add_prediction(figure, "yours", x=1, y=2)
    assert [trace.mode for trace in figure.data] == ["lines", "markers", "markers"]
    assert [trace.marker.symbol for trace in figure.data] == [None, "circle", "x-thin"]
    assert [shape.line.dash for shape in figure.layout.shapes] == ["dot", "dot"]
    assert [note.text for note in figure.layout.annotations] == ["yours", "yours"]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What is displayed, in place of a notebook."""
    outputs: list[dict[str, str]] = []
    monkeypatch.setattr(figures, "display", lambda output, raw: outputs.append(output))
    return outputs


def test_a_shown_figure_stores_its_numbers_and_words_but_no_library_and_no_upload(
    shown: list[dict[str, str]],
) -> None:
    figure = drawing("Two points", "The second is <twice> the first.", x="a", y="b")
    figure.add_scatter(y=np.array([1.0, 2.0]))
    show(figure)
    picture, words = shown
    stored = picture[PLOTLY]
    assert set(picture) == {PLOTLY, "text/plain"}
    assert stored["config"]["showSendToCloud"] is False
    assert len(json.dumps(stored)) < 5_000
    assert picture["text/plain"] == summary_of(figure)
    assert words["text/html"] == "<p>The second is &lt;twice&gt; the first.</p>"


def test_a_title_in_two_lines_leaves_each_number_beside_its_unit() -> None:
    title = "At 1 server the last customers wait 1.48 s; the work on a request stays the same"
    lines = drawing(title, "", x="", y="").layout.title.text.split("<br>")
    assert " ".join(lines) == title
    assert len(lines) == 2
    assert any("wait 1.48 s" in line for line in lines)


@given(st.floats(1e-6, 1e5))
def test_a_time_in_words_is_the_time_to_three_digits(seconds: float) -> None:
    number, unit = time_text(seconds).split()
    per_unit = {"ms": 1e-3, "s": 1, "min": 60}[unit]
    assert float(number) * per_unit == pytest.approx(seconds, rel=0.006)


def test_longer_times_never_read_as_shorter_ones() -> None:
    per_unit = {"ms": 1e-3, "s": 1, "min": 60}
    said = (time_text(seconds).split() for seconds in np.geomspace(1e-4, 1e4, 2_000))
    read_s = [float(number) * per_unit[unit] for number, unit in said]
    assert all(shorter <= longer for shorter, longer in pairwise(read_s))
