"""A command is run to its end, and what it says is kept, whether it ends well or not."""

import sys
from pathlib import Path

import pytest

from devops_lab.commands import CommandError, run
from devops_lab.processes import ProgramError, running


def test_a_command_says_what_it_printed_in_the_folder_it_was_run_in(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ['BREAD'])"
    said = run([sys.executable, "-c", code], cwd=tmp_path, environment={"BREAD": "rye"})
    assert said == f"{tmp_path.resolve()} rye"
    assert running() == []


def test_a_command_that_fails_is_told_with_its_own_words(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('no flour')"]
    with pytest.raises(CommandError, match="baker ended with exit code 1.\nno flour"):
        run(failing, cwd=tmp_path, name="baker")


def test_a_command_without_an_end_is_stopped(tmp_path: Path) -> None:
    endless = [sys.executable, "-c", "print('begun', flush=True)\nwhile True: pass"]
    with pytest.raises(CommandError, match=r"has not come to an end within 2 s and was stopped."):
        run(endless, cwd=tmp_path, within_s=2)
    assert running() == []


def test_a_command_that_is_missing_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="which is not there. Ask the baker."):
        run(["no-such-program"], cwd=tmp_path, remedy="Ask the baker.")


@pytest.mark.skipif(sys.platform != "linux", reason="a first thread can end before the others")
def test_a_command_whose_first_thread_ends_early_has_ended_well(tmp_path: Path) -> None:
    code = (
        "import ctypes, os, threading, time; "
        "threading.Thread(target=lambda: (time.sleep(0.3), os._exit(0))).start(); "
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    assert run([sys.executable, "-c", code], cwd=tmp_path) == ""
