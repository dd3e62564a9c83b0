"""Whether a new version may go on: its first answers beside those of the old one.

    judge(old_attempts, new_attempts).verdict    # "go on", "roll back" or "wait"

Both must have run at the same time under the same load: a new version that is compared with
yesterday is blamed for today's weather.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from devops_lab.experiments import Comparison, Counted, compare, two_sided_p_value
from devops_lab.rules import number, share, whole
from devops_lab.translation import _

if TYPE_CHECKING:
    import pandas as pd

GO_ON, ROLL_BACK, WAIT = "go on", "roll back", "wait"


@dataclass(frozen=True)
class Latencies:
    """Two sets of latencies compared: `slower_share` is how often an answer of the new version took
    longer than one of the old (ties half; 0.5 where they are alike), `p_value` how often chance
    alone would give one as far from 0.5."""

    slower_share: float
    p_value: float


@dataclass(frozen=True)
class Judgement:
    """What the answers say: the `verdict`, one of "go on", "roll back" and "wait", the `reasons` in
    words, and the two comparisons; `latencies` is missing where nothing was answered."""

    verdict: str
    reasons: tuple[str, ...]
    errors: Comparison
    latencies: Latencies | None


def judge(
    old: "pd.DataFrame",
    new: "pd.DataFrame",
    *,
    enough: int = 100,
    significance: float = 0.01,
    slower_share: float = 0.6,
) -> Judgement:
    """The judgement on a new version, from two attempts tables (`tables.ATTEMPTS`).

    It is rolled back when it has more errors, or slower answers, than chance explains at this
    `significance`; slower by enough to matter, too: more often slower than `slower_share`. With
    fewer than `enough` attempts of the new version the verdict is to wait, unless it is clear
    already. For one look; see `experiments.significance_per_look` for several.

    Raises ValueError where one of the tables is empty.
    """
    whole("enough", enough, at_least=1)
    number("significance", significance, above=0, below=1)
    share("slower_share", slower_share)
    for name, attempts in (("old", old), ("new", new)):
        if not len(attempts):
            raise ValueError(
                _("{name} has no attempt to judge by. Send some load first.").format(name=name)
            )
    errors, latencies = compare(_failures(old), _failures(new)), _compared_latencies(old, new)
    reasons = []
    if errors.difference > 0 and errors.p_value < significance:
        text = _("{new:.1%} of the new version's answers are errors, {old:.1%} of the old one's.")
        reasons.append(text.format(new=_failures(new).share, old=_failures(old).share))
    if latencies and latencies.p_value < significance and latencies.slower_share > slower_share:
        text = _("In {share:.0%} of all pairs the new version's answer took longer.")
        reasons.append(text.format(share=latencies.slower_share))
    if reasons:
        return Judgement(ROLL_BACK, tuple(reasons), errors, latencies)
    if len(new) < enough:
        text = _("Only {count} attempts of the new version so far, of {enough}.")
        reason = text.format(count=len(new), enough=enough)
        return Judgement(WAIT, (reason,), errors, latencies)
    reason = _("No more errors and no slower answers than chance explains.")
    return Judgement(GO_ON, (reason,), errors, latencies)


def compare_latencies(old_s: np.ndarray, new_s: np.ndarray) -> Latencies:
    """Which of two sets of latencies is the slower one, whatever the form of their distributions.

    Source: Mann and Whitney, "On a test of whether one of two random variables is stochastically
    larger than the other", Annals of Mathematical Statistics 18 (1947), with the usual normal
    approximation and correction for ties.

    >>> compare_latencies(np.array([1.0, 2.0]), np.array([2.0, 3.0])).slower_share
    0.875
    """
    olds, news = len(old_s), len(new_s)
    together = np.concatenate([old_s, new_s])
    _values, place, times = np.unique(together, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]
    pairs_won = ranks[olds:].sum() - news * (news + 1) / 2
    total = olds + news
    ties = (times**3 - times).sum() / (total * max(total - 1, 1))
    variance = olds * news / 12 * (total + 1 - ties)
    off = pairs_won - olds * news / 2
    p_value = two_sided_p_value(off / np.sqrt(variance)) if variance > 0 else 1.0
    return Latencies(float(pairs_won / (olds * news)), p_value)


def _failures(attempts: "pd.DataFrame") -> Counted:
    return Counted(len(attempts), int((attempts["outcome"] != "ok").sum()))


def _compared_latencies(old: "pd.DataFrame", new: "pd.DataFrame") -> Latencies | None:
    answered = [attempts.loc[attempts["outcome"] == "ok", "latency_s"] for attempts in (old, new)]
    if not all(map(len, answered)):
        return None
    return compare_latencies(*(latencies.to_numpy() for latencies in answered))
