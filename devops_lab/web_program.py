"""A program that answers HTTP at one port of 127.0.0.1: what every server has, whoever wrote it."""

import html
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from devops_lab import rules
from devops_lab.client import Answer, ask
from devops_lab.processes import Program, ProgramError, free_port
from devops_lab.translation import _

if TYPE_CHECKING:
    from IPython.display import HTML


class WebProgram(Program):
    """A program with an address.

    `port` 0 takes any free one, and keeps it when the program is started again.
    """

    def __init__(
        self, name: str, port: int, *, environment: Mapping[str, str] | None = None
    ) -> None:
        self._port = rules.whole("port", port, at_least=0, at_most=65_535)
        super().__init__(name, [], environment=environment)

    def choose_port(self) -> None:
        """Take a free port where none was given; `ProgramError` where the given one is taken.

        For programs that would share a port with another one without a word.
        """
        self._port = self._port or free_port()
        try:
            socket.create_server(("127.0.0.1", self._port)).close()
        except OSError:
            text = _("Port {port} is taken by another program. Use port=0 for a free one.")
            raise ProgramError(text.format(port=self._port)) from None

    @property
    def port(self) -> int:
        """The port it listens at; `ProgramError` before the first start, which chooses it."""
        if not self._port:
            text = _("{name} has no port yet. Use a with block, or call start() first.")
            raise ProgramError(text.format(name=self.name))
        return self._port

    @property
    def url(self) -> str:
        """The address of its first page."""
        return f"http://127.0.0.1:{self.port}/"

    def get(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        timeout_s: float = 5.0,
    ) -> Answer:
        """The answer to a path, which goes over the wire as it is (see `client.ask`)."""
        return ask(self.port, path, method=method, headers=headers, body=body, timeout_s=timeout_s)

    def link(self, path: str = "/") -> "HTML":
        """A link that opens it in a browser tab, through the hub where there is one."""
        from IPython.display import HTML

        hub = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
        base = f"{hub}proxy/{self.port}/" if hub else self.url
        address = html.escape(base + path.removeprefix("/"), quote=True)
        text = _("Open {address} in a new tab").format(address=address)
        return HTML(f'<a href="{address}" target="_blank" rel="noopener">{text}</a>')


def site_folder(site: str | Path) -> Path:
    """The folder of files to serve, as an absolute path; raises a `ValueError` where it is none."""
    folder = Path(site)
    if not folder.is_dir():
        raise ValueError(
            _("site must be a folder that exists, got {site!r}.").format(site=str(site))
        )
    return folder.absolute()
