"""What lesson 14 does with real servers and is more than a cell should hold."""

from collections.abc import Sequence

from devops_lab.logs import Logs
from devops_lab.servers import Server


def logs_of(servers: Sequence[Server]) -> Logs:
    """The logs of servers that run, with every line in them that they have to write so far."""
    for server in servers:
        # A server writes its lines in groups; asked for them, it writes what it has.
        server.log()
    return Logs(*(server.log_file for server in servers))
