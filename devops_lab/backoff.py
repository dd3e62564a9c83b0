"""What a client does after a try has failed: how long it pauses, whether its budget allows one try
more, whether its breaker lets a request out at all.

One place for two worlds: the simulators compile these functions (`kernels`), real clients call them
(`calls`). So they take numbers only: `settings` as `Client.numbers` gives them, and a `Memory`.

>>> from devops_lab.scenario import Client
>>> settings = settings_of(Client(attempts=4, backoff_s=0.1, jitter="full").numbers())
>>> [pause_s(settings, number, luck=0.5) for number in (1, 2, 3)]
[0.05, 0.1, 0.2]
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

BACKOFFS = ("fixed", "exponential")
FIXED, EXPONENTIAL = range(2)
JITTERS = ("none", "full", "equal")
NO_JITTER, FULL, EQUAL = range(3)

# A budget saves up for this many tries: enough for a hiccup, nothing to a storm.
SAVED_TRIES = 10
# A breaker's window is counted in slots and forgotten slot by slot.
SLOTS = 10


@dataclass
class Memory:
    """What a client remembers from one request to the next; `kernels` has the same as a record."""

    tokens: float = SAVED_TRIES
    is_open: bool = False
    on_trial: bool = False
    changed_s: float = 0.0
    slots: list[int] = field(default_factory=lambda: [-1] * SLOTS)
    tries: list[int] = field(default_factory=lambda: [0] * SLOTS)
    failures: list[int] = field(default_factory=lambda: [0] * SLOTS)


def settings_of(numbers: Mapping[str, float]) -> SimpleNamespace:
    """The numbers of `Client.numbers` for the functions below."""
    return SimpleNamespace(**numbers)


def pause_s(settings, number, luck):
    """Seconds to wait before retry `number` (from 1); `luck` is a random number from 0 to 1.

    Full jitter takes any share of the pause, equal jitter half of it and any share of the other
    half (Brooker, Exponential Backoff And Jitter, AWS Architecture Blog 2015).
    """
    longest_s = settings.backoff_s
    if settings.backoff == EXPONENTIAL:
        longest_s *= 2.0 ** (number - 1)
    longest_s = min(longest_s, settings.longest_backoff_s)
    if settings.jitter == FULL:
        return longest_s * luck
    if settings.jitter == EQUAL:
        return longest_s * (1 + luck) / 2
    return longest_s


def earn(settings, memory):
    """Put a new request's share of a try into the budget."""
    memory.tokens = min(memory.tokens + settings.retry_budget_share, SAVED_TRIES)


def may_spend(settings, memory):
    """Whether the budget has one try more than the first; it is taken out then.

    (Beyer et al., Site Reliability Engineering 2016, chapter 21: a ratio of 10 % a client.)
    """
    if settings.retry_budget_share == math.inf:
        return True
    # A tenth ten times is a little less than one.
    if memory.tokens < 1 - 1e-9:
        return False
    memory.tokens -= 1
    return True


def lets_out(settings, memory, now_s):
    """Whether the breaker lets a try out: always while it is closed; once it is open, one on trial
    every `breaker_open_s`."""
    if not memory.is_open:
        return True
    if now_s - memory.changed_s < settings.breaker_open_s:
        return False
    memory.on_trial, memory.changed_s = True, now_s
    return True


def learn(settings, memory, now_s, failed):
    """Let the breaker know how a try ended.

    It opens when the last `breaker_window_s` had `breaker_requests` or more and the share of
    failures has come to `breaker_error_share`; a trial that succeeds closes it (Hystrix,
    github.com/Netflix/Hystrix/wiki/Configuration).
    """
    if memory.is_open:
        if memory.on_trial:
            memory.is_open, memory.on_trial, memory.changed_s = failed, False, now_s
        return
    slot = int(now_s * SLOTS / settings.breaker_window_s)
    at = slot % SLOTS
    if memory.slots[at] != slot:
        memory.slots[at], memory.tries[at], memory.failures[at] = slot, 0, 0
    memory.tries[at] += 1
    if not failed:
        return
    memory.failures[at] += 1
    tries, failures = 0, 0
    for each in range(SLOTS):
        if memory.slots[each] > slot - SLOTS:
            tries += memory.tries[each]
            failures += memory.failures[each]
    if tries >= settings.breaker_requests and failures >= settings.breaker_error_share * tries:
        memory.is_open, memory.on_trial, memory.changed_s = True, False, now_s
        # What was counted before it opened must not open it again.
        for each in range(SLOTS):
            memory.slots[each] = -1
