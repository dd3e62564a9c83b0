"""The hypothesis that is written down before a change is deployed, and judged after it.

    hypotheses.write(
        change="prices stand on the first page",
        relative_change=0.10,
        event="order",
        decided_on="2030-04-01",
    )

It is kept with the learner's progress, so that another lesson can judge it: what is written down
first cannot be bent to what came out.
"""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from devops_lab.cards import Card, show
from devops_lab.progress_file import Record, progress
from devops_lab.rules import number
from devops_lab.translation import _

_KEY = "hypothesis"


@dataclass(frozen=True)
class Hypothesis:
    """What will change, and what of it will be seen: by how much, in which event, on which day.

    `relative_change` is that of the share of visitors who do `event`: 0.10 says that a share of
    20 % becomes 22 %. Raises `ValueError` or `TypeError` where a field says nothing.

    >>> Hypothesis("prices on the first page", 0.10, "order", "2030-04-01").decided_on.year
    2030
    """

    change: str
    relative_change: float
    event: str
    decided_on: date

    def __post_init__(self) -> None:
        for name in ("change", "event"):
            _text(name, getattr(self, name))
        percent = _("For 5 % more write 0.05, for 5 % fewer -0.05.")
        number("relative_change", self.relative_change, above=-1, at_most=1, remedy=percent)
        if self.relative_change == 0:
            raise ValueError(
                _("relative_change must not be 0: nothing would tell it from no change.")
            )
        object.__setattr__(self, "decided_on", _day(self.decided_on))

    def __str__(self) -> str:
        text = _(
            "Change: {change}. Expected: {percent:+g} % in the share of visitors with the event "
            "“{event}”. To be decided on {day}."
        )
        return text.format(
            change=self.change,
            event=self.event,
            percent=100 * self.relative_change,
            day=self.decided_on.isoformat(),
        )


def write(*, change: Any, relative_change: Any, event: Any, decided_on: Any) -> Hypothesis | None:
    """The hypothesis, kept with the progress in place of an earlier one, and shown.

    `decided_on` is a day, such as "2030-04-01". None while a `...` stands in one of the four, or
    where one of them says nothing: the card says which.
    """
    given = (change, relative_change, event, decided_on)
    if any(part is ... or part is None for part in given):
        text = _("Put your words and numbers in place of the ... and run this cell again.")
        show(Card("open", _("No hypothesis yet."), (text,)))
        return None
    try:
        hypothesis = Hypothesis(*given)
    except (TypeError, ValueError) as error:
        show(Card("not yet", _("Not yet."), (str(error),)))
        return None
    mine, before = progress(), written()
    mine.add(Record(others={_KEY: asdict(hypothesis) | {"decided_on": str(hypothesis.decided_on)}}))
    sentences = [str(hypothesis)]
    if before not in (None, hypothesis):
        sentences.append(_("Before, you had written: {before}").format(before=before))
    show(Card("note", _("Written down."), (*sentences, *mine.new_troubles())))
    return hypothesis


def written() -> Hypothesis | None:
    """The hypothesis that was written down last, in this lesson or another; None where none was."""
    try:
        return Hypothesis(**progress().now().others[_KEY])
    # Nothing there, or what another release or a hand has written.
    except (KeyError, TypeError, ValueError):
        return None


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(_("{name} must be a few words in quotes.").format(name=name))


def _day(value: Any) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        text = _('decided_on must be a day such as "2030-04-01", got {value!r}.')
        raise ValueError(text.format(value=value)) from None
