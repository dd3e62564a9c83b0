"""The exercises of lesson 03, one server."""

import math
import re
import time
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Case, Exercise, Failed, Mistake
from devops_lab.questions.answers import (
    explains,
    is_brief,
    is_list_of,
    letter,
    told_in_jargon,
)
from devops_lab.translation import _

Ask = Callable[[], tuple[int, str]]


def _share(value: float) -> float:
    """The share, given as such or in per cent."""
    return value if value <= 1 else value / 100


def _is_near(value: float, wanted: float, within: float = 0.0002) -> bool:
    return math.isclose(_share(value), wanted, abs_tol=within)


def _words(answers: Any) -> list[str]:
    """The four short answers as the lesson writes them, however they were typed."""
    return [letter(answer) for answer in answers]


def _gave(place: int, word: str) -> Callable[[Any], bool]:
    """A test of four short answers: whether this one (1 to 4) is that word."""
    return lambda answers: is_list_of(answers, 4) and letter(answers[place - 1]) == word


class AskedInVain(Exception):  # noqa: N818
    """Somebody asks again and again after the last word."""


class _Office:
    """Somebody to ask: says its replies one after the other, and the last one some times more."""

    def __init__(self, *replies: tuple[int, str]) -> None:
        self._replies = [*replies, *[replies[-1]] * 20]

    def __call__(self) -> tuple[int, str]:
        if not self._replies:
            raise AskedInVain("nothing more will come")
        return self._replies.pop(0)

    def __repr__(self) -> str:
        return "ask"


_WAIT = (202, "not yet")
_READY = (200, "rye and roll")
_LOST = (500, "a worker is lost")


_CASES = (
    Case((_Office(_READY),), _("the text that came with the 200"), lambda gave: gave == _READY[1]),
    Case(
        (_Office(_WAIT, _WAIT, _READY),),
        _("the text that comes with the 200, after two times 202"),
        lambda gave: gave == _READY[1],
    ),
    Case(
        (_Office(_WAIT, _LOST),),
        _("None, where a 500 comes after the 202"),
        lambda gave: gave is None,
    ),
)


def _gave_nothing(case: Case) -> Callable[[Failed], bool]:
    return lambda failed: failed.case is case and failed.gave is None and failed.raised is None


# Example answers: functions as a learner writes them, each with its own mistake.


def _result(ask: Ask) -> str | None:
    status, body = ask()
    while status == 202:
        status, body = ask()
    return body if status == 200 else None


def _result_too_soon(ask: Ask) -> str:
    return ask()[1]


def _result_or_never(ask: Ask) -> str:
    status, body = ask()
    while status != 200:
        status, body = ask()
    return body


def _result_or_error(ask: Ask) -> str:
    status, body = ask()
    while status == 202:
        status, body = ask()
    return body


def _result_after_one_more(ask: Ask) -> str | None:
    status, body = ask()
    if status == 202:
        status, body = ask()
    return body if status == 200 else None


def _result_on_the_screen(ask: Ask) -> None:
    ask()


def _result_with_pauses(ask: Ask) -> str | None:
    time.sleep(1.5)
    return _result(ask)


def _result_with_status(ask: Ask) -> tuple[int, str]:
    status, body = ask()
    while status == 202:
        status, body = ask()
    return status, body


def _result_by_asking_once_more(ask: Ask) -> str | None:
    while ask()[0] == 202:
        pass
    status, body = ask()
    return body if status == 200 else None


_REMEDIES = ["b", "c", "a", "d"]
_STATES = ["frozen", "overloaded", "dead", "failing"]

_NEED_WORDS = re.compile(
    r"\b(all|every|each|both|any|needs?|needed|must|chain|together)\b|"
    r"모두|모든|전부|하나라도|하나만|한 대라도|셋 다|세 대|각각|필요",
    re.IGNORECASE,
)
_JARGON = re.compile(
    r"\b(50[0-9]|http|status|dependenc|independent|probabilit|redundan|exponent|kill -9)|"
    r"\*\*|의존성|이중화|확률|상태 코드",
    re.IGNORECASE,
)


