"""Ways to spell one wish: "climb out of the site's folder and bring me the file beside it".

Every climb aims at `secret-recipe.txt`, which lies next to the folder of a site that has a folder
`recipes`. A safe server answers none of them with the file. `SIDE_DOORS` lead out without a trick
of spelling, and `HARMLESS` are what a server gives that is safe without being afraid; `small_shop`
has a file for each of them.

>>> from urllib.parse import unquote
>>> unquote(CLIMBS["encoded dots"]) == CLIMBS["plain dots"]
True
"""

import atexit
import contextlib
import itertools
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from devops_lab.leftovers import new_home
from devops_lab.limits import call_with_limit
from devops_lab.route_function import RouteFunction, as_reply
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

    from devops_lab.balancer import FileServer
    from devops_lab.servers import Server

_FILE = "secret-recipe.txt"

CLIMBS = {
    "plain dots": f"/recipes/../../{_FILE}",
    "encoded dots": f"/recipes/%2e%2e/%2e%2e/{_FILE}",
    "capital letters": f"/recipes/%2E%2E/%2E%2E/{_FILE}",
    "half-encoded dots": f"/recipes/.%2e/%2e./{_FILE}",
    "encoded slashes": f"/recipes/..%2f..%2f{_FILE}",
    "all encoded": f"/recipes/%2e%2e%2f%2e%2e%2f{_FILE}",
    "encoded twice": f"/recipes/%252e%252e/%252e%252e/{_FILE}",
    "backslashes": f"/recipes/..\\..\\{_FILE}",
    "a detour": f"/recipes/./%2e%2e/recipes/%2e%2e/%2e%2e/{_FILE}",
    "a cut with NUL": f"/recipes/%2e%2e/%2e%2e/{_FILE}%00.html",
}

SIDE_DOORS = {
    "a folder named alike": f"/recipes/%2e%2e/%2e%2e/site-backup/{_FILE}",
    "a link that leads out": "/window.txt",
}
HARMLESS = {
    "the page": "/index.html",
    "a letter encoded": "/%69ndex.html",
    "dots that stay inside": "/recipes/../index.html",
    "a percent sign": "/50%25-off.html",
    "a picture": "/bread.png",
}
# The first bytes of a PNG, chosen by its makers so that nobody takes it for text.
PICTURE = b"\x89PNG\r\n\x1a\n"

EXISTING = ("/index.html",)
MISTYPED = ("/mneu.html", "/index.htm", "/cake-of-tomorrow.html")


def small_shop() -> Path:
    """A folder with a small site in `site/`, and outside it what is nobody's business.

    It goes when the kernel ends. Where links need an administrator (Windows), the link is missing.
    """
    shop = new_home()
    atexit.register(shutil.rmtree, shop, ignore_errors=True)
    (shop / "site" / "recipes").mkdir(parents=True)
    (shop / "site-backup").mkdir()
    for file in (_FILE, f"site-backup/{_FILE}"):
        (shop / file).write_text("rye and patience", encoding="utf-8")
    for file, text in {"index.html": "Bakery", "50%-off.html": "Half price"}.items():
        (shop / "site" / file).write_text(text, encoding="utf-8")
    (shop / "site" / "bread.png").write_bytes(PICTURE)
    with contextlib.suppress(OSError):
        (shop / "site" / "window.txt").symlink_to(shop / _FILE)
    return shop


def try_out(route: RouteFunction, secret: str) -> "DataFrame":
    """What a routing function does with every path of this file: columns wanted, answer, and
    whether the secret leaked. The answer is its status, or what came instead of a reply."""
    from pandas import DataFrame

    wanted = dict.fromkeys(HARMLESS.values(), 200)
    wanted |= dict.fromkeys((*CLIMBS.values(), *SIDE_DOORS.values()), 404)
    rows = [(status, *_answer_and_leak(route, path, secret)) for path, status in wanted.items()]
    return DataFrame(rows, index=list(wanted), columns=["wanted", "answer", "leaked"])


def _answer_and_leak(route: RouteFunction, path: str, secret: str) -> tuple[str, bool]:
    try:
        gave = call_with_limit(route, path)
        if gave is None:
            return "None", False
        reply = as_reply(gave)
    except Exception as error:
        return type(error).__name__, False
    return str(reply.status), secret.encode() in reply.body


def climb(servers: Iterable["Server | FileServer"], secret: str) -> "DataFrame":
    """Every climb against every server: columns trick, server, status, and whether it leaked.

    A leak is an answer that has the secret text in it.
    """
    from pandas import DataFrame

    rows = [
        (trick, server.name, *_status_and_leak(server, path, secret))
        for server in servers
        for trick, path in CLIMBS.items()
    ]
    return DataFrame(rows, columns=["trick", "server", "status", "leaked"])


def busy_day(
    server: "Server", *, existing: int, mistyped: int, climbs: int, secret: str
) -> "DataFrame":
    """So many real requests of each kind: columns wish (a category, also where nobody had it),
    status, and whether the secret leaked."""
    from pandas import CategoricalDtype, DataFrame

    wishes = {
        _("pages that exist"): _first(existing, EXISTING),
        _("mistyped paths"): _first(mistyped, MISTYPED),
        _("climbs"): _first(climbs, CLIMBS.values()),
    }
    rows = [
        (wish, *_status_and_leak(server, path, secret))
        for wish, paths in wishes.items()
        for path in paths
    ]
    kinds = {"wish": CategoricalDtype([*wishes]), "status": int, "leaked": bool}
    return DataFrame(rows, columns=[*kinds]).astype(kinds)


def _first(count: int, paths: Iterable[str]) -> Iterable[str]:
    return itertools.islice(itertools.cycle(paths), count)


def _status_and_leak(server: "Server | FileServer", path: str, secret: str) -> tuple[int, bool]:
    answer = server.get(path)
    return answer.status, secret in answer.text
