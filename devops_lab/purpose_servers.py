"""Servers with a purpose of their own, started from a notebook like any `Server`."""

import json
from typing import Any

from devops_lab.interpreter import python_program
from devops_lab.servers import Server


class PurposeServer(Server):
    """A server whose program is the module `program`; it gets `options()` when it starts."""

    program: str

    def options(self) -> dict[str, Any]:
        """What the program is told, beside its name and port."""
        return {}

    def prepare(self) -> None:
        """Write down the command with the options as they are now."""
        flags = {
            "name": self.name,
            "port": self._port,
            "access-log": self.log_file,
            "options": json.dumps(self.options()),
        }
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        self.arguments = python_program(self.program, *words)
