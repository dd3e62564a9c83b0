"""The exercises of lesson 04, load and latency."""

import itertools
import math
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

Seconds = Sequence[float]
Latencies = Callable[[Seconds, Seconds, Seconds], Seconds]


def _mean_latency_ms(rate_per_s: float) -> float:
    """The formula of the lesson for its server: one worker, 50 ms of work."""
    return 50 / (1 - rate_per_s * 0.05)


def _read(capacity_per_s: float | None = None, inside: float | None = None) -> Callable:
    """A test of the two numbers read from the stranger's table: whether those given are these."""
    wanted = (capacity_per_s, inside)
    return lambda numbers: (
        is_list_of(numbers, 2)
        and all(
            want is None or is_near(got, want) for got, want in zip(numbers, wanted, strict=True)
        )
    )


_CHANCE_WORDS = re.compile(
    r"wait|queue|line|same time|at once|together|rush|random|chance|evenly|turn|"
    r"기다|줄|한꺼번에|동시에|몰|대기|우연",
    re.IGNORECASE,
)
_JARGON = re.compile(
    r"utili[sz]ation|latenc|throughput|percentile|variab|exponential|\bp9[59]\b|M/M|ρ|"
    r"사용률|지연 시간|처리량|백분위|변동성",
    re.IGNORECASE,
)


def _are(wanted_s: Seconds) -> Callable[[Any], bool]:
    """A test of latencies in seconds, in whatever they come; of those without end it takes few."""

    def holds(given_s: Any) -> bool:
        few_s = list(itertools.islice(given_s, len(wanted_s) + 1))
        return len(few_s) == len(wanted_s) and all(
            math.isclose(a, b, abs_tol=1e-9) for a, b in zip(few_s, wanted_s, strict=True)
        )

    return holds


def _gave(wanted_s: Seconds) -> Callable[[Failed], bool]:
    return lambda failed: _are(wanted_s)(failed.gave)


_WANTED = _("how long each customer waited, from the moment they wanted to ask")
_CASES = (
    # A tool meant to ask once a second; the server stood still, so the second request was late.
    Case(([0.0, 1.0, 2.0], [0.0, 3.0, 3.1], [3.0, 3.1, 3.2]), _WANTED, _are([3.0, 2.1, 1.2])),
    Case(([5.0], [5.5], [6.0]), _WANTED, _are([1.0])),
)


# Example answers: functions as a learner writes them, each with its own mistake.


def _latencies_s(intended_s: Seconds, start_s: Seconds, end_s: Seconds) -> Seconds:
    return [end - wanted for wanted, end in zip(intended_s, end_s, strict=True)]


def _from_the_sending(intended_s: Seconds, start_s: Seconds, end_s: Seconds) -> Seconds:
    return [end - start for start, end in zip(start_s, end_s, strict=True)]


def _lateness_only(intended_s: Seconds, start_s: Seconds, end_s: Seconds) -> Seconds:
    return [start - wanted for wanted, start in zip(intended_s, start_s, strict=True)]


def _only_shown(intended_s: Seconds, start_s: Seconds, end_s: Seconds) -> None:
    _latencies_s(intended_s, start_s, end_s)


def _list_from_list(intended_s: Any, start_s: Any, end_s: Any) -> Any:
    return end_s - intended_s


def _for_three_requests(intended_s: Seconds, start_s: Seconds, end_s: Seconds) -> Seconds:
    return [end_s[number] - intended_s[number] for number in range(3)]


def _backwards(intended_s: Seconds, start_s: Seconds, end_s: Seconds) -> Seconds:
    return [wanted - end for wanted, end in zip(intended_s, end_s, strict=True)]


