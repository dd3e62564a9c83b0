"""The exercises of lesson 10, provisioning."""

import re
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Exercise, Mistake
from devops_lab.questions.answers import (
    a_letter_alone,
    chose,
    defends,
    explains,
    is_brief,
    is_list_of,
    is_near,
    sentences,
    told_in_jargon,
)
from devops_lab.translation import _

_JARGON = re.compile(
    r"terraform|\bapply|\bstate\b|declarat|\bdrift|provision|resource|\bworkers?\b|config|"
    r"테라폼|선언|드리프트|프로비저닝|자원|상태 파일|워커|설정",
    re.IGNORECASE,
)
_THE_TEXT_WINS = re.compile(
    r"recipe|list|book|plan|paper|note|writ|drawing|sheet|레시피|목록|적|종이|책|계획",
    re.IGNORECASE,
)


def _read(
    made: int | None = None, taken: int | None = None, changed: int | None = None
) -> Callable[[Any], bool]:
    """A test of the three numbers read from the plan; None takes any."""
    wanted = (made, taken, changed)

    def holds(reading: Any) -> bool:
        if not is_list_of(reading, 3):
            return False
        pairs = zip(reading, wanted, strict=True)
        return all(want is None or is_near(got, want) for got, want in pairs)

    return holds


def _says(pattern: str) -> Callable[[Any], bool]:
    return lambda line: isinstance(line, str) and bool(re.search(pattern, line))


