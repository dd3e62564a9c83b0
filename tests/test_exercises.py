import functools
import itertools
import re
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY
from urllib.parse import unquote

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient

from devops_lab import questions
from devops_lab.exercises import check, described, hint, judge, predict, prediction
from devops_lab.questions import Case, Exercise, Mistake

NEVER_CHECKED = (..., None, [1, ...], (..., ...), {"first": 1, "second": ...})

ENCODE = Exercise(
    id="99.encode",
    number=1,
    kind="compute",
    title="A space on the wire",
    is_right=lambda path: " " not in path and unquote(path) == "/rye bread",
    right_answers=("/rye%20bread", "/%72ye%20bread"),
    because="A space would end the path.",
    mistakes=(
        Mistake(
            answer="/rye+bread",
            when=lambda path: "+" in path,
            then="The server would look for a plus.",
            ask="Where in a URL is a plus a space?",
        ),
        Mistake(
            answer="/rye bread",
            when=lambda path: " " in path,
            then=lambda path: f"The server would read only {path.split()[0]}.",
            ask="What ends the path?",
        ),
    ),
    otherwise="What does the server read?",
    hints=("Look at the request line.", "Which byte is a space?"),
)
ROUTE = Exercise(
    id="99.route",
    number=2,
    kind="mend",
    title="Answer with a status",
    is_right=callable,
    cases=(
        Case(("/",), "status 200", lambda gave: gave[0] == 200),
        Case(("/nothing",), "status 404", lambda gave: gave[0] == 404),
        Case(("/more",), "status 404", lambda gave: gave[0] == 404),
    ),
    right_answers=(lambda path: (200 if path == "/" else 404, "text/plain", ""),),
    because="The status comes first.",
    mistakes=(
        Mistake(
            answer=lambda path: (200, "text/plain", ""),
            when=lambda failed: failed.case.arguments == ("/nothing",) and failed.gave[0] == 200,
            then="A search engine would keep a page that is not there.",
            ask="Which status says that there is nothing?",
        ),
    ),
    otherwise="What should it give there?",
    hints=("Compare the path.",),
)
CATALOGUE = (ENCODE, ROUTE)
EVERY_EXERCISE = [*CATALOGUE, *questions.all_exercises()]
each_exercise = pytest.mark.parametrize("exercise", EVERY_EXERCISE, ids=lambda e: e.id)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No test keeps progress in a real learner's folder."""
    monkeypatch.chdir(tmp_path)


def text_of(exercise, answer):
    return repr(judge(exercise, answer))


@each_exercise
def test_every_example_of_a_right_answer_is_right(exercise):
    assert exercise.right_answers
    for answer in exercise.right_answers:
        assert text_of(exercise, answer) == f"Right. {exercise.because}"


@each_exercise
def test_every_usual_mistake_is_met_with_its_own_words(exercise):
    for mistake in exercise.mistakes:
        given, then, ask = judge(exercise, mistake.answer).sentences
        assert text_of(exercise, mistake.answer).startswith("Not yet. ")
        assert then == (
            mistake.then if isinstance(mistake.then, str) else mistake.then(mistake.answer)
        )
        assert ask == mistake.ask
        assert ask.endswith("?")


@each_exercise
def test_an_open_answer_is_neither_right_nor_wrong(exercise):
    def unwritten(path): ...

    def described_only(path):
        """What it will do."""

    def half_written(path):
        return 200, ..., path

    for answer in (*NEVER_CHECKED, unwritten, described_only, half_written):
        assert text_of(exercise, answer).startswith("Not answered yet. ")


@each_exercise
def test_no_sentence_tells_the_right_answer(exercise):
    said = [exercise.title, exercise.otherwise, *exercise.hints]
    said += [mistake.ask for mistake in exercise.mistakes]
    said += [judge(exercise, mistake.answer).sentences[1] for mistake in exercise.mistakes]
    # The letter of a choice stands in every list of the letters.
    longer = [str(a) for a in exercise.right_answers if isinstance(a, str | int | float)]
    for answer in (text for text in longer if len(text) > 1):
        as_a_word = rf"(?<![\w.]){re.escape(answer)}(?![\w.]*\w)"
        assert not [text for text in said if re.search(as_a_word, text)]


