"""Ways to spell one wish: "climb out of the site's folder and bring me the file beside it".

Every path here aims at `secret-recipe.txt`, which lies next to the folder of a site that has a
folder `recipes`. A safe server answers none of them with the file.

>>> from urllib.parse import unquote
>>> unquote(CLIMBS["encoded dots"]) == CLIMBS["plain dots"]
True
"""

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

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


EXISTING = ("/index.html",)
MISTYPED = ("/mneu.html", "/index.htm", "/cake-of-tomorrow.html")


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
