"""The bakery's web server, one real process: `python -m devops_lab.serve --port 8000`.

It serves a folder of files, the shop's JSON answers below `/api/`, and `/work`, which does nothing
but take time; or the learner's own routing function instead of all three. The service time and the
error share apply to each of these, since a slow server is slow for everybody. They do not apply to
what the people on duty ask, who want an answer most when the shop is slow: `/healthz`, `/readyz`
and `/metrics` are answered at once, and are neither counted nor logged.
"""

import argparse
import asyncio
import errno
import hmac
import itertools
import json
import math
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from devops_lab import lifeline, paths, rules, shop
from devops_lab.access_log import AccessLog, Entry
from devops_lab.course import data_folder
from devops_lab.duplicates import TIED_HEADER, WITHDRAW_PATH, Remembered, Ties, key_of
from devops_lab.exposition import Metrics
from devops_lab.http1 import Refusal, Reply, Request, RequestReader, as_bytes, close_gently
from devops_lab.open_files import allow_many_connections
from devops_lab.route_function import RouteFunction, answer, explain, unpack
from devops_lab.routing import Routed, Router
from devops_lab.service import (
    LONGEST_SERVICE_S,
    Draws,
    NotServedError,
    QueueFullError,
    Settings,
    TooLateError,
    WithdrawnError,
    Workers,
    sleep_until,
)

TOKEN_VARIABLE = "DEVOPS_LAB_CONTROL_TOKEN"
TOKEN_HEADER = "X-Control-Token"
SERVICE_TIME_HEADER = "x-service-time"
DEADLINE_HEADER = "x-deadline"
# What is said to a request that no worker takes.
NOT_SERVED = {
    QueueFullError: (503, "Too many wait already: please come back later."),
    TooLateError: (504, "The time that its client gave it was over before its turn came."),
    WithdrawnError: (409, "Another server has begun on a copy of this request."),
}
# How long a stopping server waits for the requests it has in work.
GRACE_S = 0.5


