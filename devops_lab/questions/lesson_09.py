"""The exercises of lesson 09, availability."""

import re
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Exercise, Mistake
from devops_lab.questions.answers import (
    a_letter_alone,
    chose,
    defends,
    explains,
    is_brief,
    is_near,
)
from devops_lab.translation import _

_MTBF_MINUTES = 33 * 24 * 60


def _nines_kept(minutes: float) -> str:
    """What a repair of so many minutes makes of the server that runs for 33 days."""
    return _("Then the server would be up {percent:.3f} % of the time.").format(
        percent=100 * _MTBF_MINUTES / (_MTBF_MINUTES + minutes)
    )


def _names(answer: Any) -> set[str]:
    """The parts named, however they were typed."""
    if not isinstance(answer, (list, tuple, set)):
        raise TypeError(answer)
    return {str(name).strip().casefold() for name in answer}


def _named(*wanted: str) -> Callable[[Any], bool]:
    return lambda answer: _names(answer) == set(wanted)


_SHARED_WORDS = re.compile(
    r"same|both|together|share|common|at once|one cause|fuse|power|current|cellar|room|"
    r"같은|같이|함께|둘 다|두 대|동시에|한꺼번에|전기|정전|지하실|공통",
    re.IGNORECASE,
)
_JARGON = re.compile(
    r"availab|redundan|common.cause|\bMTBF\b|\bMTTR\b|parallel|single point|config|"
    r"가용성|공통 원인|단일 장애점|이중화",
    re.IGNORECASE,
)


