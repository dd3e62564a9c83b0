"""Pages that need other servers: gathered from several of them, or filled in when a job is done.

with part("menu") as menu, part("orders") as orders:
    with Server(route=GatheredPage([menu, orders])) as front:
        front.get("/").status
"""

import html
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devops_lab import rules
from devops_lab.client import Answer, ask
from devops_lab.servers import Server
from devops_lab.shop import MENU
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

# What a visitor of the page would not wait longer for; a frozen server never answers.
PATIENCE_S = 0.5
REPORT_S = 0.5
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
_NO_SUCH_PAGE = (404, TEXT, _("There is no such page."))


@dataclass(frozen=True)
class Purpose:
    """What a part of the page is asked for, and how its answer is put into the page."""

    path: str
    shown: Callable[[str], str]


def _breads(menu: str) -> str:
    lines = (_in_both_languages(bread) for bread in json.loads(menu))
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"


def _in_both_languages(bread: Mapping[str, Any]) -> str:
    return f"{bread['name']} ({bread['korean']})"


def _order(order: str) -> str:
    return "<p>{number}: {status}</p>".format(
        number=_("Your order {number}").format(number=json.loads(order)["order"]),
        status=html.escape(json.loads(order)["status"]),
    )


PURPOSES = {
    "menu": Purpose("/api/menu", _breads),
    "pictures": Purpose("/bread.svg", lambda svg: f'<div style="max-width: 20em">{svg}</div>'),
    "orders": Purpose("/api/orders/42", _order),
    "style": Purpose("/style.css", lambda css: f"<style>{css}</style>"),
    "sign": Purpose("/logo.svg", lambda svg: f'<div style="width: 4em">{svg}</div>'),
}


def part(purpose: str, **settings: Any) -> Server:
    """A server for one purpose of the shop's page: one of `PURPOSES`. Takes `Server`'s settings.

    Each has random numbers of its own, so that they do not all fail at the same request.
    """
    rules.one_of("purpose", purpose, PURPOSES)
    return Server(name=purpose, **{"seed": list(PURPOSES).index(purpose) + 1, **settings})


class GatheredPage:
    """A route: `/` is a page of all the parts, `/2` one of the first two.

    All parts are asked at once. Where one is missing the status is 502, unless the page may miss
    it: then there is a gap, and the status is 200. The parts have to run.
    """

    def __init__(self, parts: Sequence[Server], *, may_miss: Iterable[str] = ()) -> None:
        for server in parts:
            rules.one_of("part", server.name, PURPOSES)
        self._ports = {server.name: server.port for server in parts}
        self._may_miss = {rules.one_of("may_miss", name, self._ports) for name in may_miss}

    def __call__(self, path: str) -> tuple[int, str, str]:
        """Status, label and page, as a route gives them; 404 for a page that is not there."""
        count = path.removeprefix("/") or str(len(self._ports))
        if not (count.isdecimal() and 1 <= int(count) <= len(self._ports)):
            return _NO_SUCH_PAGE
        names = list(self._ports)[: int(count)]
        with ThreadPoolExecutor(len(names)) as asking:
            pieces = dict(zip(names, asking.map(self._piece_of, names), strict=True))
        missing = {name for name, piece in pieces.items() if piece is None}
        status = 502 if missing - self._may_miss else 200
        return status, HTML, _page(_gathered(pieces))

    def _piece_of(self, name: str) -> str | None:
        try:
            answer = ask(self._ports[name], PURPOSES[name].path, timeout_s=PATIENCE_S)
        except OSError:
            return None
        return PURPOSES[name].shown(answer.text) if answer.status == 200 else None


class PageWithReport(GatheredPage):
    """The same with `/report`, heavy work that keeps the page's own worker busy for half a second.

    It waits instead of computing, so that your machine stays quiet.
    """

    def __call__(self, path: str) -> tuple[int, str, str]:
        """Status, label and page or report."""
        if path != "/report":
            return super().__call__(path)
        time.sleep(REPORT_S)
        return 200, TEXT, _("The report is done.")


