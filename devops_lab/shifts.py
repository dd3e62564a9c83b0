"""A shift: orders handed to workers over a network that loses and delays messages, three ways.

>>> events = simulate_shift(Shift(promise="at_most_once", orders=200, loss_share=0.1))
>>> times_paid(events).value_counts().sort_index().to_dict()
{0: 20, 1: 180}

The same shift can be played on a real broker with real workers (`measure_shift`); both lose the
same messages. The network is played in either case: on one machine nothing gets lost.
"""

import heapq
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from devops_lab import rules
from devops_lab.brokers import any_broker
from devops_lab.emulated_network import Network, draw
from devops_lab.messages import Order, Queue, crew
from devops_lab.tables import EVENTS, table
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame, Series

PROMISES = ("at_most_once", "at_least_once", "paid_once")
MOST_DELIVERIES = 20
MOST_WORKERS = 8
VARIATION = 0.2


@dataclass(frozen=True)
class Shift:
    """What a shift is like.

    All `orders` are there at the beginning. Each is about `work_s` of work, up to a fifth more or
    less, for one of the `workers`, which then takes the money. Of the messages between broker and
    worker the share `loss_share` is lost, and each takes `delay_s`. An order that is not
    acknowledged within `lease_s` is delivered again. The promise is "at_most_once" (acknowledged
    before the work), "at_least_once" (after it), or "paid_once" (after it, and the book takes only
    one payment for each order).
    """

    promise: str = "at_least_once"
    orders: int = 20
    workers: int = 2
    work_s: float = 0.05
    lease_s: float = 0.5
    loss_share: float = 0.1
    delay_s: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        rules.one_of("promise", self.promise, PROMISES)
        rules.whole("orders", self.orders, at_least=1, at_most=1_000)
        rules.whole("workers", self.workers, at_least=1, at_most=MOST_WORKERS)
        rules.number("work_s", self.work_s, at_least=0, at_most=10)
        rules.number("lease_s", self.lease_s, at_least=0.05, at_most=60)
        rules.number("delay_s", self.delay_s, at_least=0, at_most=10)
        rules.whole("seed", self.seed)
        if rules.share("loss_share", self.loss_share) > 0.9:
            text = _("loss_share must be at most 0.9, got {value}: hardly anything would arrive.")
            raise ValueError(text.format(value=self.loss_share))

    @property
    def network(self) -> Network:
        """The network between broker and workers."""
        return Network(self.loss_share, self.delay_s, self.seed)

    @property
    def names(self) -> list[str]:
        """The workers' names: a, b, …"""
        return [chr(ord("a") + number) for number in range(self.workers)]

    @property
    def jobs(self) -> list[str]:
        """The orders' names."""
        return [f"order {number}" for number in range(1, self.orders + 1)]


def wrong_share(shift: Shift) -> float | None:
    """The share of the orders, 0 to 1, that are expected to be paid never, or more than once.

    Whether the promise is kept or not, a lost message costs one of the two: at most once loses an
    order when the order itself is lost, at least once doubles it when the first acknowledgement
    after a payment is lost. Both happen with the share `loss_share`. None where a lease is shorter
    than the work and the way there and back, so that orders are doubled without any loss.

    >>> wrong_share(Shift(promise="at_most_once", loss_share=0.1))
    0.1
    >>> wrong_share(Shift(work_s=0.4, delay_s=0.1, lease_s=0.5))
    """
    if shift.promise == "paid_once":
        return 0.0
    longest_s = (1 + VARIATION) * shift.work_s + 2 * shift.delay_s
    if shift.promise == "at_least_once" and shift.lease_s <= longest_s:
        return None
    return shift.loss_share


def times_paid(events: "DataFrame") -> "Series":
    """How often each order was paid, by the orders' names, in the order in which they were sent."""
    sent = events.loc[events["what"] == "sent", "job"].drop_duplicates()
    paid = events.loc[events["what"] == "paid", "job"].value_counts()
    return paid.reindex(sent, fill_value=0).astype(int).rename("times paid").rename_axis("job")


def simulate_shift(shift: Shift) -> "DataFrame":
    """What would happen in the shift, as `tables.EVENTS`; no time is lost but in work and way.

    An order whose lease ran out goes before those that were never delivered, as with NATS.
    """
    return _Simulation(shift).events()


def both_promises(
    way: Callable[[Shift], "DataFrame"], shift: Shift, loss_shares: Sequence[float]
) -> dict[str, "DataFrame"]:
    """What goes wrong under at most once and at least once, in words, and how often.

    Each table has a row for each loss: `loss_share` and `wrong_share`, the share of orders paid
    never or more than once, both 0 to 1. The `way` is `simulate_shift` or `measure_shift`.
    """
    promises = {
        _("at most once: never paid"): "at_most_once",
        _("at least once: paid again"): "at_least_once",
    }
    return {
        words: _wrong_shares(way, replace(shift, promise=promise), loss_shares)
        for words, promise in promises.items()
    }


def _wrong_shares(
    way: Callable[[Shift], "DataFrame"], shift: Shift, loss_shares: Sequence[float]
) -> "DataFrame":
    import pandas as pd

    runs = [times_paid(way(replace(shift, loss_share=loss_share))) for loss_share in loss_shares]
    wrong = [float((times != 1).mean()) for times in runs]
    return pd.DataFrame({"loss_share": list(loss_shares), "wrong_share": wrong})


