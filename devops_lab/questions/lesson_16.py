"""The exercises of lesson 16, usage and experiments."""

import re
from collections.abc import Callable
from typing import Any

from devops_lab.keyed_hash import place_of
from devops_lab.questions import Case, Exercise, Failed, Mistake
from devops_lab.questions.answers import (
    a_letter_alone,
    chose,
    defends,
    explains,
    is_brief,
    is_near,
    letter,
    told_in_jargon,
)
from devops_lab.translation import _

_JARGON = re.compile(
    r"signific|p-value|p value|interval|sample|peek|A/B|hypothes|false positive|"
    r"유의|신뢰 구간|표본|가설|엿보",
    re.IGNORECASE,
)
_LUCK = re.compile(
    r"luck|chance|coin|dice|accident|random|by itself|same page|identical|"
    r"우연|운|동전|주사위|같은",
    re.IGNORECASE,
)


def _says(word: str) -> Callable[[Any], bool]:
    """A test of verdicts, however they were typed."""
    return lambda answer: letter(answer) == word


# The variant of a user: a small share, a large one, and one user at both.

_BY_PLACE = {user: place_of(user, "prices") for user in ("mina", "jun", "sora", "ho", "yuna")}
_FIRST = min(_BY_PLACE, key=_BY_PLACE.get)
_LAST = max(_BY_PLACE, key=_BY_PLACE.get)
_BETWEEN = (_BY_PLACE[_FIRST] + sorted(_BY_PLACE.values())[1]) / 2


def _case(user: str, share_b: float, wanted: str, why: str) -> Case:
    return Case((user, share_b), f'"{wanted}": {why}', lambda given: given == wanted)


_CASES = (
    _case(_LAST, 0.0, "A", _("nobody sees B")),
    _case(_LAST, 1.0, "B", _("everybody sees B")),
    *(
        _case(user, 0.5, "B" if place < 0.5 else "A", _("it is what the servers show this user"))
        for user, place in _BY_PLACE.items()
    ),
    _case(_FIRST, _BETWEEN, "B", _("this user's place is below the share")),
    _case(_FIRST, 0.9, "B", _("who sees B goes on seeing it when the share grows")),
)

# Example answers: functions as a learner writes them, each with its own mistake.


def _by_place(user: str, share_b: float) -> str:
    return "B" if place_of(user, "prices") < share_b else "A"


def _other_experiment(user: str, share_b: float) -> str:
    return "B" if place_of(user) < share_b else "A"


def _other_way_round(user: str, share_b: float) -> str:
    return "A" if place_of(user, "prices") < share_b else "B"


def _always_half(user: str, share_b: float) -> str:
    return "B" if place_of(user, "prices") < 0.5 else "A"


def _only_shown(user: str, share_b: float) -> None:
    "B" if place_of(user, "prices") < share_b else "A"  # noqa: B018


def _at_share(share_b: float) -> Callable[[Failed], bool]:
    return lambda failed: failed.case.arguments[1] == share_b


