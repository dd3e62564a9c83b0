"""The exercises of lesson 12, changes and deployments."""

import re
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Case, Exercise, Mistake
from devops_lab.questions.answers import (
    chose,
    defends,
    explains,
    is_brief,
    is_list_of,
    is_near,
    letter,
    told_in_jargon,
)
from devops_lab.translation import _


def _words(answers: Any) -> list[str]:
    return [letter(answer) for answer in answers]


def _said(place: int, word: str) -> Callable[[Any], bool]:
    """A test of four short answers: whether this one (1 to 4) is this word."""
    return lambda answers: is_list_of(answers, 4) and _words(answers)[place - 1] == word


_DIARY = ["configuration", "deployment", "resources", "patch"]

_PEOPLE_WORDS = re.compile(
    r"one|first|few|some|part|rest|other|every|all|taste|try|test|"
    r"하나|한 |먼저|일부|조금|나머지|다른|모두|전부|맛|시험",
    re.IGNORECASE,
)
_JARGON = re.compile(
    r"config|balanc|server|deploy|canary|roll-?out|health check|\b5\d\d\b|"
    r"설정|로드 밸런|서버|배포|카나리|롤백",
    re.IGNORECASE,
)

_BAD = Case(
    (10, 1_000, 5, 50),
    _("False: 5 of 50 are errors, where the old version has 10 of 1,000"),
    lambda gave: gave is False or gave == 0,
)
_GOOD = Case(
    (10, 1_000, 1, 100),
    _("True: 1 of 100 is what the old version has"),
    lambda gave: bool(gave) is True,
)
_BETTER = Case(
    (50, 1_000, 0, 100),
    _("True: the new version has no errors at all"),
    lambda gave: bool(gave) is True,
)
_NOBODY = Case(
    (10, 1_000, 0, 0),
    _("False: nobody has met the new version yet"),
    lambda gave: gave is False or gave == 0,
)


# Example answers: functions as a learner writes them, each with its own mistake.


def _mended(old_errors: int, old_answers: int, new_errors: int, new_answers: int) -> bool:
    if new_answers == 0:
        return False
    return new_errors / new_answers <= old_errors / old_answers + 0.01


def _by_counts(old_errors: int, old_answers: int, new_errors: int, new_answers: int) -> bool:
    return new_answers > 0 and new_errors <= old_errors


def _never_alone(old_errors: int, old_answers: int, new_errors: int, new_answers: int) -> bool:
    return new_errors / new_answers <= old_errors / old_answers + 0.01


def _no_error_at_all(old_errors: int, old_answers: int, new_errors: int, new_answers: int) -> bool:
    return new_answers > 0 and new_errors == 0


def _silence_is_good(old_errors: int, old_answers: int, new_errors: int, new_answers: int) -> bool:
    return new_answers == 0 or _mended(old_errors, old_answers, new_errors, new_answers)


def _silent(old_errors: int, old_answers: int, new_errors: int, new_answers: int) -> None:
    _never_alone(old_errors, old_answers, new_errors, max(1, new_answers))


