"""The golden signals of a service, read from its servers' metrics: traffic, errors, latency and
saturation.

    signals(store.samples(last_s=60), window_s=5)

Source of the four: Beyer et al., "Site Reliability Engineering" (2016), chapter 6.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from devops_lab.labels import as_labels
from devops_lab.timeseries import histogram_quantile, rate, value_at

REQUESTS, SECONDS = "http_requests_total", "http_request_duration_seconds"
IN_FLIGHT = "http_requests_in_flight"
# The metrics that the signals are made of.
METRICS = (REQUESTS, f"{SECONDS}_bucket", IN_FLIGHT)


def signals(
    samples: pd.DataFrame, window_s: float, at: pd.DatetimeIndex | None = None
) -> pd.DataFrame:
    """One row a moment: `requests_per_s`, `error_share`, `latency_p50_s`, `latency_p99_s` and
    `in_flight`, of all servers together, over the window before it.

    Takes samples (`tables.SERIES`); without `at`, the moments are one window apart. The percentiles
    are read from the histogram's buckets, and are as coarse as these. Shares and percentiles are
    missing where there was no request.
    """
    first, last = samples["time"].min(), samples["time"].max()
    moments = pd.date_range(first, last, freq=pd.Timedelta(seconds=window_s)) if at is None else at
    # Seconds are quicker to count with than timestamps.
    seconds = samples.assign(time=(samples["time"] - first) / pd.Timedelta(seconds=1))
    signals = _signals(seconds, window_s, ((moments - first) / pd.Timedelta(seconds=1)).to_numpy())
    return signals.set_axis(moments)


def _signals(samples: pd.DataFrame, window_s: float, at: np.ndarray) -> pd.DataFrame:
    by_metric = {metric: list(_each(samples, metric)) for metric in METRICS}
    requests = _summed(by_metric[REQUESTS], window_s, at)
    failed = _summed(
        [(labels, s) for labels, s in by_metric[REQUESTS] if labels["status"] >= "5"], window_s, at
    )
    buckets = _buckets(by_metric[f"{SECONDS}_bucket"], window_s, at)
    in_flight = sum(
        (value_at(s, at).fillna(0).to_numpy() for _labels, s in by_metric[IN_FLIGHT]),
        np.zeros(len(at)),
    )
    with np.errstate(invalid="ignore"):
        columns = {
            "requests_per_s": requests,
            "error_share": failed / requests,
            "latency_p50_s": _quantiles(0.5, buckets),
            "latency_p99_s": _quantiles(0.99, buckets),
            "in_flight": in_flight,
        }
    return pd.DataFrame(columns)


def _each(samples: pd.DataFrame, metric: str) -> Iterator[tuple[dict[str, str], pd.Series]]:
    of_metric = samples[samples["metric"] == metric]
    for text, rows in of_metric.groupby("labels", observed=True, sort=False):
        yield as_labels(text), pd.Series(rows["value"].to_numpy(), rows["time"].to_numpy())


def _summed(
    series: list[tuple[dict[str, str], pd.Series]], window_s: float, at: np.ndarray
) -> np.ndarray:
    rates = [np.nan_to_num(rate(one, window_s, at).to_numpy()) for _labels, one in series]
    return np.sum(rates, axis=0) if rates else np.zeros(len(at))


def _buckets(
    series: list[tuple[dict[str, str], pd.Series]], window_s: float, at: np.ndarray
) -> dict[float, np.ndarray]:
    edges = dict.fromkeys(float(labels["le"]) for labels, _series in series)
    return {
        edge: _summed(
            [(labels, s) for labels, s in series if float(labels["le"]) == edge], window_s, at
        )
        for edge in edges
    }


def _quantiles(q: float, buckets: Mapping[float, np.ndarray]) -> np.ndarray:
    counts = zip(*buckets.values(), strict=True)
    return np.array([histogram_quantile(q, dict(zip(buckets, now, strict=True))) for now in counts])
