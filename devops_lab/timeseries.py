"""What is read from a metric's samples, with the meaning that Prometheus 3 gives it.

A series is a pandas Series of values by time: seconds or timestamps, in order. A value of NaN says
that the series was gone, as Prometheus notes when a target dies. Every function looks at a window
of `window_s` that ends at `at` and is open on the left: a sample exactly on its beginning is
outside (Prometheus 2 counted it). `at` is one moment, which gives a number, or several, which give
a series; without it, the moments are those of the samples.

>>> import pandas as pd
>>> requests_total = pd.Series([60, 120, 180, 240], index=[15, 30, 45, 60])
>>> rate(requests_total, window_s=60, at=60)
4.0
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from devops_lab.labels import as_labels, as_text
from devops_lab.rules import number
from devops_lab.translation import _

# Prometheus' default for how old the newest sample may be to count as the value of now.
LOOKBACK_S = 300.0
# A gap this many times the usual step, at an end of the window: the series begins or ends there.
LONG_GAP = 1.1

Answer = float | pd.Series


@dataclass(frozen=True)
class Windows:
    """A series' samples, and which of them lie in each window: from `first` up to `last`."""

    times_s: np.ndarray
    values: np.ndarray
    begins_s: np.ndarray
    ends_s: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """How many samples lie in each window."""
        return self.last - self.first + 1


def pick(samples: pd.DataFrame, metric: str, **labels: str) -> pd.Series:
    """One series of a table of `tables.SERIES`, by time: the metric's whose labels are these.

    Labels that are alike in all series of the metric need not be named. Raises LookupError where
    none or several series fit, and says which labels there are.
    """
    of_metric = samples[samples["metric"] == metric]
    there = list(dict.fromkeys(of_metric["labels"]))
    fits = [text for text in there if labels.items() <= as_labels(text).items()]
    if len(fits) != 1:
        text = _(
            "{count} series of {metric} fit {labels}, and it should be one. There are: {there}"
        )
        raise LookupError(
            text.format(
                count=len(fits),
                metric=metric,
                labels=as_text(labels) or "{}",
                there=" | ".join(there[:8]) or "-",
            )
        )
    one = of_metric[of_metric["labels"] == fits[0]]
    return pd.Series(one["value"].to_numpy(), index=pd.DatetimeIndex(one["time"]), name=metric)


def rate(series: pd.Series, window_s: float, at: Any = None) -> Answer:
    """How much a counter grew a second in the window, on average; NaN with less than two samples.

    A counter that is lower than before was restarted, and has grown from 0 since. What was counted
    before the first and after the last sample of the window is not seen: the growth is extended in
    a straight line to the window's ends, but by half a step only where the series begins or ends
    in between, and never to below 0.

    Source: Prometheus 3, promql/functions.go, `extrapolatedRate`.
    """
    return _by_window(_increases, series, window_s, at) / float(window_s)


def increase(series: pd.Series, window_s: float, at: Any = None) -> Answer:
    """How much a counter grew in the window: its `rate` times the window's length.

    It need not be a whole number, as it is extended to the ends of the window:

    >>> increase(pd.Series([5, 5, 6, 6], index=[0, 15, 30, 45]), window_s=54, at=48)
    1.2
    """
    return _by_window(_increases, series, window_s, at)


def delta(series: pd.Series, window_s: float, at: Any = None) -> Answer:
    """How much a gauge changed in the window, extended to its ends as in `rate`.

    >>> delta(pd.Series([20.0, 18.0, 16.0], index=[0, 60, 120]), window_s=120, at=120)
    -4.0
    """
    return _by_window(_changes, series, window_s, at)


def resets(series: pd.Series, window_s: float, at: Any = None) -> Answer:
    """How often a counter was lower than a sample before, in the window: restarts that were seen.

    >>> resets(pd.Series([1, 2, 0, 1], index=[0, 15, 30, 45]), window_s=60, at=45)
    1.0
    """
    return _by_window(_resets, series, window_s, at)


def quantile_over_time(q: float, series: pd.Series, window_s: float, at: Any = None) -> Answer:
    """The `q`-quantile of the samples in the window, on a straight line between neighbours.

    >>> quantile_over_time(0.75, pd.Series([0, 1, 4], index=[0, 1, 2]), window_s=10, at=2)
    2.5
    """
    number("q", q)
    return _by_window(_of_each(lambda values, _since_s: _quantile(q, values)), series, window_s, at)


