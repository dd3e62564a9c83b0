"""The exercises of lesson 02, paths and resources."""

import json
from collections.abc import Callable
from typing import Any

from devops_lab.attacks import CLIMBS
from devops_lab.paths import normalise
from devops_lab.questions import Exercise, Mistake
from devops_lab.servers import Server
from devops_lab.translation import _

Reply = tuple[int, str, Any]
_SECRET = "patience"


def _text(reply: Reply) -> str:
    body = reply[2]
    return body.decode(errors="replace") if isinstance(body, bytes) else body


def _routes_the_bakery(route: Callable[[str], Reply]) -> bool:
    page, menu, nothing = route("/"), route("/menu"), route("/cake-of-tomorrow")
    return (
        (page[0], menu[0], nothing[0]) == (200, 200, 404)
        and page[1].startswith("text/html")
        and "Bakery" in _text(page)
        and menu[1].startswith("application/json")
        and json.loads(_text(menu)) == {"bread": 3}
        and route("/menu/extra")[0] == route("/Menu")[0] == 404
    )


def _works_behind_a_server(route: Callable[[str], Reply]) -> bool:
    def over_http(path: str) -> Reply:
        answer = server.get(path)
        return answer.status, answer.headers["Content-Type"], answer.body

    with Server(route=route, name="yours") as server:
        return _routes_the_bakery(over_http)


def _leaks(route: Callable[[str], Reply]) -> bool:
    return any(_SECRET in _text(route(path)) for path in CLIMBS.values())


def _serves_the_page(route: Callable[[str], Reply]) -> bool:
    # The same page in three spellings: a safe function judges where a path leads.
    pages = [route(path) for path in ("/index.html", "/%69ndex.html", "/recipes/../index.html")]
    return all(page[0] == 200 and "Bakery" in _text(page) for page in pages)


def _fails_on(route: Callable[[str], Reply], path: str) -> bool:
    try:
        return route(path)[0] >= 500
    except Exception:
        return True


def _is_safe(route: Callable[[str], Reply]) -> bool:
    refused = all(route(path)[0] == 404 for path in (*CLIMBS.values(), "/cake.html", "/recipes"))
    return _serves_the_page(route) and refused and not _leaks(route)


# Example answers: functions as a learner writes them, each with its own mistake.


def _route(path: str) -> Reply:
    if path == "/":
        return 200, "text/html; charset=utf-8", "<h1>Moonlight Bakery</h1>"
    if path == "/menu":
        return 200, "application/json", '{"bread": 3}'
    return 404, "text/plain; charset=utf-8", "Not found"


def _route_everything_found(path: str) -> Reply:
    return (200, "text/plain", "Not found") if _route(path)[0] == 404 else _route(path)


def _route_wrong_label(path: str) -> Reply:
    status, _label, body = _route(path)
    return status, "text/html; charset=utf-8", body


def _route_by_beginning(path: str) -> Reply:
    return _route("/menu") if path.startswith("/menu") else _route(path)


def _route_python_text(path: str) -> Reply:
    return (200, "application/json", str({"bread": 3})) if path == "/menu" else _route(path)


def _safe(path: str) -> Reply:
    if normalise(path) == "/index.html":
        return 200, "text/html; charset=utf-8", "<h1>Bakery</h1>"
    return 404, "text/plain", "Not found"


def _safe_but_leaks(path: str) -> Reply:
    return (200, "text/plain", _SECRET) if "%2e%2e" in path else _safe(path)


def _safe_but_closed(_path: str) -> Reply:
    return 404, "text/plain", "Not found"


def _safe_but_fails(path: str) -> Reply:
    if normalise(path) != "/index.html":
        raise FileNotFoundError(path)
    return _safe(path)


def _safe_but_forbids(path: str) -> Reply:
    status, label, body = _safe(path)
    return (403 if path in CLIMBS.values() else status), label, body


_LINK = "http://moonlight.example/images/tea.svg"
_TWICE = ("/%2e%2e/recipe", "/../recipe")


