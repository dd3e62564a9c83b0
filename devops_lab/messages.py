"""Messages between processes: a real broker (NATS), queues, workers, leases, from plain cells.

    with any_broker() as broker:
        orders = broker.queue("orders")
        orders.send({"job": "order 17", "won": 4400})
        with Worker(orders, sell, name="a"):
            orders.wait()
        broker.events()

Where NATS is missing, a small stand-in answers with the same words, and says that it is one. The
worker's own program is `devops_lab.message_worker`.
"""

import contextlib
import json
import re
import secrets
import shutil
import time
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from devops_lab import machine, rules
from devops_lab.book import Book
from devops_lab.emulated_network import Network
from devops_lab.event_log import append, rows
from devops_lab.event_loop import EventLoop
from devops_lab.interpreter import python_program
from devops_lab.message_wire import QueueFullError, QueueRules, Wire
from devops_lab.processes import Program, ProgramError, the_reaper
from devops_lab.route_function import pack
from devops_lab.stand_in import TOKEN_VARIABLE
from devops_lab.tables import EVENTS, table
from devops_lab.translation import _
from devops_lab.wires import connect

if TYPE_CHECKING:
    from pandas import DataFrame

Order = dict[str, Any]
Work = Callable[[Order, Any], object]

MOST_BYTES = 1_000_000
MOST_STORED_MB = 1_000
CONNECT_WITHIN_S = 3.0
LOOK_EVERY_S = 0.02
MOMENTS = ("before", "after")

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
        return super().start()

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

    def prepare(self) -> None:
        """Make the folder that outlasts a crash."""
        self._kept, self._survived = self._survived, None
        if self._kept is None:
            self._kept = the_reaper().home / f"{self.folder.name}-kept"
            (self._kept / "events").mkdir(mode=0o700, parents=True)
            self._began_s, self._old_rows = time.time(), []

    def queue(
        self,
        name: str = "orders",
        *,
        lease_s: float = 5.0,
        most_deliveries: int = 5,
        remember_ids_s: float = 120.0,
        disk_limit_mb: float = 10.0,
    ) -> "Queue":
        """A queue of this broker, made if there is none of this name; see `Queue`."""
        queue = Queue(self, name, most_deliveries)
        limit_bytes = rules.number("disk_limit_mb", disk_limit_mb, above=0, at_most=100) * 1e6
        of_queue = QueueRules(
            rules.number("lease_s", lease_s, at_least=0.05, at_most=3600),
            rules.number("remember_ids_s", remember_ids_s, at_least=0.1, at_most=3600),
            int(limit_bytes),
        )
        self.ask(lambda wire: wire.make_queue(name, of_queue))
        return queue

    def lease(self, name: str, *, lasts_s: float) -> None:
        """Have a lease that workers can claim, one at a time, for `lasts_s` seconds each.

        A worker's function claims it with `desk.claim(name)`. NATS looks after ended leases four
        times a second, so that one may last a quarter of a second longer.
        """
        _check_name(name)
        lasts_s = rules.number("lasts_s", lasts_s, at_least=0.1, at_most=3600)
        self.ask(lambda wire: wire.make_lease(name, lasts_s))

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

    def note(self, what: str, job: str) -> None:
        """Write down what the sender did."""
        row = {"time_s": time.time(), "job": job, "worker": None, "what": what}
        append(self.kept / "events" / "sender", {**row, "delivery": None, "detail": None})

    def ask(self, question: Callable[[Wire], Coroutine[Any, Any, Any]]) -> Any:
        """The broker's answer, waited for; `NoAnswerError` where none comes."""
        try:
            return self._the_loop().call(self._asked(question))
        except OSError:
            raise NoAnswerError(self._silence()) from None

    @property
    def kept(self) -> Path:
        """The folder that outlasts a crash, there from the first start to `stop`."""
        # `folder` says what to do before the first start and after the stop.
        return self._kept if self._kept and self.folder else self.folder

    @property
    def address(self) -> dict[str, Any]:
        """Where a client finds the broker, with the token that lets it in."""
        return {"kind": self.kind, "port": self._port, "token": self._token}

    def _rows(self) -> list[dict[str, Any]]:
        if self._kept is None:
            return self._old_rows
        return rows(self._kept / "events") + Book(self._kept / "book").entries()

    async def _asked(self, question: Callable[[Wire], Coroutine[Any, Any, Any]]) -> Any:
        if self._wire is None:
            self._wire = await connect(self.address)
        return await question(self._wire)

    def _the_loop(self) -> EventLoop:
        if self.folder and not self.is_running:
            text = _("{name} was ended by force. {name}.start() brings it back with all it stored.")
            raise ProgramError(text.format(name=self.name))
        self._loop = self._loop or EventLoop()
        return self._loop

    def _disconnect(self) -> None:
        loop, wire, self._loop, self._wire = self._loop, self._wire, None, None
        if loop and wire:
            with contextlib.suppress(OSError):
                loop.call(_close(wire))
        if loop:
            loop.close()

    def _silence(self) -> str:
        return _(
            "{name} gave no answer in time. Whether the message arrived, nobody can tell: it may "
            "be lost, or only the answer is. Send it again, with the same message_id."
        ).format(name=self.name)


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


