"""The access log of a server whose disk is full: no answer is lost, and no line is doubled."""

import psutil
from required import require

from devops_lab.families import wait_until
from devops_lab.logs import Logs
from devops_lab.servers import Server


def test_a_full_disk_costs_lines_and_no_answers_and_is_told_by_the_metrics() -> None:
    require(hasattr(psutil.Process, "rlimit"), "A limit on files", "run the tests on Linux")
    with Server() as server:

        def ask(request_id: str) -> int:
            return server.get("/", headers={"X-Request-Id": request_id}).status

        def limit(most_bytes: int) -> None:
            """No file of the server may grow beyond this, as on a disk that is full."""
            process = psutil.Process(server.pid)
            process.rlimit(psutil.RLIMIT_FSIZE, (most_bytes, psutil.RLIM_INFINITY))

        assert ask("before") == 200
        wait_until(lambda: server.log_file.stat().st_size > 0, within_s=10)
        # Half a line more would fit.
        limit(server.log_file.stat().st_size + 100)
        assert [ask("meanwhile-1"), ask("meanwhile-2")] == [200, 200]
        assert wait_until(lambda: "log_lines_lost_total 2" in server.metrics(), within_s=10)
        limit(psutil.RLIM_INFINITY)
        assert ask("after") == 200
        logs = Logs(server.log_file)
        assert wait_until(lambda: "after" in logs.lines()["request_id"].tolist(), within_s=10)
        assert logs.lines()["request_id"].tolist() == ["before", "after"]
        assert logs.broken() == 0
