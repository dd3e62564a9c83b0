"""What every lesson keeps to: each rule takes a lesson and returns what is wrong, nothing if right.

An author's list to tick; CONTRIBUTING names them. A rule's docstring is the rule.
"""

import ast
import importlib
import math
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import cache

import nbformat
from lessons import (
    FIGURES,
    NOTEBOOK_METADATA,
    ROOT,
    WIDGET,
    Lesson,
    assigned_names,
    calls,
    headings,
    output_kinds,
    output_texts,
    section,
    tags,
    tree,
    used_names,
    words_of,
)
from nbformat import NotebookNode

import devops_lab
from devops_lab.course import LESSONS
from devops_lab.glossary import glossary

CELL_TAGS = {
    "exercise": "the learner's answer goes here; unanswered, the cell runs without an error",
    "check": "tells right, not yet, not answered; follows its exercise",
    "solution": "assigns NAME_solution, folded; follows its check",
    "optional": "not on the main path",
    "published": "the numbers in this prose are published, and their source is named",
    "dashboard": "shows controls; driven in a real browser; its output is not stored",
    "nbval-ignore-output": "differs from run to run, or by machine: not compared, but asserting",
    "raises-exception": "fails on purpose; the traceback is part of the lesson",
}

SECTIONS = (
    "Predict",
    "Try it",
    "Where it breaks",
    "Exercises",
    "Summary",
    "At work",
    "References",
)

# A lesson reads like the course's own code: everything else moves into devops_lab.
IMPORTABLE = {"devops_lab", "IPython", "ipywidgets", "numpy", "pandas", "plotly"}

# Korean that is a name and no term, so it needs no entry in the glossary.
KOREAN_NAMES = {"달빛 빵집"}

MAX_FILE_KB = 400
MAX_CODE_LINES = 10
MAX_MEDIAN_CODE_LINES = 4
MAX_WORDS_IN_A_CELL = 200
CELLS = range(20, 61)
WORDS_PER_CODE_LINE = (10, 30)

