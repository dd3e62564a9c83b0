"""An installed wheel is the whole course: lessons, data and command, without the checkout."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from opened_course import opened_course, run_first_cell

from devops_lab import course

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_every_lesson_and_every_data_file(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    for folder in (course.lessons_folder(), course.data_folder()):
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert files
        assert {
            f"devops_lab/course_files/{file.relative_to(ROOT).as_posix()}" for file in files
        } <= packed
    assert not [name for name in packed if name.startswith(("tests/", "work/"))]


def test_the_installed_command_opens_a_lesson_in_an_empty_folder(
    wheel: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path(sys.executable).name
    install = ["install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True)
    # What the course stands on is taken from this environment, which is quick and offline.
    site = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    Path(site.strip(), "these.pth").write_text(sysconfig.get_path("purelib"))

    empty = tmp_path / "empty"
    empty.mkdir()
    with opened_course(
        [scripts / "devops-lab", "--no-browser"],
        folder=empty,
        JUPYTER_RUNTIME_DIR=str(tmp_path / "runtime"),
    ) as opened:
        shown = run_first_cell(opened, "00_start_here.ipynb", tmp_path / "runtime")
    assert "Lesson 00: Start here" in shown
    assert (empty / "devops-lab" / "00_start_here.ipynb").exists()