EXERCISES = (
    Exercise(
        id="03.each",
        number=1,
        kind="compute",
        title=_("How good must each server be?"),
        is_right=lambda each: _is_near(each, 0.99**0.25),
        right_answers=(0.99**0.25, 0.9975, 99.75),
        because=_(
            "Each may fail only a quarter as often as the page: needing more parts means that "
            "each part has to be better."
        ),
        mistakes=(
            Mistake(
                answer=0.99**4,
                when=lambda each: _is_near(each, 0.99**4, within=0.002),
                then=_("That is how often the page would come whole if each server had 0.99."),
                ask=_("Does the page's share stand to the left of the formula, or each server's?"),
            ),
            Mistake(
                answer=0.99,
                when=lambda each: _is_near(each, 0.99),
                then=_("Then the page would come whole about 96 times in 100."),
                ask=_("Can each part be just as good as the whole that needs them all?"),
            ),
            Mistake(
                answer=0.99**1 / 4,
                when=lambda each: _is_near(each, 0.99 / 4, within=0.01),
                then=_("Then each server would fail three times out of four."),
                ask=_(
                    "Do the servers' shares add up to the page's, or are they multiplied? And "
                    "which does Python do first, ** or /?"
                ),
            ),
            Mistake(
                answer=0.0025,
                when=lambda each: _is_near(each, 0.0025) or _is_near(each, 0.01),
                then=_("That is a share that may fail; then nearly every page would be broken."),
                ask=_("Which share do the answers have that do not fail?"),
            ),
            Mistake(
                answer=0.997,
                when=lambda each: _is_near(each, 0.9965, within=0.0008),
                then=_("That is close. Then the page would stay just below 99 times in 100."),
                ask=_("What does your number give, multiplied by itself four times over?"),
            ),
            Mistake(
                answer=0.999,
                when=lambda each: _is_near(each, 0.999, within=0.0013),
                then=_("That is good enough, and better than needed; the last bit is dear."),
                ask=_("Which is the smallest share with which the page still keeps its promise?"),
            ),
            Mistake(
                answer=0.95,
                when=lambda each: 0 < each <= 100,
                then=lambda each: _(
                    "Then the page would come whole {whole:.0f} times in 100."
                ).format(whole=100 * _share(each) ** 4),
                ask=_("Which number, multiplied by itself four times over, gives 0.99?"),
            ),
        ),
        otherwise=_("Which number, multiplied by itself four times over, gives 0.99?"),
        hints=(
            _("Write the formula with the page's share on the left: 0.99 = each ** 4."),
            _("Undo a power of 4 with a power of 1/4."),
        ),
    ),
    Exercise(
        id="03.ask_again",
        number=2,
        kind="mend",
        title=_("Ask again, but not for ever"),
        is_right=callable,
        cases=_CASES,
        right_answers=(_result, _result_by_asking_once_more),
        because=_("202 means ask again, 200 means take it, and all else means stop asking."),
        mistakes=(
            Mistake(
                answer=_result_too_soon,
                when=lambda failed: failed.gave == _WAIT[1],
                then=_("Then the baker would be shown the ticket instead of the result."),
                ask=_("What does your function do with a 202?"),
            ),
            Mistake(
                answer=_result_or_never,
                when=lambda failed: (
                    failed.case is _CASES[2] and isinstance(failed.raised, AskedInVain)
                ),
                then=_("Then a job that was lost would be asked after until the end of time."),
                ask=_("Which one status is a reason to ask again?"),
            ),
            Mistake(
                answer=_result_or_error,
                when=lambda failed: failed.gave == _LOST[1],
                then=_("Then an error message would be printed on the page as the result."),
                ask=_("What shall come back where the status is 500?"),
            ),
            Mistake(
                answer=_result_with_status,
                when=lambda failed: isinstance(failed.gave, tuple),
                then=_("Then the page would show a status beside the result."),
                ask=_("Which of the two things that ask() gives does the baker want?"),
            ),
            Mistake(
                answer=_result_with_pauses,
                when=lambda failed: isinstance(failed.raised, TimeoutError),
                then=_("The check gives each call a second, and its office needs no time at all."),
                ask=_("Does your function pause, or has a loop no end?"),
            ),
            Mistake(
                answer=_result_on_the_screen,
                when=_gave_nothing(_CASES[0]),
                then=_("Then the page would stay empty, although the result has come."),
                ask=_("Does your function return the body, or only look at it?"),
            ),
            Mistake(
                answer=_result_after_one_more,
                when=_gave_nothing(_CASES[1]),
                then=_("Then a job that takes a little longer would never be shown."),
                ask=_("How many times may a 202 come before the 200?"),
            ),
        ),
        otherwise=_("What comes back after 200, after 202 and then 200, and after 202 and 500?"),
        hints=(
            _("Take apart what you are given: status, body = ask()."),
            _("A while loop may go on as long as the status is 202, and not longer."),
        ),
    ),
    Exercise(
        id="03.remedies",
        number=3,
        kind="choose",
        title=_("Four calls, four remedies"),
        is_right=lambda letters: _words(letters) == _REMEDIES,
        right_answers=(_REMEDIES, ("B", "C ", "(a)", "D")),
        because=_("Before you buy a server, ask what it is for: needed, faster, spare, or aside."),
        mistakes=(
            Mistake(
                answer=["b", "c", "a"],
                when=lambda letters: len(letters) != 4,
                then=_("Then one of the four shops would get no remedy, or one too many."),
                ask=_("Which one letter does each of the four get, in their order?"),
            ),
            Mistake(
                answer=["c", "c", "a", "d"],
                when=_gave(1, "c"),
                then=_("Then the spare would stand idle on Friday, while everybody waits."),
                ask=_("Is anything broken in the first shop?"),
            ),
            Mistake(
                answer=["d", "c", "a", "d"],
                when=_gave(1, "d"),
                then=_("Then on Friday each customer would get a ticket instead of a page."),
                ask=_("Is one page of the first shop heavy, or do many come at once?"),
            ),
            Mistake(
                answer=["a", "c", "a", "d"],
                when=_gave(1, "a"),
                then=_("Then each page would break less often, and none of them breaks."),
                ask=_("What does the first shop have too much of at six, and not at seven?"),
            ),
            Mistake(
                answer=["b", "b", "a", "d"],
                when=_gave(2, "b"),
                then=_("Then all the servers of that room would lose their power together."),
                ask=_("Where must the second shop's other server stand, and who turns to it?"),
            ),
            Mistake(
                answer=["b", "a", "a", "d"],
                when=_gave(2, "a"),
                then=_("Then the page would need fewer servers, and none of them has power."),
                ask=_("Who can answer while the whole room of the second shop is dark?"),
            ),
            Mistake(
                answer=["b", "c", "b", "d"],
                when=_gave(3, "b"),
                then=_(
                    "Then the third shop's page would have more servers behind it, and would "
                    "still need one of every kind."
                ),
                ask=_("What makes a page of six good parts a bad page?"),
            ),
            Mistake(
                answer=["b", "c", "c", "d"],
                when=_gave(3, "c"),
                then=_(
                    "Then somebody would watch for a server that is down. Here none is: each of "
                    "the six makes a mistake now and then."
                ),
                ask=_("How many of the third shop's servers have to be right for one page?"),
            ),
            Mistake(
                answer=["b", "c", "a", "b"],
                when=_gave(4, "b"),
                then=_("Then two reports at once would bring two servers to a stand."),
                ask=_("Does that report have to be made while a page waits for it?"),
            ),
            Mistake(
                answer=["b", "c", "a", "c"],
                when=_gave(4, "c"),
                then=_("Then the spare would wait for a failure. No server of that shop is down."),
                ask=_("What is the fourth shop's server busy with when it stands still?"),
            ),
        ),
        otherwise=_("For each call: is it traffic, a failure, too many parts, or heavy work?"),
        hints=(
            _("Find the case of each call in the table at the top of the lesson."),
            _("Growing traffic wants more servers; failure wants a spare and somebody who sees."),
        ),
    ),
    Exercise(
        id="03.silence",
        number=4,
        kind="read",
        title=_("Four servers, seen from outside"),
        is_right=lambda states: _words(states) == _STATES,
        right_answers=(_STATES, ("Frozen", " overloaded", "DEAD", "failing")),
        because=_("Refused is dead, silence is frozen; an error and a late answer are alive."),
        mistakes=(
            Mistake(
                answer=["dead", "overloaded", "frozen", "failing"],
                when=lambda states: _gave(1, "dead")(states) or _gave(3, "frozen")(states),
                then=_(
                    "Then A would refuse at once and C would keep everybody waiting; their lines "
                    "say the opposite."
                ),
                ask=_("Which comes at once: that nobody listens, or that nobody answers?"),
            ),
            Mistake(
                answer=["overloaded", "frozen", "dead", "failing"],
                when=_gave(1, "overloaded"),
                then=_("Then A would answer in the end; it has not answered a single time."),
                ask=_("At which time do all of A's tries end, and who chose that time?"),
            ),
            Mistake(
                answer=["frozen", "failing", "dead", "overloaded"],
                when=_gave(2, "failing"),
                then=_("Then some of B's answers would be errors, and all of them are right."),
                ask=_("What is growing in B's line?"),
            ),
            Mistake(
                answer=["failing", "overloaded", "dead", "frozen"],
                when=lambda states: _gave(4, "frozen")(states) or _gave(4, "dead")(states),
                then=_("Then nobody would have sent D's statuses; it answers every time."),
                ask=_("Which answers come from D, and how soon?"),
            ),
            Mistake(
                answer=["no answer", "slow", "refused", "errors"],
                when=lambda states: bool({*_words(states)} - {*_STATES}),
                then=_("Then the next person on duty would have to guess what you mean."),
                ask=_("Which of the words dead, frozen, failing and overloaded is it, for each?"),
            ),
        ),
        otherwise=_("For each line: does anybody answer, how soon, and with what?"),
        hints=(
            _("Compare A and C with the two panels: killed and frozen."),
            _("A status, whichever it is, means that a process is alive."),
        ),
    ),
    Exercise(
        id="03.explain",
        number=5,
        kind="explain",
        title=_("Answer the baker"),
        is_right=explains(_NEED_WORDS, without=_JARGON),
        right_answers=(
            "A page needs all three servers. Each of them fails now and then, so there are three "
            "chances that something is missing.",
            "One shop was closed now and then. Now the customer must find three of them open!",
            "한 페이지를 보여 주려면 서버 세 대가 모두 일해야 합니다. 하나라도 실수하면 깨집니다.",
        ),
        because=_(
            "The check saw two sentences that say how many have to work. Whether the baker "
            "understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="The page needs all three.",
                when=is_brief,
                then=_("Then the baker would ask: and why is that worse, if all three are good?"),
                ask=_("Can you say in a second sentence what happens when one of them fails?"),
            ),
            told_in_jargon(
                "The availabilities are multiplied. Three dependencies: a probability.",
                _JARGON,
            ),
            Mistake(
                answer="The two new servers are bad. The old one was better.",
                when=lambda text: isinstance(text, str) and not _NEED_WORDS.search(text),
                then=_("Then the baker would send the new machines back, as good as they are."),
                ask=_("How many of the three have to work for one page?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of a breakfast for which three shops have to be open."),
            _("One sentence about what a page needs, one about what then goes wrong more often."),
        ),
    ),
)
