import asyncio
import time

import pytest
from coroutines import run

from devops_lab import duplicates
from devops_lab.duplicates import Remembered, Ties, key_of
from devops_lab.http1 import Reply, Request
from devops_lab.processes import free_port
from devops_lab.service import (
    NotServedError,
    QueueFullError,
    TooLateError,
    WithdrawnError,
    Workers,
)


def asked(**headers: str) -> Request:
    return Request("GET", "/work", "", {name.replace("_", "-"): v for name, v in headers.items()})


@pytest.mark.parametrize("key", ["", "two words", "x" * 129, "열쇠", "a\nb"])
def test_a_key_that_cannot_be_used_is_none(key: str) -> None:
    assert key_of(asked(idempotency_key=key)) == ""
    assert key_of(asked()) == ""


def test_an_answer_is_remembered_and_says_that_it_is_one_of_before() -> None:
    memory = Remembered()
    memory.keep("a", Reply(201, "text/plain", b"done", {"Location": "/orders/1"}))
    again = memory.get("a")
    assert (again.status, again.body) == (201, b"done")
    assert again.headers == {"Location": "/orders/1", "Idempotent-Replayed": "true"}


def test_errors_and_requests_without_a_key_are_not_remembered() -> None:
    memory = Remembered()
    memory.keep("a", Reply(500, "text/plain", b"sorry"))
    memory.keep("", Reply(200, "text/plain", b"done"))
    assert memory.get("a") is None
    assert memory.get("") is None


def test_of_too_many_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_REMEMBERED", 2)
    memory, ties = Remembered(), Ties()
    for key in "abc":
        memory.keep(key, Reply(200, "text/plain", key.encode()))
        ties.withdraw(key)
    assert [memory.get(key) is None for key in "abc"] == [True, False, False]
    assert [ties.is_needless(key) for key in "abc"] == [False, True, True]


def test_only_other_servers_of_this_machine_are_told_and_one_that_is_gone_is_no_error() -> None:
    told: list[bytes] = []

    async def listen(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await stream.readuntil(b"\r\n\r\n"))
        writer.close()

    async def tell() -> None:
        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        gone = free_port()
        others = f"127.0.0.1:{port} 127.0.0.1:{gone} 127.0.0.1:7 192.168.0.1:80 example.org:80"
        ties = Ties()
        ties.tell_others(asked(idempotency_key="k", x_tied_to=others), own_port=7)
        assert len(ties._tasks) == 2
        await asyncio.gather(*ties._tasks)
        server.close()

    run(tell())
    [request] = told
    assert request.startswith(b"POST /-/withdraw HTTP/1.1\r\n")
    assert b"Idempotency-Key: k\r\n" in request


def test_who_finds_no_worker_is_told_why() -> None:
    async def queue() -> list[type]:
        workers = Workers(1)
        await workers.take()
        late = asyncio.create_task(workers.take(until=time.perf_counter() + 0.01))
        needless = asyncio.create_task(workers.take(key="k"))
        patient = asyncio.create_task(workers.take())
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await workers.take(queue_limit=3)
        with pytest.raises(TooLateError):
            await workers.take(until=time.perf_counter() - 1)
        workers.withdraw("k")
        await asyncio.sleep(0.02)
        workers.give_back(time.perf_counter())
        ends = await asyncio.gather(late, needless, patient, return_exceptions=True)
        return [type(end) for end in ends]

    assert run(queue()) == [TooLateError, WithdrawnError, float]
    assert issubclass(TooLateError, NotServedError)
