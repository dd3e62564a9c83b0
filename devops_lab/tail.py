"""The tail at scale: a page that asks many servers waits for the slowest of them.

A server's answer takes `usual_s` on average, and with the share `slow_share` `slow_s` instead, both
exponential; all answers are independent and no server has a queue. Real servers have both, queues
and common causes: then the tail is longer than here.

Source: Dean and Barroso, The Tail at Scale, CACM 56(2) 2013, doi:10.1145/2408776.2408794.

>>> from devops_lab.tail import slow_pages
>>> round(slow_pages(slow_share=0.01, fan_out=100), 2)
0.63
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from devops_lab.rules import number, share, whole
from devops_lab.tables import requests

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_SERVERS = 100_000


def slow_pages(slow_share: float, fan_out: int, copies: int = 1) -> float:
    """The share of pages that are slow, because at least one of the `fan_out` answers that they
    need is: 1 - (1 - p)^n. With `copies` of each request, all of them have to be slow: p^copies.

    >>> slow_pages(0.01, 100, copies=2) < 0.01
    True
    """
    slow = share("slow_share", slow_share) ** whole("copies", copies, at_least=1, at_most=100)
    return 1 - (1 - slow) ** whole("fan_out", fan_out, at_least=1, at_most=MOST_SERVERS)


def change(before: float, after: float) -> float:
    """By what share a number has changed: -0.25 for a quarter less.

    >>> change(before=20, after=15)
    -0.25
    """
    return number("after", after) / number("before", before, above=0) - 1


@dataclass(frozen=True)
class Answers:
    """How long one server's answer takes, and from when on a second one is asked as well.

    Without `hedge_after_s` nobody is asked twice; 0 asks two at once. The first answer counts.
    """

    slow_share: float = 0.01
    usual_s: float = 0.01
    slow_s: float = 1.0
    hedge_after_s: float | None = None

    def __post_init__(self) -> None:
        share("slow_share", self.slow_share)
        number("usual_s", self.usual_s, above=0)
        number("slow_s", self.slow_s, above=0)
        if self.hedge_after_s is not None:
            number("hedge_after_s", self.hedge_after_s, at_least=0)

    def still_waiting(self, seconds: np.ndarray) -> np.ndarray:
        """The share of requests that are unanswered so many seconds after they were sent.

        >>> Answers(slow_share=0.0, usual_s=1.0).still_waiting(np.array([0.0])).tolist()
        [1.0]
        """
        waiting = self._of_one(seconds)
        if self.hedge_after_s is None:
            return waiting
        return waiting * self._of_one(np.maximum(0.0, seconds - self.hedge_after_s))

    def _of_one(self, seconds: np.ndarray) -> np.ndarray:
        usual, slow = np.exp(-seconds / self.usual_s), np.exp(-seconds / self.slow_s)
        return (1 - self.slow_share) * usual + self.slow_share * slow

    @property
    def hedged_share(self) -> float:
        """How many requests more the servers get by the hedging, for each request.

        >>> Answers(hedge_after_s=0.0).hedged_share
        1.0
        """
        if self.hedge_after_s is None:
            return 0.0
        return float(self._of_one(np.array(self.hedge_after_s)))

    def quantile_s(self, quantiles: Sequence[float], fan_out: int = 1) -> np.ndarray:
        """The time in seconds by which these shares (0 to 1, without both) of the pages are whole
        that need `fan_out` answers each: all of them are there with the share F(t)^n."""
        wanted = np.array([number("quantiles", q, above=0, below=1) for q in quantiles])
        count = whole("fan_out", fan_out, at_least=1, at_most=MOST_SERVERS)
        # What is still missing of each answer when so many pages are whole.
        missing = -np.expm1(np.log(wanted) / count)
        low, high = np.zeros(len(wanted)), np.full(len(wanted), 50 * (self.usual_s + self.slow_s))
        for _halving in range(60):
            middle = (low + high) / 2
            is_early = self.still_waiting(middle) > missing
            low, high = np.where(is_early, middle, low), np.where(is_early, high, middle)
        return (low + high) / 2

    def draw(self, requests: int, seed: int = 1) -> np.ndarray:
        """So many answers of one server each, in seconds, drawn at random."""
        count = whole("requests", requests, at_least=1, at_most=10_000_000)
        random = np.random.default_rng(whole("seed", seed, at_least=0))
        is_slow = random.random(count) < self.slow_share
        return random.exponential(1.0, count) * np.where(is_slow, self.slow_s, self.usual_s)


def fan_out_plan(
    answers: Answers, pages: int, fan_out: int, *, pages_per_s: float = 10.0, seed: int = 1
) -> dict[str, list]:
    """What `loadgen.send_load` needs to ask for pages like these: `fan_out` requests at one moment
    for each page, each with its service time; two for each request, for who hedges.

        attempts = send_load(server.url + "work", **fan_out_plan(Answers(), pages=30, fan_out=100))
    """
    count = whole("pages", pages, at_least=1, at_most=100_000)
    count *= whole("fan_out", fan_out, at_least=1, at_most=MOST_SERVERS)
    rate = number("pages_per_s", pages_per_s, above=0)
    moments_s = np.repeat(np.arange(1, pages + 1) / rate, fan_out)
    times_s = answers.draw(2 * count, seed).reshape(2, count)
    return {"arrivals": moments_s.tolist(), "service_times_s": times_s.tolist()}


def pages(attempts: "DataFrame", fan_out: int) -> "DataFrame":
    """One row a page, made of the tries (`tables.ATTEMPTS`) of the `fan_out` requests that it
    needed: its `latency_s`, that of the slowest, and how many servers were asked for it, `asked`.
    """
    count = whole("fan_out", fan_out, at_least=1, at_most=MOST_SERVERS)
    answered = requests(attempts)
    by_page = answered.groupby(answered["request"] // count)
    return by_page.agg(latency_s=("latency_s", "max"), asked=("attempts", "sum")).rename_axis(
        "page"
    )
