"""Real servers are asked again and again; what they said is kept, and one that is gone is seen."""

import contextlib
import http.server
import threading
import time
import types
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from devops_lab.families import wait_until
from devops_lab.metric_store import MetricStore, Target
from devops_lab.servers import Server
from devops_lab.tables import SERIES
from devops_lab.timeseries import increase, pick, value_at

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
        time.sleep(3 * store.interval_s)
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


@contextlib.contextmanager
def speaker(texts: Sequence[str], *, drips: bool = False) -> Iterator[Target]:
    """A target that says one text after the other, the last one again and again; one that drips
    sends its answer byte by byte and comes to no end."""
    left = list(texts)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            if not drips:
                self.wfile.write((left.pop(0) if len(left) > 1 else left[0]).encode())
            with contextlib.suppress(OSError):
                while drips and not ended.wait(0.02):
                    self.wfile.write(b"#")

        def log_message(self, *_words: object) -> None:
            pass

    ended = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield types.SimpleNamespace(name="speaker", port=server.server_port)
        finally:
            ended.set()
            server.shutdown()


def test_a_target_that_drips_is_down_and_the_others_are_asked_on() -> None:
    with Server(name="a") as a, speaker([], drips=True) as endless:
        store = MetricStore([a, endless], interval_s=0.3)
        # On a busy machine an answer is too late now and then.
        for _again in range(4):
            store.ask_all()
        up = store.samples("up")
    assert 1 in pick(up, "up", server="a").tolist()
    assert set(pick(up, "up", server="speaker")) == {0}


def test_what_brings_its_own_time_is_kept_once_and_in_order_also_when_it_is_late() -> None:
    noon_ms = 1772452800000
    texts = [f"jobs_total 5 {noon_ms + 60_000}\n", f"jobs_total 3 {noon_ms}\n"]
    with speaker(texts) as target:
        store = MetricStore([target])
        for _again in range(4):
            store.ask_all()
    jobs = pick(store.samples("jobs_total"), "jobs_total")
    assert jobs.tolist() == [3, 5]
    assert increase(jobs, 120).iloc[-1] > 0


def test_a_scrape_of_anything_at_all_goes_on_and_says_what_it_left_out() -> None:
    text = "<html>502 Bad Gateway</html>\n{, =-1\ngood 1\nnan NaN\nfar +Inf\n\x00\n"
    with Server(name="a") as a, speaker([text]) as target:
        store = MetricStore([a, target])
        store.ask_all()
    assert pick(store.samples("good"), "good").tolist() == [1]
    assert np.isnan(pick(store.samples("nan"), "nan").iloc[0])
    assert pick(store.samples("far"), "far").tolist() == [np.inf]
    assert len(store.notes) == 3
    assert all(note.startswith("Line ") for note in store.notes)
    assert pick(store.samples("up"), "up", server="speaker").tolist() == [1]
