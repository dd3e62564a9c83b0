"""A real Prometheus: it sees what the embedded store sees, and our rates are its rates."""

import subprocess
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from required import require

from devops_lab import machine
from devops_lab.families import wait_until
from devops_lab.metric_store import MetricStore
from devops_lab.processes import free_port
from devops_lab.prometheus import Prometheus
from devops_lab.servers import Server
from devops_lab.timeseries import (
    delta,
    histogram_quantile,
    increase,
    pick,
    quantile_over_time,
    rate,
    resets,
    stddev_over_time,
)

# It forgets what is older than two weeks.
START = pd.Timestamp.now("UTC").tz_localize(None).floor("h") - pd.Timedelta("3h")


@pytest.fixture(autouse=True)
def _there() -> None:
    tool = next(tool for tool in machine.tools() if tool.name == "Prometheus")
    require(tool.is_here, "Prometheus", tool.install)


def test_both_stores_give_the_same_samples_to_the_same_call() -> None:
    with Server(name="a") as a, Prometheus([a], interval_s=0.5) as real:
        with MetricStore([a], interval_s=0.5) as embedded:
            for _request in range(5):
                a.get("/")

            def counted(store: MetricStore | Prometheus) -> float:
                samples = store.samples("http_requests_total")
                return 0 if samples.empty else pick(samples, samples.metric[0], server="a").iloc[-1]

            # Its first sample comes with the tick of its service discovery.
            assert wait_until(lambda: 5 <= counted(real) == counted(embedded), within_s=60)
            for metric in ("up", "http_requests_in_flight"):
                assert real.samples(metric).labels[0] == embedded.samples(metric).labels[0]
        # On a busy machine an answer is too late now and then.
        assert wait_until(lambda: real.ask('up{server="a"}').value.tolist() == [1.0], within_s=60)
        (up,) = real.ask('up{server="a"}').itertuples()
        assert (up.metric, up.labels) == ("up", 'server="a"')


def test_what_cannot_be_read_is_told_in_prometheus_words() -> None:
    with (
        Server(name="a") as a,
        Prometheus([a]) as real,
        pytest.raises(ValueError, match="Prometheus cannot answer this: .*parse error"),
    ):
        real.ask("rate(")


class Filled(Prometheus):
    """One that holds these series from its start, and asks nobody."""

    def __init__(self, series: dict[str, pd.Series]) -> None:
        super().__init__([SimpleNamespace(name="nobody", port=free_port())], interval_s=60)
        self.series = series

    def prepare(self) -> None:
        super().prepare()
        lines = [
            f"{name} {value} {time.timestamp():.3f}"
            for name, series in self.series.items()
            for time, value in series.items()
        ]
        text = self.folder / "series.txt"
        text.write_text("\n".join([*lines, "# EOF", ""]))
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
        subprocess.run([*command, str(text), str(self.folder / "samples")], check=True)


def series(seed: int, restarts: int) -> pd.Series:
    """An hour of a counter, far from 0, of which samples are missing."""
    random = np.random.default_rng(seed)
    since_s = 15 * np.flatnonzero(random.random(240) < 0.8) + 1.0
    counts = 1e6 + random.integers(0, 100, len(since_s)).cumsum()
    for restart in random.integers(1, len(counts), restarts):
        counts[restart:] -= 100_000
    return pd.Series(counts, START + pd.to_timedelta(since_s, "s"))


def test_our_functions_are_those_of_the_real_prometheus() -> None:
    """In windows on whose edges no sample lies, and where no growth is extended to 0: there
    versions 2 and 3 agree. What a restart makes of a rate is held to the published tests."""
    ours = {f"steady_{seed}": series(seed, restarts=0) for seed in range(2)}
    ours["restarted"] = series(seed=2, restarts=3)
    functions = {
        "rate(": rate,
        "increase(": increase,
        "delta(": delta,
        "resets(": resets,
        "stddev_over_time(": stddev_over_time,
        "quantile_over_time(0.3, ": partial(quantile_over_time, 0.3),
    }
    moments = [START + pd.Timedelta(seconds=since_s) for since_s in (309, 1_007, 2_222, 3_600)]
    with Filled(ours) as real:
        for name, at, window_s, call in product(ours, moments, (103, 427, 1_508), functions):
            if name == "restarted" and call in ("rate(", "increase("):
                continue
            found = real.ask(f"{call}{name}[{window_s}s])", at).value
            theirs = found.iloc[0] if len(found) else np.nan
            value = functions[call](ours[name], window_s, at)
            assert value == pytest.approx(theirs, rel=1e-9, abs=1e-9, nan_ok=True), (name, call, at)


def test_our_histograms_are_those_of_the_real_prometheus() -> None:
    random = np.random.default_rng(1)
    edges = [0.1, 0.5, 1.0, 5.0]
    counts = dict(zip([*edges, np.inf], random.integers(1, 50, 5).cumsum().tolist(), strict=True))
    names = {edge: "+Inf" if edge == np.inf else str(edge) for edge in counts}
    series = {
        f'seconds_bucket{{le="{names[edge]}"}}': pd.Series([count], [START])
        for edge, count in counts.items()
    }
    with Filled(series) as real:
        for q in (0.0, 0.2, 0.5, 0.9, 0.99, 1.0):
            (found,) = real.ask(f"histogram_quantile({q}, seconds_bucket)", START).value
            assert histogram_quantile(q, counts) == pytest.approx(found, rel=1e-9)
