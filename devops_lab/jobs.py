"""Heavy work beside the pages: a server that gives a job to worker processes and answers 202.

    with JobOffice(worker_processes=2) as office:
        ticket = office.get("/jobs", method="POST", body='{"orders": 60000}')
        office.get(ticket.headers["Location"])

The program itself is `devops_lab.job_server`, the work `devops_lab.baskets`.
"""

import json
import time
from typing import Any

from devops_lab import rules
from devops_lab.processes import ProgramError
from devops_lab.purpose_servers import PurposeServer

MOST_WORKER_PROCESSES = 16
ASK_EVERY_S = 0.05


class JobOffice(PurposeServer):
    """A server that takes jobs at `/jobs` and has them done by `worker_processes` at once.

    More worker processes than the machine has cores bring nothing.
    """

    program = "job_server"

    def __init__(self, worker_processes: int = 2, *, name: str = "office", port: int = 0) -> None:
        self.worker_processes = rules.whole(
            "worker_processes", worker_processes, at_least=1, at_most=MOST_WORKER_PROCESSES
        )
        super().__init__(name=name, port=port)

    def options(self) -> dict[str, Any]:
        """What its program is told."""
        return {"worker_processes": self.worker_processes}


def do_job(*, orders: int, worker_processes: int) -> dict[str, Any]:
    """The result of one job in an office of its own, asked for until it is there; `took_s` in it.

    Raises `ProgramError` where the office refuses the job or loses a part of it.
    """
    with JobOffice(worker_processes) as office:
        answer = ticket = office.get("/jobs", method="POST", body=json.dumps({"orders": orders}))
        while answer.status == 202:
            time.sleep(ASK_EVERY_S)
            answer = office.get(ticket.headers["Location"])
        if answer.status != 200:
            raise ProgramError(answer.text.strip())
        return answer.json()
