"""Figures of scaling: what is drawn where, and what they say in words."""

import numpy as np
import pandas as pd
import pytest

from devops_lab.closing import ClosingPlan
from devops_lab.course import data_folder
from devops_lab.figures import summary_of
from devops_lab.scaling import MachineSize, cost_curves, fit_usl
from devops_lab.scaling_figures import (
    capacity_by_machine,
    clicks_by_case,
    cost_of_fleets,
    published_laws,
    throughput_by_workers,
)

PLAN = ClosingPlan()


def recorded(name: str) -> pd.DataFrame:
    return pd.read_csv(data_folder() / "scalability" / name)


def clicks(known: str) -> pd.DataFrame:
    """One click for each letter: y where the shop knew the visitor."""
    rows = [
        {"click": n, "server": f"shop-{2 - n % 2}", "is_known": letter == "y"}
        for n, letter in enumerate(known, 1)
    ]
    return pd.DataFrame(rows)


def test_each_page_has_a_panel_and_the_finding_names_what_helped() -> None:
    table = recorded("made_bigger.csv")
    exact = table.assign(answered_per_s=table["capacity_per_s"])
    figure = capacity_by_machine(exact, predicted_per_s=60)
    bars, crosses = figure.data[::2], figure.data[1::2]
    assert [trace.xaxis for trace in crosses] == ["x", "x2", "x3"]
    assert {trace.marker.symbol for trace in bars} == {"line-ns"}
    title = figure.layout.title.text.replace("<br>", " ")
    assert "login: ×2.0 with twice the CPU" in title
    assert "photo: ×3.1 with twice the memory" in title
    assert "order: ×2.0 with twice the disk" in title
    said = "order: as it is 40, twice the CPU 40, twice the memory 40, twice the disk 80 requests/s"
    assert f"{said}; by the sizes 40, 40, 40, 80." in summary_of(figure)
    assert figure.layout.shapes[0].x0 == 60
    assert figure.layout.shapes[0].xref == "x3"


def test_lost_clicks_have_a_shape_of_their_own_and_the_worst_case_is_the_title() -> None:
    figure = clicks_by_case({"one": clicks("yyyy"), "two": clicks("ynyn")})
    known, lost = figure.data
    assert (known.marker.symbol, lost.marker.symbol) == ("circle", "x")
    assert (list(lost.x), list(lost.y), list(lost.text)) == ([2, 4], ["two"] * 2, ["2", "2"])
    assert figure.layout.title.text == "two: 2 of 4 clicks logged out"
    assert summary_of(figure).startswith("one: 0 of 4 clicks logged out.")


def test_a_shop_that_never_logs_out_can_be_drawn_too() -> None:
    figure = clicks_by_case({"one": clicks("yy")}, predicted=2)
    assert figure.layout.title.text.startswith("one: 0 of 2")
    assert list(figure.data[-1].x) == [1, 2]
    assert figure.data[-1].name == "your prediction"


def test_the_measured_the_fitted_and_the_true_law_can_be_told_apart() -> None:
    runs = recorded("closing.csv")
    fit = fit_usl(runs["workers"].tolist(), runs["orders_per_s"].tolist())
    figure = throughput_by_workers(runs, fit=fit, planned=PLAN.law, predicted_per_s=900)
    looks = {trace.name: (trace.mode, trace.line.dash) for trace in figure.data}
    assert looks["theory"] == ("lines", None)
    assert looks["fitted"][1] == "dash"
    assert looks["if all could be split"][1] == "dot"
    assert looks["measured"][0] == "markers"
    assert "Fitted: serial share 11." in summary_of(figure)
    ideal = figure.data[0]
    assert ideal.y[-1] == pytest.approx(32 * runs.query("workers == 1")["orders_per_s"].mean())


def test_published_systems_are_shown_as_multiples_of_one() -> None:
    names = {"ray_tracer": "a ray tracer", "cisco_router": "a router"}
    figure = published_laws(recorded("published.csv"), names)
    assert len(figure.data) == 4
    assert summary_of(figure) == "a ray tracer: no peak in sight. a router: the peak is at 36."
    for fitted in figure.data[::2]:
        assert fitted.y[0] == pytest.approx(1)


def test_a_kind_of_fleet_that_does_not_exist_has_no_point() -> None:
    sizes = [MachineSize("small", 2, 0.12), MachineSize("large", 8, 0.38)]
    figure = cost_of_fleets(cost_curves([50, 500], 0.05, 0.25, sizes))
    vertical, horizontal, both = figure.data
    assert np.isnan(vertical.y).tolist() == [False, True]
    assert (both.y <= horizontal.y).all()
    assert "Above 50 requests/s no single machine" in figure.layout.title.text
    enough = cost_of_fleets(cost_curves([10, 50], 0.05, 0.25, sizes))
    assert "one machine is enough" in enough.layout.title.text