class WebServer:
    """One server: from a request to a reply, with its queue, its log and its metrics."""

    def __init__(
        self,
        name: str,
        site: Path,
        settings: Settings,
        log: AccessLog,
        *,
        version: str = "1.0",
        seed: int = 1,
        route: RouteFunction | None = None,
        token: str = "",
    ) -> None:
        self.name, self.site, self.settings, self.log = name, site, settings, log
        self.version = version
        self._who = f"Server: devops-lab\r\nX-Served-By: {name}\r\nX-Version: {version}\r\n"
        self.route, self._token = route, token
        self.metrics = Metrics()
        # Most requests are for few paths, and a rule costs more than a look in a table.
        self._find_route = lru_cache(1024)(self._routes().match)
        self._work_done = shop.as_json({"server": name, "version": version, "done": True})
        self._workers = Workers(settings.workers)
        self._remembered, self._ties = Remembered(), Ties()
        self.port = 0
        self._line = asyncio.Event()
        self._draws = Draws(seed)
        self._connect()
        self._threads = ThreadPoolExecutor(thread_name_prefix="route")
        first = secrets.token_hex(4)
        self._new_ids = (f"{first}-{count:06}" for count in itertools.count(1))
        self._for_operators = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": self._exposition,
            "/-/settings": self._settings,
            "/-/flush": self._flush,
            WITHDRAW_PATH: self._withdraw,
        }

    async def converse(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        requests = RequestReader(stream)
        try:
            while request := await requests.next():
                await self._answer(request, writer)
                if not request.keep_alive:
                    break
        except Refusal as refusal:
            self._refuse(refusal, writer)
        except OSError:
            pass  # The client is gone.
        await close_gently(stream, writer)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if not request.path.startswith("/-/"):
            await self._line.wait()
        if operator := self._for_operators.get(request.path):
            reply = operator(request)
            writer.write(as_bytes(reply, request.method, self._who, request.keep_alive))
        else:
            reply, entry = await self._work_on(request)
            # An answer can be cut off as well.
            await self._line.wait()
            self._send(reply, request, entry, writer)
        await writer.drain()

    async def _work_on(self, request: Request) -> tuple[Reply, Entry]:
        entry = Entry(time.time(), self._request_id(request), self.name, self.version)
        self.metrics.in_flight += 1
        try:
            return await self._queue_and_serve(request, entry), entry
        except Refusal as refusal:
            entry.error = str(refusal)
            return refusal.reply, entry
        finally:
            self.metrics.in_flight -= 1

    async def _queue_and_serve(self, request: Request, entry: Entry) -> Reply:
        """Wait for a worker, and keep it busy for the service time, or longer if the reply is."""
        service_s, fails = self._draws.next(self.settings)
        if SERVICE_TIME_HEADER in request.headers:
            service_s = _seconds(request.headers[SERVICE_TIME_HEADER])
        key, arrival = key_of(request), time.perf_counter()
        start = end = await self._turn(request, key)
        entry.wait_s = start - arrival
        try:
            if known := self._remembered.get(key):
                return known
            service_s *= self.settings.slow_factor
            began = time.perf_counter()
            reply = self._planted_error(entry) if fails else await self.reply(request, entry)
            end = start + max(service_s, time.perf_counter() - began)
            await sleep_until(end)
            self._remembered.keep(key, reply)
        finally:
            self._workers.give_back(end)
        entry.service_s = time.perf_counter() - start
        return reply

    async def _turn(self, request: Request, key: str) -> float:
        """When a worker starts on the request; a refusal where none will."""
        try:
            if self._ties.is_needless(key):
                raise WithdrawnError
            until = _deadline(request.headers)
            start = await self._workers.take(self.settings.queue_limit, until, key)
        except NotServedError as reason:
            raise Refusal(*NOT_SERVED[type(reason)]) from None
        if key and TIED_HEADER in request.headers:
            self._ties.tell_others(request, self.port)
        return start

    def _withdraw(self, request: Request) -> Reply:
        if key := key_of(request):
            self._ties.withdraw(key)
            self._workers.withdraw(key)
        return _text(200, "withdrawn")

    def _send(
        self, reply: Reply, request: Request, entry: Entry, writer: asyncio.StreamWriter
    ) -> None:
        headers = (
            f"{self._who}X-Request-Id: {entry.request_id}\r\n"
            f"Server-Timing: wait;dur={entry.wait_s * 1e3:.3f}, "
            f"service;dur={entry.service_s * 1e3:.3f}\r\n"
        )
        message = as_bytes(reply, request.method, headers, request.keep_alive)
        writer.write(message)
        entry.method, entry.path = request.method, request.path
        entry.status, entry.bytes = reply.status, len(message)
        self.metrics.finished(entry.method, entry.status, entry.wait_s, entry.service_s)
        self.log.add(entry)

    def _refuse(self, refusal: Refusal, writer: asyncio.StreamWriter) -> None:
        unread = Request("-", "", "", {}, keep_alive=False)
        made = time.time(), next(self._new_ids), self.name, self.version
        entry = Entry(*made, error=str(refusal))
        self._send(refusal.reply, unread, entry, writer)

    def _request_id(self, request: Request) -> str:
        given = request.headers.get("x-request-id")
        kept = given and re.fullmatch(r"[\w.:-]{1,128}", given, re.ASCII)
        return given if kept else next(self._new_ids)

    async def reply(self, request: Request, entry: Entry) -> Reply:
        """The reply to one request, once a worker is free; another kind of server overrides it."""
        if self.route:
            return await self._routed(self.route, request.path, entry)
        routed = self._find_route(request.path, request.method)
        if routed.status == 200:
            return routed.endpoint(request, **routed.arguments)
        return _not_routed(routed, request)

    def _routes(self) -> Router:
        """The rules of the bakery's site: what is neither work nor the shop's is a file."""
        routes = Router()
        routes.add("/work", lambda _request: self._work_done)
        shop.add_routes(routes)
        for rule in ("/", "/<path:file>"):
            routes.add(rule, lambda request, file="": site_file(self.site, request))
        return routes

    async def _routed(self, route: RouteFunction, path: str, entry: Entry) -> Reply:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, answer, route, path)
        except Exception as error:
            entry.error = explain(error, route, path)
            return _text(500, entry.error)

    def _planted_error(self, entry: Entry) -> Reply:
        entry.error = "chosen by error_share"
        return shop.as_json({"error": "The oven is out of order, please try again."}, 500)

    def _health(self, _request: Request) -> Reply:
        return _text(200, "alive")

    def _readiness(self, _request: Request) -> Reply:
        return _text(200, "ready") if self.settings.ready else _text(503, "not ready")

    def _exposition(self, _request: Request) -> Reply:
        self.metrics.log_lines_lost = self.log.lost
        return Reply(200, "text/plain; version=0.0.4; charset=utf-8", self.metrics.text().encode())

    def _settings(self, request: Request) -> Reply:
        if not self._is_allowed(request):
            return _not_allowed()
        try:
            self.change(json.loads(request.body))
        except (TypeError, ValueError) as error:
            return _text(400, str(error))
        return shop.as_json(asdict(self.settings))

    def _flush(self, request: Request) -> Reply:
        if not self._is_allowed(request):
            return _not_allowed()
        self.log.flush()
        return _text(200, "written")

    def _is_allowed(self, request: Request) -> bool:
        given = request.headers.get(TOKEN_HEADER.lower(), "")
        return bool(self._token) and hmac.compare_digest(given.encode(), self._token.encode())

    def change(self, settings: dict[str, Any]) -> None:
        """Change settings while the server runs; nothing is changed when one of them is wrong."""
        self.settings = replace(self.settings, **settings)
        self._workers.resize(self.settings.workers)
        self._connect()

    def _connect(self) -> None:
        if self.settings.reachable:
            self._line.set()
        else:
            self._line.clear()


