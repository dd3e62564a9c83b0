"""What became of a hypothesis that was written down before: its judgement by the counts.

    judge_hypothesis(relative_change=0.10, a=counted["A"], b=counted["B"]).verdict

The hypothesis says by how much of itself the share will change: 0.10 turns 20 % into 22 %.
"""

from dataclasses import dataclass

from devops_lab.experiments import Comparison, Counted, compare
from devops_lab.rules import number
from devops_lab.translation import _

HELD, OTHERWISE, REFUTED, UNDECIDED = "held", "otherwise", "refuted", "undecided"
REASONS = {
    HELD: _(
        "The share went from {a:.1%} to {b:.1%}. There is a change: {low:+.1f} to {high:+.1f} "
        "points fit, and {written:+.1f}, as it was written, is among them."
    ),
    OTHERWISE: _(
        "The share went from {a:.1%} to {b:.1%}. There is a change, but another one: {low:+.1f} to "
        "{high:+.1f} points fit, and {written:+.1f}, as it was written, is not among them."
    ),
    REFUTED: _(
        "The share went from {a:.1%} to {b:.1%}. That may be chance: {low:+.1f} to {high:+.1f} "
        "points fit, and {written:+.1f}, as it was written, is not among them."
    ),
    UNDECIDED: _(
        "The share went from {a:.1%} to {b:.1%}. No change at all would fit, and {written:+.1f} "
        "points, as it was written, fit too: {low:+.1f} to {high:+.1f} do. More users would tell."
    ),
}


@dataclass(frozen=True)
class Verdict:
    """What the counts say of a hypothesis.

    `verdict` is "held" (there is a change, and of the size that was written), "otherwise" (there is
    one, of another size or the other way), "refuted" (none is found, and it cannot be as large as
    was written) or "undecided" (none is found, and it may be there all the same). `written` is the
    difference of the shares that the hypothesis means, `comparison` the one that was counted.
    """

    verdict: str
    reason: str
    written: float
    comparison: Comparison


def judge_hypothesis(
    relative_change: float, a: Counted, b: Counted, confidence: float = 0.95
) -> Verdict:
    """The verdict on a hypothesis about the share of version B, beside version A at the same time.

    What is written is taken from the share of A as it was counted. It holds for one look, at the
    number of users that was planned.

    >>> judge_hypothesis(0.10, a=Counted(4_000, 800), b=Counted(4_000, 884)).verdict
    'held'
    >>> judge_hypothesis(0.10, a=Counted(400, 80), b=Counted(400, 84)).verdict
    'undecided'
    """
    written = number("relative_change", relative_change, above=-1) * a.share
    found = compare(a, b, confidence)
    is_change = not found.low <= 0 <= found.high
    is_as_written = found.low <= written <= found.high
    verdict = {
        (True, True): HELD,
        (True, False): OTHERWISE,
        (False, False): REFUTED,
        (False, True): UNDECIDED,
    }[is_change, is_as_written]
    points = {"written": 100 * written, "low": 100 * found.low, "high": 100 * found.high}
    reason = REASONS[verdict].format(a=a.share, b=b.share, **points)
    return Verdict(verdict, reason, written, found)
