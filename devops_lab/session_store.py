"""A place outside the servers where all of them find every visitor's session: a process of its own.

`PUT /sessions/ID` keeps a session, `GET` gives it back. Both want the store's token, since who can
read a session can be its visitor.
"""

import hmac
import os
import re
from pathlib import Path

from devops_lab import shop
from devops_lab.access_log import AccessLog, Entry
from devops_lab.http1 import Refusal, Reply, Request
from devops_lab.purpose_program import PurposeWebServer, run

STORE_VARIABLE = "DEVOPS_LAB_SESSION_STORE"
STORE_HEADER = "X-Store-Token"
MOST_SESSIONS = 10_000


class StoreServer(PurposeWebServer):
    """Sessions by their ids, in this process's memory."""

    def __init__(self, name: str, log: AccessLog, folder: Path) -> None:
        super().__init__(name, log, folder)
        self._store_token = os.environ[STORE_VARIABLE].encode()
        self._sessions: dict[str, bytes] = {}

    async def reply(self, request: Request, entry: Entry) -> Reply:
        given = request.headers.get(STORE_HEADER.lower(), "").encode()
        if not hmac.compare_digest(given, self._store_token):
            raise Refusal(403, "Only the shop's servers may ask for sessions.")
        found = re.fullmatch(r"/sessions/(\w{1,64})", request.path, re.ASCII)
        if not found:
            raise Refusal(404, "A session is at /sessions/ID.")
        if request.method == "PUT":
            return self._keep(found[1], request.body)
        if found[1] in self._sessions:
            return Reply(200, "application/json", self._sessions[found[1]])
        raise Refusal(404, "There is no such session.")

    def _keep(self, session_id: str, session: bytes) -> Reply:
        if len(self._sessions) >= MOST_SESSIONS:
            raise Refusal(507, f"The store is full: it keeps {MOST_SESSIONS} sessions.")
        self._sessions[session_id] = session
        return shop.as_json({"kept": True})


def main() -> None:
    """Keep sessions until the process is asked to end."""
    run(StoreServer)
