"""Load on real servers: sent when it is meant to be, and told as it was."""

import _thread
import heapq
import socket
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from devops_lab.families import wait_until
from devops_lab.loadgen import LINE, LiveLoad, Load, lateness_note, print_notes, send_load
from devops_lab.processes import ProgramError, free_port, running
from devops_lab.servers import Server
from devops_lab.tables import ATTEMPTS, requests, summarise


@pytest.fixture(scope="module")
def oven() -> Iterator[Server]:
    with Server(name="oven", workers=2) as server:
        yield server


class Stranger:
    """A server that does with each connection what the test wants."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        self._behave = behave

    def __enter__(self) -> "Stranger":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        try:
            while True:
                connection, _address = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self._behave(connection)


def test_each_request_has_a_row_with_what_was_seen(oven: Server) -> None:
    attempts = send_load(oven.url + "work", rate_per_s=50, duration_s=0.5, arrivals="constant")
    assert list(attempts) == list(ATTEMPTS)
    assert attempts["request"].tolist() == list(range(25))
    assert attempts["intended_s"].tolist() == [n / 50 for n in range(25)]
    assert set(attempts["outcome"]) == {"ok"}
    assert set(attempts["status"]) == {200}
    assert set(attempts["server"]) == {"oven"}
    assert (attempts["start_s"] >= attempts["intended_s"]).all()
    assert (attempts["end_s"] > attempts["start_s"]).all()
    assert attempts["latency_s"].equals(attempts["end_s"] - attempts["intended_s"])
    inside_s = attempts["wait_s"] + attempts["service_s"]
    assert (inside_s <= attempts["end_s"] - attempts["start_s"] + 1e-3).all()
    assert "load" not in [program.name for program in running()]


def test_random_arrivals_follow_from_the_seed_and_keep_the_rate() -> None:
    def moments(seed: int) -> list[float]:
        return Load("http://127.0.0.1/", 40, 50, seed=seed).intended_s

    assert moments(1) == moments(1) != moments(2)
    counts = [len(moments(seed)) for seed in range(50)]
    # The mean of 50 Poisson counts of 2,000 has a standard error of 6.3.
    assert abs(np.mean(counts) - 2000) < 5 * 6.3
    assert np.var(counts) == pytest.approx(2000, rel=0.8)
    gaps = np.diff(moments(3))
    assert np.std(gaps) / np.mean(gaps) == pytest.approx(1.0, abs=0.15)
    assert max(moments(3)) < 50


def test_a_replay_agrees_with_the_recursion_request_by_request(oven: Server) -> None:
    draw = np.random.default_rng(5)
    arrivals = np.cumsum(draw.exponential(1 / 60, 150))
    services = draw.exponential(0.028, 150)
    free_at, predicted = [0.0, 0.0], []
    for arrival, service in zip(arrivals, services, strict=True):
        end = max(free_at[0], arrival) + service
        heapq.heapreplace(free_at, end)
        predicted.append(end - arrival)
    replayed = send_load(
        oven.url + "work", arrivals=arrivals.tolist(), service_times_s=services.tolist()
    )
    assert replayed["intended_s"].tolist() == arrivals.tolist()
    assert (replayed["service_s"] >= services - 0.021).all()
    assert np.corrcoef(replayed["latency_s"], predicted)[0, 1] > 0.9


def test_a_long_run_shows_its_progress_to_the_end_and_each_state_once(
    oven: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("devops_lab.loadgen.SHOW_PROGRESS_EVERY_S", 0.2)
    send_load(oven.url, arrivals=[0.0, 0.5, 1.0])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "3 of 3 requests have ended"
    assert lines.count(lines[-1]) == 1


def test_notes_are_printed_in_lines_that_a_notebook_does_not_break(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note = "One request in a hundred was sent late. " * 5
    print_notes([note, "Another one."])
    printed = capsys.readouterr().out
    assert printed.split() == f"{note} Another one.".split()
    assert max(len(line) for line in printed.splitlines()) <= LINE


def test_a_live_load_follows_its_rate_and_falls_silent_at_zero(oven: Server) -> None:
    with LiveLoad(oven.url + "work", 20, arrivals="constant") as load:
        wait_until(lambda: len(load.attempts()) >= 20, within_s=20)
        load.set(rate_per_s=200)
        wait_until(lambda: len(load.attempts()) >= 120, within_s=20)
        load.set(rate_per_s=0)
        wait_until(lambda: _stays_the_same(lambda: len(load.attempts())), within_s=20)
        attempts = load.attempts()
        late = load.attempts(since_s=attempts["intended_s"].iloc[-10])
    gaps_s = attempts["intended_s"].diff()
    assert gaps_s[1:15].tolist() == pytest.approx([1 / 20] * 14)
    assert gaps_s.tail(50).tolist() == pytest.approx([1 / 200] * 50)
    assert late["request"].tolist() == attempts["request"].tail(10).tolist()
    assert load.attempts().equals(attempts)


def _stays_the_same(value: Callable[[], int], during_s: float = 0.3) -> bool:
    before = value()
    time.sleep(during_s)
    return value() == before


def test_live_arrivals_are_random_and_keep_their_mean(oven: Server) -> None:
    with LiveLoad(oven.url + "work", 400, seed=3) as load:
        wait_until(lambda: len(load.attempts()) >= 800, within_s=30)
    gaps_s = load.attempts()["intended_s"].diff()[1:]
    # 800 gaps of mean 2.5 ms: the mean has a standard error of 0.09 ms.
    assert gaps_s.mean() == pytest.approx(1 / 400, abs=5 * 0.00009)
    assert gaps_s.std() / gaps_s.mean() == pytest.approx(1.0, abs=0.2)


def test_a_live_rate_out_of_range_is_refused_and_the_old_one_stays(oven: Server) -> None:
    with LiveLoad(oven.url + "work", 50, arrivals="constant") as load:
        with pytest.raises(ValueError, match="rate_per_s must be at most 500, got 900"):
            load.set(rate_per_s=900)
        wait_until(lambda: len(load.attempts()) >= 10, within_s=20)
    assert load.attempts()["intended_s"].diff().median() == pytest.approx(1 / 50)


def test_requests_are_sent_on_time_while_the_server_hangs_and_latency_counts_the_wait() -> None:
    with Server() as server, Load(server.url, 100, 1.5, arrivals="constant") as load:
        wait_until(lambda: len(load.attempts()) > 10, within_s=20)
        server.freeze()
        time.sleep(0.5)
        server.resume()
        attempts = load.wait()
    longest = attempts.loc[attempts["latency_s"].idxmax()]
    assert longest["latency_s"] > 0.4
    hanging = attempts[attempts["start_s"].between(longest["start_s"], longest["end_s"])]
    # A closed loop would have sent a single one in this time.
    assert len(hanging) > 20
    assert summarise(requests(attempts)).error_share[0] == 0.0


def test_errors_are_failed_and_a_missing_page_is_an_answer_like_any_other(oven: Server) -> None:
    with Server(error_share=1.0) as broken:
        assert set(send_load(broken.url, 50, 0.2)["outcome"]) == {"failed"}
    missing = send_load(oven.url + "gone", 50, 0.2)
    assert (set(missing["outcome"]), set(missing["status"])) == ({"ok"}, {404})


def test_where_nobody_listens_the_attempts_are_refused_and_nothing_is_invented() -> None:
    attempts = send_load(f"http://127.0.0.1:{free_port()}/", 50, 0.2, arrivals="constant")
    assert attempts["outcome"].tolist() == ["refused"] * 10
    assert attempts[["status", "server", "wait_s", "service_s"]].isna().all(axis=None)


def test_a_server_in_place_of_its_address_is_a_clear_mistake(oven: Server) -> None:
    with pytest.raises(TypeError, match=r"url must be an address.*such as server\.url"):
        send_load(oven, 50, 0.2)


def test_a_path_beyond_ascii_goes_over_the_wire_as_it_is(oven: Server) -> None:
    # What is not encoded is no path to a server of ours, and one bad answer each.
    assert send_load(oven.url + "빵", 50, 0.1, arrivals="constant")["status"].tolist() == [400] * 5


def test_an_answer_that_does_not_come_is_given_up(oven: Server) -> None:
    attempts = send_load(oven.url, arrivals=[0.0, 0.1], service_times_s=[2.0, 0.0], timeout_s=0.3)
    assert attempts["outcome"].tolist() == ["timed_out", "ok"]
    assert attempts["latency_s"][0] >= 0.3


def test_a_connection_that_ends_in_the_middle_or_speaks_nonsense_is_closed() -> None:
    def half(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    def nonsense(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"220 mail.example ESMTP\r\n")
        connection.recv(1)

    for behave in (half, nonsense):
        with Stranger(behave) as stranger:
            outcomes = send_load(stranger.url, 50, 0.1, arrivals="constant")["outcome"]
        assert outcomes.tolist() == ["closed"] * 5


def test_a_connection_that_was_closed_while_idle_costs_no_request() -> None:
    def answer_once(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        # The second request on this connection meets a closed door.
        connection.recv(1)

    with Stranger(answer_once) as stranger:
        attempts = send_load(stranger.url, 50, 0.4, arrivals="constant")
        unforgiving = send_load(stranger.url, arrivals=[0.0, 0.3, 0.6], resends=False)
    assert attempts["outcome"].tolist() == ["ok"] * 20
    assert attempts["server"].isna().all()
    assert "closed" in unforgiving["outcome"].tolist()


def test_an_answer_in_pieces_of_unknown_length_is_read_whole() -> None:
    def chunked(connection: socket.socket) -> None:
        while connection.recv(65536):
            for piece in (b"HTTP/1.1 200 OK\r\nX-Served-By: a\r\n", b"Transfer-Encoding: chunked"):
                connection.sendall(piece)
            connection.sendall(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")

    with Stranger(chunked) as stranger:
        attempts = send_load(stranger.url, 50, 0.2)
    assert set(attempts["outcome"]) == {"ok"}
    assert set(attempts["server"]) == {"a"}


# The interrupt may come while a library has a file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_ends_the_load_and_what_comes_after_it(oven: Server) -> None:
    # As a notebook does it: an interrupt in the middle of the cell.
    threading.Timer(1.5, _thread.interrupt_main).start()
    began = time.monotonic()
    runs = (send_load(oven.url, rate_per_s, 60, arrivals="constant") for rate_per_s in (100, 50))
    with pytest.raises(KeyboardInterrupt):
        list(runs)
    assert time.monotonic() - began < 30
    assert "load" not in [program.name for program in running()]


def test_a_load_that_dies_says_how_far_it_came_and_keeps_it(oven: Server) -> None:
    load = Load(oven.url, 100, 60, arrivals="constant").start()
    wait_until(lambda: len(load.attempts()) > 5, within_s=20)
    load.kill()
    with pytest.raises(ProgramError, match=r"load ended after \d+ of 6000 requests"):
        load.wait()
    assert len(load.attempts()) > 5


def test_a_run_that_was_late_says_that_it_measured_the_machine() -> None:
    def sent(lateness_s: float) -> pd.DataFrame:
        intended_s = pd.Series(range(200), dtype="float64")
        return pd.DataFrame({"intended_s": intended_s, "start_s": intended_s + lateness_s})

    assert lateness_note(sent(0.004)) == ""
    assert lateness_note(sent(0.0)[:0]) == ""
    note = lateness_note(sent(0.012), "the run with 30 requests/s")
    assert note.startswith("A word on the run with 30 requests/s: it has measured the machine too")
    assert "12 ms late" in note
    assert lateness_note(sent(0.012)).startswith("A word on this run: ")


def test_a_run_is_called_by_what_tells_it_from_the_others() -> None:
    assert Load("http://127.0.0.1:1/", 30.0, 3).run_in_words == "the run with 30 requests/s"
    given = Load("http://127.0.0.1:1/", arrivals=[0.0, 0.1])
    assert given.run_in_words == "the run of 2 requests"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://192.168.0.1:8000/",
        "https://127.0.0.1/",
        "http://127.0.0.1.example.com/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http:///work",
        "127.0.0.1:8000",
        "",
    ],
)
def test_nobody_else_can_be_loaded(url: str) -> None:
    with pytest.raises(ValueError, match="servers of this machine only"):
        send_load(url, 1, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rate_per_s": 10_000, "duration_s": 31}, r"310,000 requests, and the most is 300,000"),
        ({"rate_per_s": 50_000, "duration_s": 1}, "rate_per_s must be at most 20,000"),
        ({"rate_per_s": 0, "duration_s": 1}, "rate_per_s must be above 0"),
        ({"rate_per_s": 10, "duration_s": 1, "arrivals": "steady"}, "one of poisson, constant"),
        ({"rate_per_s": 10, "arrivals": [1.0]}, "not both"),
        ({"arrivals": [2.0, 1.0]}, "rising order"),
        ({"arrivals": []}, "at least one"),
        ({"arrivals": [1.0], "service_times_s": [1.0, 2.0]}, "each of 1 requests, got 2"),
        ({"arrivals": [1.0], "service_times_s": [-1.0]}, "service_times_s must be at least 0"),
        ({"arrivals": [1.0], "timeout_s": 0}, "timeout_s must be above 0"),
    ],
)
def test_a_wrong_parameter_is_named_before_anything_is_sent(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        send_load("http://127.0.0.1:1/", **wrong)


def test_a_rate_that_brings_nobody_gives_an_empty_table(oven: Server) -> None:
    assert len(send_load(oven.url, 0.001, 0.1)) == 0