EXERCISES = (
    Exercise(
        id="02.relative",
        number=1,
        kind="compute",
        title=_("Where does the link lead?"),
        is_right=lambda link: link == _LINK,
        right_answers=(_LINK,),
        because=_("Two folders up from /menu/today/ is the top; the single dot stays where it is."),
        mistakes=(
            Mistake(
                answer="http://moonlight.example/menu/images/tea.svg",
                when=lambda link: "/menu/images/tea.svg" in link,
                then=_("Then the link would lead only one folder up."),
                ask=_("In which folder does the page lie, and how many times does .. stand there?"),
            ),
            Mistake(
                answer="http://moonlight.example/images/./tea.svg",
                when=lambda link: "/./" in link or ".." in link,
                then=_(
                    "Then the browser would ask with dots in the path; it clears them away first."
                ),
                ask=_("What does a single dot mean as the name of a folder?"),
            ),
            Mistake(
                answer="/images/tea.svg",
                when=lambda link: link.startswith("/"),
                then=_("The path is right, but the browser needs to know whom to ask."),
                ask=_("Which two parts stand before the path of an address?"),
            ),
            Mistake(
                answer="http://moonlight.example/menu/today/images/tea.svg",
                when=lambda link: "/today/" in link,
                then=_("Then .. would mean nothing at all."),
                ask=_(
                    "The page is a file in the folder /menu/today/. What is one folder up from it?"
                ),
            ),
        ),
        otherwise=_("Begin with the folder of the page. Where are you after each .. ?"),
        hints=(
            _("Cut the page's own name off first: its folder is /menu/today/."),
            _("Each .. removes the last folder that is left."),
        ),
    ),
    Exercise(
        id="02.route",
        number=2,
        kind="mend",
        title=_("The bakery's router"),
        is_right=_works_behind_a_server,
        right_answers=(_route,),
        because=_("Path in; status, label and bytes out. That is a web framework in small."),
        mistakes=(
            Mistake(
                answer=_route_everything_found,
                when=lambda route: route("/cake-of-tomorrow")[0] == 200,
                then=_(
                    "Then a page that does not exist is reported as found, and search engines "
                    "and alarms believe it."
                ),
                ask=_("Which status says: I understood you, but there is nothing here?"),
            ),
            Mistake(
                answer=_route_wrong_label,
                when=lambda route: not route("/menu")[1].startswith("application/json"),
                then=_("Then a browser or a program would read the menu as something else."),
                ask=_("Which label does the exercise ask for at /menu?"),
            ),
            Mistake(
                answer=_route_by_beginning,
                when=lambda route: route("/menu/extra")[0] == 200,
                then=_("Then /menu/extra and /menus-of-hell would show the menu as well."),
                ask=_(
                    "How do you ask whether two texts are equal, not only alike at the beginning?"
                ),
            ),
            Mistake(
                answer=_route_python_text,
                when=lambda route: "'" in _text(route("/menu")),
                then=_(
                    "Then the text would be Python, not JSON: no JSON reader takes single quotes."
                ),
                ask=_("Which quotation marks does JSON use?"),
            ),
        ),
        otherwise=_("Which of /, /menu and /cake-of-tomorrow gives something else than it should?"),
        hints=(
            _("Start from the function hello above, and add one more if."),
            _("A body is text: write the JSON inside single quotes, its names in double ones."),
        ),
    ),
    Exercise(
        id="02.naive",
        number=3,
        kind="read",
        title=_("Three statuses of the careful-looking function"),
        is_right=lambda statuses: list(statuses) == [200, 403, 200],
        right_answers=([200, 403, 200], (200, 403, 200)),
        because=_(
            "The filter saw the plain dots. The encoded ones became dots after it had looked."
        ),
        mistakes=(
            Mistake(
                answer=[200, 403, 403],
                when=lambda statuses: list(statuses) == [200, 403, 403],
                then=_("Then the filter would have recognised two dots in %2e%2e."),
                ask=_("Is there a dot in that path at the moment when the filter looks?"),
            ),
            Mistake(
                answer=[200, 403, 404],
                when=lambda statuses: list(statuses) == [200, 403, 404],
                then=_("Then there would be no file at the place where the decoded path leads."),
                ask=_("What does unquote make of %2e, and where does that path lead?"),
            ),
            Mistake(
                answer=[200, 404, 200],
                when=lambda statuses: list(statuses) == [200, 404, 200],
                then=_("Then the plain climb would have passed the filter, and found nothing."),
                ask=_("Which status does the function return when it sees two dots?"),
            ),
        ),
        otherwise=_("Follow each path through the function, line by line. Where does it return?"),
        hints=(
            _("Run the cell below your guess: the three answers are printed."),
            _("The first line of the function looks at the path before it is decoded."),
        ),
    ),
    Exercise(
        id="02.safe",
        number=4,
        kind="mend",
        title=_("A function that cannot be robbed"),
        is_right=_is_safe,
        right_answers=(_safe,),
        because=_("It judges where the path leads, so no spelling gets past it."),
        mistakes=(
            Mistake(
                answer=_safe_but_leaks,
                when=_leaks,
                then=_("Then the recipe is out: one of the tricks got it."),
                ask=_("Where does your function look: at the text of the path, or where it leads?"),
            ),
            Mistake(
                answer=_safe_but_closed,
                when=lambda route: not _serves_the_page(route),
                then=_(
                    "Then somebody who asks for the bakery's page, in one of its spellings, is "
                    "sent away."
                ),
                ask=_("Where do /index.html, /%69ndex.html and /recipes/../index.html lead?"),
            ),
            Mistake(
                answer=_safe_but_fails,
                when=lambda route: any(
                    _fails_on(route, path) for path in ("/cake.html", "/recipes", *CLIMBS.values())
                ),
                then=_(
                    "Then somebody who mistypes a path gets a 500, and the person on duty is "
                    "woken up for it."
                ),
                ask=_("Which exception came out of your function, and for which path?"),
            ),
            Mistake(
                answer=_safe_but_forbids,
                when=lambda route: any(route(path)[0] == 403 for path in CLIMBS.values()),
                then=_(
                    "Then the answer would tell a thief that there is something behind the door."
                ),
                ask=_("Which status says the same for a missing file and for a forbidden one?"),
            ),
        ),
        otherwise=_("Try your function on /index.html, /recipes and the paths of the list above."),
        hints=(
            _("Let safe_file decide, and turn what it raises into an answer."),
            _("PathRefused, FileNotFoundError and FolderWithoutSlash all mean 404 here."),
        ),
    ),
    Exercise(
        id="02.twice",
        number=5,
        kind="compute",
        title=_("Decoded twice"),
        is_right=lambda decoded: tuple(decoded) == _TWICE,
        right_answers=(_TWICE, list(_TWICE)),
        because=_("What was checked after the first decoding is not what the second one opens."),
        mistakes=(
            Mistake(
                answer=["/../recipe", "/../recipe"],
                when=lambda decoded: tuple(decoded) == ("/../recipe", "/../recipe"),
                then=_("Then %25 would be a dot."),
                ask=_("Which sign has the number 25 in the code, and what stands behind it then?"),
            ),
            Mistake(
                answer=["/%2e%2e/recipe", "/%2e%2e/recipe"],
                when=lambda decoded: tuple(decoded) == ("/%2e%2e/recipe", "/%2e%2e/recipe"),
                then=_(
                    "Then a second decoding would change nothing, and nobody would have to fear it."
                ),
                ask=_("What does %2e mean to somebody who decodes it?"),
            ),
            Mistake(
                answer=["/%2e%2e/recipe", "/recipe"],
                when=lambda decoded: tuple(decoded) == ("/%2e%2e/recipe", "/recipe"),
                then=_("That is where the path leads, one step further on."),
                ask=_("What does the text look like before anybody resolves the two dots?"),
            ),
        ),
        otherwise=_("Replace each %25 by its sign, and nothing else. What is left?"),
        hints=(
            _("%25 is the percent sign itself."),
            _("Decoding goes through the text once, from left to right, and never back."),
        ),
    ),
    Exercise(
        id="02.stranger",
        number=6,
        kind="read",
        title=_("Read a stranger's log"),
        is_right=lambda lines: sorted(set(lines)) == [3],
        right_answers=([3], (3,), {3}),
        because=_(
            "Only line 3 climbs out of the folder and was given bytes. Line 5 has dots and stays "
            "inside; line 4 is a percent sign in a name."
        ),
        mistakes=(
            Mistake(
                answer=[3, 5],
                when=lambda lines: 5 in lines,
                then=_(
                    "Then every path with two dots would be an attack, also one that stays inside."
                ),
                ask=_("Where does the path of line 5 lead?"),
            ),
            Mistake(
                answer=[2, 3, 6],
                when=lambda lines: 2 in lines or 6 in lines,
                then=_("Those were attacks, but they left with a 404 and nine bytes."),
                ask=_("Which of the attacks was given something?"),
            ),
            Mistake(
                answer=[3, 4],
                when=lambda lines: 4 in lines,
                then=_("Then a bakery could not put a percent sign into a name."),
                ask=_("Which sign is %25, and is it dangerous in a name?"),
            ),
        ),
        otherwise=_("Decode each path once. Which of them leaves the folder, and got a 200?"),
        hints=(
            _("%2f is a slash, %25 a percent sign."),
            _("An attack that worked was answered with 200."),
        ),
    ),
)
