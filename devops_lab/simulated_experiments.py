"""A thousand experiments at once: what becomes of them if one looks so often, and stops by a rule.

    many = simulate_experiments(base_share=0.20, users=2_000, looks=10)
    many.winner_share("peek")

Each user of a simulated experiment decides by lot and independently of all others. All experiments
get the same number of users of each version between two looks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from devops_lab.experiments import (
    MOST_LOOKS,
    always_valid_p_value,
    significance_per_look,
    two_sided_z,
    z_score,
)
from devops_lab.rules import one_of, share, whole
from devops_lab.translation import _

EXPERIMENTS = 1_000
SIGNIFICANCE = 0.05


@dataclass(frozen=True, eq=False)
class Version:
    """What was counted of a version by each look: `users`, and in each experiment `successes`."""

    users: np.ndarray
    successes: np.ndarray


@dataclass(frozen=True, eq=False)
class Experiments:
    """Many experiments with the same two versions, a row each and a column for each look.

    `expected_effect` is the difference of shares that the always-valid rule is quickest for.
    """

    a: Version
    b: Version
    expected_effect: float

    @property
    def differences(self) -> np.ndarray:
        """The share of B minus that of A at each look."""
        return self.b.successes / self.b.users - self.a.successes / self.a.users

    def significant(self, rule: str) -> np.ndarray:
        """Whether a look would call the difference significant, by one of `RULES`."""
        return RULES[one_of("rule", rule, RULES)](self)

    def won(self, rule: str) -> np.ndarray:
        """Whether an experiment had a winner by each look, A or B, if one stops at the first."""
        return np.logical_or.accumulate(self.significant(rule), axis=1)

    def winner_share(self, rule: str) -> float:
        """The share of the experiments that have had a winner by the last look."""
        return float(self.won(rule)[:, -1].mean())


def simulate_experiments(
    base_share: float,
    *,
    users: int,
    looks: int,
    difference: float = 0.0,
    expected_effect: float = 0.02,
    experiments: int = EXPERIMENTS,
    seed: int = 1,
) -> Experiments:
    """Experiments in which A's users do it with probability `base_share`, and B's with so much
    more; `users` of each version, counted at so many looks, at equal distances.

    Raises ValueError where there are fewer users than looks.

    >>> many = simulate_experiments(0.20, users=2_000, looks=10)
    >>> [many.winner_share(rule) for rule in ("once", "peek")]
    [0.055, 0.203]
    """
    share("base_share", base_share)
    share("base_share + difference", base_share + difference)
    whole("looks", looks, at_least=1, at_most=MOST_LOOKS)
    remedy = _("Between two looks somebody has to come.")
    whole("users", users, at_least=looks, remedy=remedy)
    by_look = np.linspace(0, users, looks + 1).round().astype(np.int64)
    whole("seed", seed, at_least=0)

    def counted(version: int, probability: float) -> Version:
        random = np.random.default_rng([seed, version])
        new = random.binomial(np.diff(by_look), probability, (experiments, looks))
        return Version(by_look[1:], new.cumsum(axis=1))

    return Experiments(counted(0, base_share), counted(1, base_share + difference), expected_effect)


def _peek(many: Experiments) -> np.ndarray:
    return np.abs(z_score(many.a, many.b)) > two_sided_z(SIGNIFICANCE)


def _once(many: Experiments) -> np.ndarray:
    at_the_end = np.arange(len(many.a.users)) == len(many.a.users) - 1
    return _peek(many) & at_the_end


def _stricter(many: Experiments) -> np.ndarray:
    level = significance_per_look(len(many.a.users), SIGNIFICANCE)
    return np.abs(z_score(many.a, many.b)) > two_sided_z(level)


def _always_valid(many: Experiments) -> np.ndarray:
    p_values = always_valid_p_value(many.a, many.b, expected_effect=many.expected_effect)
    return p_values < SIGNIFICANCE


# By name, how somebody decides at each look whether there is a winner.
RULES: dict[str, Callable[[Experiments], np.ndarray]] = {
    "peek": _peek,
    "once": _once,
    "stricter": _stricter,
    "always valid": _always_valid,
}