def stddev_over_time(series: pd.Series, window_s: float, at: Any = None) -> Answer:
    """The standard deviation of the window's samples, taken as all there are.

    >>> stddev_over_time(pd.Series([2.0, 4.0], index=[0, 1]), window_s=10, at=1)
    1.0
    """
    return _by_window(_of_each(lambda values, _since_s: np.std(values)), series, window_s, at)


def predict_linear(series: pd.Series, window_s: float, ahead_s: float, at: Any = None) -> Answer:
    """What a gauge will be `ahead_s` after the window if it goes on as it did inside.

    On the straight line of least squares; NaN with less than two samples. The world seldom goes on
    as it did.

    >>> free_gb = pd.Series([50.0, 48.0, 46.0], index=[0, 3600, 7200])
    >>> round(predict_linear(free_gb, window_s=7201, ahead_s=23 * 3600, at=7200), 9)
    0.0
    """
    number("ahead_s", ahead_s)

    def predicted(values: np.ndarray, since_end_s: np.ndarray) -> float:
        if len(values) < 2:
            return math.nan
        slope, now = np.polyfit(since_end_s, values, 1)
        return now + slope * ahead_s

    return _by_window(_of_each(predicted), series, window_s, at)


def value_at(series: pd.Series, at: Any, lookback_s: float = LOOKBACK_S) -> Answer:
    """The value that counts at a moment: the newest sample's, unless that is as old as
    `lookback_s` or says that the series was gone; then NaN.

    >>> degrees = pd.Series([20.0, 21.0, float("nan")], index=[0, 60, 120])
    >>> value_at(degrees, at=100), value_at(degrees, at=130), value_at(degrees, at=900)
    (21.0, nan, nan)
    """
    return _by_window(_newest, series, lookback_s, at, gone=True)


def histogram_quantile(q: float, buckets: Mapping[float, float]) -> float:
    """The `q`-quantile as far as a histogram's buckets tell it: upper edge → count up to there.

    Values are taken to lie evenly inside a bucket, so the answer is made of the edges as much as
    of the values; beyond the last finite edge nothing is known, and that edge is the answer. NaN
    without values, or without a bucket that goes to infinity. Counts may be rates.

    Source: Prometheus 3, promql/quantile.go, `BucketQuantile`.

    >>> round(histogram_quantile(0.5, {0.1: 4, 0.2: 7, float("inf"): 10}), 4)
    0.1333
    """
    edges, counts = _edges_and_counts(buckets)
    if math.isnan(q) or not counts[-1] > 0:
        return math.nan
    if not 0 <= q <= 1:
        return math.copysign(math.inf, q)
    rank = q * counts[-1]
    bucket = int(np.searchsorted(counts, rank))
    if bucket == len(edges) - 1:
        return float(edges[-2])
    if bucket == 0 and edges[0] <= 0:
        return float(edges[0])
    begin, before = (edges[bucket - 1], counts[bucket - 1]) if bucket else (0.0, 0.0)
    if counts[bucket] == before:
        return float(begin)
    return float(begin + (edges[bucket] - begin) * (rank - before) / (counts[bucket] - before))


def histogram_fraction(lower: float, upper: float, buckets: Mapping[float, float]) -> float:
    """The share of a histogram's values between two limits, as far as its buckets tell.

    >>> histogram_fraction(0.1, 0.2, {0.1: 5, 0.2: 7, 1: 10, float("inf"): 10})
    0.2
    """
    edges, counts = _edges_and_counts(buckets)
    if not counts[-1] > 0:
        return math.nan
    # The first bucket begins at 0, or nobody knows where.
    begin = min(0.0, np.nextafter(edges[0], -math.inf))
    finite = np.concatenate([[begin], edges[:-1]])
    below = np.interp([lower, upper], finite, np.concatenate([[0.0], counts[:-1]]))
    below[np.array([lower, upper]) == math.inf] = counts[-1]
    return max(0.0, float((below[1] - below[0]) / counts[-1]))


