"""The exercises of lesson 13, metrics."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from devops_lab.questions import Case, Exercise, Failed, Mistake
from devops_lab.questions.answers import (
    a_letter_alone,
    chose,
    defends,
    explains,
    is_brief,
    is_list_of,
    is_near,
    told_in_jargon,
)
from devops_lab.translation import _

_JARGON = re.compile(
    r"histogram|percentile|bucket|quantile|interpolat|\bp99\b|"
    r"히스토그램|백분위|버킷|분위수|보간",
    re.IGNORECASE,
)
_KNOWS_LITTLE = re.compile(
    r"between|guess|count|mark|edge|limit|range|does not (?:know|keep)|line|"
    r"사이|추측|어림|짐작|세|셉|구간|경계|눈금|모[르릅]|몰[라랐]",
    re.IGNORECASE,
)


def _read(
    traffic_per_s: float | None = None, error_share: float | None = None, kind: str | None = None
) -> Callable[[Any], bool]:
    """A test of the three things read from the stranger's metrics; None takes any."""

    def holds(reading: Any) -> bool:
        if not is_list_of(reading, 3):
            return False
        numbers = zip(reading[:2], (traffic_per_s, error_share), strict=True)
        named = kind is None or str(reading[2]).strip().lower() in (kind, _KOREAN[kind])
        return named and all(want is None or is_near(got, want) for got, want in numbers)

    return holds


_KOREAN = {"gauge": "게이지", "counter": "카운터", "histogram": "히스토그램"}


def _gave(wanted: float) -> Callable[[Failed], bool]:
    return lambda failed: is_near(failed.gave, wanted)


_CASES = (
    Case(
        ([900, 960, 30, 90],),
        _("150: what was counted before and after the restart"),
        lambda growth: is_near(growth, 150),
    ),
    Case(([5, 8, 8, 11],), _("6: there was no restart"), lambda growth: is_near(growth, 6)),
    Case(([70, 0, 0, 4, 2],), _("6: there were two restarts"), lambda growth: is_near(growth, 6)),
)


# Example answers: functions as a learner writes them, each with its own mistake.


def _growth(values: Sequence[float]) -> float:
    pairs = zip(values, values[1:], strict=False)
    return sum(after - before if after >= before else after for before, after in pairs)


def _last_minus_first(values: Sequence[float]) -> float:
    return values[-1] - values[0]


def _only_what_grows(values: Sequence[float]) -> float:
    pairs = zip(values, values[1:], strict=False)
    return sum(after - before for before, after in pairs if after > before)


def _without_signs(values: Sequence[float]) -> float:
    return sum(abs(after - before) for before, after in zip(values, values[1:], strict=False))


