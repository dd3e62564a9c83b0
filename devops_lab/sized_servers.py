"""Servers on machines of a chosen size, and how many requests a second they answer at the most.

with SizedServer(Machine(cpu_share=0.1)) as server:
    answered_per_s(server, ["/login"] * 40)
"""

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from devops_lab.balancer import Balancer
from devops_lab.processes import start_together
from devops_lab.purpose_servers import PurposeServer
from devops_lab.resources import PAGES, PHOTOS, Machine, bottleneck, capacity_per_s
from devops_lab.rules import whole
from devops_lab.translation import _, ngettext
from devops_lab.web_program import WebProgram

if TYPE_CHECKING:
    from pandas import DataFrame

CUSTOMERS = 8
# Every photo once.
REQUESTS = PHOTOS
MOST_MACHINES = 8


class SizedServer(PurposeServer):
    """The shop on one machine; see `devops_lab.resources` for what is real and what is emulated."""

    program = "resource_server"

    def __init__(
        self, machine: Machine | None = None, *, name: str = "shop", port: int = 0
    ) -> None:
        self.machine = machine or Machine()
        super().__init__(name=name, port=port)

    def options(self) -> dict[str, Any]:
        """The machine's sizes."""
        return asdict(self.machine)

    def resources(self) -> dict[str, float]:
        """How long CPU and disk have been busy since the start, and what is in memory."""
        return self.get("/resources").json()


def answered_per_s(front: WebProgram, paths: Sequence[str], *, customers: int = CUSTOMERS) -> float:
    """How many requests a second are answered while `customers` ask one after the other, each as
    soon as they have their answer, until every path was asked for once.

    The server never idles, so this is its capacity. It says nothing of latency: customers who wait
    for each other never show the queue that they would make (see `loadgen` for that).

    Raises RuntimeError where an answer is no 200.
    """
    most = whole("customers", customers, at_least=1, at_most=64)
    began = time.perf_counter()
    with ThreadPoolExecutor(most) as pool:
        answers = [*pool.map(lambda path: front.get(path, timeout_s=30.0), paths)]
    took_s = time.perf_counter() - began
    for answer in answers:
        if answer.status != 200:
            text = _("A request was answered with {status}: {said}")
            raise RuntimeError(text.format(status=answer.status, said=answer.text.strip()))
    return len(answers) / took_s


def full_speed(
    machines: Mapping[str, Machine],
    *,
    pages: Collection[str] = tuple(PAGES),
    requests: int = REQUESTS,
) -> "DataFrame":
    """Real machines at their limit: one row for each machine and page.

    `answered_per_s` was measured, `capacity_per_s` is what the sizes say, `cpu_busy` and
    `disk_busy` are shares of the time. All machines run side by side, since each takes a small
    share of this computer only.
    """
    import pandas as pd

    whole("machines", len(machines), at_least=1, at_most=MOST_MACHINES)
    servers = {
        name: SizedServer(machine, name=f"shop-{number}")
        for number, (name, machine) in enumerate(machines.items(), 1)
    }
    with _started(servers.values()), ThreadPoolExecutor(len(servers)) as pool:
        rows = [
            row
            for page in pages
            for row in pool.map(
                lambda item, page=page: _at_its_limit(*item, page, requests), servers.items()
            )
        ]
    return pd.DataFrame(rows)


@contextlib.contextmanager
def _started(servers: Collection[SizedServer]) -> Iterator[None]:
    start_together([*servers])
    try:
        yield
    finally:
        for server in servers:
            server.stop()


def _at_its_limit(name: str, server: SizedServer, page: str, requests: int) -> dict[str, Any]:
    before, began = server.resources(), time.perf_counter()
    per_s = answered_per_s(server, [f"/{page}"] * requests)
    after, took_s = server.resources(), time.perf_counter() - began
    return {
        "machine": name,
        "page": page,
        "answered_per_s": per_s,
        "capacity_per_s": capacity_per_s(server.machine, page),
        "bottleneck": bottleneck(server.machine, page),
        **{
            f"{resource}_busy": (after[f"{resource}_busy_s"] - before[f"{resource}_busy_s"])
            / took_s
            for resource in ("cpu", "disk")
        },
    }


def scaled_out(
    machine: Machine,
    counts: Collection[int],
    *,
    pages: Collection[str] = tuple(PAGES),
    requests: int = REQUESTS,
) -> "DataFrame":
    """So many machines of one size behind the balancer, at their limit: a row for each count and
    page, with `requests` for each machine. `capacity_per_s` is that of one machine times the count;
    `machine` is the count in words.
    """
    import pandas as pd

    most = whole("counts", max(counts), at_least=1, at_most=MOST_MACHINES)
    servers = [SizedServer(machine, name=f"shop-{number}") for number in range(1, most + 1)]
    with _started(servers):
        rows = []
        for count in counts:
            # A balancer of its own for each: one that is just being changed can drop a request.
            with Balancer(servers[:count]) as balancer:
                rows += [_side_by_side(balancer, machine, count, page, requests) for page in pages]
    return pd.DataFrame(rows)


def _side_by_side(
    balancer: Balancer, machine: Machine, count: int, page: str, requests: int
) -> dict[str, Any]:
    paths = [f"/{page}"] * requests * count
    return {
        "machine": _machines(count),
        "servers": count,
        "page": page,
        "answered_per_s": answered_per_s(balancer, paths, customers=CUSTOMERS * count),
        "capacity_per_s": count * capacity_per_s(machine, page),
    }


def _machines(count: int) -> str:
    return ngettext("{count} machine", "{count} machines", count).format(count=count)
