"""A ramp: a new version is shown to more and more users, and taken back as soon as it does harm.

    ramp = Ramp()
    ramp.decide(0.05, counted["A"], counted["B"])    # "go on" to 0.25, "wait" or "roll back" to 0

A stage protects more than it measures: with few users only great harm is seen, but few are harmed.
"""

from dataclasses import dataclass

from devops_lab.experiments import Counted, compare
from devops_lab.judgement import GO_ON, ROLL_BACK, WAIT
from devops_lab.rules import number, share, whole
from devops_lab.translation import _

STAGES = (0.01, 0.05, 0.25, 0.50)


@dataclass(frozen=True)
class Decision:
    """What to do after a stage: the `verdict`, one of "go on", "roll back" and "wait", the share of
    users that see version B from now on, and the reason in words."""

    verdict: str
    share_b: float
    reason: str


@dataclass(frozen=True)
class Ramp:
    """A plan: the shares of users that see version B, stage after stage, and when to stop.

    A stage is left upwards when `users` have seen B in it. It is left downwards when fewer of them
    do what is hoped for than chance explains: at the level `significance`, divided by the number of
    stages, since each of them is a look. Beside each other stand the users of one stage only: with
    those of earlier stages, B would have more of its users from the later days.
    """

    stages: tuple[float, ...] = STAGES
    users: int = 20
    significance: float = 0.05

    def __post_init__(self) -> None:
        for stage in self.stages:
            share("stages", stage)
        if not self.stages or list(self.stages) != sorted({*self.stages}):
            raise ValueError(_("stages must be shares, each larger than the one before."))
        whole("users", self.users, at_least=1)
        number("significance", self.significance, above=0, below=1)

    def decide(self, share_b: float, a: Counted, b: Counted) -> Decision:
        """What to do after a stage, from the counts of its users.

        >>> Ramp().decide(0.25, a=Counted(750, 150), b=Counted(250, 48)).share_b
        0.5
        >>> Ramp().decide(0.25, a=Counted(750, 150), b=Counted(250, 20)).verdict
        'roll back'
        """
        if share_b not in self.stages:
            text = _("share_b must be one of the stages {stages}, got {share_b}.")
            raise ValueError(text.format(stages=self.stages, share_b=share_b))
        found = compare(a, b)
        numbers = {"a": a.share, "b": b.share, "users": b.users, "wanted": self.users}
        if found.difference < 0 and found.p_value < self.significance / len(self.stages):
            text = _("{b:.1%} with B and {a:.1%} with A: chance alone hardly does that.")
            return Decision(ROLL_BACK, 0.0, text.format(**numbers))
        if b.users < self.users:
            text = _("Only {users} users of B so far, of {wanted}.")
            return Decision(WAIT, share_b, text.format(**numbers))
        text = _("{b:.1%} with B and {a:.1%} with A: no harm that is larger than chance.")
        later = self.stages[self.stages.index(share_b) :]
        return Decision(GO_ON, later[min(1, len(later) - 1)], text.format(**numbers))