Rule = Callable[[Lesson], list[str]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


@rule
def is_a_valid_notebook(lesson: Lesson) -> list[str]:
    """The file is valid to nbformat, is named NN_words, and holds no machine's metadata."""
    problems = []
    if not re.fullmatch(r"\d\d(_[a-z]+)+", lesson.name):
        problems.append(f"{lesson.name}: name the file NN_words.ipynb")
    if lesson.notebook.metadata != NOTEBOOK_METADATA:
        problems.append("the notebook's metadata are not the course's: make outputs")
    try:
        nbformat.validate(lesson.notebook)
    except nbformat.ValidationError as error:
        problems.append(f"not a valid notebook: {error.message}")
    return problems


@rule
def uses_only_known_tags(lesson: Lesson) -> list[str]:
    """Every tag is one of `CELL_TAGS`."""
    return [
        f"{cell.id}: the tag {tag!r} is not one of {', '.join(CELL_TAGS)}"
        for cell in lesson.cells
        for tag in sorted(tags(cell) - CELL_TAGS.keys())
    ]


@rule
def has_readable_unique_ids(lesson: Lesson) -> list[str]:
    """A cell's id is of words and numbers joined by hyphens and used once: a translation of the
    lesson is paired by them, so they are chosen, and stay."""
    ids = [cell.id for cell in lesson.cells]
    readable = re.compile(r"[a-z]{2,}(-([a-z]+|[0-9]+))*")
    unreadable = [f"{i}: choose words as the cell's id" for i in ids if not readable.fullmatch(i)]
    return unreadable + [f"{i}: two cells have this id" for i in sorted({*ids}) if ids.count(i) > 1]


@rule
def keeps_its_size(lesson: Lesson) -> list[str]:
    """At most 400 kB, 20 to 60 cells, 10 lines in a code cell and 4 in the median one, 200 words
    in a cell of prose, and 10 to 30 words of prose a line of code."""
    problems = []
    size_kb = len(nbformat.writes(lesson.notebook).encode()) / 1000
    if size_kb > MAX_FILE_KB:
        problems.append(f"the file has {size_kb:.0f} kB, more than {MAX_FILE_KB}")
    if len(lesson.cells) not in CELLS:
        problems.append(f"{len(lesson.cells)} cells, not {CELLS[0]} to {CELLS[-1]}")
    lines = {cell.id: len(cell.source.strip().splitlines()) for cell in lesson.code}
    for cell_id, count in lines.items():
        if count > MAX_CODE_LINES:
            problems.append(f"{cell_id}: {count} lines; a function wants to move into devops_lab")
    median = statistics.median(lines.values() or [0])
    if median > MAX_MEDIAN_CODE_LINES:
        problems.append(f"the median code cell has {median:g} lines, not {MAX_MEDIAN_CODE_LINES}")
    words = {cell.id: len(words_of(cell).split()) for cell in lesson.prose}
    for cell_id, count in words.items():
        if count > MAX_WORDS_IN_A_CELL:
            problems.append(f"{cell_id}: {count} words; cut, or put code between")
    ratio = sum(words.values()) / max(1, sum(lines.values()))
    if not WORDS_PER_CODE_LINE[0] <= ratio <= WORDS_PER_CODE_LINE[1]:
        problems.append(f"{ratio:.0f} words of prose a line of code, not 10 to 30")
    return problems


@rule
def opens_with_title_question_and_welcome(lesson: Lesson) -> list[str]:
    """The first cell has the lesson's title and the question of somebody on duty; the first code
    cell is the welcome, with the lesson's number and the release it was written for."""
    problems = []
    first = lesson.cells[0]
    title = LESSONS[lesson.number].title if lesson.number in LESSONS else ""
    if not title:
        problems.append(f"lesson {lesson.number} is not in devops_lab.course.LESSONS")
    if [text for level, text in headings(first) if level == 1] != [title]:
        problems.append(f"{first.id}: the first cell's title is not '# {title}'")
    if "?" not in words_of(first):
        problems.append(f"{first.id}: the first cell asks no question")
    release = ".".join(devops_lab.__version__.split(".")[:2])
    expected = f'welcome("{lesson.number}", version="{release}")'
    if not any(expected in cell.source for cell in lesson.code[:1]):
        problems.append(f"the first code cell does not call {expected}")
    return problems


@rule
def has_its_sections(lesson: Lesson) -> list[str]:
    """One title, no heading level jumped over, and a section for each of `SECTIONS`; a heading
    may go on after the word ("Predict: how long is the queue?")."""
    problems = []
    levels = [level for cell in lesson.cells for level, _ in headings(cell)]
    if levels.count(1) != 1:
        problems.append(f"{levels.count(1)} titles (#), not one")
    for above, below in zip(levels, levels[1:], strict=False):
        if below > above + 1:
            problems.append(f"a heading of level {below} stands right under one of level {above}")
    missing = [title for title in SECTIONS if not section(lesson, title)]
    return problems + [f"there is no section {title!r}" for title in missing]


@rule
def answers_its_objectives(lesson: Lesson) -> list[str]:
    """After "You will be able to" stand 3 or 4 list items that begin with what can be checked, in
    bold; the summary has the same bold words in the same order, and answers each."""
    promised = _bold_beginnings(_cells_with(lesson, "you will be able to"))
    if not 3 <= len(promised) <= 4:
        return [f"{len(promised)} objectives in bold after 'You will be able to', not 3 or 4"]
    answered = _bold_beginnings(section(lesson, "Summary"))
    if answered != promised:
        return [f"the summary answers {answered}, the objectives are {promised}"]
    return []


def _cells_with(lesson: Lesson, words: str) -> list[NotebookNode]:
    return [cell for cell in lesson.prose if words in cell.source.lower()][:1]


def _bold_beginnings(cells: list[NotebookNode]) -> list[str]:
    text = "\n".join(cell.source for cell in cells)
    found = re.findall(r"^\s*(?:[-*]|\d+\.) +\*\*(.+?)\*\*", text, flags=re.MULTILINE)
    return [words.strip(" .:").lower() for words in found]


@rule
def has_one_stop_point(lesson: Lesson) -> list[str]:
    """One cell calls `reached_stop("NN")`, in the middle third of the lesson."""
    arguments = {n: _arguments(cell, "reached_stop") for n, cell in enumerate(lesson.cells)}
    stops = {n: found for n, found in arguments.items() if found}
    third = len(lesson.cells) / 3
    if list(stops.values()) != [[[lesson.number]]] or not third <= min(stops) <= 2 * third:
        return [f"reached_stop at cells {stops} of {len(lesson.cells)}, not one at about half"]
    return []


def _arguments(cell: NotebookNode, function: str) -> list[list[object]]:
    return [[getattr(a, "value", None) for a in call.args] for call in calls(cell, function)]


@rule
def pairs_exercise_check_and_solution(lesson: Lesson) -> list[str]:
    """Three cells with the ids exercise-X, check-X and solution-X and the tags of the same words:
    the exercise gives NAME a value, the check is `check("NN.key", NAME)`, and right after it the
    solution, folded, gives a value to NAME_solution and never to NAME."""
    problems = []
    for exercise in lesson.exercises:
        asked, checked, solution = exercise.cells
        for cell, role in ((asked, "exercise"), (checked, "check"), (solution, "solution")):
            if role not in tags(cell):
                problems.append(f"{exercise.key}: {cell.id} is not tagged {role}")
        if lesson.cells.index(solution) != lesson.cells.index(checked) + 1:
            problems.append(f"{exercise.key}: {solution.id} does not follow {checked.id}")
        if exercise.name not in assigned_names(asked):
            problems.append(f"{exercise.key}: {asked.id} gives {exercise.name} no value")
        if exercise.solution_name not in assigned_names(solution):
            problems.append(f"{exercise.key}: {solution.id} assigns no {exercise.solution_name}")
        if exercise.name in assigned_names(solution):
            problems.append(f"{exercise.key}: {solution.id} assigns the learner's {exercise.name}")
        if not solution.metadata.get("jupyter", {}).get("source_hidden"):
            problems.append(f"{exercise.key}: {solution.id} is not folded")
    return problems


@rule
def has_core_and_optional_exercises(lesson: Lesson) -> list[str]:
    """At least three exercises, one of them on the main path; each tagged cell belongs to one,
    and each key to this lesson."""
    problems = []
    in_threes = {cell.id for exercise in lesson.exercises for cell in exercise.cells}
    for cell in lesson.cells:
        if tags(cell) & {"exercise", "check", "solution"} and cell.id not in in_threes:
            problems.append(
                f"{cell.id}: no exercise; it needs a check(...) and a solution after it"
            )
    for exercise in lesson.exercises:
        if not exercise.key.startswith(f"{lesson.number}."):
            problems.append(f"{exercise.key} is not an exercise of lesson {lesson.number}")
    core = [e for e in lesson.exercises if "optional" not in tags(e.cells[0])]
    if len(lesson.exercises) < 3 or not core:
        problems.append(f"{len(lesson.exercises)} exercises, {len(core)} of them not optional")
    return problems


@rule
def is_plain_python(lesson: Lesson) -> list[str]:
    """Every code cell is plain Python, without shell lines or magics: they differ by system."""
    problems = []
    for cell in lesson.code:
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            problems.append(f"{cell.id}: not plain Python ({error.msg})")
    return problems


@rule
def imports_only_what_the_course_has(lesson: Lesson) -> list[str]:
    """Imports come from the standard library or `IMPORTABLE`; what is imported from devops_lab is
    public and exists."""
    problems = []
    for cell in lesson.code:
        for module, name in _imports(cell):
            package = module.partition(".")[0]
            if package not in IMPORTABLE | sys.stdlib_module_names:
                problems.append(f"{cell.id}: {package} is not a package that lessons import")
            elif package == "devops_lab" and not _exists(module, name):
                problems.append(f"{cell.id}: there is no {module}.{name}".rstrip("."))
    return problems


def _imports(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree(cell)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def _exists(module: str, name: str) -> bool:
    try:
        found = importlib.import_module(module)
        if name and not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return not name.startswith("_")


@rule
def was_run_from_top_to_bottom(lesson: Lesson) -> list[str]:
    """The stored outputs come from one run: nbval compares nothing in a cell without a count."""
    counts = [cell.execution_count for cell in lesson.code]
    problems = []
    if counts != list(range(1, len(counts) + 1)):
        problems.append("the code cells were not run once from top to bottom: make outputs")
    for cell in lesson.code:
        if calls(cell, "print") and not cell.outputs and "dashboard" not in tags(cell):
            problems.append(f"{cell.id}: prints, and no output is stored: make outputs")
    return problems


@rule
def fails_only_on_purpose(lesson: Lesson) -> list[str]:
    """A stored error stands in a cell tagged `raises-exception`, and each of those has one."""
    problems = []
    for cell in lesson.code:
        errors = [output.ename for output in cell.outputs if output.output_type == "error"]
        if errors and "raises-exception" not in tags(cell):
            problems.append(f"{cell.id}: {errors[0]} in a cell not tagged raises-exception")
        if not errors and "raises-exception" in tags(cell):
            problems.append(f"{cell.id}: tagged raises-exception, and no error is stored")
        if any(output.get("name") == "stderr" for output in cell.outputs):
            problems.append(f"{cell.id}: something was written to the error stream")
    return problems


@rule
def stores_no_widgets(lesson: Lesson) -> list[str]:
    """Stored widgets reopen as errors; a cell of them is tagged `dashboard` and not compared, and
    a still figure that makes the point stands before it."""
    problems = []
    if "widgets" in lesson.notebook.metadata:
        problems.append("the notebook stores the state of widgets: make outputs")
    still = False
    for cell in lesson.code:
        if WIDGET in output_kinds(cell):
            problems.append(f"{cell.id}: stores a widget: make outputs")
        if "dashboard" in tags(cell):
            if "nbval-ignore-output" not in tags(cell):
                problems.append(f"{cell.id}: a dashboard is tagged nbval-ignore-output too")
            if not still:
                problems.append(f"{cell.id}: no still figure stands before this dashboard")
        still = still or bool(output_kinds(cell) & FIGURES)
    return problems


@rule
def compares_figures_as_tables(lesson: Lesson) -> list[str]:
    """A figure's numbers differ in the last bit from machine to machine: its cell is not compared
    (the numbers are, as a rounded table)."""
    return [
        f"{cell.id}: stores a figure and is not tagged nbval-ignore-output"
        for cell in lesson.code
        if output_kinds(cell) & FIGURES and "nbval-ignore-output" not in tags(cell)
    ]


@rule
def asserts_what_it_does_not_compare(lesson: Lesson) -> list[str]:
    """What a cell gives a name to, and nbval does not compare, is asserted there or used by a
    later cell that asserts or is compared (a cell that fails on purpose needs neither)."""
    problems = []
    for place, cell in enumerate(lesson.code):
        if _is_true(cell) or "raises-exception" in tags(cell):
            continue
        names = assigned_names(cell)
        later = [other for other in lesson.code[place + 1 :] if _is_true(other)]
        if names and not any(names & used_names(other) for other in later):
            problems.append(f"{cell.id}: nothing compared or asserted uses {sorted(names)}")
    return problems


def _is_true(cell: NotebookNode) -> bool:
    return "nbval-ignore-output" not in tags(cell) or _asserts(cell)


def _asserts(cell: NotebookNode) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree(cell)))


