"""The dashboards of lesson 13: the golden signals of real servers, and a fault to be found."""

import ipywidgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from devops_lab.dashboards import Dashboard, RunDashboard, menu, slider
from devops_lab.figures import LIVE
from devops_lab.loadgen import LiveLoad
from devops_lab.metric_store import MetricStore
from devops_lab.servers import Server
from devops_lab.signal_figures import golden_signals, mark, shade
from devops_lab.signals import signals
from devops_lab.telemetry import Fault, Shop
from devops_lab.translation import _

SHOWN_S, WINDOW_S, STEP_S = 40, 4.0, 1
WORK_S, SLOW_TIMES = 0.02, 10
# What can be hidden, by the names in the menu: the kind of fault, and whom it befalls.
HIDDEN = {
    _("a bad release"): ("bad_deploy", None),
    _("a slow dependency"): ("slow_dependency", None),
    _("one sick server"): ("slow_dependency", "server-2"),
    _("a rush of customers"): ("spike", None),
}
HIDDEN_H = 3
WEEK_H = 7 * 24


class GoldenSignals(RunDashboard):
    """Two real servers, one of them slow, and what their own metrics say of them."""

    def __init__(self) -> None:
        self._signals = _seconds_ago(pd.DataFrame())
        self._newest: pd.Timestamp | None = None
        super().__init__(
            {
                "rate_per_s": slider(_("load (requests/s)"), 0, 100, 40),
                "failing": slider(_("answers that fail (%)"), 0, 50, 0),
                "slow": slider(_("requests to the slow server (%)"), 0, 50, 0),
            }
        )

    def start(self, rate_per_s: int, failing: int, slow: int) -> None:
        """Both servers, a load on each, and the store that asks them."""
        settings = {"service_time_s": WORK_S, "workers": 8}
        self._servers = [
            self.own(Server(name="quick", **settings)),
            self.own(Server(name="slow", slow_factor=SLOW_TIMES, **settings)),
        ]
        rates = zip(self._servers, _shared(rate_per_s, slow), strict=True)
        self._loads = [
            self.own(LiveLoad(server.url + "work", rate, seed=seed))
            for seed, (server, rate) in enumerate(rates)
        ]
        self._store = self.own(MetricStore(self._servers, interval_s=STEP_S))

    def draw(self, rate_per_s: int, failing: int, slow: int) -> go.Figure:
        """The last seconds of the four signals; servers and loads follow the controls."""
        if self.is_running:
            for server in self._servers:
                server.set(error_share=failing / 100)
            for load, rate in zip(self._loads, _shared(rate_per_s, slow), strict=True):
                load.set(rate_per_s=rate)
            self._read()
        x = {"anchor": "y4", "range": [-SHOWN_S, 0]}
        return golden_signals(self._signals, x=_("seconds ago"), xaxis=x, **LIVE)

    def _read(self) -> None:
        """Take in what the store has heard since the last time."""
        [newest] = self._store.sql("SELECT max(time) AS newest FROM samples")["newest"]
        if newest != self._newest:
            self._newest = newest
            self._signals = _seconds_ago(self._store.samples(last_s=SHOWN_S + WINDOW_S))

    def plan(self, rate_per_s: int, failing: int, slow: int) -> str:
        """What a start would do with these values, in one sentence."""
        return _(
            "Start sends {rate} requests/s to two servers, {slow} % of them to the slow one; "
            "{failing} % of the answers are errors."
        ).format(rate=rate_per_s, slow=slow, failing=failing)


class FindTheFault(Dashboard):
    """A generated week with one hidden fault: the learner says what and when, and is scored."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._truth = list(HIDDEN)[random.integers(len(HIDDEN))]
        self._start_h = int(random.integers(6, WEEK_H - 6))
        kind, server = HIDDEN[self._truth]
        fault = Fault(kind, f"{self._start_h}h", f"{HIDDEN_H}h", server=server)
        self._shop = Shop(days=7, servers=3, step_s=600, faults=(fault,), seed=seed)
        seen = signals(self._shop.samples(), window_s=1_800)
        self._signals = seen.set_axis((seen.index - seen.index[0]) / pd.Timedelta("1h"))
        self.score: int | None = None
        self.button = ipywidgets.Button(description=_("That is it"), button_style="primary")
        self.button.on_click(lambda _button: self._judge())
        super().__init__(
            self._draw_week,
            {
                "hour": slider(_("it began in hour"), 0, WEEK_H - 1, WEEK_H // 2),
                "kind": menu(_("it was"), list(HIDDEN)),
            },
        )
        self.children = (*self.children[:2], self.button, *self.children[2:])

    def _judge(self) -> None:
        hour, kind = self.values["hour"], self.values["kind"]
        end_h = self._start_h + HIDDEN_H
        off_h = max(self._start_h - hour, hour - end_h, 0)
        self.score = round(50 / (1 + off_h)) + (50 if kind == self._truth else 0)
        self.redraw()
        text = _(
            "{score} of 100 points. It was {truth}, from hour {start} to {end}; your mark is {off} "
            "hours away."
        )
        told = {"truth": self._truth, "start": self._start_h, "end": end_h, "off": off_h}
        self._say(text.format(score=self.score, **told))

    def _draw_week(self, hour: int, kind: str) -> go.Figure:
        finding = _("A week of a shop. Your mark: {kind}, hour {hour}").format(kind=kind, hour=hour)
        x = _("hours since Monday, 0:00")
        figure = golden_signals(self._signals, finding=finding, x=x, **LIVE)
        mark(figure, hour)
        if self.score is not None:
            shade(figure, self._start_h, self._start_h + HIDDEN_H)
        return figure


def golden_signals_dashboard() -> Dashboard:
    """Real servers under a load that you move, and their four golden signals; lesson 13."""
    return GoldenSignals()


def find_the_fault(seed: int = 1) -> Dashboard:
    """A week with a hidden fault to mark; each `seed` hides another one; lesson 13."""
    return FindTheFault(seed)


def _shared(rate_per_s: float, slow_percent: float) -> tuple[float, float]:
    slow_per_s = rate_per_s * slow_percent / 100
    return rate_per_s - slow_per_s, slow_per_s


def _seconds_ago(samples: pd.DataFrame) -> pd.DataFrame:
    """The signals of the samples by seconds before the newest."""
    if samples.empty:
        return pd.DataFrame(
            columns=[
                "requests_per_s",
                "error_share",
                "latency_p50_s",
                "latency_p99_s",
                "in_flight",
            ],
            dtype=float,
        )
    newest = samples["time"].max()
    at = pd.date_range(end=newest, periods=SHOWN_S // STEP_S, freq=f"{STEP_S}s")
    seen = signals(samples, WINDOW_S, at[at > samples["time"].min()])
    return seen.set_axis((seen.index - newest) / pd.Timedelta(seconds=1))
