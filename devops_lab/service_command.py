"""A host's `bin/service`, what systemctl is on a real host: it asks the sandbox's supervisor."""

import argparse
import json
import socket
import sys
from pathlib import Path

from devops_lab.supervisor import VERBS


class ServiceError(RuntimeError):
    """A service that could not be started; the message says why."""


def ask(supervisor: Path, host: str, verb: str) -> str:
    """What became of the service: started, restarted, running or stopped.

    `supervisor` is the file with the supervisor's port and token. Raises `ServiceError` where the
    server cannot start.
    """
    port, token = json.loads(supervisor.read_text(encoding="utf-8"))
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(json.dumps([token, verb, host]).encode() + b"\n")
        is_done, said = json.loads(line.makefile("rb").read())
    if not is_done:
        raise ServiceError(said)
    return said


def main() -> None:
    """Ask, print what became of the service, and fail with the reason where it failed."""
    parser = argparse.ArgumentParser(prog="service")
    parser.add_argument("supervisor", type=Path)
    parser.add_argument("host")
    parser.add_argument("verb", choices=VERBS)
    given = parser.parse_args()
    try:
        print(ask(given.supervisor, given.host, given.verb))
    except ServiceError as error:
        sys.exit(str(error))
