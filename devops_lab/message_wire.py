"""What a broker is asked for, in the same few words whoever it is: NATS, or the stand-in for it.

A *wire* is one connection to a broker, in asyncio. `TimeoutError` means that no answer came: what
was asked for may have happened or not.
"""

from dataclasses import dataclass
from typing import Any, Protocol

ANSWER_WITHIN_S = 2.0
TRY_AGAIN_EVERY_S = 0.05


@dataclass(frozen=True)
class QueueRules:
    """What a broker keeps to: a message that is not acknowledged within `lease_s` is delivered
    again; ids are remembered for `remember_s`; `limit_bytes` is the room on the disk."""

    lease_s: float
    remember_s: float
    limit_bytes: int


@dataclass(frozen=True)
class Delivery:
    """A message as it came, how often it has been delivered, and what its broker calls it."""

    body: bytes
    number: int
    handle: Any


class QueueFullError(Exception):
    """The queue's room on the disk is used up; the message was not taken."""


class UnknownNameError(Exception):
    """The broker has no queue or lease of this name."""


class Wire(Protocol):
    """One connection to a broker."""

    async def make_queue(self, queue: str, rules: QueueRules) -> None:
        """Have the queue, with these rules from now on."""

    async def send(self, queue: str, body: bytes, message_id: str, within_s: float) -> bool:
        """Whether the message is new; one whose id is known is thrown away."""

    async def take(self, queue: str, within_s: float) -> Delivery | None:
        """The next message that is free, None where there is none within that time."""

    async def settle(self, delivery: Delivery) -> None:
        """Acknowledge: the broker may forget the message."""

    async def give_back(self, delivery: Delivery) -> None:
        """Say that it was not done: the message is free at once."""

    async def set_aside(self, queue: str, delivery: Delivery) -> None:
        """Move the message to those that nobody is given any more."""

    async def aside(self, queue: str) -> list[bytes]:
        """The messages that were set aside, the oldest first."""

    async def counts(self, queue: str) -> tuple[int, int]:
        """How many messages are free, and how many are delivered and not acknowledged."""

    async def make_lease(self, lease: str, lasts_s: float) -> None:
        """Have a lease that can be claimed, with this duration from now on."""

    async def claim(self, lease: str, holder: str) -> int | None:
        """The claim's number, higher than all before; None while somebody else holds it."""

    async def close(self) -> None:
        """End the connection."""
