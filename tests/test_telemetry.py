"""Generated metrics look like real ones, and a planted fault is there and nowhere else."""

import numpy as np
import pandas as pd
import pytest

from devops_lab.planted_faults import KINDS
from devops_lab.tables import SERIES
from devops_lab.telemetry import Fault, Shop, Traffic
from devops_lab.timeseries import histogram_quantile, increase, pick, rate, resets

START = pd.Timestamp("2026-03-02")
FROM, TO = START + pd.Timedelta("10h"), START + pd.Timedelta("14h")
DAY_S = 86_400


def shop(*faults: Fault, **settings: object) -> Shop:
    return Shop(**{"days": 1, "servers": 2, "step_s": 60, **settings}, faults=faults)


def fault(kind: str, server: str | None = "server-2") -> Fault:
    return Fault(kind, "10h", "4h", server=server)


def test_the_table_has_its_schema_and_counters_only_grow() -> None:
    samples = shop().samples()
    assert list(samples.columns) == list(SERIES)
    assert samples.dtypes.astype(str).to_dict() == {name: c.dtype for name, c in SERIES.items()}
    counters = samples[samples.metric.str.endswith(("_total", "_bucket", "_count", "_sum"))]
    grown = counters.groupby(["metric", "labels"], observed=True)["value"].diff().dropna()
    assert (grown >= 0).all()


def test_noon_is_busier_than_night_and_a_weekend_than_a_week_day() -> None:
    traffic = Traffic(daily_swing=0.5, weekend_factor=2.0, noise=0.0)
    week = Shop(days=7, servers=1, step_s=3_600, traffic=traffic).samples()
    served = pick(week, "http_requests_total", status="200")
    by_hour = rate(served, 3 * 3_600)
    # The three hours before: from 11 to 14 o'clock, and from 23 to 2.
    monday, saturday = (by_hour[f"2026-03-0{day} 14:00"] for day in (2, 7))
    night = by_hour["2026-03-03 02:00"]
    assert monday / night == pytest.approx(1.5 / 0.5, rel=0.2)
    assert saturday / monday == pytest.approx(2, rel=0.1)


def test_a_holiday_is_quiet_and_a_year_of_growth_shows() -> None:
    traffic = Traffic(weekly_growth=0.01, holidays=("2026-03-03",), holiday_factor=0.1, noise=0)
    noon_s = np.array([DAY_S / 2])
    day, next_day = START, START + pd.Timedelta("1D")
    usual, holiday = traffic.expected_per_s(day, noon_s), traffic.expected_per_s(next_day, noon_s)
    later = traffic.expected_per_s(START + pd.Timedelta("364D"), noon_s + 364 * DAY_S)
    assert holiday / usual == pytest.approx(0.1)
    assert later / usual == pytest.approx(1.01**52)


def test_the_histogram_counts_what_the_counters_count() -> None:
    samples, name = shop(days=2).samples(), "http_request_duration_seconds"
    server = {"server": "server-1"}
    everything = pick(samples, f"{name}_bucket", le="+Inf", **server)
    answered = sum(pick(samples, "http_requests_total", status=s, **server) for s in ("200", "500"))
    assert (everything == pick(samples, f"{name}_count", **server)).all()
    assert (everything == answered).all()
    last = samples[samples.labels.str.contains("server-1")].groupby(
        ["metric", "labels"], observed=True
    )
    edges = [text.split('"')[1] for text in dict.fromkeys(samples.labels) if text.startswith("le=")]
    counts = {
        float(edge): last.get_group(
            (f"{name}_bucket", f'le="{edge}",server="server-1"')
        ).value.iloc[-1]
        for edge in dict.fromkeys(edges)
    }
    assert histogram_quantile(0.5, counts) == pytest.approx(0.03, rel=0.1)


