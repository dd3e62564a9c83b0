"""A web server of the bakery that knows only what stands in the files of its host.

It reads them once, when it starts: `etc/network.toml` (its port, and the names it answers to),
`etc/users.toml` (who may enter the staff room), `packages/menu.json`, and all of `etc/shop.d`, in
the order of the names, where a later file has the last word.
"""

import argparse
import asyncio
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from devops_lab import shop
from devops_lab.access_log import AccessLog, Entry
from devops_lab.course import data_folder
from devops_lab.http1 import Refusal, Reply, Request
from devops_lab.serve import WebServer, serve
from devops_lab.service import Settings


class ConfiguredServer(WebServer):
    """The shop as the files of one host describe it."""

    def __init__(self, name: str, host: Path, log: AccessLog) -> None:
        self.network = _read_toml(host / "etc" / "network.toml")
        self.staff = _read_toml(host / "etc" / "users.toml")
        self.menu = json.loads((host / "packages" / "menu.json").read_text(encoding="utf-8"))
        told: dict[str, Any] = {}
        for file in sorted((host / "etc" / "shop.d").glob("*.toml")):
            told |= _read_toml(file)
        self.greeting = told.pop("greeting", "")
        # Who sells bread without a price is not ready for customers.
        has_prices = all("price_won" in bread for bread in self.menu["breads"])
        super().__init__(name, data_folder() / "site", Settings(**told, ready=has_prices), log)

    async def reply(self, request: Request, entry: Entry) -> Reply:
        asked_for = request.headers.get("host", "").rpartition(":")[0]
        if asked_for not in self.network["names"]:
            raise Refusal(421, f"This server is not called {asked_for}.")
        match request.path.split("/")[1:]:
            case [""]:
                return Reply(200, "text/plain; charset=utf-8", f"{self.greeting}\n".encode())
            case ["about"]:
                return shop.as_json(self.about)
            case ["api", "menu"]:
                return shop.as_json(self.menu["breads"])
            case ["staff", name]:
                return self._staff_room(name)
        raise Refusal(404, "There is /, /about, /api/menu and /staff/NAME.")

    @property
    def about(self) -> dict[str, Any]:
        """What the server goes by, as it read it when it started."""
        return {
            "greeting": self.greeting,
            "menu": self.menu["version"],
            "workers": self.settings.workers,
            "staff": ", ".join(self.staff),
        }

    def _staff_room(self, name: str) -> Reply:
        if name not in self.staff:
            raise Refusal(403, f"{name} is not on the list of this server.")
        return shop.as_json({"name": name, "role": self.staff[name]})


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None


def main() -> None:
    """Serve as the host's files say, until the process is asked to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("host", type=Path)
    given = parser.parse_args()
    with (given.host / "log" / "access.jsonl").open("a", encoding="utf-8") as file:
        log = AccessLog(file)
        try:
            server = ConfiguredServer(given.name, given.host, log)
            asyncio.run(serve(server, server.network["port"]))
        except (OSError, KeyError, TypeError, ValueError) as error:
            sys.exit(f"The shop cannot start: {error}")
        finally:
            log.flush()
