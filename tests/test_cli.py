"""The console command: it opens a lesson over real JupyterLab, and says in one line what fails."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
from pathlib import Path

import psutil
import pytest
from opened_course import ask, opened_course

from devops_lab import course

COMMAND = (sys.executable, "-c", "import sys; from devops_lab.cli import main; sys.exit(main())")
OPEN = (*COMMAND, "--no-browser")


def run(*options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, options)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )


def addresses_listened_to(process: psutil.Process) -> set[str]:
    connections = process.net_connections("inet")
    return {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}


def test_the_course_opens_quiet_and_only_for_who_has_the_token(tmp_path: Path) -> None:
    # The learner's own settings must neither open the door nor be needed.
    own = tmp_path / "own"
    own.mkdir()
    (own / "jupyter_server_config.json").write_text(
        json.dumps({"IdentityProvider": {"token": ""}, "ServerApp": {"ip": "0.0.0.0"}})
    )
    work = tmp_path / "work"
    with opened_course([*OPEN, "--folder", work], JUPYTER_CONFIG_DIR=str(own)) as address:
        assert address.startswith("http://127.0.0.1:")
        files = [file["name"] for file in ask(address, "/api/contents")["content"]]
        assert course.PROGRESS_FILE in files
        quiet = ask(address, "/lab/api/settings/@jupyterlab/apputils-extension:notification")
        assert quiet["schema"]["properties"]["fetchNews"]["default"] == "false"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            ask(address, "/api/contents", token="guessed")


def test_a_taken_port_gives_way_to_the_next(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with opened_course([*OPEN, "--folder", tmp_path, "--port", port]) as address:
            assert f":{port}/" not in address


def test_ctrl_c_ends_the_course_and_its_kernels(tmp_path: Path) -> None:
    with opened_course([*OPEN, "--folder", tmp_path]) as address:
        before = psutil.Process().children(recursive=True)
        ask(address, "/api/kernels", {"name": "python3"})
        started = psutil.Process().children(recursive=True)
        assert len(started) > len(before)
    _, alive = psutil.wait_procs(started, timeout=10)
    assert not alive


def test_whatever_the_course_starts_listens_to_this_machine_only(tmp_path: Path) -> None:
    with opened_course([*OPEN, "--folder", tmp_path]) as address:
        ask(address, "/api/kernels", {"name": "python3"})
        listening = set()
        for process in psutil.Process().children(recursive=True):
            # JupyterLab asks a few short-lived programs for their version.
            with contextlib.suppress(psutil.NoSuchProcess):
                listening |= addresses_listened_to(process)
    assert listening == {"127.0.0.1"}


def test_inside_a_jupyterhub_no_second_server_starts(tmp_path: Path) -> None:
    there = run("--folder", tmp_path, JUPYTERHUB_SERVICE_PREFIX="/user/moon/")
    assert f"open in it: {tmp_path / '00_start_here.ipynb'}" in there.stdout


def test_copies_can_be_made_without_opening_anything(tmp_path: Path) -> None:
    made = run("copies", "--folder", tmp_path)
    assert made.stdout.count("Your copy: ") == len(course.LESSONS)
    assert run("copies", "--folder", tmp_path).stdout == ""


def test_a_reset_tells_where_the_old_copy_is(tmp_path: Path) -> None:
    run("copies", "--folder", tmp_path)
    told = run("--folder", tmp_path, "reset", "00").stdout
    kept = re.search(r"kept: (.+)", told)[1]
    assert Path(kept).exists()
    assert f"Afresh: {tmp_path / '00_start_here.ipynb'}" in told


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--lesson", "99"], "There is no lesson 99 in "),
        (["reset", "99"], "There is no lesson 99 in "),
        (["--folder", os.devnull + "/work"], "cannot be written"),
        (["--port", "70000"], "--port"),
        (["rest"], "invalid choice: 'rest'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    options: list[str], line: str, tmp_path: Path
) -> None:
    refused = run("--folder", tmp_path, *options)
    assert refused.returncode != 0
    assert line in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr
