"""The bakery's servers, asked over real connections."""

import asyncio
import contextlib
import html
import importlib
import json
import linecache
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from coroutines import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from required import require
from traversals import absolutes, climbs

from devops_lab import http1, paths
from devops_lab.client import ask
from devops_lab.course import data_folder
from devops_lab.http1 import Refusal, RequestReader
from devops_lab.interpreter import python_program
from devops_lab.processes import ProgramError, free_port, running
from devops_lab.route_function import as_reply
from devops_lab.servers import Server
from devops_lab.service import Draws, Settings, Workers
from devops_lab.shop import MENU

SITE = data_folder() / "site"


@pytest.fixture(scope="module")
def bakery() -> Iterator[Server]:
    with Server(name="bakery") as server:
        yield server


def wait_until(condition: Callable[[], bool], within_s: float = 20) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def say(server: Server, message: bytes) -> bytes:
    """All that the server answers to these bytes, until it closes the connection."""
    with connect(server) as connection:
        connection.sendall(message)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def same_time(server: Server, path: str, count: int) -> list[int]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _nth: server.get(path).status, range(count)))


# ---- the site ----


class Links(HTMLParser):
    """The places a page leads to, or takes its pictures and styles from."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]


def test_every_file_of_the_site_comes_with_its_bytes_and_its_label(bakery: Server) -> None:
    for file in (file for file in SITE.rglob("*") if file.is_file()):
        answer = bakery.get("/" + paths.percent_encode(file.relative_to(SITE).as_posix()))
        assert (answer.status, answer.body) == (200, file.read_bytes())
        assert answer.headers["Content-Type"] == paths.content_type(file)


def test_every_link_of_the_site_leads_somewhere_and_works_behind_a_prefix(bakery: Server) -> None:
    seen, to_see = set(), ["/"]
    while to_see:
        path = to_see.pop()
        seen.add(path)
        answer = bakery.get(path)
        assert answer.status == 200, path
        if answer.headers.get_content_type() == "text/html":
            links = Links(answer.text).found
            assert not [link for link in links if link.startswith(("/", "http"))], path
            to_see += {urljoin(path, link) for link in links} - seen - set(to_see)
    assert {"/menu.json", "/api/menu", "/recipes/", "/bread.svg", "/style.css"} <= seen


def test_the_menu_is_the_same_as_a_file_as_an_answer_and_on_the_page(bakery: Server) -> None:
    assert bakery.get("/api/menu").json() == bakery.get("/menu.json").json() == list(MENU)
    page = bakery.get("/menu.html").text
    for bread in MENU:
        assert f"<td>{bread['name']}</td>" in page
        assert f"<td>{bread['price_won']:,}</td>" in page


def test_an_order_is_the_same_each_time_and_adds_up(bakery: Server) -> None:
    prices = {bread["id"]: bread["price_won"] for bread in MENU}
    order = bakery.get("/api/orders/42").json()
    assert order == bakery.get("/api/orders/42").json()
    assert order["total_won"] == sum(prices[i["id"]] * i["count"] for i in order["items"])
    missing = [bakery.get(f"/api/orders/{number}").status for number in ("0", "1001", "x", "-1")]
    assert missing == [404] * 4


def test_what_the_browser_has_already_is_not_sent_again(bakery: Server) -> None:
    tag = bakery.get("/bread.svg").headers["ETag"]
    again = bakery.get("/bread.svg", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")


def test_only_reading_is_possible(bakery: Server) -> None:
    head = say(bakery, b"HEAD /menu.html HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"Content-Length: %d\r\n" % (SITE / "menu.html").stat().st_size in head
    assert head.endswith(b"\r\n\r\n")
    for path in ("/", "/menu.html", "/work", "/api/orders/42", "/api/no-such-thing"):
        answer = bakery.get(path, method="DELETE")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert bakery.get(path, method="HEAD").body == b""


@pytest.mark.parametrize(
    ("asked", "status", "meant"),
    [
        ("/recipes", 301, "/recipes/"),
        ("/recipes?bread=rye", 301, "/recipes/?bread=rye"),
        ("//api///orders/42", 308, "/api/orders/42"),
        ("//menu.html?sort=price", 308, "/menu.html?sort=price"),
        ("//", 308, "/"),
        ("//shop.example/", 308, "/shop.example/"),
        ("//a:b", 308, "/a:b"),
    ],
)
@pytest.mark.parametrize("base", ["http://a.example", "http://hub.example/user/mina/proxy/8000"])
def test_a_redirect_leads_home_also_behind_a_prefix(
    bakery: Server, asked: str, status: int, meant: str, base: str
) -> None:
    answer = bakery.get(asked)
    assert answer.status == status
    assert paths.resolve(base + asked, answer.headers["Location"]) == base + meant


def test_a_part_of_a_file_is_sent_to_who_asks_for_one(bakery: Server) -> None:
    whole = bakery.get("/bread.svg")
    length, tag = len(whole.body), whole.headers["ETag"]
    assert whole.headers["Accept-Ranges"] == "bytes"

    def part(wish: str, **headers: str) -> tuple[int, bytes, str | None]:
        asked = {"Range": wish} | {name.replace("_", "-"): text for name, text in headers.items()}
        answer = bakery.get("/bread.svg", headers=asked)
        return answer.status, answer.body, answer.headers["Content-Range"]

    assert part("bytes=5-9") == (206, whole.body[5:10], f"bytes 5-9/{length}")
    assert part("bytes=-4", If_Range=tag)[:2] == (206, whole.body[-4:])
    status, _told, content_range = part(f"bytes={length}-")
    assert (status, content_range) == (416, f"bytes */{length}")
    for wish in ("bytes=0-1,4-5", "lines=1-2", "bytes=9-5"):
        assert part(wish) == (200, whole.body, None)
    assert part("bytes=5-9", If_Range='"of an older version"') == (200, whole.body, None)
    head = bakery.get("/bread.svg", method="HEAD", headers={"Range": "bytes=5-9"})
    assert (head.status, head.headers["Content-Length"]) == (200, str(length))


def test_requests_on_one_connection_are_answered_in_their_order(bakery: Server) -> None:
    one = b"GET /api/orders/%d HTTP/1.1\r\nHost: bakery\r\nX-Service-Time: %s\r\n\r\n"
    last = b"GET /api/orders/3 HTTP/1.1\r\nHost: bakery\r\nConnection: close\r\n\r\n"
    answers = say(bakery, one % (1, b"0.05") + one % (2, b"0") + last)
    assert re.findall(rb'"order": (\d)', answers) == [b"1", b"2", b"3"]


def test_however_many_requests_come_at_once_none_is_taken_for_a_long_one(bakery: Server) -> None:
    many = 6_000
    one = b"HEAD /work HTTP/1.1\r\nHost: bakery\r\n\r\n"
    with connect(bakery) as connection:
        telling = threading.Thread(target=connection.sendall, args=(many * one,), daemon=True)
        telling.start()
        answers = b""
        while answers.count(b"\r\n\r\n") < many and (part := connection.recv(1 << 20)):
            answers += part
        telling.join()
    assert answers.count(b"HTTP/1.1 200 OK") == many


def test_a_client_of_1996_and_one_that_names_the_whole_url_are_answered(bakery: Server) -> None:
    old = say(bakery, b"GET /menu.json HTTP/1.0\r\n\r\n")
    whole = say(bakery, b"GET http://bakery.example/menu.json HTTP/1.1\r\nHost: bakery\r\n\r\n")
    assert old.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close\r\n" in old
    assert whole.startswith(b"HTTP/1.1 200 OK\r\n")


# ---- the conversation ----


def test_the_path_goes_over_the_wire_as_it_is_and_the_conversation_can_be_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, Server() as server:
        server._port = listening.getsockname()[1]
        heard: list[bytes] = []

        def listen() -> None:
            connection, _address = listening.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 418 Teapot\r\nA: b\r\nContent-Length: 3\r\n\r\ntea")

        threading.Thread(target=listen, daemon=True).start()
        answer = server.get("/a/../%2e%2e//x?q=1 #빵")
        assert heard[0].startswith("GET /a/../%2e%2e//x?q=1 #빵 HTTP/1.1\r\nHost: 127".encode())
    told = answer.conversation
    assert told == repr(answer)
    assert told.startswith("> GET /a/../%2e%2e//x?q=1 #빵 HTTP/1.1\n> Host: 127.0.0.1:")
    assert told.endswith("< HTTP/1.1 418 Teapot\n< A: b\n< Content-Length: 3\n<\ntea")


def test_long_and_unreadable_bodies_are_cut_in_the_conversation() -> None:
    def route(path: str) -> tuple[int, str, bytes]:
        return 200, "image/x-test", b"\0" * 10 if path == "/picture" else b"a" * 5000

    with Server(route=route) as server:
        assert server.get("/").conversation.endswith("a\n(and 4000 more characters)")
        assert server.get("/picture").conversation.endswith("(10 bytes that are no text)")


def test_a_character_set_that_nobody_knows_is_read_as_utf_8() -> None:
    with Server(route=lambda _path: (200, "text/html; charset=hieroglyphs", "빵")) as server:
        assert server.get("/").text == "빵"


def test_a_proxy_in_the_environment_is_passed_by(
    bakery: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert bakery.get("/").status == 200


def test_the_link_leads_through_the_hub_where_there_is_one(
    bakery: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    assert f'href="http://127.0.0.1:{bakery.port}/menu.html"' in bakery.link("/menu.html").data
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/mina/")
    link = bakery.link('/a"b').data
    assert f'href="/user/mina/proxy/{bakery.port}/a&quot;b"' in link


def test_a_server_that_is_frozen_stopped_or_new_says_so() -> None:
    server = Server(name="oven")
    with pytest.raises(ProgramError, match=r"oven has no port yet.*start\(\)"):
        server.get("/")
    with server:
        server.freeze()
        with pytest.raises(TimeoutError, match=r"has not answered within 0\.2 s"):
            server.get("/", timeout_s=0.2)
        server.resume()
        assert server.get("/").status == 200
    with pytest.raises(ConnectionRefusedError, match="Nobody listens at port"):
        server.get("/")


def test_a_port_that_is_taken_is_said_with_the_remedy_and_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ProgramError, match=rf"Port {port} is taken.*use port 0"):
            Server(name="late", port=port).start()
    assert "late" not in [program.name for program in running()]


def test_every_answer_and_every_line_of_the_log_say_the_version() -> None:
    with Server(name="oven", version="2.1") as server:
        answers = [server.get(path) for path in ("/work", "/healthz", "/missing", "/-/flush")]
        assert {answer.headers["X-Version"] for answer in answers} == {"2.1"}
        assert answers[0].json() == {"server": "oven", "version": "2.1", "done": True}
        wait_until(lambda: server.log_file.read_text().count("\n") == 2, within_s=5)
        lines = [json.loads(line) for line in server.log_file.read_text().splitlines()]
        assert {line["version"] for line in lines} == {"2.1"}
        server.stop()
        server.version = "2.2"
        assert server.start().get("/readyz").headers["X-Version"] == "2.2"
    with pytest.raises(ValueError, match="version must be"):
        Server(version="two\r\nparts")


def test_a_server_keeps_its_port_and_its_log_when_it_is_started_again() -> None:
    server = Server().start()
    port = server.port
    server.get("/first")
    assert server.log()["path"].tolist() == ["/first"]
    server.kill()
    assert server.start().port == port
    server.get("/second")
    server.stop()
    assert server.log()["path"].tolist() == ["/first", "/second"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"workers": 0}, "workers must be at least 1"),
        ({"error_share": 5}, r"error_share must be a share.*For 5 % write 0\.05"),
        ({"service_time_s": 300}, r"service_time_s must be at most 60.*It is in seconds"),
        ({"service_distribution": "normal"}, "service_distribution must be one of constant"),
        ({"port": 70_000}, "port must be at most 65,535"),
        ({"name": "a\r\nb"}, "name must be 1 to 64 letters"),
        ({"name": 5}, "name must be 1 to 64 letters.*got 5"),
        ({"site": "/there/is/no/such/folder"}, "site must be a folder"),
    ],
)
def test_a_wrong_parameter_is_named_with_rule_and_value(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Server(**wrong)


# ---- what strangers send ----

MANY_HEADERS = b"".join(b"X-%d: y\r\n" % n for n in range(20_000))
BAD = {
    b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n": 400,
    b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n": 400,
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n": 414,
    b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n": 414,
    "GET /빵 HTTP/1.1\r\nHost: a\r\n\r\n".encode(): 400,
    b"GET / HTTP/1.1\r\nHost: a\r\n" + MANY_HEADERS + b"\r\n": 431,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1_000_000: 431,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 1_000_000: 413,
    b"GET / HTTP/1.1\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n": 400,
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n": 505,
    b"hello\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Service-Time: soon\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Service-Time: nan\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Service-Time: 1e9\r\n\r\n": 400,
}


@pytest.mark.parametrize("message", BAD, ids=lambda message: repr(message[:40]))
def test_a_bad_request_gets_one_clear_answer_and_the_rest_works(
    bakery: Server, message: bytes
) -> None:
    answers = say(bakery, message)
    head, _blank, body = answers.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == BAD[message]
    assert len(re.findall(rb"^HTTP/1\.1 \d", answers, re.MULTILINE)) == 1
    assert len(body.decode().splitlines()) == 1
    assert bakery.get("/").status == 200


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([*BAD, b"GET /", b" HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n"])))
def test_no_mixture_of_messages_ends_the_server(bakery: Server, parts: list[bytes]) -> None:
    answers = say(bakery, b"".join(parts))
    assert answers == b"" or answers.startswith(b"HTTP/1.1 ")
    assert bakery.get("/healthz").status == 200
    assert b"Traceback" not in bakery.log_path.read_bytes()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_end_the_server(bakery: Server, noise: bytes) -> None:
    say(bakery, b"GET /" + noise)
    assert bakery.get("/healthz").status == 200
    assert b"Traceback" not in bakery.log_path.read_bytes()


def test_no_spelling_of_a_climb_brings_the_secret_over_http(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("welcome")
    (tmp_path / "secret.txt").write_text("the recipe")
    tricks = [*climbs("secret.txt", most_steps=2), *absolutes(str(tmp_path / "secret.txt"))]
    with Server(site) as server:
        requests = [
            f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
            for path in random.Random(1).sample(tricks, 400)
        ]
        answers = [say(server, request) for request in requests]
    assert not [answer for answer in answers if b"the recipe" in answer]


def test_a_slow_client_keeps_nobody_else_waiting(bakery: Server) -> None:
    with connect(bakery) as slow_to_ask, connect(bakery) as slow_to_read:
        slow_to_ask.sendall(b"GET /menu.html HT")
        slow_to_read.sendall(b"GET /bread.svg HTTP/1.1\r\nHost: a\r\n\r\n" * 2000)
        assert same_time(bakery, "/work", 8) == [200] * 8
        slow_to_ask.sendall(b"TP/1.1\r\nHost: a\r\n\r\n")
        assert slow_to_ask.recv(12) == b"HTTP/1.1 200"


def test_a_request_that_is_never_finished_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "SLOWEST_REQUEST_S", 0.05)

    async def dawdle() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(b"GET / HT")
        with pytest.raises(Refusal, match=r"not complete after 0\.05 s") as refused:
            await asyncio.wait_for(RequestReader(stream).next(), timeout=20)
        assert refused.value.reply.status == 408

    run(dawdle())


def test_settings_and_log_obey_the_notebook_only(bakery: Server) -> None:
    for action in ("settings", "flush"):
        for token in ({}, {"X-Control-Token": "guess"}, {"X-Control-Token": "\xe9"}):
            answer = bakery.get(f"/-/{action}", method="POST", headers=token, body="{}")
            assert answer.status == 403
    assert bakery.settings == Settings()


# ---- wait, service, errors ----


def test_requests_beyond_the_workers_wait_for_them() -> None:
    with Server(service_time_s=0.1, workers=2) as server:
        assert same_time(server, "/work", 6) == [200] * 6
        log = server.log()
    assert (log["service_s"] >= 0.099).all()
    waits = sorted(log["wait_s"])
    assert sum(wait > 0.05 for wait in waits) >= 2
    assert waits[-1] > 0.1
    assert waits[0] < waits[-1] / 2


def test_the_whole_shop_is_slow_but_not_what_operators_ask() -> None:
    with Server(service_time_s=0.2) as server:
        for path in ("/", "/api/menu", "/work"):
            timing = server.get(path).headers["Server-Timing"]
            wait_ms, service_ms = map(float, re.findall(r"dur=([0-9.]+)", timing))
            assert (wait_ms >= 0, service_ms >= 199) == (True, True)
        for path in ("/healthz", "/readyz", "/metrics"):
            assert "Server-Timing" not in server.get(path).headers


def test_the_service_time_can_be_asked_for_request_by_request(bakery: Server) -> None:
    answer = bakery.get("/work", headers={"X-Service-Time": "0.15"})
    assert float(re.search(r"service;dur=([0-9.]+)", answer.headers["Server-Timing"])[1]) >= 149


def test_a_sick_machine_takes_longer_for_whatever_it_is_asked() -> None:
    with Server(service_time_s=0.02, slow_factor=5) as server:
        asked = server.get("/work", headers={"X-Service-Time": "0.03"}).headers["Server-Timing"]
        own = server.get("/work").headers["Server-Timing"]
        for timing, least_ms in ((asked, 149), (own, 99)):
            assert float(re.search(r"service;dur=([0-9.]+)", timing)[1]) >= least_ms


def test_the_seed_alone_decides_which_requests_fail() -> None:
    mine = Settings(error_share=0.3)
    draws = Draws(seed=7)
    told = [500 if draws.next(mine)[1] else 200 for _request in range(60)]
    with Server(error_share=0.3, seed=7) as server:
        assert [server.get("/work").status for _request in range(60)] == told
        assert server.log()["error"].notna().sum() == told.count(500)
    assert 0 < told.count(500) < 60


def test_changing_one_setting_leaves_the_other_random_numbers_as_they_were() -> None:
    def drawn(error_share: float, mean_s: float) -> tuple[list[float], list[bool]]:
        chosen = Settings(mean_s, "exponential", error_share=error_share)
        draws = Draws(seed=3)
        times, fails = zip(*(draws.next(chosen) for _request in range(200)), strict=True)
        return [time_s / mean_s for time_s in times], list(fails)

    assert drawn(0.1, 0.5)[0] == pytest.approx(drawn(0.9, 0.5)[0])
    assert drawn(0.1, 0.5)[1] == drawn(0.1, 2.0)[1]
    mean = sum(drawn(0.1, 1.0)[0]) / 200
    assert 0.7 < mean < 1.3


def test_a_server_that_is_cut_off_is_silent_and_answers_when_it_is_reached_again() -> None:
    with Server() as server, ThreadPoolExecutor() as pool:
        server.set(reachable=False)
        asked = [pool.submit(server.get, path, timeout_s=60) for path in ("/work", "/healthz")]
        # Its own notebook still reaches it: that is how it comes back.
        server.set(error_share=0.0)
        assert not any(answer.done() for answer in asked)
        assert len(server.log()) == 0
        server.set(reachable=True)
        assert [answer.result().status for answer in asked] == [200, 200]


def test_an_answer_is_cut_off_as_well() -> None:
    with Server(service_time_s=0.2) as server, ThreadPoolExecutor() as pool:
        answer = pool.submit(server.get, "/work", timeout_s=60)
        in_work = "http_requests_in_flight 1"
        wait_until(lambda: in_work in server.metrics())
        server.set(reachable=False)
        # Long after the work is done.
        time.sleep(0.5)
        assert not answer.done()
        server.set(reachable=True)
        assert answer.result().status == 200


def test_settings_that_a_server_has_already_are_not_sent_again() -> None:
    with Server(workers=2) as server:
        server.freeze()
        # A frozen server would not answer.
        server.set(workers=2)
        server.resume()
        server.set(workers=3)
    assert server.settings.workers == 3


def test_settings_change_at_once_and_a_wrong_one_changes_nothing() -> None:
    with Server() as server:
        server.set(error_share=1.0)
        assert server.get("/work").status == 500
        with pytest.raises(ValueError, match="workers must be at least 1"):
            server.set(error_share=0.0, workers=0)
        with pytest.raises(ValueError, match="setting must be one of service_time_s"):
            server.set(speed=3)
        assert (server.get("/work").status, server.settings.error_share) == (500, 1.0)
        server.set(error_share=0.0, ready=False)
        assert server.get("/work").status == 200
        assert server.get("/readyz").status == 503
        assert server.get("/healthz").status == 200
        server.kill()
        server.start()
        assert server.get("/readyz").status == 503


def test_more_workers_take_those_who_wait_already() -> None:
    with Server() as server, ThreadPoolExecutor() as pool:
        long = pool.submit(server.get, "/work", headers={"X-Service-Time": "3"}, timeout_s=20)
        wait_until(lambda: "http_requests_in_flight 1" in server.metrics())
        behind = pool.submit(server.get, "/work", timeout_s=20)
        wait_until(lambda: "http_requests_in_flight 2" in server.metrics())
        server.set(workers=2)
        assert behind.result().status == 200
        assert not long.done()


def test_a_late_timer_does_not_make_those_behind_it_later_but_a_freeze_does() -> None:
    async def queue(late_s: float) -> float:
        workers = Workers(1)
        began = await workers.take()
        waiting = asyncio.create_task(workers.take())
        await asyncio.sleep(late_s + 0.001)
        should_have_ended = time.perf_counter() - late_s
        workers.give_back(should_have_ended)
        assert should_have_ended > began
        return await waiting - should_have_ended

    assert run(queue(0.005)) == 0.0
    assert run(queue(0.1)) > 0.05


@given(st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_workers_are_never_more_than_set_and_serve_in_order(count: int, steps: list[int]) -> None:
    async def story() -> None:
        workers, at_work, most, order = Workers(count), 0, 0, []

        async def one(number: int, turns: int) -> None:
            nonlocal at_work, most
            await workers.take()
            order.append(number)
            at_work += 1
            most = max(most, at_work)
            for _turn in range(turns):
                await asyncio.sleep(0)
            at_work -= 1
            workers.give_back(time.perf_counter())

        await asyncio.gather(*(one(number, turns) for number, turns in enumerate(steps)))
        assert (most <= count, order) == (True, sorted(order))

    run(story())


# ---- the log and the metrics ----


def test_the_log_has_a_row_for_each_request_and_keeps_its_id() -> None:
    with Server(name="till") as server:
        made = server.get("/menu.html").headers["X-Request-Id"]
        server.get("/gone", headers={"X-Request-Id": "order-17"})
        server.get("/", headers={"X-Request-Id": "not an id"})
        server.get("/\0")
        server.get("/work", headers={"X-Service-Time": "soon"})
        for path in ("/healthz", "/readyz", "/metrics"):
            server.get(path)
        log = server.log()
    assert log["path"].tolist() == ["/menu.html", "/gone", "/", "", "/work"]
    assert log["status"].tolist() == [200, 404, 200, 400, 400]
    assert log["method"].tolist() == ["GET", "GET", "GET", "-", "GET"]
    assert log["request_id"].tolist()[:2] == [made, "order-17"]
    assert log["request_id"][2] != "not an id"
    assert log["request_id"].is_unique
    assert set(log["server"]) == {"till"}
    assert log["time"].is_monotonic_increasing
    assert "cannot be read" in log["error"][3]


def test_the_log_is_complete_after_a_stop_in_the_middle_of_the_traffic() -> None:
    answered: list[str] = []
    server = Server().start()

    def ask_on() -> None:
        try:
            while True:
                answered.append(server.get("/work").headers["X-Request-Id"])
        except OSError:
            pass

    asking = threading.Thread(target=ask_on)
    asking.start()
    wait_until(lambda: len(answered) > 50)
    server.stop()
    asking.join()
    assert set(answered) <= set(server.log()["request_id"])


def test_half_a_line_of_a_killed_server_costs_no_other_line() -> None:
    with Server() as server:
        server.get("/first")
        assert len(server.log()) == 1
        server.kill()
        with (server.folder / "access.jsonl").open("a") as log:
            log.write('{"time":"2030-')
        assert len(server.log()) == 1
        server.start()
        server.get("/second")
    assert server.log()["path"].tolist() == ["/first", "/second"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_queue_may_be_longer_than_the_systems_first_limit_of_open_files() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The reaper hands on what it was started with, so the limit is set in a shell of its own.
    code = (
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (100, {before[1]}))\n"
        "from devops_lab.loadgen import send_load\n"
        "from devops_lab.servers import Server\n"
        "with Server(service_time_s=0.5, workers=300) as server:\n"
        "    attempts = send_load(server.url, 200, 1, arrivals='constant')\n"
        "    print(*attempts['outcome'].unique(), len(server.last_log_lines(100)))\n"
    )
    told = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert told.splitlines()[-1] == "ok 1"


def test_a_log_of_nothing_is_an_empty_table_with_its_columns(bakery: Server) -> None:
    empty = Server().log()
    assert len(empty) == 0
    assert empty.dtypes.equals(bakery.log().dtypes)


def test_the_metrics_are_what_prometheus_reads_and_agree_with_the_log() -> None:
    with Server() as server:
        for path in ("/", "/menu.html", "/gone", "/work"):
            server.get(path, headers={"X-Service-Time": "0.03"})
        text, log = server.metrics(), server.log()
        assert (
            server.get("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")
        )
    families = {family.name: family for family in text_string_to_metric_families(text)}
    requests = {
        (sample.labels["method"], sample.labels["status"]): sample.value
        for sample in families["http_requests"].samples
    }
    assert requests == {("GET", "200"): 3, ("GET", "404"): 1}
    samples = families["http_request_service_seconds"].samples
    total = next(sample.value for sample in samples if sample.name.endswith("_sum"))
    assert total == pytest.approx(log["service_s"].sum(), abs=1e-4)
    for sample in samples:
        if sample.name.endswith("_bucket"):
            edge = float(sample.labels["le"])
            assert sample.value == (log["service_s"] <= edge).sum()
    assert families["http_requests_in_flight"].samples[0].value == 0


def test_promtool_has_no_complaint_about_the_metrics(bakery: Server) -> None:
    promtool = shutil.which("promtool")
    require(promtool, "promtool", "sudo apt-get install prometheus")
    bakery.get("/")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=bakery.metrics(), capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


# ---- the learner's own function ----


def typed(source: str, cell: str = "cell-7") -> Callable:
    """The function `route` as if it had been typed into a notebook."""
    file = f"/tmp/ipykernel_1/{cell}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {"__name__": "__main__"}
    exec(compile(source, file, "exec"), namespace)
    return namespace["route"]


CLUMSY = """
prices = {"/rye": 6500}

