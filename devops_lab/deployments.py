"""New versions of the shop brought to people who use it meanwhile: real servers behind a balancer.

    with Fleet(Release("1.0"), servers=4) as fleet:
        fleet.deploy(Release("1.1"), Rollout("rolling")).row
        fleet.deploy(Release("1.2", error_share=0.3), Rollout("canary")).said

The ways to do it, and what they cost by a model, are in `rollouts`.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any, Self

from devops_lab.balancer import Balancer
from devops_lab.families import wait_until
from devops_lab.judgement import ROLL_BACK, judge
from devops_lab.loadgen import LiveLoad
from devops_lab.processes import AnyProgram, Program, ProgramError, free_port, start_together
from devops_lab.rollouts import ENOUGH_ANSWERS, USERS, Phase, Rollout
from devops_lab.rules import whole
from devops_lab.servers import Server
from devops_lab.tables import DEPLOYMENTS, requests, table
from devops_lab.translation import _
from devops_lab.upstreams import addresses

if TYPE_CHECKING:
    from pandas import DataFrame

SERVICE_TIME_S, WORKERS = 0.005, 4
MOST_SERVERS = 8
# Load before and after the change, to compare with.
BEFORE_S, AFTER_S = 0.4, 0.2
# A server has finished when for so long nothing came and nothing was under way.
QUIET_S = 0.05
LONGEST_DRAIN_S, LONGEST_LOOK_S = 5.0, 30.0
READY_WITHIN_S = 3.0
# How often the balancer asks each server whether it is ready, and how long it waits for that.
CHECK_EVERY_S, CHECK_PATIENCE_S = 0.05, 1.0
LOOK_EVERY_S = 0.05
# A canary is slow if its answer took longer than one beside it so often.
SLOWER_SHARE = 0.9
DONE, TAKEN_BACK, STOPPED = "done", "taken back", "stopped"


class DeploymentError(RuntimeError):
    """A deployment that cannot go on, and why, in a sentence."""


class BadReleaseError(DeploymentError):
    """A new version that was judged to be bad."""


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Release:
    """A version of the shop, and how well it is made.

    Of its answers `error_share` are errors, and it takes `slow_factor` times as long; one that is
    not `ready` starts and never says that it can take requests. It listens at any free port, unless
    it insists on one. `committed` is when its last change was made: now, unless you say it.
    """

    version: str
    error_share: float = 0.0
    slow_factor: float = 1.0
    ready: bool = True
    port: int = 0
    committed: datetime = field(default_factory=_now, compare=False, repr=False)

    def server(self, number: int, port: int = 0) -> Server:
        """One server with this version, not started yet; its name says the version."""
        return Server(
            name=f"v{self.version}-{number}",
            version=self.version,
            service_time_s=SERVICE_TIME_S,
            workers=WORKERS,
            error_share=self.error_share,
            slow_factor=self.slow_factor,
            port=self.port or port,
            seed=number,
        )


@dataclass(frozen=True, repr=False)
class Deployment:
    """A deployment as it went: the `outcome`, one of "done", "taken back" and "stopped", a sentence
    about it, the `attempts` of the people who came meanwhile (`tables.ATTEMPTS`, and the `version`
    that answered), and its `phases`. `met_s` is when the first of them met the new version, since
    the run's start; missing where none did.
    """

    release: Release
    rollout: Rollout
    outcome: str
    said: str
    attempts: "DataFrame"
    phases: tuple[Phase, ...]
    run_began: datetime
    began_s: float
    met_s: float | None

    @property
    def row(self) -> "DataFrame":
        """What it cost: one row, with the columns of `rollouts.cost` and some before them.

        Every hundredth request is the same user's; `users_hit` is the share of the users who had at
        least one request fail. `extra` and `missing` count servers, at the most.
        """
        from pandas import DataFrame

        asked = requests(self.attempts)
        failed = asked["outcome"] != "ok"
        servers = self.phases[0].old
        row = {
            "strategy": self.rollout.strategy,
            "version": self.release.version,
            "outcome": self.outcome,
            "requests": len(asked),
            "failed_requests": int(failed.sum()),
            "users_hit": asked.loc[failed, "request"].mod(USERS).nunique() / USERS,
            "duration_s": sum(phase.seconds for phase in self.phases),
            "extra": max(phase.machines for phase in self.phases) - servers,
            "missing": servers - min(phase.old + phase.new for phase in self.phases),
        }
        return DataFrame([row])

    def __repr__(self) -> str:
        return self.said


class Fleet:
    """The shop's servers, all with one version, behind a balancer: a `with` block, or `start` and
    `stop`.

    While a version is deployed, people send `rate_per_s` requests, 500 at most. For `resends` see
    `loadgen.Load`. The programs belong to the `cell`, where one is given.
    """

    def __init__(
        self,
        release: Release | None = None,
        *,
        servers: int = 4,
        rate_per_s: float = 200,
        resends: bool = True,
        cell: str | None = None,
    ) -> None:
        self.release = release or Release("1.0")
        self.rate_per_s = rate_per_s
        self.resends = resends
        count = whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
        self.servers = [self.release.server(number) for number in range(1, count + 1)]
        self.stopping = Event()
        self._balancer: Balancer | None = None
        self._cell = cell
        self._programs: list[Program] = []
        self._history: list[Deployment] = []

    def start(self) -> Self:
        """Start the servers, then the balancer."""
        try:
            self.start_all(self.servers)
            self._balancer = Balancer(
                self.servers, check_every_s=CHECK_EVERY_S, check_patience_s=CHECK_PATIENCE_S
            )
            self.start_all([self._balancer])
        # An interrupt, too, leaves nothing behind.
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all programs; what was measured stays."""
        while self._programs:
            self._programs.pop().stop()

    @property
    def balancer(self) -> Balancer:
        """The balancer before the servers; `ProgramError` where the fleet does not run."""
        if self._balancer is None or not self._balancer.is_running:
            text = _("The fleet does not run. Use a with block, or call start() first.")
            raise ProgramError(text)
        return self._balancer

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start_all(self, programs: Sequence[AnyProgram]) -> None:
        """Start programs together; they end with the fleet."""
        self._programs += programs
        for program in start_together(programs):
            program.cell = self._cell

    def stop_all(self, servers: Sequence[Server]) -> None:
        """End some of the servers, at the same time; they can be started again."""
        with ThreadPoolExecutor(MOST_SERVERS) as pool:
            [*pool.map(Server.stop, servers)]
        self._programs = [program for program in self._programs if program not in servers]

    def deploy(self, release: Release, rollout: Rollout | None = None) -> Deployment:
        """Bring a new version to people while they use the shop, and say how it went.

        A version that is judged bad, or cannot start, is taken back, and the one before goes on; so
        it is after an interrupt. Raises ValueError where so many servers cannot be replaced so.
        """
        rollout = rollout or Rollout()
        rollout.check(len(self.servers))
        balancer = self.balancer
        if release.version == self.release.version:
            text = _("version must be another one than the present {version}.")
            raise ValueError(text.format(version=release.version))
        run = _Run(self, release, rollout)
        try:
            run.tell_balancer()
            with self.load() as load:
                run_began = datetime.fromtimestamp(load.begun_at, UTC).replace(tzinfo=None)
                self.pause(BEFORE_S)
                run.begin(load)
                outcome, said = run.work()
                self.wait_until_all_is_answered(load, AFTER_S)
                attempts = with_versions(load.attempts())
        finally:
            # A stranger may listen one day where one of those that are gone did.
            if self.servers:
                balancer.set(servers=self.servers, policy="round_robin")
        if outcome == DONE:
            self.release = release
        moments = (run_began, run.began_s, run.met_s)
        found = Deployment(release, rollout, outcome, said, attempts, tuple(run.phases), *moments)
        self._history.append(found)
        return found

    def deployments(self) -> "DataFrame":
        """Your deployments, for `dora.measures`: a table of `tables.DEPLOYMENTS`.

        One that was stopped before anybody noticed it is none.
        """
        rows = [_entry(each) for each in self._history if _was_noticed(each)]
        return table({name: [row[name] for row in rows] for name in DEPLOYMENTS}, DEPLOYMENTS)

    def rows(self) -> "DataFrame":
        """What each of your deployments cost, one row each; see `Deployment.row`."""
        from pandas import concat

        return concat([deployment.row for deployment in self._history], ignore_index=True)

    @contextmanager
    def load(self) -> Iterator[LiveLoad]:
        """People who use the shop."""
        url = f"{self.balancer.url}work"
        load = LiveLoad(url, self.rate_per_s, timeout_s=2.0, resends=self.resends)
        self._programs.append(load)
        try:
            load.start().cell = self._cell
            yield load
        finally:
            load.stop()
            self._programs.remove(load)

    def wait_until_all_is_answered(self, load: LiveLoad, after_s: float) -> None:
        """Let people go on for a moment, then send nobody more, and wait for the last answer."""
        self.pause(after_s)
        load.set(rate_per_s=0)
        drain(self.servers)
        # The report is written every twentieth of a second.
        self.pause(2 * LOOK_EVERY_S)

    def pause(self, seconds: float) -> None:
        """Wait; shorter, and with an error, where somebody wants an end."""
        if self.stopping.wait(seconds):
            raise DeploymentError(_("It was stopped by hand."))


