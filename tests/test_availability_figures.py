"""The figures of availability: what is drawn where, and what they say in words; the dashboard."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from driving import drive

from devops_lab.availability_dashboards import availability_dashboard
from devops_lab.availability_figures import (
    block_diagram,
    duration_text,
    one_run_among_many,
    share_text,
    up_and_down,
    what_copies_buy,
)
from devops_lab.blocks import Chain, Copies, Part
from devops_lab.figures import summary_of
from devops_lab.tables import INTERVALS, table

DAY_S = 86_400.0


def intervals(*rows: tuple[object, ...]) -> pd.DataFrame:
    """From server, cause, shared, start, noticed, repaired."""
    columns = zip(*rows, strict=True) if rows else [[]] * len(INTERVALS)
    return table(dict(zip(INTERVALS, map(list, columns), strict=True)), INTERVALS)


NAN = float("nan")
RUN = intervals(
    ("server-1", "crash", False, 2.0, 2.5, 4.0),
    ("server-2", "slow", False, 3.0, NAN, 5.0),
    ("server-1", "crash", True, 8.0, 9.0, NAN),
    ("server-2", "crash", True, 8.0, 9.0, NAN),
    ("whole", "", False, 8.0, NAN, NAN),
)


def test_every_outage_lies_in_its_row_and_time() -> None:
    figure = up_and_down(RUN, ["server-1", "server-2", "whole"], 10.0)
    bars = {trace.name: trace for trace in figure.data}
    assert list(bars["up"].x) == [10, 10, 10]
    down, shared, slow = (bars[n] for n in ("down", "down, all by one cause", "slow"))
    assert [list(down.y), list(down.base), list(down.x)] == [[0, -2], [2, 8], [2, 2]]
    assert [list(shared.y), list(shared.base), list(shared.x)] == [[0, -1], [8, 8], [2, 2]]
    assert [list(slow.y), list(slow.base), list(slow.x)] == [[-1], [3], [2]]
    assert shared.marker.pattern.shape
    assert list(bars["the balancer knows"].x) == [2.5, 9, 9]
    assert list(figure.layout.yaxis.ticktext) == ["server-1", "server-2", "whole"]


def test_strips_say_in_words_how_long_each_was_up() -> None:
    figure = up_and_down(RUN, ["server-1", "server-2", "whole"], 10.0)
    assert summary_of(figure) == (
        "The whole was up 80 % of the time, its servers 60 % to 60 %. "
        "server-1 was up 60 % of the time; outages: 2. "
        "server-2 was up 60 % of the time; outages: 2. "
        "whole was up 80 % of the time; outages: 1."
    )
    assert summary_of(up_and_down(RUN, ["whole"], 10.0, finding="Well")).startswith("Well. ")


@pytest.mark.parametrize(
    ("duration_s", "unit", "end"),
    [(20, "s", 20), (600, "min", 10), (DAY_S, "hours", 24), (365 * DAY_S, "days", 365)],
)
def test_the_axis_of_time_has_the_unit_of_its_length(duration_s, unit, end) -> None:
    figure = up_and_down(intervals(), ["server-1"], duration_s)
    assert figure.layout.xaxis.title.text == f"time ({unit})"
    assert list(figure.layout.xaxis.range) == [0, end]
    assert "server-1 was up 100 % of the time; outages: 0." in summary_of(figure)


def test_copies_buy_less_where_causes_are_shared() -> None:
    figure = what_copies_buy({"none": [5256, 52.6, 0.5], "a tenth": [5256, 568, 527]})
    assert figure.layout.title.text.replace("<br>", " ") == (
        "none: the second copy buys 100 times less downtime; a tenth: only 9 times"
    )
    assert figure.layout.yaxis.type == "log"
    assert [trace.name for trace in figure.data] == ["none", "a tenth"]
    two = {"none": [5256, 52.6], "a tenth": [5256, 568]}
    with_prediction = what_copies_buy(two, predicted_minutes=60)
    assert list(with_prediction.data[-1].y) == [60, 60]


def test_a_run_is_judged_beside_others_of_its_length() -> None:
    spread = pd.DataFrame({"answered": np.linspace(0.8, 1.0, 101)})
    inside = one_run_among_many(spread, measured=0.9, formula=0.92, predicted=0.95)
    assert summary_of(inside) == (
        "The real run gave 90 %; nine of ten simulated ones lie between 81 % and 99 %. "
        "In the long run the formula says 92 %."
    )
    bars, theory, measured, _cross = inside.data
    assert sum(bars.y) == 101
    assert (theory.x[0], measured.x[0]) == (92, 90)
    assert inside.layout.shapes[0].x0 == 95
    outside = one_run_among_many(spread, measured=0.5, formula=0.92)
    assert "outside the 81 % to 99 %" in summary_of(outside)
    assert sum(outside.data[0].y) == 101


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_runs_that_are_all_alike_can_be_drawn(share: float) -> None:
    spread = pd.DataFrame({"answered": [share] * 5})
    assert sum(one_run_among_many(spread, share, share).data[0].y) == 5


def boxes(figure) -> list[tuple[float, float]]:
    """The middles of the parts."""
    return [
        (round((s.x0 + s.x1) / 2, 2), (s.y0 + s.y1) / 2)
        for s in figure.layout.shapes
        if s.type == "rect"
    ]


def test_a_diagram_is_a_chain_from_left_to_right_with_copies_above_each_other() -> None:
    web = Copies("web", [Part("web 1", 0.99), Part("web 2", 0.98)])
    shop = Chain("shop", [Part("balancer", 0.9999), web, Part("database", 0.995)])
    figure = block_diagram(shop)
    assert boxes(figure) == [(0.5, 0), (1.8, 0.5), (1.8, -0.5), (3.1, 0)]
    texts = [annotation.text for annotation in figure.layout.annotations]
    assert texts == [
        "<b>balancer</b><br>99.99 %",
        "<b>web 1</b><br>99 %",
        "<b>web 2</b><br>98 %",
        "1 of 2",
        "<b>database</b><br>99.5 %",
    ]
    assert "weakest at: database" in summary_of(figure)
    thick = [s for s in figure.layout.shapes if s.type == "rect" and s.line.width > 2]
    assert [(s.x0 + s.x1) / 2 for s in thick] == [pytest.approx(3.1)]


def test_what_a_learner_is_to_find_is_not_marked() -> None:
    shop = Chain("shop", [Part("web", 0.99), Part("database", 0.9)])
    figure = block_diagram(shop, marks_weakest=False)
    assert len({shape.line.width for shape in figure.layout.shapes if shape.type == "rect"}) == 1
    assert "weakest" not in summary_of(figure)
    assert "weakest at: database" in summary_of(block_diagram(shop))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.8641, "0.864 s"),
        (59.7, "1 min 0 s"),
        (3599.7, "1 h 0 min"),
        (86_399, "1 d 0 h"),
        (5256 * 60, "3 d 16 h"),
        (366 * 86_400, "366 d 0 h"),
    ],
)
def test_a_time_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == said


def test_a_part_alone_and_copies_of_chains_can_be_drawn() -> None:
    assert boxes(block_diagram(Chain("one", [Part("<web>", 0.9)]))) == [(0.5, 0)]
    chains = [Chain(n, [Part(f"{n}1", 0.9), Part(f"{n}2", 0.9)]) for n in "ab"]
    assert len(boxes(block_diagram(Copies("both", chains)))) == 4


def test_an_availability_is_said_with_the_digits_that_matter() -> None:
    said = [share_text(share) for share in (0.0, 0.5, 0.953, 0.9999, 0.99999949, 1.0)]
    assert said == ["0 %", "50 %", "95.3 %", "99.99 %", "99.999949 %", "100 %"]


def test_the_availability_dashboard_can_be_driven() -> None:
    assert drive(availability_dashboard(), values_of_each=6, random_moves=10) == []


def test_the_dashboard_shows_what_two_copies_and_a_tenth_of_shared_causes_give() -> None:
    dashboard = availability_dashboard()
    assert "99.99 % up" in dashboard.live.summary
    dashboard.controls["shared_percent"].value = 10
    assert "99.89 % up" in dashboard.live.summary
    dashboard.controls["needed"].value = 3
    assert "It needs 3 copies and has 2: it is never up" in dashboard.live.summary
    assert dashboard.message == ""
