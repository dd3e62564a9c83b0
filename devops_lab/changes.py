"""The four kinds of change, each done, broken and undone on real servers that people use meanwhile.

    try_change("configuration")

A patch brings a new version of what lies below the shop, resources are more or fewer machines, a
configuration is a line that programs read, and a deployment brings a version of the shop itself.
What a patched library does to the shop is emulated: its servers take longer. All else is real.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from devops_lab.balancer import Balancer
from devops_lab.deployments import CHECK_EVERY_S, Fleet, Release
from devops_lab.judgement import judge
from devops_lab.loadgen import LiveLoad
from devops_lab.processes import Program, start_together
from devops_lab.rollouts import USERS, Rollout
from devops_lab.rules import one_of, whole
from devops_lab.tables import requests, summarise
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

SERVERS, RATE_PER_S = 3, 300
# How long people are watched after an act, and until a wrong line is noticed.
WATCH_S, DETECTION_S = 0.5, 0.5
GOOD_PATH, WRONG_PATH = "/readyz", "/ready"

Act = Callable[[Fleet], "DataFrame"]


@dataclass(frozen=True)
class Change:
    """A kind of change: an act that goes well, one that goes wrong and one that takes it back, each
    with its words. An act returns the attempts of the people who came meanwhile."""

    do: tuple[str, Act]
    spoil: tuple[str, Act]
    undo: tuple[str, Act]


def try_change(kind: str) -> "DataFrame":
    """What people saw of a change of this kind: a row for each act, with `requests`, `error_share`,
    and the median and the 95th percentile of the latency of what was answered.

    `kind` is "patch", "resources", "configuration" or "deployment". Takes some seconds.
    """
    import pandas as pd

    change = CHANGES[one_of("kind", kind, CHANGES)]
    acts = {"do": change.do, "break": change.spoil, "undo": change.undo}
    rows = []
    with Fleet(Release("1.0"), servers=SERVERS, rate_per_s=RATE_PER_S) as fleet:
        for act, (what, work) in acts.items():
            seen = summarise(requests(work(fleet)))
            rows.append(seen.assign(kind=kind, act=act, what=what))
    columns = ["kind", "act", "what", "requests", "error_share", "latency_p50_s", "latency_p95_s"]
    return pd.concat(rows, ignore_index=True)[columns]


def _watched(act: Callable[[Fleet], object], fleet: Fleet) -> "DataFrame":
    """The attempts from the act on."""
    with fleet.load() as load:
        from_s = load.now_s
        act(fleet)
        fleet.wait_until_all_is_answered(load, WATCH_S)
        return load.attempts(since_s=from_s)


def _deployed(release: Release, fleet: Fleet) -> "DataFrame":
    rollout = Rollout("blue_green", detection_s=WATCH_S)
    return fleet.deploy(release, rollout).attempts


def _one_server_more(fleet: Fleet) -> None:
    more = fleet.release.server(len(fleet.servers) + 1)
    fleet.start_all([more])
    fleet.servers = [*fleet.servers, more]
    fleet.balancer.set(servers=fleet.servers)


def _one_small_machine(fleet: Fleet) -> None:
    fleet.servers[0].set(workers=1)
    fleet.balancer.set(servers=fleet.servers[:1])


def _all_machines(fleet: Fleet) -> None:
    fleet.servers[0].set(workers=fleet.servers[1].settings.workers)
    fleet.balancer.set(servers=fleet.servers)


def _set(fleet: Fleet, **line: Any) -> None:
    fleet.balancer.set(**line)


def _nothing(_fleet: Fleet) -> None:
    """The judgement has taken it back already."""


CHANGES = {
    "patch": Change(
        (_("a patched library"), partial(_deployed, Release("1.0-p1"))),
        (
            _("the next patch makes every answer slow"),
            partial(_deployed, Release("1.0-p2", slow_factor=12)),
        ),
        (_("the patch before it again"), partial(_deployed, Release("1.0-p1"))),
    ),
    "resources": Change(
        (_("one server more"), partial(_watched, _one_server_more)),
        (_("one small machine is left of four"), partial(_watched, _one_small_machine)),
        (_("all four again"), partial(_watched, _all_machines)),
    ),
    "configuration": Change(
        (
            _("the balancer's policy is least_conn"),
            partial(_watched, partial(_set, policy="least_conn")),
        ),
        (
            _("its check_path is /ready instead of /readyz"),
            partial(_watched, partial(_set, check_path=WRONG_PATH)),
        ),
        (
            _("its check_path is /readyz again"),
            partial(_watched, partial(_set, check_path=GOOD_PATH)),
        ),
    ),
    "deployment": Change(
        (_("version 1.1 of the shop"), partial(_deployed, Release("1.1"))),
        (
            _("version 1.2, half of whose answers are errors"),
            partial(_deployed, Release("1.2", error_share=0.5)),
        ),
        (_("version 1.1, as the judgement decided"), partial(_watched, _nothing)),
    ),
}


def wrong_line(at_once: int, *, doors: int = 3, rate_per_s: float = 150) -> "DataFrame":
    """What a valid but wrong line of configuration costs if so many balancers get it `at_once`: one
    row with `doors_changed`, the `requests` while it was there, `failed_requests`, the share of the
    users who asked that was hit, and the `verdict` of `judgement.judge`.

    The shop has so many `doors`: balancers before the same servers, each with its own people. The
    line makes a balancer ask every server for a page that none has, and so take them all for sick.
    After a while the changed doors are judged beside the others, or beside the time before where
    there are no others.
    """
    from pandas import DataFrame, concat

    count = whole("doors", doors, at_least=2, at_most=4)
    changed = whole("at_once", at_once, at_least=1, at_most=count)
    with ExitStack() as stack:
        servers = [Release("1.0").server(number) for number in range(1, SERVERS + 1)]
        _started(stack, servers)
        fronts = [
            Balancer(servers, check_every_s=CHECK_EVERY_S, name=f"door-{number}")
            for number in range(1, count + 1)
        ]
        _started(stack, fronts)
        loads = [LiveLoad(f"{front.url}work", rate_per_s / count) for front in fronts]
        _started(stack, loads)
        time.sleep(WATCH_S)
        changed_at = time.time()
        for front in fronts[:changed]:
            front.set(check_path=WRONG_PATH)
        time.sleep(DETECTION_S)
        seen = concat(map(_seen, range(count), loads), ignore_index=True)
        for front in fronts[:changed]:
            front.set(check_path=GOOD_PATH)
    is_after, is_changed = seen["time"] >= changed_at, seen["door"] < changed
    beside = seen[is_after & ~is_changed] if changed < count else seen[~is_after]
    meanwhile = seen[is_after]
    hit = meanwhile[meanwhile["outcome"] != "ok"]
    row = {
        "doors_changed": changed,
        "requests": len(meanwhile),
        "failed_requests": len(hit),
        "users_hit": hit["user"].nunique() / meanwhile["user"].nunique(),
        "verdict": judge(beside, seen[is_after & is_changed]).verdict,
    }
    return DataFrame([row])


def _started(stack: ExitStack, programs: Sequence[Program]) -> None:
    """Start them together; they end with the stack."""
    for program in start_together(programs):
        stack.callback(program.stop)


def _seen(door: int, load: LiveLoad) -> "DataFrame":
    """What a door's people have seen so far: whose request it was, and when."""
    attempts = load.attempts()
    return attempts.assign(
        door=door,
        time=load.begun_at + attempts["intended_s"],
        user=door * USERS + attempts["request"] % USERS,
    )
