"""The bakery's web servers: real processes on 127.0.0.1, started and stopped from a notebook.

    with Server(service_time_s=0.03) as server:
        server.get("/api/menu")

The program itself is `devops_lab.serve`.
"""

import contextlib
import json
import re
import secrets
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from devops_lab import rules
from devops_lab.course import data_folder
from devops_lab.families import GRACE_S, wait_until
from devops_lab.interpreter import python_program
from devops_lab.processes import ProgramError
from devops_lab.route_function import RouteFunction, pack, try_once
from devops_lab.serve import TOKEN_HEADER, TOKEN_VARIABLE
from devops_lab.service import Settings
from devops_lab.translation import _
from devops_lab.web_program import WebProgram, site_folder

if TYPE_CHECKING:
    from pandas import DataFrame


class Server(WebProgram):
    """A web server of the bakery: its site, or your own routing function.

    `site` is a folder of files, the bakery's own unless you name another. `route` is a function
    that takes a path (still percent-encoded, without the query) and returns `(status,
    content_type, body)`; it is called once here, so that a mistake shows at once, and the server
    gets a copy of it. `seed` decides which requests fail and how long exponential service times
    are. Every answer says the `version` in `X-Version`; another one is taken at the next start. For
    the other settings see `devops_lab.service.Settings`.

    `port` 0 takes any free one, and keeps it when the server is started again. Raises
    `ProgramError` when the server cannot start, for instance because its port is taken.
    """

    def __init__(
        self,
        site: str | Path | None = None,
        *,
        route: RouteFunction | None = None,
        service_time_s: float = 0.0,
        service_distribution: str = "constant",
        workers: int = 1,
        queue_limit: int | None = None,
        slow_factor: float = 1.0,
        error_share: float = 0.0,
        name: str = "server",
        version: str = "1.0",
        port: int = 0,
        seed: int = 1,
    ) -> None:
        if site is not None and route is not None:
            raise ValueError(_("Give a site or a route, not both: the route answers every path."))
        self.settings = Settings(
            service_time_s, service_distribution, workers, queue_limit, slow_factor, error_share
        )
        self._site = site_folder(data_folder() / "site" if site is None else site)
        self.version = _header_text("version", version)
        self._seed = rules.whole("seed", seed)
        self._token = secrets.token_urlsafe()
        self._kept_log = ""
        self._packed_route = None
        if route is not None:
            try_once(route)
            self._packed_route = pack(route)
        super().__init__(
            _header_text("name", name), port, environment={TOKEN_VARIABLE: self._token}
        )

    def prepare(self) -> None:
        """Write down the command with the present settings, and the packed route."""
        flags = {
            "name": self.name,
            "version": self.version,
            "site": self._site,
            "port": self._port,
            "seed": self._seed,
            "access-log": self.log_file,
            **{name.replace("_", "-"): value for name, value in asdict(self.settings).items()},
        }
        flags = {name: value for name, value in flags.items() if value is not None}
        if self._packed_route:
            flags["route"] = self.folder / "route.pickle"
            flags["route"].write_bytes(self._packed_route)
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        self.arguments = python_program("serve", *words)

    def is_ready(self) -> bool:
        """Whether the server has said where it listens."""
        found = re.search(
            r"^listening on http://127\.0\.0\.1:(\d+)$", self._printed(), re.MULTILINE
        )
        if found:
            self._port = int(found[1])
        return found is not None

    def stop(self) -> None:
        """End the server, and keep its access log."""
        if self.is_running:
            # A polite end first: the last lines are written before the folder goes.
            self.resume()
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(self.pid).terminate()
            wait_until(lambda: not self.is_running, within_s=GRACE_S)
        if self.pid:
            self._kept_log += self._written_log()
        super().stop()

    def set(self, **settings: Any) -> None:
        """Change settings of `devops_lab.service.Settings`, at once where the server runs.

        Raises an error that names parameter, rule and value, and changes nothing then.
        """
        for name in settings:
            rules.one_of("setting", name, Settings.names())
        changed = replace(self.settings, **settings)
        if changed != self.settings and self.is_running:
            self._control("settings", json.dumps(asdict(changed)))
        self.settings = changed

    def log(self) -> "DataFrame":
        """The access log since the first start, one row a request; see `tables.ACCESS_LOG`.

        A server that is killed loses the lines of its last 50 ms, as most servers do.
        """
        from devops_lab.tables import ACCESS_LOG, from_json_lines

        if self.is_running:
            # A frozen server cannot write its last 50 ms; show what there is.
            with contextlib.suppress(OSError):
                self._control("flush")
        return from_json_lines(self._kept_log + self._written_log(), ACCESS_LOG)

    def metrics(self) -> str:
        """The server's own metrics, in the text format of Prometheus."""
        return self.get("/metrics").text

    def _control(self, action: str, body: str = "{}") -> None:
        answer = self.get(
            f"/-/{action}",
            method="POST",
            headers={TOKEN_HEADER: self._token},
            body=body,
            timeout_s=1.0,
        )
        if answer.status != 200:
            raise ProgramError(answer.text)

    @property
    def log_file(self) -> Path:
        """The file in which the access log is written while the server runs."""
        return self.folder / "access.jsonl"

    def _written_log(self) -> str:
        if not self.pid or not self.log_file.exists():
            return ""
        text = self.log_file.read_text(encoding="utf-8")
        # A server that was killed may have left half a line, and the next start goes on after it.
        return text[: text.rfind("\n") + 1]

    def _printed(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


def _header_text(parameter: str, value: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]{1,64}", value, re.ASCII):
        raise ValueError(
            _(
                "{parameter} must be 1 to 64 letters, digits, dots or dashes, got {value!r}. "
                "It goes into a header of every answer."
            ).format(parameter=parameter, value=value)
        )
    return value
