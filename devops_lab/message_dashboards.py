"""The dashboard of lesson 07: a shift of orders over a bad network, on paper and for real."""

import html
import threading

import ipywidgets
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab import cells
from devops_lab.dashboards import Dashboard, menu, slider
from devops_lab.figures import time_text
from devops_lab.message_figures import order_lives
from devops_lab.shifts import Shift, measure_shift, simulate_shift
from devops_lab.translation import _

ORDERS = 20
WORK_S = 0.1
PROMISES: dict[str, str] = {
    _("at least once"): "at_least_once",
    _("at most once"): "at_most_once",
    _("at least once, but paid once"): "paid_once",
}

_RUNNING = _("A real broker and real workers have the same orders and the same losses.")


class ShiftDashboard(Dashboard):
    """A simulated shift that follows the controls, beside the same shift with real processes."""

    def __init__(self) -> None:
        self._cell = cells.current()
        self._measured: dict[Shift, DataFrame] = {}
        self._is_running = False
        self.button = ipywidgets.Button(button_style="primary", layout={"width": "auto"})
        self.button.on_click(lambda _button: self._run())
        self.state = ipywidgets.HTML(layout={"margin": "0 0 0 1em"})
        super().__init__(
            self._answer,
            {
                "promise": menu(_("the promise"), list(PROMISES)),
                "loss_percent": slider(_("messages lost (%)"), 0, 30, 10),
                "delay_ms": slider(_("a message's way (ms)"), 0, 300, 0, step=20),
                "workers": slider(_("workers"), 1, 4, 2),
                "lease_ms": slider(_("lease (ms)"), 200, 2000, 600, step=100),
            },
        )
        head = ipywidgets.HBox([self.button, self.state], layout={"flex_flow": "row wrap"})
        self.children = (head, *self.children)

    def _answer(
        self, promise: str, loss_percent: int, delay_ms: int, workers: int, lease_ms: int
    ) -> go.Figure:
        shift = self._shift(promise, loss_percent, delay_ms, workers, lease_ms)
        self.button.description = _("Running …") if self._is_running else _("Run it for real")
        self.button.disabled = self._is_running
        self._tell(_RUNNING if self._is_running else _in_words(shift))
        runs = {_("simulated"): simulate_shift(shift)}
        if shift in self._measured:
            runs[_("real processes")] = self._measured[shift]
        return order_lives(runs)

    def _run(self) -> None:
        self._is_running = True
        self.redraw()
        shift = self._shift(**self.values)
        threading.Thread(target=self._measure, args=(shift,), daemon=True).start()

    def _measure(self, shift: Shift) -> None:
        def run() -> None:
            self._measured[shift] = measure_shift(shift, cell=self._cell)

        self.guarded(run)
        failure, self._is_running = self.message, False
        self.redraw()
        if failure:
            self._say(failure, role="alert")

    def _shift(
        self, promise: str, loss_percent: int, delay_ms: int, workers: int, lease_ms: int
    ) -> Shift:
        return Shift(
            promise=PROMISES[promise],
            orders=ORDERS,
            workers=workers,
            work_s=WORK_S,
            lease_s=lease_ms / 1000,
            loss_share=loss_percent / 100,
            delay_s=delay_ms / 1000,
        )

    def _tell(self, text: str) -> None:
        self.state.value = f'<span role="status">{html.escape(text)}</span>'


def _in_words(shift: Shift) -> str:
    """What the lease does in this shift, in one sentence."""
    if shift.promise == "at_most_once":
        text = _("Acknowledged before the work, so the lease of {lease} is never needed.")
    else:
        text = _("What is not acknowledged within {lease} is delivered again.")
    return text.format(lease=time_text(shift.lease_s))


def shift_dashboard() -> Dashboard:
    """A shift of 20 orders: promise, loss, delay, workers and lease; lesson 07."""
    return ShiftDashboard()
