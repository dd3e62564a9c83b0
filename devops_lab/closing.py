"""The shop's closing every evening: one job, split over workers, with a part that cannot be split.

The day's orders have to be charged. First the order book is locked and the day's list is written;
then each worker asks the card company about its share of the orders, all at once; at the end each
worker locks the book once more and enters its sum. So the closing takes, with `n` workers,

    serial_s + parallel_s / n + (n - 1) entry_s

seconds, which is the universal scalability law with coefficients that are known beforehand.

>>> plan = ClosingPlan(serial_s=0.04, parallel_s=0.36, entry_s=0.004)
>>> round(plan.took_s(1), 3), round(plan.took_s(4), 3), round(plan.serial_share, 3)
(0.4, 0.142, 0.1)
"""

from dataclasses import dataclass, replace

from devops_lab.rules import number, whole
from devops_lab.scaling import Usl

LONGEST_S = 10.0
MOST_WORKERS = 64


@dataclass(frozen=True)
class ClosingPlan:
    """How long the parts of a closing of so many `orders` take one worker.

    `serial_s` is the time that the book is locked, `parallel_s` what can be split, `entry_s` what
    each further worker adds by entering a sum of its own under the lock.
    """

    orders: int = 64
    serial_s: float = 0.04
    parallel_s: float = 0.32
    entry_s: float = 0.002

    def __post_init__(self) -> None:
        whole("orders", self.orders, at_least=1, at_most=100_000)
        number("entry_s", self.entry_s, at_least=0, at_most=1)
        number("serial_s", self.serial_s, at_least=self.entry_s, at_most=LONGEST_S)
        number("parallel_s", self.parallel_s, at_least=0, at_most=LONGEST_S)
        number("serial_s and parallel_s together", self.serial_s + self.parallel_s, above=0)

    def changed(self, **parts: float) -> "ClosingPlan":
        """The same closing with other parts."""
        return replace(self, **parts)

    def took_s(self, workers: int) -> float:
        """How long the closing takes so many workers, in seconds."""
        return self.serial_s + self.parallel_s / workers + (workers - 1) * self.entry_s

    @property
    def serial_share(self) -> float:
        """The share of one worker's time in which nobody else could help."""
        return self.serial_s / (self.serial_s + self.parallel_s)

    @property
    def law(self) -> Usl:
        """The law of this closing, in orders a second."""
        alone_s = self.took_s(1)
        return Usl(self.orders / alone_s, self.serial_share, self.entry_s / alone_s)
