"""The exercises of lesson 11, configuration."""

import re
from collections.abc import Callable
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
    r"ansible|playbook|idempoten|template|drift|config|deploy|yaml|\bfile|\bhost|"
    r"앤서블|플레이북|멱등|템플릿|드리프트|설정|구성|파일|호스트",
    re.IGNORECASE,
)
_NOT_ON_THE_LIST = re.compile(
    r"list|recipe|written|knows? (only|nothing)|only (looks|checks|knows)|not (look|check)|"
    r"목록|적혀|적힌|적어|안 적|레시피|살피|확인|모르",
    re.IGNORECASE,
)


def _read(
    now_so: int | None = None, changed: int | None = None, unknown: int | None = None
) -> Callable[[Any], bool]:
    """A test of the three numbers read from the report; None takes any."""
    wanted = (now_so, changed, unknown)

    def holds(reading: Any) -> bool:
        if not is_list_of(reading, 3):
            return False
        pairs = zip(reading, wanted, strict=True)
        return all(want is None or is_near(got, want) for got, want in pairs)

    return holds


_LINE = "workers = 4"
_EMPTY, _OTHERS, _THERE = ([],), (["greeting = 1"],), ([_LINE, "greeting = 1"],)


def _gave(arguments: tuple[list[str]], wanted: Callable[[Any], bool]) -> Callable[[Failed], bool]:
    """Whether the first case that failed is this one, and what was given is such."""

    def holds(failed: Failed) -> bool:
        return failed.case.arguments[:1] == arguments and wanted(failed.gave)

    return holds


_CASES = (
    Case((*_EMPTY, _LINE), _("the line alone"), lambda lines: lines == [_LINE]),
    Case(
        (*_OTHERS, _LINE),
        _("the line that was there, and the new one"),
        lambda lines: isinstance(lines, list) and sorted(lines) == ["greeting = 1", _LINE],
    ),
    Case(
        (*_THERE, _LINE),
        _("the two lines as they were: nothing is left to do"),
        lambda lines: lines == [_LINE, "greeting = 1"],
    ),
)

# Example answers: functions as a learner writes them, each with its own mistake.


def _once(lines: list[str], line: str) -> list[str]:
    return lines if line in lines else [*lines, line]


def _always(lines: list[str], line: str) -> list[str]:
    return [*lines, line]


def _alone(lines: list[str], line: str) -> list[str]:
    return [line]


def _sorted(lines: list[str], line: str) -> list[str]:
    return sorted({*lines, line})


def _moved(lines: list[str], line: str) -> list[str]:
    return [*(other for other in lines if other != line), line]


def _only_appended(lines: list[str], line: str) -> None:
    if line not in lines:
        lines.append(line)


