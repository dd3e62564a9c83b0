"""An alert on counted requests fires when the closed form says, and is scored by what was wrong."""

import pandas as pd
import pytest

from devops_lab.alert_quality import firing, intervals, score
from devops_lab.objectives import Alert

START = pd.Timestamp("2026-03-01")


def counts(error_share: float, begin: str, end: str) -> tuple[pd.Series, pd.Series]:
    """Failed and all requests of each five seconds of six hours, with errors in between."""
    moments = pd.date_range(START, periods=6 * 720, freq="5s", inclusive="both")
    requests = pd.Series(1_000, index=moments)
    bad = (moments > START + pd.Timedelta(begin)) & (moments <= START + pd.Timedelta(end))
    return requests * bad * error_share, requests


@pytest.mark.parametrize("error_share", [0.02, 0.15, 1.0])
def test_on_steady_traffic_an_alert_fires_and_ends_as_the_closed_form_says(
    error_share: float,
) -> None:
    alert = Alert(14.4, "1h", "5min")
    failed, requests = counts(error_share, "2h", "4h")
    (fired,) = intervals(firing(alert, failed, requests, 0.999)).itertuples()
    step = pd.Timedelta("5s")
    detected = fired.start - START - pd.Timedelta("2h")
    ended = fired.end - START - pd.Timedelta("4h")
    assert detected == pytest.approx(alert.detection_time(error_share, 0.999), abs=step)
    assert ended == pytest.approx(alert.reset_time(error_share, 0.999), abs=step)


def test_an_alert_that_still_fires_has_no_end() -> None:
    failed, requests = counts(1.0, "5h", "7h")
    (fired,) = intervals(firing(Alert(10, "1h"), failed, requests, 0.999)).itertuples()
    assert fired.end is pd.NaT


def test_where_nothing_is_asked_nothing_fires() -> None:
    failed, _requests = counts(0.0, "1h", "2h")
    assert not firing(Alert(10, "1h"), failed, failed, 0.999).any()


def test_alerts_are_scored_by_what_was_wrong() -> None:
    def table(*pairs: tuple[str, str | None]) -> pd.DataFrame:
        rows = [
            (START + pd.Timedelta(a), START + pd.Timedelta(b) if b else pd.NaT) for a, b in pairs
        ]
        return pd.DataFrame(rows, columns=["start", "end"])

    faults = table(("1h", "2h"), ("5h", "6h"), ("9h", None))
    fired = table(("1h10min", "2h5min"), ("1h30min", "2h"), ("3h", "4h"), ("9h20min", None))
    (row,) = score(fired, faults).itertuples()
    assert (row.alerts, row.faults, row.precision) == (4, 3, 0.75)
    assert row.recall == pytest.approx(2 / 3)
    assert row.detection_mean == pd.Timedelta("15min")


def test_a_share_of_nothing_is_missing() -> None:
    nothing = pd.DataFrame({"start": pd.to_datetime([]), "end": pd.to_datetime([])})
    (row,) = score(nothing, nothing).itertuples()
    assert pd.isna(row.precision)
    assert pd.isna(row.recall)
    assert pd.isna(row.detection_mean)