EXERCISES = (
    Exercise(
        id="12.canary",
        number=1,
        kind="compute",
        title=_("What the canary costs"),
        is_right=lambda requests: is_near(requests, 120),
        right_answers=(120, 120.0, 200 * 30 * 0.05 * 0.4),
        because=_("Of 6,000 requests 300 meet the canary, and 40 % of these are errors."),
        mistakes=(
            Mistake(
                answer=2400,
                when=lambda requests: is_near(requests, 2400),
                then=_("Then everybody would have met the new version: that is no canary."),
                ask=_("Which share of the requests does the canary get?"),
            ),
            Mistake(
                answer=300,
                when=lambda requests: is_near(requests, 300),
                then=_("Then every answer of the new version would be an error."),
                ask=_("How many of those who meet it get an error?"),
            ),
            Mistake(
                answer=4,
                when=lambda requests: is_near(requests, 4),
                then=_("Then the canary would have been taken back after a second."),
                ask=_("For how long is it there?"),
            ),
        ),
        otherwise=_("How many requests come in the time, how many meet the canary, how many fail?"),
        hints=(
            _("In half a minute, how many requests come at all?"),
            _("Take the canary's share of them, and of that the share of errors."),
        ),
    ),
    Exercise(
        id="12.mend",
        number=2,
        kind="mend",
        title=_("The judge that counts"),
        is_right=callable,
        cases=(_BAD, _GOOD, _BETTER, _NOBODY),
        right_answers=(_mended,),
        because=_(
            "Shares can be compared where counts cannot, and who has not been seen cannot be "
            "judged. With few answers even a share is luck: that is why the course's judge also "
            "asks what chance explains."
        ),
        mistakes=(
            Mistake(
                answer=_by_counts,
                when=lambda failed: failed.case is _BAD and bool(failed.gave),
                then=_("Then a canary would always win: it answers so few."),
                ask=_("Errors out of how many answers?"),
            ),
            Mistake(
                answer=_no_error_at_all,
                when=lambda failed: failed.case is _GOOD and not failed.gave,
                then=_("Then no version would ever go on: the old one has errors as well."),
                ask=_("Which number of the old version is it to be compared with?"),
            ),
            Mistake(
                answer=_never_alone,
                when=lambda failed: isinstance(failed.raised, ZeroDivisionError),
                then=_("Then the roll-out would end with an error of its own."),
                ask=_("What should be said as long as nobody has met the new version?"),
            ),
            Mistake(
                answer=_silence_is_good,
                when=lambda failed: failed.case is _NOBODY and bool(failed.gave),
                then=_("Then a version that nobody can reach would be given to everybody."),
                ask=_("Is no news good news, when nobody could have sent any?"),
            ),
            Mistake(
                answer=_silent,
                when=lambda failed: failed.gave is None and failed.raised is None,
                then=_("Then the roll-out would be told nothing at all."),
                ask=_("Does your function return what it found?"),
            ),
        ),
        otherwise=_("Which share of the new version's answers are errors, beside the old one's?"),
        hints=(
            _("Five errors of 50 and ten of 1,000: which is worse?"),
            _("Divide first, and before that make sure that there is something to divide by."),
        ),
    ),
    Exercise(
        id="12.choose",
        number=3,
        kind="choose",
        title=_("The wedding cakes"),
        is_right=defends("d"),
        right_answers=(
            ["d", "It needs one machine more, and one can be rented. A bad version hits few."],
            ("D", "서버 하나만 더 빌리면 됩니다. 나쁜 버전이라도 적은 손님만 만납니다."),
        ),
        because=_(
            "One machine more, no machine less, and a mistake reaches a few people only. Whether "
            "your two sentences convince the baker, only the baker can say."
        ),
        mistakes=(
            Mistake(
                answer=["a", "It is the simplest. Nobody is there at night."],
                when=chose("a"),
                then=_("Then everybody who orders meanwhile would be turned away."),
                ask=_("May the shop be closed for a moment in this week?"),
            ),
            Mistake(
                answer=["b", "It needs no machine. No request fails."],
                when=chose("b"),
                then=_("Then three servers would carry what four can only just carry."),
                ask=_("How many servers may be missing at this load?"),
            ),
            Mistake(
                answer=["c", "It is quick to go back. Nobody notices."],
                when=chose("c"),
                then=_("Then four machines would have to be rented, and there is money for one."),
                ask=_("How many servers more does it need than now?"),
            ),
            Mistake(
                answer=["d", "It is safe."],
                when=chose("d"),
                then=_("Then the baker would ask: what does it cost, and what do I get for it?"),
                ask=_("Can you answer both, in two sentences?"),
            ),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("Strike out those that need servers that there are not, or take away one."),
            _("Look at the columns for servers extra and missing in the table above."),
        ),
    ),
    Exercise(
        id="12.read",
        number=4,
        kind="read",
        title=_("A stranger's diary"),
        is_right=lambda answers: is_list_of(answers, 4) and _words(answers) == _DIARY,
        right_answers=(_DIARY, ("Configuration", " deployment", "RESOURCES", "patch")),
        because=_(
            "A line that a program reads; a version of the shop; machines; a version of what lies "
            "below the shop."
        ),
        mistakes=(
            Mistake(
                answer=["deployment", "deployment", "resources", "patch"],
                when=_said(1, "deployment"),
                then=_("Then a new version of the shop would have been there on Monday."),
                ask=_("Did anybody build anything on Monday?"),
            ),
            Mistake(
                answer=["configuration", "patch", "resources", "patch"],
                when=_said(2, "patch"),
                then=_("Then the shop itself would be the same on Tuesday. It has a new button."),
                ask=_("Whose new version is it on Tuesday?"),
            ),
            Mistake(
                answer=["configuration", "deployment", "configuration", "patch"],
                when=_said(3, "configuration"),
                then=_("Then on Thursday the same machines would read another line."),
                ask=_("What is there more of on Thursday?"),
            ),
            Mistake(
                answer=["configuration", "deployment", "resources", "deployment"],
                when=_said(4, "deployment"),
                then=_("Then the shop would be another one on Friday. Its code is the same."),
                ask=_("Who made what was new on Friday: the shop's people, or others?"),
            ),
        ),
        otherwise=_("For each day: what is different now that was not before?"),
        hints=(
            _("Ask of each day: new code of ours, new code of others, a new value, new machines?"),
            _("A certificate, a limit, a policy, an address: such things are values."),
        ),
    ),
    Exercise(
        id="12.explain",
        number=5,
        kind="explain",
        title=_("Answer the baker"),
        is_right=explains(_PEOPLE_WORDS, without=_JARGON),
        right_answers=(
            "We changed one word on a note that all our helpers read, and it was the wrong one. "
            "Next time one helper gets the new note first, and the rest only if it goes well.",
            "모두가 읽는 쪽지의 한 단어를 잘못 바꿨습니다. 다음에는 한 사람에게 먼저 주겠습니다.",
        ),
        because=_(
            "The check saw two sentences that speak of some before others. Whether the baker "
            "understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="Everybody read the same wrong note.",
                when=is_brief,
                then=_("Then the baker would ask: and what will you do differently?"),
                ask=_("Can you say in a second sentence who gets the next note first?"),
            ),
            told_in_jargon(
                "The config of the balancer was wrong. We will deploy it as a canary.", _JARGON
            ),
            Mistake(
                answer="It was a mistake. We are very sorry about it.",
                when=lambda text: isinstance(text, str) and not _PEOPLE_WORDS.search(text),
                then=_("Then it would happen again: being sorry changes no line."),
                ask=_("Why did it reach everybody, and how would it reach only a few?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of a new recipe: to how many tables would you bring it first?"),
            _("One sentence about what was changed, one about who gets the next change first."),
        ),
    ),
)
