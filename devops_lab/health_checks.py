"""What health checks find, and what they cost: real balancers that watch the same real servers.

One of the servers is killed and comes back, then another is frozen and comes back. Each balancer
watches in its own way, and each gets the same number of customers.
"""

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from devops_lab.balancer import Balancer
from devops_lab.families import wait_until
from devops_lab.loadgen import Load
from devops_lab.nginx import Nginx, nginx_is_here
from devops_lab.processes import start_together
from devops_lab.rules import number
from devops_lab.servers import Server
from devops_lab.translation import _
from devops_lab.upstreams import BalancerProgram

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = ("oven", "mill", "till", "cart")
PATIENCE_S = 0.2
LATE_S = 0.1
START_WITHIN_S = 10.0
CHECK_EVERY_S = 0.1
# When each trouble begins and ends, as shares of the run.
KILLED, FROZEN = (0.15, 0.45), (0.55, 0.85)


def outages_behind_checks(
    rate_per_s: float = 25, duration_s: float = 1.8, timeout_s: float = 1.0
) -> dict[str, "DataFrame"]:
    """The attempts (`tables.ATTEMPTS`) of customers who give up after `timeout_s`, by the way in
    which their balancer watches its servers.

    "no check"; "passive": a server that has failed gets nothing for a second; "passive, tried
    again": and the request goes to another one; "active": each server is asked ten times a second.
    The first three are nginx, or Caddy where there is no nginx, and then a frozen server costs its
    customers the whole time-out; the last is Caddy.
    """
    duration = number("duration_s", duration_s, at_least=1, at_most=60)
    with ExitStack() as stack:
        servers = start_together([Server(name=name) for name in NAMES])
        for server in servers:
            stack.callback(server.stop)
        doors = {name: stack.enter_context(door) for name, door in _doors(servers).items()}
        for door in doors.values():
            door.get("/healthz")
        planned = {
            name: Load(f"{door.url}work", rate_per_s, duration, timeout_s=timeout_s, name=name)
            for name, door in doors.items()
        }
        loads = dict(zip(planned, start_together([*planned.values()]), strict=True))
        for load in loads.values():
            stack.callback(load.stop)
        wait_until(lambda: all(load.begun_at for load in loads.values()), within_s=START_WITHIN_S)
        begun = {name: load.begun_at for name, load in loads.items()}
        moments = _trouble(servers[1], servers[2], duration)
        runs = {name: load.wait() for name, load in loads.items()}
    for name, run in runs.items():
        killed, back, frozen, resumed = (moment - begun[name] for moment in moments)
        run.attrs["outages"] = {_("killed"): (killed, back), _("frozen"): (frozen, resumed)}
    return runs


def _doors(servers: list[Server]) -> dict[str, BalancerProgram]:
    kind, patience = (Nginx, {"patience_s": PATIENCE_S}) if nginx_is_here() else (Balancer, {})
    avoid, retry = {"avoid_failed_for_s": 1}, {"retry_for_s": 1}
    return {
        "no check": kind(servers),
        "passive": kind(servers, **avoid, **patience),
        "passive + retry": kind(servers, **avoid, **retry, **patience),
        "active": Balancer(
            servers, check_every_s=CHECK_EVERY_S, check_patience_s=PATIENCE_S, name="active"
        ),
    }


def _trouble(killed: Server, frozen: Server, duration_s: float) -> list[float]:
    """Let one die and come back, then another freeze and come back; returns when (`time.time`)."""
    began, moments = time.time(), []
    acts = (killed.kill, killed.start, frozen.freeze, frozen.resume)
    for share, act in zip((*KILLED, *FROZEN), acts, strict=True):
        time.sleep(max(0.0, began + share * duration_s - time.time()))
        moments.append(time.time())
        act()
    return moments


def what_checks_cost(runs: dict[str, "DataFrame"]) -> "DataFrame":
    """One row a way of watching: how many customers got no answer, and how many one that took
    longer than 100 ms."""
    from pandas import DataFrame

    rows = {
        name: {
            "customers": len(run),
            "no answer": int((run["outcome"] != "ok").sum()),
            "late": int(((run["outcome"] == "ok") & (run["latency_s"] > LATE_S)).sum()),
        }
        for name, run in runs.items()
    }
    return DataFrame.from_dict(rows, orient="index")
