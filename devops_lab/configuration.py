"""Real Ansible on hosts of a sandbox, which real servers of the bakery run on.

    with Fleet(3) as fleet:
        results = fleet.run("site.yml")
        fleet.get("server-1", "/about")

A host is a folder: `etc` has its settings, `packages` what is installed on it, `bin/service` starts
its server. The plays are files to be edited (`fleet.plays`); hosts and servers go with the kernel.
"""

import json
import secrets
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devops_lab import client, rules, service_command
from devops_lab.course import PROGRESS_FILE, data_folder
from devops_lab.interpreter import python_program
from devops_lab.plays import Event, Modules, PlayError, PlayRun, write_address
from devops_lab.processes import Program, free_port
from devops_lab.supervisor import TOKEN_VARIABLE, VERBS
from devops_lab.tables import TASK_RESULTS, table
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

FOLDER = "configuration"
MOST_HOSTS = 12


class Fleet(Program):
    """Hosts in a sandbox, `server-1` and on, with a supervisor for their servers.

    `plays` is the folder with the plays and what belongs to them: `configuration` beside the
    learner's lessons, made with the course's own plays where it is missing and never overwritten.
    Elsewhere (in a test) it goes with the kernel, as the hosts always do.
    """

    def __init__(self, hosts: int = 3) -> None:
        count = rules.whole("hosts", hosts, at_least=1, at_most=MOST_HOSTS)
        self.hosts = tuple(f"server-{number}" for number in range(1, count + 1))
        self._token = secrets.token_urlsafe()
        self._modules: Modules | None = None
        super().__init__("fleet", [], environment={TOKEN_VARIABLE: self._token})

    def prepare(self) -> None:
        """Make the hosts, the inventory and the plays."""
        own = Path.cwd()
        self.plays = (own if (own / PROGRESS_FILE).exists() else self.folder) / FOLDER
        if not self.plays.exists():
            shutil.copytree(data_folder() / "configuration" / "plays", self.plays)
        self._modules = Modules(self.folder / "ansible")
        self._ports = {host: free_port() for host in self.hosts}
        for host in self.hosts:
            self._make_host(host)
        self.inventory.write_text(_inventory(self._variables()), encoding="utf-8")
        self.arguments = python_program("supervisor", str(self.folder / "hosts"))

    def is_ready(self) -> bool:
        """Whether the supervisor has said where it listens; the hosts are told."""
        return write_address(self.log_path, self._supervisor, self._token)

    def stop(self) -> None:
        """End all servers and what runs modules on the hosts, and remove the hosts."""
        if self._modules:
            self._modules.stop()
        super().stop()

    @property
    def inventory(self) -> Path:
        """The file that tells Ansible which hosts there are and how to reach them."""
        return self.folder / "inventory.json"

    @property
    def _supervisor(self) -> Path:
        return self.folder / "supervisor.json"

    def host(self, name: str) -> Path:
        """The folder that is the host; raises ValueError for a name that none has."""
        return self.folder / "hosts" / rules.one_of("host", name, self.hosts)

    def run(
        self,
        play: str = "site.yml",
        *,
        check: bool = False,
        tags: str = "",
        limit: str = "",
        tell: Callable[[str], None] = print,
        **variables: Any,
    ) -> "DataFrame":
        """What each task did on each host: a table of `tables.TASK_RESULTS`.

        With `check` nothing is changed, and the table says what would be. `tags` takes the tasks
        with this tag only, `limit` these hosts only, and `variables` win over those of the files.
        Each task is told in a line as soon as all hosts have done it, and below it what went wrong
        on which. A task that fails is a result; `PlayError` is raised where the play cannot be read
        or does not come to its end. Interrupted, it stops at once, and what it had done is done.
        """
        # Says that the fleet has not been started, where it has not.
        inventory = self.inventory
        options = ["--diff", "--extra-vars", json.dumps(variables)]
        options += ["--check"] if check else []
        options += [f"--tags={tags}"] if tags else []
        options += [f"--limit={limit}"] if limit else []
        with PlayRun(self._play(play), inventory, self._modules.start(), options) as running:
            results = as_table(list(_told(running.events(), self.hosts, tell)))
        if results.empty:
            tell(_("No task was run. Look at hosts: in the play, at the tags and the limit."))
        return results

    def get(self, host: str, path: str = "/about", **request: Any) -> client.Answer:
        """The answer of the host's server; `request` as for `client.ask`."""
        self.host(host)
        return client.ask(self._ports[host], path, **request)

    def about(self) -> "DataFrame":
        """What each host's server says that it goes by, one row a host."""
        import pandas as pd

        return pd.DataFrame([{"host": host} | self.get(host).json() for host in self.hosts])

    def files(self, host: str) -> list[str]:
        """The names of the host's files of settings, as its server reads them."""
        etc = self.host(host) / "etc"
        return sorted(file.relative_to(etc).as_posix() for file in etc.rglob("*.toml"))

    def service(self, host: str, verb: str) -> str:
        """What `bin/service` says, asked by hand: start, restart, stop or status."""
        self.host(host)
        return service_command.ask(self._supervisor, host, rules.one_of("verb", verb, VERBS))

    def edit_by_hand(self, host: str, file: str, text: str) -> None:
        """Write a file on one host and restart its server, as somebody does at three at night."""
        (self.host(host) / file).write_text(text, encoding="utf-8")
        self.service(host, "restart")

    def lose(self, host: str) -> None:
        """Take a host away, with all that was on it."""
        self.service(host, "stop")
        shutil.rmtree(self.host(host))

    def rebuild(self, host: str) -> None:
        """Put a new, empty host in the place of one: a play has to make it what it was."""
        if self.host(host).exists():
            self.lose(host)
        self._make_host(host)

    def _play(self, name: str) -> Path:
        file = self.plays / name
        if file.is_file():
            return file
        text = _("There is no play {play}; the folder has: {present}.")
        present = ", ".join(sorted(path.name for path in self.plays.glob("*.yml")))
        raise PlayError(text.format(play=name, present=present))

    def _make_host(self, name: str) -> None:
        for part in ("bin", "etc", "log", "packages"):
            (self.host(name) / part).mkdir(parents=True)
        service = python_program("service_command", str(self._supervisor), name)
        _write_program(self.host(name) / "bin" / "service", service)

    def _variables(self) -> Mapping[str, dict[str, Any]]:
        """By host, what Ansible has to know of it."""
        return {
            host: {
                "root": str(self.host(host)),
                "listen_port": self._ports[host],
                "ansible_connection": "sandbox",
                "ansible_python_interpreter": sys.executable,
            }
            for host in self.hosts
        }


