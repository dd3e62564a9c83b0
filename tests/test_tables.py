"""The tables: what their columns promise, and numbers that can be checked by hand."""

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.tables import (
    ACCESS_LOG,
    ATTEMPTS,
    EVENTS,
    REQUESTS,
    Schema,
    from_json_lines,
    requests,
    summarise,
    table,
)

SCHEMAS = {"ACCESS_LOG": ACCESS_LOG, "ATTEMPTS": ATTEMPTS, "EVENTS": EVENTS, "REQUESTS": REQUESTS}


def attempts(*rows: tuple[int, int, float, float, float, str]) -> pd.DataFrame:
    """Attempts from request, attempt, intended start, start, end and outcome."""
    names = ("request", "attempt", "intended_s", "start_s", "end_s", "outcome")
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    latency_s = [row[4] - row[2] for row in rows]
    unseen = {name: [None] * len(rows) for name in ("status", "server", "wait_s", "service_s")}
    return table(columns | unseen | {"latency_s": latency_s}, ATTEMPTS)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_column_in_seconds_says_so_in_its_name_and_every_column_has_a_meaning(
    schema: Schema,
) -> None:
    for name, column in schema.items():
        assert name.endswith("_s") == (column.unit == "s"), name
        assert column.meaning
        assert pd.Series([], dtype=column.dtype).empty


def test_a_table_has_the_columns_of_its_schema_in_order_also_without_rows() -> None:
    empty = attempts()
    assert list(empty) == list(ATTEMPTS)
    assert {name: str(dtype) for name, dtype in empty.dtypes.items()} == {
        name: column.dtype for name, column in ATTEMPTS.items()
    }


def test_what_was_not_seen_is_missing() -> None:
    lost = attempts((0, 1, 0.0, 0.0, 0.1, "refused"))
    assert lost[["status", "server", "wait_s", "service_s"]].isna().all(axis=None)


def test_lines_of_json_become_rows() -> None:
    row = dict.fromkeys(ACCESS_LOG) | {"time": "2030-01-01T00:00:00.5Z", "status": 200}
    text = "".join(f"{json.dumps(row | {'path': path})}\n" for path in ("/a\n", "/b"))
    read = from_json_lines(text, ACCESS_LOG)
    assert read["path"].tolist() == ["/a\n", "/b"]
    assert read["time"][0] == pd.Timestamp("2030-01-01 00:00:00.5", tz="UTC")
    assert len(from_json_lines("", ACCESS_LOG)) == 0


def test_the_latency_of_a_request_counts_from_its_first_intended_start_to_its_last_end() -> None:
    tried = attempts(
        (1, 1, 1.0, 1.25, 1.5, "ok"),
        (0, 2, 2.0, 2.0, 3.0, "ok"),
        (0, 1, 0.5, 0.5, 2.0, "timed_out"),
    )
    made = requests(tried)
    assert made["request"].tolist() == [0, 1]
    assert made["arrival_s"].tolist() == [0.5, 1.0]
    assert made["latency_s"].tolist() == [2.5, 0.5]
    assert made["lateness_s"].tolist() == [0.0, 0.25]
    assert made["attempts"].tolist() == [2, 1]
    assert made["outcome"].tolist() == ["ok", "ok"]


def test_the_answered_try_decides_and_not_a_later_copy_that_was_withdrawn() -> None:
    hedged = attempts((0, 1, 0.0, 0.1, 0.5, "ok"), (0, 2, 0.3, 0.3, 0.5, "withdrawn"))
    made = requests(hedged).iloc[0]
    assert (made.outcome, made.attempts, made.latency_s) == ("ok", 2, 0.5)
    assert made.lateness_s == pytest.approx(0.1)


@pytest.mark.parametrize("tries", [(0, 1), (0, 0, 1)])
def test_who_writes_into_one_table_does_not_change_the_other(tries: tuple[int, ...]) -> None:
    rows = [(request, number, 0.0, 0.0, 1.0, "ok") for number, request in enumerate(tries, 1)]
    tried = attempts(*rows)
    made, before = requests(tried), tried.copy()
    made.loc[0, ["end_s", "latency_s", "outcome"]] = [9.0, 9.0, "failed"]
    assert tried.equals(before)
    made = requests(tried)
    tried.loc[0, ["intended_s", "start_s", "end_s"]] = 9.0
    assert made.equals(requests(before))


def test_the_summary_can_be_checked_by_hand() -> None:
    ends = [(n, 1, float(n), float(n), n + 0.1 * (n + 1), "ok") for n in range(4)]
    failed = (4, 1, 4.0, 4.0, 5.0, "failed")
    row = summarise(requests(attempts(*ends, failed))).iloc[0]
    assert row.requests == 5
    assert row.throughput_per_s == pytest.approx(1.0)
    assert row.error_share == pytest.approx(0.2)
    assert row.latency_mean_s == pytest.approx(0.25)
    assert row.latency_p50_s == pytest.approx(0.25)
    assert row.latency_p95_s == pytest.approx(0.385)
    assert row.lateness_p99_s == 0.0


def test_a_summary_of_nothing_has_no_numbers_and_raises_nothing() -> None:
    row = summarise(requests(attempts())).iloc[0]
    assert row.requests == 0
    assert row.drop("requests").isna().all()
    refused = summarise(requests(attempts((0, 1, 0.0, 0.0, 0.0, "refused")))).iloc[0]
    assert refused.error_share == 1.0
    assert pd.isna(refused.latency_mean_s)


@given(st.data())
def test_the_order_of_the_rows_changes_nothing(data: st.DataObject) -> None:
    time_s = st.floats(0.001, 100)
    outcome = st.sampled_from(["ok", "failed", "closed"])
    rows = [
        (request, attempt, *data.draw(st.tuples(time_s, time_s, time_s, outcome)))
        for request in range(data.draw(st.integers(1, 8)))
        for attempt in range(1, data.draw(st.integers(1, 3)) + 1)
    ]
    in_order = requests(attempts(*rows))
    shuffled = requests(attempts(*data.draw(st.permutations(rows))))
    pd.testing.assert_frame_equal(in_order, shuffled)
    assert in_order["attempts"].sum() == len(rows)
    summary = summarise(in_order).iloc[0]
    assert 0 <= summary.error_share <= 1
    if summary.error_share < 1:
        assert summary.latency_p50_s <= summary.latency_p95_s <= summary.latency_p99_s
