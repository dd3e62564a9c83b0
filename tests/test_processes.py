"""Every test counts what is left afterwards: processes, listening ports and folders."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client import BlockingKernelClient, KernelManager

from devops_lab import lifeline, processes
from devops_lab.families import wait_until
from devops_lab.processes import Program, ProgramError, free_port, running, start_together, stop_all
from devops_lab.reaper_link import the_reaper

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the stories send POSIX signals; Windows is not tried here"
)

PATIENCE_S = 20.0
BEGINNING = """
import os, signal, subprocess, sys, time, warnings
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
                return self._reply(request)["content"]["status"], printed

    def _reply(self, request: str) -> dict:
        while True:
            reply = self.client.get_shell_msg(timeout=PATIENCE_S)
            if reply["parent_header"]["msg_id"] == request:
                return reply

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
    # A kernel that awaits looks at the interrupt with the next message.
    kernel.client.kernel_info()
    assert kernel.answer(request)[0] == "error"
    assert kernel.running() == ["early"]


def test_an_interrupt_between_two_statements_counts_as_one(kernel: Kernel) -> None:
    kernel.run("""
shell = get_ipython()
run_code = shell.run_code
async def run_code_then_be_interrupted(*arguments, **settings):
    await run_code(*arguments, **settings)
    shell.run_code = run_code
    raise KeyboardInterrupt
shell.run_code = run_code_then_be_interrupted
""")
    assert kernel.answer(kernel.send("late = Listener('late').start()"))[0] == "error"
    assert kernel.running() == []


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


def test_a_program_started_by_a_button_belongs_to_no_cell(kernel: Kernel) -> None:
    kernel.run("1")
    button = """
import threading
pressed = threading.Timer(0.2, lambda: Listener("shop").start())
pressed.start()
"""
    kernel.run(button, cell_id="button")
    time.sleep(0.6)
    kernel.run("1", cell_id="next")
    kernel.run("1", cell_id="next")
    kernel.run("1", cell_id="button")
    assert kernel.running() == ["shop"]


def test_a_button_may_name_the_cell_that_shows_it(kernel: Kernel) -> None:
    show = """
from devops_lab import cells
mine = cells.current()
get_ipython().kernel.comm_manager.register_target("button", lambda comm, message: press())
def press():
    assert cells.current() is None
    Listener("shop").start().cell = mine
"""
    press = {"comm_id": "1", "target_name": "button", "data": {}}
    for cell_id in ("dashboard", None):
        kernel.run(show, cell_id=cell_id)
        message = kernel.client.session.msg("comm_open", press)
        kernel.client.shell_channel.send(message)
        kernel.run("1", cell_id="another")
        assert kernel.running() == ["shop"]
        kernel.run(show, cell_id=cell_id)
        assert kernel.running() == []


def test_outside_a_notebook_no_cell_runs(world: World) -> None:
    with world.script("from devops_lab import cells; print(cells.current())") as it:
        assert it.communicate(timeout=PATIENCE_S)[0] == "None\n"


def test_the_end_of_a_script_ends_its_programs(world: World) -> None:
    with world.script("Listener('shop').start(); print(len(running())); sys.exit(3)") as it:
        assert it.communicate(timeout=PATIENCE_S)[0] == "1\n"
        assert it.returncode == 3
        # The script waits for it: nothing is left at once, not just soon.
        assert world.left() == []


def test_a_killed_reaper_takes_its_programs_along_and_the_next_start_works(world: World) -> None:
    code = """
from devops_lab.families import wait_until
from devops_lab.processes import ProgramError
from devops_lab.reaper_link import the_reaper
shop = Listener("shop").start()
reaper = the_reaper()._process
os.kill(reaper.pid, signal.SIGKILL)
assert wait_until(lambda: not running(), within_s=10)
shop.stop()
shop.start()
os.kill(the_reaper()._process.pid, signal.SIGSTOP)
import threading
threading.Timer(0.2, os.kill, (the_reaper()._process.pid, signal.SIGKILL)).start()
try:
    Listener("menu").start()
except ProgramError as error:
    print(error)
with Listener("menu"):
    print(running())
"""
    with world.script(code) as it:
        said = it.communicate(timeout=PATIENCE_S)[0].splitlines()
        assert said[0].startswith("The helper process that starts programs was ended")
        assert said[1:] == ["[<Listener menu: running>]"]
    assert nothing_left(world)


def test_what_kernel_and_reaper_left_when_both_died_is_swept_at_the_next_start(
    world: World,
) -> None:
    with world.script("Listener('shop').start(); print('up', flush=True); time.sleep(60)") as it:
        assert it.stdout.readline() == "up\n"
        [reaper] = psutil.Process(it.pid).children()
        # Held still, the reaper cannot answer the end of the script.
        reaper.suspend()
        it.kill()
        it.wait()
        reaper.kill()
    assert wait_until(lambda: len(world.processes()) == 1, within_s=PATIENCE_S)
    with world.script("with Listener('menu'): print(len(running()))") as it:
        assert it.communicate(timeout=PATIENCE_S)[0] == "1\n"
    assert world.left() == []


