"""How Ansible reaches a host of the sandbox: as itself, on this computer, in the host's folder.

Loaded by Ansible itself, by the name of this file (`devops_lab.plays` sets the variables). It is
Ansible's own `local`, but for a host that is gone: that is unreachable, as a real one would be.
"""

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