EXERCISES = (
    Exercise(
        id="09.repair",
        number=1,
        kind="compute",
        title=_("The longest repair"),
        is_right=lambda minutes: 47 <= minutes <= 47.7,
        right_answers=(47.5, 47, _MTBF_MINUTES * 0.001 / 0.999, _MTBF_MINUTES / 1000),
        because=_("Instead of eight hours: that is no repair any more, but a restart at once."),
        mistakes=(
            Mistake(
                answer=0.79,
                when=lambda minutes: is_near(minutes, 0.793, 0.02),
                then=_("That many minutes are hardly enough to read the alarm."),
                ask=_("In which unit is your number, and which one is wanted?"),
            ),
            Mistake(
                answer=480,
                when=lambda minutes: is_near(minutes, 480),
                then=_("That is the repair as it takes now: eight hours, and two nines."),
                ask=_("How many times less downtime are three nines?"),
            ),
            Mistake(
                answer=525.6,
                when=lambda minutes: is_near(minutes, 525.6),
                then=_("That is the downtime of a whole year with three nines, in all failures."),
                ask=_("How often does the server fail in a year?"),
            ),
            Mistake(
                answer=475,
                when=lambda minutes: is_near(minutes, 475, 0.02),
                then=_("Then one per cent of the time would be repairs, as it is now."),
                ask=_("Which share of the time may be downtime if 99.9 % are uptime?"),
            ),
            Mistake(
                answer=60,
                when=lambda minutes: minutes > 47.7,
                then=_nines_kept,
                ask=_("Is that at least what the contract asks for?"),
            ),
            Mistake(
                answer=30,
                when=lambda minutes: 0 < minutes < 47,
                then=_nines_kept,
                ask=_("How much longer may a repair take until just 99.9 % are left?"),
            ),
            Mistake(
                answer=0,
                when=lambda minutes: minutes <= 0,
                then=_("Then a failure would be over before it began."),
                ask=_("Which time makes uptime / (uptime + downtime) exactly 0.999?"),
            ),
        ),
        otherwise=_("Which time of repair makes 33 days / (33 days + repair) exactly 0.999?"),
        hints=(
            _("Write the formula with the repair as the unknown, and solve it for the repair."),
            _("Or try: from_mtbf(33 * 24 * 60, minutes) takes minutes as well as hours."),
        ),
    ),
    Exercise(
        id="09.choose",
        number=2,
        kind="choose",
        title=_("The same money, four ways"),
        is_right=defends("b"),
        right_answers=(
            ["b", "It is up 99.87 % of the time. The copies in one cellar stop at 99.8 %."],
            ("B", "수리가 빨라지면 다운타임이 줄어듭니다. 사본은 같은 지하실에 있습니다."),
        ),
        because=_(
            "Only this one keeps the promise. The check cannot weigh your two sentences; the baker "
            "will."
        ),
        mistakes=(
            Mistake(
                answer=["a", "It fails half as often. That is half the downtime."],
                when=chose("a"),
                then=_("Then half the downtime is gone, and 44 hours a year are left."),
                ask=_("What does from_mtbf give for 66 days and 8 hours?"),
            ),
            Mistake(
                answer=["c", "Two copies are the safest. Both would have to fail at once."],
                when=chose("c"),
                then=_("Then a fifth of the old downtime stays: a flood takes both copies."),
                ask=_("What does with_shared_causes(1, 2, 0.99, 0.2) give?"),
            ),
            Mistake(
                answer=["d", "Three copies are safer than two. More is better."],
                when=chose("d"),
                then=_("Then the third stands in the same water as the other two."),
                ask=_("How much less downtime have three in one cellar than two?"),
            ),
            Mistake(
                answer=["b", "It is best."],
                when=chose("b"),
                then=_("Then the baker would ask: why is one machine better than two?"),
                ask=_("Can you answer that with a number, in two sentences?"),
            ),
            a_letter_alone("b"),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("Compute the availability of each with the functions of this lesson."),
            _("Then strike out all that are below the promise."),
        ),
    ),
    Exercise(
        id="09.stranger",
        number=3,
        kind="read",
        title=_("What takes the stranger's shop down?"),
        is_right=_named("dns", "payment"),
        right_answers=(["dns", "payment"], ("Payment", "DNS"), {"DNS", "payment"}),
        because=_(
            "It stands in both houses, and it is one and the same: a diagram of boxes hides that."
        ),
        mistakes=(
            Mistake(
                answer=["dns"],
                when=_named("dns"),
                then=_(
                    "Then two houses could each lose something on the same evening, and nothing "
                    "would be left."
                ),
                ask=_("Which name stands in both houses?"),
            ),
            Mistake(
                answer=["payment"],
                when=_named("payment"),
                then=_("Then nobody would find the shop, and both houses would stand idle."),
                ask=_("Which part lies on every way from left to right?"),
            ),
            Mistake(
                answer=["dns", "payment", "web north", "web south"],
                when=lambda answer: _names(answer) > {"dns", "payment"},
                then=_("Then the other house would still serve when one of these is down."),
                ask=_("Which of your parts has a way around it?"),
            ),
        ),
        otherwise=_("If this part alone is down, is there a way left from left to right?"),
        hints=(
            _("Cover one box after the other with your hand. Is there still a way through?"),
            _("Cover all boxes of the same name at once: they are one part."),
        ),
    ),
    Exercise(
        id="09.hospital",
        number=4,
        kind="transfer",
        title=_("The hospital's generator"),
        is_right=lambda minutes: is_near(minutes, 12.45),
        right_answers=(12.45, 120 * 0.1 + 0.5 * 0.9, 12.5),
        because=_("Nearly all of it is the one start in ten that fails: practise starting."),
        mistakes=(
            Mistake(
                answer=0.5,
                when=lambda minutes: is_near(minutes, 0.5),
                then=_("Then the generator would have to start every time."),
                ask=_("How long is it dark in the one case of ten?"),
            ),
            Mistake(
                answer=12,
                when=lambda minutes: is_near(minutes, 12),
                then=_("Then the light would come at once in the nine cases that work."),
                ask=_("How long is it dark until a generator that does start has started?"),
            ),
            Mistake(
                answer=108.45,
                when=lambda minutes: is_near(minutes, 108 + 0.05) or is_near(minutes, 108),
                then=_("Then the generator would fail nine times of ten."),
                ask=_("Which of the two shares belongs to the two hours?"),
            ),
            Mistake(
                answer=120,
                when=lambda minutes: is_near(minutes, 120),
                then=_("That is a year without any generator."),
                ask=_("In how many of ten power cuts does it help?"),
            ),
            Mistake(
                answer=39,
                when=lambda minutes: is_near(minutes, 12 + 27),
                then=_("Then the half minute would have been taken for half an hour."),
                ask=_("What is 30 seconds in minutes?"),
            ),
        ),
        otherwise=_("How long is it dark if it starts, and if it does not; how often is each?"),
        hints=(
            _("Think of ten years: ten power cuts, nine of which go well."),
            _("Add the dark minutes of all ten, and divide by ten."),
        ),
    ),
    Exercise(
        id="09.explain",
        number=5,
        kind="explain",
        title=_("Explain it to the hotel"),
        is_right=explains(_SHARED_WORDS, without=_JARGON),
        right_answers=(
            "Both servers hang on the same fuse. When it blows, the second one is as dark as the "
            "first.",
            "두 서버는 같은 전기를 씁니다. 정전이 되면 둘 다 멈춥니다.",
        ),
        because=_(
            "The check saw two sentences that speak of what the two have in common. Whether the "
            "manager understands them, only the manager can say."
        ),
        mistakes=(
            Mistake(
                answer="Both hang on one fuse.",
                when=is_brief,
                then=_("Then the manager would ask: and what is the second one good for?"),
                ask=_("Can you say in a second sentence when the second one does not help?"),
            ),
            Mistake(
                answer="A common cause failure hits both. Redundancy does not help there.",
                when=lambda text: isinstance(text, str) and bool(_JARGON.search(text)),
                then=_("Then the manager would nod politely, and ask somebody else what it means."),
                ask=_("Which of your words has somebody who runs a hotel never needed?"),
            ),
            Mistake(
                answer="Two are not enough for this. We will buy a third one.",
                when=lambda text: isinstance(text, str) and not _SHARED_WORDS.search(text),
                then=_("Then a third one would be bought, and be down in the same minutes."),
                ask=_("What takes down the first and the second in the same moment?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of two lamps in one room, and of the fuse."),
            _("One sentence about what the two have in common, one about what follows."),
        ),
    ),
)