EXERCISES = (
    Exercise(
        id="04.headroom",
        number=1,
        kind="compute",
        title=_("The load that keeps the promise"),
        is_right=lambda rate_per_s: is_near(rate_per_s, 15) and rate_per_s < 15.01,
        right_answers=(15, 15.0, 1 / 0.05 - 1 / 0.2),
        because=_(
            "A quarter of the worker's time stays free, and that is no waste: it is what keeps "
            "the answers quick."
        ),
        mistakes=(
            Mistake(
                answer=0.75,
                when=lambda rate_per_s: is_near(rate_per_s, 0.75),
                then=_("That is a share of the worker's time, and a fine step on the way."),
                ask=_("How many requests a second keep a worker of that capacity so busy?"),
            ),
            Mistake(
                answer=0.015,
                when=lambda rate_per_s: is_near(rate_per_s, 0.015),
                then=_("Then hardly one customer a minute could come, to a worker who does 20/s."),
                ask=_("In which unit is the work when the answer counts requests a second?"),
            ),
            Mistake(
                answer=75,
                when=lambda rate_per_s: is_near(rate_per_s, 75),
                then=_("Then more would come than the worker can do: it finishes 20 a second."),
                ask=_("Is your number a rate, or a utilisation in per cent?"),
            ),
            Mistake(
                answer=20,
                when=lambda rate_per_s: rate_per_s >= 20,
                then=_("Then the worker would never be idle, and the queue would grow for ever."),
                ask=_("What is left of 1 - ρ when the load is as large as the capacity?"),
            ),
            Mistake(
                answer=5,
                when=lambda rate_per_s: is_near(rate_per_s, 5),
                then=_("Then a mean answer would take only about a third of what is allowed."),
                ask=_("Is 1 - ρ the busy share of the worker's time, or the idle one?"),
            ),
            Mistake(
                answer=16,
                when=lambda rate_per_s: rate_per_s > 15,
                then=lambda rate_per_s: _(
                    "Then the mean latency would be {milliseconds:.0f} ms: the promise is broken."
                ).format(milliseconds=_mean_latency_ms(rate_per_s)),
                ask=_("Which ρ makes the work divided by 1 - ρ exactly the time allowed?"),
            ),
            Mistake(
                answer=12,
                when=lambda rate_per_s: 0 < rate_per_s < 15,
                then=lambda rate_per_s: _(
                    "Then the mean latency would be {milliseconds:.0f} ms: the promise is kept, "
                    "and customers are sent away who could have been served."
                ).format(milliseconds=_mean_latency_ms(rate_per_s)),
                ask=_("Which ρ makes the work divided by 1 - ρ exactly the time allowed?"),
            ),
            Mistake(
                answer=0,
                when=lambda rate_per_s: rate_per_s <= 0,
                then=_("Then nobody would come at all."),
                ask=_("What does the formula give for some load that you can choose?"),
            ),
        ),
        otherwise=_("Which ρ does the formula ask for, and how many requests a second is that?"),
        hints=(
            _("The latency may be four times the work. So how large is 1 - ρ?"),
            _("ρ is the load times the work on a request: solve that for the load."),
        ),
    ),
    Exercise(
        id="04.choose",
        number=2,
        kind="choose",
        title=_("Money for the busy week"),
        is_right=defends("b"),
        right_answers=(
            ["b", "Its mean latency is below 75 ms. The cheaper ones are too full for that."],
            ("B", "평균 지연 시간이 목표보다 짧습니다. 더 싼 방법은 목표를 넘습니다."),
        ),
        because=_(
            "It is the cheapest that keeps the promise. Whether your two sentences convince the "
            "baker, only the baker can say."
        ),
        mistakes=(
            Mistake(
                answer=["a", "It is the cheapest. There is still room below 100 %."],
                when=chose("a"),
                then=_(
                    "Then the two keep up, a quarter of their time is free, and the mean latency "
                    "is still more than twice the work."
                ),
                ask=_("What does theory say about the mean latency of each of the four?"),
            ),
            Mistake(
                answer=["c", "Half the work is half the latency. It is cheap too."],
                when=chose("c"),
                then=_("Then each page is quick work, and yet most of the latency is waiting."),
                ask=_("How busy is the single worker then, and what does the formula give?"),
            ),
            Mistake(
                answer=["d", "It is the fastest. Nobody will ever complain."],
                when=chose("d"),
                then=_("Then the promise is kept, and the baker pays more than it takes."),
                ask=_("Is there a cheaper one that keeps the promise as well?"),
            ),
            Mistake(
                answer=["b", "It is enough."],
                when=chose("b"),
                then=_("Then the baker would ask: how do you know, and why not a cheaper one?"),
                ask=_("Can you answer both, in two sentences?"),
            ),
            a_letter_alone("b"),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("Write a scenario for each, and print theory(scenario).state.mean_latency_s."),
            _("Strike out those above the promise; of the others, take the cheapest."),
        ),
    ),
    Exercise(
        id="04.little",
        number=3,
        kind="transfer",
        title=_("The post office"),
        is_right=lambda minutes: is_near(minutes, 8),
        right_answers=(8, 8.0, 12 / (90 / 60)),
        because=_("Nobody had to be followed with a watch: counting was enough."),
        mistakes=(
            Mistake(
                answer=18,
                when=lambda minutes: is_near(minutes, 18),
                then=_("Then a busier door, with as many people inside, would mean longer visits."),
                ask=_("Is the number inside multiplied by the arrivals, or divided by them?"),
            ),
            Mistake(
                answer=12 / 90,
                when=lambda minutes: is_near(minutes, 12 / 90),
                then=_("Then everybody would be out again after a few seconds."),
                ask=_("In which unit is your time, if 90 people come in an hour?"),
            ),
            Mistake(
                answer=0.125,
                when=lambda minutes: is_near(minutes, 0.125),
                then=_("Then everybody would be out again after a few seconds."),
                ask=_("Which of the two numbers is divided by the other one?"),
            ),
            Mistake(
                answer=7.5,
                when=lambda minutes: is_near(minutes, 7.5),
                then=_("That is how many people come in for each one inside."),
                ask=_("How long does it take until as many have come in as are inside?"),
            ),
            Mistake(
                answer=480,
                when=lambda minutes: is_near(minutes, 480),
                then=_("Then a letter would cost a whole working day."),
                ask=_("In which unit is the answer wanted?"),
            ),
            Mistake(
                answer=1080,
                when=lambda minutes: is_near(minutes, 1080),
                then=_("Then a visit to the post office would take most of a day."),
                ask=_("Which of the three numbers of the law is the one you look for?"),
            ),
        ),
        otherwise=_("How many people come in a minute, and how many are inside?"),
        hints=(
            _("The law has three numbers; two are given. Solve it for the time."),
            _("Turn people an hour into people a minute first."),
        ),
    ),
    Exercise(
        id="04.mend",
        number=4,
        kind="mend",
        title=_("A load test that flatters"),
        is_right=callable,
        cases=_CASES,
        right_answers=(_latencies_s,),
        because=_("The customer's clock runs from the moment at which they wanted to ask."),
        mistakes=(
            Mistake(
                answer=_from_the_sending,
                when=_gave([3.0, 0.1, 0.1]),
                then=_(
                    "Then the server stood still for three seconds, and only one customer is said "
                    "to have felt it."
                ),
                ask=_("When did the second customer want to ask, and when were they answered?"),
            ),
            Mistake(
                answer=_lateness_only,
                when=_gave([0.0, 2.0, 1.1]),
                then=_("That is how late each request was sent, without the time for its answer."),
                ask=_("At which moment does the customer have the answer?"),
            ),
            Mistake(
                answer=_backwards,
                when=_gave([-3.0, -2.1, -1.2]),
                then=_("Then every answer would be there before the question."),
                ask=_("Which of the two moments is the later one?"),
            ),
            Mistake(
                answer=_only_shown,
                when=lambda failed: failed.gave is None and failed.raised is None,
                then=_("Then nobody could draw the latencies, or take their p95."),
                ask=_("Does your function return the list, or only print it?"),
            ),
            Mistake(
                answer=_list_from_list,
                when=lambda failed: "operand" in str(failed.raised),
                then=_("Python does not subtract a list from a list."),
                ask=_("How does the flattering tool go through two lists at once?"),
            ),
            Mistake(
                answer=_for_three_requests,
                when=lambda failed: isinstance(failed.raised, IndexError),
                then=_("Then a load test of one request, or of four, would end in an error."),
                ask=_("How does your function know how many requests there are?"),
            ),
        ),
        otherwise=_("From which moment to which moment does each of the three customers wait?"),
        hints=(
            _("The tool waits for an answer before it sends again; customers do not wait for it."),
            _("One of the three columns is not needed at all."),
        ),
    ),
    Exercise(
        id="04.explain",
        number=5,
        kind="explain",
        title=_("Explain it to the baker"),
        is_right=explains(_CHANCE_WORDS, without=_JARGON),
        right_answers=(
            "Customers do not come one by one, so now and then several come at once. "
            "The busier we are, the longer that queue takes to go away.",
            "손님은 한꺼번에 몰려올 때가 있습니다. 바쁠수록 그 줄이 늦게 줄어듭니다.",
        ),
        because=_(
            "The check saw two sentences that speak of waiting or of chance. Whether the baker "
            "understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="The queue is too long.",
                when=is_brief,
                then=_("Then the baker would ask: but why, when the machine is free at times?"),
                ask=_("Can you say in a second sentence where that comes from?"),
            ),
            told_in_jargon(
                "The utilisation is high. So the requests wait in a queue.",
                _JARGON,
            ),
            Mistake(
                answer="The server is too weak. We need to buy a better machine.",
                when=lambda text: isinstance(text, str) and not _CHANCE_WORDS.search(text),
                then=_("Then the baker would point at the wall: it says that there is room left."),
                ask=_("How do customers come: evenly, or now several and now nobody?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of the shop's own counter: one person sells, and a school class comes in."),
            _("One sentence about how customers come, one about what a busy counter does then."),
        ),
    ),
    Exercise(
        id="04.stranger",
        number=6,
        kind="read",
        title=_("A stranger's load test"),
        is_right=_read(100, 9),
        right_answers=([100, 9], (100, 9.0)),
        because=_(
            "More load brings no more answers from there on, and the law counts without seeing."
        ),
        mistakes=(
            Mistake(
                answer=[120, 9],
                when=_read(capacity_per_s=120),
                then=_("Then 120 answers a second would have come out, and fewer did."),
                ask=_("Which column says what was asked for, and which what was answered?"),
            ),
            Mistake(
                answer=[90, 9],
                when=_read(capacity_per_s=90),
                then=_("Then the worker could never have answered more than 90 a second."),
                ask=_("What is the most that ever came out?"),
            ),
            Mistake(
                answer=[9, 100],
                when=_read(9, 100),
                then=_("Then a worker that answered 90 a second could answer only 9."),
                ask=_("Which of the two numbers comes first?"),
            ),
            Mistake(
                answer=[100, 9000],
                when=lambda numbers: _read(inside=9000)(numbers) or _read(inside=10_800)(numbers),
                then=_("Then thousands would stand in a queue that a second clears of a hundred."),
                ask=_("In which unit does the law want the time, if the load is a second's?"),
            ),
            Mistake(
                answer=[100, 6.21],
                when=lambda numbers: _read(inside=6.21)(numbers) or _read(inside=41.4)(numbers),
                then=_(
                    "That counts with a percentile, and the law would miss some of those inside."
                ),
                ask=_("Of which number does the law speak: of p50, of the mean or of p99?"),
            ),
            Mistake(
                answer=[100, 0.9],
                when=_read(inside=0.9),
                then=_("That is how many are being worked on: the utilisation of one worker."),
                ask=_("Who else is inside, beside the one who is being served?"),
            ),
            Mistake(
                answer=[100, 8.1],
                when=_read(inside=8.1),
                then=_("That is how many stand in the queue alone."),
                ask=_("Who else is inside, beside those who wait?"),
            ),
            Mistake(
                answer=[100, 10],
                when=_read(inside=10),
                then=_("Then as many would come in as the worker can do at the most."),
                ask=_("Which load stands in the line that is asked about?"),
            ),
        ),
        otherwise=_("Where do the answers stop growing, and what is load times mean latency?"),
        hints=(
            _("Compare the first two columns, line by line. In which line do they part?"),
            _("Little's law wants a load, in requests a second, and a mean latency in seconds."),
        ),
    ),
)
