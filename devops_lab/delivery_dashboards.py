"""The dashboard of lesson 01: changes that run through the loop, and what the four measures say."""

import functools
import threading
import time

import ipywidgets
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.change_flow import ChangeFlow, changes, places
from devops_lab.dashboards import Dashboard, slider, steps
from devops_lab.delivery_figures import loop
from devops_lab.figures import LIVE
from devops_lab.translation import _

WEEK_H = 168
LINES = (10, 25, 50, 100, 200, 400)
DETECTION_H = (0.1, 0.5, 1, 4, 8, 24, 48)
FRAME_S = 0.12
# At the first setting, a week in which tests find a fault and people find another.
WEEK = 10


class LoopDashboard(Dashboard):
    """A week of changes: how a team works, and the hour that is shown, which can be played."""

    def __init__(self) -> None:
        self.is_playing = False
        self.button = ipywidgets.Button(button_style="primary")
        self.button.on_click(lambda _button: self._play_or_pause())
        super().__init__(
            self._moment,
            {
                "lines": steps(_("lines in a change"), LINES, 100),
                "test_percent": slider(_("faults that tests find (%)"), 0, 100, 50, step=5),
                "faulty_percent": slider(_("100 lines have a fault (%)"), 0, 60, 20),
                "detection_h": steps(_("until it is noticed (h)"), DETECTION_H, 4),
                "hour": slider(_("hour of the week"), 0, WEEK_H, 112),
            },
        )
        self.children = (self.button, *self.children)

    def _moment(
        self, lines: int, test_percent: int, faulty_percent: int, detection_h: float, hour: int
    ) -> go.Figure:
        self.button.description = _("Pause") if self.is_playing else _("Play the week")
        self.button.icon = "pause" if self.is_playing else "play"
        flow = ChangeFlow(lines, test_percent / 100, faulty_percent / 100, detection_h)
        return loop_at(flow, hour, **LIVE)

    def _play_or_pause(self) -> None:
        self.is_playing = not self.is_playing
        if self.is_playing:
            threading.Thread(target=self._play, daemon=True).start()
        self.redraw()

    def _play(self) -> None:
        hour = self.controls["hour"]
        hour.value %= WEEK_H
        while self.is_playing and hour.value < WEEK_H:
            hour.value += 1
            time.sleep(FRAME_S)
        self.is_playing = False
        self.redraw()


def loop_dashboard() -> Dashboard:
    """A dashboard of the loop: change size, test strength, faults and detection time (lesson 01).

    The measures are the model's in the long run; the dots are one week by lot.
    """
    return LoopDashboard()


def loop_at(flow: ChangeFlow, hour: float, **layout: object) -> go.Figure:
    """The loop of a team that works so, at this hour of its week."""
    made = _week(flow)
    deployed = made[made["deployed_h"] <= hour]
    failed = int(deployed["failed"].sum())
    return loop(flow, places(made, hour), hour, len(deployed), failed, **layout)


# Only the hour changes while it is played.
@functools.lru_cache(maxsize=32)
def _week(flow: ChangeFlow) -> DataFrame:
    return changes(flow, days=WEEK_H / 24, seed=WEEK)
