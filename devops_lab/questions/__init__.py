"""The exercises of each lesson: `lesson_02.py` holds those of lesson 02, in `EXERCISES`.

A whole exercise, as a lesson's file would write it. `is_right` tests what makes an answer right,
not whether it equals ours: other right answers pass. Every mistake says what would happen then,
and asks one question; neither says the answer.

>>> from urllib.parse import unquote
>>> decode = Exercise(
...     id="99.encode",
...     number=1,
...     kind="compute",
...     title="Write a path with a space for the wire",
...     is_right=lambda path: " " not in path and unquote(path) == "/rye bread",
...     right_answers=("/rye%20bread", "/%72ye%20bread"),
...     because="A space would end the path on the request line.",
...     mistakes=(
...         Mistake(
...             answer="/rye+bread",
...             when=lambda path: "+" in path,
...             then="The server would look for a file with a plus in its name.",
...             ask="In which part of a URL does a plus stand for a space?",
...         ),
...     ),
...     otherwise="What would the server read if it decoded your path?",
...     hints=("Which characters may not stand in a path?", "Look at the space's byte."),
... )
>>> decode.is_right("/rye%20bread")
True
"""

import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from devops_lab import rules
from devops_lab.translation import _

KINDS = ("compute", "mend", "read", "choose", "explain", "transfer")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A usual wrong answer. `then` may be a function of the answer, for a number of its own.

    Where the exercise has cases, `when` and `then` are given the first that failed instead.
    """

    answer: Any
    when: Callable[[Any], bool]
    then: str | Callable[[Any], str]
    ask: str


@dataclass(frozen=True)
class Case:
    """One call of a learner's function: what goes in, and what is wanted, in words and as a test.

    The function gets copies of the arguments, so it may change them.
    """

    arguments: tuple[Any, ...]
    wanted: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Failed:
    """The first case that a learner's function failed: what it gave, or what it raised."""

    case: Case
    gave: Any = None
    raised: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise. `because` is said when the answer is right, `otherwise` is the question for a
    wrong answer that is no usual mistake.

    The tests try `right_answers` and every mistake's answer. These also say which sorts of answer
    (text, number, list, function) `is_right` and `when` will meet; any other sort is told so.

    `number` is the exercise's place in the code that carries progress elsewhere: unique in the
    lesson, and never given to another exercise, even when this one goes.

    An answer that is a function is tried on `cases`, in their order: what it raises counts as
    wrong, and a loop without end is stopped. The verdict names the first that failed, with what it
    gave and what was wanted. `is_right` is asked when all held: `callable`, if they are all.
    """

    id: str
    number: int
    kind: str
    title: str
    is_right: Callable[[Any], bool]
    right_answers: tuple[Any, ...]
    because: str
    mistakes: tuple[Mistake, ...]
    otherwise: str
    hints: tuple[str, ...]
    cases: tuple[Case, ...] = ()

    def __post_init__(self) -> None:
        lesson_of(self.id)
        rules.one_of("kind", self.kind, KINDS)
        rules.whole("number", self.number, at_least=1, at_most=50)

    @property
    def lesson(self) -> str:
        """The number of the lesson it belongs to."""
        return lesson_of(self.id)


def lesson_of(name: str) -> str:
    """The lesson that an exercise or a prediction belongs to.

    >>> lesson_of("02.decode")
    '02'
    """
    if not isinstance(name, str) or not re.fullmatch(r"\d\d\.[a-z][a-z0-9_]*", name):
        raise ValueError(
            _("{name} is not a name such as 02.decode: lesson, dot, small letters.").format(
                name=repr(name)
            )
        )
    return name[:2]


def lessons() -> list[str]:
    """The numbers of the lessons that have exercises."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted(name.removeprefix("lesson_") for name in names if name.startswith("lesson_"))


def exercises(lesson: str) -> tuple[Exercise, ...]:
    """The exercises of a lesson, none for a lesson that has no file here."""
    if lesson not in lessons():
        return ()
    return importlib.import_module(f"{__name__}.lesson_{lesson}").EXERCISES


def all_exercises() -> tuple[Exercise, ...]:
    """The exercises of every lesson, in the lessons' order."""
    return tuple(exercise for lesson in lessons() for exercise in exercises(lesson))


def find(exercise_id: str, catalogue: Iterable[Exercise] | None = None) -> Exercise:
    """The exercise with this id; raises `LookupError` that names the near ones."""
    known = exercises(lesson_of(exercise_id)) if catalogue is None else catalogue
    by_id = {exercise.id: exercise for exercise in known}
    if exercise_id not in by_id:
        raise LookupError(
            _("There is no exercise {name}; near it: {near}.").format(
                name=exercise_id, near=near(exercise_id, by_id)
            )
        )
    return by_id[exercise_id]


def near(name: str, known: Iterable[str]) -> str:
    """The known names most like this one, or some of them where none is like it.

    >>> near("02.decoed", ["02.decode", "02.walk"])
    '02.decode'
    """
    known = sorted(known)
    like = difflib.get_close_matches(str(name), known, n=3) or known[:3]
    return ", ".join(like) or _("none")
