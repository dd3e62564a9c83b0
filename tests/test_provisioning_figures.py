"""What the figures of provisioning say."""

import pandas as pd

from devops_lab.figures import summary_of
from devops_lab.provisioning_figures import dependencies, prepared_or_on_demand
from devops_lab.provisioning_plans import NEEDS, PLANNED, as_table

SHOP = as_table(
    [("front", "web"), ("shop", "front"), ("web", None), ("hana", None)],
    NEEDS,
)


def test_who_is_needed_stands_left_of_who_needs_it() -> None:
    figure = dependencies(SHOP)
    (points,) = figure.data
    step = dict(zip(points.text, points.x, strict=True))
    assert step == {"web": 1, "hana": 1, "front": 2, "shop": 3}
    assert len(figure.layout.annotations) == 2
    assert "front needs web." in summary_of(figure)
    assert "hana needs nobody." in summary_of(figure)


def test_the_figure_shows_what_is_planned_for_the_most_serious_of_many() -> None:
    planned = as_table(
        [("web[0]", "update", ""), ("web[1]", "replace", ""), ("front", "update", "")], PLANNED
    )
    names = {trace.name: [*trace.text] for trace in dependencies(SHOP, planned).data}
    assert names["to replace"] == ["web"]
    assert names["to change"] == ["front"]
    assert set(names["as the text says"]) == {"hana", "shop"}


def test_the_title_says_how_many_prepared_are_enough() -> None:
    figure = prepared_or_on_demand(0.5, 2.0)
    assert "With 5 prepared, 99.6 % find one" in figure.layout.title.text.replace("<br>", " ")
    assert pd.Series(figure.data[0].y).is_monotonic_decreasing
