"""The dashboard of lesson 05: more workers, or a bigger machine, and what a real server says."""

import html
import threading
from typing import Any

import ipywidgets
import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab import cells
from devops_lab.closing import ClosingPlan
from devops_lab.closing_servers import ClosingServer, measure_closing
from devops_lab.dashboards import Dashboard, menu, slider
from devops_lab.scaling import UslFit, fit_usl
from devops_lab.scaling_figures import MOST_WORKERS, ScalingModel, scaling_model
from devops_lab.translation import _

# One worker of the smallest size needs so long for a closing, whatever its serial share.
ALONE_S = 0.36
SMALL_EUROS_PER_HOUR = 0.10
SIZES = {_("size {size}").format(size=size): size for size in (1, 2, 4)}
USUAL_SIZE = 1


class ScalingDashboard(Dashboard):
    """Controls of a closing and of the machines it runs on, its law and its price."""

    def __init__(self) -> None:
        self._cell = cells.current()
        self._measured: dict[ClosingPlan, DataFrame] = {}
        self._running: threading.Thread | None = None
        self._stop_wanted = threading.Event()
        self.run_button = ipywidgets.Button(button_style="primary", layout={"width": "auto"})
        self.run_button.on_click(lambda _button: self._run_or_stop())
        self.progress = ipywidgets.HTML()
        size = menu(_("machine of each worker"), list(SIZES))
        size.index = USUAL_SIZE
        super().__init__(
            self._answer,
            {
                "serial_percent": slider(_("serial share (%)"), 0, 50, 10),
                "entry_ms": slider(_("entering a sum (ms a worker)"), 0, 5, 2, step=0.5),
                "workers": slider(_("workers"), 1, MOST_WORKERS, 8),
                "size": size,
                "double_costs": slider(_("twice the size costs (times)"), 1.5, 4, 2, step=0.1),
            },
        )
        buttons = ipywidgets.HBox([self.run_button, self.progress])
        self.children = (buttons, *self.children)

    @property
    def is_running(self) -> bool:
        """Whether a real server is at work; it ends by itself after some seconds."""
        return self._running is not None

    def _answer(self, **setting: Any) -> go.Figure:
        self.run_button.description = _("Stop") if self.is_running else _("Run on a real server")
        self.run_button.icon = "stop" if self.is_running else "play"
        return scaling_model(_model(self._measured, **setting))

    def _run_or_stop(self) -> None:
        if self.is_running:
            self._stop_wanted.set()
            return
        self._stop_wanted.clear()
        plan = _plan(**self.values)
        self._running = threading.Thread(target=self._measure, args=(plan,), daemon=True)
        self._running.start()
        self.redraw()

    def _measure(self, plan: ClosingPlan) -> None:
        self.guarded(lambda: self._follow(plan))
        failure, self._running, self.progress.value = self.message, None, ""
        self.redraw()
        if failure:
            self._say(failure, role="alert")

    def _follow(self, plan: ClosingPlan) -> None:
        """Close the day again and again, until the end or until it is stopped."""
        text = _("{done} of {total} closings are done.")

        def report(done: int, total: int) -> bool:
            said = html.escape(text.format(done=done, total=total))
            self.progress.value = f'<p role="status">{said}</p>'
            return not self._stop_wanted.is_set()

        with ClosingServer() as server:
            # Started by a button, it belongs to the cell that shows it: run again, it ends.
            server.cell = self._cell
            self._measured[plan] = measure_closing(server, plan, report=report)


def scaling_dashboard() -> Dashboard:
    """A dashboard of a job that only partly splits: serial share, workers, size, price (lesson
    05)."""
    return ScalingDashboard()


def _plan(*, serial_percent: int, entry_ms: float, size: str, **_others: Any) -> ClosingPlan:
    """The closing with everything quicker on a bigger machine.

    The lock is held for at least as long as one sum takes to enter.
    """
    entry_s = entry_ms / 1000
    serial_s = max(ALONE_S * serial_percent / 100, entry_s)
    speed = SIZES[size]
    return ClosingPlan(
        serial_s=serial_s / speed,
        parallel_s=(ALONE_S - serial_s) / speed,
        entry_s=entry_s / speed,
    )


def _model(
    measured: dict[ClosingPlan, DataFrame],
    *,
    workers: int,
    size: str,
    double_costs: float,
    **job: Any,
) -> ScalingModel:
    plan = _plan(size=size, **job)
    small = _plan(size=next(iter(SIZES)), **job)
    euros_per_hour = SMALL_EUROS_PER_HOUR * double_costs ** np.log2(SIZES[size])
    runs = measured.get(plan)
    return ScalingModel(
        law=plan.law,
        workers=workers,
        euros_per_million=lambda n: _euros_per_million(plan, n, euros_per_hour),
        law_of_small=small.law,
        small_euros_per_million=lambda n: _euros_per_million(small, n, SMALL_EUROS_PER_HOUR),
        measured=runs,
        fit=_fit(runs),
    )


def _euros_per_million(plan: ClosingPlan, workers: np.ndarray, euros_per_hour: float) -> np.ndarray:
    return 1e6 * workers * euros_per_hour / 3600 / plan.law.throughput(workers)


def _fit(runs: DataFrame | None) -> UslFit | None:
    """The law of the runs; None where a stopped run has measured too few sizes."""
    if runs is None or len(runs) < 4 or runs["workers"].nunique() < 3:
        return None
    return fit_usl(runs["workers"].tolist(), runs["orders_per_s"].tolist())
