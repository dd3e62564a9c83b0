"""The exercises of lesson 03, one server."""

import math
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Case, Exercise, Mistake
from devops_lab.translation import _

Ask = Callable[[], tuple[int, str]]


def _is_near(value: float, wanted: float, within: float = 0.0002) -> bool:
    """Whether the share is near, given as such or in per cent."""
    return math.isclose(value if value <= 1 else value / 100, wanted, abs_tol=within)


def _is_list_of_four(answer: Any) -> bool:
    return isinstance(answer, (list, tuple)) and len(answer) == 4


class AskedInVain(Exception):  # noqa: N818
    """Somebody asks again after the last word."""


class _Office:
    """Somebody to ask: says its replies one after the other, and nothing after the last."""

    def __init__(self, *replies: tuple[int, str]) -> None:
        self._replies = list(replies)

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


def _result_with_status(ask: Ask) -> tuple[int, str]:
    status, body = ask()
    while status == 202:
        status, body = ask()
    return status, body


_REMEDIES = ["b", "c", "a", "d"]
_STATES = ["frozen", "overloaded", "dead", "failing"]


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
                answer=0.2475,
                when=lambda each: _is_near(each, 0.99 / 4, within=0.01),
                then=_("Then each server would fail three times out of four."),
                ask=_("Are the shares of the servers added to get the page's, or multiplied?"),
            ),
            Mistake(
                answer=0.0025,
                when=lambda each: _is_near(each, 0.0025),
                then=_("That is the share that may fail; then nearly every page would be broken."),
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
        right_answers=(_result,),
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
        is_right=lambda letters: [str(letter).lower() for letter in letters] == _REMEDIES,
        right_answers=(_REMEDIES, tuple(_REMEDIES)),
        because=_("Before you buy a server, ask what it is for: needed, faster, spare, or aside."),
        mistakes=(
            Mistake(
                answer=["b", "c", "b", "d"],
                when=lambda letters: _is_list_of_four(letters) and letters[2] == "b",
                then=_(
                    "Then the third shop's page would have more servers behind it, and would "
                    "still need one of every kind."
                ),
                ask=_("What makes a page of six good parts a bad page?"),
            ),
            Mistake(
                answer=["c", "c", "a", "d"],
                when=lambda letters: _is_list_of_four(letters) and letters[0] == "c",
                then=_("Then the spare would stand idle on Friday, while everybody waits."),
                ask=_("Is anything broken in the first shop?"),
            ),
            Mistake(
                answer=["b", "b", "a", "d"],
                when=lambda letters: _is_list_of_four(letters) and letters[1] == "b",
                then=_("Then all the servers of that room would lose their power together."),
                ask=_("Where must the second shop's other server stand, and who turns to it?"),
            ),
            Mistake(
                answer=["b", "c", "a", "b"],
                when=lambda letters: _is_list_of_four(letters) and letters[3] == "b",
                then=_("Then two reports at once would bring two servers to a stand."),
                ask=_("Does that report have to be made while a page waits for it?"),
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
        is_right=lambda states: [str(state).lower() for state in states] == _STATES,
        right_answers=(_STATES, tuple(_STATES)),
        because=_("Refused is dead, silence is frozen; an error and a late answer are alive."),
        mistakes=(
            Mistake(
                answer=["dead", "overloaded", "frozen", "failing"],
                when=lambda states: (
                    _is_list_of_four(states) and (states[0] == "dead" or states[2] == "frozen")
                ),
                then=_("Then nobody would be left at A to keep a connection open."),
                ask=_("Which comes at once: that nobody listens, or that nobody answers?"),
            ),
            Mistake(
                answer=["frozen", "failing", "dead", "overloaded"],
                when=lambda states: _is_list_of_four(states) and states[1] == "failing",
                then=_("Then some of B's answers would be errors, and all of them are right."),
                ask=_("What is growing in B's line?"),
            ),
            Mistake(
                answer=["overloaded", "overloaded", "dead", "failing"],
                when=lambda states: _is_list_of_four(states) and states[0] == "overloaded",
                then=_("Then A would answer in the end; it has not answered a single time."),
                ask=_("At which time do all of A's tries end, and who chose that time?"),
            ),
        ),
        otherwise=_("For each line: does anybody answer, how soon, and with what?"),
        hints=(
            _("Compare A and C with the two panels: killed and frozen."),
            _("A status, whichever it is, means that a process is alive."),
        ),
    ),
)
