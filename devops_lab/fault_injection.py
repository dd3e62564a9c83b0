"""Real servers that fail and are repaired at the planned moments, while somebody uses them.

The plan are the intervals of `outages.outages`; what was done, and when the balancer noticed it,
comes back as the same table.
"""

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from devops_lab.balancer import Balancer
from devops_lab.processes import ProgramError
from devops_lab.servers import Server
from devops_lab.tables import INTERVALS, table
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

Row = dict[str, Any]

# How long a new process usually takes until it listens.
START_S = 0.15


class FailingServer:
    """A server, and what is done to it so that it fails and works again."""

    def __init__(self, server: Server, slow_factor: float) -> None:
        self.server = server
        self.address = f"127.0.0.1:{server.port}"
        self._well = server.settings
        self._sick: dict[str, Row] = {
            "slow": {"slow_factor": self._well.slow_factor * slow_factor},
            "errors": {"error_share": 1.0},
            "unreachable": {"reachable": False},
        }
        self._start_s = START_S

    def fail(self, cause: str) -> None:
        """Make it fail in this way; until `repair` it fails in no other."""
        if cause == "crash":
            self.server.kill()
        elif cause == "freeze":
            self.server.freeze()
        else:
            self.server.set(**self._sick[cause])

    def repair(self, cause: str) -> None:
        """Make it work again."""
        if cause == "crash":
            self._restart()
        elif cause == "freeze":
            self.server.resume()
        else:
            self.server.set(**{name: getattr(self._well, name) for name in self._sick[cause]})

    def ahead_s(self, cause: str) -> float:
        """How much earlier a repair has to begin, as a new process takes its time to start."""
        return self._start_s if cause == "crash" else 0.0

    def _restart(self) -> None:
        # Whose cell it was, it still is.
        cell, began_s = self.server.cell, time.monotonic()
        self.server.start().cell = cell
        self._start_s = time.monotonic() - began_s


class FaultInjection:
    """Fails servers and repairs them by a plan, each in a thread of its own.

    A slow server takes `slow_factor` times as long as before. The balancer, where there is one, is
    asked when it found them down. What could not be done is in `troubles`.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        planned: "DataFrame",
        *,
        slow_factor: float = 10.0,
        balancer: Balancer | None = None,
    ) -> None:
        self.troubles: list[str] = []
        self._servers = {server.name: FailingServer(server, slow_factor) for server in servers}
        self._planned, self._balancer = planned, balancer
        self._done: list[Row] = []
        self._checks: list[tuple[float, str]] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, begun_at: float) -> None:
        """Begin; the plan's times count from this moment (of `time.time`)."""
        self._begun_at = begun_at
        for name, one in self._servers.items():
            rows = self._planned[self._planned["server"] == name].to_dict("records")
            thread = threading.Thread(target=self._carry_out, args=(one, rows), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Do nothing more; servers that are down stay so."""
        self._over.set()
        while self._threads:
            self._threads.pop().join()
        self._read_checks()

    def intervals(self) -> "DataFrame":
        """What was done so far (`tables.INTERVALS`), and when the balancer noticed."""
        if not self._over.is_set():
            self._read_checks()
        rows = sorted(self._done, key=lambda row: row["start_s"])
        rows = [row | {"detected_s": self._detected_s(row)} for row in rows]
        return table({name: [row[name] for row in rows] for name in INTERVALS}, INTERVALS)

    def _carry_out(self, one: FailingServer, rows: Sequence[Row]) -> None:
        try:
            for row in rows:
                self._fail_and_repair(one, row, row["cause"])
        except (ProgramError, OSError) as error:
            text = _("{server} could not be failed and repaired any more: {reason}")
            self.troubles.append(text.format(server=one.server.name, reason=error))

    def _fail_and_repair(self, one: FailingServer, row: Row, cause: str) -> None:
        done = row | {"repaired_s": np.nan}
        if self._at(row["start_s"]):
            done["start_s"] = self._now_s()
            self._done.append(done)
            one.fail(cause)
            if self._at(row["repaired_s"] - one.ahead_s(cause)):
                one.repair(cause)
                done["repaired_s"] = self._now_s()

    def _at(self, moment_s: float) -> bool:
        """Wait for this moment, and say whether it came before all was over."""
        patience_s = threading.TIMEOUT_MAX if np.isnan(moment_s) else moment_s - self._now_s()
        return not self._over.wait(max(0.0, patience_s))

    def _now_s(self) -> float:
        return time.time() - self._begun_at

    def _read_checks(self) -> None:
        if self._balancer and self._balancer.pid:
            self._checks = self._balancer.failed_checks()

    def _detected_s(self, row: Row) -> float:
        address = self._servers[row["server"]].address
        found_s = (at - self._begun_at for at, who in self._checks if who == address)
        until_s = np.inf if np.isnan(row["repaired_s"]) else row["repaired_s"]
        return next((at_s for at_s in found_s if row["start_s"] <= at_s <= until_s), np.nan)