def test_a_sweep_spares_strangers_and_living_reapers(world: World) -> None:
    with world.script("Listener('shop').start(); print('up', flush=True); time.sleep(60)") as it:
        assert it.stdout.readline() == "up\n"
        shop = [process for process in world.processes() if process.pid != it.pid]
        # A dead reaper's record with the number of a process that was born later.
        home = world.folder / f"devops-lab-{2**30}-0.0-x"
        (home / "program-1").mkdir(parents=True)
        (home / "program-1" / "pid").write_text(f"{it.pid} 1000000000.0")
        (home / "program-2").mkdir()
        (home / "program-2" / "pid").write_text("12")
        (world.folder / "devops-lab-notes-of-1").mkdir()
        with world.script("with Listener('menu'): pass") as other:
            assert other.communicate(timeout=PATIENCE_S)[0] == ""
        assert not home.exists()
        assert it.poll() is None
        assert all(process.is_running() for process in shop)
        (world.folder / "devops-lab-notes-of-1").rmdir()
    assert nothing_left(world)


def test_a_forked_child_neither_keeps_programs_alive_nor_ends_them(world: World) -> None:
    # From Python 3.12 on, a fork beside threads (the kernel has some) is warned of, and rightly.
    code = """
warnings.simplefilter("ignore", DeprecationWarning)
shop = Listener("shop").start()
if os.fork() == 0:
    print(running(), flush=True)
    with Listener("menu"):
        print(running(), flush=True)
    sys.exit()
os.wait()
print(running(), flush=True)
if os.fork() == 0:
    time.sleep(60)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with world.script(code) as it:
        said = [it.stdout.readline() for _ in range(3)]
        assert said == ["[]\n", "[<Listener menu: running>]\n", "[<Listener shop: running>]\n"]
        it.wait()
        # Only the forked child itself is left.
        assert wait_until(lambda: len(world.left()) == 1, within_s=PATIENCE_S)
        [child] = world.processes()
        child.kill()


def test_a_kernel_waits_neither_for_orphans_nor_for_pipes_they_hold(world: World) -> None:
    orphan = "(sleep 60 &) ; echo up; sleep 60"
    with world.script(f"Program('shop', ['sh', '-c', {orphan!r}]).start(); time.sleep(0.3)") as it:
        it.communicate(timeout=PATIENCE_S)
        assert world.left() == []


@pytest.fixture
def marked(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The test's own process as the kernel: each program that it starts bears the mark."""
    the_reaper()
    monkeypatch.setenv("DEVOPS_LAB_TEST_MARK", world.mark)
    return world


def python(name: str, code: str, **settings: object) -> Program:
    return Program(name, [sys.executable, "-c", code], **settings)


def test_a_program_is_a_block_with_a_private_folder(marked: World) -> None:
    with Program("sleeper", ["sleep", "60"]) as sleeper:
        assert running() == [sleeper]
        assert [process.pid for process in marked.processes()] == [sleeper.pid]
        folder = sleeper.folder
        for private in (folder, folder.parent):
            assert private.stat().st_mode & 0o777 == 0o700
        assert sorted(path.name for path in folder.iterdir()) == ["log", "pid"]
    assert (sleeper.pid, sleeper.is_running, folder.exists()) == (None, False, False)
    assert running() == []
    sleeper.stop()
    with pytest.raises(ProgramError, match="sleeper has not been started"):
        _ = sleeper.folder


def test_a_program_is_started_again_after_a_crash_and_after_a_stop(marked: World) -> None:
    sleeper = python("shop", "print('up', flush=True); import time; time.sleep(60)").start()
    first = sleeper.pid
    assert sleeper.start().pid == first
    wait_until(sleeper.last_log_lines, within_s=PATIENCE_S)
    sleeper.kill()
    assert not sleeper.is_running
    assert sleeper.last_log_lines() == ["up"]
    assert sleeper.start().pid != first
    stop_all()
    with sleeper:
        assert sleeper.is_running
    assert marked.left() == []


