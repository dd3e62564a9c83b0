"""HTTP/1.1 on one connection: bytes in, requests out; replies in, bytes out.

The parser is llhttp, the one inside Node.js, by way of `httptools`. It is strict: what it refuses
becomes one clear 4xx, and the connection closes, since nobody knows where the next request starts.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import httptools

from devops_lab.paths import LONGEST_PATH

READ_BYTES = 32 * 1024
LONGEST_REQUEST_BYTES = 64 * 1024
# The path and as much again for the query.
LONGEST_TARGET = 2 * LONGEST_PATH
# A client that needs longer to say one request is taken for an attack, or for gone.
SLOWEST_REQUEST_S = 10.0
LINGER_S = 1.0

CLOSE = "Connection: close\r\n"
REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    """A request as it came: the path still percent-encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    keep_alive: bool = True


@dataclass(slots=True)
class Reply:
    """What a server answers with: status, content type, body, and headers beyond the usual ones."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818
    """A request that cannot be taken; `reply` says why in one line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.reply = Reply(status, "text/plain; charset=utf-8", f"{reason}\n".encode())


class RequestReader:
    """Reads one request after the other from a connection; `httptools` calls the `on_` methods."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._parser = httptools.HttpRequestParser(self)
        self._complete: deque[Request] = deque()
        self._refusal: Refusal | None = None
        self._in_message = False
        self._unfinished_bytes = 0
        self._deadline: float | None = None

    async def next(self) -> Request | None:
        """The next request, or None when the client has closed the connection.

        Raises `Refusal` for a request that is malformed, too long or too slow.
        """
        while not self._complete:
            if self._refusal:
                raise self._refusal
            data = await self._read()
            if not data:
                return None
            self._feed(data)
        return self._complete.popleft()

    async def _read(self) -> bytes:
        # No timer while the connection is idle: that is most of the reads, and harmless.
        if not self._in_message:
            return await self._stream.read(READ_BYTES)
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._stream.read(READ_BYTES)
        except TimeoutError:
            raise Refusal(
                408, f"The request was not complete after {SLOWEST_REQUEST_S:g} s."
            ) from None

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # We speak HTTP/1.1 only, so the wish is passed over (RFC 9110, 7.8).
            self._complete[-1].keep_alive = False
        except httptools.HttpParserCallbackError as error:
            self._refusal = error.__context__ if isinstance(error.__context__, Refusal) else None
            if self._refusal is None:
                raise
        except httptools.HttpParserError as error:
            self._refusal = Refusal(400, f"The request cannot be read: {error}.")
        if self._in_message:
            self._watch(len(data))

    def _watch(self, new_bytes: int) -> None:
        """Keep an eye on the size and the time of a request that is not complete yet."""
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + SLOWEST_REQUEST_S
        self._unfinished_bytes += new_bytes
        if self._unfinished_bytes > LONGEST_REQUEST_BYTES:
            self._refusal = self._refusal or self._too_long()

    def _too_long(self) -> Refusal:
        status, part = (413, "body") if self._in_body else (431, "head")
        return Refusal(
            status, f"The request's {part} is longer than {LONGEST_REQUEST_BYTES} bytes."
        )

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = b""
        self._in_message, self._in_body = True, False
        self._unfinished_bytes, self._deadline = 0, None

    def on_url(self, part: bytes) -> None:
        self._target += part
        if len(self._target) > LONGEST_TARGET:
            raise _path_too_long()

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        # A header may come in several lines (RFC 9110, 5.3); of these two, only one can be meant.
        if key in self._headers and key in ("host", "content-length"):
            raise Refusal(400, f"The header {key} came twice.")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self._in_body = True

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise Refusal(505, f"This server speaks HTTP/1.0 and HTTP/1.1, not HTTP/{version}.")
        if version == "1.1" and "host" not in self._headers:
            raise Refusal(400, "HTTP/1.1 wants a Host header.")
        path, _mark, query = _origin_form(self._target.decode("ascii")).partition("?")
        if len(path) > LONGEST_PATH:
            raise _path_too_long()
        method = self._parser.get_method().decode("ascii")
        keep_alive = self._parser.should_keep_alive()
        self._complete.append(Request(method, path, query, self._headers, self._body, keep_alive))
        self._in_message = False


def _path_too_long() -> Refusal:
    return Refusal(414, f"The path is longer than {LONGEST_PATH} characters.")


def _origin_form(target: str) -> str:
    """The path and query, also of a request that names the whole URL (RFC 9112, 3.2.2)."""
    if "://" not in target or target.startswith("/"):
        return target
    _host, _slash, rest = target.partition("://")[2].partition("/")
    return f"/{rest}"


def as_bytes(reply: Reply, method: str, more_headers: str = "", keep_alive: bool = True) -> bytes:
    """The reply as it goes over the wire; each of `more_headers` ends with a line break."""
    without_body = reply.status in (204, 304)
    content = (
        ""
        if without_body
        else f"Content-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}\r\n"
    )
    own = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    head = (
        f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, '')}\r\n"
        f"Date: {_date(int(time.time()))}\r\n"
        f"{content}{more_headers}{own}{'' if keep_alive else CLOSE}\r\n"
    ).encode("latin-1")
    return head if without_body or method == "HEAD" else head + reply.body


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


async def close_gently(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close so that the client can read our last answer, also while it is still sending.

    A close with unread bytes makes the system send a reset, which throws our answer away.
    """
    try:
        writer.write_eof()
        async with asyncio.timeout(LINGER_S):
            while await stream.read(READ_BYTES):
                pass
    except (OSError, TimeoutError):
        pass
    writer.close()
