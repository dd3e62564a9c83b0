"""A day of a fleet on real servers: an autoscaler starts them and drains them behind a balancer.

    day = measure_fleet(Day(scenario), Autoscaler(target=0.6))

The autoscaler reads each server's own metrics over HTTP. The balancer knows the addresses of all
servers that there can be, and asks each again and again whether it is ready. So a new server gets
requests as soon as it says that it is; one that is not wanted any more says that it is not ready,
finishes what it has, and ends then: no request is lost.
"""

import itertools
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from devops_lab.autoscaler import LOOKS, Autoscaler, Counters, Day, FleetDay, look_between
from devops_lab.balancer import Balancer
from devops_lab.client import ask
from devops_lab.families import wait_until
from devops_lab.loadgen import Load, lateness_note, print_notes
from devops_lab.measurable import POLICIES, limits, obstacle
from devops_lab.processes import AnyProgram, Program, ProgramError, free_port, start_together
from devops_lab.servers import Server
from devops_lab.simulate import service_times
from devops_lab.simulated_fleet import arrivals_of
from devops_lab.tables import table
from devops_lab.translation import _
from devops_lab.upstreams import addresses

# Where each of the autoscaler's counters stands in a server's metrics.
METRICS = {
    "in_flight": "http_requests_in_flight",
    "busy_s": "http_request_service_seconds_sum",
    "latency_s": "http_request_duration_seconds_sum",
    "answered": "http_request_duration_seconds_count",
}
CHECK_EVERY_S = 0.05
PATIENCE_S = 5.0
LONGEST_DRAIN_S = 10.0