def _edges_and_counts(buckets: Mapping[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The edges in order, and counts that do not shrink although they were not read at once."""
    pairs = sorted((float(edge), float(count)) for edge, count in buckets.items())
    edges, counts = np.array(pairs).reshape(-1, 2).T
    if len(edges) < 2 or edges[-1] < math.inf:
        return edges, np.zeros(1)
    return edges, np.maximum.accumulate(counts)


def _by_window(
    answer: Callable[[Windows], np.ndarray],
    series: pd.Series,
    window_s: float,
    at: Any,
    *,
    gone: bool = False,
) -> Answer:
    number("window_s", window_s, above=0)
    _check_order(series)
    moments = series.index if at is None else pd.Index([at] if np.ndim(at) == 0 else at)
    values = series.to_numpy(float)
    seen = np.full(len(values), True) if gone else ~np.isnan(values)
    if not seen.any():
        answers = np.full(len(moments), np.nan)
    else:
        times_s, ends_s = (_seconds(index, series.index[0]) for index in (series.index, moments))
        answers = answer(_windows(times_s[seen], values[seen], window_s, ends_s))
    if at is None or np.ndim(at):
        return pd.Series(answers, moments, name=series.name)
    return float(answers[0])


def _windows(
    times_s: np.ndarray, values: np.ndarray, window_s: float, ends_s: np.ndarray
) -> Windows:
    begins_s = ends_s - window_s
    first = np.searchsorted(times_s, begins_s, side="right")
    last = np.searchsorted(times_s, ends_s, side="right") - 1
    return Windows(times_s, values, begins_s, ends_s, first, last)


def _seconds(moments: pd.Index, start: Any) -> np.ndarray:
    """Seconds as they are; timestamps as seconds since the start."""
    if isinstance(moments, pd.DatetimeIndex):
        return ((moments - start) / pd.Timedelta(seconds=1)).to_numpy()
    return moments.to_numpy(float)


def _check_order(series: pd.Series) -> None:
    if not series.index.is_monotonic_increasing:
        raise ValueError(_("The samples must be in the order of time. Use series.sort_index()."))
    if not series.index.is_unique:
        text = _(
            "{count} samples have the time of another. Keep one: series.groupby(level=0).last()"
        )
        raise ValueError(text.format(count=int(series.index.duplicated().sum())))


def _of_each(
    of_samples: Callable[[np.ndarray, np.ndarray], float],
) -> Callable[[Windows], np.ndarray]:
    """An answer made window by window, of the values and their times since the window's end."""

    def answer(windows: Windows) -> np.ndarray:
        answers = np.full(len(windows.ends_s), np.nan)
        for window in np.flatnonzero(windows.sizes > 0):
            inside = slice(windows.first[window], windows.last[window] + 1)
            since_end_s = windows.times_s[inside] - windows.ends_s[window]
            answers[window] = of_samples(windows.values[inside], since_end_s)
        return answers

    return answer


def _quantile(q: float, values: np.ndarray) -> float:
    return float(np.quantile(values, q)) if 0 <= q <= 1 else math.copysign(math.inf, q)


def _newest(windows: Windows) -> np.ndarray:
    return np.where(windows.sizes > 0, windows.values[windows.last], np.nan)


def _resets(windows: Windows) -> np.ndarray:
    lower = np.concatenate([[False], np.diff(windows.values) < 0])
    return _newest_minus_first(np.cumsum(lower), windows, at_least=1)


def _changes(windows: Windows) -> np.ndarray:
    change = _newest_minus_first(windows.values, windows, at_least=2)
    before_s, after_s, seen_s = _gaps_s(windows)
    return change * (before_s + seen_s + after_s) / seen_s


def _increases(windows: Windows) -> np.ndarray:
    values = windows.values
    restarted = np.concatenate([[False], np.diff(values) < 0])
    lost = np.cumsum(np.where(restarted, np.roll(values, 1), 0.0))
    growth = _newest_minus_first(values + lost, windows, at_least=2)
    before_s, after_s, seen_s = _gaps_s(windows)
    with np.errstate(divide="ignore", invalid="ignore"):
        since_zero_s = seen_s * values[_within(windows.first, values)] / growth
    before_s = np.where(growth > 0, np.fmin(before_s, since_zero_s), before_s)
    return growth * (before_s + seen_s + after_s) / seen_s


def _gaps_s(windows: Windows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far the growth is extended before and after the samples, and the time between them."""
    begins_s, ends_s = (
        windows.times_s[_within(numbers, windows.times_s)]
        for numbers in (windows.first, windows.last)
    )
    seen_s = np.where(windows.sizes > 1, ends_s - begins_s, np.nan)
    usual_s = seen_s / np.maximum(windows.sizes - 1, 1)
    before_s, after_s = begins_s - windows.begins_s, windows.ends_s - ends_s
    return (
        np.where(before_s < LONG_GAP * usual_s, before_s, usual_s / 2),
        np.where(after_s < LONG_GAP * usual_s, after_s, usual_s / 2),
        seen_s,
    )


def _newest_minus_first(values: np.ndarray, windows: Windows, at_least: int) -> np.ndarray:
    first, last = (values[_within(n, values)] for n in (windows.first, windows.last))
    return np.where(windows.sizes >= at_least, last - first, np.nan)


def _within(numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Numbers that can be looked up; what an empty window finds there is not used."""
    return np.clip(numbers, 0, len(values) - 1)
