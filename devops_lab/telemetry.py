"""A shop's metrics, generated: its days and weeks, and faults whose place is known.

Who looks for a fault in real metrics never knows what there was to find. Here it is planted, so
that every alert and every guess can be scored:

    shop = Shop(days=7, faults=(Fault("leak", "2D 10h", "6h", server="server-3"),))
    shop.samples(), shop.planted()

Rates, errors and latencies are made first; then counters, gauges and histograms count them, under
the names that the real servers use. Each server has its own random streams: a fault changes nothing
before it, and nothing of the others. Latencies are log-logistic, with a clear middle and a long
tail.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from devops_lab.exposition import EDGES_S
from devops_lab.labels import as_text
from devops_lab.planted_faults import KINDS, Day, When
from devops_lab.rules import number, one_of, share, whole
from devops_lab.tables import SERIES, table
from devops_lab.translation import _

DAY_S = 86_400
MEMORY_BYTES, LATENCY_S, ERROR_SHARE = 180e6, 0.03, 0.0005
ORDER_SHARE, WON_AN_ORDER = 0.04, 9_500
# With this steepness the 99th percentile of the latencies is 4.6 times their median.
STEEPNESS = 3.0
MEAN_TO_MEDIAN = (np.pi / STEEPNESS) / np.sin(np.pi / STEEPNESS)
# Random purposes; each has its own streams.
NOISE, REQUESTS, ERRORS, ORDERS, IN_WORK, MEMORY, MISSING = range(7)


@dataclass(frozen=True)
class Traffic:
    """The requests that come to the whole shop: quiet nights, busy noons, busier weekends.

    At noon there are `1 + daily_swing` times as many as in the day's mean. A Saturday or Sunday has
    `weekend_factor` times as many, one of the `holidays` (dates) `holiday_factor` times; all grow
    by `weekly_growth`. `noise` is the spread from step to step, as a share.
    """

    mean_per_s: float = 20.0
    daily_swing: float = 0.7
    weekend_factor: float = 1.3
    weekly_growth: float = 0.0
    holidays: tuple[str, ...] = ()
    holiday_factor: float = 0.4
    noise: float = 0.05

    def __post_init__(self) -> None:
        number("mean_per_s", self.mean_per_s, above=0)
        share("daily_swing", self.daily_swing)
        for name in ("weekend_factor", "holiday_factor", "noise"):
            number(name, getattr(self, name), at_least=0)
        number("weekly_growth", self.weekly_growth, above=-1)

    def expected_per_s(self, day: pd.Timestamp, since_start_s: np.ndarray) -> np.ndarray:
        """The requests a second at one day's moments, without noise.

        >>> monday = pd.Timestamp("2026-03-02")
        >>> Traffic(mean_per_s=20, daily_swing=0.5).expected_per_s(monday, np.array([0, 43_200]))
        array([10., 30.])
        """
        wave = 1 - self.daily_swing * np.cos(2 * np.pi * since_start_s / DAY_S)
        growth = (1 + self.weekly_growth) ** (since_start_s / (7 * DAY_S))
        weekend = self.weekend_factor if day.day_of_week >= 5 else 1.0
        holiday = self.holiday_factor if day in pd.DatetimeIndex(self.holidays) else 1.0
        return self.mean_per_s * weekend * holiday * wave * growth


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong from `start`, counted from the shop's first moment, for `lasting`.

    It befalls one `server`, or all of them. `size` is in the unit of its kind, which
    `planted_faults.KINDS` says; without it, it is large enough to be seen by somebody who looks.
    """

    kind: str
    start: str | timedelta
    lasting: str | timedelta
    server: str | None = None
    size: float | None = None

    def __post_init__(self) -> None:
        kind = KINDS[one_of("kind", self.kind, tuple(KINDS))]
        for name in ("start", "lasting"):
            object.__setattr__(self, name, pd.Timedelta(getattr(self, name)))
        number("lasting", self.lasting.total_seconds(), above=0)
        size = kind.usual_size if self.size is None else self.size
        object.__setattr__(self, "size", number("size", size, above=0))

    def during(self, since_start_s: np.ndarray, step_s: float) -> When:
        """When it lasts, of these moments."""
        progress = (since_start_s - self.start.total_seconds()) / self.lasting.total_seconds()
        before = progress - step_s / self.lasting.total_seconds()
        on = (progress >= 0) & (progress < 1)
        begins, ends = ((progress >= mark) & (before < mark) for mark in (0, 1))
        return When(on, np.where(on, progress, 0.0), begins, ends)


