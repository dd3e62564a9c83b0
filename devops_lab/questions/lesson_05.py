"""The exercises of lesson 05, scaling up and out."""

import re
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Case, Exercise, Failed, Mistake
from devops_lab.questions.answers import chose, defends, is_brief, is_list_of, is_near, sentences
from devops_lab.signed_cookie import Session, readable, signed, verified
from devops_lab.translation import _

_SECRET = "flour and moonlight"
_MINA = {"name": "Mina", "is_baker": False}
_BAKER = {"name": "Mina", "is_baker": True}
_HONEST = signed(_MINA, _SECRET)
# The text of one cookie with the signature of another: changed after it was signed.
_CHANGED = f"{signed(_BAKER, _SECRET).partition('.')[0]}.{_HONEST.partition('.')[2]}"

_ITS_SESSION = _("the session that is in the cookie")
_NOBODY = _("None, as the signature is not the shop's")

_CASES = (
    Case((_HONEST, _SECRET), _ITS_SESSION, lambda gave: gave == _MINA),
    Case((signed(_BAKER, "a guess"), _SECRET), _NOBODY, lambda gave: gave is None),
    Case((_CHANGED, _SECRET), _NOBODY, lambda gave: gave is None),
    Case((signed(_BAKER, "salt"), "salt"), _ITS_SESSION, lambda gave: gave == _BAKER),
)


# Example answers: functions as a learner writes them, each with its own mistake.


def _careful(cookie: str, secret: str) -> Session | None:
    session = readable(cookie)
    return session if signed(session, secret) == cookie else None


def _careless(cookie: str, secret: str) -> Session | None:
    return readable(cookie)


def _closed(cookie: str, secret: str) -> Session | None:
    return None if secret else readable(cookie)


def _yes_or_no(cookie: str, secret: str) -> bool:
    return signed(readable(cookie), secret) == cookie


def _one_secret(cookie: str, secret: str) -> Session | None:
    return _careful(cookie, _SECRET)


