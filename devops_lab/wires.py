"""The connection to a broker, whichever of the two it is."""

import sys
from typing import TYPE_CHECKING, Any

from devops_lab.message_wire import Wire

if TYPE_CHECKING:
    from devops_lab.nats_wire import NatsWire


async def connect(address: dict[str, Any]) -> Wire:
    """A new connection to the broker at this address, as `messages.Broker.address` gives it."""
    if address["kind"] == "nats":
        return await _nats_wire().connect(address["port"], address["token"])
    from devops_lab.stand_in import StandInWire

    return StandInWire(address["port"], address["token"])


def _nats_wire() -> "type[NatsWire]":
    # nats-py takes aiohttp where it finds it, for websockets alone: half of the time to import it.
    sys.modules.setdefault("aiohttp", None)
    try:
        from devops_lab.nats_wire import NatsWire
    finally:
        if sys.modules["aiohttp"] is None:
            del sys.modules["aiohttp"]
    return NatsWire
