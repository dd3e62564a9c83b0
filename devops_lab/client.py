"""One request, sent exactly as written, and the answer, with the conversation to look at."""

import io
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import Any

from devops_lab.rules import number
from devops_lab.translation import _

MOST_SHOWN = 1000


@dataclass(frozen=True, repr=False)
class Answer:
    """A server's answer: `status`, `reason`, `headers` (in any case) and `body` in bytes.

    Shown at the end of a cell, or printed, it is the whole conversation.
    """

    status: int
    reason: str
    headers: Message
    body: bytes
    request: str = ""

    @property
    def text(self) -> str:
        """The body as text, in the character set of its Content-Type, else UTF-8."""
        try:
            return self.body.decode(self.headers.get_content_charset("utf-8"), errors="replace")
        except LookupError:  # a character set that nobody knows
            return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body read as JSON; raises a `ValueError` where it is none."""
        return json.loads(self.body)

    @property
    def conversation(self) -> str:
        """What was sent (`>`) and what came back (`<`), with the beginning of the body."""
        sent = self.request.splitlines()
        head = [f"HTTP/1.1 {self.status} {self.reason}"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        lines = [*(f"> {line}".rstrip() for line in sent), *(f"< {line}".rstrip() for line in head)]
        return "\n".join((*lines, "<", self._shown_body())).rstrip()

    def _shown_body(self) -> str:
        if not self.body:
            return ""
        if b"\0" in self.body:
            return _("({count} bytes that are no text)").format(count=len(self.body))
        text = self.text
        rest = len(text) - MOST_SHOWN
        if rest <= 0:
            return text
        return text[:MOST_SHOWN] + "\n" + _("(and {count} more characters)").format(count=rest)

    def __repr__(self) -> str:
        return self.conversation


def ask(
    port: int,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str | bytes | None = None,
    timeout_s: float = 5.0,
) -> Answer:
    """The answer of the server at this port of 127.0.0.1.

    The path goes over the wire as it is: no dot segment is removed and nothing is encoded, as a
    browser would do. Redirects are shown, not followed. Raises `ConnectionError` when nobody
    answers and `TimeoutError` when nobody does within `timeout_s` seconds.
    """
    number("timeout_s", timeout_s, above=0)
    content = body.encode() if isinstance(body, str) else body or b""
    lines = {"Host": f"127.0.0.1:{port}", "Connection": "close", **(headers or {})}
    if content:
        lines["Content-Length"] = str(len(content))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    request = f"{method} {path} HTTP/1.1\r\n{head}\r\n"
    try:
        return _exchange(port, request, content, method, timeout_s)
    except TimeoutError:
        text = _("The server at port {port} has not answered within {timeout_s:g} s.")
        raise TimeoutError(text.format(port=port, timeout_s=timeout_s)) from None
    except ConnectionRefusedError:
        text = _("Nobody listens at port {port}: the server is stopped, or was never started.")
        raise ConnectionRefusedError(text.format(port=port)) from None
    except (ConnectionError, HTTPException) as error:
        text = _("The server at port {port} closed the connection without an answer ({error}).")
        raise ConnectionError(text.format(port=port, error=error)) from None


def _exchange(port: int, request: str, content: bytes, method: str, timeout_s: float) -> Answer:
    deadline = time.monotonic() + timeout_s
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        connection.sendall(request.encode() + content)
        with HTTPResponse(_Incoming(connection, deadline), method=method) as response:
            response.begin()
            body = response.read()
            return Answer(response.status, response.reason, response.headers, body, request)


class _Incoming(io.RawIOBase):
    """What comes in on a connection until a deadline. A socket's own time-out begins anew with
    every byte: a server that sends them one by one would never be over it."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What `HTTPResponse` reads, as of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        return self._connection.recv_into(buffer)
