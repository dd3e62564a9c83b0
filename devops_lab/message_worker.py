"""A worker: takes one message after the other from a broker, and does what a function says.

The plan is a file of JSON that names the broker, the queue, the function and where to note what
happens. Started by `devops_lab.messages.Worker`.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from devops_lab import lifeline, limits
from devops_lab.book import Book
from devops_lab.emulated_network import Network
from devops_lab.event_log import append
from devops_lab.message_wire import TRY_AGAIN_EVERY_S, Delivery, Wire
from devops_lab.route_function import unpack
from devops_lab.wires import connect

TAKE_WITHIN_S = 1.0
LOOK_EVERY_S = 0.01
FALL_WITHIN_S = 0.5
MOST_LETTERS = 200


class Desk:
    """What a worker's function can use beside its order: the book, and leases.

    `name` is the worker's, `delivery` the number of times this order has been delivered.
    """

    def __init__(self, worker: "MessageWorker", job: str, delivery: int) -> None:
        self.name = worker.name
        self.delivery = delivery
        self._worker = worker
        self._job = job

    def pay(self, order: dict[str, Any], *, once: bool = False, token: int | None = None) -> bool:
        """Take the customer's money, `order["won"]`; whether the book took the payment.

        `once` and `token` ask the book to look before, see `write`.
        """
        return self._enter("paid", order, order["won"], once, token)

    def write(
        self, order: dict[str, Any], value: Any, *, once: bool = False, token: int | None = None
    ) -> bool:
        """Write a value for this order into the book; whether the book took it.

        With `once` the book refuses a second entry for the same job; with a `token` it refuses one
        that comes after an entry with a higher token.
        """
        return self._enter("written", order, value, once, token)

    def claim(self, lease: str) -> int | None:
        """The number of the claim, its token; None while somebody else holds the lease."""
        claimed = asyncio.run_coroutine_threadsafe(
            self._worker.wire.claim(lease, self.name), self._worker.loop
        )
        token = claimed.result()
        self._worker.note("claimed" if token else "not_claimed", self._job, self.delivery, token)
        return token

    def _enter(
        self, what: str, order: dict[str, Any], value: Any, once: bool, token: int | None
    ) -> bool:
        entry = {"job": order["job"], "worker": self.name, "what": what, "delivery": self.delivery}
        text = value if isinstance(value, str) else json.dumps(value)
        is_taken = self._worker.book.enter({**entry, "detail": text}, once=once, token=token)
        self._worker.has_come_to(what)
        return is_taken


class MessageWorker:
    """One worker with its connection, its function and its notes."""

    def __init__(self, plan: dict[str, Any], wire: Wire) -> None:
        self.name: str = plan["name"]
        self.wire = wire
        self.book = Book(Path(plan["book"]))
        self.loop = asyncio.get_running_loop()
        self._plan = plan
        self._queue: str = plan["queue"]
        self._work = unpack(Path(plan["work"]).read_bytes())
        self._network = Network(**plan["network"])
        self._events = Path(plan["events"])
        self._falls: dict[str, str] = plan["falls"]

    async def run(self) -> None:
        """Take messages until the process is ended; a broker that is gone is waited for."""
        while True:
            try:
                delivery = await self.wire.take(self._queue, TAKE_WITHIN_S)
                if delivery:
                    await self._deal_with(delivery)
            except OSError:
                await asyncio.sleep(TRY_AGAIN_EVERY_S)

    async def _deal_with(self, delivery: Delivery) -> None:
        order = json.loads(delivery.body)
        job, number = order["job"], delivery.number
        if number > self._plan["most_deliveries"]:
            await self.wire.set_aside(self._queue, delivery)
            return self.note("set_aside", job, number)
        self.note("delivered" if number == 1 else "redelivered", job, number)
        acknowledges_before = self._plan["acknowledges"] == "before"
        if acknowledges_before:
            await self.wire.settle(delivery)
            self.note("acknowledged", job, number)
        if self._network.loses("delivery", job, number):
            return self.note("lost", job, number)
        await self._network.travel()
        is_done = await self._do(order, number)
        if not acknowledges_before:
            await self._tell(delivery, job, is_done)
        return None

    async def _do(self, order: dict[str, Any], number: int) -> bool:
        """Call the function; whether it came to its end."""
        job = order["job"]
        self.note("started", job, number)
        desk = Desk(self, job, number)
        try:
            await asyncio.to_thread(
                limits.call_with_limit, self._work, order, desk, seconds=self._plan["limit_s"]
            )
        except Exception as error:
            self.note("failed", job, number, f"{type(error).__name__}: {error}"[:MOST_LETTERS])
            return False
        self.note("done", job, number)
        return True

    async def _tell(self, delivery: Delivery, job: str, is_done: bool) -> None:
        if not is_done:
            return await self.wire.give_back(delivery)
        if self._network.loses("acknowledgement", job, delivery.number):
            return self.note("lost_acknowledgement", job, delivery.number)
        await self._network.travel()
        await self.wire.settle(delivery)
        return self.note("acknowledged", job, delivery.number)

    def note(self, what: str, job: str, delivery: int, detail: Any = None) -> None:
        """Write down that it has happened."""
        row = {"time_s": time.time(), "job": job, "worker": self.name, "what": what}
        text = None if detail is None else str(detail)
        append(self._events, {**row, "delivery": delivery, "detail": text})
        self.has_come_to(what)

    def has_come_to(self, moment: str) -> None:
        """Fall, if this is the moment at which the worker is to: by its own hand, but as suddenly
        as by somebody else's."""
        for trouble, fall in (("killed", psutil.Process.kill), ("frozen", psutil.Process.suspend)):
            if self._falls.get(trouble) == moment:
                # Only once: whoever wakes up goes on.
                del self._falls[trouble]
                row = {"time_s": time.time(), "job": None, "worker": self.name, "what": trouble}
                append(self._events, {**row, "delivery": None, "detail": None})
                fall(psutil.Process())
                # A process that stops itself may run on for a moment until it is stopped.
                time.sleep(FALL_WITHIN_S)


async def _run(plan: dict[str, Any]) -> None:
    wire = await connect(plan["broker"])
    worker = MessageWorker(plan, wire)
    print("ready", flush=True)
    while not Path(plan["go"]).exists():
        await asyncio.sleep(LOOK_EVERY_S)
    await worker.run()


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    lifeline.hold()
    asyncio.run(_run(plan))