class JobPage:
    """A route: `/` offers a report, `/jobs` has the office begin it, and `/jobs/1` shows it.

    The status is the office's: 202 with a page that asks again by itself, then 200. `office` is a
    `JobOffice` that runs.
    """

    def __init__(self, office: Server, *, orders: int) -> None:
        self._port, self._orders = office.port, orders

    def __call__(self, path: str) -> tuple[int, str, str]:
        """Status, label and page; 502 where the office does not answer."""
        if path == "/":
            return 200, HTML, _page(_offer(self._orders))
        if not re.fullmatch(r"/jobs(/[0-9]+)?", path):
            return _NO_SUCH_PAGE
        try:
            answer = self._new_job() if path == "/jobs" else ask(self._port, path)
        except OSError:
            return 502, HTML, _page(_paragraph(_("The office does not answer.")))
        # A page below /jobs/ is at its job's address already.
        ahead = "jobs/{job}" if path == "/jobs" else ""
        return answer.status, HTML, _page(_report(answer, ahead))

    def _new_job(self) -> Answer:
        return ask(self._port, "/jobs", method="POST", body=json.dumps({"orders": self._orders}))


def _offer(orders: int) -> str:
    button = _("Which two breads do people buy together? Count {orders:,} orders.")
    # A form, so that no browser fetches it ahead and starts the work of its own accord.
    return (
        '<form method="post" action="jobs"><button>'
        f"{html.escape(button.format(orders=orders))}</button></form>"
    )


def _report(answer: Answer, ahead: str) -> str:
    """What the office says of a job, for a reader: not yet, the result, or why there is none."""
    match answer.status:
        case 202:
            return _asks_again(answer, ahead)
        case 200:
            return _paragraph(_result_in_words(answer.json()))
    return _paragraph(_("There is no report: {reason}").format(reason=answer.text.strip()))


def _asks_again(answer: Answer, ahead: str) -> str:
    """How far the job is, and the browser's orders: when to ask again, and where if not here."""
    job, wait_s = answer.json(), answer.headers["Retry-After"]
    target = f"; url={ahead.format(**job)}" if ahead else ""
    text = _("{done} of {parts} parts are counted. This page asks again by itself.")
    return f'<meta http-equiv="refresh" content="{wait_s}{target}">{_paragraph(text.format(**job))}'


def _result_in_words(job: Mapping[str, Any]) -> str:
    breads = {bread["id"]: _in_both_languages(bread) for bread in MENU}
    one, other = (breads[bread] for bread in job["bought_together"])
    text = _("{one} and {other} were bought together {times:,} times in {orders:,} orders.")
    return text.format(one=one, other=other, **job)


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _gathered(pieces: dict[str, str | None]) -> str:
    sorry = _("The {part} cannot be shown just now.")
    return "".join(
        f"<p><em>{sorry.format(part=name)}</em></p>" if piece is None else piece
        for name, piece in pieces.items()
    )


def _page(body: str) -> str:
    return (
        '<!doctype html><html lang="en"><title>Moonlight Bakery</title>'
        "<style>body { font: 1.05rem/1.6 sans-serif; max-width: 46rem; margin: 2rem auto }</style>"
        f"<h1>Moonlight Bakery</h1>{body}"
    )


def visit(front: Server, needs: Sequence[int], *, pages: int) -> "DataFrame":
    """One row a visit, one visit after the other: columns `servers` (that the page needs), `page`
    and `is_whole`.

    `front` serves a `GatheredPage`; each number in `needs` is visited `pages` times.
    """
    from pandas import DataFrame

    rules.whole("pages", pages, at_least=1, at_most=10_000)
    rows = [
        (servers, page, front.get(f"/{servers}").status == 200)
        for servers in needs
        for page in range(pages)
    ]
    return DataFrame(rows, columns=["servers", "page", "is_whole"])
