"""A live alert on a real server fires, is acknowledged and resolves, and its times are kept; a
month with an incident is counted as it was planned."""

import numpy as np
import pandas as pd
import pytest

from devops_lab.families import wait_until
from devops_lab.incidents import FIRST, USUAL_ERROR_SHARE, Incident
from devops_lab.loadgen import LiveLoad
from devops_lab.metric_store import MetricStore
from devops_lab.objectives import Alert
from devops_lab.on_call import LiveAlert, mean_times, requests_counted
from devops_lab.scrape import samples_of
from devops_lab.servers import Server

WITHIN_S = 30


def test_an_alert_fires_is_acknowledged_and_resolves() -> None:
    with (
        Server(service_time_s=0.001, workers=20) as server,
        LiveLoad(server.url + "work", 50),
        MetricStore([server], interval_s=0.2) as store,
    ):
        watched = LiveAlert(store, Alert(10, "2s", "1s"), objective=0.99)
        assert wait_until(lambda: len(store.samples("up")) > 3, within_s=WITHIN_S)
        assert watched.look() == "inactive"
        with pytest.raises(ValueError, match="inactive"):
            watched.acknowledge()
        server.set(error_share=0.8)
        assert wait_until(lambda: watched.look() == "firing", within_s=WITHIN_S)
        watched.acknowledge()
        assert watched.look() == "acknowledged"
        with pytest.raises(ValueError, match="acknowledged"):
            watched.acknowledge()
        server.set(error_share=0)
        assert wait_until(lambda: watched.look() == "resolved", within_s=WITHIN_S)
        server.set(error_share=0.8)
        assert wait_until(lambda: watched.look() == "firing", within_s=WITHIN_S)
    (first, second) = watched.calls.itertuples()
    assert first.start <= first.acknowledged <= first.end < second.start
    assert second.acknowledged is second.end is pd.NaT


def test_growth_is_counted_over_servers_restarts_and_new_series() -> None:
    def scrape(second: int, server: str, ok: int, failed: int | None = None) -> pd.DataFrame:
        text = f'http_requests_total{{status="200"}} {ok}\n'
        text += "" if failed is None else f'http_requests_total{{status="503"}} {failed}\n'
        return samples_of(text, FIRST + pd.Timedelta(seconds=second), server=server)

    scrapes = [
        scrape(0, "a", 100),
        scrape(0, "b", 7, 2),
        scrape(1, "a", 110, 5),
        scrape(1, "b", 4, 3),
        scrape(2, "a", 110, 5),
        scrape(2, "b", 6, 3),
    ]
    counted = requests_counted(pd.concat(scrapes))
    # 10 and, from nothing, 5 at server a; 4 after its restart and 1 at server b; and then 2.
    assert counted["requests"].tolist() == [0, 20, 2]
    assert counted["failed"].tolist() == [0, 6, 0]


def test_what_is_no_count_is_passed_over_and_what_came_before_it_counted_once() -> None:
    counts = ("5", "NaN", "9", "+Inf", "11")
    scrapes = [
        samples_of(
            f'http_requests_total{{status="200"}} {count}\n',
            FIRST + pd.Timedelta(seconds=second),
            server="a",
        )
        for second, count in enumerate(counts)
    ]
    assert requests_counted(pd.concat(scrapes))["requests"].tolist() == [0, 4, 2]


def test_the_mean_times_leave_out_what_has_not_happened() -> None:
    def at(*minutes: float | None) -> pd.Series:
        return pd.to_datetime(pd.Series(minutes, dtype=float), unit="m", origin=FIRST)

    faults = pd.DataFrame({"start": at(0, 60), "end": at(10, None)})
    calls = pd.DataFrame(
        {"start": at(2, 30, 64), "acknowledged": at(3, None, None), "end": at(12, 31, None)}
    )
    (means,) = mean_times(faults, calls).itertuples()
    assert means.detect_mean == pd.Timedelta("3min")
    assert means.acknowledge_mean == pd.Timedelta("1min")
    assert means.repair_mean == pd.Timedelta("10min")
    nothing = mean_times(faults[:0], calls[:0])
    assert nothing.isna().all(axis=None)


def test_a_month_has_its_incident_and_else_the_usual_errors() -> None:
    incident = Incident(error_share=0.2, start="3D", lasting="6h")
    counted = incident.counts()
    (interval,) = incident.interval().itertuples()
    inside = (counted.index > interval.start) & (counted.index <= interval.end)
    assert inside.sum() == 72
    share = counted["failed"].where(inside, 0).sum() / counted["requests"].where(inside, 0).sum()
    assert share == pytest.approx(0.2, rel=0.05)
    outside = counted[~inside].sum()
    assert outside.failed / outside.requests == pytest.approx(USUAL_ERROR_SHARE, rel=0.05)
    # A month of 20 requests a second, with its busier weekends.
    assert 30 * 86_400 * 20 < counted["requests"].sum() < 1.2 * 30 * 86_400 * 20


def test_an_incident_that_grows_has_half_of_the_errors() -> None:
    whole = Incident(error_share=0.2, lasting="1D").counts()
    growing = Incident(error_share=0.2, lasting="1D", grows=True).counts()
    assert np.array_equal(whole["requests"], growing["requests"])
    assert 0.4 < growing["failed"].sum() / whole["failed"].sum() < 0.7


@pytest.mark.parametrize("wrong", [{"error_share": 2.0}, {"error_share": 0.1, "lasting": "0s"}])
def test_an_incident_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Incident(**wrong)
