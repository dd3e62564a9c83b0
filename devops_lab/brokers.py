"""A message broker in a process of its own: a real NATS, or a stand-in where NATS is missing.

    with any_broker() as broker:
        orders = Queue(broker, "orders")

What lies in its queues, and who works on it, is in `devops_lab.messages`.
"""

import asyncio
import contextlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from devops_lab import machine, rules
from devops_lab.book import Book
from devops_lab.event_log import append, rows
from devops_lab.event_loop import EventLoop
from devops_lab.interpreter import python_program
from devops_lab.message_wire import UnknownNameError, Wire
from devops_lab.processes import Program, ProgramError, the_reaper
from devops_lab.stand_in import TOKEN_VARIABLE
from devops_lab.tables import EVENTS, table
from devops_lab.translation import _
from devops_lab.wires import connect

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_BYTES = 1_000_000
MOST_STORED_MB = 1_000
LOOK_EVERY_S = 0.02
CONNECT_WITHIN_S = 2.0
CLOSE_WITHIN_S = 1.0

_NATS = next(tool for tool in machine.tools() if tool.name == "NATS")
CONFIGURATION = """
listen: "127.0.0.1:{port}"
ports_file_dir: {folder}
authorization {{ token: {token} }}
jetstream {{ store_dir: {store}, max_file_store: {most_stored_mb}MB }}
max_payload: {most_bytes}
"""


class NoAnswerError(ProgramError):
    """The broker said nothing: whether the message arrived, nobody can tell."""


class Broker(Program):
    """A message broker in a process of its own, with all that it stores in a private folder.

    After `kill`, `start` brings it back with everything it had stored; `stop` throws that away.
    """

    kind = ""

    def __init__(self, name: str = "broker") -> None:
        self._token = secrets.token_urlsafe()
        self._port = 0
        self._began_s = 0.0
        self._kept: Path | None = None
        self._survived: Path | None = None
        self._old_rows: list[dict[str, Any]] = []
        self._loop: EventLoop | None = None
        self._wire: Wire | None = None
        super().__init__(name, [])

    @property
    def who(self) -> str:
        """Who answers: the real thing or the stand-in."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start the broker; after a `kill` with all that it had stored."""
        if self.is_running:
            return self
        # Every start begins with a `stop`, which throws away what it knows of.
        self._survived, self._kept = self._kept, None
        super().start()
        self.note("begun", who=self.name)
        return self

    def freeze(self) -> None:
        """Hold the broker still: its connections stay open, and nobody gets an answer."""
        super().freeze()
        self.note("frozen", who=self.name)

    def resume(self) -> None:
        """Let a frozen broker run on."""
        super().resume()
        self.note("resumed", who=self.name)

    def stop(self) -> None:
        """End the broker, throw away what it stored, and keep the table of events."""
        self._disconnect()
        super().stop()
        if self._kept:
            self._old_rows = self._rows()
            shutil.rmtree(self._kept, ignore_errors=True)
            self._kept = None

    def kill(self) -> None:
        """End the broker by force, as a crash would; what it has stored stays for `start`."""
        super().kill()
        self._disconnect()
        self.note("killed", who=self.name)

    def prepare(self) -> None:
        """Make the folder that outlasts a crash."""
        self._kept, self._survived = self._survived, None
        if self._kept is None:
            self._kept = the_reaper().home / f"{self.folder.name}-kept"
            (self._kept / "events").mkdir(mode=0o700, parents=True)
            self._began_s, self._old_rows = time.time(), []

    def lease(self, name: str, *, lasts_s: float) -> None:
        """Have a lease that workers can claim, one at a time, for `lasts_s` seconds each.

        A worker's function claims it with `desk.claim(name)`. NATS looks after ended leases four
        times a second, so that one may last a quarter of a second longer.
        """
        check_name(name)
        lasts_s = rules.number("lasts_s", lasts_s, at_least=0.1, at_most=3600)
        self.ask(lambda wire: wire.make_lease(name, lasts_s))

    def claim(self, lease: str, holder: str) -> int | None:
        """The number of this claim, higher than all before; None while somebody else holds it."""
        return self.ask(lambda wire: wire.claim(lease, holder))

    def events(self) -> "DataFrame":
        """What has happened so far, one row an event; see `tables.EVENTS`.

        Payments are read in the book itself: what stands there has happened, whoever died.
        """
        in_order = sorted(self._rows(), key=lambda row: row["time_s"])
        columns = {name: [row[name] for row in in_order] for name in EVENTS}
        columns["time_s"] = [time_s - self._began_s for time_s in columns["time_s"]]
        return table(columns, EVENTS)

    def wait_for(
        self, what: str, *, worker: str | None = None, job: str | None = None, within_s: float = 20
    ) -> None:
        """Return when this has happened, by this worker or to this job if one is named.

        Raises `TimeoutError` when it has not within `within_s`.
        """
        rules.number("within_s", within_s, above=0)
        deadline = time.monotonic() + within_s
        while not any(
            row["what"] == what and worker in (None, row["worker"]) and job in (None, row["job"])
            for row in self._rows()
        ):
            if time.monotonic() > deadline:
                text = _("{what} has not happened within {seconds:g} s. Look at events().")
                raise TimeoutError(text.format(what=repr(what), seconds=within_s))
            time.sleep(LOOK_EVERY_S)

    def note(self, what: str, *, job: str | None = None, who: str | None = None) -> None:
        """Write down what the sender did, or what was done to a process."""
        if self._kept:
            row = {"time_s": time.time(), "job": job, "worker": who, "what": what}
            append(self._kept / "events" / "kernel", {**row, "delivery": None, "detail": None})

    def ask(self, question: Callable[[Wire], Coroutine[Any, Any, Any]]) -> Any:
        """The broker's answer, waited for; `NoAnswerError` where none comes."""
        try:
            return self._the_loop().call(self._asked(question))
        except OSError:
            text = _("{name} gave no answer in time. Is it frozen? {name}.resume() lets it run on.")
            raise NoAnswerError(text.format(name=self.name)) from None
        except UnknownNameError:
            text = _(
                "{name} has no such queue or lease. Make it first, and again when the broker was "
                "stopped."
            )
            raise ProgramError(text.format(name=self.name)) from None

    @property
    def kept(self) -> Path:
        """The folder that outlasts a crash, there from the first start to `stop`."""
        # `folder` says what to do before the first start and after the stop.
        return self._kept if self._kept and self.folder else self.folder

    @property
    def address(self) -> dict[str, Any]:
        """Where a client finds the broker, with the token that lets it in."""
        self._check_running()
        return {"kind": self.kind, "port": self._port, "token": self._token}

    def _rows(self) -> list[dict[str, Any]]:
        if self._kept is None:
            return self._old_rows
        return rows(self._kept / "events") + Book(self._kept / "book").entries()

    async def _asked(self, question: Callable[[Wire], Coroutine[Any, Any, Any]]) -> Any:
        if self._wire is None:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                self._wire = await connect(self.address)
        return await question(self._wire)

    def _check_running(self) -> None:
        # `folder` says what to do before the first start and after the stop.
        if self.folder and not self.is_running:
            text = _("{name} was ended by force. {name}.start() brings it back with all it stored.")
            raise ProgramError(text.format(name=self.name))

    def _the_loop(self) -> EventLoop:
        self._check_running()
        self._loop = self._loop or EventLoop()
        return self._loop

    def _disconnect(self) -> None:
        loop, wire, self._loop, self._wire = self._loop, self._wire, None, None
        if loop and wire:
            with contextlib.suppress(OSError):
                loop.call(_close(wire))
        if loop:
            loop.close()


