"""The exercises of lesson 08, overload and retries."""

import math
import re
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Case, Exercise, Failed, Mistake
from devops_lab.questions.answers import (
    chose,
    defends,
    explains,
    is_brief,
    is_list_of,
    is_near,
)
from devops_lab.translation import _


def _pause(longest_s: float) -> Callable[[Any], bool]:
    return lambda gave: math.isclose(gave, longest_s, abs_tol=1e-9)


_CASES = (
    Case((1, 1.0), _("0.2: the first pause, all of it"), _pause(0.2)),
    Case((3, 1.0), _("0.8: doubled twice"), _pause(0.8)),
    Case((10, 1.0), _("5: the longest there is"), _pause(5.0)),
    Case((3, 0.25), _("0.2: a quarter of 0.8"), _pause(0.2)),
    Case((10, 0.5), _("2.5: half of the longest"), _pause(2.5)),
    Case((1, 0.0), _("0: no luck, no pause"), _pause(0.0)),
)


def _failed(place: int, gave: float) -> Callable[[Any], bool]:
    """A test of the first case that failed: whether it is this one (from 1) and gave that."""
    return lambda failed: (
        isinstance(failed, Failed)
        and failed.case is _CASES[place - 1]
        and is_near(failed.gave, gave)
    )


# Example answers: functions as a learner writes them, each with its own mistake.


def _mended(retry: int, luck: float) -> float:
    return luck * min(5, 0.1 * 2**retry)


def _growing(retry: int, luck: float) -> float:
    return 0.1 * 2**retry


def _without_luck(retry: int, luck: float) -> float:
    return min(5, 0.1 * 2**retry)


def _luck_before_the_limit(retry: int, luck: float) -> float:
    return min(5, luck * 0.1 * 2**retry)


def _with_luck_on_top(retry: int, luck: float) -> float:
    return min(5, 0.1 * 2**retry) + luck


def _states(*wanted: str | None) -> Callable[[Any], bool]:
    """A test of the three words; None stands for any."""

    def plain(word: Any) -> str:
        return " ".join(word.lower().replace("_", " ").split()) if isinstance(word, str) else ""

    return lambda answer: (
        is_list_of(answer, 3)
        and all(
            want is None or plain(word) == want for word, want in zip(answer, wanted, strict=True)
        )
    )


_REFUSE_WORDS = re.compile(
    r"\bno\b|refus|turn|away|wait|queue|line|gone|left|home|later|others|"
    r"거절|돌[려아]|기다|줄|떠[나난났]|나간|나중|다른 손님|못 ?[하한합해]|안 ?[되된됩돼]|포기",
    re.IGNORECASE,
)
_JARGON = re.compile(
    r"shed|deadline|time-?out|retr(?:y|ies)|overload|metastab|budget|backoff|jitter|goodput|503|"
    r"부하 차단|마감 시한|데드라인|타임아웃|재시도|과부하|준안정|백오프|지터",
    re.IGNORECASE,
)


