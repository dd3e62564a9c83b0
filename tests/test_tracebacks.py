"""An error in a notebook: the learner's lines, and the course's only where they help."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import devops_lab

GREETING = "from devops_lab.course import welcome\nwelcome('00', version='0.1')"


@pytest.fixture(autouse=True)
def this_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(devops_lab.__file__).parents[1]))


def shown_by(*cells: str) -> str:
    """What the last of the cells shows as its error, in plain letters."""
    sources = [GREETING, *cells]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    NotebookClient(notebook, allow_errors=True).execute()
    [error] = notebook.cells[-1].outputs
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))


def test_an_error_of_the_course_shows_the_learners_line_and_what_is_wrong() -> None:
    shown = shown_by("from devops_lab.scenario import Scenario", "Scenario(80, service_time_s=-1)")
    assert "Scenario(80, service_time_s=-1)" in shown
    assert shown.splitlines()[-1].startswith("ValueError: service_time_s must be above 0, got -1.")
    assert ".py" not in shown
    assert len(shown.splitlines()) < 8


def test_an_error_in_the_learners_function_shows_its_line() -> None:
    shown = shown_by(
        "from devops_lab.servers import Server\ndef route(path):\n    return path + 1",
        "Server(route=route)",
    )
    assert "----> 3     return path + 1" in shown
    assert "servers.py" not in shown
    assert "your function is called once as route('/')" in shown


@pytest.mark.parametrize(
    "mistake",
    [
        "from devops_lab import rules\nrules._refusal(1)",
        "from devops_lab.course import lesson_file\nlesson_file(2)",
        "import json\njson.loads('{')",
    ],
    ids=["called wrongly", "a mishap inside the course", "another library"],
)
def test_what_nobody_raised_for_the_learner_is_shown_whole(mistake: str) -> None:
    with_course = shown_by(mistake)
    without_course = shown_by(f"get_ipython().set_custom_exc((), None)\n{mistake}")
    lines = [line for line in with_course.splitlines() if line.startswith("File ")]
    assert lines == [line for line in without_course.splitlines() if line.startswith("File ")]


def test_the_whole_traceback_can_still_be_asked_for() -> None:
    shown = shown_by("from devops_lab.rules import share", "share('error_share', 5)", "%tb")
    assert "rules.py" in shown
    assert "error_share must be a share" in shown
