"""The connection to a broker, whichever of the two it is."""

from typing import Any

from devops_lab.message_wire import Wire


async def connect(address: dict[str, Any]) -> Wire:
    """A new connection to the broker at this address, as `messages.Broker.address` gives it."""
    if address["kind"] == "nats":
        # It takes a fifth of a second, and the stand-in is for machines that lack it.
        from devops_lab.nats_wire import NatsWire

        return await NatsWire.connect(address["port"], address["token"])
    from devops_lab.stand_in import StandInWire

    return StandInWire(address["port"], address["token"])
