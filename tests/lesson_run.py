"""Run a lesson as a learner would, apart from everything else, and report what it left behind.

`run_apart` starts this file as a script: in a network namespace of its own where the system has
them (only loopback, so a request to the outside fails and is counted), with a HOME, a TMPDIR and
a folder of lessons that are empty but for the lesson.
"""

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parent.parent
MARK = "DEVOPS_LAB_TEST_RUN"
CELL_TIMEOUT_S = 60
SAMPLE_EVERY_S = 0.2
GONE_WITHIN_S = 5


@dataclass(frozen=True)
class Run:
    """One execution: the notebook with its outputs, and what it left or tried."""

    notebook: NotebookNode
    left_processes: list[str]
    left_ports: list[int]
    left_files: list[str]
    refused_requests: int
    peak_memory_mb: float

    @property
    def leavings(self) -> list[str]:
        """One line for each thing that should not be there or should not have been tried."""
        found = [f"a process is left: {command}" for command in self.left_processes]
        found += [f"a port is left open: {port}" for port in self.left_ports]
        found += [f"a file is left: {file}" for file in self.left_files]
        if self.refused_requests:
            found.append("a request went to somewhere else than this machine")
        return found


def run_apart(notebook: NotebookNode, folder: Path, name: str) -> Run:
    """The lesson's run, in a folder that is empty and the run's alone."""
    lesson = folder / "work" / f"{name}.ipynb"
    for part in ("home", "tmp", "work"):
        (folder / part).mkdir(parents=True)
    nbformat.write(notebook, lesson)
    prefix = namespace_command()
    child = subprocess.run(
        [*prefix, sys.executable, __file__, str(lesson), "apart" if prefix else "here"],
        env=os.environ | _private_environment(folder),
        capture_output=True,
        text=True,
    )
    if child.returncode != 0:
        raise RuntimeError(f"the lesson could not be run:\n{child.stdout}\n{child.stderr}")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    executed = nbformat.read(folder / "executed.ipynb", as_version=4)
    return Run(executed, left_files=_left_files(folder, lesson), **report)


@cache
def namespace_command() -> tuple[str, ...]:
    """What stands before a command that gets no network but its own; empty where impossible."""
    for command in (("unshare", "-n"), ("unshare", "-r", "-n")):
        with contextlib.suppress(OSError):
            if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
                return command
    return ()


def _private_environment(folder: Path) -> dict[str, str]:
    home, temporary = str(folder / "home"), str(folder / "tmp")
    jupyter = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    return {
        **dict.fromkeys(("HOME", "USERPROFILE"), home),
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary),
        **dict.fromkeys(jupyter, str(folder / "jupyter")),
        # A learner's machine may have a proxy; a request to our own servers never goes there.
        **dict.fromkeys(proxies, "http://192.0.2.1:9"),
        "DEVOPS_LAB_LANGUAGE": "en",
        # This checkout's lessons meet this checkout's package, also where another is installed.
        "PYTHONPATH": str(ROOT),
    }


def _left_files(folder: Path, lesson: Path) -> list[str]:
    files = [file for part in ("home", "tmp", "work") for file in (folder / part).rglob("*")]
    return [str(file.relative_to(folder)) for file in sorted(files) if file != lesson]


def main(lesson: Path, apart: bool) -> None:
    """The script: executes the lesson and writes what it saw two folders above it."""
    if apart:
        _raise_loopback()
    requests_before = _requests_without_route() if apart else 0
    mark = uuid.uuid4().hex
    with _watched_memory(mark) as samples_mb:
        try:
            notebook = _execute(lesson, mark)
            left_processes = _wait_until_gone(mark)
            left_ports = _open_ports() if apart else []
        finally:
            for process in _marked(mark):
                process.kill()
    report = {
        "left_processes": left_processes,
        "left_ports": left_ports,
        "refused_requests": _requests_without_route() - requests_before if apart else 0,
        "peak_memory_mb": max(samples_mb),
    }
    folder = lesson.parent.parent
    nbformat.write(notebook, folder / "executed.ipynb")
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def _execute(lesson: Path, mark: str) -> NotebookNode:
    client = NotebookClient(
        nbformat.read(lesson, as_version=4),
        kernel_name="python3",
        resources={"metadata": {"path": str(lesson.parent)}},
        timeout=CELL_TIMEOUT_S,
        interrupt_on_timeout=True,
        allow_errors=True,
        coalesce_streams=True,
        record_timing=False,
    )
    return client.execute(env=os.environ | {MARK: mark})


def _marked(mark: str) -> list[psutil.Process]:
    """The kernel and everything that it, or what it started, has started: an environment is
    inherited where a parent is not."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def _wait_until_gone(mark: str) -> list[str]:
    """The command lines of the processes that are still there after a while."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while (processes := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [" ".join(process.cmdline()) for process in processes]


@contextlib.contextmanager
def _watched_memory(mark: str) -> Iterator[list[float]]:
    """The memory of all marked processes together, in MB, sampled while the block runs."""
    samples_mb = [0.0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_EVERY_S):
            samples_mb.append(sum(_memory_mb(process) for process in _marked(mark)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples_mb
    finally:
        ended.set()
        thread.join()


def _memory_mb(process: psutil.Process) -> float:
    """What the process adds: shared pages are counted once over all processes where the system
    can tell (PSS), else in each."""
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0.0
    return getattr(memory, "pss", memory.rss) / 1e6


def _raise_loopback() -> None:
    """A new network namespace has a loopback device that is down."""
    import fcntl

    set_flags, up_and_running = 0x8914, 0x1 | 0x40
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", up_and_running))


def _requests_without_route() -> int:
    """How often somebody in this namespace wanted to reach an address outside it."""
    lines = Path("/proc/self/net/snmp").read_text().splitlines()
    names, counts = (line.split() for line in lines if line.startswith("Ip:"))
    ipv6 = dict(line.split() for line in Path("/proc/self/net/snmp6").read_text().splitlines())
    return int(dict(zip(names, counts, strict=True))["OutNoRoutes"]) + int(ipv6["Ip6OutNoRoutes"])


def _open_ports() -> list[int]:
    connections = psutil.net_connections("tcp")
    return sorted({c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "apart")