@pytest.mark.skipif(sys.platform != "linux", reason="sets the clock as psutil on Linux sees it")
def test_a_program_is_known_and_ended_also_after_the_clock_was_set(
    marked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Program("sleeper", ["sleep", "60"]) as sleeper:
        created_s, booted_s = psutil.Process(sleeper.pid).create_time(), psutil.boot_time()
        # A system that has been up for as long as before, by a clock that is an hour ahead.
        for module in (psutil, psutil._pslinux):
            monkeypatch.setattr(module, "boot_time", lambda: booted_s + 3600)
        assert psutil.Process(sleeper.pid).create_time() > created_s + 3000
        assert sleeper.is_running
        sleeper.kill()
        assert not sleeper.is_running
    assert marked.left() == []


def test_a_frozen_program_is_still_there_and_can_be_stopped(marked: World) -> None:
    with Program("sleeper", ["sleep", "60"]) as sleeper:

        def is_frozen() -> bool:
            return psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED

        sleeper.freeze()
        assert wait_until(is_frozen, within_s=PATIENCE_S)
        assert sleeper.is_running
        sleeper.resume()
        assert wait_until(lambda: not is_frozen(), within_s=PATIENCE_S)
        sleeper.freeze()
    assert marked.left() == []


def test_programs_hear_signals_that_the_reaper_does_not(marked: World) -> None:
    reaper = the_reaper()
    os.kill(reaper._process.pid, signal.SIGTERM)
    os.kill(reaper._process.pid, signal.SIGINT)
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        with Program("sleeper", ["sleep", "60"]) as sleeper:
            os.kill(sleeper.pid, getattr(signal, name))
            assert wait_until(lambda: not running(), within_s=PATIENCE_S)
    assert the_reaper() is reaper


def test_a_program_that_ignores_the_polite_request_is_ended_by_force(marked: World) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)"
    with python("deaf", deaf + "; time.sleep(60)") as program:
        assert wait_until(program.last_log_lines, within_s=PATIENCE_S)
    assert marked.left() == []


@pytest.mark.parametrize("frozen", [False, True])
def test_a_polite_program_has_time_for_a_last_word(
    marked: World, tmp_path: Path, frozen: bool
) -> None:
    note = tmp_path / "note"
    polite = f"trap 'sleep 0.2; echo bye > {note}; exit' TERM; echo up; while :; do sleep 0.1; done"
    with Program("polite", ["sh", "-c", polite]) as program:
        assert wait_until(program.last_log_lines, within_s=PATIENCE_S)
        if frozen:
            program.freeze()
    assert note.read_text() == "bye\n"


def test_orphans_and_grandchildren_end_with_their_program(marked: World) -> None:
    with Program("family", ["sh", "-c", "(sleep 60 &); sleep 60 & sleep 60"]) as family:
        assert wait_until(lambda: len(marked.processes()) == 4, within_s=PATIENCE_S)
        # The parent crashes, and all its children become orphans.
        os.kill(family.pid, signal.SIGKILL)
    assert marked.left() == []


class NeverReady(Program):
    def is_ready(self) -> bool:
        return False


def test_a_program_that_is_never_ready_is_ended_and_its_log_is_shown(marked: World) -> None:
    never = NeverReady("slow", ["sh", "-c", "echo warming up; sleep 60"], ready_within_s=0.3)
    with pytest.raises(ProgramError, match=r"slow was not ready within 0\.3 s") as error:
        never.start()
    assert str(error.value).endswith("\nwarming up")
    assert marked.left() == []


def test_a_program_that_ends_at_once_says_why(marked: World) -> None:
    failing = NeverReady("shop", ["sh", "-c", "echo the oven is cold; exit 3"])
    with pytest.raises(ProgramError, match="exit code 3") as error:
        failing.start()
    assert str(error.value).endswith("\nthe oven is cold")
    assert marked.left() == []


@pytest.mark.parametrize("program", ["no-such-oven", "/no/such/oven"])
def test_a_program_that_is_not_there_is_named(marked: World, program: str) -> None:
    with pytest.raises(ProgramError, match=f"oven needs the program {program}"):
        Program("oven", [program]).start()
    assert the_reaper().home.exists()
    assert list(the_reaper().home.iterdir()) == []


def test_a_program_that_cannot_run_costs_the_others_nothing(marked: World, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o700)
    with Program("sleeper", ["sleep", "60"]) as sleeper:
        for arguments in ([str(broken)], ["sleep", "a\0b"]):
            with pytest.raises(ProgramError, match="broken could not be started"):
                Program("broken", arguments).start()
        assert running() == [sleeper]