def _went_wrong(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A test of what the first failed call gave."""
    return lambda failed: isinstance(failed, Failed) and test(failed)


def _bought(*things: str) -> Callable[[Any], bool]:
    wanted = [*things]
    return lambda answer: (
        is_list_of(answer, 3) and [thing.strip().lower() for thing in answer] == wanted
    )


_MEMORY_WORDS = re.compile(
    r"remember|know|knows|forget|forgot|memory|note|seen|met|log(?:ged|s)? (?:in|out)|session|"
    r"기억|모르|모릅|몰라|몰랐|잊|알아|알고|적어|적힌|기록|세션|로그인|메모",
    re.IGNORECASE,
)


EXERCISES = (
    Exercise(
        id="05.careful",
        number=1,
        kind="mend",
        title=_("The careless server"),
        is_right=callable,
        cases=_CASES,
        right_answers=(_careful, verified),
        because=_(
            "Sign what the cookie says once more and compare: only who has the secret could have "
            "made the same signature."
        ),
        mistakes=(
            Mistake(
                answer=_careless,
                when=_went_wrong(lambda failed: failed.gave == _BAKER),
                then=_("Then anybody who can write a cookie is the baker, prices and all."),
                ask=_("What would the signature be if the shop itself had made this cookie?"),
            ),
            Mistake(
                answer=_yes_or_no,
                when=_went_wrong(lambda failed: failed.gave is True),
                then=_("Then the shop would know that the cookie is honest, but not whose it is."),
                ask=_("What does the page need in order to say good morning?"),
            ),
            Mistake(
                answer=_one_secret,
                when=_went_wrong(lambda failed: failed.case is _CASES[3] and failed.gave is None),
                then=_("Then a shop with another secret would log all its visitors out."),
                ask=_("With which secret does your function sign?"),
            ),
            Mistake(
                answer=_closed,
                when=_went_wrong(lambda failed: failed.case is _CASES[0] and failed.gave is None),
                then=_("Then the shop is safe, and nobody can ever log in."),
                ask=_("Which cookie has the right signature?"),
            ),
        ),
        otherwise=_(
            "What does your function do with an honest cookie, and what with a forged one?"
        ),
        hints=(
            _("readable(cookie) gives the session, believed or not."),
            _("What does signed(session, secret) give for the session that you have read?"),
        ),
    ),
    Exercise(
        id="05.wall",
        number=2,
        kind="read",
        title=_("A stranger's wall"),
        is_right=_bought("cpu", "memory", "disk"),
        right_answers=(["cpu", "memory", "disk"], ("CPU", "memory", "disk")),
        because=_(
            "B and C look alike on the wall. What is read again and again can be kept in memory; "
            "what must be written has to reach the disk each time."
        ),
        mistakes=(
            Mistake(
                answer=["cpu", "disk", "disk"],
                when=_bought("cpu", "disk", "disk"),
                then=_(
                    "Then B reads twice as fast what it would not have to read at all with more "
                    "room in memory."
                ),
                ask=_("Why does B ask its disk, and why does C?"),
            ),
            Mistake(
                answer=["cpu", "memory", "memory"],
                when=_bought("cpu", "memory", "memory"),
                then=_("Then C's payments would still have to be on the disk before it promises."),
                ask=_("Can a payment be safe that is only in memory?"),
            ),
            Mistake(
                answer=["cpu", "disk", "memory"],
                when=_bought("cpu", "disk", "memory"),
                then=_("Then what is read comes from a quicker disk, and what is written waits."),
                ask=_("Which of the two kinds of work does more memory save?"),
            ),
            Mistake(
                answer=["disk", "cpu", "cpu"],
                when=lambda things: is_list_of(things, 3) and things[0].strip().lower() != "cpu",
                then=_("Then A computes as slowly as before."),
                ask=_("Which resource of A is busy nearly all the time?"),
            ),
            Mistake(
                answer=["cpu", "cpu", "cpu"],
                when=lambda things: "cpu" in [thing.strip().lower() for thing in things[1:]],
                then=_("Then you have paid for a CPU that is idle most of the time."),
                ask=_("What are the CPUs of B and C waiting for?"),
            ),
        ),
        otherwise=_("Which resource is busy in each machine, and what does it do there?"),
        hints=(
            _("First find what is busy nearly all the time."),
            _("Then read the last column: what is read could be kept, what is written could not."),
        ),
    ),
    Exercise(
        id="05.choose",
        number=3,
        kind="choose",
        title=_("A fleet that may lose one"),
        is_right=defends("c"),
        right_answers=(
            ["c", "Two of three are left and quick enough. The session is with the visitor."],
            (
                "C",
                "한 대가 죽어도 두 대가 남습니다. 세션은 손님에게 있습니다.",
            ),
        ),
        because=_(
            "It is the cheapest that keeps both promises. Whether your two sentences convince the "
            "baker, only the baker can say."
        ),
        mistakes=(
            Mistake(
                answer=["a", "One machine is simple. It is quick enough."],
                when=chose("a"),
                then=_("Then the day that machine dies the shop is closed."),
                ask=_("How many machines are left when one of them dies?"),
            ),
            Mistake(
                answer=["b", "It is the cheapest. Sticky sessions cost nothing."],
                when=chose("b"),
                then=_("Then a third of the visitors are logged out, and their baskets are empty."),
                ask=_("Where are the sessions of the machine that has died?"),
            ),
            Mistake(
                answer=["d", "A store is what big shops have. Two machines are enough."],
                when=chose("d"),
                then=_(
                    "Then the shop pays for a store that the other way does without, and when the "
                    "store's machine dies nobody is known."
                ),
                ask=_("Which of the ways needs no machine for the sessions at all?"),
            ),
            Mistake(
                answer=["c", "It is enough."],
                when=chose("c"),
                then=_("Then the baker would ask: how do you know, and why not a cheaper one?"),
                ask=_("Can you answer both, in two sentences?"),
            ),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("Take one machine away from each fleet. Which are still quick enough?"),
            _("Of those: whose visitors lose their sessions with the machine?"),
        ),
    ),
    Exercise(
        id="05.library",
        number=4,
        kind="transfer",
        title=_("Counting the library"),
        is_right=lambda hours: is_near(hours, 1.5),
        right_answers=(1.5, 1 + 6 / 12),
        because=_(
            "Two measurements are enough for two unknowns, and a third one would check them."
        ),
        mistakes=(
            Mistake(
                answer=7 / 12,
                when=lambda hours: is_near(hours, 7 / 12, 0.02),
                then=_("Then three people would have needed little more than two hours."),
                ask=_("How long did three people really take, and why so long?"),
            ),
            Mistake(
                answer=0.75,
                when=lambda hours: is_near(hours, 0.75),
                then=_("Then four times the people would be four times as fast."),
                ask=_("Was the step from one person to three as good as that?"),
            ),
            Mistake(
                answer=0.5,
                when=lambda hours: is_near(hours, 0.5),
                then=_("That is the part that can be split, shared by twelve."),
                ask=_("And the part that cannot be split?"),
            ),
            Mistake(
                answer=1,
                when=lambda hours: is_near(hours, 1),
                then=_("That is what no number of people would get below."),
                ask=_("How long do twelve people take for the part that is split?"),
            ),
        ),
        otherwise=_("How many of the seven hours can be split, and how many cannot?"),
        hints=(
            _("Call the two parts serial and split. What is serial + split, and serial + split/3?"),
            _("Subtract one from the other: two thirds of the split part are four hours."),
        ),
    ),
    Exercise(
        id="05.explain",
        number=5,
        kind="explain",
        title=_("Explain it to the baker"),
        is_right=lambda text: len(sentences(text)) >= 2 and bool(_MEMORY_WORDS.search(text)),
        right_answers=(
            "The first server remembers who is there, the second has never met them. "
            "So that memory has to move to a place that both can ask.",
            "첫 번째 서버만 손님을 기억합니다. 그래서 그 기억을 함께 볼 곳으로 옮겨야 합니다.",
        ),
        because=_(
            "The check saw two sentences that speak of remembering. Whether the baker understands "
            "them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="The second server does not know them.",
                when=is_brief,
                then=_("Then the baker would ask: and what do we do about it?"),
                ask=_("Can you say that in a second sentence?"),
            ),
            Mistake(
                answer="Two servers are hard. It needs an engineer.",
                when=lambda text: isinstance(text, str) and not _MEMORY_WORDS.search(text),
                then=_("Then the baker knows as much as before, and buys the server."),
                ask=_("Think of two shop assistants: what does only one of them know?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of two assistants at the counter, and a customer who ordered with one."),
            _("One sentence about who knows what, one about where to write it down."),
        ),
    ),
)
