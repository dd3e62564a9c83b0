"""Where the course's files are, the learner's copies, and the greeting of a lesson."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devops_lab import __version__, course


def a_lesson(folder: Path, name: str = "02_paths.ipynb") -> Path:
    """A published lesson: one cell that was run, its output and a widget's state stored."""
    cell = {
        "cell_type": "code",
        "id": "answer",
        "metadata": {"tags": ["solution"]},
        "execution_count": 3,
        "source": ["print('빵')"],
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["빵\n"]}],
    }
    prose = {"cell_type": "markdown", "id": "prose", "metadata": {}, "source": ["# 경로 처리"]}
    notebook = {
        "cells": [prose, cell],
        "metadata": {"widgets": {"state": {}}, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    folder.mkdir(exist_ok=True)
    lesson = folder / name
    lesson.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    return lesson


def test_a_copy_has_everything_but_the_outputs(tmp_path: Path) -> None:
    lesson = a_lesson(tmp_path / "notebooks")
    published = lesson.read_bytes()

    [copy] = course.make_copies(tmp_path / "work", lesson.parent)

    notebook = json.loads(copy.read_text(encoding="utf-8"))
    prose, code = notebook["cells"]
    assert prose["source"] == ["# 경로 처리"]
    assert (code["outputs"], code["execution_count"]) == ([], None)
    assert (code["id"], code["metadata"]) == ("answer", {"tags": ["solution"]})
    assert notebook["metadata"] == {"language_info": {"name": "python"}}
    assert lesson.read_bytes() == published


def test_what_the_learner_wrote_is_never_overwritten(tmp_path: Path) -> None:
    lesson = a_lesson(tmp_path / "notebooks")
    [copy] = course.make_copies(tmp_path / "work", lesson.parent)
    copy.write_text("my answers", encoding="utf-8")
    progress = tmp_path / "work" / course.PROGRESS_FILE
    progress.write_text('{"02.decode": "right"}', encoding="utf-8")
    newer = a_lesson(tmp_path / "notebooks", "03_one_server.ipynb")

    assert course.make_copies(tmp_path / "work", lesson.parent) == [tmp_path / "work" / newer.name]

    assert copy.read_text(encoding="utf-8") == "my answers"
    assert "right" in progress.read_text(encoding="utf-8")


def test_a_reset_lesson_is_fresh_and_every_old_copy_is_kept(tmp_path: Path) -> None:
    lesson = a_lesson(tmp_path / "notebooks")
    work = tmp_path / "work"
    course.make_copies(work, lesson.parent)
    for attempt in ("first", "second"):
        (work / lesson.name).write_text(attempt, encoding="utf-8")
        copy, kept = course.reset_lesson("2", work, lesson.parent)
        assert kept.read_text(encoding="utf-8") == attempt
        assert kept.name.startswith("02_paths.20")
        assert json.loads(copy.read_text(encoding="utf-8"))["cells"]
    assert len(list(work.glob("02_paths.20*"))) == 2
    assert course.lesson_file("02", work) == work / lesson.name


def test_an_unknown_lesson_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    a_lesson(tmp_path)
    with pytest.raises(course.CourseError, match=r"no lesson 07 in .*; it has: 02\."):
        course.lesson_file("07", tmp_path)


def test_a_folder_that_cannot_be_made_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    lesson = a_lesson(tmp_path / "notebooks")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(course.CourseError, match=r"cannot be written \(Not a dir.*--folder FOLDER"):
        course.make_copies(tmp_path / "file" / "work", lesson.parent)


@pytest.mark.skipif(not shutil.which("sh"), reason="the limit on files is set by a POSIX shell")
def test_a_full_disk_leaves_no_half_a_lesson(tmp_path: Path) -> None:
    lesson = a_lesson(tmp_path / "notebooks")
    program = (
        "import sys, pathlib; from devops_lab import course\n"
        "course.make_copies(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    in_no_space = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh"]
    arguments = [sys.executable, "-c", program, tmp_path / "work", lesson.parent]
    failed = subprocess.run([*in_no_space, *arguments], capture_output=True, text=True)
    assert "CourseError: The folder" in failed.stderr
    assert list((tmp_path / "work").iterdir()) == []


def test_the_table_of_lessons_is_the_folder_of_lessons() -> None:
    assert list(course.LESSONS) == [
        file.name[:2] for file in sorted(course.lessons_folder().glob("*.ipynb"))
    ]
    assert course.data_folder().is_dir()


def test_a_copy_of_another_release_says_how_to_renew_it() -> None:
    installed = ".".join(__version__.split(".")[:2])
    assert "reset" not in repr(course.welcome("02", version=installed))
    greeting = course.welcome("02", version="0.0")
    assert repr(greeting).endswith("For a fresh copy (yours is kept): devops-lab reset 02")
    assert "devops-lab reset 02" in greeting._repr_html_()
