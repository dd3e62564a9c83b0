"""A site in layers: real servers that ask one another, each with a client that behaves.

    with Layers(client=Client(timeout_s=0.3, attempts=3)) as site:
        site.bottom.set(error_share=1.0)
        site.front.get("/work")
        site.asked()

A click comes to the first layer, which asks the second, and so on; the last one does the work.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from devops_lab import rules
from devops_lab.purpose_servers import PurposeServer
from devops_lab.scenario import Client
from devops_lab.servers import Server
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = ("shop", "orders", "database")
MOST_LAYERS = 6
# Enough for every try that a storm has under way at once.
WORKERS = 2_000


class Layer(PurposeServer):
    """A server that asks the server `below` for each `/work`, as its `client` says."""

    program = "layer_server"

    def __init__(self, below: Server, client: Client, *, name: str, workers: int = WORKERS) -> None:
        self.below, self.client = below, client
        self.workers = rules.whole("workers", workers, at_least=1, at_most=10_000)
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
        rules.whole("layers", len(names), at_least=1, at_most=MOST_LAYERS)
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