class Queue:
    """A queue of jobs: each message goes to one worker, and is kept until it is acknowledged.

    Make it with `Broker.queue`. A message that is not acknowledged within `lease_s` is delivered
    again, to any worker; after `most_deliveries` it is set aside, and no worker gets it any more.
    `disk_limit_mb` is the room for messages that wait. A `message_id` is known for
    `remember_ids_s`.
    """

    def __init__(self, broker: Broker, name: str, most_deliveries: int) -> None:
        self.broker = broker
        self.name = _check_name(name)
        self.most_deliveries = rules.whole(
            "most_deliveries", most_deliveries, at_least=1, at_most=1_000
        )
        self.workers: list[Worker] = []

    def send(self, order: Order, *, message_id: str | None = None, within_s: float = 2.0) -> bool:
        """Whether the broker took the message; False if it knows the `message_id` already.

        An order is a dict that JSON can write, with the job's name under "job". Raises
        `NoAnswerError` when the broker says nothing, `ProgramError` when the queue is full.
        """
        body = _as_bytes(order)
        within_s = rules.number("within_s", within_s, above=0, at_most=60)
        name = message_id or uuid.uuid4().hex
        try:
            is_new = self.broker.ask(lambda wire: wire.send(self.name, body, name, within_s))
        except QueueFullError:
            text = _(
                "The queue {queue} is full: it has no room for another {size:,} bytes. Let workers "
                "empty it, or make it with a larger disk_limit_mb."
            )
            raise ProgramError(text.format(queue=self.name, size=len(body))) from None
        except NoAnswerError:
            self.broker.note("unanswered", order["job"])
            raise
        self.broker.note("sent" if is_new else "known", order["job"])
        return is_new

    def counts(self) -> dict[str, int]:
        """How many messages wait, are at work (delivered, not acknowledged), and are set aside."""
        waiting, at_work = self.broker.ask(lambda wire: wire.counts(self.name))
        return {"waiting": waiting, "at work": at_work, "set aside": len(self.set_aside())}

    def set_aside(self) -> list[Order]:
        """The messages that came back too often, the oldest first."""
        bodies = self.broker.ask(lambda wire: wire.aside(self.name))
        return [json.loads(body) for body in bodies]

    def wait(self, within_s: float = 30.0) -> None:
        """Return when every message has been acknowledged or set aside.

        Raises `TimeoutError` when that takes longer, and `ProgramError` when messages are left and
        no worker is.
        """
        deadline = time.monotonic() + rules.number("within_s", within_s, above=0)
        while left := sum(self.broker.ask(lambda wire: wire.counts(self.name))):
            values = {"count": left, "queue": self.name, "seconds": within_s}
            if not any(worker.is_running for worker in self.workers):
                text = _("{count} messages are left in {queue}, and no worker is. Start one.")
                raise ProgramError(text.format(**values))
            if time.monotonic() > deadline:
                text = _(
                    "After {seconds:g} s, {count} messages are left in {queue}. Is a worker "
                    "frozen, or the lease shorter than the work?"
                )
                raise TimeoutError(text.format(**values))
            time.sleep(LOOK_EVERY_S)

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"


class Worker(Program):
    """A worker of a queue, a real process that calls `work(order, desk)` for each message.

    `order` is what was sent, `desk` a `devops_lab.message_worker.Desk`. It acknowledges each
    message "after" the work, or "before" it. A function that raises, or is not done after
    `limit_s`, gives its message back. `network` plays a network that loses and delays messages
    between broker and worker.
    """

    def __init__(
        self,
        queue: Queue,
        work: Work,
        *,
        name: str = "a",
        acknowledges: str = "after",
        limit_s: float = 30.0,
        network: Network | None = None,
    ) -> None:
        if not callable(work):
            text = _("work must be a function that takes an order and a desk, got {value!r}.")
            raise TypeError(text.format(value=work))
        self._queue = queue
        self._packed_work = pack(work)
        self._settings = {
            "name": name,
            "queue": queue.name,
            "most_deliveries": queue.most_deliveries,
            "acknowledges": rules.one_of("acknowledges", acknowledges, MOMENTS),
            "limit_s": rules.number("limit_s", limit_s, above=0, at_most=3600),
            "network": vars(network or Network()),
        }
        super().__init__(name, [])
        queue.workers.append(self)

    def start(self) -> Self:
        """Start the worker, and let it take messages once it is known to have started."""
        if not self.is_running:
            super().start()
            # Before, a message that kills its worker would look like a failed start.
            (self.folder / "go").touch()
        return self

    def prepare(self) -> None:
        """Write the plan and the function."""
        kept = self._queue.broker.kept
        work, plan = self.folder / "work.pickle", self.folder / "plan.json"
        work.write_bytes(self._packed_work)
        places = {
            "work": str(work),
            "book": str(kept / "book"),
            "events": str(kept / "events" / self.folder.name),
            "go": str(self.folder / "go"),
            "broker": self._queue.broker.address,
        }
        plan.write_text(json.dumps(self._settings | places))
        self.arguments = python_program("message_worker", str(plan))

    def is_ready(self) -> bool:
        """Whether it is connected to its broker."""
        return "ready" in self.last_log_lines()


async def _close(wire: Wire) -> None:
    import asyncio

    async with asyncio.timeout(1):
        await wire.close()


def _check_name(name: str) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name):
        text = _("name must be 1 to 32 small letters, digits or dashes, got {name!r}.")
        raise ValueError(text.format(name=name))
    return name


def _as_bytes(order: Order) -> bytes:
    if not isinstance(order, dict) or not isinstance(order.get("job"), str):
        text = _(
            'order must be a dict with the job\'s name, such as {{"job": "order 17"}}, got {it}.'
        )
        raise TypeError(text.format(it=repr(order)[:60]))
    try:
        body = json.dumps(order, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        text = _(
            "order must be of texts, numbers, lists and dicts, which JSON can write ({reason})."
        )
        raise TypeError(text.format(reason=error)) from None
    if len(body) > MOST_BYTES:
        text = _(
            "order must be at most {most:,} bytes as JSON, got {size:,}. Put large things where "
            "both sides can read them, and send their address."
        )
        raise ValueError(text.format(most=MOST_BYTES, size=len(body)))
    return body
