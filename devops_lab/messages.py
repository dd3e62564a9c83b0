"""Messages between processes: queues in a broker, and workers, from plain cells.

    with any_broker() as broker:
        orders = Queue(broker, "orders")
        orders.send({"job": "order 17", "won": 4400})
        with Worker(orders, sell):
            orders.wait()
        broker.events()

The worker's own program is `devops_lab.message_worker`.
"""

import contextlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import psutil

from devops_lab import rules
from devops_lab.brokers import LOOK_EVERY_S, MOST_BYTES, Broker, NoAnswerError, check_name
from devops_lab.emulated_network import Network
from devops_lab.event_log import rows_of
from devops_lab.families import wait_until
from devops_lab.interpreter import python_program
from devops_lab.message_wire import QueueFullError, QueueRules
from devops_lab.processes import Program, ProgramError
from devops_lab.route_function import pack
from devops_lab.translation import _, ngettext

Order = dict[str, Any]
Work = Callable[[Order, Any], object]

MOMENTS = ("before", "after")
FALLS = ("", "delivered", "started", "claimed", "paid", "written", "done")


class Queue:
    """A queue of jobs: each message goes to one worker, and is kept until it is acknowledged.

    A message that is not acknowledged within `lease_s` is delivered again, to any worker; after
    `most_deliveries` it is set aside, and no worker gets it any more. `disk_limit_mb` is the room
    for messages that wait. A `message_id` is known for `remember_ids_s`. The broker must be
    running; a second `Queue` of the same name is the same queue, with the new rules.
    """

    def __init__(
        self,
        broker: Broker,
        name: str = "orders",
        *,
        lease_s: float = 5.0,
        most_deliveries: int = 5,
        remember_ids_s: float = 120.0,
        disk_limit_mb: float = 10.0,
    ) -> None:
        limit_bytes = 1e6 * rules.number("disk_limit_mb", disk_limit_mb, above=0, at_most=100)
        of_queue = QueueRules(
            rules.number("lease_s", lease_s, at_least=0.05, at_most=3600),
            rules.number("remember_ids_s", remember_ids_s, at_least=0.1, at_most=3600),
            int(limit_bytes),
        )
        self.broker, self.name = broker, check_name(name)
        self.most_deliveries = rules.whole(
            "most_deliveries", most_deliveries, at_least=1, at_most=1_000
        )
        self.workers: list[Worker] = []
        broker.ask(lambda wire: wire.make_queue(name, of_queue))

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
            self.broker.note("unanswered", job=order["job"])
            text = _(
                "{broker} gave no answer in time. Whether the message arrived, nobody can tell: it "
                "may be lost, or only the answer is. Send it again, with the same message_id."
            )
            raise NoAnswerError(text.format(broker=self.broker.name)) from None
        self.broker.note("sent" if is_new else "known", job=order["job"])
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
        """Return when every message has been acknowledged or set aside, and no worker is at work.

        A frozen worker is not waited for. Raises `TimeoutError` when that takes longer, and
        `ProgramError` when messages are left and no worker is.
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
        # Who acknowledges before the work, or too late, is still at it.
        wait_until(
            lambda: not any(worker.is_busy for worker in self.workers),
            within_s=max(0, deadline - time.monotonic()),
        )
        if aside := len(self.set_aside()):
            text = ngettext(
                "{count} message of {queue} was set aside: see set_aside() and events().",
                "{count} messages of {queue} were set aside: see set_aside() and events().",
                aside,
            )
            print(text.format(count=aside, queue=self.name))

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"


class Worker(Program):
    """A worker of a queue, a real process that calls `work(order, desk)` for each message.

    `order` is what was sent, `desk` a `devops_lab.message_worker.Desk`. It acknowledges each
    message "after" the work, or "before" it. A function that raises, or is not done after
    `limit_s`, gives its message back.

    `dies_at` and `freezes_at` name an event (`tables.EVENTS`), such as "paid": the worker falls
    right after the first of them, by force. `network` plays a network that loses and delays
    messages between broker and worker.
    """

    def __init__(
        self,
        queue: Queue,
        work: Work,
        *,
        name: str = "a",
        acknowledges: str = "after",
        limit_s: float = 30.0,
        dies_at: str = "",
        freezes_at: str = "",
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
            "falls": {
                "killed": rules.one_of("dies_at", dies_at, FALLS),
                "frozen": rules.one_of("freezes_at", freezes_at, FALLS),
            },
            "network": vars(network or Network()),
        }
        super().__init__(name, [])
        queue.workers.append(self)

    def start(self) -> Self:
        """Start the worker, and let it take messages once it is known to have started."""
        if not self.is_running:
            super().start()
            self._note("begun")
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
            "events": str(self._events),
            "go": str(self.folder / "go"),
            "broker": self._queue.broker.address,
        }
        plan.write_text(json.dumps(self._settings | places))
        self.arguments = python_program("message_worker", str(plan))

    def is_ready(self) -> bool:
        """Whether it is connected to its broker."""
        return "ready" in self.last_log_lines()

    def kill(self) -> None:
        """End the worker by force, as a crash would."""
        super().kill()
        self._note("killed")

    def freeze(self) -> None:
        """Hold the worker still, as a machine that hangs would; it does not notice that."""
        super().freeze()
        self._note("frozen")

    def resume(self) -> None:
        """Let a frozen worker run on."""
        super().resume()
        self._note("resumed")

    @property
    def is_busy(self) -> bool:
        """Whether it has a message in its hands and can go on with it."""
        if not self.is_running or self.is_frozen:
            return False
        noted = Counter(row["what"] for row in rows_of(self._events))
        taken = noted["delivered"] + noted["redelivered"]
        return taken > noted["done"] + noted["failed"] + noted["lost"]

    @property
    def is_frozen(self) -> bool:
        """Whether it is held still, by `freeze` or by itself."""
        # One that has just ended is not, either.
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        return False

    def _note(self, what: str) -> None:
        self._queue.broker.note(what, who=self.name)

    @property
    def _events(self) -> Path:
        return self._queue.broker.kept / "events" / self.folder.name


@contextlib.contextmanager
def crew(queue: Queue, work: Work, names: str = "ab", **how: Any) -> Iterator[list[Worker]]:
    """Workers of a queue, one for each letter of `names`, started at once and stopped at the end.

    `how` is as for `Worker`.
    """
    workers = [Worker(queue, work, name=name, **how) for name in names]
    try:
        with ThreadPoolExecutor(len(workers)) as pool:
            list(pool.map(Worker.start, workers))
        yield workers
    finally:
        for worker in workers:
            worker.stop()


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
