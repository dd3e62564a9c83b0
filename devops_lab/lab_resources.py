"""What can be provided in a lab: servers, a balancer, accounts and settings, and how each is made,
looked at, changed and taken away.

Terraform's provider (`devops_lab.lab_provider`) and the stand-in (`devops_lab.reconcile`) call the
same four verbs, as every provider has them for its own resources. A state is what one resource is:
its attributes by name, where None stands for the default, or for what is not known yet.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from devops_lab import client, rules
from devops_lab.balancer import Balancer
from devops_lab.servers import Server
from devops_lab.translation import _
from devops_lab.web_program import WebProgram

State = dict[str, Any]
ROLES = ("baker", "courier", "on-duty")
# What does not say by then how it is counts as gone.
PATIENCE_S = 1.0
_OWNER = "a resource of the lab"


class ResourceError(RuntimeError):
    """A resource that cannot be made as it is wanted; says what to do."""


class Attribute(NamedTuple):
    """One attribute: its type (string, number or strings), who sets it, and what a change means.

    It is the learner's to set where it is `required` or has a `default`, the lab's where it is
    `computed`, and either's with both. A change of one that `replaces` needs a new resource.
    """

    name: str
    type: str = "string"
    required: bool = False
    computed: bool = False
    replaces: bool = False
    default: Any = None


_NAME = Attribute("name", required=True, replaces=True)
_PORT = Attribute("port", "number", computed=True, replaces=True)
_URL = Attribute("url", computed=True)


class Lab:
    """What there is by name, whoever made it; accounts and settings are files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs: dict[str, WebProgram] = {}

    def add(self, program: WebProgram) -> None:
        """Start the program; it stays when the cell that asked for it runs again."""
        if program.name in self.programs:
            raise _is_there(program.name)
        self.programs[program.name] = program
        try:
            program.start()
        except BaseException:
            self.remove(program.name)
            raise
        program.cell = _OWNER

    def remove(self, name: str) -> None:
        """Stop the program of this name, if there is one."""
        if program := self.programs.pop(name, None):
            program.stop()

    def stop(self) -> None:
        """Stop everything."""
        for name in [*self.programs]:
            self.remove(name)


class Kind:
    """A kind of resource, as one lab has it."""

    name: str
    attributes: tuple[Attribute, ...]

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def check(self, config: State) -> None:
        """Raise `ValueError` or `TypeError` for an attribute that cannot be."""
        _file_name(config.get("name", "unknown"))

    def create(self, planned: State) -> State:
        """Make it, and tell what it became."""
        raise NotImplementedError

    def look(self, name: str) -> State | None:
        """What the resource of this name is now; None where it is gone."""
        raise NotImplementedError

    def read(self, state: State) -> State | None:
        """What it is now; a default that nobody wrote down is still not written down."""
        real = self.look(state["name"])
        return real and real | {
            attribute.name: None
            for attribute in self.attributes
            if attribute.default is not None
            and state.get(attribute.name) is None
            and real[attribute.name] == attribute.default
        }

    def update(self, state: State, planned: State) -> State:
        """Change it where it stands, and tell what it became."""
        raise NotImplementedError

    def delete(self, state: State) -> None:
        """Take it away; nothing is done where it is gone."""
        raise NotImplementedError

    def find(self, name: str) -> State:
        """What the resource of this name is, which somebody else has made."""
        if found := self.look(name):
            return found
        text = _("There is no {kind} named {name!r} in the lab.")
        raise ResourceError(text.format(kind=f"lab_{self.name}", name=name))

    def settings(self, state: State) -> State:
        """The attributes that are set, or have a default."""
        return {
            attribute.name: attribute.default if value is None else value
            for attribute in self.attributes
            if (value := state.get(attribute.name)) is not None or attribute.default is not None
        }


class ProgramKind(Kind):
    """A resource that is a running program of the lab."""

    program: type[WebProgram]

    def delete(self, state: State) -> None:
        """Stop it."""
        self.lab.remove(state["name"])

    def running(self, name: str) -> Any:
        """The program of this name and kind; None where there is none, or it has ended."""
        program = self.lab.programs.get(name)
        return program if isinstance(program, self.program) and program.is_running else None

    def started(self, program: WebProgram, planned: State) -> State:
        """Start it, in the place of one that hangs or has crashed."""
        there = self.lab.programs.get(program.name)
        if isinstance(there, self.program) and self.look(program.name) is None:
            self.lab.remove(program.name)
        self.lab.add(program)
        return planned | {"port": program.port, "url": program.url}


class ServerKind(ProgramKind):
    """A web server of the bakery. A new version restarts it, other settings it takes at once."""

    name = "server"
    program = Server
    attributes = (
        _NAME,
        Attribute("version", default="1.0"),
        Attribute("workers", "number", default=1),
        Attribute("service_time_s", "number", default=0.0),
        _PORT,
        _URL,
    )

    def check(self, config: State) -> None:
        """Raise an error for a setting that no server takes."""
        super().check(config)
        Server(**self.settings({"name": "unknown"} | config))

    def create(self, planned: State) -> State:
        """A started server."""
        return self.started(Server(**self.settings(planned)), planned)

    def look(self, name: str) -> State | None:
        """What it says over HTTP: a process that is there need not be a server that answers."""
        server = self.running(name)
        version = server and _version(server)
        if version is None:
            return None
        return {
            "name": server.name,
            "version": version,
            "workers": server.settings.workers,
            "service_time_s": server.settings.service_time_s,
            "port": server.port,
            "url": server.url,
        }

    def update(self, state: State, planned: State) -> State:
        """The same server at the same port; it is away for a moment where its version changes."""
        server, wanted = self.lab.programs[state["name"]], self.settings(planned)
        server.set(workers=wanted["workers"], service_time_s=wanted["service_time_s"])
        if wanted["version"] != server.version:
            server.version = wanted["version"]
            server.stop()
            server.start()
            server.cell = _OWNER
        return planned


