"""The thread a server of ours hangs on: when the kernel is gone, so is the server.

The reaper ends what it has started itself. A server that Terraform or Ansible started later is no
child of the reaper; it connects to the reaper's loopback port instead, and the connection closes
when the kernel or the reaper is gone. The address and a token come in an environment variable,
which every process inherits from the one that started it.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable

VARIABLE = "DEVOPS_LAB_LIFELINE"


def hold(when_gone: Callable[[], None] = lambda: None, *, grace_s: float = 1.0) -> None:
    """Connect to the lifeline, if there is one, and end this process when it closes.

    `when_gone` is called in a thread of its own and may end the process politely: in asyncio,
    `hold(lambda: loop.call_soon_threadsafe(stopping.set))`. After `grace_s` seconds the process
    ends in any case. Raises `SystemExit` where the kernel is gone already; does nothing in a
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
