"""What `make` does before there is an environment; a stand-in Python notes what it is told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from required import require

ROOT = Path(__file__).parent.parent

# Makes a venv of stand-ins that write their own name and arguments into the file `told`.
PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
echo "python $*" >> told
mkdir -p .venv/bin
printf '#!/bin/sh\\nexit 0\\n' > .venv/bin/python
for name in pip devops-lab; do
  printf '#!/bin/sh\\necho "%s $*" >> told\\n' $name > .venv/bin/$name
done
chmod +x .venv/bin/*
"""

INSTALLING = ("pip", "devops-lab warm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    require(shutil.which("make"), "make", "sudo apt install make (xcode-select --install on macOS)")
    folder = tmp_path / "devops-lab"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o755)
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A make that runs these tests must not hand its own variables down.
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["make", "PYTHON=./python", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
    )


def told(folder: Path) -> list[str]:
    """The programs that were called since the last time; of `devops-lab` its verb as well."""
    calls = (folder / "told").read_text().splitlines()
    (folder / "told").unlink()
    return [call.strip() if "devops-lab" in call else call.split()[0] for call in calls]


def test_the_second_run_installs_nothing(folder: Path) -> None:
    make(folder, "lab")
    assert told(folder) == ["python", *INSTALLING, "devops-lab"]
    make(folder, "lab")
    assert told(folder) == ["devops-lab"]


def test_new_pins_are_installed_into_the_same_venv(folder: Path) -> None:
    make(folder, "lab")
    told(folder)
    newer = (folder / "constraints.txt").stat().st_mtime + 100
    os.utime(folder / "constraints.txt", (newer, newer))
    make(folder, "lab")
    assert told(folder) == [*INSTALLING, "devops-lab"]


def test_a_moved_folder_and_a_vanished_python_get_a_new_venv(folder: Path) -> None:
    make(folder, "lab")
    told(folder)
    moved = folder.rename(folder.with_name("moved"))
    make(moved, "lab")
    assert told(moved) == ["python", *INSTALLING, "devops-lab"]
    (moved / ".venv" / "bin" / "python").unlink()
    make(moved, "lab")
    assert told(moved) == ["python", *INSTALLING, "devops-lab"]


def test_an_interrupted_installation_is_done_again(folder: Path) -> None:
    make(folder, "lab")
    told(folder)
    (folder / "constraints.txt").touch()
    pip = folder / ".venv" / "bin" / "pip"
    works = pip.read_text()
    pip.write_text("#!/bin/sh\nexit 1\n")
    assert make(folder, "lab").returncode != 0
    pip.write_text(works)
    make(folder, "lab")
    assert told(folder) == [*INSTALLING, "devops-lab"]


@pytest.mark.parametrize(
    ("bare", "remedy"),
    [("python3.12", "sudo apt install python3.12-venv"), ("", "no Python 3.11 or newer here")],
)
def test_what_is_missing_is_one_line_with_the_remedy(bare: str, remedy: str, folder: Path) -> None:
    refused = make(folder, "lab", "PYTHON=", f"BARE_PYTHON={bare}")
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    assert remedy in refused.stderr


def test_make_alone_lists_every_verb(folder: Path) -> None:
    listed = make(folder).stdout
    verbs = (folder / "Makefile").read_text().split(".PHONY: ")[1].splitlines()[0].split()
    assert [line.split()[1] for line in listed.splitlines()] == verbs


def test_clean_leaves_the_learners_work(folder: Path) -> None:
    make(folder, "lab")
    (folder / "work").mkdir()
    (folder / "work" / "00_start_here.ipynb").write_text("mine")
    for name in ("devops_lab", "tests"):
        (folder / name).mkdir()
    assert make(folder, "clean").returncode == 0
    assert not (folder / ".venv").exists()
    assert (folder / "work" / "00_start_here.ipynb").exists()


@pytest.mark.parametrize(("fails", "is_green"), [("not first.exists()", True), ("True", False)])
def test_what_fails_is_run_once_more_by_itself(fails: str, is_green: bool, folder: Path) -> None:
    make(folder, "test", "PYTEST=true")
    python = folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for name in ("tests", "devops_lab", "notebooks"):
        (folder / name).mkdir()
    shutil.copy(ROOT / "tests" / "failed_files.py", folder / "tests")
    (folder / "tests" / "test_servers.py").write_text(
        "from pathlib import Path\n"
        "def test_it():\n"
        "    first = Path('first')\n"
        f"    fails = {fails}\n"
        "    first.touch()\n"
        "    assert not fails\n"
    )
    assert (make(folder, "test").returncode == 0) is is_green
