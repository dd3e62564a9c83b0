"""What servers said of themselves, asked again and again and kept.

    with MetricStore([server]) as store:
        send_load(server.url, rate_per_s=50, duration_s=5)
    rate(pick(store.samples(), "http_requests_total", status="200"), window_s=3)

This store lives in the kernel, on DuckDB. `devops_lab.prometheus` has the real one, which is asked
in the same way, and in PromQL besides. There is no PromQL here: what a lesson computes of samples
stands in `timeseries`, which is held to Prometheus' own test data, and an engine in Python would be
a second way to the same numbers that lacks parts of the language.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, Self

import duckdb
import pandas as pd

from devops_lab.client import ask
from devops_lab.processes import ProgramError
from devops_lab.rules import number
from devops_lab.scrape import samples_of
from devops_lab.tables import SERIES, table
from devops_lab.translation import _

MOST_NOTES = 100
# Longer than any kernel runs, and short enough to be a time.
LONGEST_S = 10 * 366 * 86_400


class Target(Protocol):
    """A server that has a name and listens at a port."""

    name: str

    @property
    def port(self) -> int:
        """Its port at 127.0.0.1."""


class MetricStore:
    """Asks each of the servers for its metrics every `interval_s` seconds, from `start` to `stop`,
    and keeps the samples, each with the label `server`.

    The metric `up` is 1 where a server answered and 0 where it did not within the interval; then
    it has no other samples of this moment. `notes` says what was left out, the newest last.
    """

    def __init__(self, servers: Sequence[Target], *, interval_s: float = 1.0) -> None:
        self.interval_s = number("interval_s", interval_s, at_least=0.1)
        self.servers = servers_by_name(servers)
        self.notes: deque[str] = deque(maxlen=MOST_NOTES)
        # It shares a few cores with the servers that it watches.
        self._database = duckdb.connect(":memory:", config={"threads": 1})
        self._database.execute(
            "CREATE TABLE samples (time TIMESTAMP_MS, metric TEXT, labels TEXT, value DOUBLE)"
        )
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Ask every server once, and then again and again."""
        if self._thread is None:
            self._end.clear()
            self.ask_all()
            self._thread = threading.Thread(target=self._ask_again, daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Ask every server a last time. What was kept stays."""
        if self._thread is not None:
            self._end.set()
            self._thread.join()
            self._thread = None
            self.ask_all()

    def ask_all(self) -> None:
        """Ask every server now. One that hangs costs the others nothing but this call's end."""
        with ThreadPoolExecutor(len(self.servers)) as pool:
            for answered in pool.map(self._ask, self.servers):
                self.notes.extend(answered.attrs["notes"])
                self._keep(answered)

    def samples(self, metric: str | None = None, last_s: float = math.inf) -> pd.DataFrame:
        """The samples of one metric or of all, of the last seconds or of all time: a table of
        `tables.SERIES`."""
        since = _now() - pd.Timedelta(seconds=min(last_s, LONGEST_S))
        found = self.sql(
            "SELECT * FROM samples WHERE time >= $since AND metric = coalesce($metric, metric)"
            " ORDER BY metric, labels, time",
            since=since,
            metric=metric,
        )
        return table(found, SERIES)

    def sql(self, query: str, **parameters: object) -> pd.DataFrame:
        """What a query of the table `samples` finds: `time`, `metric`, `labels`, `value`."""
        with self._lock:
            return self._database.execute(query, parameters).df()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _ask_again(self) -> None:
        due = time.monotonic() + self.interval_s
        while not self._end.wait(max(0.0, due - time.monotonic())):
            self.ask_all()
            # What was missed is not asked for later, all at once.
            due = max(due + self.interval_s, time.monotonic())

    def _ask(self, name: str) -> pd.DataFrame:
        at = _now()
        try:
            answer = ask(self.servers[name].port, "/metrics", timeout_s=self.interval_s)
            is_up = answer.status == 200
        except (OSError, ProgramError):
            is_up = False
        return samples_of(f"{answer.text if is_up else ''}\nup {int(is_up)}\n", at, server=name)

    def _keep(self, answered: pd.DataFrame) -> None:
        with self._lock:
            self._database.register("answered", answered)
            # A sample that brings its own time comes again until there is a newer one.
            self._database.execute(
                "INSERT INTO samples SELECT * FROM answered"
                " ANTI JOIN samples USING (time, metric, labels)"
            )


def servers_by_name(servers: Sequence[Target]) -> dict[str, Target]:
    """The servers by the names that their samples will carry; raises ValueError where two have
    the same, or there is none."""
    by_name = {server.name: server for server in servers}
    if not by_name or len(by_name) < len(servers):
        raise ValueError(
            _("servers must be one or more, each with a name of its own, got {names}.").format(
                names=", ".join(server.name for server in servers) or _("none")
            )
        )
    return by_name


def _now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").tz_localize(None)