class Nats(Broker):
    """A real NATS server with its JetStream, which stores messages on the disk."""

    kind = "nats"
    remedy = _("To install it: {line}").format(line=_NATS.install)

    @property
    def who(self) -> str:
        """NATS with its version."""
        return f"NATS {_NATS.version}"

    def prepare(self) -> None:
        """Write the configuration, whose token others on this machine do not know."""
        super().prepare()
        values = {"folder": self.folder, "store": self.kept / "store", "token": self._token}
        text = CONFIGURATION.format(
            # -1 is any free port, which the server then writes into a file.
            port=self._port or -1,
            most_stored_mb=MOST_STORED_MB,
            most_bytes=MOST_BYTES + 1_000,
            **{name: json.dumps(str(value)) for name, value in values.items()},
        )
        (self.folder / "nats.conf").write_text(text)
        self.arguments = ["nats-server", "--config", str(self.folder / "nats.conf")]

    def is_ready(self) -> bool:
        """Whether the server has written down its port."""
        for file in self.folder.glob("nats-server_*.ports"):
            with contextlib.suppress(ValueError, KeyError, IndexError):
                address = json.loads(file.read_text())["nats"][0]
                self._port = int(address.rpartition(":")[2])
                return True
        return False


class StandIn(Broker):
    """A small broker of the course's own, for machines without NATS."""

    kind = "stand-in"

    @property
    def who(self) -> str:
        """That it is a stand-in, and how to get the real one."""
        text = _("a small stand-in; the real NATS is missing here. To install it: {line}")
        return text.format(line=_NATS.install)

    def prepare(self) -> None:
        """Write down the command; the token goes by the environment."""
        super().prepare()
        flags = ("--port", str(self._port), "--store", str(self.kept / "store"))
        self.arguments = python_program("stand_in", *flags)
        self.environment = {TOKEN_VARIABLE: self._token}

    def is_ready(self) -> bool:
        """Whether it has said where it listens."""
        found = re.search(r"^listening at (\d+)$", "\n".join(self.last_log_lines()), re.MULTILINE)
        if found:
            self._port = int(found[1])
        return found is not None


def any_broker(name: str = "broker") -> Broker:
    """A broker that this machine can start: NATS, or the stand-in where NATS is missing."""
    return Nats(name) if _NATS.is_here else StandIn(name)


def check_name(name: str) -> str:
    """The name, if a broker can take it for a queue or a lease; raises a `ValueError` otherwise."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name):
        text = _("name must be 1 to 32 small letters, digits or dashes, got {name!r}.")
        raise ValueError(text.format(name=name))
    return name


async def _close(wire: Wire) -> None:
    async with asyncio.timeout(CLOSE_WITHIN_S):
        await wire.close()