class _Simulation:
    def __init__(self, shift: Shift) -> None:
        self._shift, self._network, self._jobs = shift, shift.network, shift.jobs
        self._now_s = 0.0
        self._rows: list[tuple[Any, ...]] = []
        self._waiting = list(range(shift.orders))
        self._deliveries: Counter[int] = Counter()
        self._settled: set[int] = set()
        self._paid: set[int] = set()
        self._idle: deque[str] = deque(shift.names)
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = itertools.count()

    def events(self) -> "DataFrame":
        for job in self._jobs:
            self._rows.append((0.0, job, None, "sent", None, None))
        self._hand_out()
        while self._agenda:
            self._now_s, _number, act, details = heapq.heappop(self._agenda)
            act(*details)
        columns = zip(*self._rows, strict=True)
        return table(dict(zip(EVENTS, map(list, columns), strict=True)), EVENTS)

    def _in(self, seconds: float, act: Callable[..., None], *details: Any) -> None:
        entry = (self._now_s + seconds, next(self._numbers), act, details)
        heapq.heappush(self._agenda, entry)

    def _note(self, what: str, order: int, worker: str, delivery: int, detail: Any = None) -> None:
        job = self._jobs[order]
        self._rows.append((self._now_s, job, worker, what, delivery, detail))

    def _hand_out(self) -> None:
        while self._idle and self._waiting:
            order = heapq.heappop(self._waiting)
            if order not in self._settled:
                self._deliver(order, self._idle.popleft())

    def _deliver(self, order: int, worker: str) -> None:
        self._deliveries[order] += 1
        delivery = self._deliveries[order]
        if delivery > MOST_DELIVERIES:
            self._settled.add(order)
            self._note("set_aside", order, worker, delivery)
            return self._is_free(worker)
        self._note("delivered" if delivery == 1 else "redelivered", order, worker, delivery)
        self._in(self._shift.lease_s, self._lease_is_over, order, delivery)
        if self._shift.promise == "at_most_once":
            self._settled.add(order)
            self._note("acknowledged", order, worker, delivery)
        if self._network.loses("delivery", self._jobs[order], delivery):
            self._note("lost", order, worker, delivery)
            return self._is_free(worker)
        return self._in(self._shift.delay_s, self._begin, order, worker, delivery)

    def _begin(self, order: int, worker: str, delivery: int) -> None:
        self._note("started", order, worker, delivery)
        work_s = _work_s(self._shift.work_s, self._shift.seed, self._jobs[order], delivery)
        self._in(work_s, self._finish, order, worker, delivery)

    def _finish(self, order: int, worker: str, delivery: int) -> None:
        is_refused = self._shift.promise == "paid_once" and order in self._paid
        self._paid.add(order)
        self._note("refused" if is_refused else "paid", order, worker, delivery)
        self._note("done", order, worker, delivery)
        if self._shift.promise == "at_most_once":
            return self._is_free(worker)
        if self._network.loses("acknowledgement", self._jobs[order], delivery):
            self._note("lost_acknowledgement", order, worker, delivery)
            return self._is_free(worker)
        return self._in(self._shift.delay_s, self._acknowledge, order, worker, delivery)

    def _acknowledge(self, order: int, worker: str, delivery: int) -> None:
        self._settled.add(order)
        self._note("acknowledged", order, worker, delivery)
        self._is_free(worker)

    def _lease_is_over(self, order: int, delivery: int) -> None:
        if order not in self._settled and delivery == self._deliveries[order]:
            heapq.heappush(self._waiting, order)
            self._hand_out()

    def _is_free(self, worker: str) -> None:
        self._idle.append(worker)
        # Not at once: whoever calls may be handing out already.
        self._in(0, self._hand_out)


def measure_shift(shift: Shift, *, within_s: float = 60.0, cell: str | None = None) -> "DataFrame":
    """What does happen in the shift, as `tables.EVENTS`: a real broker, real workers.

    Only the losses and delays are played. The programs belong to the `cell`, if one is named.
    Raises `TimeoutError` when it takes longer than `within_s`.
    """
    once = shift.promise == "paid_once"
    told = {"won": 4400, "work_s": shift.work_s, "seed": shift.seed, "once": once}
    before = "before" if shift.promise == "at_most_once" else "after"
    how = {"acknowledges": before, "network": shift.network}
    with any_broker() as broker:
        broker.cell = cell
        queue = Queue(broker, lease_s=shift.lease_s, most_deliveries=MOST_DELIVERIES)
        with crew(queue, sell, "".join(shift.names), **how) as workers:
            for worker in workers:
                worker.cell = cell
            for job in shift.jobs:
                queue.send({"job": job, **told})
            queue.wait(within_s)
    events = broker.events()
    began_s = events.loc[events["what"] == "sent", "time_s"].min()
    return events.assign(time_s=events["time_s"] - began_s)


def sell(order: Order, desk: Any) -> None:
    """Work on the order, then take the money for it."""
    time.sleep(_work_s(order["work_s"], order["seed"], order["job"], desk.delivery))
    desk.pay(order, once=order["once"])


def _work_s(mean_s: float, seed: int, job: str, delivery: int) -> float:
    """How long the work on this delivery takes: all alike, workers would march in step."""
    return mean_s * (1 - VARIATION + 2 * VARIATION * draw(seed, "work", job, delivery))
