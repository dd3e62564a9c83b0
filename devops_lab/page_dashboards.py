"""The dashboard of lesson 03: a page gathered from real servers, under a real load."""

import threading
import time

import ipywidgets
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab import cells
from devops_lab.dashboards import REFRESH_S, Dashboard, menu, slider
from devops_lab.loadgen import LiveLoad
from devops_lab.page_figures import latest_pages
from devops_lab.pages import PURPOSES, REPORT_S, PageWithReport, part
from devops_lab.servers import Server
from devops_lab.tables import ATTEMPTS, table
from devops_lab.translation import _

WINDOW_S = 20.0
PAGE_WORK_S = 0.02
HERE, ELSEWHERE = _("on the page's own server"), _("on a server of their own")


class PageUnderLoad(Dashboard):
    """Servers that each have a part of the page, the one that gathers it, and two loads."""

    def __init__(self) -> None:
        self._cell = cells.current()
        self._servers: list[Server] = []
        self._loads: dict[str, tuple[object, LiveLoad]] = {}
        self._latest = {"pages": _none(), "reports": _none()}
        self.button = ipywidgets.Button(button_style="primary")
        self.button.on_click(lambda _button: self.guarded(self._start_or_stop))
        super().__init__(
            self._follow_controls,
            {
                "pages_per_s": slider(_("users (pages/s)"), 0, 40, 10),
                "servers": slider(_("servers that a page needs"), 1, 5, 3, follows=False),
                "failing": slider(_("answers of each that fail (%)"), 0, 20, 1, follows=False),
                "heavy": slider(_("share of heavy reports (%)"), 0, 20, 0),
                "reports": menu(_("reports are made"), [HERE, ELSEWHERE]),
            },
        )
        self.children = (self.button, *self.children)

    @property
    def is_running(self) -> bool:
        """Whether load is being sent; it ends by itself after ten minutes."""
        return any(load.is_running for _aim, load in self._loads.values())

    def _start_or_stop(self) -> None:
        if self.is_running:
            self._stop()
        else:
            self._start()
        self.redraw()

    def _start(self) -> None:
        parts = [self._started(part(purpose)) for purpose in PURPOSES]
        page = PageWithReport(parts)
        self._started(Server(route=page, service_time_s=PAGE_WORK_S, name="front"))
        self._started(Server(service_time_s=REPORT_S, name="office"))
        self._ask_for(**self.values)
        threading.Thread(target=self._keep_drawing, args=(self._servers,), daemon=True).start()

    def _started(self, server: Server) -> Server:
        self._servers.append(server)
        # Started by a button, it belongs to the cell that shows it: run again, that ends it.
        server.start().cell = self._cell
        return server

    def _stop(self) -> None:
        loads, self._loads = self._loads, {}
        servers, self._servers = self._servers, []
        for program in (*(load for _aim, load in loads.values()), *servers):
            program.stop()

    def _keep_drawing(self, servers: list[Server]) -> None:
        while self._servers is servers and self.is_running:
            self.redraw()
            time.sleep(REFRESH_S)
        if self._servers is servers:
            self._stop()
            self.redraw()

    def _ask_for(
        self, pages_per_s: int, servers: int, failing: int, heavy: int, reports: str
    ) -> None:
        *parts, front, office = self._servers
        for server in parts:
            server.set(error_share=failing / 100)
        report_url = front.url + "report" if reports == HERE else office.url + "work"
        page_url = f"{front.url}{servers}"
        # Pages of other settings would be counted among those that the formula speaks of.
        self._aim("pages", page_url, pages_per_s * (1 - heavy / 100), because_of=failing)
        self._aim("reports", report_url, pages_per_s * heavy / 100)

    def _aim(self, name: str, url: str, rate_per_s: float, because_of: object = None) -> None:
        """Send so many requests there; begin afresh where the aim or its cause has changed."""
        aim = (url, because_of)
        before, load = self._loads.get(name, (None, None))
        if before == aim:
            load.set(rate_per_s=rate_per_s)
            return
        if load:
            load.stop()
        new = LiveLoad(url, rate_per_s, name=name)
        self._loads[name] = (aim, new)
        new.start().cell = self._cell

    def _follow_controls(self, servers: int, failing: int, **others: object) -> go.Figure:
        is_running = self.is_running
        self.button.description = _("Stop") if is_running else _("Start")
        self.button.icon = "stop" if is_running else "play"
        if is_running:
            self._ask_for(servers=servers, failing=failing, **others)
            self._latest = {name: _by_age(load) for name, (_aim, load) in self._loads.items()}
        whole_share = (1 - failing / 100) ** servers
        figure = latest_pages(self._latest["pages"], self._latest["reports"], WINDOW_S, whole_share)
        return figure if is_running else _at_rest(figure, servers, failing, **others)


def page_under_load() -> Dashboard:
    """A page on real servers: users, servers it needs, failures, heavy work; lesson 03."""
    return PageUnderLoad()


def _by_age(load: LiveLoad) -> DataFrame:
    now_s = load.now_s
    attempts = load.attempts(since_s=now_s - 2 * WINDOW_S)
    return attempts.assign(age_s=now_s - attempts["end_s"])


def _none() -> DataFrame:
    return table({name: [] for name in ATTEMPTS}, ATTEMPTS).assign(age_s=0.0)


def _at_rest(
    figure: go.Figure, servers: int, failing: int, pages_per_s: int, heavy: int, reports: str
) -> go.Figure:
    """The figure of a run that has ended, or not begun, with what the next one would be."""
    title = _("Start sends {rate} users/s to pages that need {servers} servers")
    text = _(
        "{title}. Of each server's answers {failing} % fail; {heavy} % of the users want a report, "
        "made {place}."
    )
    title = title.format(rate=pages_per_s, servers=servers)
    summary = text.format(title=title, failing=failing, heavy=heavy, place=reports)
    return figure.update_layout(title_text=title, meta={"summary": summary})
