"""Reading what servers say of themselves: the text of `/metrics` as a table of samples.

>>> text = 'jobs_total{kind="cake"} 3\\nthis is no sample\\n'
>>> table = samples_of(text, at="2026-03-02 09:00", server="server-1")
>>> table[["metric", "labels", "value"]].values.tolist()
[['jobs_total', 'kind="cake",server="server-1"', 3.0]]
>>> table.attrs["notes"]
['Line 2 is no sample and was left out: this is no sample']

Prometheus asks its targets in the same way, and calls it to scrape.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from devops_lab.labels import as_text
from devops_lab.tables import SERIES, table
from devops_lab.translation import _

LONGEST_SHOWN = 60
# What the parser raises for a line that is no sample; an IndexError for "{, =-1".
UNREADABLE = (ValueError, IndexError)


def samples_of(text: str, at: Any, **labels: str) -> pd.DataFrame:
    """The samples of an exposition, a table of `tables.SERIES`, with these labels added to all.

    A sample without a time of its own was taken `at`. A line that cannot be read is left out, and
    `attrs["notes"]` says which; of a series that comes twice, the last counts. NaN and infinite
    values are samples like others.
    """
    samples, notes = _read(text)
    rows = pd.DataFrame(
        {
            "time": [_time(sample, at) for sample in samples],
            "metric": [sample.name for sample in samples],
            "labels": [as_text(sample.labels | labels) for sample in samples],
            "value": [float(sample.value) for sample in samples],
        }
    ).drop_duplicates(["time", "metric", "labels"], keep="last", ignore_index=True)
    made = table(rows, SERIES)
    made.attrs["notes"] = notes
    return made


def _read(text: str) -> tuple[list[Sample], list[str]]:
    try:
        return _samples(text), []
    except UNREADABLE:
        lines = list(_line_by_line(text))
    kept = "\n".join(line for _number, line, reads in lines if reads) + "\n"
    bad = _("Line {number} is no sample and was left out: {line}")
    notes = [
        bad.format(number=number, line=line[:LONGEST_SHOWN])
        for number, line, reads in lines
        if not reads
    ]
    return _samples(kept), notes


def _line_by_line(text: str) -> Iterator[tuple[int, str, bool]]:
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            _samples(line + "\n")
        except UNREADABLE:
            yield number, line, False
        else:
            yield number, line, True


def _samples(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def _time(sample: Sample, at: Any) -> pd.Timestamp:
    if sample.timestamp is None:
        return pd.Timestamp(at)
    return pd.Timestamp(float(sample.timestamp), unit="s")
