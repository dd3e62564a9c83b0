"""How Ansible reaches a host of the sandbox: as itself, on this computer, in the host's folder.

Loaded by Ansible itself, by the name of this file (`devops_lab.plays` sets the variables). It is
Ansible's own `local`, but for two things. A host that is gone is unreachable, as a real one would
be; and modules are run by `devops_lab.module_runner`, which is quicker.
"""

import json
import socket
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: sandbox
short_description: a host that is a folder of this computer
description: Runs tasks on this computer, if the folder of the host is there.
extends_documentation_fragment:
  - connection_pipelining
options:
  root:
    description: The folder of the host.
    type: path
    required: true
    vars:
      - name: root
  modules:
    description: The file with the port and the token of the program that runs modules.
    type: path
    required: true
    env:
      - name: DEVOPS_LAB_MODULES
  become_success_timeout:
    description: As for the connection `local`; nobody becomes anybody here.
    type: int
    default: 10
  become_strip_preamble:
    description: As for the connection `local`; nobody becomes anybody here.
    type: bool
    default: true
"""


class Connection(Local):
    """The connection to one host."""

    transport = "sandbox"

    def _connect(self) -> "Connection":
        if not Path(self.get_option("root")).is_dir():
            raise AnsibleConnectionFailure("the host does not answer: it is gone")
        return super()._connect()

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        # Only a module comes by a pipe. One with variables of its own gets a Python of its own.
        if in_data is None or "=" in cmd:
            return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._connect()
        port, token = json.loads(Path(self.get_option("modules")).read_text(encoding="utf-8"))
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(f"{token}\n".encode() + in_data)
            line.shutdown(socket.SHUT_WR)
            exit_code, printed, errors = json.loads(line.makefile("rb").read())
        return exit_code, printed.encode(), errors.encode()
