"""The exercises of lesson 06, balancing and autoscaling."""

import re
from collections.abc import Callable
from typing import Any

from devops_lab.autoscaler import Look
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

Rule = Callable[[Look], int]


def _words(answers: Any) -> list[str]:
    return [letter(answer).replace("-", " ") for answer in answers]


def _said(place: int, *words: str) -> Callable[[Any], bool]:
    """A test of three short answers: whether this one (1 to 3) is one of these words."""
    return lambda answers: is_list_of(answers, 3) and _words(answers)[place - 1] in words


_NIGHTS = ["flapping", "bottleneck", "slow start"]

_TIME_WORDS = re.compile(
    r"slow|ill|sick|long|line|queue|wait|late|tired|fast|quick|speed|"
    r"느[리린려렸립]|아[프픈파팠픕]|고장|줄|기다|오래|늦|대기|밀[리려렸]",
    re.IGNORECASE,
)
_JARGON = re.compile(
    r"latenc|round robin|polic|balanc|health check|\bp9[59]\b|utili[sz]|capacit|server-?1|"
    r"라운드|로드 밸런|지연 시간|상태 확인|정책",
    re.IGNORECASE,
)


def _look(ready: int, busy: float, starting: int = 0) -> Look:
    return Look(1.0, (busy,) * ready, (1.0,) * ready, (0.1,) * ready, starting)


_BUSY = Case(
    (_look(2, 0.7),),
    _("3, for 2 servers that are 70 % busy"),
    lambda gave: gave == 3,
)
_ORDERED = Case(
    (_look(2, 0.8, starting=3),),
    _("3, for 2 servers that are 80 % busy while three more are starting"),
    lambda gave: gave == 3,
)
_QUIET = Case(
    (_look(4, 0.1),),
    _("1, for 4 servers that are 10 % busy"),
    lambda gave: gave == 1,
)
_NOTHING = Case(
    (_look(2, 0.0),),
    _("1, for 2 servers that have nothing to do"),
    lambda gave: gave == 1,
)


# Example answers: functions as a learner writes them, each with its own mistake.


