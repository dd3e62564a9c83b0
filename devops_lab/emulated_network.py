"""A network that loses and delays messages, played on one machine where nothing gets lost.

Which message is lost is drawn from its own name, so that a run on real processes and a simulated
one lose the same.
"""

import asyncio
import random
from dataclasses import dataclass


def draw(seed: int, kind: str, job: str, delivery: int) -> float:
    """A number from 0 to 1 drawn by lot, always the same for this purpose, job and delivery."""
    return random.Random(f"{seed} {kind} {job} {delivery}").random()


@dataclass(frozen=True)
class Network:
    """A way between broker and worker: a share of the messages is lost, each takes `delay_s`.

    >>> Network(loss_share=0.0).loses("delivery", "order 17", 1)
    False
    >>> Network(loss_share=1.0).loses("delivery", "order 17", 1)
    True
    """

    loss_share: float = 0.0
    delay_s: float = 0.0
    seed: int = 1

    def loses(self, kind: str, job: str, delivery: int) -> bool:
        """Whether this message of this delivery of this job is lost."""
        return draw(self.seed, kind, job, delivery) < self.loss_share

    async def travel(self) -> None:
        """Return when a message has made its way."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