@dataclass(frozen=True)
class Shop:
    """A shop on several servers, watched every `step_s` seconds for some days.

    >>> samples = Shop(days=1, servers=2, step_s=60).samples()
    >>> int(samples[samples.metric == "up"].value.sum())  # 1 a server and minute
    2880
    """

    days: int = 7
    servers: int = 5
    start: str = "2026-03-02"
    step_s: int = 15
    traffic: Traffic = Traffic()
    faults: tuple[Fault, ...] = ()
    seed: int = 1

    def __post_init__(self) -> None:
        whole("days", self.days, at_least=1, at_most=3_660)
        whole("servers", self.servers, at_least=1, at_most=100)
        whole("seed", self.seed, at_least=0)
        if DAY_S % whole("step_s", self.step_s, at_least=1, at_most=DAY_S):
            raise ValueError(
                _("step_s must divide a day of 86,400 s, got {step_s}. Choose 15 or 60.").format(
                    step_s=self.step_s
                )
            )
        for fault in self.faults:
            if fault.server is not None:
                one_of("server", fault.server, self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The servers' names."""
        return tuple(f"server-{number}" for number in range(1, self.servers + 1))

    def planted(self) -> pd.DataFrame:
        """One row a fault: `kind`, `server` (missing where it took all), `start` and `end`."""
        first = pd.Timestamp(self.start)
        rows = [
            (fault.kind, fault.server, first + fault.start, first + fault.start + fault.lasting)
            for fault in self.faults
        ]
        return pd.DataFrame(rows, columns=["kind", "server", "start", "end"])

    def samples(self) -> pd.DataFrame:
        """All samples, a table of `tables.SERIES`. For months, use `each_day`: it needs the memory
        of a day."""
        return _together(list(self.each_day()))

    def each_day(self) -> Iterator[pd.DataFrame]:
        """The samples, day by day."""
        counters = Counters()
        for number_of_day in range(self.days):
            day = self.day(number_of_day)
            growth = self._growth(number_of_day, day)
            counted = counters.after(np.stack(list(growth.values()), axis=1), day.restarted)
            values = dict(zip(growth, counted.swapaxes(0, 1), strict=True))
            values |= self._gauges(number_of_day, day)
            yield _together(
                [self._seen(number_of_day, day, values), *self._users(number_of_day, day)]
            )

    def since_start_s(self, number_of_day: int) -> np.ndarray:
        """The beginnings of a day's steps, in seconds since the shop's first moment."""
        return number_of_day * DAY_S + np.arange(0, DAY_S, self.step_s)

    def _random(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose])

    def _drawn(
        self, number_of_day: int, purpose: int, distribution: str, *parameters: np.ndarray | float
    ) -> np.ndarray:
        """Random numbers by server and step. Each server has its own stream, in the order of time:
        a fault leaves the others' numbers as they were, and its own before."""
        by_server = zip(*np.broadcast_arrays(*parameters), strict=True)
        return np.stack(
            [
                getattr(self._random(number_of_day, purpose, server), distribution)(*of_server)
                for server, of_server in enumerate(by_server)
            ]
        )

    def day(self, number_of_day: int) -> Day:
        """A day, from 0, before it is counted: its rates, errors and latencies, with the faults."""
        since_start_s = self.since_start_s(number_of_day)
        date = pd.Timestamp(self.start) + pd.Timedelta(days=number_of_day)
        noise = self._random(number_of_day, NOISE).standard_normal(len(since_start_s))
        expected_per_s = self.traffic.expected_per_s(date, since_start_s)
        rate_per_s = np.maximum(0.0, expected_per_s * (1 + self.traffic.noise * noise))

        def all_day(value: object) -> np.ndarray:
            return np.full((self.servers, len(since_start_s)), value)

        day = Day(
            rate_per_s,
            latency_s=all_day(LATENCY_S),
            error_share=all_day(ERROR_SHARE),
            memory_bytes=all_day(MEMORY_BYTES),
            up=all_day(True),
            restarted=all_day(False),
            skew_s=all_day(0.0),
            missing_share=all_day(0.0),
            new_series=all_day(0),
        )
        for fault in self.faults:
            first = 0 if fault.server is None else self.names.index(fault.server)
            of = slice(first, self.servers if fault.server is None else first + 1)
            KINDS[fault.kind].befall(day, of, fault.size, fault.during(since_start_s, self.step_s))
        return day

    def _growth(self, number_of_day: int, day: Day) -> dict[tuple[str, ...], np.ndarray]:
        """How much each counter of each server grows in each step, by name and label."""
        who = day.up / np.maximum(1, day.up.sum(axis=0))
        expected = day.rate_per_s * who * self.step_s
        requests = self._drawn(number_of_day, REQUESTS, "poisson", expected)
        failed = self._drawn(number_of_day, ERRORS, "binomial", requests, day.error_share)
        # Who waits long buys less.
        wanted = (requests - failed) * ORDER_SHARE / (1 + day.latency_s)
        orders = self._drawn(number_of_day, ORDERS, "poisson", wanted)
        seconds = "http_request_duration_seconds"
        powers = day.latency_s**STEEPNESS
        buckets = {
            (f"{seconds}_bucket", "le", str(edge)): np.rint(
                requests / (1 + powers / edge**STEEPNESS)
            )
            for edge in EDGES_S
        }
        return {
            ("http_requests_total", "status", "200"): requests - failed,
            ("http_requests_total", "status", "500"): failed,
            **buckets,
            (f"{seconds}_bucket", "le", "+Inf"): requests,
            (f"{seconds}_count",): requests,
            (f"{seconds}_sum",): requests * day.latency_s * MEAN_TO_MEDIAN,
            ("shop_orders_total",): orders,
            ("shop_revenue_won_total",): orders * WON_AN_ORDER,
        }

    def _gauges(self, number_of_day: int, day: Day) -> dict[tuple[str, ...], np.ndarray]:
        # Little's law: what is in work is what comes, times how long it stays.
        in_work = day.rate_per_s / self.servers * day.latency_s * MEAN_TO_MEDIAN
        return {
            ("http_requests_in_flight",): self._drawn(number_of_day, IN_WORK, "poisson", in_work),
            ("process_resident_memory_bytes",): self._drawn(
                number_of_day, MEMORY, "normal", day.memory_bytes, 2e6
            ),
            ("up",): day.up.astype(float),
        }

    def _seen(
        self, number_of_day: int, day: Day, values: dict[tuple[str, ...], np.ndarray]
    ) -> pd.DataFrame:
        """What a scrape sees of the day: nothing of a server that is down, but that it is."""
        lost = self._drawn(number_of_day, MISSING, "binomial", 1, day.missing_share) > 0
        # Of the metrics, "up" is the last.
        seen = np.stack([day.up & ~lost] * (len(values) - 1) + [np.ones_like(lost)])
        names = np.repeat([name for name, *_label in values], self.servers)
        labels = [
            as_text({"server": server, **dict([label] if label else [])})
            for _name, *label in values
            for server in self.names
        ]
        return _series(
            np.broadcast_to(self._times(number_of_day, day), seen.shape)[seen],
            _repeated(names, seen.sum(axis=2).ravel()),
            _repeated(labels, seen.sum(axis=2).ravel()),
            np.stack(list(values.values()))[seen],
        )

    def _users(self, number_of_day: int, day: Day) -> Iterator[pd.DataFrame]:
        """A series for each user, where somebody has put the user's number into a label."""
        if not day.new_series.any():
            return
        times = np.repeat(self._times(number_of_day, day).ravel(), day.new_series.ravel())
        servers = np.repeat(self.names, day.new_series.sum(axis=1))
        first = 1 + 10_000_000 * number_of_day
        labels = [
            as_text({"server": server, "user": str(user)})
            for user, server in enumerate(servers, first)
        ]
        names = ["http_requests_by_user_total"] * len(times)
        yield _series(times, pd.Categorical(names), pd.Categorical(labels), np.ones(len(times)))

    def _times(self, number_of_day: int, day: Day) -> np.ndarray:
        """Each server's clock at each step."""
        moments = pd.Timestamp(self.start) + pd.to_timedelta(self.since_start_s(number_of_day), "s")
        return moments.to_numpy("datetime64[ms]") + (1e3 * day.skew_s).astype("timedelta64[ms]")


