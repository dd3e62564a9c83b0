"""A small stand-in for a message broker, for machines without NATS: one process, one file.

It keeps what lesson 07 is about (acknowledgement, redelivery, known ids, leases, and all of it
after a crash), and nothing else: no subjects, no copies on other machines, no speed. A question
is one line of JSON, `[token, verb, arguments]`, and so is its answer.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from devops_lab import lifeline
from devops_lab.message_wire import (
    ANSWER_WITHIN_S,
    Delivery,
    QueueFullError,
    QueueRules,
    UnknownNameError,
)

TOKEN_VARIABLE = "DEVOPS_LAB_BROKER_TOKEN"
LONGEST_LINE = 4_000_000
LOOK_EVERY_S = 0.02
UNKNOWN = "no such name"

TABLES = """
CREATE TABLE IF NOT EXISTS queues (name PRIMARY KEY, lease_s, remember_s, limit_bytes);
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, queue, body, message_id, sent_s,
    state DEFAULT 'waiting', deliveries DEFAULT 0, free_at_s DEFAULT 0
);
CREATE TABLE IF NOT EXISTS leases (name PRIMARY KEY, lasts_s, token DEFAULT 0, claimed_s DEFAULT 0);
"""


class StandIn:
    """The broker's own part; each public method is a verb."""

    def __init__(self, store: Path) -> None:
        self._database = sqlite3.connect(store, isolation_level=None)
        # It shall outlast a crash of this process, not one of the machine.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(TABLES)

    def make_queue(self, name: str, lease_s: float, remember_s: float, limit_bytes: int) -> None:
        row = (name, lease_s, remember_s, limit_bytes)
        self._ask("INSERT OR REPLACE INTO queues VALUES (?, ?, ?, ?)", *row)

    def send(self, queue: str, body: str, message_id: str) -> str:
        _lease_s, remember_s, limit_bytes = self._rules(queue)
        known_since_s = time.time() - remember_s
        known = "SELECT 1 FROM messages WHERE queue = ? AND message_id = ? AND sent_s > ?"
        if self._ask(known, queue, message_id, known_since_s):
            return "known"
        [(used,)] = self._ask(
            "SELECT total(length(body)) FROM messages WHERE queue = ? AND state = 'waiting'", queue
        )
        if used + len(body) > limit_bytes:
            return "full"
        row = (queue, body, message_id, time.time())
        self._ask(
            "INSERT INTO messages (queue, body, message_id, sent_s) VALUES (?, ?, ?, ?)", *row
        )
        return "new"

    def take(self, queue: str) -> list[Any] | None:
        lease_s, _remember_s, _limit_bytes = self._rules(queue)
        now = time.time()
        taken = self._ask(
            "UPDATE messages SET deliveries = deliveries + 1, free_at_s = ? WHERE number ="
            " (SELECT min(number) FROM messages"
            "  WHERE queue = ? AND state = 'waiting' AND free_at_s <= ?)"
            " RETURNING number, body, deliveries",
            *(now + lease_s, queue, now),
        )
        return list(taken[0]) if taken else None

    def settle(self, number: int, state: str) -> None:
        self._ask("UPDATE messages SET state = ? WHERE number = ?", state, number)

    def give_back(self, number: int) -> None:
        self._ask("UPDATE messages SET free_at_s = 0 WHERE number = ?", number)

    def aside(self, queue: str) -> list[str]:
        self._rules(queue)
        found = "SELECT body FROM messages WHERE queue = ? AND state = 'aside' ORDER BY number"
        return [body for (body,) in self._ask(found, queue)]

    def counts(self, queue: str) -> list[int]:
        self._rules(queue)
        [counted] = self._ask(
            "SELECT total(free_at_s <= ?), total(free_at_s > ?) FROM messages"
            " WHERE queue = ? AND state = 'waiting'",
            *(time.time(), time.time(), queue),
        )
        return list(map(int, counted))

    def make_lease(self, name: str, lasts_s: float) -> None:
        self._ask("INSERT OR IGNORE INTO leases (name) VALUES (?)", name)
        self._ask("UPDATE leases SET lasts_s = ? WHERE name = ?", lasts_s, name)

    def claim(self, name: str) -> int | None:
        if not self._ask("SELECT 1 FROM leases WHERE name = ?", name):
            raise UnknownNameError
        now = time.time()
        claimed = self._ask(
            "UPDATE leases SET token = token + 1, claimed_s = ?"
            " WHERE name = ? AND claimed_s + lasts_s <= ? RETURNING token",
            *(now, name, now),
        )
        return claimed[0][0] if claimed else None

    def _rules(self, queue: str) -> tuple[float, float, int]:
        rules = self._ask(
            "SELECT lease_s, remember_s, limit_bytes FROM queues WHERE name = ?", queue
        )
        if not rules:
            raise UnknownNameError
        return rules[0]

    def _ask(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._database.execute(question, values).fetchall()


async def _serve(broker: StandIn, port: int, token: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever leaves in the middle, or does not know the token, hears nothing.
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                said, verb, arguments = json.loads(line)
                if said != token:
                    break
                try:
                    told = getattr(broker, verb)(*arguments)
                except UnknownNameError:
                    told = UNKNOWN
                writer.write(f"{json.dumps(told)}\n".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, limit=LONGEST_LINE)
    print(f"listening at {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 takes any free one")
    parser.add_argument("--store", type=Path, required=True)
    given = parser.parse_args()
    lifeline.hold()
    asyncio.run(_serve(StandIn(given.store), given.port, os.environ.pop(TOKEN_VARIABLE)))


class StandInWire:
    """A client's part: one connection for each question, so that there is none to lose."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token

    async def make_queue(self, queue: str, rules: QueueRules) -> None:
        await self._ask("make_queue", queue, rules.lease_s, rules.remember_s, rules.limit_bytes)

    async def send(self, queue: str, body: bytes, message_id: str, within_s: float) -> bool:
        told = await self._ask("send", queue, _text(body), message_id, within_s=within_s)
        if told == "full":
            raise QueueFullError
        return told == "new"

    async def take(self, queue: str, within_s: float) -> Delivery | None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if taken := await self._ask("take", queue):
                return Delivery(_bytes(taken[1]), taken[2], taken[0])
            await asyncio.sleep(LOOK_EVERY_S)
        return None

    async def settle(self, delivery: Delivery) -> None:
        await self._ask("settle", delivery.handle, "done")

    async def give_back(self, delivery: Delivery) -> None:
        await self._ask("give_back", delivery.handle)

    async def set_aside(self, queue: str, delivery: Delivery) -> None:
        await self._ask("settle", delivery.handle, "aside")

    async def aside(self, queue: str) -> list[bytes]:
        return list(map(_bytes, await self._ask("aside", queue)))

    async def counts(self, queue: str) -> tuple[int, int]:
        waiting, at_work = await self._ask("counts", queue)
        return waiting, at_work

    async def make_lease(self, lease: str, lasts_s: float) -> None:
        await self._ask("make_lease", lease, lasts_s)

    async def claim(self, lease: str, holder: str) -> int | None:
        return await self._ask("claim", lease)

    async def close(self) -> None: ...

    async def _ask(self, verb: str, *arguments: Any, within_s: float = ANSWER_WITHIN_S) -> Any:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._port, limit=LONGEST_LINE
            )
            try:
                writer.write(f"{json.dumps([self._token, verb, arguments])}\n".encode())
                line = await reader.readline()
            finally:
                writer.close()
        if not line:
            raise ConnectionResetError
        if (told := json.loads(line)) == UNKNOWN:
            raise UnknownNameError
        return told


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