class AsksTheDatabase:
    """A route whose every answer needs one query of the database at this port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, path: str) -> tuple[int, str, str]:
        """Status, label and text, as a route gives them."""
        # Tried out before the server starts, and then it is nobody's request.
        if path == "/work":
            ask(self._port, "/work", timeout_s=60)
        return 200, "text/plain; charset=utf-8", "done\n"


def measure_fleet(day: Day, autoscaler: Autoscaler) -> FleetDay:
    """The attempts and the autoscaler's looks of a day on real servers; see `simulate_fleet`.

    Notes are printed. An interrupt ends the day and returns what there is of it. Raises ValueError
    for a day that cannot be run here, and ProgramError where a server cannot start.
    """
    with RealFleet(day, autoscaler) as fleet:
        found = fleet.wait()
    print_notes(found.notes)
    return found


class RealFleet:
    """A day on real servers that goes on beside the cells; `measure_fleet` waits for its end.

    A `with` block, or `start` and `stop`. Its programs belong to the `cell`, where one is given.
    """

    def __init__(self, day: Day, autoscaler: Autoscaler, *, cell: str | None = None) -> None:
        most = max(day.scenario.servers, autoscaler.max_servers)
        if reason := obstacle(day.scenario.changed(servers=most)):
            raise ValueError(reason)
        self.day, self.autoscaler = day, autoscaler
        self._cell = cell
        self._most = most
        self._idle: list[Server] = []
        self._programs: list[Program] = []
        self._ready: dict[Server, Counters] = {}
        self._starting: list[Server] = []
        self._looks: list[dict[str, float]] = []
        self._errors: list[str] = []
        self._ended = threading.Event()
        # Servers join and leave in threads of their own, so that nobody waits for them.
        self._changing = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._load: Load | None = None
        self._begun_at: float | None = None

    def start(self) -> Self:
        """Start the database, the first servers, the balancer, the load and the autoscaler."""
        try:
            self._start()
        # An interrupt, too, leaves nothing behind.
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all that was started; what has been measured stays."""
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        with self._changing:
            while self._programs:
                self._programs.pop().stop()

    @property
    def is_running(self) -> bool:
        """Whether requests are still sent or answered."""
        return self._load is not None and self._load.is_running

    @property
    def share_done(self) -> float:
        """How much of the day is over, from 0 to 1."""
        return min(1.0, max(0.0, self._now_s() / self.day.duration_s)) if self._load else 0.0

    def wait(self) -> FleetDay:
        """The day when it is over; what there is of it after an interrupt or a failure."""
        try:
            self._load.wait()
        except KeyboardInterrupt:
            self._load.stop()
            self._errors.append(_("The day was interrupted: what there is of it has been kept."))
        except ProgramError as error:
            self._errors.append(str(error))
        self.stop()
        return self.so_far()

    def so_far(self) -> FleetDay:
        """The day as far as it has come."""
        attempts = self._load.attempts()
        late = [note] if (note := lateness_note(attempts)) else []
        looks = self._looks.copy()
        columns = {name: [look[name] for look in looks] for name in LOOKS}
        return FleetDay(attempts, table(columns, LOOKS), (*late, *self._errors))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _start(self) -> None:
        self._database = self._start_database()
        self._idle = [self._new_server(number) for number in range(1, self._most + 1)]
        policy = POLICIES[self.day.scenario.balancer][1]
        first = [self._idle.pop(0) for _one in range(self.day.scenario.servers)]
        self._programs += first
        for server in start_together(first):
            server.cell = self._cell
        self._balancer = self._started(
            Balancer([*first, *self._idle], policy=policy, check_every_s=CHECK_EVERY_S)
        )
        # Until it has asked, Caddy takes every server for well.
        wait_until(lambda: self._has_found_missing(self._idle), within_s=PATIENCE_S)
        self._balancer.get("/healthz")
        self._ready = dict.fromkeys(first, Counters(0.0))
        self._load = self._started(self._new_load())
        self._in_background(self._look_again_and_again)

    def _has_found_missing(self, servers: list[Server]) -> bool:
        missing = {address for _time, address in self._balancer.failed_checks()}
        return missing >= set(addresses(servers))

    def _start_database(self) -> Server | None:
        if not (database := self.day.database):
            return None
        return self._started(
            Server(name="database", workers=database.workers, service_time_s=database.query_s)
        )

    def _new_load(self) -> Load:
        times_s = arrivals_of(self.day).tolist()
        return Load(
            f"{self._balancer.url}work",
            arrivals=times_s,
            service_times_s=service_times(self.day.scenario, len(times_s)).tolist(),
            timeout_s=self.day.scenario.client.timeout_s or limits().longest_s,
        )

    def _new_server(self, number: int) -> Server:
        """A server with its address, not started yet."""
        settings: dict[str, Any] = {"workers": self.day.scenario.workers}
        if self._database:
            settings["route"] = AsksTheDatabase(self._database.port)
        return Server(name=f"server-{number}", port=free_port(), **settings)

    def _started(self, program: AnyProgram) -> AnyProgram:
        self._programs.append(program)
        program.start().cell = self._cell
        return program

    def _in_background(self, act: Callable[..., None], *what: Any) -> None:
        thread = threading.Thread(target=self._noted, args=(act, *what), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _noted(self, act: Callable[..., None], *what: Any) -> None:
        """Do it; what goes wrong is told at the end, unless all is ended anyway."""
        try:
            act(*what)
        except (OSError, ProgramError) as error:
            if not self._ended.is_set() and self.is_running:
                self._errors.append(str(error))

    def _now_s(self) -> float:
        # A load that was stopped does not know any more when it began.
        self._begun_at = self._begun_at or self._load.begun_at
        return time.time() - self._begun_at if self._begun_at else 0.0

    def _look_again_and_again(self) -> None:
        wait_until(lambda: self._now_s() or self._ended.is_set(), within_s=PATIENCE_S)
        for number in itertools.count(1):
            moment_s = number * self.autoscaler.look_every_s
            if moment_s > self.day.duration_s or self._ended.wait(max(0, moment_s - self._now_s())):
                return
            self._look()

    def _look(self) -> None:
        with self._changing:
            ready, starting = self._ready.copy(), len(self._starting)
        now = {server: self._read(server) for server in ready}
        pairs = [(ready[server], counted) for server, counted in now.items() if counted]
        if not pairs:
            return
        look = look_between(pairs, self.day.scenario.workers, starting)
        row = self.autoscaler.decide(look, self._looks)
        with self._changing:
            self._ready |= {server: now[server] for server in self._ready if now.get(server)}
            self._looks.append(row)
            self._scale_to(row["asked"])

    def _read(self, server: Server) -> Counters | None:
        """The server's own counters; None where it does not answer."""
        try:
            text = server.get("/metrics", timeout_s=self.autoscaler.look_every_s).text
        except OSError:
            return None
        values = {
            name: float(re.search(rf"^{metric} (\S+)$", text, re.MULTILINE)[1])
            for name, metric in METRICS.items()
        }
        return Counters(self._now_s(), **values)

    def _scale_to(self, wanted: int) -> None:
        while self._idle and len(self._ready) + len(self._starting) < wanted:
            server = self._idle.pop(0)
            self._starting.append(server)
            self._in_background(self._bring_in, server, self._now_s())
        while self._starting and len(self._ready) + len(self._starting) > wanted:
            # Not wanted any more before it was ready: the thread that starts it will see.
            self._starting.pop()
        for server in [*self._ready][wanted:]:
            del self._ready[server]
            self._in_background(self._take_out, server)

    def _bring_in(self, server: Server, asked_s: float) -> None:
        """Start a server, and let it be ready when its time has come."""
        server.set(ready=False)
        self._started(server)
        self._read_the_shops_data(server)
        ready_s = asked_s + self.day.time_to_ready_s
        self._ended.wait(max(0.0, ready_s - self._now_s()))
        with self._changing:
            if server in self._starting and not self._ended.is_set():
                self._starting.remove(server)
                self._ready[server] = Counters(self._now_s())
                server.set(ready=True)
                return
        self._end(server)

    def _read_the_shops_data(self, server: Server) -> None:
        queries = self.day.database.queries_at_start if self.day.database else 0
        for _query in range(queries):
            if server not in self._starting or self._ended.is_set():
                return
            ask(self._database.port, "/work", timeout_s=60)

    def _take_out(self, server: Server) -> None:
        """Have the balancer send it nothing new, and end it when it has answered what it had."""
        server.set(ready=False)
        # The balancer asks by then, and what it has sent just before has come.
        self._ended.wait(3 * CHECK_EVERY_S)
        wait_until(lambda: self._ended.is_set() or _is_idle(server), within_s=LONGEST_DRAIN_S)
        self._end(server)

    def _end(self, server: Server) -> None:
        server.stop()
        with self._changing:
            self._programs.remove(server)
            self._idle.insert(0, server)


def _is_idle(server: Server) -> bool:
    try:
        return "http_requests_in_flight 0\n" in server.metrics()
    except OSError:
        return True