def _mended(look: Look) -> int:
    return max(1, -int(-look.ready * look.mean("utilisation") // 0.6))


def _ordered_again(look: Look) -> int:
    missing = _mended(look) - look.ready
    return max(1, look.ready + look.starting + missing)


def _busy_before_they_work(look: Look) -> int:
    return max(1, -int(-look.servers * look.mean("utilisation") // 0.6))


def _rounded_down(look: Look) -> int:
    return max(1, int(look.ready * look.mean("utilisation") / 0.6))


def _closed_at_night(look: Look) -> int:
    return -int(-look.ready * look.mean("utilisation") // 0.6)


def _never_rounded(look: Look) -> float:
    return max(1, look.ready * look.mean("utilisation") / 0.6)


def _silent(look: Look) -> None:
    _mended(look)


EXERCISES = (
    Exercise(
        id="06.minute",
        number=1,
        kind="compute",
        title=_("After one minute"),
        is_right=lambda seconds: is_near(seconds, 48, within=0.03),
        right_answers=(48, 48.0, (60 * 15 - 60 / 0.12) * 0.12),
        because=_(
            "400 stand before you, and the wait grows by most of a second in every second, as "
            "long as the balancer is fair."
        ),
        mistakes=(
            Mistake(
                answer=400,
                when=lambda seconds: is_near(seconds, 400),
                then=_("That is how many stand before you, a fine step on the way."),
                ask=_("How long does the sick server need for each of them?"),
            ),
            Mistake(
                answer=108,
                when=lambda seconds: is_near(seconds, 108),
                then=_("Then nobody would have been answered in that whole minute."),
                ask=_("How many of those who came did the sick server answer meanwhile?"),
            ),
            Mistake(
                answer=16,
                when=lambda seconds: is_near(seconds, 16),
                then=_("Then the sick server would be as quick as the others."),
                ask=_("How long does *this* server need for one request?"),
            ),
            Mistake(
                answer=400 / 15,
                when=lambda seconds: is_near(seconds, 400 / 15),
                then=_("Then the queue would be cleared as quickly as customers come."),
                ask=_("At which speed does a queue get shorter: of those who come, or who go?"),
            ),
            Mistake(
                answer=60,
                when=lambda seconds: is_near(seconds, 60),
                then=_("Then somebody who came at the start would still not be answered."),
                ask=_("How many came in that minute, and how many of them went?"),
            ),
            Mistake(
                answer=48_000,
                when=lambda seconds: is_near(seconds, 48_000),
                then=_("Then you would wait until the evening."),
                ask=_("In which unit is your answer?"),
            ),
        ),
        otherwise=_("How many came in the minute, how many went, and how long does each take?"),
        hints=(
            _("Count those who came in the minute, and those who could be answered in it."),
            _("The difference stands before you. Each of them takes 0.12 s."),
        ),
    ),
    Exercise(
        id="06.mend",
        number=2,
        kind="mend",
        title=_("Ordered again and again"),
        is_right=callable,
        cases=(_BUSY, _ORDERED, _QUIET, _NOTHING),
        right_answers=(_mended,),
        because=_(
            "The load says how many servers are wanted in all. Whether some of them are still on "
            "their way does not change that."
        ),
        mistakes=(
            Mistake(
                answer=_ordered_again,
                when=lambda failed: failed.case is _ORDERED and failed.gave == 6,
                then=_("Then at each look one more would be ordered, until the first is ready."),
                ask=_("Is the number that the load wants larger because one is on its way?"),
            ),
            Mistake(
                answer=_busy_before_they_work,
                when=lambda failed: failed.case is _ORDERED and failed.gave == 7,
                then=_("Then a server that does not work yet would count as 80 % busy."),
                ask=_("Which servers carry the load that you see?"),
            ),
            Mistake(
                answer=_rounded_down,
                when=lambda failed: failed.case is _BUSY and failed.gave == 2,
                then=_("Then they would stay busier than the target, for ever."),
                ask=_("The formula wants 2.33 servers. How many whole ones are enough?"),
            ),
            Mistake(
                answer=_closed_at_night,
                when=lambda failed: failed.gave == 0,
                then=_("Then the shop would close at night, and nobody could open it again."),
                ask=_("What does the formula give when nothing is to be done?"),
            ),
            Mistake(
                answer=_never_rounded,
                when=lambda failed: isinstance(failed.gave, float),
                then=_("Then somebody would have to start a part of a server."),
                ask=_("Which whole number of servers is enough?"),
            ),
            Mistake(
                answer=_silent,
                when=lambda failed: failed.gave is None and failed.raised is None,
                then=_("Then the autoscaler would be told nothing at all."),
                ask=_("Does your function return its number?"),
            ),
        ),
        otherwise=_("How many servers does the load want, whether they are there yet or not?"),
        hints=(
            _("The mistake is in the last line of the rule, not in the first."),
            _("wanted is right as it is, but for the night."),
        ),
    ),
    Exercise(
        id="06.choose",
        number=3,
        kind="choose",
        title=_("Two that look alike"),
        is_right=defends("c"),
        right_answers=(
            ["c", "It keeps the promise for 72 €. With turns the same machines miss it."],
            ("C", "같은 서버라도 가장 짧은 줄로 보내면 약속을 지킵니다. 가격도 가장 쌉니다."),
        ),
        because=_(
            "The same machines, the same price: the policy alone keeps the promise. Whether your "
            "two sentences convince the baker, only the baker can say."
        ),
        mistakes=(
            Mistake(
                answer=["b", "It is the cheapest. The formula says that two are enough."],
                when=chose("b"),
                then=_("Then the promise would be missed, by not even a tenth."),
                ask=_("What does the simulation say when the balancer does not look?"),
            ),
            Mistake(
                answer=["a", "Four servers are safer than two. They are cheap."],
                when=chose("a"),
                then=_("Then one of 100 customers would wait half as long again as promised."),
                ask=_("What happens to who is sent to a busy server while another one is idle?"),
            ),
            Mistake(
                answer=["d", "It is the fastest. One queue is the best."],
                when=chose("d"),
                then=_("Then the promise is kept, for twice the money."),
                ask=_("Is there a cheaper one that keeps it as well?"),
            ),
            Mistake(
                answer=["c", "It is enough."],
                when=chose("c"),
                then=_("Then the baker would ask: how do you know, and why not turns?"),
                ask=_("Can you answer both, in two sentences?"),
            ),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("Call p99_ms for each: with its servers, its workers and its balancer."),
            _("Strike out those above 220; of the others, take the cheapest."),
        ),
    ),
    Exercise(
        id="06.read",
        number=4,
        kind="read",
        title=_("A stranger's night"),
        is_right=lambda words: _words(words) == _NIGHTS,
        right_answers=(_NIGHTS, ("Flapping", " bottleneck", "SLOW-START")),
        because=_(
            "Steady load and servers that come and go; more servers and longer waits; a load that "
            "is there before its servers are."
        ),
        mistakes=(
            Mistake(
                answer=["slow start", "bottleneck", "flapping"],
                when=_said(1, "slow start"),
                then=_("Then A's servers would come late. They come, and go, at every look."),
                ask=_("What does A's load do, and what do A's servers do?"),
            ),
            Mistake(
                answer=["bottleneck", "flapping", "slow start"],
                when=_said(1, "bottleneck"),
                then=_("Then six servers would not help A, and with six the p95 is good."),
                ask=_("When is A's p95 good, and why does it not stay so?"),
            ),
            Mistake(
                answer=["flapping", "slow start", "bottleneck"],
                when=_said(2, "slow start"),
                then=_("Then B would get better once the servers are there. Twelve are there."),
                ask=_("What does B's p95 do while its servers become more?"),
            ),
            Mistake(
                answer=["flapping", "too few allowed", "slow start"],
                when=_said(2, "too few allowed"),
                then=_("Then the next servers would bring relief to B. The last ten did not."),
                ask=_("Where could the time go that more servers do not save?"),
            ),
            Mistake(
                answer=["flapping", "bottleneck", "too few allowed"],
                when=_said(3, "too few allowed"),
                then=_("Then C would have stayed at two. At the fifth look there are six."),
                ask=_("When did C's load grow, and when did its servers?"),
            ),
            Mistake(
                answer=["flapping", "bottleneck", "bottleneck"],
                when=_said(3, "bottleneck"),
                then=_("Then more servers would not have helped C. Look at its last column."),
                ask=_("What does C's p95 do when the servers are there at last?"),
            ),
        ),
        otherwise=_("For each: what does the load do, what do the servers, and does it help?"),
        hints=(
            _("Look at the first line of each: is the load steady, or does it grow?"),
            _("Then look whether the p95 is better where there are more servers."),
        ),
    ),
    Exercise(
        id="06.explain",
        number=5,
        kind="explain",
        title=_("Answer the woman at the counter"),
        is_right=explains(_TIME_WORDS, without=_JARGON),
        right_answers=(
            "One of four helpers was ill and slow, but got as many customers as the others. So "
            "everybody sent there stood in a long line.",
            "네 명 중 한 명이 아파서 느렸습니다. 그래도 손님을 똑같이 보내서 그 줄만 길어졌습니다.",
        ),
        because=_(
            "The check saw two sentences that speak of somebody slow, or of waiting. Whether she "
            "understands them, only she can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="One of them was slow.",
                when=is_brief,
                then=_("Then she would ask: and why did it get as many customers as the others?"),
                ask=_("Can you say in a second sentence what sharing evenly did to that one?"),
            ),
            told_in_jargon(
                "The round robin policy overloaded one node. Its latency was long.",
                _JARGON,
            ),
            Mistake(
                answer="There were too many customers. We need more servers.",
                when=lambda text: isinstance(text, str) and not _TIME_WORDS.search(text),
                then=_(
                    "Then a fifth server would be bought, and the ill one would keep its share."
                ),
                ask=_("What was different about the one in four?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of four tills in a shop, one with a cashier who has a broken arm."),
            _("One sentence about that one, one about what sharing evenly did to its line."),
        ),
    ),
)
