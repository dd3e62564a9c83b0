"""The exercises of lesson 15, objectives and alerts."""

import re
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Case, Exercise, Failed, Mistake
from devops_lab.questions.answers import (
    a_letter_alone,
    chose,
    defends,
    explains,
    is_brief,
    is_list_of,
    is_near,
)
from devops_lab.translation import _

_JARGON = re.compile(
    r"burn rate|error budget|\bSL[OAI]\b|threshold|objective|percentile|window|"
    r"소진율|오류 예산|임계|목표치|백분위",
    re.IGNORECASE,
)
_ADDS_UP = re.compile(
    r"few|little|small|slow|every day|each day|day by day|add|sum|drop|leak|together|long|whole|"
    r"조금|작[은게]|적[은게]|매일|날마다|하루|모[이인여였]|쌓|합|천천히|오래",
    re.IGNORECASE,
)


def _read(
    detect_min: float | None = None,
    repair_min: float | None = None,
    false_alarms: float | None = None,
) -> Callable[[Any], bool]:
    """A test of the three numbers read from the stranger's week; None takes any."""
    wanted = (detect_min, repair_min, false_alarms)

    def holds(reading: Any) -> bool:
        if not is_list_of(reading, 3):
            return False
        pairs = zip(reading, wanted, strict=True)
        return all(want is None or is_near(got, want) for got, want in pairs)

    return holds


def _gave_on(shares: tuple[float, float], wanted: bool) -> Callable[[Failed], bool]:
    """Whether the first case that failed is this one, and what was given is this."""

    def holds(failed: Failed) -> bool:
        return (
            failed.case.arguments[:2] == shares
            and failed.gave == wanted
            and failed.gave is not None
        )

    return holds


_OVER, _BOTH, _NONE = (0.02, 0.0), (0.02, 0.03), (0.001, 0.002)
_ONE_MINUTE, _OTHER = (0.002, 0.5), (0.03, 0.04)

_CASES = (
    Case(
        (*_ONE_MINUTE, 14.4, 0.999),
        _("False: it has been bad for a moment only"),
        lambda fires: fires == 0,
    ),
    Case(
        (*_OVER, 14.4, 0.999),
        _("False: the errors have ended, and nobody need be woken"),
        lambda fires: fires == 0,
    ),
    Case(
        (*_BOTH, 14.4, 0.999),
        _("True: much of the budget is gone, and it goes on"),
        lambda fires: fires == 1,
    ),
    Case(
        (*_NONE, 14.4, 0.999),
        _("False: neither window is above the line"),
        lambda fires: fires == 0,
    ),
    Case(
        (*_OTHER, 14.4, 0.99),
        _("False: an objective of 99 % allows ten times as many errors"),
        lambda fires: fires == 0,
    ),
)

# Example answers: functions as a learner writes them, each with its own mistake.


def _both_windows(long_share: float, short_share: float, times: float, objective: float) -> bool:
    most = times * (1 - objective)
    return long_share > most and short_share > most


def _one_of_them(long_share: float, short_share: float, times: float, objective: float) -> bool:
    most = times * (1 - objective)
    return long_share > most or short_share > most


def _only_long(long_share: float, short_share: float, times: float, objective: float) -> bool:
    return long_share > times * (1 - objective)


def _times_objective(long_share: float, short_share: float, times: float, objective: float) -> bool:
    return min(long_share, short_share) > times * objective


def _fixed_budget(long_share: float, short_share: float, times: float, objective: float) -> bool:
    return min(long_share, short_share) > times * 0.001


def _only_shown(long_share: float, short_share: float, times: float, objective: float) -> None:
    _both_windows(long_share, short_share, times, objective)