class Counters:
    """Counters that go on from day to day, and begin again at 0 when their server is restarted."""

    def __init__(self) -> None:
        self._total: np.ndarray | float = 0.0
        self._lost: np.ndarray | float = 0.0

    def after(self, growth: np.ndarray, restarted: np.ndarray) -> np.ndarray:
        """What they say after each step: growth by server, counter and step, restarts by server
        and step."""
        total = np.cumsum(growth, axis=2)
        total += np.expand_dims(self._total, -1)
        self._total = total[..., -1].copy()
        if restarted.any():
            at_restart = np.where(restarted[:, None], total - growth, 0.0)
            at_restart[..., 0] = np.maximum(at_restart[..., 0], self._lost)
            lost = np.maximum.accumulate(at_restart, axis=2)
            self._lost = lost[..., -1].copy()
            return total - lost
        total -= np.expand_dims(self._lost, -1)
        return total


def _series(
    times: np.ndarray, metric: pd.Categorical, labels: pd.Categorical, values: np.ndarray
) -> pd.DataFrame:
    return table({"time": times, "metric": metric, "labels": labels, "value": values}, SERIES)


def _repeated(texts: Sequence[str], times: np.ndarray) -> pd.Categorical:
    """Each text so many times, without writing it so often."""
    categories = list(dict.fromkeys(texts))
    codes = np.array([categories.index(text) for text in texts], np.int16)
    return pd.Categorical.from_codes(np.repeat(codes, times), categories)


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of samples as one; their categories need not be the same."""
    if len(parts) == 1:
        return parts[0]
    columns = {
        name: pd.api.types.union_categoricals([part[name] for part in parts])
        for name in ("metric", "labels")
    }
    return pd.concat(parts, ignore_index=True).assign(**columns)
