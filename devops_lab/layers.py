"""A site in layers: real servers that ask one another, each with a client that behaves.

    with Layers(client=Client(timeout_s=0.3, attempts=3)) as site:
        site.bottom.set(error_share=1.0)
        site.front.get("/work")
        site.asked()

A click comes to the first layer, which asks the second, and so on; the last one does the work.
"""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from devops_lab.families import wait_until
from devops_lab.loadgen import Load
from devops_lab.processes import ProgramError
from devops_lab.purpose_servers import PurposeServer
from devops_lab.rules import number, whole
from devops_lab.scenario import Client
from devops_lab.servers import Server
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = ("shop", "orders", "database")
MOST_LAYERS = 6
# Enough for every try that a storm has under way at once.
WORKERS = 2_000
MOST_WORKERS = 10_000
PATIENCE_S = 30.0


class Layer(PurposeServer):
    """A server that asks the server `below` for each `/work`, as its `client` says."""

    program = "layer_server"

    def __init__(self, below: Server, client: Client, *, name: str, workers: int = WORKERS) -> None:
        self.below, self.client = below, client
        self.workers = whole("workers", workers, at_least=1, at_most=10_000)
        super().__init__(name=name)

    def options(self) -> dict[str, Any]:
        """Whom it asks, and how."""
        return {
            "below": self.below.port,
            "client": self.client.numbers(),
            "workers": self.workers,
        }

    def set_client(self, client: Client) -> None:
        """Let the layer ask in another way, at once where it runs."""
        if self.is_running:
            self._control("client", json.dumps(client.numbers()))
        self.client = client


class Layers:
    """The layers of a site, from the one that customers see down to the one that does the work.

    All but the last ask as `client` says. `settings` are those of the last, a `Server`.
    """

    def __init__(
        self, names: Sequence[str] = NAMES, *, client: Client | None = None, **settings: Any
    ) -> None:
        whole("layers", len(names), at_least=1, at_most=MOST_LAYERS)
        if len(set(names)) < len(names):
            raise ValueError(
                _("Each layer has a name of its own, got {names}.").format(names=names)
            )
        self.bottom = Server(name=names[-1], **settings)
        self.layers: list[Server] = [self.bottom]
        for name in reversed(names[:-1]):
            self.layers.insert(0, Layer(self.layers[0], client or Client(), name=name))

    @property
    def front(self) -> Server:
        """The layer that customers ask."""
        return self.layers[0]

    def start(self) -> Self:
        """Start them all, the last one first."""
        try:
            for server in reversed(self.layers):
                server.start()
        # An interrupt, too, leaves nothing behind.
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End them all, and keep their logs."""
        for server in self.layers:
            server.stop()

    def set_client(self, client: Client) -> None:
        """Let all layers ask in another way, at once."""
        for layer in self.layers:
            if isinstance(layer, Layer):
                layer.set_client(client)

    def come_to_rest(self) -> None:
        """Give the last layer workers for all that still wait, so that no try is left."""
        workers = self.bottom.settings.workers
        self.bottom.set(workers=MOST_WORKERS)
        at_rest = wait_until(self._is_idle, within_s=PATIENCE_S)
        self.bottom.set(workers=workers)
        if not at_rest:
            raise ProgramError(_("The layers still have something to do; stop and start them."))

    def _is_idle(self) -> bool:
        return all("in_flight 0" in server.metrics() for server in self.layers)

    def asked(self) -> "DataFrame":
        """One row a layer: how many requests came to it, and how many for each of the first's."""
        from pandas import DataFrame

        counts = [len(server.log()) for server in self.layers]
        rows = {"layer": [server.name for server in self.layers], "requests": counts}
        return DataFrame(rows).assign(per_click=[count / max(1, counts[0]) for count in counts])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


class Watched(NamedTuple):
    """What a site in layers did: the attempts of its customers, and the moments in seconds since
    the run's start at which tries came to the last layer."""

    clicks: "DataFrame"
    asked_s: np.ndarray


def watch_an_outage(
    site: Layers,
    client: Client,
    *,
    clicks_per_s: float = 10.0,
    duration_s: float = 4.0,
    outage_from_s: float = 1.0,
    outage_s: float = 1.0,
) -> Watched:
    """What customers get and the last layer is asked while that is frozen for a moment.

    Customers come like a clock and behave as `client` says. What the last layer was asked while
    frozen it sees when it is back. At the end its queue is emptied, so that the next run is a new
    one.
    """
    from_s = number("outage_from_s", outage_from_s, at_least=0)
    until_s = from_s + number("outage_s", outage_s, above=0)
    number("duration_s", duration_s, above=until_s, remedy=_("The end has to be seen, too."))
    load = Load(
        site.front.url + "work", clicks_per_s, duration_s, arrivals="constant", client=client
    )
    with load:
        wait_until(lambda: load.begun_at is not None, within_s=PATIENCE_S)
        begun_at = load.begun_at or time.time()
        try:
            _sleep_until(begun_at + from_s)
            site.bottom.freeze()
            # Begun late on a busy machine, it is still as long.
            time.sleep(outage_s)
        finally:
            site.bottom.resume()
        clicks = load.wait()
    site.come_to_rest()
    return Watched(clicks, _seconds_since(begun_at, site.bottom.log()))


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _seconds_since(begun_at: float, log: "DataFrame") -> np.ndarray:
    from pandas import Timestamp

    since_s = (log["time"] - Timestamp(begun_at, unit="s", tz="UTC")).dt.total_seconds()
    return np.sort(since_s[since_s >= 0].to_numpy())
