"""Figures of messages: what they say in words, and what is drawn."""

import math

import pandas as pd
import plotly.graph_objects as go
import pytest
from driving import drive

from devops_lab import processes
from devops_lab.families import wait_until
from devops_lab.figures import summary_of
from devops_lab.message_dashboards import ShiftDashboard, shift_dashboard
from devops_lab.message_figures import (
    Span,
    order_lives,
    spans,
    times_paid_by_order,
    who_did_what,
    wrong_against_loss,
)
from devops_lab.shifts import Shift, both_promises, simulate_shift, times_paid
from devops_lab.tables import EVENTS, table


def events(*rows: tuple[float, str | None, str | None, str]) -> pd.DataFrame:
    """Events from time, job, worker and what; a second delivery where a job was started before."""
    begun: dict[str, int] = {}
    deliveries = []
    for _time_s, job, worker, what in rows:
        if what == "started":
            begun[job] = begun.get(job, 0) + 1
        deliveries.append(begun.get(job) if worker and job else None)
    columns = dict(zip(EVENTS, zip(*rows, strict=True), strict=False))
    return table(columns | {"delivery": deliveries, "detail": [None] * len(rows)}, EVENTS)


KILLED = events(
    (1.0, "order 1", None, "sent"),
    (1.5, "order 1", "a", "started"),
    (1.6, "order 1", "a", "paid"),
    (1.6, None, "a", "killed"),
    (2.0, "order 1", "b", "started"),
    (2.1, "order 1", "b", "paid"),
    (2.5, "order 1", "b", "done"),
)


def names(figure: go.Figure) -> list[str]:
    return [trace.name for trace in figure.data]


def test_work_lasts_to_its_end_or_to_that_of_its_worker() -> None:
    assert spans(KILLED) == [
        Span("order 1", "a", 1, 1.5, 1.6, is_whole=False),
        Span("order 1", "b", 2, 2.0, 2.5, is_whole=True),
    ]


def test_a_killed_worker_and_a_second_payment_are_told_and_drawn() -> None:
    figure = who_did_what(KILLED)
    assert figure.layout.title.text == "1 of 1 orders paid more than once"
    assert summary_of(figure) == (
        "1 of 1 orders paid more than once. Worker a was killed at 0.6 s."
    )
    assert names(figure) == ["killed", "work", "delivered again", "paid", "paid again"]
    assert list(figure.layout.yaxis.ticktext) == ["worker a", "worker b"]
    [again] = [trace for trace in figure.data if trace.name == "paid again"]
    # Times count from the first message.
    assert (list(again.x), list(again.y)) == ([pytest.approx(1.1)], [1])


def test_a_frozen_broker_has_a_line_of_its_own() -> None:
    frozen = events(
        (0.0, "order 1", None, "sent"),
        (0.5, None, "broker", "frozen"),
        (1.5, None, "broker", "resumed"),
        (1.6, "order 1", "a", "started"),
        (1.7, "order 1", "a", "paid"),
        (1.8, "order 1", "a", "done"),
    )
    figure = who_did_what(frozen)
    assert list(figure.layout.yaxis.ticktext) == ["broker", "worker a"]
    [bar] = [trace for trace in figure.data if trace.name == "frozen"]
    assert (bar.base[0], bar.x[0]) == (0.5, 1.0)
    assert "1 order, paid once." in summary_of(figure)
    assert "Broker ran on at 1.5 s." in summary_of(figure)


def test_a_price_on_the_board_is_told_by_its_writers() -> None:
    written = events(
        (0.0, "milk loaf", None, "sent"),
        (0.1, "milk loaf", "a", "started"),
        (0.2, "milk loaf", "a", "written"),
        (0.3, "milk loaf", "a", "done"),
    ).assign(detail=[None, None, "5600", None])
    figure = who_did_what(written, "The board says 5600")
    assert figure.layout.title.text == "The board says 5600"
    assert summary_of(figure) == "Worker a wrote 5600."
    refused = who_did_what(written.replace({"what": {"written": "refused"}}))
    assert summary_of(refused) == "Worker a was refused with 5600."


