"""Programs of ours run this copy of the package, wherever they are started."""

import os
import subprocess
from pathlib import Path

import pytest

from devops_lab.interpreter import PACKAGE, python_program


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, object]:
    """A learner's folder with a module of a well-known name, and no sign of the package."""
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return {"cwd": tmp_path, "env": environment, "text": True}


def test_a_program_of_ours_starts_in_any_folder(elsewhere: dict) -> None:
    told = subprocess.check_output(python_program("serve", "--help"), **elsewhere)
    assert "--service-time-s" in told


def test_its_own_child_processes_find_the_package_too(elsewhere: dict) -> None:
    # As `multiprocessing` does it: a child gets its parent's path, and imports by it.
    *python, code = python_program("serve")
    beginning = code.partition("; from ")[0]
    path = subprocess.check_output(
        [*python, f"{beginning}; print(*sys.path, sep='|')"], **elsewhere
    )
    assert path.strip().split("|")[-1] == str(PACKAGE.parent)
