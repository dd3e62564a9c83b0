"""A dashboard of a model that follows the controls, and of real servers that do the same."""

import html
import threading
from collections.abc import Mapping
from typing import Any, Protocol

import ipywidgets
import plotly.graph_objects as go

from devops_lab import cells
from devops_lab.dashboards import Dashboard
from devops_lab.translation import _

REFRESH_S = 0.25


class RealRun(Protocol):
    """A run on real servers that a button starts and stops."""

    def start(self) -> Any: ...
    def stop(self) -> None: ...
    @property
    def is_running(self) -> bool: ...
    @property
    def share_done(self) -> float: ...


class ModelAndReal(Dashboard):
    """A model that follows the controls, and a button that runs the same on real servers.

    A subclass draws the model, makes the run, and keeps what it measured.
    """

    def __init__(self, controls: Mapping[str, ipywidgets.Widget]) -> None:
        self.cell = cells.current()
        self._run: RealRun | None = None
        self._stop_wanted = threading.Event()
        self.run_button = ipywidgets.Button(button_style="primary", layout={"width": "auto"})
        self.run_button.on_click(lambda _button: self._run_or_stop())
        self.progress = ipywidgets.HTML(layout={"margin": "0 0 0 1em"})
        super().__init__(self._draw_both, controls)
        self.head = ipywidgets.HBox(
            [self.run_button, self.progress], layout={"flex_flow": "row wrap"}
        )
        self.children = (self.head, *self.children)

    def draw(self, **values: Any) -> go.Figure:
        """The model for these values, and what real servers did with the same."""
        raise NotImplementedError

    def new_run(self, **values: Any) -> RealRun:
        """The same on real servers, not started yet."""
        raise NotImplementedError

    def keep(self, run: Any) -> None:
        """Take in what a run has measured."""
        raise NotImplementedError

    @property
    def is_running(self) -> bool:
        """Whether real servers are at work; they end by themselves after some seconds."""
        return self._run is not None

    def _draw_both(self, **values: Any) -> go.Figure:
        self.run_button.description = _("Stop") if self.is_running else _("Run on real servers")
        self.run_button.icon = "stop" if self.is_running else "play"
        return self.draw(**values)

    def _run_or_stop(self) -> None:
        if self.is_running:
            self._stop_wanted.set()
            return
        self.guarded(self._start)
        if not self.message:
            self.redraw()

    def _start(self) -> None:
        self._stop_wanted.clear()
        self._run = self.new_run(**self.values)
        threading.Thread(target=self._follow, args=(self._run,), daemon=True).start()

    def _follow(self, run: RealRun) -> None:
        self.guarded(lambda: self._watch(run))
        failure, self._run, self.progress.value = self.message, None, ""
        self.redraw()
        if failure:
            self._say(failure, role="alert")

    def _watch(self, run: RealRun) -> None:
        """Follow the run to its end, or until it is stopped, and keep what it measured."""
        self._tell_progress(0.0)
        try:
            run.start()
            while run.is_running and not self._stop_wanted.wait(REFRESH_S):
                self._tell_progress(run.share_done)
        finally:
            run.stop()
        self.keep(run)

    def _tell_progress(self, share_done: float) -> None:
        text = _("Real servers at work: {percent:.0f} % of the run is over.")
        text = html.escape(text.format(percent=100 * share_done))
        self.progress.value = f'<p role="status">{text}</p>'
