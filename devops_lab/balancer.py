"""Caddy, a web server that runs large sites, before our own: as a balancer or with a site of files.

    with Server(name="a") as a, Server(name="b") as b, Balancer([a, b]) as balancer:
        balancer.get("/api/menu")
        balancer.set(policy="least_conn")

Caddy gets its whole configuration as one JSON document, which `config` returns; it is written
into a file for the start, and a change goes to the admin API of the running program.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from devops_lab import machine, rules
from devops_lab.client import Answer, ask
from devops_lab.processes import ProgramError, free_port
from devops_lab.translation import _
from devops_lab.upstreams import BalancerProgram, HasAddress, Upstreams
from devops_lab.web_program import WebProgram, site_folder

# Caddy's own word for the part of it that asks the servers how they are.
CHECKER = "http.handlers.reverse_proxy.health_checker.active"


class Caddy(WebProgram):
    """A Caddy at one port of 127.0.0.1 with one handler, which subclasses name."""

    remedy = _("To install it: {line}").format(
        line=next(tool.install for tool in machine.tools() if tool.name == "Caddy")
    )

    def __init__(self, name: str, port: int) -> None:
        # Everybody on this machine can reach the admin API's port. Caddy refuses requests to any
        # other host name than those it is told, so a secret name is the key to it.
        self._admin_host = secrets.token_hex(16)
        self._admin_port = 0
        super().__init__(name, port)

    def handler(self) -> dict[str, Any]:
        """What Caddy does with a request, in its own words."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """The whole configuration, in the words of Caddy's JSON documentation."""
        server = {
            "listen": [f"127.0.0.1:{self.port}"],
            "protocols": ["h1"],
            "automatic_https": {"disable": True},
            "routes": [{"handle": [self.handler()]}],
        }
        return {
            "admin": {
                "listen": f"127.0.0.1:{self._admin_port}",
                "origins": [self._admin_host],
                "config": {"persist": False},
            },
            "logging": {
                "logs": {
                    "default": {"level": "WARN", "exclude": [CHECKER]},
                    "checks": {"level": "INFO", "include": [CHECKER]},
                }
            },
            "apps": {"http": {"servers": {self.name: server}}},
        }

    def prepare(self) -> None:
        """Write the configuration; Caddy's own folders lie in the program's, not in the home."""
        self.choose_port()
        self._admin_port = free_port()
        config = self.folder / "caddy.json"
        config.write_text(json.dumps(self.config(), indent=2))
        self.arguments = ["caddy", "run", "--config", str(config)]
        homes = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA")
        self.environment = dict.fromkeys(homes, str(self.folder))

    def is_ready(self) -> bool:
        """Whether Caddy works with its configuration."""
        try:
            return self._admin("GET", "/config/apps").status == 200
        except OSError:
            return False

    def reload(self) -> None:
        """Have the running program take the present configuration."""
        answer = self._admin("POST", "/load", json.dumps(self.config()))
        if answer.status != 200:
            text = _("Caddy refused the change and goes on as before: {reason}")
            raise ProgramError(text.format(reason=answer.text.strip()))

    def _admin(self, method: str, path: str, body: str = "") -> Answer:
        headers = {"Host": self._admin_host, "Content-Type": "application/json"}
        return ask(self._admin_port, path, method=method, headers=headers, body=body)


class FileServer(Caddy):
    """A folder of files behind Caddy, a web server that runs large sites."""

    def __init__(self, site: str | Path, *, name: str = "caddy", port: int = 0) -> None:
        self._site = site_folder(site)
        super().__init__(name, port)

    def handler(self) -> dict[str, Any]:
        """Caddy's file server at the site's folder."""
        return {"handler": "file_server", "root": str(self._site)}