def test_ids_and_numbers_are_given_once():
    for lesson, of_lesson in itertools.groupby(EVERY_EXERCISE, key=lambda e: e.lesson):
        of_lesson = list(of_lesson)
        assert len({exercise.id for exercise in of_lesson}) == len(of_lesson), lesson
        assert len({exercise.number for exercise in of_lesson}) == len(of_lesson), lesson
        assert all(exercise.hints for exercise in of_lesson), lesson


def test_a_verdict_in_the_notebook_says_what_was_given_and_asks(capsys):
    check("99.encode", "/rye bread", catalogue=CATALOGUE)
    assert capsys.readouterr().out == (
        "Not yet. You gave '/rye bread'.\nThe server would read only /rye.\nWhat ends the path?\n"
    )
    check("99.encode", "/rye%20bread", catalogue=CATALOGUE)
    assert capsys.readouterr().out == "Right. A space would end the path.\n"
    check("99.encode", ..., catalogue=CATALOGUE)
    assert capsys.readouterr().out == (
        "Not answered yet. “A space on the wire” waits for you: "
        "put your answer in place of ... and run both cells.\n"
    )


def test_a_function_is_told_the_first_call_that_fails_and_what_was_wanted():
    def fails(path):
        return {"/": (200,)}[path]

    def other_shape(path):
        return None if path else 200

    def good_at_the_end(path):
        return (404 if path == "/more" else 500), "text/plain", path

    assert text_of(ROUTE, fails) == (
        "Not yet. fails('/nothing') raised KeyError: '/nothing'. Wanted: status 404.\n"
        "What should it give there?"
    )
    assert "other_shape('/') gave None. Wanted: status 200." in text_of(ROUTE, other_shape)
    assert "good_at_the_end('/') gave (500, 'text/plain', '/'). Wanted: status 200." in text_of(
        ROUTE, good_at_the_end
    )


def test_what_all_cases_cannot_show_is_asked_at_the_end():
    def works_here_only(path):
        return (200 if path == "/" else 404), "text/plain", ""

    elsewhere = replace(ROUTE, is_right=lambda route: False)
    assert text_of(elsewhere, works_here_only) == (
        "Not yet. You gave works_here_only.\nWhat should it give there?"
    )


def test_a_function_may_spoil_what_it_is_given():
    def takes_all(numbers):
        return [numbers.pop() for _ in range(len(numbers))]

    case = Case(([1, 2],), "both, the last one first", lambda gave: gave == [2, 1])
    exercise = replace(ROUTE, cases=(case, case))
    assert [judge(exercise, takes_all).look for _check in range(2)] == ["right", "right"]


def test_a_function_without_end_does_not_hang_the_check(monkeypatch):
    monkeypatch.setattr("devops_lab.exercises.CASE_LIMIT_S", 0.2)

    def endless(path):
        while True:
            pass

    assert text_of(ROUTE, endless) == (
        "Not yet. endless('/') did not come back. Wanted: status 200.\nWhat should it give there?"
    )


def test_a_value_without_end_does_not_hang_the_check(monkeypatch):
    monkeypatch.setattr("devops_lab.exercises.CHECK_LIMIT_S", 0.2)

    def loops(path):
        while path:
            pass

    endless = replace(ENCODE, is_right=loops)
    assert text_of(endless, "/bread") == (
        "Not yet. You gave '/bread'.\n"
        "The check stopped waiting after 0.2 s; it may loop without an end.\n"
        "What does the server read?"
    )


class RaisesAlways:
    def __getattribute__(self, name):
        raise RuntimeError("leave me alone")

    __eq__ = __repr__ = __hash__ = __contains__ = __len__ = __bool__ = __iter__ = (
        lambda self, *others: 1 / 0
    )


class LoopsWhenShown:
    def __repr__(self):
        while True:
            pass


