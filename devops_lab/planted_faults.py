"""What each kind of fault does to a shop's day, before the day is counted: one function a kind."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Day(NamedTuple):
    """One day of a shop, step by step: `rate_per_s` and `noise` have a number a step, all else a
    row a server too. Faults change the arrays where they stand."""

    rate_per_s: np.ndarray
    latency_s: np.ndarray
    error_share: np.ndarray
    memory_bytes: np.ndarray
    up: np.ndarray
    restarted: np.ndarray
    skew_s: np.ndarray
    missing_share: np.ndarray
    new_series: np.ndarray


class When(NamedTuple):
    """A fault's time, step by step: whether it lasts, how far it has come (0 to 1), and the step in
    which it begins and the one in which it is over."""

    on: np.ndarray
    progress: np.ndarray
    begins: np.ndarray
    ends: np.ndarray


def spike(day: Day, _of: slice, size: float, when: When) -> None:
    day.rate_per_s[:] *= 1 + size * np.sin(np.pi * when.progress)


def step(day: Day, _of: slice, size: float, when: When) -> None:
    day.rate_per_s[:] *= 1 + size * when.on


def leak(day: Day, of: slice, size: float, when: When) -> None:
    day.memory_bytes[of] += size * when.progress
    day.restarted[of] |= when.ends


def saturation(day: Day, of: slice, size: float, when: When) -> None:
    day.latency_s[of] *= 1 + size * when.progress**3


def bad_deploy(day: Day, of: slice, size: float, when: When) -> None:
    day.error_share[of] = np.minimum(1.0, day.error_share[of] + size * when.on)
    # The release and its roll-back both start the program anew.
    day.restarted[of] |= when.begins | when.ends


def slow_dependency(day: Day, of: slice, size: float, when: When) -> None:
    day.latency_s[of] *= 1 + (size - 1) * when.on


def dead_server(day: Day, of: slice, _size: float, when: When) -> None:
    day.up[of] &= ~when.on
    day.restarted[of] |= when.ends


def clock_skew(day: Day, of: slice, size: float, when: When) -> None:
    day.skew_s[of] += size * when.on


def missing_samples(day: Day, of: slice, size: float, when: When) -> None:
    day.missing_share[of] = np.minimum(1.0, day.missing_share[of] + size * when.on)


def cardinality_explosion(day: Day, of: slice, size: float, when: When) -> None:
    day.new_series[of] += (size * when.on).astype(day.new_series.dtype)


class Kind(NamedTuple):
    """A kind of fault: what it does, how large it usually is, and in which unit."""

    befall: Callable[[Day, slice, float, When], None]
    usual_size: float
    unit: str


KINDS = {
    "spike": Kind(spike, 3.0, "times the usual traffic on top of it, in the middle"),
    "step": Kind(step, 0.5, "times the usual traffic on top of it, all the while"),
    "leak": Kind(leak, 300e6, "bytes more in use at the end, when the server is started anew"),
    "saturation": Kind(saturation, 20.0, "times the usual latency on top of it, at the end"),
    "bad_deploy": Kind(bad_deploy, 0.05, "share of the answers that are errors on top"),
    "slow_dependency": Kind(slow_dependency, 4.0, "times the usual latency"),
    "dead_server": Kind(dead_server, 1.0, "of no meaning"),
    "clock_skew": Kind(clock_skew, 90.0, "seconds that the server's clock is ahead"),
    "missing_samples": Kind(missing_samples, 0.3, "share of the samples that never arrive"),
    "cardinality_explosion": Kind(cardinality_explosion, 20.0, "new series in each step"),
}
