"""How good an alert is: when it fires on counted requests, and how that fits what was wrong.

Intervals are tables with a `start` and an `end`, both timestamps; what still goes on has no end.
"""

import pandas as pd

from devops_lab.objectives import Alert


def firing(alert: Alert, failed: pd.Series, requests: pd.Series, objective: float) -> pd.Series:
    """When the alert fires: True or False at each moment of the two counts.

    `failed` and `requests` say how many there were since the moment before, by timestamp. At the
    beginning a window is as long as what there is. A window without a request is not above a rate.

    >>> minutes = pd.date_range("2026-03-01", periods=4, freq="1min")
    >>> failed = pd.Series([0, 0, 9, 0], index=minutes)
    >>> firing(Alert(10, "2min"), failed, failed * 0 + 100, objective=0.999).tolist()
    [False, False, True, True]
    """
    most = alert.error_share(objective)
    above = [error_shares(failed, requests, window) > most for window in alert.windows]
    return pd.concat(above, axis=1).all(axis=1)


def error_shares(failed: pd.Series, requests: pd.Series, window: pd.Timedelta) -> pd.Series:
    """The share of errors over the window before each moment; missing where nothing was asked.

    >>> minutes = pd.date_range("2026-03-01", periods=2, freq="1min")
    >>> failed, requests = pd.Series([0, 9], minutes), pd.Series([100, 50], minutes)
    >>> error_shares(failed, requests, pd.Timedelta("2min")).tolist()
    [0.0, 0.06]
    """
    return failed.rolling(window).sum() / requests.rolling(window).sum()


def intervals(firing: pd.Series) -> pd.DataFrame:
    """The stretches of True: their `start`, and as `end` the first moment after them.

    >>> minutes = pd.date_range("2026-03-01", periods=4, freq="1min")
    >>> intervals(pd.Series([False, True, True, False], index=minutes))
                    start                 end
    0 2026-03-01 00:01:00 2026-03-01 00:03:00
    """
    before = firing.shift(fill_value=False)
    starts, ends = firing.index[firing & ~before], firing.index[before & ~firing]
    return pd.DataFrame({"start": pd.Series(starts), "end": pd.Series(ends, dtype=starts.dtype)})


def score(fired: pd.DataFrame, faults: pd.DataFrame) -> pd.DataFrame:
    """One row about the alerts that fired, given what was really wrong and when.

    `alerts` and `faults` are how many there were; `precision` is the share of the alerts that began
    during a fault, `recall` the share of the faults during which an alert fired, and
    `detection_mean` the mean time from the beginning of those faults to their first alert. A share
    of nothing is missing.

    >>> hours = pd.to_datetime(["2026-03-01 10:00", "2026-03-01 11:00", "2026-03-01 20:00"])
    >>> faults = pd.DataFrame({"start": hours[:1], "end": hours[1:2]})
    >>> fired = pd.DataFrame({"start": hours[[0, 2]] + pd.Timedelta("5min"), "end": pd.NaT})
    >>> score(fired, faults)
       alerts  faults  precision  recall  detection_mean
    0       2       1        0.5     1.0 0 days 00:05:00
    """
    during = [
        (fired["start"] >= fault.start) & ((fired["start"] < fault.end) | pd.isna(fault.end))
        for fault in faults.itertuples()
    ]
    first = [fired["start"][inside].min() for inside in during]
    delays = pd.Series(first, index=faults.index, dtype=faults["start"].dtype) - faults["start"]
    row = {
        "alerts": len(fired),
        "faults": len(faults),
        "precision": pd.concat(during, axis=1).any(axis=1).mean() if during else float("nan"),
        "recall": delays.notna().mean(),
        "detection_mean": delays.mean(),
    }
    return pd.DataFrame([row])
