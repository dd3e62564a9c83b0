"""What a lesson asks for: `check` an answer, get a `hint`, commit a prediction.

The exercises themselves are in `devops_lab.questions`, one file a lesson.
"""

import copy
import dis
import math
import numbers
import re
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from devops_lab import questions
from devops_lab.cards import Card, show
from devops_lab.limits import call_with_limit
from devops_lab.progress_file import Record, progress
from devops_lab.questions import Case, Exercise, Failed
from devops_lab.translation import _, ngettext

# Long enough for a server to be started in a check, on a busy machine.
CHECK_LIMIT_S = 15.0
CASE_LIMIT_S = 1.0
_DESCRIBE_LIMIT_S = 1.0
_SHOWN_LETTERS = 80
_FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType)
# What a function without a statement consists of, beside the value it returns.
_IDLE_STEPS = {"RESUME", "NOP", "RETURN_VALUE", "COPY_FREE_VARS"}

_SORTS: dict[Callable[[Any], bool], str] = {
    lambda answer: isinstance(answer, str): _("The answer here is a text, in quotes."),
    lambda answer: isinstance(answer, bool): _("The answer here is True or False."),
    lambda answer: isinstance(answer, numbers.Real) and not isinstance(answer, bool): _(
        "The answer here is a number, without quotes and without a unit."
    ),
    lambda answer: isinstance(answer, list | tuple | set): _(
        "The answer here is a list, in square brackets."
    ),
    callable: _("The answer here is a function: its name, without brackets after it."),
}

_short = reprlib.Repr()
_short.maxstring, _short.maxother = 60, _SHOWN_LETTERS
_hints_given: Counter[str] = Counter()


def check(exercise_id: str, answer: Any, *, catalogue: Iterable[Exercise] | None = None) -> None:
    """Shows whether the answer is right, not yet right, or not given yet; right ones are kept.

    Nothing the learner gives raises here. Raises `LookupError` for an exercise that does not
    exist.
    """
    exercise = questions.find(exercise_id, catalogue)
    verdict = judge(exercise, answer)
    troubles: list[str] = []
    if verdict.look == "right":
        mine = progress()
        mine.add(Record(right=frozenset({exercise.id})))
        troubles = mine.new_troubles()
    show(Card(verdict.look, verdict.word, (*verdict.sentences, *troubles)))


def hint(exercise_id: str, *, catalogue: Iterable[Exercise] | None = None) -> None:
    """Shows one more hint at each call, with those given before."""
    hints = questions.find(exercise_id, catalogue).hints
    _hints_given[exercise_id] = given = min(_hints_given[exercise_id] + 1, len(hints))
    numbered = _("{number} of {total}: {hint}")
    sentences = [
        numbered.format(number=number, total=len(hints), hint=hints[number - 1])
        for number in range(1, given + 1)
    ]
    left = len(hints) - given
    remaining = ngettext(
        "{count} more hint: run this cell again.", "{count} more hints: run this cell again.", left
    )
    sentences.append(remaining.format(count=left) if left else _("That was the last hint."))
    show(Card("note", _("Hint."), tuple(sentences)))


def predict(
    prediction_id: str,
    value: Any,
    *,
    unit: str = "",
    between: tuple[float, float] = (-math.inf, math.inf),
) -> float | None:
    """The number the learner commits, kept with their progress, for a figure to draw.

    `None` while `...` stands in its place, so that the figure draws nothing. A number outside
    `between` cannot be: it is not kept, and asked for again.
    """
    questions.lesson_of(prediction_id)
    if value is None or value is ...:
        text = _("Put your number in place of ... and run this cell again; a rough guess is fine.")
        show(Card("open", _("No prediction yet."), (text,)))
        return None
    number = _as_number(value)
    if number is None:
        text = _("A prediction is one number, such as 40; the unit is added for you.")
        show(Card("not yet", _("Not yet."), (text,)))
        return None
    if doubt := _doubt(number, between, unit):
        show(Card("not yet", _("Not yet."), (_you_predict(number, unit), doubt)))
        return None
    mine = progress()
    before = mine.now().predictions.get(prediction_id, number)
    mine.add(Record(predictions={prediction_id: number}))
    sentences = [_you_predict(number, unit)]
    if before != number:
        sentences.append(_("Before, it was {number}.").format(number=_with_unit(before, unit)))
    show(Card("note", _("Noted."), (*sentences, *mine.new_troubles())))
    return number


def prediction(prediction_id: str) -> float | None:
    """The number committed with `predict`, in this lesson or another; `None` if there is none."""
    questions.lesson_of(prediction_id)
    return progress().now().predictions.get(prediction_id)


def judge(exercise: Exercise, answer: Any) -> Card:
    """The verdict on an answer. It never raises, whatever the answer is or does."""
    if _is_open(answer):
        text = _("“{title}” waits for you: put your answer in place of ... and run both cells.")
        return Card("open", _("Not answered yet."), (text.format(title=exercise.title),))
    try:
        return call_with_limit(_judge, exercise, answer, seconds=CHECK_LIMIT_S)
    except TimeoutError:
        then = _("The check stopped waiting after {seconds:g} s; it may loop without an end.")
    except Exception:
        then = _("The check could not come to an end with it.")
    return _not_yet(_given(answer), then.format(seconds=CHECK_LIMIT_S), exercise.otherwise)


