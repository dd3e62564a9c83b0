"""A month of a shop with one incident in it, counted every five minutes: what an alert would see.

    incident = Incident(error_share=0.009, start="0h", lasting="30D")
    incident.counts()

The traffic is that of `telemetry`: busy noons, quiet nights, busier weekends. Requests and failures
are drawn by lot, so that an alert can err.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from devops_lab.objectives import Duration, error_budget
from devops_lab.rules import number, share, whole
from devops_lab.telemetry import Traffic

STEP = pd.Timedelta("5min")
DAYS = 30
# The Monday on which the generated shops begin.
FIRST = pd.Timestamp("2026-03-02")
USUAL_ERROR_SHARE = 0.0002


@dataclass(frozen=True)
class Incident:
    """For `lasting` from `start`, counted from the month's beginning, this share of the requests
    fails; outside, 1 in 5,000 does. One that `grows` rises evenly to its share."""

    error_share: float
    start: Duration = "7D 12h"
    lasting: Duration = "2h"
    grows: bool = False

    def __post_init__(self) -> None:
        share("error_share", self.error_share)
        for name in ("start", "lasting"):
            object.__setattr__(self, name, pd.Timedelta(getattr(self, name)))
        number("start", self.start.total_seconds(), at_least=0)
        number("lasting", self.lasting.total_seconds(), above=0)

    def counts(self, mean_per_s: float = 20.0, seed: int = 1) -> pd.DataFrame:
        """How many `requests` there were, and how many `failed`, in the five minutes before each
        moment.

        >>> counted = Incident(error_share=1.0, start="1D", lasting="10min").counts()
        >>> int((counted.failed == counted.requests).sum())
        2
        """
        requests = _requests(mean_per_s, seed)
        # Its own stream: the same requests come, whatever fails.
        lot = np.random.default_rng([seed, 1])
        failed = lot.binomial(requests, self._error_shares())
        moments = pd.date_range(FIRST + STEP, periods=len(requests), freq=STEP)
        return pd.DataFrame({"failed": failed, "requests": requests}, index=moments, dtype=float)

    def interval(self) -> pd.DataFrame:
        """When it was, as a table of one row: `start` and `end`."""
        start = FIRST + self.start
        return pd.DataFrame({"start": [start], "end": [start + self.lasting]})

    def _error_shares(self) -> np.ndarray:
        since_start_steps = np.arange(1, DAYS * _STEPS_A_DAY + 1) - self.start / STEP
        progress = since_start_steps / (self.lasting / STEP)
        during = (progress > 0) & (progress <= 1)
        size = self.error_share * (progress if self.grows else 1.0)
        return np.where(during, np.maximum(size, USUAL_ERROR_SHARE), USUAL_ERROR_SHARE)


def budget_left(counted: pd.DataFrame, objective: float) -> pd.Series:
    """The share of the month's error budget that is left at each moment; below 0 it is overdrawn.

    >>> counted = pd.DataFrame({"failed": [0, 1, 1], "requests": [500, 500, 1_000]})
    >>> budget_left(counted, objective=0.999).round(9).tolist()
    [1.0, 0.5, 0.0]
    """
    return 1 - counted["failed"].cumsum() / (counted["requests"].sum() * error_budget(objective))


_STEPS_A_DAY = pd.Timedelta("1D") // STEP


@cache
def _requests(mean_per_s: float, seed: int) -> np.ndarray:
    traffic = Traffic(mean_per_s=number("mean_per_s", mean_per_s, above=0, at_most=10_000))
    whole("seed", seed, at_least=0)
    of_a_day_s = STEP.total_seconds() * np.arange(_STEPS_A_DAY)
    expected_per_s = [
        traffic.expected_per_s(FIRST + pd.Timedelta(days=day), of_a_day_s) for day in range(DAYS)
    ]
    expected = np.concatenate(expected_per_s) * STEP.total_seconds()
    return np.random.default_rng([seed, 0]).poisson(expected)