def price(path):
    return prices[path]

def route(path):
    if path == "/loop":
        while True:
            pass
    if path == "/nothing":
        return None
    if path == "/exit":
        raise SystemExit
    if path == "/":
        return 200, "text/html", "<h1>빵</h1>"
    return 200, "text/plain", str(price(path))
"""


def test_a_mistake_of_the_function_is_an_answer_that_names_the_line_and_the_server_lives() -> None:
    with Server(route=typed(CLUMSY)) as server:
        assert server.get("/").text == "<h1>빵</h1>"
        assert server.get("/rye?with=butter").text == "6500"
        mistake = server.get("/cake")
        assert mistake.status == 500
        assert mistake.text.splitlines() == [
            "route('/cake') failed:",
            '  line 17 in route: return 200, "text/plain", str(price(path))',
            "  line 5 in price: return prices[path]",
            "KeyError: '/cake'",
        ]
        assert "route had not finished after 1 s" in server.get("/loop").text
        assert "The function returned None. It must return (status," in server.get("/nothing").text
        assert "tried to end the whole program" in server.get("/exit").text
        assert server.get("/").status == 200
        log = server.log()
    assert log["status"].tolist() == [200, 200, 500, 500, 500, 500, 200]
    assert log["error"][2] == mistake.text.rstrip("\n")


def test_the_shop_stays_awake_while_a_function_loops() -> None:
    with Server(route=typed(CLUMSY), workers=2) as server, ThreadPoolExecutor() as pool:
        looping = pool.submit(server.get, "/loop")
        wait_until(lambda: "http_requests_in_flight 1" in server.metrics())
        assert server.get("/").status == 200
        assert not looping.done()
        assert looping.result().status == 500


def test_a_mistake_shows_in_the_learners_own_line_before_anything_starts() -> None:
    before = running()
    with pytest.raises(ZeroDivisionError) as mistake:
        Server(route=typed("def route(path):\n    return 1 / 0\n"))
    assert mistake.traceback[-1].lineno + 1 == 2
    assert str(mistake.traceback[-1].path).endswith("cell-7.py")
    assert "your function is called once as route('/')" in mistake.value.__notes__[0]
    with pytest.raises(TimeoutError, match="Look for a loop without end") as endless:
        Server(route=typed("def route(path):\n    while True: pass\n"))
    assert "called once as route('/')" in endless.value.__notes__[0]
    with pytest.raises(TypeError, match=r"route must be a function that takes a path, got 'site'"):
        Server(route="site")
    with pytest.raises(ValueError, match="a site or a route, not both"):
        Server(SITE, route=lambda path: (200, "text/plain", ""))
    assert running() == before


def test_what_cannot_leave_the_notebook_is_said_before_anything_starts() -> None:
    lock = threading.Lock()

    def route(path: str) -> tuple[int, str, str]:
        return 200, "text/plain", str(lock)

    with pytest.raises(TypeError, match=r"route cannot be sent to the server's process.*no open"):
        Server(route=route)


def test_the_server_has_a_copy_of_the_function_with_its_helpers_and_what_it_remembers() -> None:
    calls = [0]

    def route(path: str) -> tuple[int, str, str]:
        calls[0] += 1
        return 200, "text/plain", html.escape(f"<{calls[0]}>")

    with Server(route=route) as server:
        calls[0] = 100
        assert [server.get("/").text for _request in range(2)] == ["&lt;2&gt;", "&lt;3&gt;"]


def test_text_says_that_it_is_utf_8_unless_the_function_says_what_it_is() -> None:
    def label(content_type: str, body: str | bytes) -> str:
        return as_reply((200, content_type, body)).content_type

    assert label("text/html", "빵") == "text/html; charset=utf-8"
    assert label("text/html; charset=UTF-8", "빵") == "text/html; charset=UTF-8"
    assert label("text/html", "빵".encode("euc-kr")) == "text/html"
    assert label("application/json", '"빵"') == "application/json"


def test_a_function_may_use_the_modules_of_its_folder_and_they_hide_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    (tmp_path / "ovens.py").write_text("def route(path):\n    return 200, 'text/plain', 'warm'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    ovens = importlib.import_module("ovens")
    try:
        with Server(route=ovens.route) as server:
            assert server.get("/").text == "warm"
    finally:
        del sys.modules["ovens"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "The function returned None"),
        ("<h1>Bread</h1>", r"returned '<h1>Bread</h1>'. It must return \(status"),
        ((200, "text/html"), "It must return"),
        (("200", "text/html", ""), "The status must be a whole number from 200 to 599, got '200'"),
        ((True, "text/html", ""), "The status must be"),
        ((99, "text/html", ""), "got 99"),
        ((200, None, ""), "The content type must be text such as"),
        ((200, "text/html\r\nSet-Cookie: a=b", ""), "The content type must be"),
        ((200, "html", ""), "The content type must be"),
        ((200, "text/html", {"a": 1}), "The body must be str or bytes, got {'a': 1}"),
        ((200, "text/html", "x" * 10, "y" * 1000), r"\.\.\."),
    ],
)
def test_a_wrong_answer_is_told_apart(answer: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        as_reply(answer)


# ---- on its own ----


@contextlib.contextmanager
def on_its_own(*flags: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    command = python_program("serve", "--port", str(port), *flags)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PATH": ""}) as process:
        try:
            assert process.stdout.readline() == f"listening on http://127.0.0.1:{port}\n"
            yield process, port
        finally:
            process.terminate()


def test_the_server_runs_without_a_notebook_and_ends_politely() -> None:
    with on_its_own("--service-time-s", "0.3") as (process, port):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /work HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: "http_requests_in_flight 1" in ask(port, "/metrics").text)
            process.terminate()
            assert connection.recv(12) == b"HTTP/1.1 200"
        (line,) = process.stdout.read().splitlines()
    assert process.returncode == 0
    assert json.loads(line)["path"] == "/work"


def test_without_a_token_nobody_changes_settings() -> None:
    with on_its_own() as (_process, port):
        for headers in ({}, {"X-Control-Token": ""}):
            answer = ask(port, "/-/settings", method="POST", headers=headers, body="{}")
            assert answer.status == 403


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_stopping_a_frozen_server_leaves_nothing() -> None:
    server = Server().start()
    server.get("/")
    server.freeze()
    server.stop()
    assert len(server.log()) == 1
    with pytest.raises(ConnectionRefusedError):
        server.get("/")