PATH_OF_A_MACHINE = re.compile(
    r"(?<![\w.])(?:/(?:home|root|tmp|Users|var|private|work|usr|opt|mnt)/|[A-Z]:\\)[^\s'\"]*"
)
PASSING = {
    "a port": re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]):\d+"),
    "a time of day": re.compile(r"\b[0-2]?\d:[0-5]\d:[0-5]\d\b"),
}


@rule
def stores_nothing_of_this_machine(lesson: Lesson) -> list[str]:
    """No stored output has a path of a machine; no compared one has a port or a time of day."""
    problems = []
    for cell in lesson.code:
        patterns = {"a path of a machine": PATH_OF_A_MACHINE}
        if "nbval-ignore-output" not in tags(cell):
            patterns |= PASSING
        for what, pattern in patterns.items():
            found = pattern.search("\n".join(output_texts(cell)))
            if found:
                problems.append(f"{cell.id}: {found[0]!r} in the output is {what}")
    return problems


UNITS = {
    "µs": 1e-6,
    "ms": 1e-3,
    "millisecond": 1e-3,
    "milliseconds": 1e-3,
    "s": 1,
    "second": 1,
    "seconds": 1,
    "%": 0.01,
    "percent": 0.01,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "requests/s": 1,
    "requests a second": 1,
    "answers a second": 1,
}
MEASURE = re.compile(
    r"(?<![\w.,])(\d[\d,]*(?:\.\d+)?)[\s\u00a0-]?("
    + "|".join(sorted(UNITS, key=len, reverse=True))
    + r")(?![\w/])"
)