class ShownAsNoScreenCan:
    def __repr__(self):
        return "\ud800\u202e\0\n" * 1_000


class ExitsWhenCompared:
    def __contains__(self, other):
        sys.exit("bye")


def endless_generator():
    while True:
        yield 1


def deep_list():
    return functools.reduce(lambda inner, _: [inner], range(100_000), [])


# Made in the test, because pytest itself cannot hold some of them.
STRANGE = {
    "raises at every touch": RaisesAlways,
    "a class that raises": lambda: RaisesAlways,
    "loops when shown": LoopsWhenShown,
    "shown as no screen can": ShownAsNoScreenCan,
    "ends the program": ExitsWhenCompared,
    "an endless generator": endless_generator,
    "an endless iterator": itertools.count,
    "a deep list": deep_list,
    "not a number": lambda: float("nan"),
    "a huge text": lambda: "x" * 10_000_000,
    "a text no screen can show": lambda: "\ud800\u202e\0",
    "a page": lambda: "<script>alert(1)</script>",
    "bytes": lambda: b"\0\xff" * 1_000_000,
    "an array": lambda: np.zeros(5),
    "numpy's nan": lambda: np.float64("nan"),
    "a table": lambda: pd.DataFrame({"a": [1, 2]}),
    "a missing value": lambda: pd.NA,
    "an object": object,
    "a function of C": lambda: print,
    "a function of nothing": lambda: lambda: 1,
    "the end": lambda: sys.exit,
    "a type": lambda: type,
    "equal to all": lambda: ANY,
    "an error": lambda: Exception("<script>"),
    "an empty dict": dict,
}
each_strange = pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)


@pytest.mark.parametrize("exercise", CATALOGUE, ids=lambda e: e.id)
@each_strange
def test_no_answer_however_strange_breaks_the_check(make, exercise):
    card = judge(exercise, make())
    assert card.look in {"right", "not yet", "open"}
    assert len(repr(card)) < 2_000
    assert "<script>" not in card._repr_html_()
    repr(card).encode()
    assert " at 0x" not in repr(card)


@each_exercise
def test_no_exercise_of_the_course_is_broken_by_a_strange_answer(exercise):
    for make in (make for name, make in STRANGE.items() if name != "loops when shown"):
        assert judge(exercise, make()).look in {"right", "not yet", "open"}


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.binary() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
        max_leaves=10,
    )
)
def test_plain_values_of_every_kind_are_judged(answer):
    for exercise in CATALOGUE:
        assert judge(exercise, answer).look in {"right", "not yet", "open"}
    assert len(described(answer)) <= 80


@pytest.mark.parametrize("make", [LoopsWhenShown, RaisesAlways, ShownAsNoScreenCan])
def test_a_function_that_gives_something_strange_is_judged_too(make):
    def gives_it(path):
        return make()

    assert text_of(ROUTE, gives_it).startswith("Not yet. gives_it('/') gave ")


def test_what_the_learner_gave_is_shown_and_never_run():
    page = judge(ENCODE, "<img src=x onerror=alert(1)>")._repr_html_()
    assert "<img" not in page
    assert "&lt;img" in page
    assert 'role="status"' in page


def test_a_misspelt_exercise_names_the_near_ones():
    with pytest.raises(LookupError, match=r"no exercise 99\.encoed; near it: 99\.encode"):
        check("99.encoed", 1, catalogue=CATALOGUE)
    with pytest.raises(LookupError, match=r"no exercise 98\.any; near it: none"):
        check("98.any", 1)
    with pytest.raises(LookupError, match=r"no exercise 2; near it: 99\.encode"):
        check(2, 1, catalogue=CATALOGUE)
    with pytest.raises(ValueError, match="2 is not a name such as"):
        check(2, 1)
    with pytest.raises(ValueError, match="not a name such as"):
        check("encode", 1)