def _highest_minus_lowest(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _only_shown(values: Sequence[float]) -> None:
    _growth(values)


EXERCISES = (
    Exercise(
        id="13.rate",
        number=1,
        kind="compute",
        title=_("A rate by hand"),
        is_right=lambda rate_per_s: is_near(rate_per_s, 150 / 90),
        right_answers=(150 / 90, 1.67, 5 / 3),
        because=_(
            "What was counted between the last scrape and the restart is lost: nobody came by."
        ),
        mistakes=(
            Mistake(
                answer=-9,
                when=lambda rate_per_s: rate_per_s < 0,
                then=_("Then the shop would have taken its answers back."),
                ask=_("At which number did the counter begin after the restart?"),
            ),
            Mistake(
                answer=120 / 90,
                when=lambda rate_per_s: is_near(rate_per_s, 120 / 90),
                then=_("Then nothing would have been served from the restart to the third look."),
                ask=_("The third sample is 30. From which number has the counter grown to it?"),
            ),
            Mistake(
                answer=150,
                when=lambda rate_per_s: is_near(rate_per_s, 150),
                then=_("That is how many were served in all that time."),
                ask=_("How many seconds lie between the first and the last look?"),
            ),
            Mistake(
                answer=150 / 120,
                when=lambda rate_per_s: is_near(rate_per_s, 150 / 120),
                then=_("Then there would be one more half minute than there is."),
                ask=_("Four looks: how many times between two of them?"),
            ),
            Mistake(
                answer=5,
                when=lambda rate_per_s: is_near(rate_per_s, 5),
                then=_("That is the growth divided by the time between two looks only."),
                ask=_("How long is it from the first look to the last?"),
            ),
            Mistake(
                answer=100,
                when=lambda rate_per_s: is_near(rate_per_s, 100),
                then=_("That is a rate, but of a minute."),
                ask=_("In which unit is the answer wanted?"),
            ),
        ),
        otherwise=_("How much did it grow in each of the three half minutes?"),
        hints=(
            _("Three steps: 900 to 960, then the restart, then 30 to 90."),
            _("In the second step it began at 0 again and came to 30. Add the three, and divide."),
        ),
    ),
    Exercise(
        id="13.edges",
        number=2,
        kind="choose",
        title=_("Edges for a promise"),
        is_right=defends("b"),
        right_answers=(
            ["b", "One edge is the promise, so those who kept it are counted. No guess is needed."],
            ("B", "약속한 시간이 경계입니다. 그래서 지킨 비율을 바로 셀 수 있습니다."),
        ),
        because=_("Whether your two sentences convince the baker, only the baker can say."),
        mistakes=(
            Mistake(
                answer=["a", "They are evenly spread. That is the most exact."],
                when=chose("a"),
                then=_("Then the promise lies inside a bucket, and the wall has to guess."),
                ask=_("At which latency do you decide whether the promise was kept?"),
            ),
            Mistake(
                answer=["c", "Small edges are exact. We see quick answers well."],
                when=chose("c"),
                then=_("Then an answer of 200 ms and one of ten seconds look the same."),
                ask=_("What does the wall say of everything beyond the last finite edge?"),
            ),
            Mistake(
                answer=["d", "They are close to the promise. That is where it matters."],
                when=chose("d"),
                then=_("Then you know who kept the promise, and nothing else about anybody."),
                ask=_("How would you see that usual answers have become twice as slow?"),
            ),
            Mistake(
                answer=["b", "It has 300."],
                when=chose("b"),
                then=_("Then the baker would ask: and what are the other two for?"),
                ask=_("Can you say it in two sentences?"),
            ),
            a_letter_alone("b"),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("A histogram is exact at its edges, and nowhere else."),
            _("Which of the four has an edge at the promise, and one on each side to compare?"),
        ),
    ),
    Exercise(
        id="13.stranger",
        number=3,
        kind="read",
        title=_("A stranger's metrics"),
        is_right=_read(50, 0.1, "gauge"),
        right_answers=([50, 0.1, "gauge"], (50.0, 0.1, "게이지")),
        because=_(
            "And with 61 requests inside instead of 2, the queue tells that it is getting worse."
        ),
        mistakes=(
            Mistake(
                answer=[45, 0.1, "gauge"],
                when=_read(traffic_per_s=45),
                then=_("Then those who got an error would not have asked at all."),
                ask=_("Which lines are requests, whatever became of them?"),
            ),
            Mistake(
                answer=[3000, 0.1, "gauge"],
                when=_read(traffic_per_s=3000),
                then=_("That is what came in the whole minute."),
                ask=_("In which unit is the traffic wanted?"),
            ),
            Mistake(
                answer=[245, 0.1, "gauge"],
                when=_read(traffic_per_s=14_700 / 60),
                then=_("Then everything since the server's start would have come in that minute."),
                ask=_("What is a counter's growth between the two looks?"),
            ),
            Mistake(
                answer=[50, 10, "gauge"],
                when=_read(error_share=10),
                then=_("Then a thousand of a hundred would have failed."),
                ask=_("How is ten per cent written as a number from 0 to 1?"),
            ),
            Mistake(
                answer=[50, 340 / 15_040, "gauge"],
                when=_read(error_share=340 / 15_040),
                then=_("Then the good hours before would hide the bad minute."),
                ask=_("Which errors, and which requests, belong to that minute?"),
            ),
            Mistake(
                answer=[50, 300 / 2_700, "gauge"],
                when=_read(error_share=300 / 2_700),
                then=_("Then if all had failed, the share would be without end."),
                ask=_("By what is the number of errors divided: by the good ones, or by all?"),
            ),
            Mistake(
                answer=[50, 0.1, "counter"],
                when=_read(kind="counter"),
                then=_("Then it could never be lower than 61 again."),
                ask=_("What happens to this number when a request is answered?"),
            ),
        ),
        otherwise=_("How much did the first two lines grow, together and each alone?"),
        hints=(
            _("Traffic: add the growth of both lines, and divide by the seconds of a minute."),
            _("Of that growth, which part are the errors? And can the last line go down?"),
        ),
    ),
    Exercise(
        id="13.mend",
        number=4,
        kind="mend",
        title=_("The nightly restart"),
        is_right=callable,
        cases=_CASES,
        right_answers=(_growth,),
        because=_("It works for one restart, for many, and for none."),
        mistakes=(
            Mistake(
                answer=_last_minus_first,
                when=_gave(-810),
                then=_("Then the restart would count as answers taken back."),
                ask=_("What does it mean when a value is lower than the one before it?"),
            ),
            Mistake(
                answer=_only_what_grows,
                when=_gave(120),
                then=_("Then what came between the restart and the next look would be lost."),
                ask=_("From which number did the counter grow to 30?"),
            ),
            Mistake(
                answer=_without_signs,
                when=_gave(1050),
                then=_("Then the restart itself would count as many answers."),
                ask=_("By how much did the counter grow from 960 to 30?"),
            ),
            Mistake(
                answer=_highest_minus_lowest,
                when=_gave(930),
                then=_("Then it would not matter at all in which order the values came."),
                ask=_("What happened between the second value and the third?"),
            ),
            Mistake(
                answer=_only_shown,
                when=lambda failed: failed.gave is None and failed.raised is None,
                then=_("Then nobody could use the growth for anything."),
                ask=_("Does your function return the number, or only print it?"),
            ),
        ),
        otherwise=_("What does your function do with two neighbours of which the later is lower?"),
        hints=(
            _("Go through the pairs of neighbours, and add up what each has grown."),
            _("A pair that falls: it began at 0, so it has grown by all of the later value."),
        ),
    ),
    Exercise(
        id="13.explain",
        number=5,
        kind="explain",
        title=_("Explain it to the nephew"),
        is_right=explains(_KNOWS_LITTLE, without=_JARGON),
        right_answers=(
            "The wall only counts how many orders fell between two marks. "
            "Where between them they were it has to guess.",
            "벽의 화면은 두 눈금 사이에 몇 건이 있었는지만 압니다. 그 사이의 값은 추측한 것입니다.",
        ),
        because=_(
            "The check saw two sentences that speak of counting or guessing. Whether the nephew "
            "understands them, only he can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="The wall guesses.",
                when=is_brief,
                then=_("Then the nephew would ask: why should it, when every order was timed?"),
                ask=_("Can you say in a second sentence what the wall keeps of them?"),
            ),
            told_in_jargon(
                "The histogram has few buckets. So the percentile is interpolated.",
                _JARGON,
            ),
            Mistake(
                answer="The dashboard is broken. We should buy a better one.",
                when=lambda text: isinstance(text, str) and not _KNOWS_LITTLE.search(text),
                then=_("Then the new one would show the same half second."),
                ask=_("What does the wall keep of each order's time?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of a teacher who notes only whether a pupil is above or below a line."),
            _("One sentence about what is kept, one about what is done with the rest."),
        ),
    ),
)
