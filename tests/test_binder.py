"""Binder without Docker: its build is rendered, its steps run in an empty environment."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opened_course import opened_course, run_first_cell
from required import require

ROOT = Path(__file__).parent.parent
BINDER = ROOT / "binder"
LESSON = "work/00_start_here.ipynb"
MEMORY_BUDGET_BYTES = 600_000_000
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Binder's scripts are for POSIX")


def pins(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def dockerfile() -> str:
    """The build that Binder would run, as repo2docker renders it."""
    render = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", ROOT]
    return subprocess.run(render, capture_output=True, text=True, check=True).stdout


def test_the_build_keeps_the_layer_of_the_requirements_when_only_the_course_changes(
    dockerfile: str,
) -> None:
    requirements = dockerfile.index('-r "binder/requirements.txt"')
    course = dockerfile.index("\nCOPY --chown=0:0 src/ ${REPO_DIR}/\n")
    post_build = dockerfile.index("/binder/postBuild")
    assert requirements < course < post_build
    assert dockerfile.index("prometheus") < course
    assert "/binder/start" in dockerfile[post_build:]


def test_binder_installs_a_part_of_the_pins_that_the_tests_have() -> None:
    assert set(pins(BINDER / "requirements.txt")) <= set(pins(ROOT / "constraints.txt"))
    assert all("==" in pin for pin in pins(BINDER / "requirements.txt"))


def a_package_index_answers(folder: Path) -> bool:
    smallest = next(pin for pin in pins(BINDER / "requirements.txt") if pin.startswith("six=="))
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", smallest]
    return not subprocess.run(command, cwd=folder, capture_output=True).returncode


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    """The repository as Binder has it, beside an empty environment whose programs come first."""
    require(a_package_index_answers(tmp_path), "A package index", "connect to the network")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    not_there = shutil.ignore_patterns(".*", "work", "__pycache__")
    yield shutil.copytree(ROOT, tmp_path / "repository", ignore=not_there)
    shutil.rmtree(tmp_path / "env")


def test_binders_steps_in_an_empty_environment_open_a_lesson(repository: Path) -> None:
    programs = repository.parent / "env" / "bin"
    runtime = repository.parent / "runtime"
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "JUPYTER_RUNTIME_DIR": str(runtime),
    }
    for step in (
        [programs / "pip", "install", "--quiet", "--requirement", "binder/requirements.txt"],
        ["binder/postBuild"],
        [programs / "pip", "check"],
    ):
        done = subprocess.run(
            step, cwd=repository, env=os.environ | environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    start = [repository / "binder/start", "jupyter", "lab", "--no-browser", "--allow-root"]
    with opened_course(start, folder=repository, **environment) as opened:
        wait_until_it_answers(opened.address)
        quiet = opened.ask("/lab/api/settings/@jupyterlab/apputils-extension:notification")
        assert quiet["schema"]["properties"]["fetchNews"]["default"] == "false"
        assert "Lesson 00: Start here" in run_first_cell(opened, LESSON, runtime)
        memory = sum(process.memory_info().rss for process in opened.processes())
        assert memory < MEMORY_BUDGET_BYTES


def wait_until_it_answers(address: str, within_s: float = 30) -> None:
    """Jupyter prints its address a moment before it listens there."""
    port = int(re.search(r":(\d+)/", address)[1])
    patience = time.monotonic() + within_s
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("localhost", port)).close()
        assert time.monotonic() < patience, f"Nothing answers at {address}"
        time.sleep(0.05)
