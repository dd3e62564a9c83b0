"""Experiments with two versions: how many users they need, and what their counts say.

Each user sees version A or B and does what was hoped for, or not. A hypothesis is written down
before; the share of those who did it is compared after.

>>> result = compare(Counted(users=80, successes=48), Counted(users=70, successes=56))
>>> round(result.difference, 3), round(result.low, 3), round(result.high, 3)
(0.2, 0.052, 0.334)

The tests are two-sided and take users to decide independently of each other. The normal
approximation wants a handful of successes and failures in each group.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np

from devops_lab.rules import number, share, whole
from devops_lab.translation import _

NORMAL = NormalDist()
MOST_LOOKS = 1_000
# Points of the integral over all ways to a look; more change no digit that is shown.
POINTS = 96


class Counts(Protocol):
    """What was counted of one version: numbers, or arrays of them, one for each experiment."""

    @property
    def users(self) -> Any: ...

    @property
    def successes(self) -> Any: ...


@dataclass(frozen=True)
class Counted:
    """How many users saw a version, and how many of them did what was hoped for."""

    users: int
    successes: int

    def __post_init__(self) -> None:
        whole("users", self.users, at_least=1)
        remedy = _("Nobody is counted twice.")
        whole("successes", self.successes, at_least=0, at_most=self.users, remedy=remedy)

    @property
    def share(self) -> float:
        """The share of the users who did it."""
        return self.successes / self.users

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The shares that the count is compatible with, from and to.

        Source: Wilson, "Probable inference", JASA 22 (1927).

        >>> low, high = Counted(users=10, successes=0).interval()
        >>> round(low, 3), round(high, 3)
        (0.0, 0.278)
        """
        z2 = two_sided_z(1 - share("confidence", confidence)) ** 2
        middle = self.successes + z2 / 2
        half = math.sqrt(z2 * (self.successes * (1 - self.share) + z2 / 4))
        low, high = middle - half, middle + half
        return max(0.0, low / (self.users + z2)), min(1.0, high / (self.users + z2))


@dataclass(frozen=True)
class Comparison:
    """What two counts say: by how much the share of B is above that of A, the differences that the
    counts are compatible with (`low` to `high`), and how often chance alone would give a difference
    as large (`p_value`)."""

    difference: float
    low: float
    high: float
    p_value: float


def compare(a: Counted, b: Counted, confidence: float = 0.95) -> Comparison:
    """The difference of two shares, B's minus A's, with its interval and p-value.

    They hold for one look, at the number of users that was planned: see `false_alarm_share`.

    Source: Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17 (1998), method 10; the p-value is that of the pooled z-test.
    """
    (low_a, high_a), (low_b, high_b) = a.interval(confidence), b.interval(confidence)
    difference = b.share - a.share
    return Comparison(
        difference,
        difference - math.hypot(b.share - low_b, high_a - a.share),
        difference + math.hypot(high_b - b.share, a.share - low_a),
        two_sided_p_value(z_score(a, b)),
    )


def z_score(a: Counts, b: Counts) -> Any:
    """How many spreads of chance lie between two shares, B's minus A's; beyond 1.96 either way is
    what a single look calls significant at 5 %."""
    return _difference(a, b) / np.sqrt(_pooled_variance(a, b))


def always_valid_p_value(a: Counts, b: Counts, *, expected_effect: float) -> Any:
    """A p-value that may be looked at as often as one likes.

    Stop as soon as it is below the level: over all looks together, two equal versions get a winner
    no more often than the level says. The price is more users than a planned single look needs.
    `expected_effect` is the difference of shares that it is quickest for; any value is valid.

    Source: Johari, Koomen, Pekelis and Walsh, "Always valid inference" (2022), the mixture
    sequential probability ratio test with a normal mixture.
    """
    effect_variance = number("expected_effect", expected_effect, above=0) ** 2
    variance = _pooled_variance(a, b)
    both = variance + effect_variance
    evidence = effect_variance * _difference(a, b) ** 2 / (2 * variance * both)
    return np.minimum(1.0, np.sqrt(both / variance) * np.exp(-evidence))


def users_needed(
    base_share: float, difference: float, *, power: float = 0.8, significance: float = 0.05
) -> int:
    """How many users each version needs for such a difference to be found.

    `power` is how often it is found if it is there, `significance` how often one is found that is
    not. Half the difference wants four times the users.

    Source: Fleiss, "Statistical Methods for Rates and Proportions", without continuity correction.

    >>> users_needed(base_share=0.20, difference=0.05)
    1094
    """
    other = _other_share(base_share, difference)
    remedy = _("Certainty would need everybody, for ever.")
    for name, value in (("power", power), ("significance", significance)):
        number(name, value, above=0, below=1, remedy=remedy)
    if_equal, spread = _spreads(base_share, other)
    distance = two_sided_z(significance) * if_equal + NORMAL.inv_cdf(power) * spread
    return math.ceil((distance / difference) ** 2)