EXERCISES = (
    Exercise(
        id="15.budget",
        number=1,
        kind="compute",
        title=_("How long the budget lasts"),
        is_right=lambda days: is_near(days, 7.5),
        right_answers=(7.5, 30 / 4),
        because=_("Four times as fast as allowed: a quarter of the month."),
        mistakes=(
            Mistake(
                answer=4,
                when=lambda days: is_near(days, 4),
                then=_("That is how many times too fast it is spent: the burn rate."),
                ask=_("A month's money spent so many times too fast: how long does it last?"),
            ),
            Mistake(
                answer=120,
                when=lambda days: is_near(days, 120),
                then=_("Then more errors would make the budget last longer than the month."),
                ask=_("Do you multiply the month by the burn rate, or divide it?"),
            ),
            Mistake(
                answer=30,
                when=lambda days: is_near(days, 30),
                then=_("Then one error in a thousand would fail, exactly what is allowed."),
                ask=_("How many times as many fail here?"),
            ),
            Mistake(
                answer=0.12,
                when=lambda days: is_near(days, 0.12),
                then=_("Then after three hours it would be gone, as in a much larger failure."),
                ask=_("Which share of all requests may fail, and which does?"),
            ),
            Mistake(
                answer=180,
                when=lambda days: is_near(days, 180),
                then=_("That is right in hours."),
                ask=_("In which unit is the answer wanted?"),
            ),
        ),
        otherwise=_("Which share may fail, which share does, and how many times is that?"),
        hints=(
            _("The objective leaves one request in a thousand."),
            _("Four in a thousand fail. Divide the month by how many times too many that is."),
        ),
    ),
    Exercise(
        id="15.rule",
        number=2,
        kind="choose",
        title=_("Whom to wake at night"),
        is_right=defends("c"),
        right_answers=(
            ["c", "Two per cent of the budget in an hour cannot wait. It ends when the errors do."],
            ("C", "한 시간에 예산을 많이 쓰면 기다릴 수 없습니다. 짧은 창 덕분에 금방 끝납니다."),
        ),
        because=_("Whether your two sentences convince who is woken by it, only they can say."),
        mistakes=(
            Mistake(
                answer=["a", "Every error matters. We want to know at once."],
                when=chose("a"),
                then=_("Then somebody would be woken many times every night, and soon not get up."),
                ask=_("Which errors does the objective allow?"),
            ),
            Mistake(
                answer=["b", "Five minutes are quick. One per cent is much."],
                when=chose("b"),
                then=_("Then at three in the morning one failure of sixty requests wakes you."),
                ask=_("How many requests come in five minutes of a quiet night?"),
            ),
            Mistake(
                answer=["d", "It sees everything that endangers the month. It is never wrong."],
                when=chose("d"),
                then=_("Then it fires still when the repair is two days old."),
                ask=_("Who should get this one: somebody asleep, or the list for the morning?"),
            ),
            Mistake(
                answer=["c", "It is best."],
                when=chose("c"),
                then=_("Then whoever is woken would ask: best for what?"),
                ask=_("Can you say in two sentences what it sees, and when it ends?"),
            ),
            a_letter_alone("c"),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("Who is woken must be needed now: much of the budget, and it goes on."),
            _("Which of the four looks at both, a long window and a short one?"),
        ),
    ),
    Exercise(
        id="15.stranger",
        number=3,
        kind="read",
        title=_("A stranger's week on call"),
        is_right=_read(7, 30, 1),
        right_answers=([7, 30, 1], (7.0, 30.0, 1)),
        because=_("Of the half hour, only seven minutes went by before somebody was called."),
        mistakes=(
            Mistake(
                answer=[7, 23, 1],
                when=_read(repair_min=23),
                then=_("Then nobody would have been hurt before the alert fired."),
                ask=_("From which moment did customers get errors?"),
            ),
            Mistake(
                answer=[12, 30, 1],
                when=_read(detect_min=12),
                then=_("Either that is the worst of the two, or until somebody had it."),
                ask=_("How long from failed to fired, each time, and what is their mean?"),
            ),
            Mistake(
                answer=[14, 60, 1],
                when=_read(detect_min=14),
                then=_("That is the sum over both."),
                ask=_("How many failures are there to share it among?"),
            ),
            Mistake(
                answer=[7, 60, 1],
                when=_read(repair_min=60),
                then=_("That is the sum over both."),
                ask=_("How many failures are there to share it among?"),
            ),
            Mistake(
                answer=[7, 30, 0],
                when=_read(false_alarms=0),
                then=_("Then all three calls would have been about something."),
                ask=_("What had failed before the second call?"),
            ),
            Mistake(
                answer=[7, 20, 1],
                when=_read(repair_min=20),
                then=_("Then a call for nothing would make the repairs look quicker."),
                ask=_("How many failures were repaired?"),
            ),
        ),
        otherwise=_("For each of the two failures: how long until it fired, and until repaired?"),
        hints=(
            _("Detection: twelve minutes once, two the other time. Take the mean."),
            _("Repair counts from when it failed. A call without a failure is a false alarm."),
        ),
    ),
    Exercise(
        id="15.mend",
        number=4,
        kind="mend",
        title=_("The alert that would not end"),
        is_right=callable,
        cases=_CASES,
        right_answers=(_both_windows,),
        because=_("It fires when much is gone and it goes on, and it ends soon after the errors."),
        mistakes=(
            Mistake(
                answer=_one_of_them,
                when=_gave_on(_ONE_MINUTE, True),
                then=_("Then one bad moment would be enough to wake somebody."),
                ask=_("What should hold of the long window, and what of the short one?"),
            ),
            Mistake(
                answer=_only_long,
                when=_gave_on(_OVER, True),
                then=_("Then the long window would remember what has ended."),
                ask=_("Which of the two windows knows that it goes on?"),
            ),
            Mistake(
                answer=_times_objective,
                when=_gave_on(_BOTH, False),
                then=_("Then it would never fire: no share is above fourteen."),
                ask=_("The burn rate is a multiple of what: of the objective, or of its rest?"),
            ),
            Mistake(
                answer=_fixed_budget,
                when=_gave_on(_OTHER, True),
                then=_("Then another objective would change nothing."),
                ask=_("How many errors does an objective of 99 % allow?"),
            ),
            Mistake(
                answer=_only_shown,
                when=lambda failed: failed.gave is None and failed.raised is None,
                then=_("Then nobody would be called, whatever happens."),
                ask=_("Does your function return True or False?"),
            ),
        ),
        otherwise=_("Above which share must both of the windows be?"),
        hints=(
            _("The line is the burn rate times what the objective leaves of 1."),
            _("Both shares must be above that line. Which small word joins two conditions?"),
        ),
    ),
    Exercise(
        id="15.explain",
        number=5,
        kind="explain",
        title=_("Explain it to the baker"),
        is_right=explains(_ADDS_UP, without=_JARGON),
        right_answers=(
            "The bell only rings for a big fire. A small leak ran every day, and together it was "
            "more than we had promised.",
            "경보는 큰 사고에만 울립니다. 작은 실패가 매일 쌓여서 약속을 어겼습니다.",
        ),
        because=_(
            "The check saw two sentences that speak of little things adding up. Whether the baker "
            "understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="It added up slowly.",
                when=is_brief,
                then=_("Then the baker would ask: and why did nobody ring a bell?"),
                ask=_("Can you say in a second sentence what the bell listens to?"),
            ),
            Mistake(
                answer="The burn rate was nine. The threshold was ten.",
                when=_JARGON.search,
                then=_("Then the baker would nod, and remember nothing."),
                ask=_("Which of your words has somebody who bakes never needed?"),
            ),
            Mistake(
                answer="The alert is broken. We should repair the bell.",
                when=lambda text: isinstance(text, str) and not _ADDS_UP.search(text),
                then=_("Then the new bell would have been silent, too: it did as it was told."),
                ask=_("How can so little, for so long, break a promise about a month?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of a tap that drips, and of a flood."),
            _("One sentence about what the bell listens to, one about what it never hears."),
        ),
    ),
    Exercise(
        id="15.railway",
        number=6,
        kind="transfer",
        title=_("The railway"),
        is_right=lambda percent: is_near(percent, 124.67, 0.01),
        right_answers=(124.67, 125, 100 * (0.10 + 29 * 0.003) / 30 / 0.005),
        because=_(
            "The storm alone would have been borne, and so would the usual delays. Both together "
            "are a quarter more than was promised."
        ),
        mistakes=(
            Mistake(
                answer=1.2467,
                when=lambda percent: is_near(percent, 1.2467, 0.01),
                then=_("Then nearly all of the budget would be left."),
                ask=_("In which unit is your number, and which one is wanted?"),
            ),
            Mistake(
                answer=66.7,
                when=lambda percent: is_near(percent, 66.67),
                then=_("That is what the storm alone costs."),
                ask=_("What do the other 29 days add to it?"),
            ),
            Mistake(
                answer=58,
                when=lambda percent: is_near(percent, 58),
                then=_("Then the storm would have cost nothing."),
                ask=_("Which share of a month's trains is one day with 10 % late?"),
            ),
            Mistake(
                answer=60,
                when=lambda percent: is_near(percent, 60),
                then=_("That is a month without a storm."),
                ask=_("What does the one day of storm add to it?"),
            ),
            Mistake(
                answer=2000,
                when=lambda percent: is_near(percent, 2060, 0.03) or is_near(percent, 20.6, 0.03),
                then=_("Then every day of the month would have been a day of storm."),
                ask=_("For how many of the 30 days does each of the two shares hold?"),
            ),
        ),
        otherwise=_("Which share of the month's trains is late, and how many budgets is it?"),
        hints=(
            _("Take 1,000 trains a day: how many are late on each day, and how many in the month?"),
            _("The budget is the 0.5 % that may be late. Divide what is late by it."),
        ),
    ),
)
