"""Real Ansible on a sandbox of hosts: what it changes, what it finds as it should be, what it says
of mistakes, and that nothing of it is left behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from required import require

from devops_lab.configuration import Fleet, diffs, recap
from devops_lab.families import wait_until
from devops_lab.plays import PlayError, ansible
from devops_lab.processes import ProgramError
from devops_lab.service_command import ServiceError


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    require(ansible().is_here, "Ansible", ansible().install)
    with Fleet(3) as running:
        yield running


def changed(fleet: Fleet, **how: object) -> dict[str, int]:
    """How many tasks changed something, by host."""
    return recap(fleet.run(tell=lambda _line: None, **how))["changed"].to_dict()


def test_the_second_run_changes_nothing_though_one_host_was_edited_by_hand(fleet: Fleet) -> None:
    lines: list[str] = []
    first = fleet.run(tell=lines.append)
    assert lines[0].split() == [*fleet.hosts, "task"]
    assert "changed     changed     changed     Users: who may enter the staff room" in lines
    assert set(first["status"]) == {"ok"}
    assert (first["seconds"] > 0).all()
    assert "+port = " in diffs(first)

    # Server, network, users, package and service: the servers really go by them.
    assert fleet.get("server-2", "/staff/hana").json() == {"name": "hana", "role": "courier"}
    assert fleet.get("server-2", "/staff/juno").status == 403
    assert len(fleet.get("server-2", "/api/menu").json()) == 3
    named = {"Host": "shop.moonlight.example:80"}
    assert fleet.get("server-2", "/", headers=named).text.startswith("Fresh bread")
    assert fleet.get("server-2", "/", headers={"Host": "other.example:80"}).status == 421

    fleet.edit_by_hand("server-3", "etc/shop.d/99-night.toml", "workers = 1\n")
    assert changed(fleet) == {"server-1": 0, "server-2": 0, "server-3": 0}
    assert fleet.about().set_index("host")["workers"].to_dict() == {
        "server-1": 4,
        "server-2": 4,
        "server-3": 1,
    }
    fleet.rebuild("server-3")
    assert changed(fleet, limit="server-3") == {"server-3": 6}
    assert set(fleet.about()["workers"]) == {4}


def test_a_check_says_what_would_change_and_changes_nothing(fleet: Fleet) -> None:
    changed(fleet)
    users = fleet.host("server-3") / "etc" / "users.toml"
    as_it_should_be = users.read_text()
    fleet.edit_by_hand("server-3", "etc/users.toml", as_it_should_be + 'juno = "friend"\n')

    checked = fleet.run(check=True, tags="users", tell=lambda _line: None)
    assert recap(checked)["changed"].to_dict() == {"server-1": 0, "server-2": 0, "server-3": 1}
    assert diffs(checked) == 'server-3, Users: who may enter the staff room\n  -juno = "friend"'
    assert fleet.get("server-3", "/staff/juno").status == 200

    assert changed(fleet, tags="users")["server-3"] == 2, "the list, and the restart by the handler"
    assert users.read_text() == as_it_should_be
    assert fleet.get("server-3", "/staff/juno").status == 403


def test_a_rolling_play_stops_at_the_first_sick_host(fleet: Fleet) -> None:
    changed(fleet)
    rolled = fleet.run("rolling.yml", menu_version="2.0", tell=lambda _line: None)
    assert set(rolled["host"]) == {"server-1"}
    (failed,) = rolled[rolled["status"] == "failed"].itertuples()
    assert "503" in failed.message
    assert fleet.about()["menu"].tolist() == ["2.0", "1.0", "1.0"]

    rolled = fleet.run("rolling.yml", menu_version="1.1", tell=lambda _line: None)
    assert recap(rolled)["failed"].sum() == 0
    assert set(fleet.about()["menu"]) == {"1.1"}


def test_a_host_that_is_gone_is_unreachable_and_the_others_go_on(fleet: Fleet) -> None:
    changed(fleet)
    fleet.lose("server-2")
    results = fleet.run(tags="users", tell=lambda _line: None)
    assert recap(results)["unreachable"].to_dict() == {"server-1": 0, "server-2": 1, "server-3": 0}
    assert "it is gone" in results.set_index("host").message["server-2"]


def test_mistakes_are_told_with_file_line_and_remedy(fleet: Fleet) -> None:
    play = fleet.plays / "site.yml"
    play.write_text(play.read_text().replace('- name: "Package', '- name "Package'))
    with pytest.raises(PlayError) as told:
        fleet.run(tell=lambda _line: None)
    assert "Origin: site.yml:" in str(told.value)
    assert str(told.value).endswith("save the file, and run the play again.")
    assert str(fleet.plays) not in str(told.value)

    values = fleet.plays / "group_vars" / "shop.yml"
    right = values.read_text()
    values.write_text(right.replace("workers: 4", "workers 4"))
    with pytest.raises(PlayError, match=r"Origin: group_vars/shop.yml:4\nMend the line"):
        fleet.run("rolling.yml", tell=lambda _line: None)
    values.write_text(right)

    with pytest.raises(PlayError, match="There is no play sight.yml; the folder has: rolling.yml"):
        fleet.run("sight.yml")
    with pytest.raises(ServiceError, match="The shop cannot start"):
        fleet.service("server-1", "start")
    with pytest.raises(ValueError, match="host must be one of server-1, server-2, server-3"):
        fleet.get("server-4")


def test_a_play_that_undefined_values_stop_names_the_value(fleet: Fleet) -> None:
    values = fleet.plays / "group_vars" / "shop.yml"
    values.write_text(values.read_text().replace("workers:", "worker:"))
    results = fleet.run(tell=lambda _line: None)
    failed = results[results["status"] == "failed"]
    assert set(failed["task"]) == {"Service: its settings"}
    assert failed["message"].str.contains("'workers' is undefined").all()


def test_a_server_that_cannot_start_says_why_below_its_task(fleet: Fleet) -> None:
    template = fleet.plays / "templates" / "shop.toml.j2"
    template.write_text(template.read_text() + "half a line\n")
    lines: list[str] = []
    results = fleet.run(limit="server-2", tell=lines.append)
    assert lines[-2].split() == ["failed", "Restart", "the", "shop"]
    assert lines[-1].startswith("server-2: The shop cannot start: 10-shop.toml: Expected '='")
    assert recap(results)["failed"].to_dict() == {"server-2": 1}

    with pytest.raises(PlayError, match=r"(?s)ignoring: server-9.*Mend what it names"):
        fleet.run(limit="server-9", tell=lines.append)
    fleet.run(tags="misspelt", tell=lines.append)
    assert lines[-1].startswith("No task was run.")


def answer_to(question: bytes, address: Path) -> bytes:
    """What a program of the sandbox says to this question."""
    port, _token = json.loads(address.read_text())
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(question)
        line.shutdown(socket.SHUT_WR)
        return line.makefile("rb").read()


def test_who_has_no_token_can_neither_stop_a_server_nor_run_a_program(
    fleet: Fleet, tmp_path: Path
) -> None:
    changed(fleet, limit="server-1")
    supervisor, modules = (
        fleet.folder / "supervisor.json",
        fleet.folder / "ansible" / "modules.json",
    )
    module = f"open({str(tmp_path / 'proof')!r}, 'w')".encode()
    assert answer_to(b'["guessed", "stop", "server-1"]\n', supervisor) == b""
    assert answer_to(b"guessed\n" + module, modules) == b""
    assert fleet.service("server-1", "status") == "running"
    assert not (tmp_path / "proof").exists()

    token = json.loads(modules.read_text())[1].encode()
    assert json.loads(answer_to(token + b"\n" + module, modules)) == [0, "", ""]
    assert (tmp_path / "proof").exists()


def test_a_fleet_has_to_be_started_first() -> None:
    with pytest.raises(ProgramError, match="fleet has not been started"):
        Fleet().run()
    with pytest.raises(ValueError, match="hosts must be at most 12, got 13"):
        Fleet(13)


def test_without_ansible_it_is_said_how_to_get_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _name: "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProgramError, match="needs the program ansible-playbook.*To install it:"):
        fleet.run()


def test_any_locale_will_do_and_the_learners_home_stays_empty(tmp_path: Path) -> None:
    require(ansible().is_here, "Ansible", ansible().install)
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    # A setting of the learner's own that would break every play.
    (here / "ansible.cfg").write_text("[defaults]\nforks = none\n")
    script = (
        "from devops_lab.configuration import Fleet, recap\n"
        "with Fleet(1) as fleet:\n"
        "    print(recap(fleet.run())['failed'].sum())\n"
    )
    environment = {"HOME": str(home), "LC_ALL": "C", "LANG": "C", "ANSIBLE_FORKS": "none"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert list(home.iterdir()) == []
    assert [file.name for file in here.iterdir()] == ["ansible.cfg"]


def test_an_interrupt_in_the_middle_ends_the_play_and_the_next_run_goes_on(fleet: Fleet) -> None:
    def interrupt_after_the_menu(line: str) -> None:
        if line.endswith("Package: the menu"):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fleet.run(tell=interrupt_after_the_menu)
    assert wait_until(lambda: not ansible_processes(), within_s=10)
    # Ansible writes beside a file and moves it into its place: no half of one is left there.
    assert [*fleet.host("server-1").rglob(".ansible_tmp*")] == []
    changed(fleet)
    assert set(fleet.about()["workers"]) == {4}


def ansible_processes() -> list[str]:
    """The runs of ansible-playbook that this process, or its reaper, has started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found.append(" ".join(process.cmdline()))
    return [command for command in found if "ansible-playbook" in command]


def test_a_killed_kernel_leaves_no_server_of_its_hosts_behind(tmp_path: Path) -> None:
    require(ansible().is_here, "Ansible", ansible().install)
    script = (
        "import os, signal, psutil\n"
        "from devops_lab.configuration import Fleet\n"
        "fleet = Fleet(2).start()\n"
        "fleet.run(tell=lambda line: None)\n"
        "family = psutil.Process().children(recursive=True)\n"
        "print(*[p.pid for p in family], fleet.folder)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    *pids, folder = told.stdout.split()
    assert len(pids) >= 4, "the reaper, the supervisor and two servers"
    assert wait_until(lambda: not any(map(psutil.pid_exists, map(int, pids))), within_s=10)
    assert wait_until(lambda: not Path(folder).exists(), within_s=10)


def test_the_learners_own_plays_are_used_and_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "progress.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    with Fleet(1) as fleet:
        assert fleet.plays == tmp_path / "configuration"
        (fleet.plays / "site.yml").write_text("mine")
    with Fleet(1) as fleet:
        assert (fleet.plays / "site.yml").read_text() == "mine"