def test_each_run_of_a_shift_has_its_panel_and_each_order_its_line() -> None:
    shift = Shift(orders=20, loss_share=0.2)
    run = simulate_shift(shift)
    one, two = order_lives({"simulated": run}), order_lives({"simulated": run, "real": run})
    assert summary_of(one) == "2 of 20 orders paid more than once"
    assert summary_of(two) == (
        "simulated: 2 of 20 orders paid more than once; real: 2 of 20 orders paid more than once"
    )
    assert len(two.data) == 2 * len(one.data)
    # A kind of mark stands in the legend once.
    shown = [trace.name for trace in two.data if trace.showlegend]
    assert sorted(shown) == sorted(set(shown))
    low, high = one.layout.yaxis.range
    assert low > 20 > 1 > high


def test_orders_are_told_by_how_often_they_were_paid() -> None:
    times = pd.Series([1, 0, 2, 1], index=[f"order {n}" for n in range(1, 5)])
    figure = times_paid_by_order({"first work": times, "first acknowledge": times * 0}, 3)
    assert summary_of(figure) == (
        "first work: 1 of 4 orders never paid, 1 paid more than once; "
        "first acknowledge: 4 of 4 orders never paid"
    )
    assert names(figure) == ["once", "never", "more than once", "never"]
    assert [list(trace.x) for trace in figure.data] == [[1, 4], [2], [3], [1, 2, 3, 4]]
    assert {line.y0 for line in figure.layout.shapes} == {3}
    assert figure.layout.yaxis.range[1] > 3


@pytest.mark.parametrize("count", [0, 1])
def test_a_shift_without_a_payment_is_drawn_too(count: int) -> None:
    sent = [(0.0, f"order {number}", None, "sent") for number in range(2)]
    run = events(*sent, *[(0.5, "order 0", "a", "started")] * count)
    assert "2 of 2 orders never paid" in summary_of(order_lives({"run": run}))
    assert "2 of 2 orders never paid" in summary_of(who_did_what(run))
    assert "never paid" in summary_of(times_paid_by_order({"run": times_paid(run)}))


def test_what_goes_wrong_lies_beside_the_formula() -> None:
    simulated = both_promises(simulate_shift, Shift(orders=50), [0.1, 0.3])
    figure = wrong_against_loss(simulated, simulated)
    lines = [trace for trace in figure.data if trace.name == "theory"]
    assert len(lines) == 2
    for line in lines:
        assert list(line.x) == list(line.y) == pytest.approx([10, 30])
    assert "where 30 % of the messages are lost" in summary_of(figure)


def test_the_dashboard_can_be_driven_and_follows_its_controls() -> None:
    dashboard = shift_dashboard()
    assert drive(dashboard) == []
    dashboard.controls["promise"].value = "at most once"
    dashboard.controls["loss_percent"].value = 30
    assert "never paid" in dashboard.live.summary
    dashboard.controls["lease_ms"].value = 700
    assert "the lease of 700 ms is never needed" in dashboard.state.value
    dashboard.controls["promise"].value = "at least once, but paid once"
    assert dashboard.live.summary == "20 orders, each paid once"


def test_the_dashboards_button_plays_the_shift_with_real_processes() -> None:
    dashboard = ShiftDashboard()
    dashboard.controls["promise"].value = "at least once, but paid once"
    dashboard.controls["loss_percent"].value = 0
    dashboard.button.click()
    assert dashboard.button.disabled
    told = "simulated: 20 orders, each paid once; real processes: 20 orders, each paid once"
    assert wait_until(lambda: dashboard.live.summary == told, within_s=60), dashboard.message
    assert not dashboard.button.disabled
    assert processes.running() == []
    # Other settings have not been played yet.
    dashboard.controls["workers"].value = 1
    assert dashboard.live.summary == "20 orders, each paid once"


def test_a_run_that_fails_says_so_and_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard = ShiftDashboard()
    monkeypatch.setattr("devops_lab.message_dashboards.measure_shift", _no_room)
    dashboard.button.click()
    assert wait_until(lambda: "OSError: no room" in dashboard.message, within_s=20)
    assert wait_until(lambda: not dashboard.button.disabled, within_s=20)


def _no_room(*_: object, **__: object) -> None:
    raise OSError("no room")


def test_no_number_of_a_figure_is_infinite() -> None:
    for trace in who_did_what(KILLED).data:
        assert all(math.isfinite(x) for x in trace.x if x is not None)
