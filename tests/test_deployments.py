"""New versions brought to people on real servers."""

import _thread
import socket
import threading
from collections.abc import Iterator, Sequence
from itertools import groupby

import pytest

from devops_lab.deployments import DONE, STOPPED, TAKEN_BACK, Deployment, Fleet, Release
from devops_lab.dora import measures
from devops_lab.families import wait_until
from devops_lab.processes import ProgramError, running
from devops_lab.rollouts import STRATEGIES, Phase, Rollout, cost, plan

SOON = {"detection_s": 0.3, "canary_share": 0.25}


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet(Release("1.0"), servers=3, rate_per_s=200) as fleet:
        yield fleet
    assert not fleet.servers[0].is_running


def versions(fleet: Fleet) -> set[str]:
    return {fleet.balancer.get("/work").headers["X-Version"] for _one in range(6)}


def failed(deployment: Deployment) -> int:
    return int(deployment.row["failed_requests"].iloc[0])


def states(phases: Sequence[Phase]) -> list[tuple[int, int]]:
    """How many servers of the old and the new version served, one after the other."""
    return [state for state, _same in groupby((phase.old, phase.new) for phase in phases)]


def went_as_planned(found: Deployment, servers: int, error_share: float = 0.0) -> bool:
    """Whether real servers came through all states of the plan, in its order."""
    planned = plan(found.rollout, servers=servers, rate_per_s=200, error_share=error_share)
    real = iter(states(found.phases))
    return all(state in real for state in states(planned))


def test_a_good_version_reaches_everybody_and_no_request_fails() -> None:
    with Fleet(Release("1.0"), servers=4, rate_per_s=500) as fleet:
        for number, strategy in enumerate(STRATEGIES[1:], 1):
            found = fleet.deploy(Release(f"1.{number}"), Rollout(strategy, **SOON))
            assert found.outcome == DONE, found.said
            assert failed(found) == 0
            assert went_as_planned(found, servers=4)
            assert versions(fleet) == {f"1.{number}"}
            assert [server.version for server in fleet.servers] == [f"1.{number}"] * 4
        rows = fleet.rows()
    assert rows["missing"].tolist() == [1, 0, 0]
    assert rows["extra"].tolist() == [0, 4, 1]
    assert (rows["users_hit"] == 0).all()


def test_recreate_turns_people_away_and_the_others_do_not_need_to(fleet: Fleet) -> None:
    found = fleet.deploy(Release("2.0"), Rollout("recreate", **SOON))
    assert found.outcome == DONE
    assert failed(found) > 0
    assert found.row["missing"].iloc[0] == 3
    assert versions(fleet) == {"2.0"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_bad_version_is_taken_back_and_costs_what_the_model_says(
    fleet: Fleet, strategy: str
) -> None:
    found = fleet.deploy(Release("2.0", error_share=0.5), Rollout(strategy, **SOON))
    assert found.outcome == TAKEN_BACK
    assert "errors" in found.said
    assert versions(fleet) == {"1.0"}
    # How far rolling comes before it is judged, the machine decides.
    assert strategy == "rolling" or went_as_planned(found, 3, error_share=0.5)
    expected = cost(found.phases, servers=3, rate_per_s=200, error_share=0.5)
    # Chance, and the moment between a change and its being noted.
    assert failed(found) == pytest.approx(expected["failed_requests"], rel=0.5, abs=30)
    assert found.row["users_hit"].iloc[0] == pytest.approx(expected["users_hit"], abs=0.35)
    history = measures(fleet.deployments(), "1D")
    assert history["failing_share"].iloc[0] == 1
    assert history["recovery_time"].notna().all()


def test_a_canary_finds_a_slow_version_by_the_answers_beside_it(fleet: Fleet) -> None:
    found = fleet.deploy(Release("2.0", slow_factor=6), Rollout("canary", **SOON))
    assert found.outcome == TAKEN_BACK
    assert "took longer" in found.said
    assert failed(found) == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_version_that_cannot_start_is_stopped_and_the_old_one_serves(
    fleet: Fleet, strategy: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        taken = fleet.deploy(Release("2.0", port=port), Rollout(strategy, **SOON))
    assert taken.outcome == STOPPED
    assert f"Port {port} is taken" in taken.said
    assert versions(fleet) == {"1.0"}
    assert len(fleet.servers) == 3
    if strategy != "recreate":
        assert failed(taken) == 0
        assert fleet.deployments().empty


def test_a_version_that_never_gets_ready_meets_nobody(fleet: Fleet) -> None:
    for strategy in ("rolling", "canary"):
        found = fleet.deploy(Release("2.0", ready=False), Rollout(strategy, **SOON))
        assert found.outcome == STOPPED
        assert "did not get ready" in found.said
        assert failed(found) == 0
        assert found.met_s is None
        assert versions(fleet) == {"1.0"}


# The interrupt may come while a library has a file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_interrupt_leaves_the_old_version_and_nothing_else(fleet: Fleet, strategy: str) -> None:
    def interrupt() -> None:
        # In the middle: the first of the new ones has come, or one of the old ones has gone.
        wait_until(lambda: any("v2.0" in each.name for each in running()), within_s=20)
        _thread.interrupt_main()

    watching = threading.Thread(target=interrupt)
    watching.start()
    with pytest.raises(KeyboardInterrupt):
        fleet.deploy(Release("2.0"), Rollout(strategy, detection_s=30))
    watching.join()
    assert sorted(server.name for server in fleet.servers) == ["v1.0-1", "v1.0-2", "v1.0-3"]
    assert not [program for program in running() if "v2.0" in program.name]
    assert versions(fleet) == {"1.0"}


def test_a_fleet_that_does_not_run_says_so() -> None:
    with pytest.raises(ProgramError, match="The fleet does not run"):
        Fleet(servers=1).deploy(Release("2.0"), Rollout("recreate"))
    assert not running()


def test_what_cannot_be_deployed_is_refused_before_anything_happens(fleet: Fleet) -> None:
    with pytest.raises(ValueError, match="another one than the present 1.0"):
        fleet.deploy(Release("1.0"))
    with pytest.raises(ValueError, match="batch must be at most 2"):
        fleet.deploy(Release("1.1"), Rollout(batch=3))
    assert versions(fleet) == {"1.0"}
