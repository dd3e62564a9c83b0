"""The access log: one line of JSON a request, so that a program can read it as well as a person."""

import asyncio
import json
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TextIO

from devops_lab.whole_writes import write_whole

LONGEST_DELAY_S = 0.05


@dataclass(slots=True)
class Entry:
    """One request, as the server saw it; `arrived_s` in seconds since 1970."""

    arrived_s: float
    request_id: str
    server: str
    version: str = "1.0"
    method: str = "-"
    path: str = ""
    status: int = 0
    wait_s: float = 0.0
    service_s: float = 0.0
    bytes: int = 0
    error: str | None = None

    def line(self) -> str:
        """The request as one line of JSON."""
        # By hand, since it is written for every request: `json.dumps` takes five times as long.
        return (
            f'{{"time":"{timestamp(self.arrived_s)}","request_id":{_quoted(self.request_id)},'
            f'"server":{_quoted(self.server)},"version":{_quoted(self.version)},'
            f'"method":{_quoted(self.method)},"path":{_quoted(self.path)},'
            f'"status":{self.status},"wait_s":{self.wait_s:.6f},'
            f'"service_s":{self.service_s:.6f},"bytes":{self.bytes},'
            f'"error":{_quoted(self.error) if self.error else "null"}}}\n'
        )


class AccessLog:
    """Writes lines in groups: one `write` for each would cost more than the answer itself.

    Where the disk is full the requests are answered all the same; `lost` counts the lines that are
    not in the file.
    """

    def __init__(self, file: TextIO) -> None:
        # Past the file's own buffer, which would keep half a line and write it at another time.
        self._file = open(file.fileno(), "ab", buffering=0, closefd=False)  # noqa: SIM115
        self._lines: list[str] = []
        self.lost = 0

    def add(self, entry: Entry) -> None:
        """Take a request; it is in the file within 50 ms."""
        if not self._lines:
            asyncio.get_running_loop().call_later(LONGEST_DELAY_S, self.flush)
        self._lines.append(entry.line())

    def flush(self) -> None:
        """Write what was taken since the last time, all of it or nothing."""
        lines, self._lines = self._lines, []
        try:
            write_whole(self._file, "".join(lines).encode())
        except OSError:
            self.lost += len(lines)


def timestamp(seconds: float) -> str:
    """The moment, given in seconds since 1970, as people and databases read it: UTC, ISO 8601.

    >>> timestamp(0.25)
    '1970-01-01T00:00:00.250000Z'
    """
    return f"{_to_the_second(int(seconds))}.{int(seconds % 1 * 1e6):06}Z"


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


_quoted = json.JSONEncoder().encode