class _Run:
    """One rollout on real servers: the strategies, and the notes of its phases.

    Each of the `_old` servers has a successor among the `_new` ones: in its place, at its port, or
    beside it, at a port of its own. The balancer knows all their addresses from the beginning; a
    server gets requests when it says that it is ready, and none soon after it says that it is not.
    """

    def __init__(self, fleet: Fleet, release: Release, rollout: Rollout) -> None:
        self._fleet, self._release, self._rollout = fleet, release, rollout
        self._old = [*fleet.servers]
        count = len(self._old)
        beside = {"blue_green": count, "canary": 1}.get(rollout.strategy, 0)
        ports = [free_port() for _one in range(beside)]
        ports += [server.port for server in self._old[: count - beside]]
        self._new = [release.server(number, port) for number, port in enumerate(ports, 1)]
        self._beside = self._new[:beside]
        self._in_place = [*zip(self._old, self._new[beside:], strict=False)]
        self._is_judged = False
        self.met_s: float | None = None
        self.phases: list[Phase] = []

    def tell_balancer(self) -> None:
        """Let the balancer know all servers that there will be, before anybody comes: a change of
        its configuration closes all connections."""
        # A new server that comes in an old one's place has its address.
        known = {server.url: server for server in (*self._old, *self._new)}
        weights = self._rollout.weights(len(self._old))
        is_canary = self._rollout.strategy == "canary"
        self._told_at = time.time()
        self._fleet.balancer.set(
            servers=[*known.values()],
            policy="weighted_round_robin" if is_canary else "round_robin",
            weights=weights if is_canary else (),
        )
        self._wait_for(self._beside, is_in=False)

    def begin(self, load: LiveLoad) -> None:
        """From now on there are people, and phases."""
        self._load = load
        self._last_s = self.began_s = load.now_s

    def work(self) -> tuple[str, str]:
        """Do it; the outcome, and a sentence about it."""
        forward = {
            "recreate": self._recreate,
            "rolling": self._roll,
            "blue_green": self._switch,
            "canary": self._send_canary,
        }[self._rollout.strategy]
        names = {"version": self._release.version, "old": self._fleet.release.version}
        try:
            forward()
        except (DeploymentError, ProgramError, OSError) as error:
            self._take_back()
            if isinstance(error, BadReleaseError):
                text = _("Version {version} is taken back, {old} serves again. {reason}")
                return TAKEN_BACK, text.format(reason=error, **names)
            text = _("Version {version} was stopped, {old} still serves. {reason}")
            return STOPPED, text.format(reason=error, **names)
        except BaseException:
            self._take_back()
            raise
        self._note()
        text = _("Version {version} is live on {count} servers.")
        return DONE, text.format(count=len(self._fleet.servers), **names)

    def _recreate(self) -> None:
        self._end(self._old)
        self._bring(self._new)
        self._judge()

    def _roll(self) -> None:
        self._replace(self._in_place)
        self._judge()

    def _switch(self) -> None:
        self._bring(self._new)
        self._dismiss(self._old)
        self._judge()
        self._end(self._old)

    def _send_canary(self) -> None:
        self._bring(self._beside)
        self._judge()
        self._replace(self._in_place)
        self._dismiss(self._old[-1:])
        self._end(self._old[-1:])

    def _take_back(self) -> None:
        """Let the old version serve again, in the way in which the new one came."""
        # What comes back is not judged again.
        self._is_judged = True
        if self._rollout.strategy == "recreate":
            self._end(self._new)
            self._bring([server for server in self._old if not server.is_running])
            return
        self._admit([server for server in self._old if server.is_running])
        self._dismiss(self._beside)
        self._end(self._beside)
        gone = [(new, old) for old, new in self._in_place if not old.is_running]
        # First those in whose place nobody serves.
        self._replace(sorted(gone, key=lambda pair: pair[0] in self._fleet.servers))

    def _replace(self, pairs: Sequence[tuple[Server, Server]]) -> None:
        """In batches: let servers finish and end, and bring in those that take their places."""
        size = self._rollout.batch if self._rollout.strategy == "rolling" else 1
        for first in range(0, len(pairs), size):
            out, successors = map(list, zip(*pairs[first : first + size], strict=True))
            self._dismiss(out)
            self._end(out)
            self._bring(successors)
            if self._can_be_judged():
                self._judge()

    def _bring(self, servers: list[Server]) -> None:
        """Start servers, and let people in."""
        for server in servers:
            server.set(ready=False)
        self._fleet.start_all(servers)
        self._note()
        self._admit(servers)

    def _admit(self, servers: list[Server]) -> None:
        for server in servers:
            server.set(ready=server in self._old or self._release.ready)
        are_in = self._wait_for(servers, is_in=True)
        # Old ones were ready before: with them there is nothing to go back to.
        if not are_in and servers[0] in self._new:
            text = _("{server} has started, but did not get ready within {seconds:g} s.")
            raise DeploymentError(text.format(server=servers[0].name, seconds=READY_WITHIN_S))
        self._note()
        self._fleet.servers += [server for server in servers if server not in self._fleet.servers]
        if self.met_s is None and any(server in self._new for server in servers):
            self.met_s = self._last_s

    def _dismiss(self, servers: list[Server]) -> None:
        """Have the balancer send them nothing new, and wait until they have answered the rest."""
        running = [server for server in servers if server.is_running]
        for server in running:
            server.set(ready=False)
        self._wait_for(running, is_in=False)
        self._note()
        self._fleet.servers = [server for server in self._fleet.servers if server not in servers]
        drain(running)

    def _end(self, servers: list[Server]) -> None:
        self._note()
        self._fleet.servers = [server for server in self._fleet.servers if server not in servers]
        self._fleet.stop_all(servers)

    def _wait_for(self, servers: Sequence[Server], *, is_in: bool) -> bool:
        """Wait until the balancer has found out that these are ready, or that they are not."""
        wanted = {*addresses(servers)}

        def is_found() -> bool:
            left_out = self._fleet.balancer.left_out(self._told_at)
            return not wanted & left_out if is_in else wanted <= left_out

        return wait_until(is_found, within_s=READY_WITHIN_S)

    def _note(self) -> None:
        """Note the phase that ends now."""
        began_s, self._last_s = self._last_s, self._load.now_s
        old, new = (sum(map(self._fleet.servers.count, each)) for each in (self._old, self._new))
        machines = sum(server.is_running for server in (*self._old, *self._new))
        new_share = new / max(1, old + new)
        if self._rollout.strategy == "canary" and new == 1 and old == len(self._old):
            new_share = self._rollout.canary_share
        self.phases.append(Phase(self._last_s - began_s, old, new, machines, new_share))

    def _judge(self) -> None:
        """Wait until the new version can be judged, and judge it, once."""
        if self._is_judged:
            return
        until_s = self.met_s + self._rollout.detection_s + LONGEST_LOOK_S
        while not self._can_be_judged():
            if self._load.now_s > until_s:
                text = _("Too few people came to judge it by: {count} answers are wanted.")
                raise DeploymentError(text.format(count=ENOUGH_ANSWERS))
            self._fleet.pause(LOOK_EVERY_S)
        self._is_judged = True
        old, new = self._answers()
        is_beside = self._rollout.strategy == "canary"
        if is_beside:
            old = old[old["intended_s"] >= self.met_s]
        # What was measured at another time was slower or quicker for other reasons as well.
        slower_share = SLOWER_SHARE if is_beside else 1.0
        found = judge(old, new, enough=ENOUGH_ANSWERS, slower_share=slower_share)
        if found.verdict == ROLL_BACK:
            raise BadReleaseError(" ".join(found.reasons))

    def _can_be_judged(self) -> bool:
        if self._is_judged or self._load.now_s < self.met_s + self._rollout.detection_s:
            return False
        return len(self._answers()[1]) >= ENOUGH_ANSWERS

    def _answers(self) -> "tuple[DataFrame, DataFrame]":
        """The answers of the old version and of the new one so far."""
        attempts = with_versions(self._load.attempts())
        old, new = self._fleet.release.version, self._release.version
        return attempts[attempts["version"] == old], attempts[attempts["version"] == new]


