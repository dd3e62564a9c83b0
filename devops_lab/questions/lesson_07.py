"""The exercises of lesson 07, messages and coordination."""

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
    letter,
)
from devops_lab.translation import _

Order = dict[str, Any]


def _order(number: int, won: int = 4400) -> Order:
    return {"job": f"order {number}", "won": won}


_CASES = (
    Case(([_order(1)],), _("4400: one order, delivered once"), lambda gave: gave == 4400),
    Case(
        ([_order(1), _order(1)],),
        _("4400: the same order, delivered twice"),
        lambda gave: gave == 4400,
    ),
    Case(
        ([_order(1), _order(2, 5200), _order(1)],),
        _("9600: the first order comes again after another one"),
        lambda gave: gave == 9600,
    ),
    Case(
        ([_order(1), _order(2)],),
        _("8800: two orders that cost the same"),
        lambda gave: gave == 8800,
    ),
    Case(([],), _("0: nothing was delivered"), lambda gave: gave == 0),
)


def _failed(place: int, gave: Any) -> Callable[[Any], bool]:
    """A test of the first case that failed: whether it is this one (from 1) and gave that."""
    return lambda failed: (
        isinstance(failed, Failed) and failed.case is _CASES[place - 1] and failed.gave == gave
    )


# Example answers: functions as a learner writes them, each with its own mistake.


def _taken(deliveries: list[Order]) -> int:
    known, won = set(), 0
    for order in deliveries:
        if order["job"] not in known:
            known.add(order["job"])
            won += order["won"]
    return won


def _taken_by_name(deliveries: list[Order]) -> int:
    return sum({order["job"]: order["won"] for order in deliveries}.values())


def _taken_each_time(deliveries: list[Order]) -> int:
    return sum(order["won"] for order in deliveries)


def _taken_by_price(deliveries: list[Order]) -> int:
    return sum({order["won"] for order in deliveries})


def _taken_unless_as_before(deliveries: list[Order]) -> int:
    won, before = 0, None
    for order in deliveries:
        won += order["won"] if order["job"] != before else 0
        before = order["job"]
    return won


def _taken_from_the_first(deliveries: list[Order]) -> int:
    return deliveries[0]["won"]


def _counted(deliveries: list[Order]) -> int:
    return len({order["job"] for order in deliveries})


def _numbers(*wanted: float | None) -> Callable[[Any], bool]:
    """A test of a list of numbers: whether each is this one; None stands for any."""
    return lambda answer: (
        is_list_of(answer, len(wanted))
        and all(
            want is None or is_near(got, want, within=0.001)
            for got, want in zip(answer, wanted, strict=True)
        )
    )


def _promise(answer: Any) -> str:
    """The promise that was named, in English or Korean."""
    named = letter(answer).replace("-", " ")
    return {"최소 한 번": "at least once", "최대 한 번": "at most once"}.get(named, named)


def _log(
    promise: str | None = None, lease_s: float | None = None, enough_s: float | None = None
) -> Callable[[Any], bool]:
    """A test of what was read from the stranger's log; None stands for any."""
    return lambda answer: (
        is_list_of(answer, 3)
        and (promise is None or _promise(answer[0]) == promise)
        and _numbers(lease_s, enough_s)(list(answer[1:]))
    )


def _letters(answer: Any) -> set[str]:
    """The letters of several choices; nothing for what is no list."""
    return {letter(one) for one in answer} if isinstance(answer, (list, tuple, set)) else set()


_AGAIN_WORDS = re.compile(
    r"again|twice|second|two|both|another|repeat|silen|hear|answer|know|"
    r"다시|두 ?번|또|한 번 더|반복|중복|대답|응답|모[르릅]|몰[라랐]|소식|연락",
    re.IGNORECASE,
)
_JARGON = re.compile(
    r"idempoten|acknowledg|broker|at.least.once|at.most.once|lease|token|redeliver|"
    r"멱등|확인 응답|브로커|임대|재전달|토큰",
    re.IGNORECASE,
)


