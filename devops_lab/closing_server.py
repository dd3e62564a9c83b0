"""The server that closes the shop's day: real workers (threads), and a real lock on a real file.

`GET /closing?workers=8&orders=64&serial_s=0.04&parallel_s=0.32&entry_s=0.002` does the job and then
says how long it took. The card company is far away, so it is emulated by waiting; the lock is held
while the book is written, and as long as the plan says.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qsl

from devops_lab import shop
from devops_lab.access_log import AccessLog, Entry
from devops_lab.closing import MOST_WORKERS, ClosingPlan
from devops_lab.http1 import Refusal, Reply, Request
from devops_lab.purpose_program import PurposeWebServer, run
from devops_lab.rules import whole


class OrderBook:
    """A file that one worker at a time writes into.

    Timers ring a little late, and one after the other these delays would add up to a longer lock
    than the plan's. So the lock keeps a clock: the next hold begins, on paper, when the one before
    should have ended.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._free_at = 0.0

    def enter(self, line: str, asked_at: float, hold_s: float) -> float:
        """Write a line under the lock, keep the lock for `hold_s`, and return when that ends."""
        with self._lock:
            end = max(asked_at, self._free_at) + hold_s
            with self._file.open("a", encoding="utf-8") as book:
                book.write(f"{line}\n")
            sleep_until(end)
            self._free_at = end
        return end


def sleep_until(end: float) -> None:
    """Return at `end` (of `time.perf_counter`), at once when that is over."""
    if (remaining := end - time.perf_counter()) > 0:
        time.sleep(remaining)


def close_the_day(book: OrderBook, plan: ClosingPlan, workers: int) -> float:
    """How long the closing took with so many workers, in seconds."""
    began = time.perf_counter()
    numbers = range(1, plan.orders + 1)
    split_at = book.enter(f"orders {numbers}", began, plan.serial_s - plan.entry_s)

    def charge(worker: int) -> None:
        mine = numbers[worker::workers]
        done_at = split_at + plan.parallel_s * len(mine) / plan.orders
        sleep_until(done_at)
        total_won = sum(shop.order(number)["total_won"] for number in mine)
        book.enter(f"worker {worker}: {len(mine)} orders, {total_won} won", done_at, plan.entry_s)

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(charge, worker) for worker in range(workers)]:
            done.result()
    return time.perf_counter() - began


class ClosingServer(PurposeWebServer):
    """Closes the day, one closing at a time."""

    def __init__(self, name: str, log: AccessLog, folder: Path) -> None:
        super().__init__(name, log, folder, workers=1)
        self._book = OrderBook(folder / "book")

    async def reply(self, request: Request, entry: Entry) -> Reply:
        if request.path != "/closing":
            raise Refusal(404, "The day is closed at /closing?workers=8.")
        try:
            plan, workers = _wishes(request.query)
        except (TypeError, ValueError) as error:
            raise Refusal(400, str(error)) from None
        took_s = await asyncio.to_thread(close_the_day, self._book, plan, workers)
        return shop.as_json({"workers": workers, "orders": plan.orders, "took_s": took_s})


def _wishes(query: str) -> tuple[ClosingPlan, int]:
    kinds: dict[str, Callable[[str], float]] = {"orders": int, "workers": int}
    given = {name: kinds.get(name, float)(value) for name, value in parse_qsl(query)}
    workers = whole("workers", given.pop("workers", 1), at_least=1, at_most=MOST_WORKERS)
    return ClosingPlan(**given), workers


def main() -> None:
    """Close days until the process is asked to end."""
    run(ClosingServer)
