"""Figures of requests: what they say and show, also of runs in which nothing went as planned."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import plotly
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from devops_lab.attacks import CLIMBS
from devops_lab.figures import COLOURS, summary_of
from devops_lab.request_figures import (
    answers_by_wish,
    asked_and_answered,
    climbs_by_server,
    latest_requests,
    wait_and_service,
)
from devops_lab.tables import ATTEMPTS, table

WORK_S = 0.05


def attempts(*latencies_s: float | None, rate_per_s: float = 10.0) -> pd.DataFrame:
    """A run like a clock; None is a request that was refused."""
    count = len(latencies_s)
    refused = [latency_s is None for latency_s in latencies_s]
    starts_s = [number / rate_per_s for number in range(count)]
    took_s = [0.0 if latency_s is None else latency_s for latency_s in latencies_s]
    columns = {
        "request": range(count),
        "attempt": [1] * count,
        "intended_s": starts_s,
        "start_s": starts_s,
        "end_s": [start_s + more_s for start_s, more_s in zip(starts_s, took_s, strict=True)],
        "latency_s": took_s,
        "outcome": ["refused" if no else "ok" for no in refused],
        "status": [None if no else 200 for no in refused],
        "server": [None if no else "oven" for no in refused],
        "wait_s": [math.nan if no else s - WORK_S for no, s in zip(refused, took_s, strict=True)],
        "service_s": [math.nan if no else WORK_S for no in refused],
    }
    return table(columns, ATTEMPTS)


CALM = attempts(*[WORK_S] * 20)
RUSH = attempts(*[WORK_S + 0.017 * number for number in range(60)], rate_per_s=30)
ODD = {
    "empty": attempts(),
    "all refused": attempts(None, None, None),
    "one answered": attempts(0.3),
    "one refused": attempts(None),
    "some refused": attempts(0.1, None, 0.3, None),
}


def climbs(*leaky: str) -> pd.DataFrame:
    rows = [
        (trick, server, 200 if server in leaky else 404, server in leaky)
        for server in ("filter", "ours", "caddy")
        for trick in CLIMBS
    ]
    return pd.DataFrame(rows, columns=["trick", "server", "status", "leaked"])


WISHES = ("pages that exist", "mistyped paths", "climbs")


def answers(*rows: tuple[str, int, bool]) -> pd.DataFrame:
    made = pd.DataFrame(rows, columns=["wish", "status", "leaked"])
    return made.astype({"wish": pd.CategoricalDtype(WISHES), "status": int, "leaked": bool})


A_DAY = answers(
    *[("pages that exist", 200, False)] * 40,
    *[("mistyped paths", 404, False)] * 10,
    *[("climbs", 200, True)] * 18,
    *[("climbs", 404, False)] * 9,
    *[("climbs", 500, False)] * 3,
)
FIGURES = {
    "wait_and_service": wait_and_service({"10 requests/s": CALM, "30 requests/s": RUSH}),
    "asked_and_answered": asked_and_answered(RUSH, predicted_per_s=15),
    "latest_requests": latest_requests(RUSH, now_s=3.1, window_s=10),
    "latest_requests, none yet": latest_requests(ODD["empty"], now_s=0, window_s=10),
    "climbs_by_server": climbs_by_server(climbs("filter")),
    "answers_by_wish": answers_by_wish(A_DAY, most=60),
} | {
    f"{name}, {run}": draw(rows)
    for run, rows in ODD.items()
    for name, draw in {
        "wait_and_service": lambda rows: wait_and_service({"calm": rows, "rush": rows}),
        "asked_and_answered": lambda rows: asked_and_answered(rows, predicted_per_s=0),
        "latest_requests": lambda rows: latest_requests(rows, now_s=1, window_s=10),
    }.items()
}
each_figure = pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES.keys())


def leaves(tree: object) -> Iterator[object]:
    match tree:
        case dict():
            for value in tree.values():
                yield from leaves(value)
        case list() | tuple():
            for value in tree:
                yield from leaves(value)
        case np.ndarray():
            yield from leaves(tree.tolist())
        case _:
            yield tree


def without_template(figure: go.Figure) -> list[dict[str, object]]:
    layout = figure.layout.to_plotly_json()
    layout.pop("template")
    return [*(trace.to_plotly_json() for trace in figure.data), layout]


@each_figure
def test_a_figure_has_a_finding_words_and_finite_numbers(figure: go.Figure) -> None:
    assert len(figure.layout.title.text) > 10
    assert len(summary_of(figure)) > 10
    words = figure.layout.title.text + summary_of(figure)
    assert "nan" not in words
    numbers = [leaf for leaf in leaves(without_template(figure)) if isinstance(leaf, float)]
    assert all(math.isfinite(number) for number in numbers)


@each_figure
def test_an_axis_of_numbers_says_what_and_its_unit(figure: go.Figure) -> None:
    counts = ("requests", "requests so far", "seconds ago")
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        title = axis.title.text
        # Kinds and tricks are their own words, and panels share the scale of the first.
        assert title in counts or not title or title.endswith(("(s)", "(ms)"))
    assert figure.layout.xaxis.title.text or isinstance(figure.data[0], go.Heatmap)


@each_figure
def test_a_colour_is_one_of_the_courses(figure: go.Figure) -> None:
    quiet = {"#FFFFFF", "#E4E7EB"}
    used = [
        leaf
        for leaf in leaves([trace.to_plotly_json() for trace in figure.data])
        if isinstance(leaf, str) and leaf.startswith("#")
    ]
    assert set(used) <= set(COLOURS.values()) | quiet


def test_what_a_colour_says_is_said_without_it_too() -> None:
    # Work lies below waiting, an answer that never came is a cross and no bar.
    work, waiting, no_answer = FIGURES["latest_requests"].data
    assert (work.type, waiting.type, no_answer.marker.symbol) == ("bar", "bar", "triangle-up")
    assert FIGURES["latest_requests"].layout.barmode == "stack"
    asked, answered, predicted = FIGURES["asked_and_answered"].data
    assert (asked.line.dash, answered.line.dash, predicted.line.dash) == ("dash", None, "dot")
    patterns = [bar.marker.pattern.shape for bar in FIGURES["answers_by_wish"].data]
    assert len(set(patterns)) == len(patterns)
    texts = FIGURES["climbs_by_server"].data[0].text
    assert ["the recipe" in text for text in texts] == list(climbs("filter")["leaked"])


def test_the_bars_are_the_requests() -> None:
    figure = FIGURES["wait_and_service"]
    calm_work, calm_wait, rush_work, rush_wait = figure.data
    assert list(calm_work.y) == pytest.approx([50.0] * 20)
    assert list(calm_wait.y) == pytest.approx([0.0] * 20)
    assert list(rush_work.y + rush_wait.y) == pytest.approx(list(1000 * RUSH["latency_s"]))
    assert list(rush_work.x) == list(RUSH["intended_s"])
    assert [note.text for note in figure.layout.annotations] == ["10 requests/s", "30 requests/s"]
    assert summary_of(figure).startswith(
        "At 10 requests/s: 50 ms of work on a request, 0 ms of waiting at first"
    )


def test_the_latest_requests_are_those_of_the_window_and_those_without_answer_are_crosses() -> None:
    work, _waiting, crosses = latest_requests(ODD["some refused"], now_s=1.0, window_s=0.75).data
    assert list(work.x) == pytest.approx([-0.5])
    assert list(crosses.x) == pytest.approx([-0.7])


@given(st.floats(0.1, 200.0), st.integers(2, 400), st.floats(0.0, 20.0))
def test_no_bar_of_the_latest_hides_another(
    rate_per_s: float, count: int, longest_s: float
) -> None:
    rows = attempts(*np.linspace(WORK_S, WORK_S + longest_s, count), rate_per_s=rate_per_s)
    figure = latest_requests(rows, now_s=rows["end_s"].max(), window_s=rows["end_s"].max() + 1)
    gaps_s = np.diff(figure.data[0].x)
    assert figure.data[0].width <= max(np.median(gaps_s), 1e-9)
    low, high = figure.layout.yaxis.range
    assert low <= figure.data[0].y.min()
    assert (figure.data[0].y + figure.data[1].y).max() <= max(high, 1000 * longest_s + 100)


def test_asked_and_answered_count_what_was_asked_and_what_came_back() -> None:
    figure = asked_and_answered(ODD["some refused"])
    asked, answered = figure.data
    assert (list(asked.y), list(answered.y)) == ([1, 2, 3, 4], [1, 2])
    assert summary_of(asked_and_answered(RUSH)).startswith("30 requests/s are asked for, 20 are")


@pytest.mark.parametrize("predicted_per_s", [0, 1e-12, 15, 20.5, 1e9, -3])
def test_any_prediction_is_drawn_inside_the_figure(predicted_per_s: float) -> None:
    line = asked_and_answered(RUSH, predicted_per_s).data[2]
    assert 0 <= line.x[1] <= RUSH["end_s"].max()
    assert line.y[1] <= len(RUSH) + 1e-6


@pytest.mark.parametrize(
    ("leaky", "finding"),
    [
        ((), "No server lets the recipe out"),
        (("filter",), "filter lets the recipe out, the others keep it"),
        (("filter", "ours"), "filter, ours let the recipe out, the others keep it"),
    ],
)
def test_the_grid_says_who_lets_the_recipe_out(leaky: tuple[str, ...], finding: str) -> None:
    figure = climbs_by_server(climbs(*leaky))
    assert figure.layout.title.text == finding
    assert "caddy: 0 of 10 tricks worked." in summary_of(figure)


def test_the_kinds_of_request_keep_their_places_and_their_scale() -> None:
    for table_of_a_day in (A_DAY, A_DAY[A_DAY["wish"] == "climbs"], A_DAY[:0]):
        figure = answers_by_wish(table_of_a_day, most=60)
        assert all(tuple(bar.y) == WISHES for bar in figure.data)
        assert list(figure.layout.xaxis.range) == [0, 60]
    words = "climbs: 9 × 4xx, nothing here; 3 × 5xx, failed; 18 × 200, the recipe."
    assert words in summary_of(answers_by_wish(A_DAY))
    assert figure.layout.title.text == "No request was sent"


# ---- as they are painted ----

LAYS_OUT = """([figure, width]) => {
    const box = document.body.appendChild(document.createElement('div'));
    const layout = { ...figure.layout, width };
    return Plotly.newPlot(box, figure.data, layout).then(() => {
        const parts = ['.gtitle', '.legend', '.annotation', '.xtitle', '.ytitle'];
        const boxes = parts.flatMap((part) => [...box.querySelectorAll(part)].map((shape) => {
            const { left, right, top, bottom } = shape.getBoundingClientRect();
            return { part: part + ' ' + shape.textContent, left, right, top, bottom };
        }));
        const { left, top } = box.getBoundingClientRect();
        const plot = box.querySelector('.nsewdrag').getBoundingClientRect().height;
        box.remove();
        return { boxes, left, top, plot };
    });
}"""


@pytest.fixture(scope="module")
def paper(chromium: Browser) -> Iterator[Page]:
    """A page with nothing but plotly."""
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.add_script_tag(path=Path(plotly.__file__).parent / "package_data" / "plotly.min.js")
    yield page
    page.close()


@pytest.mark.parametrize("width", [560, 820, 960])
@each_figure
def test_title_legend_and_names_are_whole_and_do_not_touch(
    figure: go.Figure, width: int, paper: Page
) -> None:
    drawn = paper.evaluate(LAYS_OUT, [json.loads(figure.to_json()), width])
    assert drawn["plot"] > 150
    shown = [box for box in drawn["boxes"] if box["right"] > box["left"]]
    for number, box in enumerate(shown):
        assert box["left"] >= drawn["left"] - 1, box
        assert box["right"] <= drawn["left"] + width + 1, box
        assert box["top"] >= drawn["top"], box
        for other in shown[:number]:
            assert not overlap(box, other), (box, other)


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    across = one["left"] < other["right"] and other["left"] < one["right"]
    return across and one["top"] < other["bottom"] and other["top"] < one["bottom"]


def test_a_learners_guess_is_said_beside_what_worked() -> None:
    assert summary_of(climbs_by_server(climbs("filter"), predicted_leaks=3)).endswith(
        "caddy: 0 of 10 tricks worked. You predicted 3 tricks."
    )
    assert "predicted" not in summary_of(climbs_by_server(climbs("filter")))
