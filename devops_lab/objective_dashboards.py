"""The dashboards of lesson 15: an objective and its alert over a month, and a shift on call."""

import html
import random
from collections.abc import Callable

import ipywidgets
import pandas as pd
import plotly.graph_objects as go

from devops_lab.alert_quality import error_shares, score
from devops_lab.dashboards import Dashboard, RunDashboard, menu, slider, steps
from devops_lab.incidents import Incident
from devops_lab.loadgen import LiveLoad
from devops_lab.metric_store import MetricStore
from devops_lab.objective_figures import duration_text, month_of_alerts, shift_on_call
from devops_lab.objectives import Alert
from devops_lab.on_call import LiveAlert, mean_times, now, requests_counted
from devops_lab.servers import Server
from devops_lab.signals import REQUESTS
from devops_lab.translation import _

# By the names in the menu, how the incident comes.
SHAPES = {_("all at once"): False, _("slowly growing"): True}
WINDOWS = ("5min", "30min", "1h", "6h", "1D", "3D")
START = "7D 12h"
MONTH_H = 24 * 30

LOAD_PER_S, WORK_S, STEP_S, SHOWN_S = 40, 0.01, 0.5, 60
USUAL_ERROR_SHARE = 0.005
# How long a good release lasts until the next bad one, in seconds: between the two, by lot.
QUIET_S = (6.0, 18.0)
LIVE_OBJECTIVE = 0.99


def objective_and_alert() -> Dashboard:
    """Objective, alert and incident: what of the budget is used, when somebody is called, and how
    often for nothing; lesson 15."""
    return Dashboard(
        _month,
        {
            "objective_percent": steps(_("objective (%)"), (99, 99.5, 99.9, 99.95), 99.9),
            "burn_rate": steps(_("alert: burn rate above"), (1, 2, 3, 6, 10, 14.4, 36), 10),
            "window": steps(_("alert: window"), WINDOWS, "6h"),
            "short": menu(_("alert: second window"), [_("none"), _("a twelfth of it")]),
            "errors": steps(
                _("incident: errors (%)"), (0, 0.1, 0.2, 0.5, 0.9, 2, 5, 20, 50, 100), 0.9
            ),
            "lasting_h": steps(
                _("incident: lasts (hours)"), (0.25, 0.5, 1, 2, 6, 24, 72, 240), 240
            ),
            "shape": menu(_("incident: comes"), list(SHAPES)),
            "mean_per_s": steps(_("traffic (requests/s)"), (0.1, 0.5, 2, 20, 100), 20),
        },
    )


def _month(
    objective_percent: float,
    burn_rate: float,
    window: str,
    short: str,
    errors: float,
    lasting_h: float,
    shape: str,
    mean_per_s: float,
) -> go.Figure:
    incident = Incident(errors / 100, START, pd.Timedelta(hours=lasting_h), grows=SHAPES[shape])
    long = pd.Timedelta(window)
    alert = Alert(burn_rate, long, None if short == _("none") else long / 12)
    windows = " + ".join(map(duration_text, alert.windows))
    name = _("{times} times in {windows}").format(times=burn_rate, windows=windows)
    counted = incident.counts(mean_per_s)
    return month_of_alerts(counted, {name: alert}, objective_percent / 100, incident.interval())


