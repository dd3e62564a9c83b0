"""Latencies counted in buckets of about the same relative width, so that a long run fits in little
memory and its high percentiles stay exact to a number of digits.

The buckets are those of HdrHistogram (Tene, https://hdrhistogram.org): whole numbers up to a power
of two have buckets of 1, and the width doubles whenever the value does.

>>> histogram = LatencyHistogram(highest=3_600_000, digits=3)
>>> histogram.record([20] * 99 + [1_400])
>>> histogram.percentile(50), histogram.percentile(99.5)
(20, 1400)
"""

import numpy as np
from numpy.typing import ArrayLike

from devops_lab.rules import number, whole
from devops_lab.translation import _


class LatencyHistogram:
    """Counts whole numbers, of milliseconds or microseconds, from `lowest` to `highest`.

    Two values that agree in the first `digits` digits may be counted as the same; what is below
    `lowest` is not told apart.
    """

    def __init__(self, highest: int, *, lowest: int = 1, digits: int = 3) -> None:
        self.lowest = whole("lowest", lowest, at_least=1)
        self.highest = whole("highest", highest, at_least=2 * self.lowest, at_most=2**53)
        self.digits = whole("digits", digits, at_least=1, at_most=5)
        # The narrowest buckets are 2^unit wide; a power of two has 2^half of them.
        self._unit = self.lowest.bit_length() - 1
        self._half = max(1, (2 * 10**self.digits - 1).bit_length()) - 1
        self._counts = np.zeros(int(self._bucket_of(np.array(self.highest))) + 1, np.int64)

    @property
    def count(self) -> int:
        """How many values were recorded, with those that a correction added."""
        return int(self._counts.sum())

    def record(self, values: ArrayLike, *, expected_interval: float | None = None) -> None:
        """Count the values.

        A client that sends its next request only after the last answer sends none during a stall,
        and so records one long latency where there would have been many (coordinated omission).
        With the `expected_interval` between two requests, those that were not sent are added: for
        a latency of 1,400 at an interval of 20 also 1,380, 1,360 … down to 20.

        Raises ValueError for a value above `highest` and then counts none.

        >>> histogram = LatencyHistogram(highest=10_000)
        >>> histogram.record([1_400], expected_interval=20)
        >>> histogram.count
        70
        """
        recorded = self._checked(values)
        if expected_interval is not None:
            interval = number("expected_interval", expected_interval, above=0)
            recorded = _with_omitted(recorded, interval)
        buckets = self._bucket_of(recorded)
        self._counts += np.bincount(buckets, minlength=len(self._counts))

    def percentile(self, percent: float) -> int:
        """The largest value that counts as equal to the one which `percent` % of all do not exceed.

        Raises ValueError before anything is recorded.
        """
        number("percent", percent, at_least=0, at_most=100)
        if not self.count:
            raise ValueError(_("No value has been recorded yet. Call record(values) first."))
        rank = max(1, int(percent / 100 * self.count + 0.5))
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        return self._highest_of(bucket)

    def highest_equivalent(self, value: int) -> int:
        """The largest value that is counted together with this one.

        >>> LatencyHistogram(highest=3_600_000, digits=3).highest_equivalent(8193)
        8199
        """
        return self._highest_of(int(self._bucket_of(self._checked(value))[0]))

    def _checked(self, values: ArrayLike) -> np.ndarray:
        recorded = np.atleast_1d(np.asarray(values, dtype=float))
        if not (np.isfinite(recorded) & (recorded >= 0)).all():
            raise ValueError(_("Latencies must be finite and not negative; one is not."))
        if (recorded > self.highest).any():
            raise ValueError(
                _(
                    "A latency must be at most {highest:,}, got {value:,.0f}. Make the histogram "
                    "with a higher highest."
                ).format(highest=self.highest, value=recorded.max())
            )
        return recorded.astype(np.int64)

    def _bucket_of(self, values: np.ndarray) -> np.ndarray:
        """Numbers of buckets: the powers of two one after the other, each cut into 2^half parts."""
        units = values >> self._unit
        # frexp gives the number of bits of what a float holds exactly.
        doublings = np.maximum(np.frexp(units)[1] - (self._half + 1), 0)
        return (doublings << self._half) + (units >> doublings)

    def _highest_of(self, bucket: int) -> int:
        doublings = max((bucket >> self._half) - 1, 0)
        part = bucket - (doublings << self._half)
        return ((part + 1) << (doublings + self._unit)) - 1


def _with_omitted(values: np.ndarray, interval: float) -> np.ndarray:
    omitted = np.maximum(np.ceil(values / interval).astype(np.int64) - 1, 0)
    # 0, 1, … as often as each value stands for, then that many intervals less.
    total = omitted + 1
    steps = np.arange(total.sum()) - np.repeat(np.cumsum(total) - total, total)
    return (np.repeat(values, total) - steps * interval).astype(np.int64)
