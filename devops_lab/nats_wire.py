"""The connection to a real NATS server: queues and leases in the words of its JetStream."""

import contextlib
from collections.abc import Iterator

import nats
from nats.errors import TimeoutError as NoAnswerFromNats
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    KeyValueConfig,
    RetentionPolicy,
    StreamConfig,
)
from nats.js.errors import (
    APIError,
    BadRequestError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NoStreamResponseError,
    NotFoundError,
)

from devops_lab.message_wire import (
    ANSWER_WITHIN_S,
    TRY_AGAIN_EVERY_S,
    Delivery,
    QueueFullError,
    UnknownNameError,
)
from devops_lab.message_wire import QueueRules as Rules

CONSUMER = "workers"
# NATS' numbers for: no more memory, no more disk, and no more room in this stream.
FULL = {10023, 10047, 10077}
# A consumer hands out no more than this before it has been acknowledged.
MOST_AT_WORK = 10_000


class NatsWire:
    """One connection; it comes back by itself when the server does."""

    def __init__(self, connection: nats.NATS) -> None:
        self._connection = connection
        self._jetstream = connection.jetstream(timeout=ANSWER_WITHIN_S)
        self._taking: dict[str, nats.js.JetStreamContext.PullSubscription] = {}

    @classmethod
    async def connect(cls, port: int, token: str) -> "NatsWire":
        """Connect to the server at this port of 127.0.0.1."""

        # Without this, each refused try is logged with its traceback.
        async def say_nothing(_error: Exception) -> None: ...

        connection = nats.NATS()
        try:
            await connection.connect(
                f"nats://127.0.0.1:{port}",
                token=token,
                error_cb=say_nothing,
                reconnect_time_wait=TRY_AGAIN_EVERY_S,
                max_reconnect_attempts=-1,
                connect_timeout=ANSWER_WITHIN_S,
            )
        # Whoever gives up waiting for a frozen server leaves no open socket.
        except BaseException:
            await connection.close()
            raise
        return cls(connection)

    async def make_queue(self, queue: str, rules: Rules) -> None:
        """A stream that forgets what is acknowledged, and one consumer that all workers share."""
        await self._make_stream(
            StreamConfig(
                queue,
                subjects=[queue],
                retention=RetentionPolicy.WORK_QUEUE,
                max_bytes=rules.limit_bytes,
                discard=DiscardPolicy.NEW,
                duplicate_window=rules.remember_s,
            )
        )
        await self._make_stream(StreamConfig(_aside(queue), subjects=[_aside(queue)]))
        consumer = ConsumerConfig(
            durable_name=CONSUMER,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=rules.lease_s,
            max_deliver=-1,
            max_ack_pending=MOST_AT_WORK,
        )
        await self._jetstream.add_consumer(queue, consumer)

    async def send(self, queue: str, body: bytes, message_id: str, within_s: float) -> bool:
        headers = {"Nats-Msg-Id": message_id}
        try:
            receipt = await self._jetstream.publish(queue, body, within_s, headers=headers)
        except APIError as error:
            raise QueueFullError if error.err_code in FULL else error from None
        except NoStreamResponseError:
            raise UnknownNameError from None
        return not receipt.duplicate

    async def take(self, queue: str, within_s: float) -> Delivery | None:
        if queue not in self._taking:
            self._taking[queue] = await self._jetstream.pull_subscribe_bind(CONSUMER, queue)
        with contextlib.suppress(NoAnswerFromNats):
            [message] = await self._taking[queue].fetch(1, timeout=within_s)
            return Delivery(message.data, message.metadata.num_delivered, message)
        return None

    async def settle(self, delivery: Delivery) -> None:
        await delivery.handle.ack_sync(timeout=ANSWER_WITHIN_S)

    async def give_back(self, delivery: Delivery) -> None:
        await delivery.handle.nak()

    async def set_aside(self, queue: str, delivery: Delivery) -> None:
        # Stored first and acknowledged then: at worst it is stored twice, and the id prevents that.
        sequence = delivery.handle.metadata.sequence.stream
        headers = {"Nats-Msg-Id": str(sequence)}
        await self._jetstream.publish(_aside(queue), delivery.body, headers=headers)
        await self.settle(delivery)

    async def aside(self, queue: str) -> list[bytes]:
        with _known():
            state = (await self._jetstream.stream_info(_aside(queue))).state
        numbers = range(max(1, state.first_seq), state.last_seq + 1)
        messages = [await self._jetstream.get_msg(_aside(queue), number) for number in numbers]
        return [message.data for message in messages]

    async def counts(self, queue: str) -> tuple[int, int]:
        with _known():
            state = await self._jetstream.consumer_info(queue, CONSUMER)
        stored = (await self._jetstream.stream_info(queue)).state.messages
        at_work = min(state.num_ack_pending, stored)
        return stored - at_work, at_work

    async def make_lease(self, lease: str, lasts_s: float) -> None:
        """A bucket of keys and values in which each value ends by itself after that time."""
        # NATS keeps a bucket in a stream whose name begins with KV_; only a stream can be changed.
        try:
            await self._jetstream.create_key_value(KeyValueConfig(_bucket(lease), ttl=lasts_s))
        except BadRequestError:
            config = (await self._jetstream.stream_info(f"KV_{_bucket(lease)}")).config
            # NATS refuses to remember ids for longer than the values themselves.
            remember_s = min(lasts_s, config.duplicate_window)
            changed = config.evolve(max_age=lasts_s, duplicate_window=remember_s)
            await self._jetstream.update_stream(changed)

    async def claim(self, lease: str, holder: str) -> int | None:
        with _known():
            bucket = await self._jetstream.key_value(_bucket(lease))
        # Taken; or its time ran out just while nats-py looked at who had it.
        with contextlib.suppress(KeyWrongLastSequenceError, KeyNotFoundError):
            return await bucket.create("holder", holder.encode())
        return None

    async def close(self) -> None:
        await self._connection.close()

    async def _make_stream(self, config: StreamConfig) -> None:
        try:
            await self._jetstream.add_stream(config)
        except BadRequestError:
            await self._jetstream.update_stream(config)


@contextlib.contextmanager
def _known() -> Iterator[None]:
    try:
        yield
    except NotFoundError:
        raise UnknownNameError from None


def _aside(queue: str) -> str:
    return f"{queue}_aside"


def _bucket(lease: str) -> str:
    return f"lease_{lease}"