def site_file(site: Path, request: Request) -> Reply:
    """The file that the path asks for, a redirect to a folder, or a 4xx."""
    try:
        file = paths.safe_file(site, request.path)
        body, status = file.read_bytes(), file.stat()
    except paths.PathRefused as refusal:
        return _text(400, str(refusal))
    except paths.FolderWithoutSlash as folder:
        return _moved(301, request, folder.location)
    except OSError:
        return _text(404, f"There is nothing at {request.path}.")
    tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    if request.headers.get("if-none-match") == tag:
        return Reply(304, "", b"", {"ETag": tag})
    whole = Reply(200, paths.content_type(file), body, {"ETag": tag, "Accept-Ranges": "bytes"})
    # A part of this version is of no use to who has the rest of another one.
    if request.method == "GET" and request.headers.get("if-range", tag) == tag:
        return _part(whole, request.headers.get("range", ""))
    return whole


def _part(whole: Reply, wish: str) -> Reply:
    """The part of a file that a Range header asks for (RFC 9110, 14.2); of several, the whole."""
    length = len(whole.body)
    ranges = paths.byte_ranges(wish, length)
    if ranges == []:
        headers = {"Content-Range": f"bytes */{length}"}
        return _text(416, f"The file has {length} bytes, and none of these.", headers)
    if ranges is None or len(ranges) > 1:
        return whole
    [(first, last)] = ranges
    headers = {**whole.headers, "Content-Range": f"bytes {first}-{last}/{length}"}
    return Reply(206, whole.content_type, whole.body[first : last + 1], headers)


def _not_routed(routed: Routed, request: Request) -> Reply:
    """The answer where no rule of the site takes the request."""
    if routed.location:
        return _moved(routed.status, request, routed.location)
    if routed.status == 405:
        text = f"{request.method} is not possible here."
        return _text(405, text, {"Allow": ", ".join(routed.allow)})
    return _text(404, f"There is nothing at {request.path}.")