EXERCISES = (
    Exercise(
        id="10.keep",
        number=1,
        kind="mend",
        title=_("A repair that stays"),
        is_right=_says(r"^\s*workers\s*=\s*4\s*(#.*)?$"),
        right_answers=("workers = 4", "  workers  =  4", "workers = 4  # for Friday's rush"),
        because=_("Now it is in the text: the next apply, and the next server, have it too."),
        mistakes=(
            Mistake(
                answer='shop.server("web-1").set(workers=4)',
                when=_says(r"\.set\("),
                then=_("Then it would be gone after the next apply, as it was this morning."),
                ask=_("Which file does an apply compare the servers with?"),
            ),
            Mistake(
                answer="workers: 4",
                when=_says(r"workers\s*:"),
                then=_("Then Terraform would name the line and do nothing: a colon is YAML."),
                ask=_("What stands between name and value in the other lines of the file?"),
            ),
            Mistake(
                answer="workers == 4",
                when=_says("=="),
                then=_("Then the line would ask whether it is so, and Terraform would refuse it."),
                ask=_("What stands between name and value in the other lines of the file?"),
            ),
            Mistake(
                answer='workers = "four"',
                when=_says("=.*[a-z]"),
                then=_("Then Terraform would refuse the text: workers is a number."),
                ask=_("How is a number written in the line that was there?"),
            ),
            Mistake(
                answer="workers = 1",
                when=_says(r"workers\s*=\s*[0-35-9]"),
                then=_("Then the servers would not have the four workers of last night."),
                ask=_("With how many workers was the shop quick again?"),
            ),
        ),
        otherwise=_("What does the line with workers look like now, and what shall it say?"),
        hints=(
            _("It is one line in the block of lab_server, in main.tf."),
            _("Change the number in that line, and nothing else."),
        ),
    ),
    Exercise(
        id="10.plan",
        number=2,
        kind="read",
        title=_("A stranger's plan"),
        is_right=_read(2, 3, 4),
        right_answers=([2, 3, 4], (2.0, 3.0, 4.0)),
        because=_(
            "The replaced one is made and taken away. If it keeps orders, somebody should ask "
            "before this plan is applied."
        ),
        mistakes=(
            Mistake(
                answer=[1, 3, 4],
                when=_read(made=1),
                then=_("Then what is replaced would be taken away, and nothing come instead."),
                ask=_("What are the two halves of the sign ±?"),
            ),
            Mistake(
                answer=[2, 2, 4],
                when=_read(taken=2),
                then=_("Then the old order server would still run beside the new one."),
                ask=_("What are the two halves of the sign ±?"),
            ),
            Mistake(
                answer=[2, 3, 5],
                when=_read(changed=5),
                then=_("Then the order server would keep what is on it. It does not."),
                ask=_("Which lines have the sign ~ alone?"),
            ),
            Mistake(
                answer=[6, 3, 4],
                when=_read(made=6),
                then=_("Then what is changed would have to be made first. It is there."),
                ask=_("Which lines have a plus in their sign?"),
            ),
        ),
        otherwise=_("How many lines have a plus in their sign, how many a minus, how many a ~?"),
        hints=(
            _("+ is made, - is taken away, ~ is changed where it stands."),
            _("± is both: taken away and made anew. It counts twice."),
        ),
    ),
    Exercise(
        id="10.choose",
        number=3,
        kind="choose",
        title=_("What may stand idle"),
        is_right=defends("c"),
        right_answers=(
            ["c", "Its mean wait is below a tenth of a second. The fourth buys what nobody needs."],
            ("C", "평균 대기가 약속보다 짧습니다. 더 많이 두면 돈만 더 듭니다."),
        ),
        because=_(
            "It is the cheapest that keeps the promise. Whether your two sentences convince the "
            "baker, only the baker can say."
        ),
        mistakes=(
            Mistake(
                answer=["a", "It costs nothing. Nobody will notice."],
                when=chose("a"),
                then=_("Then everybody would wait as long as it takes to make a server."),
                ask=_("What is mean_wait_s with nothing prepared?"),
            ),
            Mistake(
                answer=["b", "Two are made at a time. So two are enough."],
                when=chose("b"),
                then=_("Then more than half of those who ask would still wait."),
                ask=_("What is mean_wait_s with two prepared?"),
            ),
            Mistake(
                answer=["d", "It is the safest. Nobody will ever wait."],
                when=chose("d"),
                then=_("Then the promise is kept, and the budget is not."),
                ask=_("Is there a cheaper one that keeps the promise as well?"),
            ),
            Mistake(
                answer=["c", "It is enough."],
                when=chose("c"),
                then=_("Then the baker would ask: how do you know, and why not a cheaper one?"),
                ask=_("Can you answer both, in two sentences?"),
            ),
            a_letter_alone("c"),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("Print mean_wait_s(prepared, 0.5, 4.0) for each of the four."),
            _("Strike out those above the promise; of the others, take the cheapest."),
        ),
    ),
    Exercise(
        id="10.hotel",
        number=4,
        kind="transfer",
        title=_("The hotel's rooms"),
        is_right=lambda rooms: is_near(rooms, 6),
        right_answers=(6, 6.0, 12 * 0.5),
        because=_("Little's law again: how many come, times how long each takes."),
        mistakes=(
            Mistake(
                answer=24,
                when=lambda rooms: is_near(rooms, 24),
                then=_("Then a room that is cleaned faster would keep more of them busy."),
                ask=_("Is the number of guests an hour multiplied by the hours, or divided?"),
            ),
            Mistake(
                answer=360,
                when=lambda rooms: is_near(rooms, 360),
                then=_("Then the whole town would be a hotel."),
                ask=_("How long is half an hour, if guests are counted by the hour?"),
            ),
            Mistake(
                answer=12,
                when=lambda rooms: is_near(rooms, 12),
                then=_("Then each room would take an hour."),
                ask=_("How many guests leave while one room is being cleaned?"),
            ),
        ),
        otherwise=_("How many guests leave while one room is being cleaned?"),
        hints=(
            _("Both numbers in hours first."),
            _("How many come an hour, times how many hours each takes."),
        ),
    ),
    Exercise(
        id="10.explain",
        number=5,
        kind="explain",
        title=_("Explain it to the baker"),
        is_right=explains(_THE_TEXT_WINS, without=_JARGON),
        right_answers=(
            "Every morning the kitchen is set up as the recipe book says. What I moved at night "
            "was not in the book, so it was moved back.",
            "매일 아침 주방은 책에 적힌 대로 다시 차려집니다. 밤에 바꾼 것은 책에 없었습니다.",
        ),
        because=_(
            "The check saw two sentences that speak of something written. Whether the baker "
            "understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            told_in_jargon(
                "The apply reverted the drift. The state file did not have my workers.", _JARGON
            ),
            Mistake(
                answer="The program made a mistake. It will not do it again.",
                when=lambda text: len(sentences(text)) >= 2 and not _THE_TEXT_WINS.search(text),
                then=_("Then the baker would think that the program is broken. It did its job."),
                ask=_("What does the program compare the shop with every time?"),
            ),
            Mistake(
                answer="It was not written down.",
                when=is_brief,
                then=_("Then the baker would ask: so what, it worked?"),
                ask=_("Can you say in a second sentence what happened in the morning?"),
            ),
        ),
        otherwise=_("What is the thing in a bakery that says how everything has to be?"),
        hints=(
            _("Think of something in a bakery that says how it shall be every day."),
            _("What happens to a change that nobody wrote into it?"),
        ),
    ),
)
