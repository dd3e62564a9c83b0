"""A heavy question about the shop's orders, cut into parts that different computers can answer.

Which two kinds of bread are bought together most often? Every order has to be looked at.

>>> whole = count_pairs(1, 101)
>>> whole == count_pairs(1, 41) + count_pairs(41, 101)
True
"""

from collections import Counter
from itertools import combinations

from devops_lab.shop import order

Pairs = Counter[tuple[str, str]]


def count_pairs(first: int, stop: int) -> Pairs:
    """How often each two kinds of bread are in one order, over the orders first to stop - 1."""
    return Counter(
        pair
        for number in range(first, stop)
        for pair in combinations(sorted(item["id"] for item in order(number)["items"]), 2)
    )


def cut(orders: int, part: int) -> list[tuple[int, int]]:
    """The orders 1 to `orders` as ranges (first, stop) of at most `part` orders each.

    >>> cut(250, 100)
    [(1, 101), (101, 201), (201, 251)]
    """
    return [(first, min(first + part, orders + 1)) for first in range(1, orders + 1, part)]
