"""Real servers are asked again and again; what they said is kept, and one that is gone is seen."""

import pytest

from devops_lab.families import wait_until
from devops_lab.metric_store import MetricStore
from devops_lab.servers import Server
from devops_lab.tables import SERIES
from devops_lab.timeseries import pick, value_at

# Asked at the start and at the end only, and waited for as long as a busy machine wants.
PATIENT_S = 60


def test_what_servers_count_is_kept_with_their_names() -> None:
    with (
        Server(name="a") as a,
        Server(name="b") as b,
        MetricStore([a, b], interval_s=PATIENT_S) as store,
    ):
        for _request in range(3):
            a.get("/")
    samples = store.samples("http_requests_total")
    assert list(samples.columns) == list(SERIES)
    served = pick(samples, "http_requests_total", server="a", status="200")
    # A stranger may have come by as well.
    assert served.iloc[-1] >= 3
    assert pick(store.samples(), "up", server="b").iloc[-1] == 1


def test_a_server_that_hangs_or_is_gone_is_down_and_the_others_are_asked_on() -> None:
    with Server(name="a") as a, Server(name="b") as b, MetricStore([a, b], interval_s=0.2) as store:

        def is_up(name: str) -> float:
            up = pick(store.samples("up"), "up", server=name)
            return up.iloc[-1]

        assert wait_until(lambda: is_up("a") == is_up("b") == 1, within_s=PATIENT_S)
        a.freeze()
        assert wait_until(lambda: is_up("a") == 0, within_s=PATIENT_S)
        before = len(store.samples("up"))
        assert wait_until(lambda: len(store.samples("up")) > before + 2, within_s=PATIENT_S)
        assert wait_until(lambda: is_up("a") < is_up("b"), within_s=PATIENT_S)
        a.resume()
        assert wait_until(lambda: is_up("a") == 1, within_s=PATIENT_S)
        b.kill()
        assert wait_until(lambda: is_up("b") == 0, within_s=PATIENT_S)


def test_a_stopped_store_asks_no_more_and_keeps_what_it_has() -> None:
    with Server(name="a") as server:
        store = MetricStore([server], interval_s=0.1).start()
        store.stop()
        kept = store.samples()
        assert store.samples().equals(kept)
        store.start()
        store.stop()
    assert len(store.samples("up")) > len(kept[kept.metric == "up"])


def test_the_samples_are_a_table_for_sql() -> None:
    with Server(name="a") as server, MetricStore([server], interval_s=PATIENT_S) as store:
        pass
    found = store.sql(
        "SELECT metric, max(value) AS top FROM samples WHERE metric = 'up' GROUP BY 1"
    )
    assert found.values.tolist() == [["up", 1.0]]
    assert value_at(pick(store.samples(), "up"), store.samples().time.max()) == 1


def test_servers_need_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="each with a name of its own, got x, x"):
        MetricStore([Server(name="x"), Server(name="x")])
    with pytest.raises(ValueError, match="one or more"):
        MetricStore([])
