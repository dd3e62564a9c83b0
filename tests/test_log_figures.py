"""The figures of logs say who has the errors, where a request was, and what a sample hides."""

import pandas as pd
import pytest

from devops_lab.figures import summary_of
from devops_lab.log_figures import (
    errors_by_customer,
    waterfall,
    what_a_sample_hides,
    where_errors_begin,
)
from devops_lab.logs import spans
from devops_lab.tables import ACCESS_LOG, table


def lines(*seen: tuple[str, int, int, int, int, str | None]) -> pd.DataFrame:
    """Lines of one request: server, arrival, wait and service in ms, status, error."""
    server, arrival_ms, wait_ms, service_ms, status, error = zip(*seen, strict=True)
    columns = {
        "time": pd.Timestamp("2026-03-02 09:00", tz="UTC") + pd.to_timedelta(arrival_ms, "ms"),
        "request_id": ["r1"] * len(seen),
        "server": server,
        "status": status,
        "wait_s": [ms / 1000 for ms in wait_ms],
        "service_s": [ms / 1000 for ms in service_ms],
        "error": error,
    }
    rest = {"method": "GET", "path": "/work", "bytes": 100}
    return table(columns | {name: [rest[name]] * len(seen) for name in rest}, ACCESS_LOG)


TWO_TRIES = lines(
    ("shop", 0, 0, 300, 200, None),
    ("orders", 10, 20, 260, 200, None),
    ("database", 40, 0, 100, 500, "chosen by error_share"),
    ("database", 150, 30, 90, 200, None),
)


def test_own_time_is_what_is_left_without_the_servers_that_were_asked() -> None:
    seen = spans(TWO_TRIES.sample(frac=1, random_state=1))
    assert seen["asked_by"].tolist()[1:] == [0, 1, 1]
    assert (1000 * seen["own_s"]).tolist() == pytest.approx([20, 60, 100, 120])
    assert seen["own_s"].sum() == pytest.approx(seen["end_s"].max())


def test_who_outlasts_the_server_that_asked_takes_only_the_time_that_it_waited() -> None:
    given_up = lines(("shop", 0, 0, 100, 504, "timed out"), ("database", 20, 0, 500, 200, None))
    assert (1000 * spans(given_up)["own_s"]).tolist() == pytest.approx([20, 500])


def test_the_waterfall_has_a_row_for_each_try_and_says_whose_the_time_is() -> None:
    figure = waterfall(TWO_TRIES)
    assert figure.layout.title.text == "Of 300 ms, 120 were spent in database itself"
    rows = {row for trace in figure.data for row in trace.y}
    assert rows == {"shop", "orders", "database", "database, asked again (2)"}
    pieces = {trace.name: sum(trace.x) for trace in figure.data if trace.type == "bar"}
    assert pieces == pytest.approx(
        {
            "in the queue": 50,
            "works on it": 650,
            "works on it, and ends with an error": 100,
            "waits for the server it asked": 280 + 100 + 120,
        }
    )


def test_a_waterfall_is_of_one_request() -> None:
    other = TWO_TRIES.assign(request_id="r2")
    for of in (TWO_TRIES[:0], pd.concat([TWO_TRIES, other])):
        with pytest.raises(ValueError, match="A waterfall shows one request"):
            waterfall(of)


def test_the_customer_with_the_highest_share_is_named_and_not_the_one_with_most_errors() -> None:
    customers = pd.DataFrame(
        {"user": ["busy", "one", "glad"], "requests": [900, 5, 95], "failed": [9, 5, 0]}
    )
    figure = errors_by_customer(customers, predicted_percent=3)
    assert figure.layout.title.text == "1.4 % of all requests failed. Of those of one: 100 %"
    points = {trace.name: [*trace.y] for trace in figure.data}
    assert points == {"customers without an error": [0], "customers with errors": [1, 100]}
    assert figure.layout.shapes[0].y0 == 3


def test_an_error_is_counted_where_it_began() -> None:
    seen = lines(
        ("shop", 0, 0, 30, 502, "the layer below: 502"),
        ("orders", 1, 0, 28, 502, "the layer below: 500"),
        ("database", 2, 0, 26, 500, "chosen by error_share"),
        ("shop", 90, 0, 5, 200, None),
    )
    figure = where_errors_begin(seen, ["shop", "orders", "database"], 10)
    assert summary_of(figure) == "4 lines in 10 s; errors that began there: 1 in database"
    counts = [[*trace.x] for trace in figure.data]
    assert counts == [[1, 0, 0], [0, 0, 1], [1, 1, 0]]
    assert summary_of(where_errors_begin(seen[:0], ["shop"], 10)) == "No lines yet."
    assert "no error" in summary_of(where_errors_begin(seen[3:], ["shop"], 10))


def test_a_sample_costs_its_share_and_hides_the_rest() -> None:
    figure = what_a_sample_hides(0.01, 100, 10_000)
    (at,) = figure.data[1].y
    assert at == pytest.approx(100 * (1 - (1 - 1e-6) ** 360_000))
    # 100 requests/s x 1 % x 250 bytes x 30 days, at 700 won.
    assert figure.layout.title.text.startswith("1 % kept: 0.65 GB, 454 won a month")
    everything = what_a_sample_hides(0.01, 100, 10_000, all_errors=True)
    assert everything.data[1].y[0] == pytest.approx(100)
    # One request in 10,000 more, of the 99 % that were not kept.
    assert f"{700 * 64.8 * (0.01 + 0.99 / 10_000):,.0f} won" in everything.layout.title.text