class BalancerKind(ProgramKind):
    """Caddy before servers: the one address that customers know."""

    name = "balancer"
    program = Balancer
    attributes = (
        _NAME,
        Attribute("servers", "strings", required=True),
        Attribute("policy", default="round_robin"),
        _PORT,
        _URL,
    )

    def create(self, planned: State) -> State:
        """A started balancer, which tries another server for a second where one is away."""
        return self.started(Balancer(**self.settings(planned), retry_for_s=1.0), planned)

    def look(self, name: str) -> State | None:
        """What it goes by, if it answers at all."""
        balancer = self.running(name)
        # It is asked itself: an answer through it would be that of a server.
        if balancer is None or not balancer.is_ready():
            return None
        return {
            "name": balancer.name,
            "servers": [f"http://{address}/" for address in balancer.settings.servers],
            "policy": balancer.settings.policy,
            "port": balancer.port,
            "url": balancer.url,
        }

    def update(self, state: State, planned: State) -> State:
        """The same balancer with other servers, or another policy."""
        wanted = self.settings(planned)
        self.lab.programs[state["name"]].set(servers=wanted["servers"], policy=wanted["policy"])
        return planned


class FileKind(Kind):
    """A resource that is a file of the lab."""

    def create(self, planned: State) -> State:
        """The file with its content."""
        path = self.path(planned["name"])
        if path.exists():
            raise _is_there(path.name)
        return self._written(planned)

    def look(self, name: str) -> State | None:
        """What the file says; None where it is missing."""
        path = self.path(name)
        if not path.exists():
            return None
        text = path.read_text(encoding="utf-8", errors="replace")
        return {"name": name, "path": str(path)} | self.parsed(text)

    def update(self, state: State, planned: State) -> State:
        """The file with other content."""
        return self._written(planned)

    def delete(self, state: State) -> None:
        """Remove the file."""
        self.path(state["name"]).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where the file is."""
        return self.lab.folder / f"{self.name}s" / _file_name(name)

    def parsed(self, text: str) -> State:
        """The attributes that the text of a file has."""
        raise NotImplementedError

    def text(self, planned: State) -> str:
        """The text of a file that has these attributes."""
        raise NotImplementedError

    def _written(self, planned: State) -> State:
        path = self.path(planned["name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when whole: an interrupt leaves the old file or the new one.
        half = path.with_name(f".{path.name}")
        half.write_text(self.text(planned), encoding="utf-8")
        half.replace(path)
        return planned | {"path": str(path)}


class UserKind(FileKind):
    """An account in the lab's own list: who may do what. No account of this computer."""

    name = "user"
    attributes = (_NAME, Attribute("role", required=True), Attribute("path", computed=True))

    def check(self, config: State) -> None:
        """Raise an error for a role that nobody has."""
        super().check(config)
        if config.get("role") is not None:
            rules.one_of("role", config["role"], ROLES)

    def parsed(self, text: str) -> State:
        """The role, and whatever else was written there is nobody's."""
        with contextlib.suppress(ValueError, AttributeError):
            return {"role": str(json.loads(text).get("role"))}
        return {"role": text}

    def text(self, planned: State) -> str:
        """Name and role as JSON."""
        return json.dumps({"name": planned["name"], "role": planned["role"]}) + "\n"


class ConfigKind(FileKind):
    """A file of settings that a service reads."""

    name = "config"
    attributes = (_NAME, Attribute("content", required=True), Attribute("path", computed=True))

    def parsed(self, text: str) -> State:
        """The text itself."""
        return {"content": text}

    def text(self, planned: State) -> str:
        """The content as it is."""
        return planned["content"]


KINDS = (ServerKind, BalancerKind, UserKind, ConfigKind)


def kinds(lab: Lab) -> Mapping[str, Kind]:
    """The kinds of resources of a lab, by their names in Terraform."""
    return {f"lab_{kind.name}": kind(lab) for kind in KINDS}


def _version(server: Server) -> str | None:
    """The version that it says; None where it says nothing."""
    with contextlib.suppress(OSError):
        answer = client.ask(server.port, "/healthz", timeout_s=PATIENCE_S)
        if answer.headers["X-Served-By"] == server.name:
            return answer.headers["X-Version"]
    return None


def _is_there(name: str) -> ResourceError:
    text = _("There is a {name!r} in the lab already. Import it, or choose another name.")
    return ResourceError(text.format(name=name))


def _file_name(name: Any) -> str:
    if isinstance(name, str) and re.fullmatch(r"\w[\w.-]{0,63}", name, re.ASCII):
        return name
    text = _("name must be 1 to 64 letters, digits, dots or dashes, got {name!r}.")
    raise ValueError(text.format(name=name))