@rule
def states_no_measured_number(lesson: Lesson) -> list[str]:
    """A number with a unit in prose stands in a code cell too (a parameter, or an assertion of
    what follows from one), in its own unit or the base unit; or the prose is tagged `published`."""
    known = _numbers(lesson)
    return [
        f"{cell.id}: {number} {unit} is in no code cell, and the prose is not tagged published"
        for cell in lesson.prose
        if "published" not in tags(cell)
        for number, unit in MEASURE.findall(words_of(cell))
        if not _is_known(float(number.replace(",", "")), UNITS[unit], known)
    ]


def _numbers(lesson: Lesson) -> list[float]:
    return [
        float(node.value)
        for cell in lesson.code
        for node in ast.walk(tree(cell))
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
    ]


def _is_known(value: float, unit: float, known: list[float]) -> bool:
    return any(math.isclose(value, k) or math.isclose(value * unit, k) for k in known)


@rule
def names_a_source_for_published_numbers(lesson: Lesson) -> list[str]:
    """Prose tagged `published` says where: it links to a source or points to the references."""
    return [
        f"{cell.id}: tagged published, and no source is named"
        for cell in lesson.prose
        if "published" in tags(cell) and not re.search(r"https://|#references|\[\d+\]", cell.source)
    ]


@rule
def links_inside_the_course(lesson: Lesson) -> list[str]:
    """A link leads to a lesson beside this one, or to a heading in it; https is for the section
    of references and for published prose, so the course works on a plane. Pictures have a text."""
    problems = []
    references = section(lesson, "References")
    for cell in lesson.prose:
        source = re.sub(r"```.*?```|`[^`]*`", " ", cell.source, flags=re.DOTALL)
        may_go_out = cell in references or "published" in tags(cell)
        for address in re.findall(r"\]\(([^)\s]+)", source) + re.findall(
            r"(?<!\()\bhttps?://[^\s)>]+", source
        ):
            if address.startswith("https://"):
                if not may_go_out:
                    problems.append(f"{cell.id}: {address} belongs into the references")
            elif not _leads_somewhere(lesson, address):
                problems.append(f"{cell.id}: {address} is neither a lesson nor a heading here")
        if "![](" in source:
            problems.append(f"{cell.id}: a picture has no text")
    return problems