EXERCISES = (
    Exercise(
        id="07.taken",
        number=1,
        kind="mend",
        title=_("Take the money once"),
        is_right=callable,
        right_answers=(_taken, _taken_by_name),
        because=_(
            "An order is the same when its name is the same. The name is what has to be remembered."
        ),
        mistakes=(
            Mistake(
                answer=_taken_each_time,
                when=_failed(2, 8800),
                then=_("Then the customer pays twice, and calls you again."),
                ask=_("How can the function know that it has seen this order before?"),
            ),
            Mistake(
                answer=_taken_by_price,
                when=_failed(4, 4400),
                then=_("Then the second customer gets a tart for nothing."),
                ask=_("What do two orders of two customers not have in common?"),
            ),
            Mistake(
                answer=_taken_unless_as_before,
                when=_failed(3, 14000),
                then=_("Then a copy is only noticed when it comes right after the first."),
                ask=_("What could come in between while a lease runs out?"),
            ),
            Mistake(
                answer=_taken_from_the_first,
                when=_failed(3, 4400),
                then=_("Then only one customer of the day would pay."),
                ask=_("How many different orders were delivered?"),
            ),
            Mistake(
                answer=_counted,
                when=_failed(1, 1),
                then=_("That is how many orders there are. The baker wants to know the money."),
                ask=_("Which entry of an order has the money?"),
            ),
        ),
        otherwise=_("Which orders did you take money for, and which of them had been paid?"),
        hints=(
            _("Keep a set of the names that you have seen; it starts empty."),
            _("For each order: if its name is not in the set, add the name and take the money."),
        ),
        cases=_CASES,
    ),
    Exercise(
        id="07.lease",
        number=2,
        kind="compute",
        title=_("How long must a lease be?"),
        is_right=_numbers(10, 10.5),
        right_answers=([10, 10.5], (10.0, 10.5)),
        because=_(
            "The lease has to cover the slowest healthy work with both ways. And that is how long "
            "a customer waits when a worker really is dead."
        ),
        mistakes=(
            Mistake(
                answer=[9, 9.5],
                when=lambda answer: is_list_of(answer, 2) and is_near(answer[0], 9),
                then=_("Then the slowest work is done in time, but nobody has heard of it yet."),
                ask=_("What travels before the work begins, and what after it has ended?"),
            ),
            Mistake(
                answer=[9.5, 10],
                when=lambda answer: is_list_of(answer, 2) and is_near(answer[0], 9.5),
                then=_("Then one of the two messages would have to travel in no time."),
                ask=_("How many messages travel while the lease runs?"),
            ),
            Mistake(
                answer=[3, 3.5],
                when=lambda answer: is_list_of(answer, 2) and answer[0] in (2, 2.5, 3),
                then=_("Then every cake that takes longer than usual would be baked twice."),
                ask=_("Which work has to fit in: the usual, or the longest?"),
            ),
            Mistake(
                answer=[10, 10],
                when=_numbers(10, 10),
                then=_("Then the second worker would have the order the moment it is sent."),
                ask=_("What happens between the end of the lease and the second worker's start?"),
            ),
            Mistake(
                answer=[10, 20],
                when=_numbers(10, None),
                then=_("The lease is long enough. The wait is something else."),
                ask=_("Until when does the broker wait, and what happens right after that?"),
            ),
            Mistake(
                answer=[30, 30.5],
                when=lambda answer: is_list_of(answer, 2) and 10 < answer[0] <= 10_000,
                then=_("Then nothing comes twice, and a dead worker's customer waits longer."),
                ask=_("What is the shortest lease in which the slowest work still fits?"),
            ),
        ),
        otherwise=_("Which times lie between the sending of an order and its acknowledgement?"),
        hints=(
            _("Draw a line of time: the order travels, is worked on, the acknowledgement travels."),
            _("A dead worker says nothing, so the broker waits to the end, and sends once more."),
        ),
    ),
    Exercise(
        id="07.promise",
        number=3,
        kind="choose",
        title=_("Choose a promise, and defend it"),
        is_right=defends("b"),
        right_answers=(
            [
                "b",
                "A second message costs 30 won, a missing one a call of 1,500. The id costs more.",
            ],
            ("B", "문자가 두 번 가면 30원입니다. 한 번도 안 가면 전화가 옵니다."),
        ),
        because=_(
            "What a copy costs and what a loss costs decide, and not which promise sounds best."
        ),
        mistakes=(
            Mistake(
                answer=["a", "A customer hates two messages. One is enough."],
                when=chose("a"),
                then=_("Then a hundred customers a month would call and ask for their tart."),
                ask=_("What do those calls cost, and what would a hundred copies have cost?"),
            ),
            Mistake(
                answer=["c", "It is the cleanest. Nobody gets anything twice."],
                when=chose("c"),
                then=_("Then the baker would pay for a table that saves less than it costs."),
                ask=_("How many copies a month does it prevent, and at how much each?"),
            ),
            Mistake(
                answer=["b", "It is best."],
                when=chose("b"),
                then=_("Then the baker would ask what the others would have cost."),
                ask=_("Can you say the price of a copy and of a loss in two sentences?"),
            ),
        ),
        otherwise=_("Which of the letters a, b and c is it, and which two sentences defend it?"),
        hints=(
            _("One order in a hundred is hit. How many is that in a month?"),
            _("Work out what goes wrong in a month under each, and multiply by its price."),
        ),
    ),
    Exercise(
        id="07.log",
        number=4,
        kind="read",
        title=_("A stranger's log"),
        is_right=_log("at least once", 3, 5),
        right_answers=(["at least once", 3, 5], ("At-least-once", 3.0, 5.0), ["최소 한 번", 3, 5]),
        because=_(
            "Worker p was not dead, only slow, and the lease did not wait for it: the log of a "
            "double payment nearly always looks like this."
        ),
        mistakes=(
            Mistake(
                answer=["at most once", 3, 5],
                when=_log("at most once"),
                then=_("Then seat 7 would never have been delivered a second time."),
                ask=_("What stands before the acknowledgement in both workers' lines: the work?"),
            ),
            Mistake(
                answer=["at least once", 3.1, 5],
                when=lambda answer: _log()(answer) and 3 < answer[1] < 4,
                then=_("The broker counts from the moment at which it delivered the order."),
                ask=_("At which time was seat 7 delivered first, and when again?"),
            ),
            Mistake(
                answer=["at least once", 3, 4],
                when=_log(lease_s=3, enough_s=4),
                then=_("Then p would still be at work when its lease ran out, and q would begin."),
                ask=_("When was p's acknowledgement there?"),
            ),
            Mistake(
                answer=["at least once", 3, 4.2],
                when=_log(lease_s=3, enough_s=4.2),
                then=_("That is exactly how long p took; a lease of that length leaves to luck."),
                ask=_("Which whole number of seconds is the first one above it?"),
            ),
            Mistake(
                answer=["exactly once", 3, 5],
                when=_log("exactly once"),
                then=_("Then the second payment would not stand in the log."),
                ask=_("How many of the lines say paid?"),
            ),
        ),
        otherwise=_("What happens to seat 7, line by line, and who knows of whom?"),
        hints=(
            _("Follow p alone: when does it begin, when does it end?"),
            _("Redelivered means that a lease has run out. Whose, and since when did it run?"),
        ),
    ),
    Exercise(
        id="07.explain",
        number=5,
        kind="explain",
        title=_("Answer the customer"),
        is_right=explains(_AGAIN_WORDS, without=_JARGON),
        right_answers=(
            "The one who served you fell silent after taking the money. We could not know that, so "
            "somebody else did it again. You get one payment back.",
            "직원이 돈을 받고 나서 쓰러졌습니다. 저희는 그것을 모르고 다시 받았습니다.",
        ),
        because=_(
            "The check saw two sentences without a word of the trade. Whether they comfort "
            "anybody, only a customer can say."
        ),
        mistakes=(
            Mistake(
                answer="We are sorry.",
                when=is_brief,
                then=_("Then the customer would not know whether it will happen tomorrow as well."),
                ask=_("Can you say in a second sentence how it came about?"),
            ),
            Mistake(
                answer="The broker got no acknowledgement. So it was sent again to a worker.",
                when=lambda text: isinstance(text, str) and bool(_JARGON.search(text)),
                then=_("Then the customer would have to look up some of your words."),
                ask=_("How would you tell it about two people behind a counter?"),
            ),
            Mistake(
                answer="The computer made a mistake. It will not be like that in the future.",
                when=lambda text: isinstance(text, str) and not _AGAIN_WORDS.search(text),
                then=_("Then the customer would ask which mistake, and why just with this order."),
                ask=_("What did the shop not hear, and what did it do then?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of two people behind the counter, one of whom faints with the money in hand."),
            _("One sentence about what nobody could know, one about what was done then."),
        ),
    ),
    Exercise(
        id="07.park",
        number=6,
        kind="transfer",
        title=_("The car park"),
        is_right=lambda answer: _letters(answer) == {"b", "d"},
        right_answers=(["b", "d"], ("D", "B"), {"b", "d"}),
        because=_(
            "A message that says how it is may come twice. One that says what to change needs an "
            "id, and a memory. So send the first kind where you can."
        ),
        mistakes=(
            Mistake(
                answer=["a", "b", "d"],
                when=lambda answer: "a" in _letters(answer),
                then=_("Then car 17 would pay 2,000 won too much."),
                ask=_("What is the bill after the first copy, and what after the second?"),
            ),
            Mistake(
                answer=["b", "c", "d"],
                when=lambda answer: "c" in _letters(answer),
                then=_("Then the sign at the gate would promise a place that there is not."),
                ask=_("How many free places does the sign show after the second copy?"),
            ),
            Mistake(
                answer=["b"],
                when=lambda answer: _letters(answer) in ({"b"}, {"d"}),
                then=_("Then you would guard a message that needs no guard."),
                ask=_("For which other letter is all the same after the second copy?"),
            ),
        ),
        otherwise=_("For each letter: is all the same after the second copy as after the first?"),
        hints=(
            _("Idempotent: done twice, it has the same result as done once."),
            _("Two of the messages say what to change. The others say how it is."),
        ),
    ),
)
