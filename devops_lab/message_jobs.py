"""The heavy job of lesson 03 once more, its parts now messages: a dead worker's part is not lost.

with any_broker() as broker:
    parts = Queue(broker, "parts", lease_s=1)
    with Worker(parts, count_part):
        job = PairsJob(parts, orders=20_000)
        job.reply()
"""

import json
from collections import Counter
from typing import Any

from devops_lab import rules
from devops_lab.baskets import count_pairs, cut
from devops_lab.messages import Order, Queue
from devops_lab.translation import _

PART = 2_000
MOST_ORDERS = 500_000
Reply = tuple[int, dict[str, Any]]


class PairsJob:
    """A job sent in parts to a queue: which two breads are bought together most often?

    Each part has an id, and its result is written once, however often a worker counts it.
    """

    def __init__(self, queue: Queue, orders: int, *, name: str = "pairs") -> None:
        orders = rules.whole("orders", orders, at_least=1, at_most=MOST_ORDERS)
        self._queue = queue
        self._parts = [
            {"job": f"{name} {number}", "first": first, "stop": stop}
            for number, (first, stop) in enumerate(cut(orders, PART), 1)
        ]
        for part in self._parts:
            queue.send(part, message_id=part["job"])

    def reply(self) -> Reply:
        """A status and what is known: 202 and how many parts are done, then 200 and the result.

        A part that was set aside will never come: 500, and which one.
        """
        names = {part["job"] for part in self._parts}
        lost = sorted(order["job"] for order in self._queue.set_aside() if order["job"] in names)
        if lost:
            text = _("These parts were set aside: {parts}.")
            return 500, {"problem": text.format(parts=", ".join(lost))}
        events = self._queue.broker.events()
        done = events[(events["what"] == "written") & events["job"].isin(names)]
        if len(done) < len(names):
            return 202, {"parts": len(names), "done": len(done)}
        pairs: Counter[tuple[str, str]] = Counter()
        for text in done["detail"]:
            pairs += Counter({(one, other): count for one, other, count in json.loads(text)})
        [(pair, times)] = pairs.most_common(1) or [((), 0)]
        return 200, {"bought_together": list(pair), "times": times}


def count_part(part: Order, desk: Any) -> None:
    """Count the pairs in one part, and write them into the book once."""
    pairs = count_pairs(part["first"], part["stop"])
    desk.write(part, [[*pair, count] for pair, count in pairs.items()], once=True)
