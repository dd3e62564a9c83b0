"""Being on call: an alert on real servers' metrics, who answers it, and how long everything took.

watched = LiveAlert(store, Alert(10, "10s"), objective=0.99)
watched.look()  # again and again: "inactive", "firing", "acknowledged", "resolved"
"""

import numpy as np
import pandas as pd

from devops_lab.alert_quality import firing, score
from devops_lab.labels import as_labels
from devops_lab.metric_store import MetricStore
from devops_lab.objectives import Alert
from devops_lab.rules import number
from devops_lab.signals import REQUESTS
from devops_lab.translation import _


class LiveAlert:
    """An alert that looks at what a store keeps, each time that `look` is called, and notes whom
    it called when; `alert` may be changed meanwhile.

    Times are those of the samples that decided, in UTC as the store has them.
    """

    def __init__(self, store: MetricStore, alert: Alert, objective: float) -> None:
        self.alert = alert
        self.objective = number("objective", objective, above=0, below=1)
        self._store = store
        self._calls: list[dict[str, pd.Timestamp]] = []

    @property
    def state(self) -> str:
        """What it was at the last look: inactive, firing, acknowledged (somebody has it, and it
        still fires) or resolved."""
        if not self._calls:
            return "inactive"
        last = self._calls[-1]
        if not pd.isna(last["end"]):
            return "resolved"
        return "firing" if pd.isna(last["acknowledged"]) else "acknowledged"

    @property
    def calls(self) -> pd.DataFrame:
        """One row a call: its `start`, when it was `acknowledged`, and its `end`; what has not
        happened yet is missing."""
        columns = ("start", "acknowledged", "end")
        return pd.DataFrame(
            {name: pd.Series([c[name] for c in self._calls], dtype=_MOMENT) for name in columns}
        )

    def look(self) -> str:
        """Its state now. It begins to fire, or ends, if the newest samples say so."""
        # A window needs the sample before its first one, to know what has been counted since.
        longest_s = self.alert.windows[0].total_seconds() + 3 * self._store.interval_s
        counted = requests_counted(self._store.samples(REQUESTS, last_s=longest_s))
        fires = firing(self.alert, counted["failed"], counted["requests"], self.objective)
        is_on = self.state in ("firing", "acknowledged")
        if len(fires) and fires.iloc[-1] and not is_on:
            self._calls.append({"start": fires.index[-1], "acknowledged": pd.NaT, "end": pd.NaT})
        elif len(fires) and is_on and not fires.iloc[-1]:
            self._calls[-1]["end"] = fires.index[-1]
        return self.state

    def acknowledge(self) -> None:
        """Say that you have it, now. Raises ValueError where nothing fires that nobody has."""
        if self.state != "firing":
            text = _("Nothing fires that nobody has: the alert is {state}.")
            raise ValueError(text.format(state=self.state))
        self._calls[-1]["acknowledged"] = now()


def requests_counted(samples: pd.DataFrame) -> pd.DataFrame:
    """How many requests were counted since the scrape before, `failed` and all `requests`, by
    moment; all servers together.

    Takes samples (`tables.SERIES`). A counter that is lower than before began again at 0, and so
    did one that a server shows for the first time after others. What is no count, NaN or infinite,
    is passed over.

    >>> from devops_lab.scrape import samples_of
    >>> texts = ['http_requests_total{status="200"} 5', 'http_requests_total{status="200"} 9']
    >>> at = pd.to_datetime(["2026-03-02 00:00", "2026-03-02 00:01"])
    >>> scrapes = [samples_of(text, moment, server="a") for text, moment in zip(texts, at)]
    >>> int(requests_counted(pd.concat(scrapes)).requests.sum())
    4
    """
    rows = samples[(samples["metric"] == REQUESTS) & np.isfinite(samples["value"])]
    counts = pd.DataFrame(
        {
            "time": rows["time"],
            "server": rows["labels"].map(lambda text: as_labels(text)["server"]).astype(str),
            "status": rows["labels"].map(lambda text: as_labels(text)["status"]).astype(str),
            "value": rows["value"],
        }
    ).sort_values("time")
    before = counts.groupby(["server", "status"])["value"].shift()
    is_first_scrape = counts["time"] == counts.groupby("server")["time"].transform("min")
    began_at_0 = ~is_first_scrape & ~(counts["value"] >= before)
    growth = (counts["value"] - before).where(~began_at_0, counts["value"]).fillna(0.0)
    failed = growth.where(counts["status"] >= "5", 0.0)
    counted = pd.DataFrame({"failed": failed, "requests": growth})
    return counted.groupby(counts["time"].rename(None)).sum()


def mean_times(faults: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """One row: `detect_mean` (MTTD, from a fault's start to its first call), `acknowledge_mean`
    (from a call until somebody had it) and `repair_mean` (MTTR, from a fault's start to its end).

    Takes `faults` with a start and an end, and `LiveAlert.calls`. What has not happened counts in
    no mean, and a mean of nothing is missing.

    >>> minutes = pd.to_datetime(["10:00", "10:04", "10:05", "10:20", "10:30"], format="%H:%M")
    >>> faults = pd.DataFrame({"start": minutes[[0]], "end": minutes[[3]]})
    >>> columns = {"start": minutes[[1]], "acknowledged": minutes[[2]], "end": minutes[[4]]}
    >>> [str(mean) for mean in mean_times(faults, pd.DataFrame(columns)).iloc[0]]
    ['0 days 00:04:00', '0 days 00:01:00', '0 days 00:20:00']
    """
    row = {
        "detect_mean": score(calls, faults)["detection_mean"].iloc[0],
        "acknowledge_mean": (calls["acknowledged"] - calls["start"]).mean(),
        "repair_mean": (faults["end"] - faults["start"]).mean(),
    }
    return pd.DataFrame([row])


def now() -> pd.Timestamp:
    """The time of day as the samples have it, in UTC."""
    return pd.Timestamp.now("UTC").tz_localize(None)


_MOMENT = "datetime64[ns]"
