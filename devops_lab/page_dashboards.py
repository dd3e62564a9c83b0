"""The dashboard of lesson 03: a page gathered from real servers, under a real load."""

import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.dashboards import RunDashboard, menu, slider
from devops_lab.loadgen import LiveLoad
from devops_lab.page_figures import latest_pages
from devops_lab.pages import PURPOSES, REPORT_S, PageWithReport, part
from devops_lab.servers import Server
from devops_lab.tables import ATTEMPTS, table
from devops_lab.translation import _

WINDOW_S = 20.0
PAGE_WORK_S = 0.02
WELL, KILLED, FROZEN = _("well"), _("killed"), _("frozen")
HERE, ELSEWHERE = _("on the page's own server"), _("on a server of their own")


class PageUnderLoad(RunDashboard):
    """Servers that each have a part of the page, the one that gathers it, and two loads."""

    def __init__(self) -> None:
        self._servers: list[Server] = []
        self._state = WELL
        self._loads: dict[str, tuple[object, LiveLoad]] = {}
        self._latest = {"pages": _none(), "reports": _none()}
        super().__init__(
            {
                "pages_per_s": slider(_("users (pages/s)"), 0, 40, 10),
                "servers": slider(_("servers that a page needs"), 1, 5, 3, follows=False),
                "failing": slider(_("answers of each that fail (%)"), 0, 20, 1, follows=False),
                "menu_server": menu(_("the menu's server is"), [WELL, KILLED, FROZEN]),
                "heavy": slider(_("share of heavy reports (%)"), 0, 20, 0),
                "reports": menu(_("reports are made"), [HERE, ELSEWHERE]),
            }
        )

    def start(self, **values: object) -> None:
        """The servers of the parts, the page's, the office's, and the loads on them."""
        self._loads, self._state = {}, WELL
        self._servers = [self.own(part(purpose)) for purpose in PURPOSES]
        page = PageWithReport(self._servers[:])
        for server in (
            Server(route=page, service_time_s=PAGE_WORK_S, name="front"),
            Server(service_time_s=REPORT_S, name="office"),
        ):
            self._servers.append(self.own(server))
        self._ask_for(**values)

    def draw(self, servers: int, failing: int, menu_server: str, **others: object) -> go.Figure:
        """The latest pages; the servers and their loads follow the controls."""
        if self.is_running:
            self._ask_for(servers=servers, failing=failing, menu_server=menu_server, **others)
            self._latest = {name: _by_age(load) for name, (_aim, load) in self._loads.items()}
        # No page comes whole without a menu.
        whole_share = (1 - failing / 100) ** servers if menu_server == WELL else 0.0
        return latest_pages(self._latest["pages"], self._latest["reports"], WINDOW_S, whole_share)

    def plan(self, **values: object) -> str:
        """What a start would do with these values, in words."""
        return _(
            "Start sends {pages_per_s} users/s to pages that need {servers} servers. Of each "
            "server's answers {failing} % fail, and the menu's server is {menu_server}. {heavy} % "
            "of the users want a report, made {reports}."
        ).format(**values)

    def _ask_for(
        self,
        pages_per_s: int,
        servers: int,
        failing: int,
        menu_server: str,
        heavy: int,
        reports: str,
    ) -> None:
        *parts, front, office = self._servers
        self._bring(parts[0], menu_server)
        for server in parts:
            # One that is frozen would not even take in a setting.
            if server is not parts[0] or menu_server != FROZEN:
                server.set(error_share=failing / 100)
        report_url = front.url + "report" if reports == HERE else office.url + "work"
        page_url = f"{front.url}{servers}"
        # Pages of other settings would be counted among those that the formula speaks of.
        causes = (failing, menu_server)
        self._aim("pages", page_url, pages_per_s * (1 - heavy / 100), because_of=causes)
        self._aim("reports", report_url, pages_per_s * heavy / 100)

    def _bring(self, server: Server, state: str) -> None:
        """Kill, freeze or heal the server, where it is not so already."""
        if state == self._state:
            return
        server.resume()
        server.start().cell = self._cell
        if state == KILLED:
            server.kill()
        elif state == FROZEN:
            server.freeze()
        self._state = state

    def _aim(self, name: str, url: str, rate_per_s: float, because_of: object = None) -> None:
        """Send so many requests there; begin afresh where the aim or its cause has changed."""
        aim = (url, because_of)
        before, load = self._loads.get(name, (None, None))
        if before == aim:
            load.set(rate_per_s=rate_per_s)
            return
        if load:
            self.release(load)
        self._loads[name] = (aim, self.own(LiveLoad(url, rate_per_s, name=name)))


def page_under_load() -> PageUnderLoad:
    """A page on real servers: users, servers it needs, failures, heavy work; lesson 03."""
    return PageUnderLoad()


def _by_age(load: LiveLoad) -> DataFrame:
    now_s = load.now_s
    attempts = load.attempts(since_s=now_s - 2 * WINDOW_S)
    return attempts.assign(age_s=now_s - attempts["end_s"])


def _none() -> DataFrame:
    return table({name: [] for name in ATTEMPTS}, ATTEMPTS).assign(age_s=0.0)
