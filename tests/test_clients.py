import threading
import time

import pytest

from devops_lab.clients import BreakerOpenError, HttpClient
from devops_lab.families import wait_until
from devops_lab.processes import ProgramError
from devops_lab.scenario import Client
from devops_lab.servers import Server
from devops_lab.tables import ATTEMPTS


def test_an_answer_is_whole_and_its_try_is_written_down() -> None:
    with Server() as server:
        client = HttpClient(server)
        answer = client.get("/api/menu")
        missing = client.get("/api/nothing", headers={"X-Request-Id": "mine"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json()) == 5
    assert (missing.status, missing.headers["X-Request-Id"]) == (404, "mine")
    attempts = client.attempts()
    assert list(attempts) == list(ATTEMPTS)
    assert attempts["request"].tolist() == [0, 1]


def test_an_error_is_tried_again_and_the_better_answer_is_given() -> None:
    with Server(error_share=0.5, seed=3) as server:
        client = HttpClient(server, Client(attempts=10))
        assert {client.get("/work").status for _click in range(10)} == {200}
        server.set(error_share=1.0)
        assert client.get("/work").status == 500
    attempts = client.attempts()
    assert (attempts["outcome"] == "failed").sum() > 10
    assert attempts["attempt"].tail(10).tolist() == list(range(1, 11))


def test_a_further_try_goes_to_the_next_server() -> None:
    with Server(error_share=1.0, name="sick") as sick, Server(name="well") as well:
        client = HttpClient([sick, well], Client(attempts=2))
        answers = [client.get("/work") for _click in range(4)]
    assert [answer.json()["server"] for answer in answers] == ["well"] * 4


def test_a_body_is_sent_with_every_try() -> None:
    def count(path: str) -> tuple[int, str, str]:
        return 200, "text/plain", path

    with Server(route=count) as server:
        answer = HttpClient(server).get("/x", method="POST", body='{"bread": 3}')
    assert answer.text.strip() == "/x"


def test_of_tied_copies_the_one_that_is_begun_first_takes_the_other_out_of_its_queue() -> None:
    with (
        Server(service_time_s=1.5, name="busy") as busy,
        Server(service_time_s=0.3, name="idle") as idle,
    ):
        blocker = threading.Thread(target=lambda: busy.get("/work", timeout_s=30))
        blocker.start()
        wait_until(lambda: "in_flight 1" in busy.metrics(), within_s=10)
        client = HttpClient([busy, idle], Client(attempts=2, hedge_after_s=0.05, tied=True))
        answer = client.get("/work")
        blocker.join()
        wait_until(lambda: len(busy.log()) == 2, within_s=10)
        log = busy.log()
    assert answer.json()["server"] == "idle"
    assert client.attempts()["outcome"].tolist() == ["withdrawn", "ok"]
    attempts = client.attempts()
    # The copy was given up by its server, and not by the client when it had its answer.
    assert attempts["end_s"][0] < attempts["end_s"][1] - 0.1
    assert sorted(log["status"].tolist()) == [200, 409]
    assert log.loc[log["status"] == 409, "service_s"].tolist() == [0.0]


def test_a_breaker_that_is_open_says_so_and_closes_after_a_trial() -> None:
    with Server(error_share=1.0) as server:
        client = HttpClient(
            server, Client(breaker_error_share=0.5, breaker_requests=3, breaker_open_s=0.2)
        )
        assert [client.get("/work").status for _click in range(3)] == [500] * 3
        with pytest.raises(BreakerOpenError, match="the breaker is open"):
            client.get("/work")
        server.set(error_share=0.0)
        time.sleep(0.2)
        assert {client.get("/work").status for _click in range(5)} == {200}


def test_a_frozen_server_is_given_up_and_a_dead_one_is_refused() -> None:
    with Server() as server:
        client = HttpClient(server, Client(timeout_s=0.2, attempts=2))
        server.freeze()
        with pytest.raises(TimeoutError, match="the last try was number 2"):
            client.get("/work")
        server.resume()
        server.kill()
        with pytest.raises(ConnectionRefusedError, match="Nobody listens"):
            client.get("/work")


def test_a_deadline_ends_all_tries_and_one_in_the_past_is_refused() -> None:
    with Server(service_time_s=5.0, workers=9) as server:
        client = HttpClient(server, Client(timeout_s=0.2, attempts=10, deadline_s=0.5))
        with pytest.raises(TimeoutError):
            client.get("/work")
        assert len(client.attempts()) <= 3
        with pytest.raises(ValueError, match="within_s must be above 0, got -1"):
            client.get("/work", within_s=-1)


def test_a_server_that_was_never_started_is_said() -> None:
    with pytest.raises(ProgramError, match="has no port yet"):
        HttpClient(Server())
    with pytest.raises(ValueError, match="servers must be at least 1"):
        HttpClient([])