EXERCISES = (
    Exercise(
        id="16.days",
        number=1,
        kind="compute",
        title=_("How many days"),
        is_right=lambda days: is_near(days, 11, 0.001),
        right_answers=(11, 11.0),
        because=_(
            "Each version needs about 8,200 users, both together twice as many, at 1,600 a day. "
            "Better still are whole weeks: two."
        ),
        mistakes=(
            Mistake(
                answer=6,
                when=lambda days: is_near(days, 6) or is_near(days, 5.1, 0.02),
                then=_("Then each version would have only half of the users that it needs."),
                ask=_("Of the 1,600 users of a day, how many see version B?"),
            ),
            Mistake(
                answer=10.2,
                when=lambda days: is_near(days, 10.2, 0.005),
                then=_("On that day you would look before all users have come."),
                ask=_("After how many whole days have all of them come?"),
            ),
            Mistake(
                answer=10,
                when=lambda days: is_near(days, 10, 0.001),
                then=_("Then a few hundred users would be missing on the evening you look."),
                ask=_("Ten times 1,600 users: is that enough for both versions?"),
            ),
            Mistake(
                answer=1,
                when=lambda days: isinstance(days, (int, float)) and days <= 2,
                then=_("Then a difference as large as the whole share would be meant."),
                ask=_("How large is one point of a hundred, written as a share?"),
            ),
            Mistake(
                answer=8158,
                when=lambda days: is_near(days, 8158) or is_near(days, 16316),
                then=_("That is how many users it takes."),
                ask=_("How many of them come on a day?"),
            ),
        ),
        otherwise=_("How many users does each version need, and how many come to it in a day?"),
        hints=(
            _("One point of a hundred is 0.01, and today's share is 0.05."),
            _("There are two versions. Divide all users by those of a day, and round up."),
        ),
    ),
    Exercise(
        id="16.mend",
        number=2,
        kind="mend",
        title=_("Another page at every click"),
        is_right=callable,
        cases=_CASES,
        right_answers=(_by_place,),
        because=_("A user has one place in the experiment; only the share moves."),
        mistakes=(
            Mistake(
                answer=_only_shown,
                when=lambda failed: failed.gave is None and failed.raised is None,
                then=_("Then the server would not know which page to show."),
                ask=_("Does your function return the letter?"),
            ),
            Mistake(
                answer=_other_way_round,
                when=_at_share(0.0),
                then=_("Then at a share of 0 somebody would see the new version."),
                ask=_("On which side of the share do the users of B have their place?"),
            ),
            Mistake(
                answer=_always_half,
                when=lambda failed: failed.case.arguments[1] in (1.0, _BETWEEN, 0.9),
                then=_("Then a ramp could not be moved: half of the users would always see B."),
                ask=_("With what must the place be compared?"),
            ),
            Mistake(
                answer=_other_experiment,
                when=_at_share(0.5),
                then=_("Then your server would show this user another version than the others do."),
                ask=_("Which key stands for this experiment, and does your function use it?"),
            ),
        ),
        otherwise=_("Where is this user's place in the experiment, and is it below the share?"),
        hints=(
            _("place_of(user, key=...) gives the same number on every server."),
            _("Which word is the key in the experiment “prices”? Compare with share_b."),
        ),
    ),
    Exercise(
        id="16.stranger",
        number=3,
        kind="read",
        title=_("A stranger's table"),
        is_right=_says("a"),
        right_answers=("a", "A"),
        because=_(
            "It had the planned users, equal halves and one look. Even so, one in twenty such "
            "results is luck."
        ),
        mistakes=(
            Mistake(
                answer="b",
                when=_says("b"),
                then=_("Then one lucky evening would decide: it ended because it looked good."),
                ask=_("When was it to be looked at, and with how many users?"),
            ),
            Mistake(
                answer="c",
                when=_says("c"),
                then=_("Then 600 users of B who are missing would not matter to you."),
                ask=_("If chance drew the halves, how likely are 4,000 and 3,400?"),
            ),
            Mistake(
                answer="d",
                when=_says("d"),
                then=_("Then one of twenty throws of a die with twenty sides would surprise you."),
                ask=_("How many of twenty measures win by luck alone?"),
            ),
        ),
        otherwise=_("Which of the letters a, b, c and d is it?"),
        hints=(
            _("Three of them break something that stands under Where it breaks, or is peeking."),
            _("Compare each row with its plan: users, equal halves, one look, one measure."),
        ),
    ),
    Exercise(
        id="16.choose",
        number=4,
        kind="choose",
        title=_("An experiment before the holiday"),
        is_right=defends("b"),
        right_answers=(
            ["b", "Five points need 1,100 users of each version. In 14 days 2,100 of each come."],
            ("B", "5 점 차이는 이 인원으로 찾을 수 있습니다. 마지막에 한 번만 봅니다."),
        ),
        because=_("Whether your two sentences convince the baker, only the baker can say."),
        mistakes=(
            Mistake(
                answer=["a", "A colour is quickly changed. It costs nothing."],
                when=chose("a"),
                then=_("Then you would need more than 25,000 users of each version to find it."),
                ask=_("How many users does one point want, and how many come?"),
            ),
            Mistake(
                answer=["c", "We may be done sooner. Each day counts."],
                when=chose("c"),
                then=_("Then in one of five cases you would find a winner that is none."),
                ask=_("How many looks are that, at which level each?"),
            ),
            Mistake(
                answer=["d", "Nobody is harmed. We are careful."],
                when=chose("d"),
                then=_("Then 42 users would decide for everybody."),
                ask=_("How many users of B would you have after 14 days?"),
            ),
            Mistake(
                answer=["b", "It is best."],
                when=chose("b"),
                then=_("Then the baker would ask: best for what?"),
                ask=_("Can you say in two sentences what it can find, and why you look once?"),
            ),
            a_letter_alone("b"),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("users_needed(0.20, 0.05) and users_needed(0.20, 0.01): which of them can you have?"),
            _("Then ask of each plan how often it looks, and how many users see B."),
        ),
    ),
    Exercise(
        id="16.clinic",
        number=5,
        kind="transfer",
        title=_("The clinic's message"),
        is_right=_says("held"),
        right_answers=("held", "Held"),
        because=_(
            "12 % turned into 9 %: 3 points fewer, as it was written. But from 0.3 to 5.7 all fit: "
            "it may be next to nothing, or nearly a half."
        ),
        mistakes=(
            Mistake(
                answer="otherwise",
                when=_says("otherwise"),
                then=_("Then the clinic would have hoped for more who miss their appointment."),
                ask=_("Which sign has a change to fewer, and which of the counts is A?"),
            ),
            Mistake(
                answer="refuted",
                when=_says("refuted"),
                then=_("Then no change would have been found, and none of this size would fit."),
                ask=_("Is zero inside the interval?"),
            ),
            Mistake(
                answer="undecided",
                when=_says("undecided"),
                then=_("Then no change at all would have to fit, too."),
                ask=_("Between which two numbers lies what fits?"),
            ),
        ),
        otherwise=_("Which of the four verdicts does judge_hypothesis give?"),
        hints=(
            _("The hypothesis is a relative change, and fewer has a minus: -0.25."),
            _("A is without a message, B with one. The verdict is a word of the answer."),
        ),
    ),
    Exercise(
        id="16.explain",
        number=6,
        kind="explain",
        title=_("Explain it to the baker"),
        is_right=explains(_LUCK, without=_JARGON),
        right_answers=(
            "Both halves saw the same page, so the lead was luck. If one looks every evening, luck "
            "gets ten chances.",
            "두 쪽은 같은 화면을 보았습니다. 매일 보면 언젠가는 우연히 앞서는 날이 옵니다.",
        ),
        because=_(
            "The check saw two sentences that speak of luck, or of the same page. Whether the "
            "baker understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="It was luck.",
                when=is_brief,
                then=_("Then the baker would ask: and how do you know?"),
                ask=_("Can you say in a second sentence what looking every evening does?"),
            ),
            told_in_jargon("It was significant by chance. We were peeking every day.", _JARGON),
            Mistake(
                answer="The banner is not good. We should make a better one.",
                when=lambda text: isinstance(text, str) and not _LUCK.search(text),
                then=_("Then somebody would work for weeks on a banner that nobody has seen."),
                ask=_("Which pages did the two halves see, and what made one of them lead?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of a coin that is tossed every evening until heads is ahead."),
            _("One sentence about luck, one about looking every day."),
        ),
    ),
)
