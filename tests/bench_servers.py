"""What the bakery's server weighs beside its peers: answers, memory, start. Run by `make bench`.

All servers give the same JSON answer to the same client, one after the other on the same core,
several times in turn; a line has the best of the rounds, and its ratio to the first line. Ours
alone keeps a log, metrics, a queue and request ids. `--smoke` measures as little as shows that all
of this still works.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from devops_lab.families import wait_until
from devops_lab.interpreter import python_program
from devops_lab.loadgen import send_load
from devops_lab.processes import free_port
from devops_lab.servers import Server
from devops_lab.tables import requests, summarise

PATH = "/api/orders/42"
CONNECTIONS = 16
SENT = f"GET {PATH} HTTP/1.1\r\nHost: bakery\r\n\r\n".encode()

STDLIB = """
import http.server, json, sys
from devops_lab.shop import order
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps(order(42)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
AIOHTTP = f"""
import sys
from aiohttp import web
from devops_lab.shop import order
THE_ORDER = order(42)
async def answer(request):
    return web.json_response(THE_ORDER)
app = web.Application()
app.router.add_get("{PATH}", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""


@dataclass
class Measured:
    """The best that one server has shown."""

    start_s: float = float("inf")
    rss_mb: float = float("inf")
    answers_per_s: float = 0.0
    answers_per_cpu_s: float = 0.0

    def add(self, other: "Measured") -> None:
        self.start_s = min(self.start_s, other.start_s)
        self.rss_mb = min(self.rss_mb, other.rss_mb)
        self.answers_per_s = max(self.answers_per_s, other.answers_per_s)
        self.answers_per_cpu_s = max(self.answers_per_cpu_s, other.answers_per_cpu_s)


class Customer(asyncio.Protocol):
    """Asks again as soon as it has its answer."""

    def __init__(self) -> None:
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(SENT)

    def data_received(self, data: bytes) -> None:
        # A head and a short body may come in two pieces; the body ends with a brace.
        if data.endswith(b"}"):
            self.answers += 1
            self._transport.write(SENT)


async def answers_in(port: int, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(Customer, "127.0.0.1", port) for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    for transport, _customer in pairs:
        transport.abort()
    return sum(customer.answers for _transport, customer in pairs)


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[tuple[psutil.Process, float]]:
    """The server's process and the seconds until it took a connection."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            server = psutil.Process(process.pid)
            if hasattr(server, "cpu_affinity"):
                server.cpu_affinity(server.cpu_affinity()[:1])
            assert wait_until(lambda: answers(port), within_s=20), command
            yield server, time.perf_counter() - began
        finally:
            process.terminate()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def measured(command: list[str], port: int, seconds: float) -> Measured:
    with running(command, port) as (server, start_s):
        before = server.cpu_times()
        count = asyncio.run(answers_in(port, seconds))
        after = server.cpu_times()
        busy_s = after.user + after.system - before.user - before.system
        rss_mb = server.memory_info().rss / 1e6
    assert count, command
    return Measured(start_s, rss_mb, count / seconds, count / max(busy_s, 0.01))


def commands(port: int, folder: Path) -> dict[str, list[str]]:
    log = str(folder / "access.jsonl")
    return {
        "ours, with log, metrics and queue": python_program(
            "serve", "--port", str(port), "--access-log", log
        ),
        "aiohttp.web, bare": [sys.executable, "-c", AIOHTTP, str(port)],
        "http.server, naive": [sys.executable, "-c", STDLIB, str(port)],
    }


def print_servers(rounds: int, seconds: float) -> None:
    best: dict[str, Measured] = {}
    with TemporaryDirectory() as folder:
        for _round in range(rounds):
            for name in commands(0, Path(folder)):
                port = free_port()
                command = commands(port, Path(folder))[name]
                best.setdefault(name, Measured()).add(measured(command, port, seconds))
    first = next(iter(best.values()))
    print(f"{'JSON answers':36}{'per s':>16}{'per CPU s':>16}{'start':>16}{'memory':>16}")
    for name, one in best.items():
        cells = [
            f"{one.answers_per_s:,.0f} ({one.answers_per_s / first.answers_per_s:.2f})",
            f"{one.answers_per_cpu_s:,.0f} ({one.answers_per_cpu_s / first.answers_per_cpu_s:.2f})",
            f"{one.start_s * 1e3:.0f} ms ({one.start_s / first.start_s:.2f})",
            f"{one.rss_mb:.0f} MB ({one.rss_mb / first.rss_mb:.2f})",
        ]
        print(f"{name:36}" + "".join(f"{cell:>16}" for cell in cells))
    bare_s = min(bare_start_s() for _round in range(rounds))
    print(f"start, ours to bare Python: {first.start_s / bare_s:.1f}")


def bare_start_s() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began


def print_load(rates_per_s: tuple[float, ...], seconds: float) -> None:
    with Server() as server:
        for rate_per_s in rates_per_s:
            row = summarise(requests(send_load(server.url + "work", rate_per_s, seconds))).iloc[0]
            print(
                f"load, {rate_per_s:,} requests/s: {row.throughput_per_s:,.0f}/s answered, "
                f"p99 sent {row.lateness_p99_s * 1e3:.1f} ms late (budget 2 ms at 5,000/s)"
            )


def main(smoke: bool) -> None:
    print_servers(rounds=1 if smoke else 5, seconds=0.2 if smoke else 1.0)
    print_load((200,) if smoke else (1_000, 5_000, 10_000), seconds=0.5 if smoke else 3.0)


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv)
