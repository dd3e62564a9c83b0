"""The dashboards of lesson 06: policies with a slow server among the others, and the autoscaler.

The model follows the controls; a button runs the same on real servers, and lays it over.
"""

from typing import Any

import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.autoscaler import Autoscaler, Database, Day, FleetDay
from devops_lab.balancing_figures import fleet_day, latency_by_policy
from devops_lab.dashboards import Dashboard, menu, slider
from devops_lab.figures import LIVE
from devops_lab.measure import Measurement
from devops_lab.model_and_real import ModelAndReal, RealRun
from devops_lab.real_fleet import RealFleet
from devops_lab.scenario import Faults, Load, Scenario
from devops_lab.simulate import simulate
from devops_lab.simulated_fleet import simulate_fleet
from devops_lab.translation import _

RUN_S = 6.0

POLICIES = {
    _("round robin"): "round_robin",
    _("random"): "random",
    _("random of two"): "power_of_two",
    _("least connections"): "least_connections",
}
STALE = _("shortest queue, old news")

METRICS = {
    _("utilisation (target in %)"): ("utilisation", 0.01),
    _("requests in a server (target in tenths)"): ("in_flight", 0.1),
    _("latency (target in ms)"): ("latency_s", 0.001),
}
DATABASES = {
    _("none"): None,
    _("one that all servers share"): Database(query_s=0.012),
    _("shared, and read by each new server"): Database(query_s=0.012, queries_at_start=20),
}


class Policies(ModelAndReal):
    """Every policy with one slow server among the others; one of them on real servers."""

    def __init__(self, predicted_ms: float | None = None) -> None:
        self._predicted_ms = predicted_ms
        self._measured: dict[Scenario, DataFrame] = {}
        chosen = menu(_("policy (the button runs it)"), list(POLICIES))
        super().__init__(
            {
                "rate_per_s": slider(_("load (requests/s)"), 10, 100, 60, step=5),
                "servers": slider(_("servers"), 2, 8, 4),
                "slow_factor": slider(_("slowness of the sick one (×)"), 1, 10, 3),
                "news_ms": slider(_("age of the old news (ms)"), 10, 500, 100, step=10),
                "policy": chosen,
            }
        )

    def draw(self, policy: str, news_ms: int, **setting: int) -> go.Figure:
        """All policies with these numbers, and those that real servers were run with."""
        scenarios = {name: _with_slow_server(name, **setting) for name in POLICIES}
        count = max(1, round(RUN_S * setting["rate_per_s"]))
        simulated = {name: simulate(scenario, count) for name, scenario in scenarios.items()}
        stale = scenarios[policy].changed(
            balancer="stale_shortest_queue", information_age_s=news_ms / 1000
        )
        simulated[STALE] = simulate(stale, count)
        measured = {
            name: self._measured[scenario]
            for name, scenario in scenarios.items()
            if scenario in self._measured
        }
        return latency_by_policy(
            simulated, measured, chosen=policy, predicted_ms=self._predicted_ms, **LIVE
        )

    def new_run(self, policy: str, news_ms: int, **setting: int) -> RealRun:
        """The chosen policy on real servers, behind Caddy or nginx."""
        return Measurement(_with_slow_server(policy, **setting), duration_s=RUN_S, cell=self.cell)

    def keep(self, run: Measurement) -> None:
        """Keep the attempts under their scenario."""
        if len(attempts := run.attempts()):
            self._measured[run.scenario] = attempts


def _with_slow_server(policy: str, rate_per_s: int, servers: int, slow_factor: int) -> Scenario:
    return Scenario(
        arrival_rate_per_s=rate_per_s,
        service_time_s=0.04,
        servers=servers,
        balancer=POLICIES[policy],
        faults=Faults(slow_servers=1, slow_factor=slow_factor),
    )


class Scaling(ModelAndReal):
    """A day of a fleet with an autoscaler, by the model and on real servers."""

    def __init__(self, predicted_ms: float | None = None) -> None:
        self._predicted_ms = predicted_ms
        self._measured: dict[tuple[Day, Autoscaler], FleetDay] = {}
        super().__init__(
            {
                "rate_per_s": slider(_("mean load (requests/s)"), 10, 80, 50, step=5),
                "wave": slider(_("its top above the mean (%)"), 0, 100, 80, step=10),
                "day_s": slider(_("length of the day (s)"), 4, 20, 10),
                "ready_s": slider(_("time to ready (s)"), 0.2, 4, 0.5, step=0.1),
                "window_s": slider(_("window (s)"), 0, 5, 1.5, step=0.1),
                "metric": menu(_("what it looks at"), list(METRICS)),
                "target": slider(_("target"), 5, 200, 60, step=5),
                "most": slider(_("servers at the most"), 1, 10, 8),
                "database": menu(_("database"), list(DATABASES)),
            }
        )

    def draw(self, **values: Any) -> go.Figure:
        """The simulated day, and the real one if it was run."""
        day, autoscaler = _plan(**values)
        measured = self._measured.get((day, autoscaler))
        simulated = simulate_fleet(day, autoscaler)
        found = (simulated, measured)
        return fleet_day(day, autoscaler, *found, predicted_ms=self._predicted_ms, **LIVE)

    def new_run(self, **values: Any) -> RealRun:
        """The same day on real servers."""
        return RealFleet(*_plan(**values), cell=self.cell)

    def keep(self, run: RealFleet) -> None:
        """Keep the day under its plan."""
        if len((day := run.so_far()).attempts):
            self._measured[run.day, run.autoscaler] = day


def _plan(
    *,
    rate_per_s: int,
    wave: int,
    day_s: int,
    ready_s: float,
    window_s: float,
    metric: str,
    target: int,
    most: int,
    database: str,
) -> tuple[Day, Autoscaler]:
    name, unit = METRICS[metric]
    scenario = Scenario(
        arrival_rate_per_s=rate_per_s,
        # A request that asks the database as well has less work of its own.
        service_time_s=0.02 if DATABASES[database] else 0.04,
        servers=min(2, most),
        balancer="least_connections",
        load=Load(shape="daily", day_s=day_s, peak_factor=1 + wave / 100),
    )
    day = Day(scenario, float(day_s), ready_s, DATABASES[database])
    autoscaler = Autoscaler(metric=name, target=target * unit, window_s=window_s, max_servers=most)
    return day, autoscaler


def policies_dashboard(predicted_ms: float | None = None) -> Dashboard:
    """A dashboard of balancers with one slow server: the policies side by side; lesson 06.

    `predicted_ms`, a p95 latency that the learner predicted, is drawn as a dotted line.
    """
    return Policies(predicted_ms)


def autoscaling_dashboard(predicted_ms: float | None = None) -> Dashboard:
    """A dashboard of an autoscaler over a day: load, window, time to ready, target; lesson 06."""
    return Scaling(predicted_ms)
