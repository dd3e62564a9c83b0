"""Every test counts what is left afterwards: processes, listening ports and folders."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client import BlockingKernelClient, KernelManager

from devops_lab import lifeline, processes
from devops_lab.families import GRACE_S, wait_until
from devops_lab.leftovers import sweep_all
from devops_lab.processes import Program, ProgramError, free_port, running, stop_all
from devops_lab.reaper_link import the_reaper

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the stories send POSIX signals; Windows is not tried here"
)

PATIENCE_S = 20.0
BEGINNING = """
import os, signal, subprocess, sys, time
from devops_lab.processes import Program, lifeline_environment, running, stop_all

LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print('up', flush=True)"

class Listener(Program):
    def __init__(self, name):
        super().__init__(name, [sys.executable, "-c", LISTEN + "; time.sleep(60)"])

    def is_ready(self):
        return self.last_log_lines() == ["up"]
"""


class World:
    """A temporary folder and a mark of its own, by which all that a test has started is known."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        root = str(Path(processes.__file__).parent.parent)
        self.environment = os.environ | {
            "TMPDIR": str(folder),
            "DEVOPS_LAB_TEST_MARK": self.mark,
            "PYTHONPATH": root,
        }

    def processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._is_marked(process)]

    def ports(self) -> list[int]:
        connections = [c for p in self.processes() for c in _connections(p)]
        return [c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN]

    def folders(self) -> list[Path]:
        return list(self.folder.glob("devops-lab-*"))

    def left(self) -> list[object]:
        return [*self.processes(), *self.ports(), *self.folders()]

    @contextlib.contextmanager
    def script(self, code: str) -> Iterator[subprocess.Popen[str]]:
        """A plain Python process, killed at the end of the block if it still runs."""
        with subprocess.Popen(
            [sys.executable, "-c", BEGINNING + code],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and process.environ().get("DEVOPS_LAB_TEST_MARK") == self.mark
            )
        except psutil.Error:
            return False


def _connections(process: psutil.Process) -> list:
    try:
        return process.net_connections(kind="tcp")
    except psutil.Error:
        return []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    left = made.left()
    for process in made.processes():
        process.kill()
    assert left == []


class Kernel:
    """A real kernel, and cells sent to it as JupyterLab sends them."""

    def __init__(self, world: World) -> None:
        self.manager = KernelManager()
        self.manager.start_kernel(env=world.environment)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.run(BEGINNING)

    @property
    def pid(self) -> int:
        return self.manager.provisioner.pid

    def send(self, code: str, cell_id: str | None = None) -> str:
        content = {"code": code, "silent": False, "store_history": True, "stop_on_error": False}
        metadata = {"cellId": cell_id} if cell_id else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def answer(self, request: str) -> tuple[str, str]:
        """The status of a cell, and all that it printed."""
        printed = ""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE_S)
            if message["parent_header"].get("msg_id") != request:
                continue
            printed += message["content"].get("text", "")
            if message["content"].get("execution_state") == "idle":
                reply = self.client.get_shell_msg(timeout=PATIENCE_S)
                return reply["content"]["status"], printed

    def run(self, code: str, cell_id: str | None = None) -> str:
        status, printed = self.answer(self.send(code, cell_id))
        assert status == "ok", printed
        return printed

    def running(self) -> list[str]:
        return self.run("print(*sorted(p.name for p in running()))").split()


@pytest.fixture
def kernel(world: World) -> Iterator[Kernel]:
    started = Kernel(world)
    yield started
    started.client.stop_channels()
    if started.manager.has_kernel:
        started.manager.shutdown_kernel(now=True)
    assert nothing_left(world)
    started.manager.cleanup_resources()


def nothing_left(world: World) -> bool:
    return wait_until(lambda: not world.left(), within_s=PATIENCE_S)


def test_a_killed_kernel_leaves_nothing_behind(world: World, kernel: Kernel) -> None:
    kernel.run("shop = Listener('shop').start(); menu = Listener('menu').start()")
    # The two of them and the lifeline, besides the kernel's own.
    assert len(world.ports()) >= 3
    assert len(world.folders()) == 1
    os.kill(kernel.pid, signal.SIGKILL)
    assert nothing_left(world)


def test_a_killed_script_leaves_nothing_behind(world: World) -> None:
    with world.script("Listener('shop').start(); print('up', flush=True); time.sleep(60)") as it:
        assert it.stdout.readline() == "up\n"
        assert len(world.ports()) >= 2
        it.kill()
        assert nothing_left(world)


@pytest.mark.parametrize("restart", [True, False])
def test_a_restart_or_shutdown_ends_everything(world: World, kernel: Kernel, restart: bool) -> None:
    kernel.run("Listener('shop').start()")
    assert len(world.folders()) == 1
    if restart:
        kernel.manager.restart_kernel()
        assert wait_until(lambda: not world.folders(), within_s=PATIENCE_S)
        assert [process.pid for process in world.processes()] == [kernel.pid]
    else:
        kernel.manager.shutdown_kernel()
        assert nothing_left(world)


@pytest.mark.parametrize("endless", ["time.sleep(60)", "import asyncio; await asyncio.sleep(60)"])
def test_an_interrupted_cell_ends_only_what_it_started(kernel: Kernel, endless: str) -> None:
    kernel.run("early = Listener('early').start()")
    request = kernel.send(f"late = Listener('late').start(); print('up', flush=True)\n{endless}")
    while kernel.client.get_iopub_msg(timeout=PATIENCE_S)["content"].get("text") != "up\n":
        pass
    kernel.manager.interrupt_kernel()
    assert kernel.answer(request)[0] == "error"
    assert kernel.running() == ["early"]


def test_a_cell_run_again_replaces_what_it_started(world: World, kernel: Kernel) -> None:
    kernel.run("Listener('menu').start()", cell_id="first")
    for name in ("shop", "bakery"):
        kernel.run(f"Listener('{name}').start()", cell_id="second")
    assert kernel.running() == ["bakery", "menu"]
    kernel.run("1", cell_id="second")
    assert kernel.running() == ["menu"]


def test_without_cell_ids_a_cell_is_its_text(kernel: Kernel) -> None:
    for _ in range(2):
        kernel.run("Listener('shop').start()")
    kernel.run("Listener('menu').start()")
    assert kernel.running() == ["menu", "shop"]


def test_a_failing_cell_leaves_its_programs_running_until_it_runs_again(kernel: Kernel) -> None:
    status, _ = kernel.answer(kernel.send("Listener('shop').start(); 1 / 0", cell_id="one"))
    assert status == "error"
    assert kernel.running() == ["shop"]
    kernel.run("Listener('menu').start()", cell_id="one")
    assert kernel.running() == ["menu"]


def test_a_kernel_killed_before_the_answer_leaves_nothing_behind(world: World) -> None:
    code = """
from devops_lab import reaper_link
def ask(self, verb, name):
    self._process.stdin.write(f"0 {verb} {name}\\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
reaper_link.ReaperLink.ask = ask
Listener('shop').start()
"""
    with world.script(code) as script:
        assert script.wait() == -signal.SIGKILL
        assert nothing_left(world)


def test_a_kernel_killed_at_any_moment_leaves_nothing_behind(world: World) -> None:
    chance = random.Random(1)
    for _ in range(8):
        with world.script(
            "print('go', flush=True)\nfor n in range(9): Listener('x').start()"
        ) as it:
            it.stdout.readline()
            time.sleep(chance.uniform(0, 0.25))
            it.kill()
            assert nothing_left(world)
