"""The dashboards of lesson 14: the logs of real servers as they are written, and what to keep."""

import html
import json
from collections import deque

import ipywidgets
import pandas as pd
import plotly.graph_objects as go

from devops_lab.dashboards import Dashboard, RunDashboard, menu, slider, steps
from devops_lab.layers import NAMES, Layers
from devops_lab.loadgen import LiveLoad
from devops_lab.log_figures import what_a_sample_hides, where_errors_begin
from devops_lab.logs import Tail, sampled
from devops_lab.scenario import Client
from devops_lab.tables import ACCESS_LOG, table
from devops_lab.translation import _

SHOWN_S, SHOWN_LINES = 10.0, 9
MOST_LINES, MOST_LETTERS = 5_000, 110
KEPT_PERCENT = (0.1, 0.3, 1, 3, 10, 30, 100)
WORK_S = 0.02


class LiveTail(RunDashboard):
    """Three real servers that ask one another, and the lines that they write meanwhile."""

    def __init__(self) -> None:
        self._lines: deque[dict] = deque(maxlen=MOST_LINES)
        self.broken = 0
        self.tail_box = ipywidgets.HTML()
        super().__init__(
            {
                "rate_per_s": slider(_("load (requests/s)"), 0, 60, 20),
                "orders_fail": slider(_("errors made by orders (%)"), 0, 50, 0),
                "database_fail": slider(_("errors made by database (%)"), 0, 50, 5),
                "kept": steps(_("requests that are kept (%)"), KEPT_PERCENT, 100),
            }
        )
        self.children = (*self.children[:-2], self.tail_box, *self.children[-2:])

    def start(self, rate_per_s: int, **mix: float) -> None:
        """The servers, the one that works first, and a load on the one that customers see."""
        self._lines.clear()
        self.broken = 0
        self._site = Layers(client=Client(), service_time_s=WORK_S, workers=16)
        for server in reversed(self._site.layers):
            self.own(server)
        self._tail = Tail(*(server.log_file for server in self._site.layers))
        self._load = self.own(LiveLoad(self._site.front.url + "work", rate_per_s))

    def draw(self, rate_per_s: int, orders_fail: int, database_fail: int, kept: float) -> go.Figure:
        """Where the errors of the last seconds began, and the newest lines; servers and load follow
        the controls."""
        if self.is_running:
            _shop, orders, database = self._site.layers
            orders.set(error_share=orders_fail / 100)
            database.set(error_share=database_fail / 100)
            self._load.set(rate_per_s=rate_per_s)
            self._read_on()
        written = self._last_seconds()
        lines = sampled(written, kept / 100)
        told = _("{written} lines written in these seconds, {kept} kept.")
        sentence = told.format(written=len(written), kept=len(lines)) if len(written) else ""
        self.tail_box.value = _as_html(sentence, lines.tail(SHOWN_LINES))
        return where_errors_begin(lines, list(NAMES), SHOWN_S)

    def plan(self, rate_per_s: int, orders_fail: int, database_fail: int, kept: float) -> str:
        """What a start would do with these values, in one sentence."""
        return _(
            "Start sends {rate} requests/s to the shop; {orders} % fail in orders, {database} % in "
            "database, and {kept} % are kept."
        ).format(rate=rate_per_s, orders=orders_fail, database=database_fail, kept=kept)

    def _read_on(self) -> None:
        for line in self._tail.new_lines():
            try:
                entry = json.loads(line)
                self._lines.append({name: entry[name] for name in ACCESS_LOG})
            except (ValueError, KeyError, TypeError):
                self.broken += 1

    def _last_seconds(self) -> pd.DataFrame:
        columns = {name: [line[name] for line in self._lines] for name in ACCESS_LOG}
        lines = table(columns, ACCESS_LOG).sort_values("time", kind="stable")
        since = lines["time"].max() - pd.Timedelta(seconds=SHOWN_S)
        return lines[lines["time"] > since]


def _as_html(sentence: str, lines: pd.DataFrame) -> str:
    texts = [_short(line) for line in lines.itertuples()]
    shown = f"<pre>{html.escape(chr(10).join(texts))}</pre>" if texts else ""
    return f"<p>{html.escape(sentence)}</p>{shown}" if sentence else shown


def _short(line: object) -> str:
    """The line with what tells most first, cut where it would be wider than a page."""
    error = "" if pd.isna(line.error) else line.error
    text = (
        f"{line.time:%H:%M:%S.%f}"[:-3]
        + f"  {line.server:9}{line.status}  {1000 * line.service_s:4.0f} ms  "
        f"{line.request_id[:24]}  {error}"
    )
    return text[:MOST_LETTERS]


def live_tail() -> Dashboard:
    """The logs of three real servers as they are written, with a mix of errors that you move;
    lesson 14."""
    return LiveTail()


# What is kept, by the names in the menu, and whether every error is.
KEEPS = {
    _("a share of the requests"): False,
    _("the share, and every failed request"): True,
}


def sampling_and_cost() -> Dashboard:
    """Share kept, volume and rarity of a failure: what it costs, and the chance to see it;
    lesson 14."""

    def draw(kept: float, requests_per_s: int, one_failure_in: int, keep: str) -> go.Figure:
        return what_a_sample_hides(
            kept / 100, requests_per_s, one_failure_in, all_errors=KEEPS[keep]
        )

    return Dashboard(
        draw,
        {
            "kept": steps(_("requests that are kept (%)"), KEPT_PERCENT, 1),
            "requests_per_s": steps(_("volume (requests/s)"), (1, 10, 100, 1_000, 10_000), 100),
            "one_failure_in": steps(
                _("one failure in so many requests"), (100, 1_000, 10_000, 100_000), 10_000
            ),
            "keep": menu(_("kept is"), list(KEEPS)),
        },
    )
