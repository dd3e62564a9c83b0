"""Clients that behave, over real HTTP: what the load generator sends when it does not go well."""

import pytest

from devops_lab.loadgen import send_load
from devops_lab.scenario import Client
from devops_lab.servers import Server
from devops_lab.tables import requests


def send(server: Server, client: Client, *, requests: int = 10, **options):
    arrivals = [0.02 * number for number in range(requests)]
    return send_load(server.url + "work", arrivals=arrivals, client=client, **options)


def test_an_error_is_followed_by_tries_one_row_each_with_longer_and_longer_pauses() -> None:
    with Server(error_share=1.0) as server:
        attempts = send(server, Client(attempts=4, backoff_s=0.05))
    assert attempts["attempt"].tolist() == [1, 2, 3, 4] * 10
    assert set(attempts["outcome"]) == {"failed"}
    pauses_s = (attempts["intended_s"] - attempts["end_s"].shift())[attempts["attempt"] > 1]
    for number, pause_s in enumerate((0.05, 0.1, 0.2)):
        assert pauses_s.iloc[number::3].to_numpy() == pytest.approx(pause_s, abs=1e-3)


def test_the_pauses_of_real_clients_are_those_of_the_simulated_ones() -> None:
    from devops_lab.scenario import Scenario
    from devops_lab.simulate import simulate

    client = Client(attempts=3, backoff_s=0.05, jitter="full")
    with Server(error_share=1.0) as server:
        real = send(server, client, seed=5)
    model = simulate(Scenario(50, 1e-6, seed=5, client=client).changed(error_share=1.0), 10)
    model = model.sort_values(["request", "attempt"], ignore_index=True)
    for table in (real, model):
        table["pause_s"] = table["intended_s"] - table["end_s"].shift()
    again = real["attempt"] > 1
    assert real.pause_s[again].to_numpy() == pytest.approx(
        model.pause_s[again].to_numpy(), abs=1e-3
    )


def test_each_try_may_have_a_service_time_of_its_own() -> None:
    with Server(workers=20) as server:
        times_s = [[0.5] * 10, [0.0] * 10]
        attempts = send(server, Client(timeout_s=0.2, attempts=2), service_times_s=times_s)
    assert attempts["outcome"].tolist() == ["timed_out", "ok"] * 10
    assert requests(attempts)["latency_s"].min() >= 0.2


def test_what_a_client_gave_up_is_still_worked_on_without_a_deadline() -> None:
    def work_done(**deadline: float) -> int:
        with Server(service_time_s=0.3) as server:
            send(server, Client(timeout_s=0.5, **deadline))
            server.get("/work", timeout_s=30)
            return int((server.log()["service_s"] > 0).sum()) - 1

    assert work_done() == 10
    # One after the other: of what came within 0.2 s, two have begun when the clients go.
    assert work_done(deadline_s=0.5) <= 4


def test_a_budget_stops_the_tries_of_a_site_that_is_down() -> None:
    with Server(error_share=1.0) as server:
        attempts = send(server, Client(attempts=5, retry_budget_share=0.1), requests=60)
    # Ten saved, and one in ten.
    assert (attempts["attempt"] > 1).sum() <= 10 + 6


def test_a_breaker_opens_and_sends_nothing_for_a_while() -> None:
    with Server(error_share=1.0) as server:
        attempts = send(
            server, Client(breaker_error_share=0.5, breaker_requests=5, breaker_open_s=60)
        )
        asked = len(server.log())
    assert attempts["outcome"].tolist() == ["failed"] * 5 + ["held_back"] * 5
    assert attempts["server"].isna().sum() == 5
    assert asked == 5


def test_a_late_answer_is_hedged_and_the_copy_that_lost_is_withdrawn() -> None:
    with Server(workers=20) as server:
        times_s = [[0.6] * 5, [0.0] * 5]
        client = Client(attempts=2, hedge_after_s=0.1)
        attempts = send(server, client, requests=5, service_times_s=times_s)
    assert attempts["outcome"].tolist() == ["withdrawn", "ok"] * 5
    assert requests(attempts)["outcome"].eq("ok").all()
    assert attempts["latency_s"].max() < 0.6


def test_a_full_queue_sheds_at_once_and_the_others_are_answered() -> None:
    with Server(service_time_s=0.2, queue_limit=2) as server:
        attempts = send(server, Client(), requests=6)
        server.set(queue_limit=None)
        assert set(send(server, Client(), requests=4)["outcome"]) == {"ok"}
    shed = attempts[attempts["outcome"] == "failed"]
    assert set(shed["status"]) == {503}
    assert shed["wait_s"].tolist() == [0.0] * len(shed)
    assert 2 <= len(shed) <= 4


def test_a_try_of_work_that_is_done_is_answered_from_memory() -> None:
    with Server(workers=20) as server:
        client = Client(timeout_s=0.3, attempts=2, backoff_s=0.4, idempotency_keys=True)
        attempts = send(server, client, requests=4, service_times_s=[0.5] * 4)
        served = server.log()["service_s"]
    assert attempts["outcome"].tolist() == ["timed_out", "ok"] * 4
    assert (served > 0).sum() == 4
    assert len(served) == 8


def test_a_dependency_that_is_not_there_is_refused_as_often_as_there_are_tries() -> None:
    from devops_lab.processes import free_port

    url = f"http://127.0.0.1:{free_port()}/"
    attempts = send_load(url, arrivals=[0.0, 0.1], client=Client(attempts=3))
    assert attempts["outcome"].tolist() == ["refused"] * 6


def test_a_deadline_in_the_past_or_no_deadline_at_all_is_said() -> None:
    with Server() as server:
        late = server.get("/work", headers={"X-Deadline": "1.0"})
        nonsense = server.get("/work", headers={"X-Deadline": "soon"})
    assert (late.status, nonsense.status) == (504, 400)
    assert "X-Deadline cannot be used" in nonsense.text
