"""The service manager of the sandbox, what systemd is on a real host: it starts and stops the
servers of all hosts, and they end with it.

A host's program `bin/service` asks it (`devops_lab.service_command`): `bin/service restart`.
"""

import hmac
import json
import os
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

from devops_lab.families import GRACE_S, wait_until
from devops_lab.interpreter import python_program

# Whoever has it may ask the programs of a sandbox.
TOKEN_VARIABLE = "DEVOPS_LAB_SANDBOX_TOKEN"
VERBS = ("start", "restart", "stop", "status")
READY_WITHIN_S = 20.0


class Service:
    """The server of one host."""

    def __init__(self, host: Path) -> None:
        self.host = host
        self._process: subprocess.Popen[bytes] | None = None

    def do(self, verb: str) -> str:
        """Does it, and says what became of the service; raises `RuntimeError` where it fails."""
        if verb == "status" or (verb == "start" and self.is_running):
            return "running" if self.is_running else "stopped"
        self._stop()
        if verb == "stop":
            return "stopped"
        self._start()
        return "restarted" if verb == "restart" else "started"

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        said = self.host / "log" / "shop.log"
        with said.open("wb") as log:
            command = python_program("configured_server", self.host.name, str(self.host))
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        listens = "listening on"
        wait_until(
            lambda: listens in said.read_text() or not self.is_running, within_s=READY_WITHIN_S
        )
        if not self.is_running or listens not in said.read_text():
            self._stop()
            raise RuntimeError(said.read_text(errors="replace").strip())

    def _stop(self) -> None:
        if self.is_running:
            self._process.terminate()
            try:
                self._process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Supervisor(socketserver.ThreadingTCPServer):
    """Answers `bin/service`: one line of JSON, [token, verb, host], for one line back."""

    daemon_threads = True
    # As many hosts as there are may ask at once.
    request_queue_size = 64

    class Asked(socketserver.StreamRequestHandler):
        timeout = 2.0

        def handle(self) -> None:
            token, verb, host = json.loads(self.rfile.readline(1000))
            if hmac.compare_digest(token, self.server.token):
                is_done, said = self.server.answer(verb, host)
                self.wfile.write(json.dumps([is_done, said]).encode())

    def __init__(self, hosts: Path, token: str) -> None:
        super().__init__(("127.0.0.1", 0), self.Asked)
        self.token = token
        self._services = {host.name: Service(host) for host in hosts.iterdir()}
        self._turns = {name: threading.Lock() for name in self._services}

    def answer(self, verb: str, host: str) -> tuple[bool, str]:
        """Whether it was done, and what became of the service, or why not."""
        # Two that ask at once would start two servers at one port.
        with self._turns[host]:
            try:
                return True, self._services[host].do(verb)
            except (OSError, RuntimeError) as error:
                return False, str(error)


def main() -> None:
    """Keep the services of the hosts below a folder until the process is asked to end."""
    supervisor = Supervisor(Path(sys.argv[1]), os.environ[TOKEN_VARIABLE])
    print(f"supervising at {supervisor.server_address[1]}", flush=True)
    supervisor.serve_forever()
