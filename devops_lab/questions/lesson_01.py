"""The exercises of lesson 01, the DevOps loop."""

import re
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Case, Exercise, Mistake
from devops_lab.questions.answers import (
    a_letter_alone,
    chose,
    defends,
    is_brief,
    is_list_of,
    sentences,
    told_in_jargon,
)
from devops_lab.translation import _

Price = Callable[[int], int]
ROLL_WON = 1_500


def _versions(*wanted: str | None) -> Callable[[Any], bool]:
    """A test of the versions read from the stranger's log: whether those given are these."""
    return lambda given: (
        is_list_of(given, len(wanted))
        and all(want is None or str(got) == want for got, want in zip(given, wanted, strict=True))
    )


# The price functions on which a learner's test is tried.


def mended(rolls: int) -> int:
    return (rolls - rolls // 13) * ROLL_WON


def as_on_friday(rolls: int) -> int:
    return (rolls - (rolls - 1) // 13) * ROLL_WON


def without_gifts(rolls: int) -> int:
    return rolls * ROLL_WON


_CASES = (
    Case((mended,), _("True: here the thirteenth is a gift"), lambda gave: gave is True),
    Case((as_on_friday,), _("False: here the thirteenth is paid for"), lambda gave: gave is False),
    Case((without_gifts,), _("False: here nothing is a gift"), lambda gave: gave is False),
)


# Example answers: tests as a learner writes them, each with its own mistake.


def _keeps(price_won: Price) -> bool:
    return price_won(13) == 18_000


def _keeps_as_twelve(price_won: Price) -> bool:
    return price_won(13) == price_won(12)


def _keeps_by_assert(price_won: Price) -> bool:
    assert price_won(13) == 18_000
    return True


def _prints(price_won: Price) -> None:
    print(price_won(13) == 18_000)


def _asks_for_fourteen(price_won: Price) -> bool:
    return price_won(14) == 19_500


def _asks_for_the_bug(price_won: Price) -> bool:
    return price_won(13) == 19_500


def _gives_the_price(price_won: Price) -> int:
    return price_won(13)


_HERE_AND_THERE = re.compile(
    r"old|still|not yet|until|before|copy|copies|new|brought|bring|replac|put|"
    r"아직|옛|예전|이전|새|바꾸|바꿔|교체|전까지|복사",
    re.IGNORECASE,
)
_JARGON = re.compile(
    r"commit|deploy|pipeline|\bbuild|\bgit\b|\bserver|repositor|wheel|rollback|"
    r"커밋|배포|파이프라인|빌드|서버|저장소|롤백",
    re.IGNORECASE,
)


def _explains(text: Any) -> bool:
    return (
        len(sentences(text)) >= 2
        and bool(_HERE_AND_THERE.search(text))
        and not _JARGON.search(text)
    )


EXERCISES = (
    Exercise(
        id="01.live",
        number=1,
        kind="read",
        title=_("What the flower shop's customers had"),
        is_right=_versions("3.1", "3.2", "3.1"),
        right_answers=(["3.1", "3.2", "3.1"], ("3.1", "3.2", "3.1")),
        because=_(
            "Only two lines of the log say what customers have: the deployment and the roll-back. "
            "All others are about files."
        ),
        mistakes=(
            Mistake(
                answer=["3.2", "3.2", "3.1"],
                when=_versions("3.2", None, None),
                then=_("Then customers would take their pages from the package index."),
                ask=_("Which line before 10:00 has touched a server?"),
            ),
            Mistake(
                answer=["3.1", "3.1", "3.1"],
                when=_versions("3.1", "3.1", None),
                then=_("Then a sick release would be one that nobody sees."),
                ask=_("What ran on the servers while the check asked them?"),
            ),
            Mistake(
                answer=["3.1", "3.2", "3.2"],
                when=_versions("3.1", "3.2", "3.2"),
                then=_("Then the customers would still have the sick page at eleven."),
                ask=_("What does the last line but one do to the servers?"),
            ),
            Mistake(
                answer=["3.1", "3.2", "3.3"],
                when=lambda given: is_list_of(given, 3) and "3.3" in map(str, given),
                then=_("Then a release that its tests had stopped would be with the customers."),
                ask=_("After which stage did 3.3 go no further?"),
            ),
        ),
        otherwise=_("Which lines of the log are about the servers, and which about files?"),
        hints=(
            _("Underline each line in which a server gets something to run."),
            _("There are two such lines after 9:00. What do the servers run after each of them?"),
        ),
    ),
    Exercise(
        id="01.gift",
        number=2,
        kind="mend",
        title=_("The test that was missing"),
        cases=_CASES,
        is_right=callable,
        right_answers=(_keeps, _keeps_as_twelve),
        because=_(
            "On Friday it would have been red before the mend and green after it. A test that was "
            "never red proves little."
        ),
        mistakes=(
            Mistake(
                answer=_prints,
                when=lambda failed: failed.raised is None and failed.gave is None,
                then=_("Then whoever calls it learns nothing: what is printed cannot be asked."),
                ask=_("With which word does a function hand something back?"),
            ),
            Mistake(
                answer=_keeps_by_assert,
                when=lambda failed: isinstance(failed.raised, AssertionError),
                then=_("In a file for pytest that is just right. Here True or False is wanted."),
                ask=_("Can you hand back what stands behind your assert?"),
            ),
            Mistake(
                answer=_asks_for_fourteen,
                when=lambda failed: failed.case.arguments[0] is as_on_friday,
                then=_("Then Friday's mistake would go through, as it did through our two tests."),
                ask=_("For which number of rolls did the customer pay too much?"),
            ),
            Mistake(
                answer=_gives_the_price,
                when=lambda failed: type(failed.gave) is int,
                then=_("Then somebody would have to know the right price to read your answer."),
                ask=_("What do you compare this price with?"),
            ),
            Mistake(
                answer=_asks_for_the_bug,
                when=lambda failed: failed.case.arguments[0] is mended and failed.gave is False,
                then=_("Then the mended shop would be stopped, and the wrong one let through."),
                ask=_("What do thirteen rolls cost if the thirteenth is a gift?"),
            ),
        ),
        otherwise=_("What do thirteen rolls cost in the mended shop, and what did they on Friday?"),
        hints=(
            _("Call price_won with the number of rolls that the customer bought."),
            _("Compare with the price of twelve rolls, and return the comparison."),
        ),
    ),
    Exercise(
        id="01.choose",
        number=3,
        kind="choose",
        title=_("A hundred and fifty euros"),
        is_right=defends("b"),
        right_answers=(
            ["b", "People suffer until somebody notices. The robot notices within a minute."],
            ("B", "고객은 누군가 알아챌 때까지 불편합니다. 로봇은 1분 안에 알아챕니다."),
        ),
        because=_(
            "Failures are not rarer now, they are shorter. Whether your two sentences convince the "
            "baker, only the baker can say."
        ),
        mistakes=(
            Mistake(
                answer=["a", "Tests are good. They find half of the faults."],
                when=chose("a"),
                then=_("Then the money is spent twice over, and half of the bad hours remain."),
                ask=_("What does each of the three cost, and how many hours does it leave?"),
            ),
            Mistake(
                answer=["c", "Nine minutes are saved. That is a lot every time."],
                when=chose("c"),
                then=_("Then the mend is built sooner, once somebody has noticed."),
                ask=_("Of what do the four bad hours consist?"),
            ),
            Mistake(
                answer=["b", "It is cheap."],
                when=chose("b"),
                then=_("Then the baker would ask why, and hear only half of the reason."),
                ask=_("Which two sentences, one on hours and one on money, defend it?"),
            ),
            a_letter_alone("b"),
        ),
        otherwise=_("How many bad hours a month does each of the three leave?"),
        hints=(
            _("A bad hour begins with the deployment. What ends it?"),
            _("Compute for each: how many releases fail, times how long people suffer."),
        ),
    ),
    Exercise(
        id="01.explain",
        number=4,
        kind="explain",
        title=_("What you tell the customer"),
        is_right=_explains,
        right_answers=(
            "The repaired price list was ready in our back room. The shop still had the old one.",
            "고친 가격표는 준비되어 있었습니다. 가게에는 아직 옛 가격표가 걸려 있었습니다.",
        ),
        because=_("Whoever hears that knows what to ask next time: is it in the shop already?"),
        mistakes=(
            told_in_jargon(
                "The commit was green but it was not deployed yet. The servers had the old build.",
                _JARGON,
            ),
            Mistake(
                answer="We are very sorry for the trouble. It will never happen to you again.",
                when=lambda text: len(sentences(text)) >= 2 and not _HERE_AND_THERE.search(text),
                then=_("Then she knows that you are sorry, and not why she paid for thirteen."),
                ask=_("What was there already on Friday, and what did her shop still have?"),
            ),
            Mistake(
                answer="It was not there yet.",
                when=is_brief,
                then=_("Then she would ask: what was not where?"),
                ask=_("Can you say it in two sentences: what was ready, and where it was missing?"),
            ),
        ),
        otherwise=_("What was there already on Friday, and what did her shop still have?"),
        hints=(
            _("Think of a price list on paper: one is written, another hangs in the shop."),
            _("Two sentences: what was ready, and what hung in the shop."),
        ),
    ),
)