def test_hints_come_one_by_one_and_stay(capsys):
    hint("99.encode", catalogue=CATALOGUE)
    assert capsys.readouterr().out == (
        "Hint. 1 of 2: Look at the request line.\n1 more hint: run this cell again.\n"
    )
    last = (
        "Hint. 1 of 2: Look at the request line.\n2 of 2: Which byte is a space?\n"
        "That was the last hint.\n"
    )
    for _again in range(2):
        hint("99.encode", catalogue=CATALOGUE)
        assert capsys.readouterr().out == last


def test_a_prediction_is_kept_for_the_figures_and_may_change(capsys):
    assert predict("99.wait", ..., unit="ms") is None
    assert capsys.readouterr().out.startswith("No prediction yet.")
    assert prediction("99.wait") is None
    assert predict("99.wait", 40, unit="ms") == 40.0
    assert capsys.readouterr().out == "Noted. You predict 40 ms.\n"
    assert predict("99.wait", np.float64(1_250.5), unit="ms") == 1250.5
    assert capsys.readouterr().out == "Noted. You predict 1,250.5 ms.\nBefore, it was 40 ms.\n"
    assert prediction("99.wait") == 1250.5


def test_an_impossible_prediction_is_asked_for_again_and_not_kept(capsys):
    options = {"unit": "%", "between": (0, 100)}
    assert predict("99.share", 140, **options) is None
    assert capsys.readouterr().out == (
        "Not yet. You predict 140 %.\n"
        "Can it be more than 100 %? Think again, and run this cell again.\n"
    )
    assert predict("99.share", -1, **options) is None
    assert "Can it be less than 0 %?" in capsys.readouterr().out
    assert prediction("99.share") is None
    assert predict("99.share", 100, **options) == 100
    assert predict("99.share", 140, **options) is None
    assert prediction("99.share") == 100


@each_strange
def test_what_is_no_number_is_no_prediction(make, capsys):
    assert predict("99.wait", make()) is None
    assert capsys.readouterr().out.startswith("Not yet. ")
    assert prediction("99.wait") is None


@pytest.mark.parametrize("value", ["40", True, 10**400, float("inf"), 1j])
def test_what_looks_like_a_number_is_no_prediction_either(value, capsys):
    assert predict("99.wait", value) is None
    assert capsys.readouterr().out.startswith("Not yet. ")


@pytest.mark.parametrize(
    ("right", "other", "said"),
    [
        ("40", 40, "a text, in quotes"),
        (40, "40", "a number, without quotes"),
        (40, True, "a number"),
        (np.int64(40), "40", "a number"),
        (False, "no", "True or False"),
        (["a"], "a", "in square brackets"),
        (len, 3, "its name, without brackets"),
    ],
)
def test_another_sort_of_thing_is_told_what_is_asked_for(right, other, said):
    exercise = replace(ENCODE, right_answers=(right,), mistakes=(), is_right=lambda answer: True)
    assert judge(exercise, right).look == "right"
    assert said in text_of(exercise, other)


def test_a_sort_that_a_usual_mistake_is_of_gets_that_mistakes_words():
    quoted = replace(ENCODE.mistakes[0], answer="40", when=lambda answer: isinstance(answer, str))
    exercise = replace(
        ENCODE, right_answers=(40,), is_right=lambda answer: answer == 40, mistakes=(quoted,)
    )
    assert quoted.ask in text_of(exercise, "40")
    assert "a number" in text_of(exercise, [40])


def test_in_a_notebook_a_check_is_shown_wherever_it_stands_in_the_cell(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(questions.__file__).parents[2]))
    exercise = questions.all_exercises()[0]
    cell = (
        "from devops_lab.exercises import check, predict\n"
        f"check({exercise.id!r}, ...)\n"
        f"wait_ms = predict({exercise.lesson + '.wait'!r}, 40, unit='ms')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook).execute()
    verdict, noted = notebook.cells[0].outputs
    assert verdict.output_type == "display_data"
    assert verdict.data["text/plain"].startswith("Not answered yet.")
    assert "Not answered yet." in verdict.data["text/html"]
    assert noted.data["text/plain"] == "Noted. You predict 40 ms."
