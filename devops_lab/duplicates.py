"""What a server does about copies of one request: it remembers what it has answered, by the key
that all copies carry, and where copies are tied it lets the others forget theirs.

Keys are drawn by the client and hard to guess, so a key is also the right to withdraw its copies.
"""

import asyncio
import contextlib
import re
from collections import OrderedDict

from devops_lab.http1 import Reply, Request

KEY_HEADER = "idempotency-key"
TIED_HEADER = "x-tied-to"
WITHDRAW_PATH = "/-/withdraw"
MOST_REMEMBERED = 10_000
PATIENCE_S = 1.0


def key_of(request: Request) -> str:
    """The key of a request, empty where it has none that can be used."""
    key = request.headers.get(KEY_HEADER, "")
    return key if re.fullmatch(r"[\w.:-]{1,128}", key, re.ASCII) else ""


class Remembered:
    """The newest replies by their keys; an error is not worth remembering."""

    def __init__(self) -> None:
        self._replies: OrderedDict[str, Reply] = OrderedDict()

    def get(self, key: str) -> Reply | None:
        """What was answered under this key; nothing is ever found under an empty one."""
        return self._replies.get(key)

    def keep(self, key: str, reply: Reply) -> None:
        """Remember the reply, and forget the oldest of too many."""
        if not key or reply.status >= 500:
            return
        headers = {**reply.headers, "Idempotent-Replayed": "true"}
        self._replies[key] = Reply(reply.status, reply.content_type, reply.body, headers)
        if len(self._replies) > MOST_REMEMBERED:
            self._replies.popitem(last=False)


class Ties:
    """The copies that are not needed any more, and the word to the other servers."""

    def __init__(self) -> None:
        self._withdrawn: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def is_needless(self, key: str) -> bool:
        """Whether another server has begun on the request with this key."""
        return key in self._withdrawn

    def withdraw(self, key: str) -> None:
        """Take note that another server has begun, also of a copy that is still on its way."""
        self._withdrawn[key] = None
        if len(self._withdrawn) > MOST_REMEMBERED:
            self._withdrawn.popitem(last=False)

    def tell_others(self, request: Request, own_port: int) -> None:
        """Tell the other servers that this one has begun."""
        for host, port in re.findall(r"(127\.0\.0\.1):(\d{1,5})\b", request.headers[TIED_HEADER]):
            if int(port) != own_port:
                task = asyncio.get_running_loop().create_task(
                    _tell(host, int(port), key_of(request))
                )
                # The loop itself holds tasks weakly only.
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)


async def _tell(host: str, port: int, key: str) -> None:
    head = f"POST {WITHDRAW_PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
    # Who cannot be told will do the work as well, which is what copies are for.
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            stream, writer = await asyncio.open_connection(host, port)
            writer.write(f"{head}Idempotency-Key: {key}\r\n\r\n".encode())
            await stream.read()
            writer.close()
