"""Every lesson is run twice, as it is shipped and with its solutions as the learner's answers, and
leaves nothing behind: no process, no port, no file, no request to another machine."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from lesson_run import Run, namespace_command, run_apart
from lessons import (
    LESSON_FILES,
    Lesson,
    code_cell,
    failures,
    make_lesson,
    output_texts,
    read_lesson,
)
from required import require

# Binder gives 1 to 2 GB, and JupyterLab takes its part of that.
MEMORY_BUDGET_MB = 600

each_lesson = pytest.mark.parametrize("file", LESSON_FILES, ids=lambda file: file.stem)
Record = Callable[[str, object], None]


@each_lesson
def test_the_lesson_as_shipped_raises_nothing_and_waits_for_answers(
    file: Path, tmp_path: Path, record_property: Record
) -> None:
    lesson = read_lesson(file)
    run = run_apart(lesson.notebook, tmp_path, lesson.name)
    record_property("peak_memory_mb", round(run.peak_memory_mb))
    assert problems(run, lesson, verdict="Not answered yet.") == []


@each_lesson
def test_the_lesson_with_its_solutions_gets_every_check_right(
    file: Path, tmp_path: Path, record_property: Record
) -> None:
    lesson = read_lesson(file)
    run = run_apart(lesson.with_solutions(), tmp_path, lesson.name)
    record_property("peak_memory_mb", round(run.peak_memory_mb))
    assert problems(run, lesson, verdict="Right.") == []


def problems(run: Run, lesson: Lesson, verdict: str) -> list[str]:
    """What went wrong in the run: each check should have begun with the verdict."""
    ran = Lesson(lesson.name, run.notebook)
    found = failures(ran)
    for exercise in lesson.exercises:
        check_cell = exercise.cells[1]
        said = output_texts(next(cell for cell in ran.code if cell.id == check_cell.id))
        if not any(text.startswith(verdict) for text in said):
            found.append(f"{exercise.key}: the check says {said}, not {verdict}")
    if run.peak_memory_mb > MEMORY_BUDGET_MB:
        found.append(f"{run.peak_memory_mb:.0f} MB of memory, the budget is {MEMORY_BUDGET_MB}")
    return found + run.leavings


A_SERVER_THAT_STAYS = """
import subprocess, sys
server = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(60)"
process = subprocess.Popen([sys.executable, "-c", server], start_new_session=True)
"""
A_SERVER_THAT_ENDS = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
"""
FILES_THAT_STAY = """
import pathlib, tempfile
tempfile.mkdtemp(prefix="forgotten-")
pathlib.Path.home().joinpath("settings").write_text("")
pathlib.Path("beside").write_text("")
"""
A_REQUEST_TO_THE_OUTSIDE = """
import contextlib, socket
with contextlib.suppress(OSError):
    socket.create_connection(("192.0.2.1", 80), timeout=1)
"""
MUCH_MEMORY_IN_A_CHILD = """
import subprocess, sys
child = "import time; much = b'1' * 150_000_000; time.sleep(1)"
done = subprocess.run([sys.executable, "-c", child])
"""


def test_a_tidy_lesson_leaves_nothing(tmp_path: Path) -> None:
    lesson = make_lesson(code_cell(A_SERVER_THAT_ENDS, "server"))
    run = run_apart(lesson.notebook, tmp_path, lesson.name)
    assert problems(run, lesson, verdict="") == []


def test_an_untidy_lesson_is_told_everything_that_it_left(tmp_path: Path) -> None:
    lesson = make_lesson(
        code_cell(A_SERVER_THAT_STAYS, "server"), code_cell(FILES_THAT_STAY, "files")
    )
    run = run_apart(lesson.notebook, tmp_path, lesson.name)
    assert len(run.left_processes) == 1
    assert "time.sleep(60)" in run.left_processes[0]
    assert len(run.left_ports) == (1 if namespace_command() else 0)
    temporary, *others = sorted(run.left_files, key=lambda file: "forgotten" not in file)
    assert temporary.startswith(str(Path("tmp", "forgotten-")))
    assert others == [str(Path("home", "settings")), str(Path("work", "beside"))]
    assert set(run.leavings) <= set(problems(run, lesson, verdict=""))


def test_a_request_to_another_machine_is_refused_and_counted(tmp_path: Path) -> None:
    require(
        namespace_command(),
        "a network namespace",
        "on Linux, run as root or allow user namespaces (unshare -r -n true must work).",
    )
    lesson = make_lesson(code_cell(A_REQUEST_TO_THE_OUTSIDE, "outside"))
    run = run_apart(lesson.notebook, tmp_path, lesson.name)
    assert run.refused_requests == 1
    assert problems(run, lesson, verdict="") == run.leavings
    assert len(run.leavings) == 1


def test_memory_is_counted_over_the_kernel_and_its_children(tmp_path: Path) -> None:
    lesson = make_lesson(code_cell(MUCH_MEMORY_IN_A_CHILD, "child"))
    run = run_apart(lesson.notebook, tmp_path, lesson.name)
    assert 170 < run.peak_memory_mb < MEMORY_BUDGET_MB
    too_much = dataclasses.replace(run, peak_memory_mb=601.0)
    assert problems(too_much, lesson, verdict="") == ["601 MB of memory, the budget is 600"]


def test_a_lesson_is_told_each_failure_of_its_cells(tmp_path: Path) -> None:
    lesson = make_lesson(
        code_cell("from devops_lab.exercises import check", "imports"),
        code_cell("1 / 0", "division"),
        code_cell("1 / 0", "division-on-purpose", "raises-exception"),
        code_cell("1 / 1", "no-failure", "raises-exception"),
        code_cell("import warnings; warnings.warn('old')", "warning"),
    )
    run = run_apart(lesson.notebook, tmp_path, lesson.name)
    division, no_failure, warning = problems(run, lesson, verdict="")
    assert division == "division: ZeroDivisionError: division by zero"
    assert no_failure == "no-failure: tagged raises-exception, and did not raise"
    assert "old" in warning


AN_EXERCISE = """
from devops_lab.exercises import check
from devops_lab.questions import Exercise
texts = dict(title="A port", otherwise="Which?", because="", hints=(), kind="compute")
port = Exercise(id="00.port", number=1, is_right=lambda x: x == 80, mistakes=(),
                right_answers=(80,), **texts)
ask = check
check = lambda key, answer: ask(key, answer, catalogue=[port])
"""


def a_lesson_with_an_exercise(solution: str) -> Lesson:
    return make_lesson(
        code_cell(AN_EXERCISE, "catalogue"),
        code_cell("answer = ...", "exercise-port", "exercise"),
        code_cell('check("00.port", answer)', "check-port", "check"),
        code_cell(solution, "solution-port", "solution", folded=True),
    )


def test_a_check_waits_as_shipped_and_is_right_with_the_solution(tmp_path: Path) -> None:
    lesson = a_lesson_with_an_exercise("answer_solution = 80")
    shipped = run_apart(lesson.notebook, tmp_path / "shipped", lesson.name)
    assert problems(shipped, lesson, verdict="Not answered yet.") == []
    solved = run_apart(lesson.with_solutions(), tmp_path / "solved", lesson.name)
    assert problems(solved, lesson, verdict="Right.") == []


def test_a_wrong_solution_is_noticed(tmp_path: Path) -> None:
    lesson = a_lesson_with_an_exercise("answer_solution = 81")
    run = run_apart(lesson.with_solutions(), tmp_path, lesson.name)
    (problem,) = problems(run, lesson, verdict="Right.")
    assert problem.startswith("00.port: the check says")
    assert "Not yet." in problem
