"""What servers say of themselves becomes samples; what is no sample is left out and told."""

import math

import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st
from truth import expected, truth

from devops_lab.labels import as_labels, as_text
from devops_lab.scrape import samples_of
from devops_lab.servers import Server
from devops_lab.tables import SERIES
from devops_lab.timeseries import histogram_quantile, pick

NOON = pd.Timestamp("2026-03-02 12:00")


@truth("expo-commas", "expo-comments", "expo-histogram")
def test_an_exposition_is_read_as_published(case) -> None:
    samples = samples_of(case["inputs"]["text"], at=NOON)
    read = [[row.metric, as_labels(row.labels), row.value, None] for row in samples.itertuples()]
    assert read == expected(case)["samples"]
    assert samples.attrs["notes"] == []


def test_a_real_server_is_read_whole() -> None:
    with Server() as server:
        server.get("/")
        server.get("/no-such-page")
        samples = samples_of(server.metrics(), at=NOON, server="server-1")
    assert list(samples.columns) == list(SERIES)
    assert pick(samples, "http_requests_total", status="404").tolist() == [1]
    everything = pick(samples, "http_request_duration_seconds_bucket", le="+Inf")
    assert everything.tolist() == pick(samples, "http_request_duration_seconds_count").tolist()
    assert samples.attrs["notes"] == []


def test_bad_lines_are_left_out_and_the_rest_goes_on() -> None:
    text = 'a 1\nb{c="d} 2\n<html>\ne three\nf NaN\ng +Inf\n'
    samples = samples_of(text, at=NOON)
    assert samples.metric.tolist() == ["a", "f", "g"]
    assert math.isnan(samples.value[1])
    assert samples.value[2] == math.inf
    assert [note.split(" is ")[0] for note in samples.attrs["notes"]] == [
        "Line 2",
        "Line 3",
        "Line 4",
    ]


def test_a_series_that_comes_twice_counts_once() -> None:
    samples = samples_of("a 1\na 2\n", at=NOON)
    assert samples.value.tolist() == [2]


def test_a_sample_may_bring_its_own_time() -> None:
    samples = samples_of("a 1 1772452800000\nb 2\n", at=NOON)
    assert samples.time.tolist() == [NOON, NOON]
    assert samples_of("a 1 1772452800000\n", at=NOON + pd.Timedelta("1h")).time[0] == NOON


def test_no_text_is_a_table_without_rows() -> None:
    assert list(samples_of("", at=NOON).columns) == list(SERIES)


@given(st.dictionaries(st.from_regex(r"[a-z_]\w{0,5}", fullmatch=True), st.text()))
def test_labels_come_back_as_they_were(labels: dict[str, str]) -> None:
    assert as_labels(as_text(labels)) == labels


SIGNS = st.sampled_from(
    [*'a{}=",# \n\\', "le", "NaN", "+Inf", "1", "_bucket", "# TYPE a histogram"]
)


@example("{, =-1")
@given(st.lists(SIGNS, max_size=20).map("".join))
def test_no_text_stops_a_scrape_and_what_can_be_read_beside_it_is_read(text: str) -> None:
    samples = samples_of(f"before 1\n{text}\nafter 2\n", at=NOON)
    assert {"before", "after"} <= set(samples.metric)


def test_buckets_out_of_order_are_read_in_order_and_none_shrinks() -> None:
    text = (
        'wait_bucket{le="+Inf"} 10\nwait_bucket{le="0.2"} 7\n'
        'wait_bucket{le="0.1"} 4\nwait_bucket{le="0.5"} 6\n'
    )
    samples = samples_of(text, at=NOON)
    buckets = {
        float(as_labels(row.labels)["le"]): row.value for row in samples.itertuples(index=False)
    }
    # At 0.5 there are at least the 7 that are at 0.2 already.
    in_order = {0.1: 4, 0.2: 7, 0.5: 7, math.inf: 10}
    for q in (0.1, 0.5, 0.9):
        assert histogram_quantile(q, buckets) == histogram_quantile(q, in_order)