@dataclass(frozen=True)
class Balancing(Upstreams):
    """What can be changed while a balancer runs; see `Balancer`."""

    key: str = ""
    check_every_s: float = 0.0
    check_path: str = "/readyz"
    check_patience_s: float = 1.0

    policies: ClassVar[tuple[str, ...]] = (
        "round_robin",
        "least_conn",
        "random",
        "weighted_round_robin",
        "first",
        "ip_hash",
        "uri_hash",
        "header",
        "cookie",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        rules.number("check_every_s", self.check_every_s, at_least=0, at_most=3600)
        rules.number("check_patience_s", self.check_patience_s, above=0, at_most=3600)
        if not str(self.check_path).startswith("/"):
            text = _("check_path must begin with a slash, got {path!r}.")
            raise ValueError(text.format(path=self.check_path))
        self._check_key()

    def changed(self, **settings: Any) -> Self:
        """The same with other settings; a new policy drops what belongs to the old one."""
        if "policy" in settings:
            settings = {"key": "", **settings}
        return super().changed(**settings)

    def _check_key(self) -> None:
        if bool(self.key) != (self.policy in ("header", "cookie")):
            text = _(
                "key must name a header with the policy header, a cookie with the policy cookie, "
                "and be left out otherwise; got {key!r} with {policy}."
            )
            raise ValueError(text.format(key=self.key, policy=self.policy))

    def handler(self) -> dict[str, Any]:
        """The reverse proxy's part of Caddy's configuration."""
        return {
            "handler": "reverse_proxy",
            "upstreams": [{"dial": server} for server in self.servers],
            "load_balancing": {
                "selection_policy": self._selection_policy(),
                "try_duration": _nanoseconds(self.retry_for_s),
                "try_interval": _nanoseconds(0.02),
            },
            "health_checks": self._health_checks(),
            # Servers of ours say who they are; for others the balancer says it.
            "headers": {
                "response": {
                    "require": {"headers": {"X-Served-By": None}},
                    "set": {"X-Served-By": ["{http.reverse_proxy.upstream.hostport}"]},
                }
            },
        }

    def _selection_policy(self) -> dict[str, Any]:
        details = {
            "weighted_round_robin": {"weights": self.weights},
            "header": {"field": self.key},
            "cookie": {"name": self.key},
        }
        return {"policy": self.policy, **details.get(self.policy, {})}

    def _health_checks(self) -> dict[str, Any]:
        checks: dict[str, Any] = {}
        if self.check_every_s:
            checks["active"] = {
                "uri": self.check_path,
                "interval": _nanoseconds(self.check_every_s),
                "timeout": _nanoseconds(self.check_patience_s),
            }
        if self.avoid_failed_for_s:
            checks["passive"] = {"fail_duration": _nanoseconds(self.avoid_failed_for_s)}
        return checks


class Balancer(Caddy, BalancerProgram):
    """Caddy as a balancer in front of servers, given as `Server` objects or addresses.

    The `policy` chooses the server for each request:

    - "round_robin": in turn; "weighted_round_robin": in turn, `weights` times each;
    - "random": any; "first": the first that is up; "least_conn": the one with the fewest
      requests under way, any of them if there are several;
    - "ip_hash", "uri_hash", "header", "cookie": always the same for the same client address,
      path, header or cookie, whose name is `key`. On one machine all clients have one address.

    A server that is down costs errors, unless one of these is above 0: for `retry_for_s` another
    server is tried; every `check_every_s` each server is asked for `check_path`, and left out
    until it answers with a 2xx within `check_patience_s`; a server that refused a connection is
    left out for `avoid_failed_for_s`. Answers with a 5xx are passed on as they are. Each answer
    names its server in `X-Served-By`; an answer of the balancer's own, such as a 502, has no such
    header.
    """

    def __init__(
        self,
        servers: Sequence[HasAddress | str],
        *,
        policy: str = "round_robin",
        weights: Sequence[int] = (),
        key: str = "",
        retry_for_s: float = 0.0,
        check_every_s: float = 0.0,
        check_path: str = "/readyz",
        check_patience_s: float = 1.0,
        avoid_failed_for_s: float = 0.0,
        name: str = "balancer",
        port: int = 0,
    ) -> None:
        self.settings = Balancing.of(
            servers,
            policy=policy,
            weights=weights,
            key=key,
            retry_for_s=retry_for_s,
            check_every_s=check_every_s,
            check_path=check_path,
            check_patience_s=check_patience_s,
            avoid_failed_for_s=avoid_failed_for_s,
        )
        super().__init__(name, port)

    def handler(self) -> dict[str, Any]:
        """Caddy's reverse proxy with the present settings."""
        return self.settings.handler()

    def failed_checks(self) -> list[tuple[float, str]]:
        """When a server did not pass a check (of `time.time`) and its address, oldest first."""
        return [(moment, host) for moment, host, is_well in self._checks() if not is_well]

    def left_out(self, since: float = 0.0) -> set[str]:
        """The addresses of the servers that get no requests now, since their last check failed; by
        the checks since a moment of `time.time`, such as that of the last change."""
        last = {host: is_well for moment, host, is_well in self._checks() if moment >= since}
        return {host for host, is_well in last.items() if not is_well}

    def _checks(self) -> list[tuple[float, str, bool]]:
        """When a check found something new, of which server, and whether it is well."""
        written = self.log_path.read_text(encoding="utf-8", errors="replace")
        # A check that a change of the configuration has cut off says nothing about its server.
        lines = [
            json.loads(line)
            for line in written.split("\n")[:-1]
            if CHECKER in line and "context canceled" not in line
        ]
        return [(line["ts"], line["host"], line["msg"] == "host is up") for line in lines]


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
