"""A story of lesson 07: who holds a lease is frozen, and wakes up when somebody else holds it."""

from typing import TYPE_CHECKING

from devops_lab.brokers import any_broker
from devops_lab.families import wait_until
from devops_lab.messages import Queue, Work, Worker

if TYPE_CHECKING:
    from pandas import DataFrame

LEASE = "board"
PATIENCE_S = 20.0
EARLY_WON, LATE_WON = 5200, 5600


def frozen_holder(work: Work, *, lasts_s: float = 0.3) -> "DataFrame":
    """What happens, as `tables.EVENTS`, when two workers set the price of one bread.

    Worker a has the early price. It freezes as soon as it has claimed the lease "board". Worker b
    has the late price, and waits for the lease. When b is done, a runs on. `work(order, desk)`
    claims the lease and writes `order["price"]`.
    """
    with any_broker() as broker:
        broker.lease(LEASE, lasts_s=lasts_s)
        early, late = (Queue(broker, name, lease_s=60) for name in ("early", "late"))
        early.send({"job": "milk loaf", "price": EARLY_WON})
        late.send({"job": "milk loaf", "price": LATE_WON})
        with Worker(early, work, name="a", freezes_at="claimed") as a:
            wait_until(lambda: a.is_frozen, within_s=PATIENCE_S)
            with Worker(late, work, name="b"):
                late.wait()
            a.resume()
            early.wait()
    return broker.events()


def on_the_board(events: "DataFrame") -> int:
    """The price in won that was written last."""
    return int(events.loc[events["what"] == "written", "detail"].iloc[-1])
