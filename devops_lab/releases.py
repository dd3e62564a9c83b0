"""The shop's servers, each running one release out of that release's own folder."""

import contextlib
import random
import socket
import sys

from devops_lab.processes import start_together
from devops_lab.web_program import WebProgram
from devops_lab.workshop import Workshop


class ReleaseServer(WebProgram):
    """A server of the shop; `version` is the release that its next start takes."""

    def __init__(self, name: str, workshop: Workshop) -> None:
        super().__init__(name, _quiet_port())
        self._workshop = workshop
        self.version = ""

    def prepare(self) -> None:
        """See that the port is free, and name the folder in which Python finds the shop."""
        self.choose_port()
        folder = self._workshop.releases / self.version
        self.cwd = folder
        self.environment = {**self._workshop.environment(), "PYTHONPATH": str(folder)}
        self.arguments = [sys.executable, "-P", "-u", "-m", "moonlight", str(self.port)]

    def is_ready(self) -> bool:
        """Whether it listens; whether it is well is another question, which the check asks."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def status(self, path: str) -> int | str:
        """The status of its answer to the path, or why there is none."""
        try:
            return self.get(path, timeout_s=2.0).status
        except (ConnectionError, TimeoutError) as error:
            return str(error)


def _quiet_port() -> int:
    """A free port below those that systems hand out by themselves, so that nobody gets it by chance
    while the server is between two releases."""
    while True:
        port = random.randrange(20_000, 32_768)
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            return port


def restart(servers: list[ReleaseServer], version: str) -> None:
    """Stop the servers and start them with this release, all at once.

    Between the two nobody answers. Raises `ProgramError` where one cannot start; none runs then.
    """
    for server in servers:
        server.stop()
        server.version = version
    start_together(servers)


def sick(servers: list[ReleaseServer], path: str, tries: int) -> ReleaseServer | None:
    """The first server that does not answer the path with status 200 in so many tries."""
    for server in servers:
        if all(server.status(path) != 200 for _try in range(tries)):
            return server
    return None
