"""The thread a server of ours hangs on: when the kernel is gone, so is the server.

The reaper ends what it has started itself. A server that Terraform or Ansible starts later is no
child of the reaper; it holds a connection to it instead, which closes when the kernel or the
reaper is gone. Port and token come in an environment variable, and every process inherits those
from the one that started it.
"""

import contextlib
import os
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Callable

VARIABLE = "DEVOPS_LAB_LIFELINE"


class Lifeline(socketserver.ThreadingTCPServer):
    """The reaper's end: keeps each connection that says the token, until the reaper ends."""

    daemon_threads = True

    class Keeper(socketserver.StreamRequestHandler):
        # Other people of the same machine can connect; without the token they soon lose it.
        timeout = 2.0

        def handle(self) -> None:
            if self.rfile.readline(100).strip() == self.server.token:
                self.connection.settimeout(None)
                self.rfile.read()

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Keeper)
        self.token = secrets.token_hex(16).encode()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """The value of the environment variable, as `port:token`."""
        return f"{self.server_address[1]}:{self.token.decode()}"


def hold(when_gone: Callable[[], None] = lambda: None, *, grace_s: float = 1.0) -> None:
    """The server's end: connect, and end this process when the connection closes.

    `when_gone` is called in a thread of its own and may end the process politely, in asyncio by
    `hold(lambda: loop.call_soon_threadsafe(stopping.set))`; after `grace_s` seconds the process
    ends in any case. Raises `SystemExit` where the kernel is gone already. Does nothing in a
    process that no kernel has started.
    """
    address = os.environ.get(VARIABLE)
    if not address:
        return
    port, _, token = address.partition(":")
    try:
        line = socket.create_connection(("127.0.0.1", int(port)), timeout=5)
        line.sendall(f"{token}\n".encode())
    except OSError as error:
        raise SystemExit(f"The kernel that this server belongs to is gone ({error}).") from None
    line.settimeout(None)
    threading.Thread(target=_wait, args=(line, when_gone, grace_s), daemon=True).start()


def _wait(line: socket.socket, when_gone: Callable[[], None], grace_s: float) -> None:
    with contextlib.suppress(OSError):
        line.recv(1)
    try:
        when_gone()
        time.sleep(grace_s)
    finally:
        os._exit(0)
