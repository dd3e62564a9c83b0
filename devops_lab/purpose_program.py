"""The main program of a server with a purpose of its own: its options come as one piece of JSON."""

import argparse
import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devops_lab.access_log import AccessLog
from devops_lab.course import data_folder
from devops_lab.serve import TOKEN_VARIABLE, WebServer, serve
from devops_lab.service import Settings

# As many requests as a lesson has customers at once: what limits these servers is not this number.
WORKERS = 64


class PurposeWebServer(WebServer):
    """A web server that keeps files of its own in a private folder."""

    def __init__(self, name: str, log: AccessLog, folder: Path, workers: int = WORKERS) -> None:
        token = os.environ.get(TOKEN_VARIABLE, "")
        settings = Settings(workers=workers)
        super().__init__(name, data_folder() / "site", settings, log, token=token)
        self.folder = folder

    def close(self) -> None:
        """Called when it has served: what is still to be written is written."""
        self.log.flush()


def run(make: Callable[..., PurposeWebServer]) -> None:
    """Serve what `make(name, log, folder, **options)` gives, until the process is asked to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", default="server")
    parser.add_argument("--access-log", type=Path, required=True)
    parser.add_argument("--options", type=json.loads, default={})
    given = parser.parse_args()
    options: dict[str, Any] = given.options
    with given.access_log.open("a", encoding="utf-8") as file:
        server = make(given.name, AccessLog(file), given.access_log.parent, **options)
        try:
            asyncio.run(serve(server, given.port))
        finally:
            server.close()
