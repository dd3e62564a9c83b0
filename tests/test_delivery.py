"""The delivery with its real tools: what reaches people, what does not, and what is left behind."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from required import require

from devops_lab import machine
from devops_lab.commands import CommandError
from devops_lab.delivery import Delivery, StageError
from devops_lab.dora import measures
from devops_lab.families import birth_of, is_alive, wait_until
from devops_lab.package_index import PackageIndex
from devops_lab.processes import running

PRICES = "src/moonlight/prices.py"
PAGE = "src/moonlight/page.py"
MENDED = (PRICES, "(rolls - 1) // 13", "rolls // 13")
# Green in the tests, which never ask for the page.
BROKEN_PAGE = (PAGE, '.get("OPENING_HOURS", "07:00 to 19:00")', '["OPENING_HOURS"]')
CHECK_THE_PAGE = ("pipeline.toml", 'path = "/healthz"', 'path = "/"')


@pytest.fixture(autouse=True)
def _git_is_here() -> None:
    git = next(tool for tool in machine.tools() if tool.name == "git")
    require(git.is_here, "git", git.install)


@pytest.fixture
def delivery(tmp_path: Path) -> Iterator[Delivery]:
    """The shop as it was found, with its first release before people."""
    with Delivery(folder=tmp_path / "delivery") as begun:
        yield begun


def seen(delivery: Delivery, path: str) -> set[str]:
    return set(delivery.ask(path).text)


def outcomes(delivery: Delivery) -> dict[str, str]:
    stages = delivery.stages()
    return dict(zip(stages.stage, stages.outcome, strict=True))


def test_a_change_reaches_people_with_its_deployment_and_not_before(delivery: Delivery) -> None:
    delivery.edit(*MENDED)
    for stage in (lambda: delivery.commit("Mend"), delivery.build, delivery.test, delivery.release):
        stage()
        assert seen(delivery, "/price/13") == {"19500"}
    delivery.deploy()
    delivery.check()
    assert seen(delivery, "/price/13") == {"18000"}
    assert set(delivery.ask().release) == {"1.0.1"} == {delivery.version}
    assert "1.0.1" in seen(delivery, "/").pop()
    assert delivery.roll_back().stage == "roll_back"
    assert seen(delivery, "/price/13") == {"19500"}


def test_a_commit_made_by_hand_is_delivered_too(delivery: Delivery) -> None:
    delivery.edit(*MENDED)
    for words in (["add", "--all"], ["commit", "--message", "By hand"]):
        delivery.workshop.run(["git", *words])
    assert set(delivery.deliver("Nothing more").outcome) == {"done"}
    assert "Nothing was edited since the last commit" in delivery.log("commit")
    assert seen(delivery, "/price/13") == {"18000"}
    history = delivery.deployments()
    assert (history.committed < history.deployed).all()


def test_two_builds_of_a_commit_are_the_same_bytes(delivery: Delivery) -> None:
    first, second = delivery.build().said, delivery.build().said
    assert "sha256" in first
    assert first == second
    # What is not committed is not built either.
    delivery.edit(*MENDED)
    assert delivery.build().said == first
    delivery.commit("Mend")
    assert delivery.build().said != first


def test_a_file_that_was_changed_in_the_index_is_not_installed(delivery: Delivery) -> None:
    delivery.edit(*MENDED)
    delivery.commit("Mend")
    delivery.build()
    delivery.release()
    (wheel,) = delivery.workshop.index.glob("moonlight/*1.0.1*.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("moonlight/stranger.py", "print('hello')")
    with pytest.raises(StageError, match=r"(?is)stage “deploy”.*hash.*still have release 1\.0\.0"):
        delivery.deploy()
    assert set(delivery.ask().release) == {"1.0.0"}
    with pytest.raises(StageError, match="A version that was released never changes"):
        delivery.release()
    # A release that runs already is not lost when it cannot be installed again.
    with pytest.raises(CommandError, match=r"(?is)hash"):
        PackageIndex(delivery.workshop).install("1.0.0", 64 * "0")
    assert (delivery.workshop.releases / "1.0.0" / "moonlight").is_dir()
    # Nothing was deployed, so nothing is rolled back.
    assert list(delivery.deployments().change) == ["1.0.0"]
    assert list(delivery.deliver("Again").stage)[-1] == "release"
    assert delivery.version == "1.0.0"


def test_a_failing_test_stops_the_line_and_says_why(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.edit(PRICES, "ROLL_WON = 1_500", "ROLL_WON = 15_000")
    stages = delivery.deliver("Dearer rolls")
    assert list(stages.stage) == ["commit", "build", "test"]
    assert list(stages.outcome) == ["done", "done", "stopped"]
    said = capsys.readouterr().out
    assert "The line stopped at the stage “test”." in said
    assert "assert 15000 == 1500" in said
    assert str(delivery.folder) not in said
    assert "assert 15000 == 1500" in delivery.log("test")
    assert set(delivery.ask().release) == {"1.0.0"}


def test_a_sick_release_is_rolled_back_if_the_check_asks_for_what_is_sick(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.edit(*BROKEN_PAGE)
    assert "stopped" not in set(delivery.deliver("Hours").outcome)
    assert set(delivery.ask("/").status) == {500}
    delivery.roll_back()
    delivery.edit(*CHECK_THE_PAGE)
    assert list(delivery.deliver("Ask for the page").stage)[-2:] == ["check", "roll_back"]
    assert "KeyError: 'OPENING_HOURS'" in capsys.readouterr().out
    assert set(delivery.ask("/").status) == {200}
    history = delivery.deployments()
    assert list(history.change) == ["1.0.0", "1.0.1", "1.0.2"]
    assert list(history.failed) == [False, True, True]
    assert (history.committed < history.deployed).all()
    assert (history.deployed < history.recovered)[history.failed].all()
    assert measures(history, "1D").failing_share[0] == pytest.approx(2 / 3)


def test_a_release_that_cannot_start_is_rolled_back_and_the_next_one_recovers(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.edit("src/moonlight/__main__.py", "import sys", "import sys, no_such_module")
    assert list(delivery.deliver("A module too many").stage)[-2:] == ["deploy", "roll_back"]
    assert "No module named 'no_such_module'" in capsys.readouterr().out
    assert set(delivery.ask().release) == {"1.0.0"}
    delivery.edit("src/moonlight/__main__.py", ", no_such_module", "")
    assert set(delivery.deliver("Without it").outcome) == {"done"}
    assert set(delivery.ask().release) == {"1.0.2"}


def test_a_taken_port_is_told_and_the_next_deployment_is_well(delivery: Delivery) -> None:
    first = delivery.servers[0]
    first.stop()
    with socket.create_server(("127.0.0.1", first.port)):
        with pytest.raises(StageError, match=f"Port {first.port} is taken by another program"):
            delivery.deploy()
        assert not any(server.is_running for server in delivery.servers)
    delivery.deploy()
    delivery.check()
    assert set(delivery.ask().status) == {200}


@pytest.mark.parametrize(
    ("old", "new", "stage", "said"),
    [
        ("[build]", "[build", "build", "pipeline.toml cannot be read"),
        ('["python", "-m", "pytest", "-q", "tests"]', '"pytest"', "test", "a list of words"),
        ('"tests"]', '"no-tests"]', "test", "pytest ended with exit code 4"),
        ('path = "/healthz"', "path = 7", "check", 'must begin with "/", got 7'),
        ("tries = 3", 'tries = "3"', "check", "tries must be a number, got '3'"),
        ("tries = 3", "tries = 0", "check", "tries must be at least 1, got 0"),
    ],
)
def test_a_pipeline_that_cannot_be_understood_is_told(
    delivery: Delivery,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    stage: str,
    said: str,
) -> None:
    delivery.edit("pipeline.toml", old, new)
    delivery.deliver("Another pipeline")
    assert outcomes(delivery)[stage] == "stopped"
    assert said in capsys.readouterr().out
    assert set(delivery.ask().release) == {"1.0.0"}


def test_stages_out_of_order_say_what_is_missing(delivery: Delivery) -> None:
    with pytest.raises(StageError, match="There is no release before this one"):
        delivery.roll_back()
    delivery.edit(*MENDED)
    delivery.commit("Mend")
    for stage, missing in ((delivery.test, r"build\(\)"), (delivery.deploy, r"release\(\)")):
        with pytest.raises(StageError, match=f"Run {missing} first"):
            stage()
    with pytest.raises(ValueError, match="is not in src/moonlight/prices.py"):
        delivery.edit(*MENDED)
    with pytest.raises(ValueError, match="stage must be one of"):
        delivery.log("bake")


def test_what_a_learner_has_set_does_not_get_in_and_nothing_gets_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home))
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "PIP_TARGET", "PYTHONPATH"):
        monkeypatch.setenv(name, str(elsewhere))
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.invalid/simple")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    with Delivery(folder=tmp_path / "delivery") as delivery:
        assert set(delivery.ask().status) == {200}
    assert list(home.iterdir()) == []
    assert not elsewhere.exists()


def test_a_repository_around_the_folder_is_left_alone(tmp_path: Path) -> None:
    outer = Delivery(folder=tmp_path / "outer").start()
    outer.stop()
    inner = Delivery(folder=outer.source / "delivery")
    with pytest.raises(StageError, match="not a git repository"):
        inner.commit("Nobody has begun a history here")
    assert outer.workshop.run(["git", "log", "--format=%s"]) == "The shop as we found it"
    assert outer.workshop.run(["git", "diff", "--cached"]) == ""


def test_servers_that_were_stopped_are_started_again_with_their_release(tmp_path: Path) -> None:
    delivery = Delivery(folder=tmp_path / "delivery")
    for _time in range(2):
        with delivery:
            assert set(delivery.ask().release) == {"1.0.0"}
        assert running() == []
    assert set(delivery.ask().status) == {None}
    assert len(delivery.deployments()) == 1


def test_each_release_that_is_taken_back_counts_as_failed(delivery: Delivery) -> None:
    for words in ("What rolls may cost.", "What our rolls cost."):
        (delivery.source / "README").write_text(words)
        delivery.deliver(words)
    delivery.roll_back()
    delivery.roll_back()
    history = delivery.deployments()
    assert list(history.failed) == [False, True, True]
    assert history.recovered.notna().tolist() == [False, True, True]
    with pytest.raises(StageError, match="There is no release before this one"):
        delivery.roll_back()


def test_a_folder_that_is_there_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    first = Delivery(folder=folder)
    (first.source / PRICES).write_text("# mine\n")
    for _time in range(2):
        Delivery(folder=folder)
    assert (tmp_path / "delivery-before-1" / "source" / PRICES).read_text() == "# mine\n"
    assert (tmp_path / "delivery-before-2" / "source" / PRICES).read_text() != "# mine\n"


# The interrupt may come while a library has a file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_leaves_no_lock_and_no_half_release(delivery: Delivery) -> None:
    chance = random.Random(1)
    delivery.edit(*MENDED)
    for _time in range(6):
        pause_s = chance.uniform(0, 1)
        signaller = threading.Timer(pause_s, os.kill, (os.getpid(), signal.SIGINT))
        try:
            signaller.start()
            delivery.deliver("Mend")
            signaller.join()
        except KeyboardInterrupt:
            delivery.stop()
        assert not list(delivery.source.glob(".git/**/*.lock"))
        assert running() in ([], delivery.servers)
    assert set(delivery.deliver("Mend").outcome) == {"done"}
    assert seen(delivery, "/price/13") == {"18000"}


def test_without_git_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match=r"git needs the program git, .* To install it: .*git"):
        Delivery(folder=tmp_path / "delivery").start()


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_killed_kernel_leaves_no_server_behind(tmp_path: Path) -> None:
    told = (
        "import sys, time; from pathlib import Path; from devops_lab.delivery import Delivery; "
        "delivery = Delivery(folder=Path(sys.argv[1])).start(); "
        "print(*(server.pid for server in delivery.servers), flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", told, str(tmp_path / "delivery")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as kernel:
        pids = [int(pid) for pid in kernel.stdout.readline().split()]
        births = [birth_of(pid) for pid in pids]
        kernel.kill()
    assert len(births) == 2
    assert wait_until(lambda: not any(map(is_alive, births)), within_s=30)