class OnCall(RunDashboard):
    """A real server whose releases go bad at random; an alert calls, the learner answers it."""

    def __init__(self, quiet_s: tuple[float, float] = QUIET_S) -> None:
        self._quiet_s = quiet_s
        self._faults: list[dict[str, pd.Timestamp]] = []
        self._watched: LiveAlert | None = None
        self.have_it = ipywidgets.Button(description=_("I have it"), button_style="warning")
        self.roll_back = ipywidgets.Button(description=_("Roll back"), button_style="success")
        self.reply_box = ipywidgets.HTML(layout={"margin": "0 0 0 1em"})
        self.times_box = ipywidgets.HTML()
        self.have_it.on_click(lambda _button: self._answer(self._acknowledge))
        self.roll_back.on_click(lambda _button: self._answer(self._repair))
        super().__init__(
            {
                "errors": slider(_("errors of a bad release (%)"), 2, 60, 20),
                "most": slider(_("the alert fires above (% errors)"), 1, 20, 5),
                "window_s": slider(_("the alert's window (s)"), 2, 20, 10),
            }
        )
        answers = ipywidgets.HBox([self.have_it, self.roll_back, self.reply_box])
        head, *controls, figure, message, names = self.children
        self.children = (head, *controls, answers, figure, self.times_box, message, names)

    def start(self, errors: int, most: int, window_s: int) -> None:
        """The server, the store that asks it, its alert, and a load."""
        settings = {"service_time_s": WORK_S, "workers": 8, "error_share": USUAL_ERROR_SHARE}
        self._server = self.own(Server(name="shop", **settings))
        self._store = self.own(MetricStore([self._server], interval_s=STEP_S))
        self._watched = LiveAlert(self._store, _alert(most, window_s), LIVE_OBJECTIVE)
        self._faults = []
        self._wait()
        self.own(LiveLoad(self._server.url + "work", LOAD_PER_S))

    def draw(self, errors: int, most: int, window_s: int) -> go.Figure:
        """The errors of the last minute and what the alert made of them; the server and the alert
        follow the controls."""
        self.roll_back.disabled = not self.is_running
        self.have_it.disabled = not self.is_running
        if self._watched is None:
            nothing = pd.DataFrame(columns=["start", "acknowledged", "end"], dtype=float)
            return shift_on_call(pd.Series(dtype=float), most / 100, "inactive", nothing, SHOWN_S)
        if self.is_running:
            self._watched.alert = _alert(most, window_s)
            self._go_bad(errors / 100)
            self._watched.look()
        self.times_box.value = self._times_in_words()
        counted = requests_counted(self._store.samples(REQUESTS, last_s=SHOWN_S + window_s))
        shares = error_shares(
            counted["failed"], counted["requests"], pd.Timedelta(seconds=window_s)
        )
        newest = shares.index.max()
        ago = shares.set_axis((shares.index - newest) / pd.Timedelta("1s"))
        calls = (self._watched.calls - newest) / pd.Timedelta("1s")
        return shift_on_call(ago, most / 100, self._watched.state, calls, SHOWN_S)

    def plan(self, errors: int, most: int, window_s: int) -> str:
        """What a start would do with these values, in one sentence."""
        return _(
            "Start sends {rate} requests/s to a real server. Some seconds later a release goes "
            "bad, with {errors} % errors, and after your repair another one. The alert fires above "
            "{most} % errors over {window} s."
        ).format(rate=LOAD_PER_S, errors=errors, most=most, window=window_s)

    @property
    def is_bad(self) -> bool:
        """Whether a bad release is running now."""
        return bool(self._faults) and pd.isna(self._faults[-1]["end"])

    def _wait(self) -> None:
        # By lot, and by no seed: nobody on call knows when.
        self._next = now() + pd.Timedelta(seconds=random.uniform(*self._quiet_s))

    def _go_bad(self, error_share: float) -> None:
        if not self.is_bad and now() >= self._next:
            self._faults.append({"start": now(), "end": pd.NaT})
        self._server.set(error_share=error_share if self.is_bad else USUAL_ERROR_SHARE)

    def _answer(self, act: Callable[[], str]) -> None:
        with self._drawing:
            try:
                reply = act() if self.is_running else _("Press Start first.")
            except ValueError as reason:
                reply = str(reason)
            self.reply_box.value = f'<span role="status">{html.escape(reply)}</span>'
            self.redraw()

    def _acknowledge(self) -> str:
        self._watched.acknowledge()
        return _("It is yours. Now repair it.")

    def _repair(self) -> str:
        if not self.is_bad:
            return _("This release is good: there is nothing to roll back.")
        self._faults[-1]["end"] = now()
        self._server.set(error_share=USUAL_ERROR_SHARE)
        self._wait()
        return _("Rolled back. The alert ends when its windows have forgotten the errors.")

    def _times_in_words(self) -> str:
        faults = pd.DataFrame(self._faults, columns=["start", "end"], dtype="datetime64[ns]")
        calls = self._watched.calls
        (means,) = mean_times(faults, calls).itertuples()
        text = _(
            "Bad releases repaired: {repaired}. Mean time to detect {detect} (MTTD), until you "
            "had it {acknowledge}, to repair {repair} (MTTR). False alarms: {false}."
        ).format(
            repaired=int(faults["end"].notna().sum()),
            detect=_or_dash(means.detect_mean),
            acknowledge=_or_dash(means.acknowledge_mean),
            repair=_or_dash(means.repair_mean),
            false=_false_alarms(calls, faults),
        )
        return f'<p role="status">{html.escape(text)}</p>'


def on_call() -> Dashboard:
    """A real alert on a real server, which you answer, with your own MTTD and MTTR; lesson 15."""
    return OnCall()


def _alert(most: int, window_s: int) -> Alert:
    """An alert above so many per cent of errors; its second window is a quarter of the first."""
    return Alert(most, f"{window_s}s", f"{max(1.0, window_s / 4)}s")


def _or_dash(duration: pd.Timedelta) -> str:
    return "–" if pd.isna(duration) else duration_text(duration)


def _false_alarms(calls: pd.DataFrame, faults: pd.DataFrame) -> int:
    precision = score(calls, faults)["precision"].iloc[0]
    return round(len(calls) * (1 - precision)) if len(calls) and len(faults) else len(calls)
