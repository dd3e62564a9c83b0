"""The lines that servers write of their requests, asked with SQL where they lie.

    logs = Logs(shop.log_file, warehouse.log_file)
    logs.sql("SELECT status, count(*) AS requests FROM lines GROUP BY status")
    logs.of_request("1f3a")

A line is one JSON object with the columns of `tables.ACCESS_LOG`, or of another schema. DuckDB
reads the files anew for each question, so the answer has what was written a moment ago, and nothing
is copied.
"""

import contextlib
import math
import os
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd

from devops_lab.keyed_hash import place_of
from devops_lab.rules import number, share, whole
from devops_lab.tables import ACCESS_LOG, Schema, table
from devops_lab.translation import _

# In the files every time is UTC; DuckDB needs more than it brings along to say so.
SQL_TYPES = {
    "string": "TEXT",
    "Int64": "BIGINT",
    "float64": "DOUBLE",
    "datetime64[us, UTC]": "TIMESTAMP",
}


class QueryError(Exception):
    """A question that cannot be answered as it was asked; the message says why."""


class Logs:
    """Files of log lines; one that is not there, or not any more, has none.

    A line that is no such JSON, or is longer than 16 MB, is skipped: `broken` counts them.
    """

    def __init__(self, *files: str | Path, schema: Schema = ACCESS_LOG) -> None:
        self.files = [Path(file) for file in files]
        self.schema = schema
        self._types = {name: SQL_TYPES[column.dtype] for name, column in schema.items()}
        self._database = duckdb.connect(":memory:", config={"threads": 1})

    def sql(self, query: str, **parameters: object) -> pd.DataFrame:
        """What a query of the table `lines` finds. Times are UTC; `$name` is a parameter.

        Raises `QueryError` where it cannot be understood.

        >>> Logs("not-written-yet.jsonl").sql("SELECT count(*) AS requests FROM lines")
           requests
        0         0
        """
        try:
            return self._answer(query, parameters)
        except duckdb.IOException:
            # A file has gone between two looks; what is left is asked.
            return self._answer(query, parameters)
        except duckdb.Error as error:
            text = _("{reason} The table is called lines; its columns are {columns}.")
            # The first line says it; the others list what it might have been.
            reason = str(error).splitlines()[0].rstrip(".") + "."
            raise QueryError(text.format(reason=reason, columns=", ".join(self.schema))) from None

    def lines(self) -> pd.DataFrame:
        """All lines in the order of time: a table of `tables.ACCESS_LOG`."""
        return self._as_table(self.sql("SELECT * FROM lines ORDER BY time"))

    def of_request(self, request_id: str) -> pd.DataFrame:
        """The lines about one request, of each server that had to do with it, in the order of
        time: a table of `tables.ACCESS_LOG`.

        Raises `LookupError` where no line is about it.
        """
        query = "SELECT * FROM lines WHERE request_id = $request_id ORDER BY time"
        found = self._as_table(self.sql(query, request_id=request_id))
        if found.empty:
            text = _(
                "No line is about the request {request_id}. Was it copied whole? A server writes "
                "its lines up to 50 ms after the answer."
            )
            raise LookupError(text.format(request_id=repr(request_id)))
        return found

    def broken(self) -> int:
        """How many lines are no JSON object with a request's id."""
        query = f"SELECT count(*) FROM ({self._read()}) WHERE request_id IS NULL"
        return int(self._database.execute(query).fetchone()[0])

    def _answer(self, query: str, parameters: Mapping[str, object]) -> pd.DataFrame:
        self._database.execute(
            f"CREATE OR REPLACE TEMP VIEW lines AS {self._read()} WHERE request_id IS NOT NULL"
        )
        return self._database.execute(query, parameters).df()

    def _read(self) -> str:
        there = [str(file).replace("'", "''") for file in self.files if file.exists()]
        if not there:
            nothing = (f'NULL::{kind} AS "{name}"' for name, kind in self._types.items())
            return f"SELECT * FROM (SELECT {', '.join(nothing)} LIMIT 0)"
        names = ", ".join(f"'{name}'" for name in there)
        columns = ", ".join(f"\"{name}\": '{kind}'" for name, kind in self._types.items())
        options = "format='newline_delimited', ignore_errors=true"
        return f"SELECT * FROM read_json([{names}], {options}, columns={{{columns}}})"

    def _as_table(self, found: pd.DataFrame) -> pd.DataFrame:
        return table(found.assign(time=found["time"].dt.tz_localize("UTC")), self.schema)


