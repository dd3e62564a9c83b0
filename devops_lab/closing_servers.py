"""The closing on a real server, again and again with more workers.

with ClosingServer() as server:
    measure_closing(server, ClosingPlan(), workers=[1, 2, 4, 8])
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from devops_lab.closing import ClosingPlan
from devops_lab.processes import ProgramError
from devops_lab.purpose_servers import PurposeServer
from devops_lab.rules import whole

if TYPE_CHECKING:
    from pandas import DataFrame

WORKERS = (1, 2, 4, 8, 16, 32)
REPEATS = 3
PATIENCE_S = 60.0

Report = Callable[[int, int], bool | None]


class ClosingServer(PurposeServer):
    """A real server that closes the shop's day with a number of workers."""

    program = "closing_server"

    def __init__(self, *, name: str = "office", port: int = 0) -> None:
        super().__init__(name=name, port=port)

    def close_day(self, plan: ClosingPlan, workers: int) -> float:
        """How long the closing took, in seconds; raises `ProgramError` where it was refused."""
        query = urlencode(asdict(plan) | {"workers": workers})
        answer = self.get(f"/closing?{query}", timeout_s=PATIENCE_S)
        if answer.status != 200:
            raise ProgramError(answer.text.strip())
        return answer.json()["took_s"]


def measure_closing(
    server: ClosingServer,
    plan: ClosingPlan | None = None,
    workers: Sequence[int] = WORKERS,
    *,
    repeats: int = REPEATS,
    report: Report | None = None,
) -> "DataFrame":
    """Closings on the real server, a row each: `workers`, `took_s` and `orders_per_s`.

    All sizes are measured in turn, and that `repeats` times, so that a busy moment of the machine
    does not hurt one size alone. `report` is called after each with the number done and the number
    of all, and stops by returning False.
    """
    import pandas as pd

    plan = plan or ClosingPlan()
    sizes = list(workers) * whole("repeats", repeats, at_least=1, at_most=20)
    rows = []
    for done, size in enumerate(sizes, 1):
        took_s = server.close_day(plan, size)
        rows.append({"workers": size, "took_s": took_s, "orders_per_s": plan.orders / took_s})
        if report and report(done, len(sizes)) is False:
            break
    return pd.DataFrame(rows, columns=["workers", "took_s", "orders_per_s"])
