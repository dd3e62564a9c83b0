"""The running server under everything that could climb out of its folder."""

import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traversals import absolutes, climbs

from devops_lab.servers import Server

SECRET = "the recipe of the moon cake"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A site with a secret beside it, and links to the secret where the system allows links."""
    folder = tmp_path_factory.mktemp("shop")
    root = folder / "site"
    (root / "images").mkdir(parents=True)
    (root / "index.html").write_text("Moonlight Bakery")
    (folder / "secret.txt").write_text(SECRET)
    try:
        (root / "beside").symlink_to(folder, target_is_directory=True)
        (root / "secret-link.txt").symlink_to(folder / "secret.txt")
    except OSError:
        pass  # Windows lets only administrators make them
    return root


@pytest.fixture(scope="module")
def server(root) -> Iterator[Server]:
    with Server(root, name="fuzzed") as server:
        yield server


class Line:
    """One connection, kept for the next path as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: socket.socket | None = None

    def ask(self, path: str) -> bytes:
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        self._connection.sendall(f"GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
        with HTTPResponse(self._connection, method="GET") as answer:
            answer.begin()
            body = answer.read()
            if answer.will_close:
                self.close()
            return str(answer.headers).encode() + body

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def test_no_spelling_of_a_climb_gets_the_secret_over_the_wire(server, root):
    secret = (root.parent / "secret.txt").as_posix()
    tried = [*climbs("secret.txt", most_steps=2), *climbs("beside/secret.txt", most_steps=1)]
    tried += [*absolutes(secret), "/secret-link.txt", "/beside", "/beside/", "/beside%2fsecret.txt"]
    with closing(Line(server.port)) as line:
        for path in tried:
            assert SECRET.encode() not in line.ask(path), path
    assert server.get("/").text == "Moonlight Bakery"


def exchange(port: int, request: bytes) -> bytes:
    """All that the server says to these bytes, until it closes the connection."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                said += part
        except ConnectionError:
            pass
    return said


@given(st.binary(max_size=60) | st.text("/.%2e5cf\\ secret.txt\r\n").map(str.encode))
def test_whatever_bytes_come_as_a_path_the_server_keeps_answering(server, path):
    said = exchange(server.port, b"GET /" + path + b" HTTP/1.1\r\nHost: shop\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 ")
    assert SECRET.encode() not in said
    assert server.get("/index.html").text == "Moonlight Bakery"