def _judge(exercise: Exercise, answer: Any) -> Card:
    if wanted := _other_sort(exercise, answer):
        return _not_yet(_given(answer), wanted)
    failed = _first_failed(exercise.cases, answer)
    if failed is None and _holds(exercise.is_right, answer):
        return Card("right", _("Right."), (exercise.because,))
    given = _given(answer) if failed is None else _story(answer, failed)
    judged = answer if failed is None else failed
    for mistake in exercise.mistakes:
        if _holds(mistake.when, judged):
            then = mistake.then if isinstance(mistake.then, str) else mistake.then(judged)
            return _not_yet(given, then, mistake.ask)
    return _not_yet(given, exercise.otherwise)


def _first_failed(cases: Iterable[Case], function: Callable[..., Any]) -> Failed | None:
    for case in cases:
        arguments = copy.deepcopy(case.arguments)
        try:
            gave = call_with_limit(function, *arguments, seconds=CASE_LIMIT_S)
        except Exception as error:
            return Failed(case, raised=error)
        if not _holds(case.holds, gave):
            return Failed(case, gave)
    return None


def _other_sort(exercise: Exercise, answer: Any) -> str:
    """What to say to an answer of a sort that the exercise does not know; else nothing.

    So an endless iterator, which nothing can stop from outside, is never gone through.
    """
    examples = (*exercise.right_answers, *(mistake.answer for mistake in exercise.mistakes))
    sorts = {sort for example in examples for sort in _SORTS if _holds(sort, example)}
    if not sorts or any(_holds(sort, answer) for sort in sorts):
        return ""
    return next(said for sort, said in _SORTS.items() if _holds(sort, exercise.right_answers[0]))


def _not_yet(*sentences: str) -> Card:
    return Card("not yet", _("Not yet."), sentences)


def _holds(test: Callable[[Any], bool], answer: Any) -> bool:
    """Whether the answer passes the test; one of a kind that the test cannot take does not."""
    try:
        return bool(test(answer))
    except Exception:
        return False


def _is_open(answer: Any) -> bool:
    """Whether a `...` of the lesson still stands in the answer; in a function, nothing counts too.

    Kinds are compared by identity, since a strange object may lie about its class or raise.
    """
    if answer is None or answer is ...:
        return True
    if type(answer) in (list, tuple):
        return any(part is ... for part in answer)
    if type(answer) is dict:
        return any(part is ... for part in answer.values())
    return type(answer) is FunctionType and _is_unwritten(answer)


def _is_unwritten(function: FunctionType) -> bool:
    steps = (step for step in dis.get_instructions(function) if step.opname not in _IDLE_STEPS)
    used = [step.argval for step in steps]
    return used == [None] or any(_is_open(value) for value in used if value is not None)


def _given(answer: Any) -> str:
    return _("You gave {answer}.").format(answer=described(answer))


def _story(function: Callable[..., Any], failed: Failed) -> str:
    """The failed call, what came of it, and what was wanted."""
    if failed.raised is None:
        text = _("{call} gave {outcome}. Wanted: {wanted}.")
    elif isinstance(failed.raised, TimeoutError):
        text = _("{call} did not come back. Wanted: {wanted}.")
    else:
        text = _("{call} raised {outcome}. Wanted: {wanted}.")
    return text.format(
        call=f"{described(function)}({', '.join(map(described, failed.case.arguments))})",
        outcome=described(failed.gave if failed.raised is None else failed.raised),
        wanted=failed.case.wanted,
    )


def described(thing: Any) -> str:
    """The thing in at most 80 characters, the same in every run; never raises, never hangs.

    >>> described("/menu"), described(3.0), described(len)
    ("'/menu'", '3.0', 'len')
    """
    try:
        text = call_with_limit(_described, thing, seconds=_DESCRIBE_LIMIT_S)
    except Exception:
        return _("something that cannot be shown")
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= _SHOWN_LETTERS else text[: _SHOWN_LETTERS - 1] + "…"


def _described(thing: Any) -> str:
    if isinstance(thing, _FUNCTIONS):
        return thing.__name__
    if isinstance(thing, Exception):
        return f"{type(thing).__name__}: {thing}"
    if isinstance(thing, numbers.Real):
        return str(thing)
    shape = getattr(thing, "shape", ())
    if type(shape) is tuple and len(shape) > 1:
        return f"{type(thing).__name__} {shape}"
    if type(thing) is bytes:
        return repr(thing[:_SHOWN_LETTERS])
    # An address differs in every run.
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", _short.repr(thing))


def _as_number(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, numbers.Real) else math.nan
    except Exception:
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


def _with_unit(number: float, unit: str) -> str:
    return f"{number:,.10g} {unit}".rstrip()


def _you_predict(number: float, unit: str) -> str:
    return _("You predict {number}.").format(number=_with_unit(number, unit))


def _doubt(number: float, between: tuple[float, float], unit: str) -> str:
    """A question about a number that cannot be; nothing about one that can."""
    low, high = between
    if number < low:
        text, limit = _("Can it be less than {limit}? Think again, and run this cell again."), low
    elif number > high:
        text, limit = _("Can it be more than {limit}? Think again, and run this cell again."), high
    else:
        return ""
    return text.format(limit=_with_unit(limit, unit))