def recap(results: "DataFrame") -> "DataFrame":
    """One row a host: how many of its tasks were ok (`changed` among them), skipped, failed, and
    whether it could not be reached; the same numbers as Ansible's own PLAY RECAP."""
    import pandas as pd

    counted = {
        "ok": results["status"] == "ok",
        "changed": results["changed"] & (results["status"] == "ok"),
        "unreachable": results["status"] == "unreachable",
        "failed": results["status"] == "failed",
        "skipped": results["status"] == "skipped",
    }
    return pd.DataFrame(counted).groupby(results["host"]).sum()


def differences(about: "DataFrame") -> str:
    """What each host says otherwise than most do, of a table as `Fleet.about` gives it.

    >>> import pandas as pd
    >>> print(differences(pd.DataFrame({"host": ["a", "b", "c"], "workers": [4, 4, 1]})))
    c differs: workers is 1, elsewhere 4
    """
    said = about.set_index("host")
    usual = said.mode().iloc[0]
    lines = [
        _("{host} differs: {what} is {value}, elsewhere {usual}").format(
            host=host, what=what, value=value, usual=usual[what]
        )
        for host, answers in said.iterrows()
        for what, value in answers.items()
        if value != usual[what]
    ]
    alike = ", ".join(f"{what} {value}" for what, value in usual.items())
    return "\n".join(lines) or _("All hosts are alike: {alike}").format(alike=alike)


def diffs(results: "DataFrame") -> str:
    """The lines that went (-) and came (+), below their hosts and tasks."""
    changed = results[results["diff"] != ""]
    return "\n".join(
        f"{row.host}, {row.task}\n{textwrap.indent(row.diff, '  ')}" for row in changed.itertuples()
    )


def as_table(results: Sequence[Event]) -> "DataFrame":
    """The results of a play as a table of `tables.TASK_RESULTS`."""
    return table({name: [row[name] for row in results] for name in TASK_RESULTS}, TASK_RESULTS)


def _told(
    events: Iterable[Event], hosts: Sequence[str], tell: Callable[[str], None]
) -> Iterator[Event]:
    """The results among the events; each task is told when the next one begins."""
    tell("".join(f"{host:<12}" for host in hosts) + _("task"))
    task, words, troubles = "", {}, []
    for event in events:
        if event["event"] == "result":
            is_ok = event["status"] == "ok"
            words[event["host"]] = "changed" if is_ok and event["changed"] else event["status"]
            if event["status"] in ("failed", "unreachable"):
                troubles.append(f"{event['host']}: {event['message']}")
            yield event
            continue
        if words:
            tell("".join(f"{words.get(host, ''):<12}" for host in hosts) + task)
            for trouble in sorted(troubles):
                tell(trouble)
        task, words, troubles = event.get("task", ""), {}, []


def _inventory(variables: Mapping[str, dict[str, Any]]) -> str:
    return json.dumps({"shop": {"hosts": variables}}, indent=1)


def _write_program(file: Path, command: Sequence[str]) -> None:
    file.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
    file.chmod(0o700)
