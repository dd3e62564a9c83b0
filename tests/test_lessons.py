"""Every lesson keeps the course's rules, and every rule refuses the lesson that breaks it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lesson_rules import RULES, Rule
from lessons import (
    LESSON_FILES,
    NOTEBOOK_METADATA,
    WIDGET,
    Lesson,
    code_cell,
    make_lesson,
    prose_cell,
    read_lesson,
)
from nbformat import NotebookNode
from nbformat.v4 import new_output

from devops_lab import __version__, questions
from devops_lab.course import LESSONS

TITLE = LESSONS["00"].title
RELEASE = ".".join(__version__.split(".")[:2])
FIGURE = new_output("display_data", {"application/vnd.plotly.v1+json": {"data": []}})
ERROR = new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])
FILLER = "Words that say what the code around them does and why it matters here today. " * 3


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("file", LESSON_FILES, ids=lambda file: file.stem)
def test_the_lesson_keeps_the_rule(file: Path, rule: Rule) -> None:
    assert rule(read_lesson(file)) == []


@pytest.mark.parametrize("file", LESSON_FILES, ids=lambda file: file.stem)
def test_the_lesson_uses_all_exercises_of_its_catalogue(file: Path) -> None:
    lesson = read_lesson(file)
    catalogue = {exercise.id for exercise in questions.exercises(lesson.number)}
    assert unmatched_exercises(lesson, catalogue) == []


def unmatched_exercises(lesson: Lesson, catalogue: set[str]) -> list[str]:
    asked = {exercise.key for exercise in lesson.exercises}
    unknown = [f"{key} is not in devops_lab.questions" for key in sorted(asked - catalogue)]
    unused = sorted(catalogue - asked)
    return unknown + [f"{key} is in devops_lab.questions, and not in the lesson" for key in unused]


def a_good_lesson() -> Lesson:
    """The smallest lesson that keeps every rule; each test below spoils a fresh one."""
    cells = [
        prose_cell(f"# {TITLE}\n\nThe phone rings: is the shop *open*?", "question"),
        code_cell(
            f'welcome("00", version="{RELEASE}")', "welcome", printed="Lesson 00: Start here"
        ),
        prose_cell(
            "You will be able to\n\n- **start** a server\n- **stop** it\n- **say** why",
            "objectives",
        ),
        prose_cell(f"## Predict: how many?\n\n{FILLER}", "predict"),
        code_cell("service_time_s = 0.05", "parameters"),
        prose_cell(f"One answer takes 50 ms of work (지연 시간). {FILLER}", "situation"),
        code_cell("draw(table)", "still-figure", "nbval-ignore-output"),
        prose_cell(f"## Try it\n\n{FILLER}", "try-it"),
        code_cell("dashboard()", "dashboard", "dashboard", "nbval-ignore-output"),
        prose_cell(f"That was half of it. {FILLER}", "pause"),
        code_cell('reached_stop("00")', "stop", printed="Half-way."),
        prose_cell(f"## Where it breaks\n\n{FILLER}", "where-it-breaks"),
        code_cell('raise ValueError("no")', "failure", "raises-exception"),
        prose_cell(f"## Exercises\n\n{FILLER}", "exercises"),
        *_an_exercise("port"),
        *_an_exercise("status", "optional"),
        *_an_exercise("address", "optional"),
        prose_cell("## Summary\n\n1. **Start**: so\n2. **stop**: so\n3. **say**: so", "summary"),
        prose_cell(f"## At work\n\nOn to [more](#Where-it-breaks). {FILLER}", "at-work"),
        prose_cell("## References\n\n[The RFC](https://www.rfc-editor.org)", "references"),
    ]
    lesson = make_lesson(*cells)
    of(lesson, "still-figure").outputs = [FIGURE]
    of(lesson, "failure").outputs = [ERROR]
    return lesson


def _an_exercise(name: str, *more_tags: str) -> list[NotebookNode]:
    return [
        code_cell(f"{name} = None", f"exercise-{name}", "exercise", *more_tags),
        code_cell(f'check("00.{name}", {name})', f"check-{name}", "check", printed="Not answered"),
        code_cell(f"{name}_solution = 1", f"solution-{name}", "solution", folded=True),
    ]


def of(lesson: Lesson, cell_id: str) -> NotebookNode:
    return next(cell for cell in lesson.cells if cell.id == cell_id)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_lesson_keeps_the_rule(rule: Rule) -> None:
    assert rule(a_good_lesson()) == []


def set_cell(cell_id: str, **fields: object) -> Callable[[Lesson], None]:
    """Spoils a lesson: the cell gets other fields."""

    def spoil(lesson: Lesson) -> None:
        of(lesson, cell_id).update(fields)

    return spoil


def set_source(cell_id: str, source: str) -> Callable[[Lesson], None]:
    return set_cell(cell_id, source=source)


def set_tags(cell_id: str, *tags: str) -> Callable[[Lesson], None]:
    return set_cell(cell_id, metadata=NotebookNode(tags=list(tags)))


def set_printed(cell_id: str, text: str) -> Callable[[Lesson], None]:
    return set_cell(cell_id, outputs=[new_output("stream", name="stdout", text=text)])


def drop(*cell_ids: str) -> Callable[[Lesson], None]:
    """Spoils a lesson: it loses the cells."""

    def spoil(lesson: Lesson) -> None:
        lesson.cells[:] = [cell for cell in lesson.cells if cell.id not in cell_ids]

    return spoil


def set_metadata(**metadata: object) -> Callable[[Lesson], None]:
    def spoil(lesson: Lesson) -> None:
        lesson.notebook.metadata = NotebookNode(NOTEBOOK_METADATA | metadata)

    return spoil


def swap(cell_id: str, other_id: str) -> Callable[[Lesson], None]:
    def spoil(lesson: Lesson) -> None:
        ids = [cell.id for cell in lesson.cells]
        a, b = ids.index(cell_id), ids.index(other_id)
        lesson.cells[a], lesson.cells[b] = lesson.cells[b], lesson.cells[a]

    return spoil


TOO_LONG = "\n".join(f"a{n} = {n}" for n in range(11))
IPYTHON_WIDGET = new_output(
    "display_data", {WIDGET: {"model_id": "1"}, "text/plain": "IntSlider()"}
)
STDERR = new_output("stream", name="stderr", text="DeprecationWarning")

SPOILT = [
    ("is_a_valid_notebook", set_metadata(kernelspec={"name": "my-env"}), "metadata"),
    ("is_a_valid_notebook", set_cell("pause", surprise=1), "not a valid notebook"),
    ("uses_only_known_tags", set_tags("pause", "hide-celll"), "'hide-celll'"),
    ("uses_only_known_tags", set_tags("welcome", "nbval-skip"), "'nbval-skip'"),
    ("has_readable_unique_ids", set_cell("pause", id="7fb27b94"), "choose words"),
    ("has_readable_unique_ids", set_cell("pause", id="welcome"), "two cells"),
    ("keeps_its_size", set_source("parameters", TOO_LONG), "11 lines"),
    ("keeps_its_size", set_source("pause", FILLER * 5), "words; cut"),
    ("keeps_its_size", set_printed("parameters", "x" * 400_000), "kB"),
    ("keeps_its_size", set_source("parameters", TOO_LONG * 9), "words of prose"),
    ("keeps_its_size", drop(*(c.id for c in a_good_lesson().cells[5:])), "cells, not 20 to 60"),
    ("opens_with_title_question_and_welcome", set_source("question", f"# {TITLE}"), "question"),
    ("opens_with_title_question_and_welcome", set_source("question", "# Begin\n\nWhy?"), "title"),
    ("opens_with_title_question_and_welcome", drop("welcome"), "welcome("),
    ("has_its_sections", drop("at-work"), "'At work'"),
    ("has_its_sections", set_source("at-work", "#### At work"), "level 4"),
    ("has_its_sections", set_source("pause", "# Another title"), "2 titles"),
    ("answers_its_objectives", set_source("objectives", "- **start** a server"), "0 objectives"),
    ("answers_its_objectives", set_source("summary", "## Summary\n\n- **start**"), "the summary"),
    ("has_one_stop_point", drop("stop"), "at cells {}"),
    ("has_one_stop_point", swap("stop", "references"), "not one at about half"),
    ("pairs_exercise_check_and_solution", set_source("exercise-port", "x = 1"), "no value"),
    ("pairs_exercise_check_and_solution", set_source("solution-port", "x = 1"), "port_solution"),
    (
        "pairs_exercise_check_and_solution",
        set_source("solution-port", "port = port_solution = 1"),
        "assigns the learner's port",
    ),
    ("pairs_exercise_check_and_solution", set_tags("solution-port", "solution"), "not folded"),
    ("pairs_exercise_check_and_solution", set_tags("check-port"), "not tagged check"),
    ("pairs_exercise_check_and_solution", swap("solution-port", "at-work"), "does not follow"),
    (
        "has_core_and_optional_exercises",
        set_source("check-port", "1"),
        "no exercise; it needs a check",
    ),
    (
        "has_core_and_optional_exercises",
        set_source("check-port", 'check("02.x", port)'),
        "of lesson",
    ),
    ("has_core_and_optional_exercises", set_tags("exercise-port", "optional"), "0 of them"),
    ("is_plain_python", set_source("parameters", "!ls"), "not plain Python"),
    ("imports_only_what_the_course_has", set_source("welcome", "import requests"), "requests"),
    (
        "imports_only_what_the_course_has",
        set_source("welcome", "from devops_lab.course import wellcome"),
        "devops_lab.course.wellcome",
    ),
    (
        "imports_only_what_the_course_has",
        set_source("welcome", "from devops_lab.corse import welcome"),
        "devops_lab.corse",
    ),
    ("was_run_from_top_to_bottom", set_cell("parameters", execution_count=None), "not run once"),
    ("was_run_from_top_to_bottom", set_source("parameters", "print(1)"), "no output is stored"),
    ("fails_only_on_purpose", set_tags("failure"), "not tagged raises-exception"),
    ("fails_only_on_purpose", set_cell("failure", outputs=[]), "no error is stored"),
    ("fails_only_on_purpose", set_cell("welcome", outputs=[STDERR]), "error stream"),
    ("stores_no_widgets", set_cell("dashboard", outputs=[IPYTHON_WIDGET]), "stores a widget"),
    ("stores_no_widgets", set_metadata(widgets={}), "state of widgets"),
    ("stores_no_widgets", set_tags("dashboard", "dashboard"), "nbval-ignore-output too"),
    ("stores_no_widgets", set_cell("still-figure", outputs=[]), "no still figure"),
    ("compares_figures_as_tables", set_tags("still-figure"), "stores a figure"),
    (
        "asserts_what_it_does_not_compare",
        set_tags("parameters", "nbval-ignore-output"),
        "['service_time_s']",
    ),
    ("stores_nothing_of_this_machine", set_printed("welcome", "/home/me/x.py"), "a path"),
    ("stores_nothing_of_this_machine", set_printed("welcome", r"C:\Users\me"), "a path"),
    ("stores_nothing_of_this_machine", set_printed("welcome", "127.0.0.1:8080"), "a port"),
    ("stores_nothing_of_this_machine", set_printed("welcome", "at 12:30:01 GMT"), "a time"),
    ("states_no_measured_number", set_source("pause", "It took 51 ms."), "51 ms"),
    (
        "states_no_measured_number",
        set_source("pause", "About 1,200 requests/s."),
        "1,200 requests/s",
    ),
    ("states_no_measured_number", set_source("pause", "Only 97 % worked."), "97 %"),
    ("names_a_source_for_published_numbers", set_tags("pause", "published"), "no source"),
    ("links_inside_the_course", set_source("pause", "[x](https://a.example)"), "the references"),
    ("links_inside_the_course", set_source("pause", "see http://a.example"), "neither"),
    ("links_inside_the_course", set_source("pause", "[x](../README.md)"), "neither"),
    ("links_inside_the_course", set_source("pause", "[x](#nowhere)"), "neither"),
    ("links_inside_the_course", set_source("pause", "![](#Summary)"), "no text"),
    ("uses_korean_terms_of_the_glossary", set_source("pause", "없는 말"), "없는 말"),
    (
        "gives_a_bold_term_its_main_korean_one",
        set_source("pause", "The **latency** (응답 시간) grows."),
        "latency is 지연 시간 in the glossary, not 응답 시간",
    ),
    (
        "gives_a_bold_term_its_main_korean_one",
        set_source("pause", "It is **slow** (레이턴시)."),
        "레이턴시 is no term's main word",
    ),
]


@pytest.mark.parametrize(
    ("name", "spoil", "complaint"), SPOILT, ids=[f"{name}-{words}" for name, _, words in SPOILT]
)
def test_the_rule_refuses_the_spoilt_lesson(
    name: str, spoil: Callable[[Lesson], None], complaint: str
) -> None:
    lesson = a_good_lesson()
    spoil(lesson)
    problems = next(rule for rule in RULES if rule.__name__ == name)(lesson)
    assert any(complaint in problem for problem in problems), problems


def test_every_rule_has_a_lesson_that_it_refuses() -> None:
    assert {name for name, _, _ in SPOILT} == {rule.__name__ for rule in RULES}


def test_a_published_number_may_stand_in_prose_with_its_source() -> None:
    lesson = a_good_lesson()
    set_source("pause", "99.95 % in [the agreement](https://a.example)")(lesson)
    set_tags("pause", "published")(lesson)
    assert [problem for rule in RULES for problem in rule(lesson)] == []


def test_a_lesson_and_its_catalogue_have_the_same_exercises() -> None:
    assert unmatched_exercises(a_good_lesson(), {"00.port", "00.status", "00.disk"}) == [
        "00.address is not in devops_lab.questions",
        "00.disk is in devops_lab.questions, and not in the lesson",
    ]