EXERCISES = (
    Exercise(
        id="08.bear",
        number=1,
        kind="compute",
        title=_("How many attempts the database can bear"),
        is_right=lambda attempts: is_near(attempts, 2),
        right_answers=(2, 2.0),
        because=_(
            "With two attempts each click is eight tries at the worst, and 80 a second fit. One "
            "attempt more at each caller is more than three times as many."
        ),
        mistakes=(
            Mistake(
                answer=3,
                when=lambda attempts: is_near(attempts, 3),
                then=_("Then each click would be 27 tries, and 270 would come in a second."),
                ask=_("How many tries may one click be, if 10 clicks share 100 a second?"),
            ),
            Mistake(
                answer=10,
                when=lambda attempts: is_near(attempts, 10),
                then=_("That is how many tries there may be for a click at the database."),
                ask=_("Which number, multiplied by itself three times, is not above that?"),
            ),
            Mistake(
                answer=10 ** (1 / 3),
                when=lambda attempts: is_near(attempts, 10 ** (1 / 3)),
                then=_("Then it would be exactly full, but nobody can try 2.15 times."),
                ask=_("Which whole number keeps the tries below the limit?"),
            ),
            Mistake(
                answer=1,
                when=lambda attempts: is_near(attempts, 1),
                then=_("Then nobody would try again, and nine tenths of the room stay free."),
                ask=_("How many tries is a click if each of the three callers may repeat once?"),
            ),
        ),
        otherwise=_("How many tries may one click be, and which power of your number is that?"),
        hints=(
            _("10 clicks a second may become 100 tries a second: so how many for each click?"),
            _("Try 1, 2 and 3: each has to be multiplied by itself three times."),
        ),
    ),
    Exercise(
        id="08.pause",
        number=2,
        kind="mend",
        title=_("The pause that grows for ever"),
        is_right=callable,
        right_answers=(_mended,),
        because=_("It doubles, it has an end, and no two customers come back at the same moment."),
        mistakes=(
            Mistake(
                answer=_growing,
                when=_failed(3, 102.4),
                then=_("Then the unlucky ones would wait for more than a minute and a half."),
                ask=_("Which of two numbers is taken, so that it is never above 5?"),
            ),
            Mistake(
                answer=_without_luck,
                when=_failed(4, 0.8),
                then=_("Then the pauses have an end, but all come back at the same moment."),
                ask=_("Where does luck come in?"),
            ),
            Mistake(
                answer=_luck_before_the_limit,
                when=_failed(5, 5.0),
                then=_("Then late tries would nearly all pause for the same 5 seconds again."),
                ask=_("Of what is luck a share: of the pause as it doubles, or as it is limited?"),
            ),
            Mistake(
                answer=_with_luck_on_top,
                when=_failed(1, 1.2),
                then=_("Then nobody would try again soon, and late tries stay close together."),
                ask=_("Is luck added to the pause, or is it a share of it?"),
            ),
        ),
        otherwise=_("What is the longest pause before this retry, and which share of it is taken?"),
        hints=(
            _("First the longest pause: 0.1 doubled, but not above 5. min(...) takes the smaller."),
            _("Then multiply that by luck."),
        ),
        cases=_CASES,
    ),
    Exercise(
        id="08.choose",
        number=3,
        kind="choose",
        title=_("One thing, tonight"),
        is_right=defends("d"),
        right_answers=(
            ["d", "It keeps the tries at 14 a second. A second database could not take 270."],
            ("D", "재시도가 요청의 일부를 넘지 않습니다. 다른 방법은 폭주를 막지 못합니다."),
        ),
        because=_(
            "It changes nothing on a usual day and caps the bad one. Whether your two sentences "
            "convince the baker, only the baker can say."
        ),
        mistakes=(
            Mistake(
                answer=["a", "More capacity is always safer. It needs no work at all."],
                when=chose("a"),
                then=_("Then the shop has 200 a second, and the next outage brings 270."),
                ask=_("How many tries a second do 10 clicks become with three callers?"),
            ),
            Mistake(
                answer=["b", "The server gets time to recover. It costs nothing."],
                when=chose("b"),
                then=_("Then every try comes 5 seconds later, and as many come each second."),
                ask=_("Does a pause change how many tries one click becomes?"),
            ),
            Mistake(
                answer=["c", "More tries are more chances. The customers will be happy."],
                when=chose("c"),
                then=_("Then one click is 125 tries at the worst."),
                ask=_("What did the third attempt of each caller do on that Saturday?"),
            ),
            Mistake(
                answer=["d", "It is best."],
                when=chose("d"),
                then=_("Then the baker would ask what a budget does that a second machine cannot."),
                ask=_("Can you compare the two in numbers, in two sentences?"),
            ),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("Count for each letter how many tries a second come when everything fails."),
            _("tries_at_the_bottom(3, 3, retry_budget_share=0.1) counts it for a budget."),
        ),
    ),
    Exercise(
        id="08.stranger",
        number=4,
        kind="read",
        title=_("Three shops after an outage"),
        is_right=_states("storm", "too small", "recovering"),
        right_answers=(["storm", "too small", "recovering"], ("Storm", "too_small", "recovering")),
        because=_(
            "In a storm the tries are many times the requests and stay so, while little is "
            "answered. B gets more requests than it can do, retries or not. In C the tries fall."
        ),
        mistakes=(
            Mistake(
                answer=["too small", "storm", "recovering"],
                when=_states("too small", "storm", None),
                then=_("Then A would buy machines for 50 requests, of which it can do 80."),
                ask=_("Which shop gets more new requests than it can answer, without any retry?"),
            ),
            Mistake(
                answer=["storm", "recovering", "too small"],
                when=_states("storm", "recovering", "too small"),
                then=_("Then B would wait for something that its customers do not let happen."),
                ask=_("In which shop are there fewer tries than a minute ago?"),
            ),
            Mistake(
                answer=["recovering", "too small", "storm"],
                when=_states("recovering", "too small", "storm"),
                then=_("Then A would be left alone, and in an hour it would look the same."),
                ask=_("In which shop are the tries as many as a minute ago, and none answered?"),
            ),
            Mistake(
                answer=["storm", "storm", "recovering"],
                when=_states("storm", "storm", None),
                then=_("Then B would stop its retries, and win 5 tries of 95."),
                ask=_("By how much are the tries in B more than the new requests?"),
            ),
        ),
        otherwise=_("Compare in each row: requests with capacity, tries with requests, then now."),
        hints=(
            _("First find the shop whose new requests alone are above its capacity."),
            _("Of the other two, in one the tries fall. The other will never change by itself."),
        ),
    ),
    Exercise(
        id="08.explain",
        number=5,
        kind="explain",
        title=_("Explain an early no to the baker"),
        is_right=explains(_REFUSE_WORDS, without=_JARGON),
        right_answers=(
            "If we let everybody wait, most of them go home before it is their turn. A quick no "
            "to some lets us serve the others well.",
            "모두를 줄 세우면 차례가 오기 전에 떠나 버립니다. 몇 분을 일찍 돌려보내면 "
            "나머지는 빵을 받습니다.",
        ),
        because=_(
            "The check saw two sentences without a word of the trade. Whether they convince, only "
            "the baker can say."
        ),
        mistakes=(
            Mistake(
                answer="It is better for them.",
                when=is_brief,
                then=_("Then the baker would ask: better for whom, and why?"),
                ask=_("What happens to those who are let in, and what to those who are not?"),
            ),
            Mistake(
                answer="Load shedding protects goodput. Otherwise retries cause an overload.",
                when=lambda text: isinstance(text, str) and bool(_JARGON.search(text)),
                then=_("Then the baker would have to look up some of your words."),
                ask=_("How would you say it about people in front of the counter?"),
            ),
            Mistake(
                answer="It makes the computer quicker. The computer likes to be quick.",
                when=lambda text: isinstance(text, str) and not _REFUSE_WORDS.search(text),
                then=_("Then the baker would not know what it has to do with customers."),
                ask=_("What do people do who are let in and are never served?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of a queue in front of the counter that is longer than anybody's patience."),
            _("One sentence about those who wait in vain, one about those who can be served."),
        ),
    ),
)
