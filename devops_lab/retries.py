"""Trying again in numbers: how long the pauses are and how many tries one click becomes.

>>> from devops_lab.retries import tries_at_the_bottom
>>> tries_at_the_bottom(attempts=3, layers=5)
243.0
"""

import numpy as np

from devops_lab import backoff
from devops_lab.rules import share, whole
from devops_lab.scenario import Client

MOST_RETRIES = 60


def pauses_s(client: Client, retries: int | None = None) -> np.ndarray:
    """The mean pause before each retry of a client, in seconds; of all its retries, or so many.

    The k-th is `backoff_s` · 2^(k-1) where the backoff is exponential; full jitter halves the mean,
    equal jitter takes a quarter off (Brooker, Exponential Backoff And Jitter, AWS 2015).

    >>> pauses_s(Client(attempts=4, backoff_s=0.1, jitter="full")).round(3).tolist()
    [0.05, 0.1, 0.2]
    """
    if retries is None:
        retries = client.attempts - 1
    count = whole("retries", retries, at_least=0, at_most=MOST_RETRIES)
    settings = backoff.settings_of(client.numbers())
    return np.array([backoff.pause_s(settings, 1 + retry, 0.5) for retry in range(count)])


def tries_per_request(
    attempts: int, error_share: float = 1.0, retry_budget_share: float | None = None
) -> float:
    """How many tries a client sends for a request on average, of which each fails independently
    with the share `error_share`: 1 + f + f² + … of `attempts` terms, with a budget at most 1 + it.

    A failure that hits everybody at the same moment makes 1 + f + f² too small: then it is all or
    nothing. Source of the two limits: Beyer et al., Site Reliability Engineering 2016, chapter 21.

    >>> tries_per_request(3), tries_per_request(3, retry_budget_share=0.1)
    (3.0, 1.1)
    """
    number = whole("attempts", attempts, at_least=1)
    failing = share("error_share", error_share)
    tries = float(sum(failing**again for again in range(min(number, 10_000))))
    if retry_budget_share is None:
        return tries
    return min(tries, 1 + share("retry_budget_share", retry_budget_share))


def tries_at_the_bottom(
    attempts: int,
    layers: int,
    error_share: float = 1.0,
    retry_budget_share: float | None = None,
) -> float:
    """How many tries reach the last server for one click, when each of so many `layers` tries
    again; the tries of the last server fail independently with the share `error_share`.

    Without a budget, a layer fails when all its tries do, so what fails is less with each layer:
    f, then f^attempts, and so on. With one it is the most there can be, (1 + budget)^layers.

    >>> round(tries_at_the_bottom(attempts=3, layers=3, error_share=0.1), 2)
    1.11
    >>> round(tries_at_the_bottom(attempts=3, layers=3, retry_budget_share=0.1), 3)
    1.331
    """
    count = whole("layers", layers, at_least=0, at_most=100)
    failing, tries = share("error_share", error_share), 1.0
    for _layer in range(count):
        tries *= tries_per_request(attempts, failing, retry_budget_share)
        failing = failing if retry_budget_share is not None else failing**attempts
    return tries


def is_open(
    tries: int, failures: int, *, breaker_requests: int = 20, breaker_error_share: float = 0.5
) -> bool:
    """Whether a breaker is open after so many tries in its window, of which so many failed.

    The defaults are those of Hystrix (github.com/Netflix/Hystrix/wiki/Configuration).

    >>> is_open(19, 19), is_open(20, 9), is_open(20, 10)
    (False, False, True)
    """
    count = whole("tries", tries, at_least=0, at_most=1_000_000)
    failed = whole("failures", failures, at_least=0, at_most=count)
    client = Client(breaker_requests=breaker_requests, breaker_error_share=breaker_error_share)
    settings, memory = backoff.settings_of(client.numbers()), backoff.Memory()
    for number in range(count):
        backoff.learn(settings, memory, 0.0, number >= count - failed)
    return memory.is_open