class Tail:
    """The lines that have come into the files since one looked last.

    A file that is gone has none; one that has become shorter was begun anew, and is read from its
    first line.
    """

    def __init__(self, *files: str | Path) -> None:
        self._read_bytes = {Path(file): 0 for file in files}

    def new_lines(self) -> list[str]:
        """The new lines, of whole files one after the other; a line half written comes later."""
        return [line for file in self._read_bytes for line in self._new_lines_of(file)]

    def _new_lines_of(self, file: Path) -> list[str]:
        whole = b""
        with contextlib.suppress(FileNotFoundError), file.open("rb") as opened:
            if opened.seek(0, os.SEEK_END) < self._read_bytes[file]:
                self._read_bytes[file] = 0
            opened.seek(self._read_bytes[file])
            whole, _newline, _rest = opened.read().rpartition(b"\n")
        if not whole:
            return []
        self._read_bytes[file] += len(whole) + 1
        return whole.decode(errors="replace").split("\n")


def spans(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of one request with `start_s` and `end_s` since its first arrival, `asked_by`, the
    row of the server that asked (missing for the first), and `own_s`: how long a server had it
    without waiting for a server that it had asked.

    In the order of time. Who arrives while another server has the request was asked by that one;
    this holds for servers that ask one after the other, and whose clocks agree.
    """
    lines = lines.sort_values("time", kind="stable", ignore_index=True)
    start_s = (lines["time"] - lines["time"].min()).dt.total_seconds()
    end_s = start_s + lines["wait_s"] + lines["service_s"]
    own_s, asked_by = (end_s - start_s).tolist(), [None] * len(lines)
    for row in range(1, len(lines)):
        asking = [above for above in range(row) if end_s[above] > start_s[row]]
        if asking:
            asked_by[row] = asking[-1]
            own_s[asking[-1]] -= min(end_s[row], end_s[asking[-1]]) - start_s[row]
    asked_by = pd.array(asked_by, "Int64")
    return lines.assign(start_s=start_s, end_s=end_s, asked_by=asked_by, own_s=own_s)


def sampled(lines: pd.DataFrame, kept_share: float, *, all_errors: bool = False) -> pd.DataFrame:
    """A share of the requests, with all lines of each; `all_errors` keeps every failed one too.

    The request's id decides, so that every server keeps the same requests without asking another.

    >>> lines = pd.DataFrame({"request_id": ["a", "b", "b", "c"], "status": [200, 200, 200, 500]})
    >>> sampled(lines, kept_share=0.0).request_id.tolist()
    []
    >>> sampled(lines, kept_share=0.0, all_errors=True).request_id.tolist()
    ['c']
    """
    most = share("kept_share", kept_share)
    ids = {request_id: place_of(request_id) < most for request_id in lines["request_id"].unique()}
    kept = lines["request_id"].map(ids).astype(bool)
    if all_errors:
        failed = lines.loc[lines["status"] >= 500, "request_id"]
        kept |= lines["request_id"].isin(failed)
    return lines[kept]


def kept_gb(lines_per_s: float, bytes_per_line: float, days: float) -> float:
    """How many gigabytes lie there when lines are kept for so many days.

    >>> round(kept_gb(lines_per_s=100, bytes_per_line=250, days=30), 1)
    64.8
    """
    number("lines_per_s", lines_per_s, at_least=0)
    number("bytes_per_line", bytes_per_line, at_least=0)
    return lines_per_s * bytes_per_line * 86_400 * number("days", days, at_least=0) / 1e9


def requests_to_meet_once(kept_share: float, failing_share: float, chance: float = 0.95) -> float:
    """How many requests must come until a failure of this share is in the sample with this chance.

    Infinitely many where nothing is kept or nothing fails.

    >>> round(requests_to_meet_once(kept_share=0.01, failing_share=0.001))
    299572
    """
    met = share("kept_share", kept_share) * share("failing_share", failing_share)
    number("chance", chance, above=0, below=1)
    return math.log1p(-chance) / math.log1p(-met) if 0 < met < 1 else (1.0 if met else math.inf)


def chance_to_meet(kept_share: float, failing_share: float, requests: int) -> float:
    """How likely it is that a failure of this share is in the sample of so many requests at least
    once.

    >>> round(chance_to_meet(kept_share=0.5, failing_share=0.5, requests=2), 4)
    0.4375
    """
    met = share("kept_share", kept_share) * share("failing_share", failing_share)
    return 1 - (1 - met) ** whole("requests", requests, at_least=0)