def _leads_somewhere(lesson: Lesson, address: str) -> bool:
    file, _, anchor = address.partition("#")
    if file:
        return "/" not in file and (ROOT / "notebooks" / file).is_file()
    anchors = (text for cell in lesson.cells for _, text in headings(cell))
    # JupyterLab's anchors are the heading's words joined by hyphens.
    return anchor.lower() in {text.replace(" ", "-").lower() for text in anchors}


@rule
def uses_korean_terms_of_the_glossary(lesson: Lesson) -> list[str]:
    """Every Korean term in prose is in data/glossary.csv."""
    return [
        f"{cell.id}: {term} is not in data/glossary.csv"
        for cell in lesson.prose
        for term in re.findall(r"[가-힣]+(?: [가-힣]+)*", words_of(cell))
        if term not in _korean_terms() | KOREAN_NAMES
    ]


@cache
def _korean_terms() -> frozenset[str]:
    terms = glossary().values()
    return frozenset(name for term in terms for name in (term.korean, *term.spellings))


@rule
def gives_a_bold_term_its_main_korean_one(lesson: Lesson) -> list[str]:
    """Korean in brackets after a term in bold is the glossary's main word for that term, so that a
    learner meets one word for one thing."""
    problems = []
    for cell in lesson.prose:
        for english, korean in re.findall(r"\*\*([^*\n]+)\*\* \(([가-힣][가-힣 ]*)\)", cell.source):
            mains = _main_korean_terms(english)
            if mains and korean not in mains:
                wanted = " or ".join(sorted(mains))
                problems.append(f"{cell.id}: {english} is {wanted} in the glossary, not {korean}")
            elif korean not in _main_korean_terms():
                problems.append(f"{cell.id}: {korean} is no term's main word in the glossary")
    return problems


def _main_korean_terms(english: str = "") -> set[str]:
    """The main Korean words: those of an English term, or all."""
    return {
        term.korean
        for term in glossary().values()
        if english.casefold() in {"", *map(str.casefold, (term.english, *term.spellings))}
    }
