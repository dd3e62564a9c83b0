"""The console command: it opens a lesson over real JupyterLab, and says in one line what fails."""

import contextlib
import html
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import webbrowser
from pathlib import Path

import psutil
import pytest
from opened_course import opened_course

from devops_lab import course, launcher
from devops_lab.families import wait_until

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
    with opened_course([*OPEN, "--folder", work], JUPYTER_CONFIG_DIR=str(own)) as opened:
        assert opened.address.startswith("http://127.0.0.1:")
        files = [file["name"] for file in opened.ask("/api/contents")["content"]]
        assert course.PROGRESS_FILE in files
        quiet = opened.ask("/lab/api/settings/@jupyterlab/apputils-extension:notification")
        assert quiet["schema"]["properties"]["fetchNews"]["default"] == "false"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            opened.ask("/api/contents", token="guessed")


@pytest.mark.skipif(os.name == "nt", reason="the browser made here is a POSIX script")
def test_the_lesson_opens_in_the_learners_browser(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\necho "$1" > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/seen'
    )
    browser.chmod(0o755)
    environment = {"BROWSER": str(browser), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    with opened_course([*COMMAND, "--folder", tmp_path / "work"], **environment) as opened:
        assert wait_until((tmp_path / "seen").exists, within_s=10)
        page = Path((tmp_path / "seen").read_text().strip().removeprefix("file://"))
        # A file in a folder that others cannot enter carries the token, and no command line.
        assert html.escape(opened.address) in page.read_text()
        assert page.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", [*launcher.TEXT_BROWSERS, None])
def test_a_browser_that_would_fill_the_terminal_is_not_opened(
    name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "_tryorder", [])
    monkeypatch.setattr(webbrowser, "_browsers", {})
    if name:
        webbrowser.register(name, None, webbrowser.GenericBrowser(name), preferred=True)
    assert not launcher.has_window_browser()


def test_a_taken_port_gives_way_to_the_next(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with opened_course([*OPEN, "--folder", tmp_path, "--port", port]) as opened:
            assert f":{port}/" not in opened.address


def test_ctrl_c_ends_the_course_and_its_kernels(tmp_path: Path) -> None:
    with opened_course([*OPEN, "--folder", tmp_path]) as opened:
        before = opened.processes()
        opened.ask("/api/kernels", {"name": "python3"})
        started = opened.processes()
        assert len(started) > len(before)
    _, alive = psutil.wait_procs(started, timeout=10)
    assert not alive


def test_whatever_the_course_starts_listens_to_this_machine_only(tmp_path: Path) -> None:
    with opened_course([*OPEN, "--folder", tmp_path]) as opened:
        opened.ask("/api/kernels", {"name": "python3"})
        listening = set()
        for process in opened.processes():
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


def test_a_home_that_cannot_be_written_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    no_folder = tmp_path / "file"
    no_folder.touch()
    refused = run("--folder", tmp_path, "--no-browser", JUPYTER_RUNTIME_DIR=str(no_folder / "in"))
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "JUPYTER_RUNTIME_DIR" in refused.stderr


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