def changed(kind: str, server: str | None = "server-2") -> pd.DataFrame:
    """The rows that a fault changed, added or took away."""
    well, ill = shop().samples(), shop(fault(kind, server)).samples()
    rows = well.merge(ill, how="outer", indicator=True)
    return rows[rows["_merge"] != "both"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_changes_before_a_fault(kind: str) -> None:
    different = changed(kind)
    assert len(different)
    assert different.time.min() >= FROM


@pytest.mark.parametrize(
    "kind",
    [
        "leak",
        "saturation",
        "bad_deploy",
        "slow_dependency",
        "clock_skew",
        "missing_samples",
        "cardinality_explosion",
    ],
)
def test_a_fault_of_one_server_leaves_the_others_as_they_were(kind: str) -> None:
    assert not changed(kind).labels.str.contains("server-1").any()


def test_a_dead_server_is_not_seen_and_the_other_does_its_work() -> None:
    samples = shop(fault("dead_server")).samples()
    up = pick(samples, "up", server="server-2")
    assert set(up[(up.index >= FROM) & (up.index < TO)]) == {0.0}
    dead = pick(samples, "http_requests_total", server="server-2", status="200")
    assert not ((dead.index >= FROM) & (dead.index < TO)).any()
    other = rate(pick(samples, "http_requests_total", server="server-1", status="200"), 3_600)
    assert other[TO] / other[FROM] == pytest.approx(2, rel=0.15)
    assert resets(dead, 24 * 3_600, dead.index[-1]) == 1


def test_errors_come_with_a_bad_deploy_and_go_with_its_roll_back() -> None:
    samples = shop(fault("bad_deploy", server=None)).samples()
    failed = pick(samples, "http_requests_total", server="server-1", status="500")
    before, during, after = (
        increase(failed, 3_600, moment) for moment in (FROM, TO, TO + pd.Timedelta("2h"))
    )
    assert during > 20 * max(before, after, 1)


def test_memory_leaks_until_the_restart() -> None:
    memory = pick(shop(fault("leak")).samples(), "process_resident_memory_bytes", server="server-2")
    last, next_one = TO - pd.Timedelta("1min"), TO
    assert memory[last] - memory[FROM] == pytest.approx(KINDS["leak"].usual_size, rel=0.05)
    assert memory[next_one] < memory[last] - 200e6


def test_what_is_slow_has_more_in_flight_and_fewer_orders() -> None:
    def middle(kind: str, metric: str) -> float:
        series = pick(shop(*([fault(kind)] if kind else [])).samples(), metric, server="server-2")
        return series[(series.index >= FROM) & (series.index < TO)].mean()

    assert middle("slow_dependency", "http_requests_in_flight") > 2 * middle(
        "", "http_requests_in_flight"
    )
    assert middle("slow_dependency", "shop_orders_total") < middle("", "shop_orders_total")


def test_a_user_in_a_label_makes_a_series_each() -> None:
    well, ill = shop().samples(), shop(fault("cardinality_explosion")).samples()
    added = ill.labels.nunique() - well.labels.nunique()
    assert added == KINDS["cardinality_explosion"].usual_size * 4 * 60


def test_a_wrong_clock_puts_samples_where_they_were_not_taken() -> None:
    up = pick(shop(fault("clock_skew")).samples(), "up", server="server-2")
    assert FROM not in up.index
    assert FROM + pd.Timedelta("90s") in up.index


def test_the_same_seed_gives_the_same_samples_and_another_gives_others() -> None:
    assert shop().samples().equals(shop().samples())
    assert not shop().samples().equals(shop(seed=2).samples())


def test_a_longer_time_begins_as_a_short_one_and_counters_go_on() -> None:
    long, short = shop(days=3).samples(), shop(days=1).samples()
    first = long[long.time < START + pd.Timedelta("1D")]
    both = first.merge(short, how="outer", indicator=True)
    assert (both["_merge"] == "both").all()
    served = pick(long, "http_requests_total", server="server-1", status="200")
    assert (served.diff().dropna() >= 0).all()


def test_what_was_planted_is_told() -> None:
    (row,) = shop(fault("leak")).planted().itertuples(index=False)
    assert tuple(row) == ("leak", "server-2", FROM, TO)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Fault("flood", "1h", "1h"), "kind must be one of spike, step"),
        (lambda: Fault("leak", "1h", "0s"), "lasting must be above 0"),
        (lambda: shop(fault("leak", "server-9")), "server must be one of server-1, server-2"),
        (lambda: Shop(step_s=7), "step_s must divide a day"),
        (lambda: Shop(days=0), "days must be at least 1"),
        (lambda: Traffic(daily_swing=70), "For 70 % write 0.7"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_remedy(wrong, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wrong()


def test_a_series_that_is_not_one_is_refused_with_what_there_is() -> None:
    samples = shop().samples()
    with pytest.raises(LookupError, match='4 series .* There are: server="server-1",status="200"'):
        pick(samples, "http_requests_total")
    with pytest.raises(LookupError, match="0 series of no_such_metric"):
        pick(samples, "no_such_metric")