def _moved(status: int, request: Request, location: str) -> Reply:
    # By a relative way up and down again, so that it also leads home behind a proxy's prefix.
    way = "./" + "../" * (request.path.count("/") - 1) + location.removeprefix("/")
    query = f"?{request.query}" if request.query else ""
    return _text(status, f"This is now at {location}.", {"Location": way + query})


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, "text/plain; charset=utf-8", f"{text}\n".encode(), headers or {})


def _not_allowed() -> Reply:
    return _text(403, "Only the notebook that started this server can do that.")


def _seconds(text: str) -> float:
    remedy = "It is in seconds: 0.03 is 30 ms."
    try:
        return rules.number(
            "X-Service-Time", float(text), at_least=0, at_most=LONGEST_SERVICE_S, remedy=remedy
        )
    except ValueError as error:
        raise Refusal(400, f"X-Service-Time cannot be used: {error}") from None


def _deadline(headers: Mapping[str, str]) -> float:
    """When the client stops waiting, on the clock of `time.perf_counter`."""
    if DEADLINE_HEADER not in headers:
        return math.inf
    try:
        deadline = rules.number("X-Deadline", float(headers[DEADLINE_HEADER]))
    except ValueError as error:
        raise Refusal(400, f"X-Deadline cannot be used: {error}") from None
    return time.perf_counter() + deadline - time.time()


async def serve(server: WebServer, port: int) -> None:
    """Serve on 127.0.0.1 until the process is asked to end."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    lifeline.hold(lambda: loop.call_soon_threadsafe(ending.set))
    # Windows ends processes without asking.
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
    listening = await asyncio.start_server(server.converse, "127.0.0.1", port, backlog=1024)
    server.port = listening.sockets[0].getsockname()[1]
    print(f"listening on http://127.0.0.1:{server.port}", flush=True)
    await ending.wait()
    listening.close()
    deadline = time.monotonic() + GRACE_S
    while server.metrics.in_flight and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


def _kind(default: Any) -> Callable[[str], Any]:
    # bool("False") is True; what has no default is a number that may be left out.
    if isinstance(default, bool):
        return {"True": True, "False": False}.__getitem__
    return int if default is None else type(default)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devops_lab.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--name", default="server")
    parser.add_argument("--version", default="1.0", help="what its answers say that it is")
    parser.add_argument("--site", type=Path, default=data_folder() / "site")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--route", type=Path, help="a packed routing function")
    parser.add_argument("--access-log", type=Path, help="a file instead of the output")
    for setting in fields(Settings):
        flag = f"--{setting.name.replace('_', '-')}"
        parser.add_argument(flag, type=_kind(setting.default), default=setting.default)
    return parser.parse_args()


def main() -> None:
    """Serve as the command line says, until the process is asked to end."""
    given = _arguments()
    allow_many_connections()
    # Where the learner's function may have modules of its own.
    sys.path.append(str(Path.cwd()))
    settings = Settings(**{name: getattr(given, name) for name in Settings.names()})
    route = unpack(given.route.read_bytes()) if given.route else None
    log = given.access_log.open("a", encoding="utf-8") if given.access_log else sys.stdout
    server = WebServer(
        given.name,
        given.site,
        settings,
        AccessLog(log),
        version=given.version,
        seed=given.seed,
        route=route,
        token=os.environ.get(TOKEN_VARIABLE, ""),
    )
    try:
        asyncio.run(serve(server, given.port))
    except OSError as error:
        sys.exit(_port_refused(given.port, error))
    finally:
        # Only now is it certain that no request is answered any more.
        server.log.flush()


def _port_refused(port: int, error: OSError) -> str:
    remedy = "Use port 0, which takes any free port."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. End that program, or {remedy.lower()}"
    return f"Port {port} cannot be used ({os.strerror(error.errno)}). {remedy}"


if __name__ == "__main__":
    main()