EXERCISES = (
    Exercise(
        id="11.recap",
        number=1,
        kind="read",
        title=_("A stranger's report"),
        is_right=_read(4, 3, 2),
        right_answers=([4, 3, 2], (4.0, 3.0, 2.0)),
        because=_("What failed has changed something and is not done: it counts twice."),
        mistakes=(
            Mistake(
                answer=[2, 3, 2],
                when=_read(now_so=2),
                then=_("Then what was put right a moment ago would still be wrong."),
                ask=_("How are things after a task has said changed, and all went well?"),
            ),
            Mistake(
                answer=[5, 3, 2],
                when=_read(now_so=5),
                then=_("Then a play that stopped in its middle would have done all of its tasks."),
                ask=_("How many tasks did oven-4 come to, and how many the others?"),
            ),
            Mistake(
                answer=[6, 3, 2],
                when=_read(now_so=6),
                then=_("Then a host that nobody could reach would have been put right as well."),
                ask=_("Which two rows have a number in one of the last two columns?"),
            ),
            Mistake(
                answer=[4, 2, 2],
                when=_read(changed=2),
                then=_("Then what was done before the failure would have been undone."),
                ask=_("What did oven-4 do before it failed?"),
            ),
            Mistake(
                answer=[4, 6, 2],
                when=_read(changed=6),
                then=_("That is how many tasks changed something, on all hosts together."),
                ask=_("On how many hosts was there at least one?"),
            ),
            Mistake(
                answer=[4, 3, 1],
                when=_read(unknown=1),
                then=_("Then only one of failed and unreachable would be worth a look."),
                ask=_("Which tasks did each of these two hosts never come to?"),
            ),
            Mistake(
                answer=[4, 3, 0],
                when=_read(unknown=0),
                then=_("Then everybody could go home, with a host that nobody can reach."),
                ask=_("What does this report know of oven-5?"),
            ),
        ),
        otherwise=_("Which rows went through all nine tasks, and which of them changed something?"),
        hints=(
            _("A host is as described if all nine tasks were ok, changed or not."),
            _("Changed is every row with a number there, also the one that failed later."),
        ),
    ),
    Exercise(
        id="11.mend",
        number=2,
        kind="mend",
        title=_("The script that grew a file"),
        is_right=callable,
        cases=_CASES,
        right_answers=(_once,),
        because=_("Twice has the same result as once: that is idempotency."),
        mistakes=(
            Mistake(
                answer=_always,
                when=_gave(_THERE, lambda lines: lines == [_LINE, "greeting = 1", _LINE]),
                then=_("Then the file would grow by a line every night."),
                ask=_("What should happen if the line is there already?"),
            ),
            Mistake(
                answer=_alone,
                when=_gave(_OTHERS, lambda lines: lines == [_LINE]),
                then=_("Then the other settings of the server would be gone."),
                ask=_("Which lines must stay?"),
            ),
            Mistake(
                answer=_moved,
                when=_gave(_THERE, lambda lines: lines == ["greeting = 1", _LINE]),
                then=_("Then the file would change though nothing had to be done."),
                ask=_("Can you leave a file alone that has the line?"),
            ),
            Mistake(
                answer=_only_appended,
                when=lambda failed: failed.gave is None and failed.raised is None,
                then=_("Then nobody would get the lines."),
                ask=_("Does your function return a list in both cases?"),
            ),
        ),
        otherwise=_("What does it give for a file without the line, and for one that has it?"),
        hints=(
            _("The word in asks whether a list has something: line in lines."),
            _("If it is there, return the lines as they are."),
        ),
    ),
    Exercise(
        id="11.choose",
        number=3,
        kind="choose",
        title=_("The server that nobody knows"),
        is_right=defends("c"),
        right_answers=(
            ["c", "Nobody can describe it, but two servers can be compared. The old one stays."],
            ("C", "아무도 모르는 서버는 적을 수 없습니다. 새 서버와 비교하면 알 수 있습니다."),
        ),
        because=_("Whether your two sentences convince the team, only the team can say."),
        mistakes=(
            Mistake(
                answer=["a", "It was wrong last time. One task is enough."],
                when=chose("a"),
                then=_("Then one line would be right, and two years of edits beside it unknown."),
                ask=_("What of the other lines, and of the other files?"),
            ),
            Mistake(
                answer=["b", "A template owns its file. We remember most of them."],
                when=chose("b"),
                then=_("Then what nobody remembers would stay: it is what J. wrote at night."),
                ask=_("How would you find a file that nobody thinks of?"),
            ),
            Mistake(
                answer=["d", "It runs. Do not touch it before the festival."],
                when=chose("d"),
                then=_("Then, if it dies on the busiest day, nobody could build it again."),
                ask=_("What can be tried in two weeks without touching it?"),
            ),
            Mistake(
                answer=["c", "It is best."],
                when=chose("c"),
                then=_("Then the team would ask: best for what, and what if it fails?"),
                ask=_("Can you say in two sentences what is found out, and what the way back is?"),
            ),
            a_letter_alone("c"),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("What nobody knows, nobody can describe."),
            _("Which of the four lets you look before customers depend on it?"),
        ),
    ),
    Exercise(
        id="11.explain",
        number=4,
        kind="explain",
        title=_("Explain it to the baker"),
        is_right=explains(_NOT_ON_THE_LIST, without=_JARGON),
        right_answers=(
            "The helper looks at what is on its list. The note on the third counter is not on it.",
            "도우미는 목록에 적힌 것만 봅니다. 세 번째 계산대의 쪽지는 목록에 없습니다.",
        ),
        because=_(
            "The check saw two sentences about what is looked at and what is not. Whether the "
            "baker understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="It looks only at its list.",
                when=is_brief,
                then=_("Then the baker would ask: and what is it that it does not see?"),
                ask=_("Can you say in a second sentence what is different about that counter?"),
            ),
            told_in_jargon("The playbook is idempotent. The drift is in another file.", _JARGON),
            Mistake(
                answer="The program has a mistake. We should buy another one.",
                when=lambda text: isinstance(text, str) and not _NOT_ON_THE_LIST.search(text),
                then=_("Then the next program would say the same: it did what it was told."),
                ask=_("What does the program look at, and what does it never look at?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of somebody who goes round in the evening with a list."),
            _("One sentence about the list, one about what is not on it."),
        ),
    ),
)
