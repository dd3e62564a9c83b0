"""The figures and the dashboard of pages that need several servers."""

import re
from collections.abc import Iterator

import pandas as pd
import pytest
from driving import drive

from devops_lab import processes
from devops_lab.families import wait_until
from devops_lab.figures import summary_of
from devops_lab.page_dashboards import (
    ELSEWHERE,
    FROZEN,
    KILLED,
    WELL,
    PageUnderLoad,
    page_under_load,
)
from devops_lab.page_figures import how_requests_ended, latest_pages, whole_pages
from devops_lab.tables import ATTEMPTS, table


def visits(**whole: int) -> pd.DataFrame:
    """Ten visits for each number of servers, so many of them whole."""
    rows = [(int(n[1:]), page, page < good) for n, good in whole.items() for page in range(10)]
    return pd.DataFrame(rows, columns=["servers", "page", "is_whole"])


def attempts(*outcomes: str) -> pd.DataFrame:
    count = len(outcomes)
    times = [float(n) for n in range(count)]
    columns = {
        **{name: [None] * count for name in ("status", "server")},
        **{name: [float("nan")] * count for name in ("wait_s", "service_s")},
        **dict.fromkeys(("intended_s", "start_s", "end_s"), times),
    }
    columns |= {"request": range(count), "attempt": [1] * count, "outcome": list(outcomes)}
    return table({**columns, "latency_s": [0.5] * count}, ATTEMPTS)


def test_whole_pages_lie_beside_the_formula_and_the_prediction() -> None:
    figure = whole_pages(visits(n1=10, n3=8), 0.9, predicted_percent=90)
    assert summary_of(figure) == (
        "Needs 1: 100 % whole, the formula says 90 %. Needs 3: 80 % whole, the formula says 72.9 %."
    )
    assert list(figure.data[0].y) == pytest.approx([90, 81, 72.9])
    assert list(figure.data[1].y) == [100, 80]
    [line] = figure.layout.shapes
    assert (line.y0, line.line.dash) == (90, "dot")


@pytest.mark.parametrize("predicted", [None, 0, 99, 250])
def test_whole_pages_take_any_prediction(predicted: float | None) -> None:
    low, high = whole_pages(visits(n1=9), 0.9, predicted).layout.yaxis.range
    assert 0 <= low < 90
    assert high > 100


def test_requests_that_were_lost_are_told_by_how_they_were_lost() -> None:
    runs = {
        "killed": attempts("ok", "refused", "closed", "failed"),
        "frozen": attempts("ok", "timed_out"),
    }
    figure = how_requests_ended(runs)
    assert figure.layout.title.text == "killed: 3 of 4 lost · frozen: 1 of 2 lost"
    assert "killed: 1 answered, 3 errors at once, 0 without any answer." in summary_of(figure)
    assert "frozen: 1 answered, 0 errors at once, 1 without any answer." in summary_of(figure)


def test_the_legend_keeps_its_order_whatever_the_first_panel_lacks() -> None:
    runs = {"frozen": attempts("ok", "timed_out"), "killed": attempts("ok", "refused")}
    named = [trace for trace in how_requests_ended(runs).data if trace.showlegend]
    words = [trace.name for trace in sorted(named, key=lambda trace: trace.legendrank)]
    assert words == ["answered", "an error, at once", "silence, given up"]


@pytest.fixture
def dashboard() -> Iterator[PageUnderLoad]:
    yield page_under_load()
    processes.stop_all()


def test_the_page_dashboard_can_be_driven_at_rest_and_while_it_runs(
    dashboard: PageUnderLoad,
) -> None:
    assert drive(dashboard) == []
    assert processes.running() == []
    dashboard.button.click()
    assert dashboard.is_running
    for moves in (
        {"servers": 5, "failing": 20},
        {"heavy": 20, "pages_per_s": 40},
        {"reports": ELSEWHERE},
        {"menu_server": KILLED},
        {"menu_server": FROZEN, "failing": 0},
        {"pages_per_s": 0},
    ):
        for name, value in moves.items():
            dashboard.controls[name].value = value
            assert dashboard.message == ""
    dashboard.button.click()
    assert not dashboard.is_running
    assert processes.running() == []


def pages(dashboard: PageUnderLoad) -> tuple[int, int]:
    """How many pages the figure counts as whole, and of how many."""
    found = re.match(r"(\d+) of (\d+) pages whole", dashboard.live.summary)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def test_the_page_dashboard_counts_whole_pages_beside_the_formula(
    dashboard: PageUnderLoad,
) -> None:
    dashboard.controls["failing"].value = 20
    dashboard.button.click()
    assert wait_until(lambda: "(the formula says 51.2 %)" in dashboard.live.summary, within_s=20)
    assert wait_until(lambda: 10 < pages(dashboard)[1] > pages(dashboard)[0], within_s=30)
    # Those that were broken before do not count for servers that never fail.
    dashboard.controls["failing"].value = 0
    assert wait_until(lambda: "(the formula says 100 %)" in dashboard.live.summary, within_s=20)
    assert wait_until(lambda: pages(dashboard)[1] > 5, within_s=20)
    whole, ended = pages(dashboard)
    assert whole == ended
    assert dashboard.message == ""


def test_without_the_menu_no_page_is_whole_and_once_it_is_healed_all_are(
    dashboard: PageUnderLoad,
) -> None:
    dashboard.controls["failing"].value = 0
    dashboard.button.click()
    for state, whole_percent in ((KILLED, 0), (FROZEN, 0), (WELL, 100)):
        dashboard.controls["menu_server"].value = state
        assert wait_until(lambda: pages(dashboard)[1] > 3, within_s=30)
        assert f"(the formula says {whole_percent} %)" in dashboard.live.summary
        whole, ended = pages(dashboard)
        assert whole == ended * whole_percent / 100
        assert dashboard.message == ""
    dashboard.controls["menu_server"].value = FROZEN
    dashboard.button.click()
    assert processes.running() == []


def test_a_report_that_was_given_up_does_not_look_made() -> None:
    reports = attempts("ok", "timed_out", "closed").assign(age_s=1.0)
    figure = latest_pages(attempts().assign(age_s=1.0), reports, 20.0, 1.0)
    counts = {trace.name: (len(trace.x), trace.marker.symbol) for trace in figure.data}
    assert counts["a heavy report"] == (1, "diamond")
    assert counts["a heavy report, given up"] == (2, "diamond-open")


def test_a_page_dashboard_whose_servers_die_says_so_and_can_be_started_again(
    dashboard: PageUnderLoad,
) -> None:
    dashboard.button.click()
    menu = next(program for program in processes.running() if program.name == "menu")
    menu.kill()
    assert wait_until(lambda: " 0 of " in f" {dashboard.live.summary}", within_s=30) or (
        dashboard.message
    )
    dashboard.button.click()
    assert processes.running() == []
    dashboard.button.click()
    assert dashboard.message == ""
    assert dashboard.is_running
