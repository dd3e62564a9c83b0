"""The dashboard of lesson 12: four ways to bring a version to people, by the model and for real."""

import threading
import time
from typing import Any

import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.dashboards import Dashboard, menu, slider
from devops_lab.deployment_figures import NAMES, cost_by_strategy
from devops_lab.deployments import BEFORE_S, Deployment, DeploymentError, Fleet, Release
from devops_lab.model_and_real import ModelAndReal, RealRun
from devops_lab.rollouts import STRATEGIES, Rollout, cost, plan
from devops_lab.translation import _

SERVERS, RATE_PER_S = 4, 200
STOP_WITHIN_S = 15.0
_BY_NAME = {name: strategy for strategy, name in NAMES.items()}


class RealRollout:
    """One deployment on real servers, in a thread of its own."""

    def __init__(self, rollout: Rollout, error_share: float, cell: str | None) -> None:
        self.rollout, self.error_share = rollout, error_share
        self.deployment: Deployment | None = None
        self._fleet = Fleet(Release("1.0"), servers=SERVERS, rate_per_s=RATE_PER_S, cell=cell)
        phases = plan(rollout, servers=SERVERS, rate_per_s=RATE_PER_S, error_share=error_share)
        self._planned_s = BEFORE_S + sum(phase.seconds for phase in phases)
        self._thread = threading.Thread(target=self._deploy, daemon=True)
        self._error: Exception | None = None

    def start(self) -> None:
        """Start the servers, and the deployment."""
        self._fleet.start()
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End everything; raises what went wrong."""
        self._fleet.stopping.set()
        if self._thread.ident:
            self._thread.join(STOP_WITHIN_S)
        self._fleet.stop()
        if self._error:
            raise self._error

    @property
    def is_running(self) -> bool:
        """Whether the deployment goes on."""
        return self._thread.is_alive()

    @property
    def share_done(self) -> float:
        """How much of it is over, as planned."""
        return min(1.0, (time.monotonic() - self._began) / self._planned_s)

    def _deploy(self) -> None:
        release = Release("1.1", error_share=self.error_share)
        try:
            self.deployment = self._fleet.deploy(release, self.rollout)
        except Exception as error:
            # Stopped by hand, it has nothing to tell.
            if not (isinstance(error, DeploymentError) and self._fleet.stopping.is_set()):
                self._error = error


class Rollouts(ModelAndReal):
    """All strategies by the model; the chosen one on real servers."""

    def __init__(self, predicted_percent: float | None = None) -> None:
        self._predicted = predicted_percent
        self._measured: dict[tuple[Rollout, float], DataFrame] = {}
        super().__init__(
            {
                "strategy": menu(_("strategy (the button runs it)"), [*_BY_NAME]),
                "batch": slider(_("servers in a batch (rolling)"), 1, SERVERS - 1, 1),
                "canary": slider(_("canary's share (%)"), 1, 50, 10),
                "badness": slider(_("errors of the new version (%)"), 0, 100, 30, step=5),
                "detection_s": slider(_("time until it is judged (s)"), 0.5, 5, 1, step=0.5),
            }
        )

    def draw(self, strategy: str, **setting: float) -> go.Figure:
        """What each strategy costs with these numbers, and what real servers gave."""
        rollouts = {each: _rollout(each, **setting) for each in STRATEGIES}
        error_share = setting["badness"] / 100
        people = {"servers": SERVERS, "rate_per_s": RATE_PER_S, "error_share": error_share}
        planned = {
            each: cost(plan(rollout, **people), **people) for each, rollout in rollouts.items()
        }
        measured = {
            each: self._measured[rollout, error_share]
            for each, rollout in rollouts.items()
            if (rollout, error_share) in self._measured
        }
        return cost_by_strategy(
            planned, measured, chosen=_BY_NAME[strategy], predicted_percent=self._predicted
        )

    def new_run(self, strategy: str, **setting: float) -> RealRun:
        """The chosen strategy on four real servers."""
        rollout = _rollout(_BY_NAME[strategy], **setting)
        return RealRollout(rollout, setting["badness"] / 100, self.cell)

    def keep(self, run: RealRollout) -> None:
        """Keep its row under its settings."""
        if run.deployment:
            self._measured[run.rollout, run.error_share] = run.deployment.row


def _rollout(
    strategy: str, *, batch: int, canary: int, detection_s: float, badness: int
) -> Rollout:
    """Only what the strategy has a use for, so that the rest may move without a new run."""
    own: dict[str, dict[str, Any]] = {
        "rolling": {"batch": batch},
        "canary": {"canary_share": canary / 100},
    }
    return Rollout(strategy, detection_s=float(detection_s), **own.get(strategy, {}))


def deployments_dashboard(predicted_percent: float | None = None) -> Dashboard:
    """A dashboard of the four strategies: batch, canary, badness, detection time; lesson 12.

    `predicted_percent`, the share of users that the learner expects to be hit, is a dotted line.
    """
    return Rollouts(predicted_percent)