def test_the_environment_is_the_kernels_with_the_programs_own(
    marked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENU", "rolls")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    def printed(**environment: str | None) -> str:
        printing = ["sh", "-c", "echo ${MENU-none} $PATH; sleep 60"]
        with Program("printer", printing, environment=environment) as printer:
            assert wait_until(printer.last_log_lines, within_s=PATIENCE_S)
            return printer.last_log_lines()[0]

    # What pip has installed is found even where the kernel's PATH lacks its folder.
    assert printed() == f"rolls {sysconfig.get_path('scripts')}:/usr/bin:/bin"
    assert printed(MENU="rye", PATH="/bin:/usr/bin") == "rye /bin:/usr/bin"
    assert printed(MENU=None, PATH="/bin") == "none /bin"


# The interrupt may come while a library has a file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_moment_of_a_start_leaves_nothing_behind(marked: World) -> None:
    chance = random.Random(2)
    home = the_reaper().home
    interrupts = 0
    for _ in range(40):
        sleeper = NeverReady("sleeper", ["sleep", "60"], ready_within_s=0.1)
        pause_s = chance.uniform(0, 0.03)
        signaller = threading.Timer(pause_s, os.kill, (os.getpid(), signal.SIGINT))
        try:
            signaller.start()
            sleeper.start()
        except KeyboardInterrupt:
            interrupts += 1
        except ProgramError:
            pytest.fail("the interrupt came too late")
        signaller.join()
        assert running() == []
        assert list(home.iterdir()) == []
        assert marked.processes() == []
    assert interrupts == 40


def test_a_reaper_that_cannot_be_started_is_one_clear_sentence(world: World) -> None:
    code = """
import resource
from devops_lab.processes import ProgramError
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (6, hard))
try:
    Listener("shop").start()
except ProgramError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
with Listener("shop"):
    print("works again")
"""
    with world.script(code) as it:
        said = it.communicate(timeout=PATIENCE_S)[0].splitlines()
    assert "could not be started" in said[0]
    assert "Close other notebooks" in said[0]
    assert said[1:] == ["works again"]


def test_a_full_disk_is_one_clear_sentence(world: World) -> None:
    code = """
import resource
from devops_lab.processes import ProgramError
full = (0, resource.RLIM_INFINITY)
resource.setrlimit(resource.RLIMIT_FSIZE, full)
for attempt in "before the first program", "after it":
    try:
        Listener("shop").start()
    except ProgramError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    with Listener("shop"):
        print("works again")
    resource.setrlimit(resource.RLIMIT_FSIZE, full)
"""
    with world.script(code) as it:
        said = it.communicate(timeout=PATIENCE_S)[0].splitlines()
    assert [line[:25] for line in said] == ["No private folder can be ", "works again"] * 2
    assert all("TMPDIR" in line for line in said[::2])
    assert nothing_left(world)


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of another process")
def test_a_disk_that_is_full_for_the_reaper_leaves_no_program(marked: World) -> None:
    reaper = psutil.Process(the_reaper()._process.pid)
    reaper.rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))
    try:
        with pytest.raises(ProgramError, match="sleeper could not be started"):
            Program("sleeper", ["sleep", "60"]).start()
        assert marked.left() == []
    finally:
        reaper.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY,) * 2)


def test_a_temporary_folder_that_cannot_be_written_is_passed_over(world: World) -> None:
    world.environment["TMPDIR"] = "/proc"
    with world.script("with Listener('shop') as shop: print(shop.folder)") as it:
        said = it.communicate(timeout=PATIENCE_S)[0]
    assert "devops-lab-" in said
    assert not said.startswith("/proc")


SERVER = """
import time
from devops_lab import lifeline
lifeline.hold(lambda: open("bye", "w").close())
print("up", flush=True)
time.sleep(60)
"""


def test_a_server_that_somebody_else_started_hangs_on_the_lifeline(world: World) -> None:
    code = f"""
environment = os.environ | lifeline_environment()
for _ in range(2):
    server = [sys.executable, "-c", {SERVER!r}]
    subprocess.Popen(server, env=environment, cwd={str(world.folder)!r}, start_new_session=True)
time.sleep(60)
"""
    with world.script(code) as it:
        assert [it.stdout.readline() for _ in range(2)] == ["up\n", "up\n"]
        assert len(world.processes()) == 4
        it.kill()
        assert nothing_left(world)
    assert (world.folder / "bye").exists()


def test_a_server_whose_kernel_is_gone_already_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(lifeline.VARIABLE, f"{free_port()}:0123")
    with pytest.raises(SystemExit, match="The kernel that this server belongs to is gone"):
        lifeline.hold()
    monkeypatch.delenv(lifeline.VARIABLE)
    lifeline.hold()


def test_the_lifeline_keeps_nobody_without_the_token() -> None:
    port = int(the_reaper().lifeline.partition(":")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as stranger:
        stranger.sendall(b"guess\n")
        assert stranger.recv(1) == b""


def test_free_ports_can_be_listened_on() -> None:
    for _ in range(20):
        with socket.create_server(("127.0.0.1", free_port())):
            pass


def test_programs_that_start_together_all_run_or_none_does() -> None:
    good = [Program(name, ["sleep", "60"]) for name in ("one", "two")]
    assert start_together(good) == good
    assert {*running()} == {*good}
    for program in good:
        program.stop()
    with pytest.raises(ProgramError, match="needs the program no-such-program"):
        start_together([*good, Program("bad", ["no-such-program"])])
    assert running() == []
