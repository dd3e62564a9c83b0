"""The shop on a machine of a given size: real work, within the machine's CPU, memory and disk.

`/login` hashes a password, `/photo/7` gives a photo and `/photo` each of them in a random order,
`/order` writes an order to the disk before it promises anything. `/resources` says how busy the CPU
and the disk have been.
"""

import asyncio
import hashlib
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devops_lab import shop
from devops_lab.access_log import AccessLog, Entry
from devops_lab.http1 import Refusal, Reply, Request
from devops_lab.purpose_program import PurposeWebServer, run
from devops_lab.resources import PAGES, PHOTO_BYTES, PHOTOS, Machine
from devops_lab.service import Workers, sleep_until

CALIBRATION_ROUNDS = 2_000


class Rationed:
    """A resource that does one thing at a time and then rests, so that it is as slow as its size
    says. What it does is real; where that takes longer than its ration, so does the resource."""

    def __init__(self) -> None:
        self.busy_s = 0.0
        self._line = Workers(1)

    async def use(self, do: Callable[[], Any], ration_s: float) -> Any:
        """What `do` returns, when the ration of time is over."""
        start = end = await self._line.take()
        try:
            done = await asyncio.get_running_loop().run_in_executor(None, do)
            end = max(start + ration_s, time.perf_counter())
            await sleep_until(end)
            return done
        finally:
            self.busy_s += end - start
            self._line.give_back(end)


class ResourceServer(PurposeWebServer):
    """The shop's pages on one machine."""

    def __init__(self, name: str, log: AccessLog, folder: Path, **sizes: Any) -> None:
        super().__init__(name, log, folder)
        self.machine = Machine(**sizes)
        self._cpu, self._disk = Rationed(), Rationed()
        self._rounds_per_s = rounds_per_s()
        self._draw = random.Random(name)
        self._deck: list[int] = []
        self._hits = self._orders = 0
        for photo in range(PHOTOS):
            (folder / f"photo-{photo}").write_bytes(self._draw.randbytes(PHOTO_BYTES))
        self._memory = {photo: self._read(photo) for photo in range(self.machine.memory_photos)}
        self._for_operators["/resources"] = self._resources

    async def reply(self, request: Request, entry: Entry) -> Reply:
        if request.path == "/login":
            await self._compute("login")
            return shop.as_json({"welcome": True})
        if request.path == "/order":
            await self._compute("order")
            await self._access_disk(self._write_order)
            return shop.as_json({"promised": True})
        found = re.fullmatch(r"/photo(?:/(\d{1,4}))?", request.path)
        if found and int(found[1] or 0) < PHOTOS:
            photo = int(found[1]) if found[1] else self._next_photo()
            await self._compute("photo")
            return Reply(200, "image/x-photo", await self._photo(photo))
        raise Refusal(404, "There is /login, /order, /photo, and /photo/0 and so on.")

    async def _compute(self, page: str) -> None:
        """Hash as many rounds as take the page's CPU time, and rest for the others' share."""
        cpu_s = PAGES[page].cpu_s
        rounds = max(1, round(cpu_s * self._rounds_per_s))
        await self._cpu.use(lambda: hash_password(rounds), cpu_s / self.machine.cpu_share)

    async def _access_disk(self, do: Callable[[], Any]) -> Any:
        return await self._disk.use(do, 1 / self.machine.disk_per_s)

    async def _photo(self, photo: int) -> bytes:
        """The photo from memory, or from the disk where the memory had no room for it."""
        if photo in self._memory:
            self._hits += 1
            return self._memory[photo]
        return await self._access_disk(lambda: self._read(photo))

    def _next_photo(self) -> int:
        if not self._deck:
            self._deck = self._draw.sample(range(PHOTOS), PHOTOS)
        return self._deck.pop()

    def _read(self, photo: int) -> bytes:
        return (self.folder / f"photo-{photo}").read_bytes()

    def _write_order(self) -> None:
        self._orders += 1
        with (self.folder / "orders").open("ab") as book:
            book.write(f"order {self._orders}\n".encode())
            book.flush()
            os.fsync(book.fileno())

    def _resources(self, _request: Request) -> Reply:
        held = sum(map(len, self._memory.values()))
        return shop.as_json(
            {
                "cpu_busy_s": self._cpu.busy_s,
                "disk_busy_s": self._disk.busy_s,
                "photos_from_memory": self._hits,
                "memory_bytes": held,
                "orders": self._orders,
            }
        )


def hash_password(rounds: int) -> bytes:
    """A password as it is stored: hashed so many times over."""
    return hashlib.pbkdf2_hmac("sha256", b"moonlight", b"salt of the bakery", rounds)


def rounds_per_s() -> float:
    """How many rounds of hashing a core of this computer does in a second, when it is not busy."""
    quickest_s = min(_timed_s(CALIBRATION_ROUNDS) for _time in range(10))
    return CALIBRATION_ROUNDS / quickest_s


def _timed_s(rounds: int) -> float:
    began = time.perf_counter()
    hash_password(rounds)
    return time.perf_counter() - began


def main() -> None:
    """Serve on the machine that the options describe."""
    run(ResourceServer)