def power(base_share: float, difference: float, users: int, *, significance: float = 0.05) -> float:
    """How often such a difference is found with so many users of each version, in one look:
    `users_needed` the other way round.

    >>> round(power(base_share=0.20, difference=0.05, users=1094), 3)
    0.8
    """
    other = _other_share(base_share, difference)
    whole("users", users, at_least=1)
    if_equal, spread = _spreads(base_share, other)
    beyond = abs(difference) * math.sqrt(users) - two_sided_z(significance) * if_equal
    return NORMAL.cdf(beyond / spread) if spread else 1.0


@lru_cache
def false_alarm_share(looks: int, significance: float = 0.05) -> float:
    """How often two equal versions get a winner, if one looks so often, at equal distances, and
    stops at the first difference that a single look would call significant.

    Source: Armitage, McPherson and Rowe, "Repeated significance tests on accumulating data",
    Journal of the Royal Statistical Society A 132 (1969).

    >>> [round(false_alarm_share(looks), 3) for looks in (1, 5, 10)]
    [0.05, 0.142, 0.193]
    """
    whole("looks", looks, at_least=1, at_most=MOST_LOOKS)
    number("significance", significance, above=0, below=1)
    return 1 - _share_never_beyond(two_sided_z(significance), looks)


@lru_cache
def significance_per_look(looks: int, significance: float = 0.05) -> float:
    """The level for each of so many equal looks that makes `significance` of all of them together.

    Source: Pocock, "Group sequential methods", Biometrika 64 (1977).

    >>> round(significance_per_look(5), 4)
    0.0158
    """
    number("significance", significance, above=0, below=1)
    low, high = significance / whole("looks", looks, at_least=1, at_most=MOST_LOOKS), significance
    while high - low > 1e-9:
        middle = (low + high) / 2
        too_many = false_alarm_share(looks, middle) > significance
        low, high = (low, middle) if too_many else (middle, high)
    return high


def _other_share(base_share: float, difference: float) -> float:
    """The share of B, if it is a share and another one."""
    other = share("base_share", base_share) + number("difference", difference)
    if difference == 0 or not 0 <= other <= 1:
        raise ValueError(
            _(
                "difference must not be 0 and must leave base_share + difference between 0 and 1, "
                "got {difference:g} and {base_share:g}."
            ).format(difference=difference, base_share=base_share)
        )
    return other


def _spreads(base_share: float, other: float) -> tuple[float, float]:
    """How far chance spreads the difference of one user of each version: if both do it as often as
    their mean says, and as they do."""
    mean = (base_share + other) / 2
    return (
        math.sqrt(2 * mean * (1 - mean)),
        math.sqrt(base_share * (1 - base_share) + other * (1 - other)),
    )


def _share_never_beyond(z: float, looks: int) -> float:
    """The probability that a random walk of normal steps is within z times its spread every time.

    The density of the walks that have stayed inside, from look to look, on Gauss-Legendre points.
    """
    unit, unit_weights = np.polynomial.legendre.leggauss(POINTS)
    places, weights = z * unit, z * unit_weights
    density = _normal_density(places)
    for look in range(2, looks + 1):
        half = z * math.sqrt(look)
        next_places = half * unit
        density = _normal_density(next_places[:, None] - places) @ (weights * density)
        places, weights = next_places, half * unit_weights
    return float(weights @ density)


def _normal_density(distances: np.ndarray) -> np.ndarray:
    return np.exp(-(distances**2) / 2) / math.sqrt(2 * math.pi)


def _difference(a: Counts, b: Counts) -> Any:
    return b.successes / b.users - a.successes / a.users


def _pooled_variance(a: Counts, b: Counts) -> Any:
    """The variance of the difference of two shares, if they are in truth the same."""
    together = (a.successes + b.successes) / (a.users + b.users)
    variance = together * (1 - together) * (1 / a.users + 1 / b.users)
    # Where nobody or everybody did it there is no difference, whatever it is divided by.
    return np.where(variance > 0, variance, 1.0)


def two_sided_p_value(z_score: float) -> float:
    """How often chance alone is at least so many spreads away from the middle."""
    return math.erfc(abs(z_score) / math.sqrt(2))


def two_sided_z(significance: float) -> float:
    """The distance from the middle, in spreads, beyond which chance lies this seldom."""
    return NORMAL.inv_cdf(1 - significance / 2)