def with_versions(attempts: "DataFrame") -> "DataFrame":
    """The attempts with one column more: the `version` that answered, by the server's name."""
    return attempts.assign(version=attempts["server"].str.extract(r"^v(.+)-\d+$", expand=False))


def drain(servers: Sequence[Server]) -> None:
    """Wait until these servers have answered what they were asked, and nothing more comes."""
    seen, since_s = [""], time.monotonic()

    def is_quiet() -> bool:
        nonlocal seen, since_s
        now = [server.metrics() for server in servers]
        if now != seen or not all("http_requests_in_flight 0\n" in text for text in now):
            seen, since_s = now, time.monotonic()
        return time.monotonic() - since_s > QUIET_S

    wait_until(is_quiet, within_s=LONGEST_DRAIN_S)


def _was_noticed(deployment: Deployment) -> bool:
    is_gap = any(phase.old + phase.new == 0 for phase in deployment.phases)
    return deployment.met_s is not None or is_gap


def _entry(deployment: Deployment) -> dict[str, Any]:
    """A deployment as a row of `tables.DEPLOYMENTS`."""
    is_failed = deployment.outcome != DONE
    met_s = deployment.began_s if deployment.met_s is None else deployment.met_s
    ended_s = deployment.began_s + sum(phase.seconds for phase in deployment.phases)
    return {
        "change": deployment.release.version,
        "committed": deployment.release.committed,
        "deployed": deployment.run_began + timedelta(seconds=met_s),
        "failed": is_failed,
        "recovered": deployment.run_began + timedelta(seconds=ended_s) if is_failed else None,
    }
