"""`make outputs` stores what the lessons print, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from lesson_rules import RULES
from lessons import ROOT, code_cell, make_lesson, output_texts, read_lesson
from store_outputs import store, write

A_WIDGET = "import ipywidgets\nipywidgets.IntSlider()"
A_TRACEBACK = 'from devops_lab.rules import share\nshare("error_share", 5)'
RULES_OF_STORED_OUTPUTS = {
    "is_a_valid_notebook",
    "was_run_from_top_to_bottom",
    "fails_only_on_purpose",
    "stores_nothing_of_this_machine",
}


def test_outputs_are_stored_clean_and_a_second_run_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "00_made_for_a_test.ipynb"
    lesson = make_lesson(
        code_cell("print('a page')", "page"),
        code_cell(A_WIDGET, "dashboard", "dashboard", "nbval-ignore-output"),
        code_cell(A_TRACEBACK, "failure", "raises-exception"),
        code_cell("import time\nprint(time.time())", "time", "nbval-ignore-output"),
    )
    lesson.notebook.metadata.kernelspec.name = "my-environment"
    write(lesson.notebook, file)

    assert store(file)
    stored = read_lesson(file)
    page, dashboard, failure, time = stored.code
    assert [cell.id for cell in stored.cells] == ["page", "dashboard", "failure", "time"]
    assert output_texts(page) == ["a page\n"]
    assert dashboard.outputs == []
    assert "devops_lab/rules.py" in output_texts(failure)[0]
    assert str(ROOT) not in output_texts(failure)[0]
    kept = [rule for rule in RULES if rule.__name__ in RULES_OF_STORED_OUTPUTS]
    assert [problem for rule in kept for problem in rule(stored)] == []

    written = file.read_bytes()
    assert written.endswith(b"}\n")
    assert store(file)
    assert file.read_bytes() == written
    assert capsys.readouterr().out.splitlines() == [
        "00_made_for_a_test.ipynb is stored.",
        "00_made_for_a_test.ipynb is as it was.",
    ]


def test_a_lesson_that_fails_unexpectedly_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "00_made_for_a_test.ipynb"
    nbformat.write(make_lesson(code_cell("1 / 0", "division")).notebook, file)
    before = file.read_bytes()
    assert not store(file)
    assert file.read_bytes() == before
    assert "division: ZeroDivisionError" in capsys.readouterr().out


def test_nbval_lets_addresses_and_uuids_differ_and_nothing_else(tmp_path: Path) -> None:
    made = "import uuid\nprint(object(), uuid.uuid4())"
    other = "<object object at 0x7f01> 01234567-89ab-cdef-0123-456789abcdef\n"
    lesson = make_lesson(
        code_cell(made, "passing", printed=other), code_cell("print(1)", "lasting", printed="2\n")
    )
    write(lesson.notebook, tmp_path / "lesson.ipynb")
    options = ["--nbval", "--nbval-sanitize-with", str(ROOT / "tests" / "sanitise.cfg")]
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, *options, "lesson.ipynb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "1 failed, 1 passed" in told.stdout
    assert "lesson.ipynb::Cell 1" in told.stdout
