"""The exercises of lesson 02, paths and resources."""

import json
import re
from collections.abc import Callable
from typing import Any

from devops_lab.attacks import CLIMBS, HARMLESS, PICTURE, SIDE_DOORS
from devops_lab.http1 import Reply as Checked
from devops_lab.paths import normalise
from devops_lab.questions import Case, Exercise, Failed, Mistake
from devops_lab.questions.answers import chose, is_brief, letter, sentences, told_in_jargon
from devops_lab.route_function import as_reply
from devops_lab.servers import Server
from devops_lab.translation import _

Reply = tuple[int, str, Any]
_SECRET = "patience"


def _wanted(path: str, wanted: str, holds: Callable[[Checked], bool]) -> Case:
    """A case of a routing function: the reply has a reply's shape, and passes the test."""
    return Case((path,), wanted, lambda gave: holds(as_reply(gave)))


def _not_found(path: str) -> Case:
    return _wanted(path, _("status 404"), lambda reply: reply.status == 404)


def _path(failed: Failed) -> str:
    return failed.case.arguments[0]


def _status(failed: Failed) -> int:
    return as_reply(failed.gave).status


def _body(failed: Failed) -> str:
    return as_reply(failed.gave).body.decode(errors="replace")


# The bakery's router.

_ROUTE_CASES = (
    _wanted(
        "/",
        _("status 200, text/html, and a page with the word Bakery"),
        lambda reply: (
            reply.status == 200
            and reply.content_type.startswith("text/html")
            and b"Bakery" in reply.body
        ),
    ),
    _wanted(
        "/menu",
        _("status 200, application/json, and the text {text}").format(text='{"bread": 3}'),
        lambda reply: (
            reply.status == 200
            and reply.content_type.startswith("application/json")
            and json.loads(reply.body) == {"bread": 3}
        ),
    ),
    _not_found("/cake-of-tomorrow"),
    _not_found("/menu/extra"),
    _not_found("/Menu"),
)


def _works_behind_a_server(route: Callable[[str], Reply]) -> bool:
    with Server(route=route, name="yours") as server:
        for case in _ROUTE_CASES:
            answer = server.get(*case.arguments)
            if not case.holds((answer.status, answer.headers["Content-Type"], answer.body)):
                return False
    return True


def _is_no_triple(failed: Failed) -> bool:
    return not failed.raised and not (
        isinstance(failed.gave, (tuple, list)) and len(failed.gave) == 3
    )


# Example answers: functions as a learner writes them, each with its own mistake.


def _route(path: str) -> Reply:
    if path == "/":
        return 200, "text/html; charset=utf-8", "<h1>Moonlight Bakery</h1>"
    if path == "/menu":
        return 200, "application/json", '{"bread": 3}'
    return 404, "text/plain; charset=utf-8", "Not found"


def _route_without_return(path: str) -> None:
    _route(path)


def _route_only_text(path: str) -> str:
    return _route(path)[2]


def _route_status_as_text(path: str) -> Any:
    status, label, body = _route(path)
    return str(status), label, body


def _route_python_dict(path: str) -> Reply:
    return (200, "application/json", {"bread": 3}) if path == "/menu" else _route(path)


def _route_small_letters(path: str) -> Reply:
    status, label, body = _route(path)
    return status, label, body.lower()


def _route_plain_page(path: str) -> Reply:
    status, label, body = _route(path)
    return status, label.replace("text/html", "text/plain"), body


def _route_everything_found(path: str) -> Reply:
    return (200, "text/plain", "Not found") if _route(path)[0] == 404 else _route(path)


def _route_blames_itself(path: str) -> Reply:
    return (500, "text/plain", "Not found") if _route(path)[0] == 404 else _route(path)


def _route_wrong_label(path: str) -> Reply:
    status, _label, body = _route(path)
    return status, "text/html; charset=utf-8", body


def _route_by_beginning(path: str) -> Reply:
    return _route("/menu") if path.startswith("/menu") else _route(path)


def _route_python_text(path: str) -> Reply:
    return (200, "application/json", str({"bread": 3})) if path == "/menu" else _route(path)


# The explanation for the baker.

_SPELLING_WORDS = re.compile(
    r"writ|wrote|spell|letters|signs|text|word|name|disguis|looked|글자|적|쓰|썼|철자|이름|표기|변장|문자",
    re.IGNORECASE,
)
_PLACE_WORDS = re.compile(
    r"place|where|lead|led|door|room|way|same|meant|means|outside|곳|어디|길|문|장소|같은|밖|뜻",
    re.IGNORECASE,
)
_JARGON = re.compile(
    r"%|\.\./|encod|decod|\burls?\b|unquote|traversal|http|인코딩|디코딩|경로 탐색",
    re.IGNORECASE,
)
_BREAK_IN = re.compile(r"hack|broke in|password|virus|해킹|해커|비밀번호|바이러스", re.IGNORECASE)


def _names_spelling(text: str) -> bool:
    return bool(_SPELLING_WORDS.search(text) and _PLACE_WORDS.search(text))


def _explains(text: Any) -> bool:
    return (
        len(sentences(text)) >= 2
        and _names_spelling(text)
        and not _JARGON.search(text)
        and not _BREAK_IN.search(text)
    )


# A function that cannot be robbed.


def _gives(body: bytes) -> Callable[[Checked], bool]:
    return lambda reply: reply.status == 200 and body in reply.body


def _refused(path: str) -> Case:
    return _wanted(
        path,
        _("status 404, and not a word of the recipe"),
        lambda reply: reply.status == 404 and _SECRET.encode() not in reply.body,
    )


_SAFE_CASES = (
    _wanted("/index.html", _("status 200 and the page"), _gives(b"Bakery")),
    *map(_refused, CLIMBS.values()),
    *map(_refused, SIDE_DOORS.values()),
    *map(_not_found, ("/cake.html", "/recipes")),
    _wanted(HARMLESS["a letter encoded"], _("status 200 and the page"), _gives(b"Bakery")),
    _wanted(HARMLESS["dots that stay inside"], _("status 200 and the page"), _gives(b"Bakery")),
    _wanted(HARMLESS["a percent sign"], _("status 200 and 50%-off.html"), _gives(b"Half price")),
    _wanted(HARMLESS["a picture"], _("status 200 and the picture's bytes"), _gives(PICTURE)),
)
_FILES = {"/index.html": "Bakery", "/50%25-off.html": "Half price", "/bread.png": PICTURE}


def _leaked(failed: Failed) -> bool:
    return _SECRET in _body(failed)


def _safe(path: str) -> Reply:
    if normalise(path) in _FILES:
        return 200, "application/octet-stream", _FILES[normalise(path)]
    return 404, "text/plain", "Not found"


def _safe_except(spoilt: str, reply: Reply) -> Callable[[str], Reply]:
    """A function that is safe, but for one path."""

    def safe(path: str) -> Reply:
        return reply if path == spoilt else _safe(path)

    return safe


_STOLEN = (200, "text/plain", "rye and patience")
_GONE = (404, "text/plain", "Not found")


def _safe_without_return(path: str) -> None:
    _safe(path)


def _safe_but_fails(path: str) -> Reply:
    if normalise(path) not in _FILES:
        raise FileNotFoundError(path)
    return _safe(path)


def _safe_but_nul(path: str) -> Reply:
    if "%00" in path:
        raise ValueError("embedded null byte")
    return _safe(path)


def _safe_but_reads_text(path: str) -> Reply:
    status, label, body = _safe(path)
    return status, label, body.decode() if isinstance(body, bytes) else body


def _answers_climbs_with(status: int) -> Callable[[str], Reply]:
    def safe(path: str) -> Reply:
        return (status if path in CLIMBS.values() else _safe(path)[0]), *_safe(path)[1:]

    return safe


_LINK = "http://moonlight.example/images/tea.svg"


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
        cases=_ROUTE_CASES,
        right_answers=(_route,),
        because=_("Path in; status, label and bytes out. That is a web framework in small."),
        mistakes=(
            Mistake(
                answer=_route_without_return,
                when=lambda failed: failed.gave is None and not failed.raised,
                then=_("Then the server has nothing to send: None is what no return gives."),
                ask=_("Does every way through your function end with a return?"),
            ),
            Mistake(
                answer=_route_only_text,
                when=_is_no_triple,
                then=_("Then the server could not tell status, label and body from each other."),
                ask=_("Which three things stand after each return of the function hello?"),
            ),
            Mistake(
                answer=_route_status_as_text,
                when=lambda failed: isinstance(failed.gave[0], str),
                then=_("Then the status is a text in quotes, and no number that can be compared."),
                ask=_("How does the function hello write its 200?"),
            ),
            Mistake(
                answer=_route_python_dict,
                when=lambda failed: isinstance(failed.gave[2], (dict, list, int)),
                then=_("Then there are no bytes to send: a network carries no Python objects."),
                ask=_("How do you write the same as a text, in quotation marks?"),
            ),
            Mistake(
                answer=_route_plain_page,
                when=lambda failed: (
                    _path(failed) == "/" and failed.gave[1].startswith("text/plain")
                ),
                then=_("Then the customer would see the angle brackets instead of a page."),
                ask=_("Which label did the tab with the big headline have?"),
            ),
            Mistake(
                answer=_route_small_letters,
                when=lambda failed: (
                    _path(failed) == "/"
                    and "bakery" in _body(failed).lower()
                    and "Bakery" not in _body(failed)
                ),
                then=_("Then the shop's name would begin with a small letter on its own page."),
                ask=_("How is the word written in the text of the exercise?"),
            ),
            Mistake(
                answer=_route_everything_found,
                when=lambda failed: _path(failed) == "/cake-of-tomorrow" and _status(failed) == 200,
                then=_(
                    "Then a page that does not exist is reported as found, and search engines "
                    "and alarms believe it."
                ),
                ask=_("Which status says: I understood you, but there is nothing here?"),
            ),
            Mistake(
                answer=_route_blames_itself,
                when=lambda failed: _status(failed) >= 500,
                then=_("Then each mistyped path would wake the person on duty: 5xx is our fault."),
                ask=_("Whose mistake is a path that does not exist: the shop's, or the asker's?"),
            ),
            Mistake(
                answer=_route_wrong_label,
                when=lambda failed: (
                    _path(failed) == "/menu" and not failed.gave[1].startswith("application/json")
                ),
                then=_("Then a browser or a program would read the menu as something else."),
                ask=_("Which label does the exercise ask for at /menu?"),
            ),
            Mistake(
                answer=_route_python_text,
                when=lambda failed: _path(failed) == "/menu" and "'" in _body(failed),
                then=_(
                    "Then the text would be Python, not JSON: no JSON reader takes single quotes."
                ),
                ask=_("Which quotation marks does JSON use?"),
            ),
            Mistake(
                answer=_route_by_beginning,
                when=lambda failed: _path(failed) == "/menu/extra" and _status(failed) == 200,
                then=_("Then /menu/extra and /menus-of-old would show the menu as well."),
                ask=_(
                    "How do you ask whether two texts are equal, not only alike at the beginning?"
                ),
            ),
        ),
        otherwise=_("What does your function do with that path, line by line?"),
        hints=(
            _("Start from the function hello above, and add one more if."),
            _("A body is text: write the JSON inside single quotes, its names in double ones."),
        ),
    ),
    Exercise(
        id="02.naive",
        number=3,
        kind="read",
        title=_("Three requests, three statuses"),
        is_right=lambda statuses: list(statuses) == [200, 403, 200],
        right_answers=([200, 403, 200], (200, 403, 200)),
        because=_(
            "The filter saw the plain dots. The encoded ones became dots after it had looked."
        ),
        mistakes=(
            Mistake(
                answer=["200", "403", "200"],
                when=lambda statuses: any(isinstance(status, str) for status in statuses),
                then=_("In quotes it is a text: Python does not take “200” for the number 200."),
                ask=_("How do you write the three as numbers, without quotes?"),
            ),
            Mistake(
                answer=[200, 403, 403],
                when=lambda statuses: list(statuses) == [200, 403, 403],
                then=_("Then the filter would have recognised two dots in %2e%2e."),
                ask=_("Which signs does that path have at the moment when the filter looks?"),
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
        is_right=callable,
        cases=_SAFE_CASES,
        right_answers=(_safe,),
        because=_("It judges where the path leads, so no spelling gets past it."),
        mistakes=(
            Mistake(
                answer=_safe_without_return,
                when=_is_no_triple,
                then=_("Then there is nothing to send: an answer is a status, a label and bytes."),
                ask=_("Does every way through your function return these three?"),
            ),
            Mistake(
                answer=_safe_except(SIDE_DOORS["a folder named alike"], _STOLEN),
                when=lambda failed: (
                    _leaked(failed) and _path(failed) == SIDE_DOORS["a folder named alike"]
                ),
                then=_(
                    "Then the recipe is out by the next door: the name site-backup begins with "
                    "site, and lies outside it."
                ),
                ask=_("How can you compare folders instead of the beginnings of two texts?"),
            ),
            Mistake(
                answer=_safe_except(SIDE_DOORS["a link that leads out"], _STOLEN),
                when=lambda failed: (
                    _leaked(failed) and _path(failed) == SIDE_DOORS["a link that leads out"]
                ),
                then=_("Then the recipe is out through a link, which has no dots in its name."),
                ask=_("Which step of the three follows the links before you look?"),
            ),
            Mistake(
                answer=_safe_except(CLIMBS["encoded dots"], _STOLEN),
                when=_leaked,
                then=_("Then the recipe is out: one of the tricks got it."),
                ask=_("Where does your function look: at the text of the path, or where it leads?"),
            ),
            Mistake(
                answer=_safe_but_nul,
                when=lambda failed: (
                    type(failed.raised) is ValueError and "null" in str(failed.raised)
                ),
                then=_(
                    "Then a stranger makes your server fail with three signs: %00 becomes a NUL, "
                    "no file may have one in its name, and Python raises a ValueError."
                ),
                ask=_("Which errors can come from a path that a stranger wrote?"),
            ),
            Mistake(
                answer=_safe_but_reads_text,
                when=lambda failed: isinstance(failed.raised, UnicodeError),
                then=_("Then a customer gets a 500 instead of a picture: not all bytes are text."),
                ask=_("Which method of a path gives the bytes as they are?"),
            ),
            Mistake(
                answer=_safe_but_fails,
                when=lambda failed: failed.raised or _status(failed) >= 500,
                then=_(
                    "Then somebody who mistypes a path gets a 500, and the person on duty is "
                    "woken up for it."
                ),
                ask=_("Which exception came out of your function, and where could you catch it?"),
            ),
            Mistake(
                answer=_answers_climbs_with(403),
                when=lambda failed: _status(failed) == 403,
                then=_(
                    "Then the answer would tell a thief that there is something behind the door."
                ),
                ask=_("Which status says the same for a missing file and for a forbidden one?"),
            ),
            Mistake(
                answer=_answers_climbs_with(400),
                when=lambda failed: _status(failed) == 400,
                then=_(
                    "Many servers say so, ours too. But then a thief learns which of the tricks "
                    "you have seen through, and which path only has no file."
                ),
                ask=_("Which one status does the exercise ask for, whatever the reason?"),
            ),
            Mistake(
                answer=_safe_except(HARMLESS["a percent sign"], _GONE),
                when=lambda failed: _path(failed) == HARMLESS["a percent sign"],
                then=_("Then the bakery could not sell at half price: the file is 50%-off.html."),
                ask=_("How many times does your function decode the path?"),
            ),
            Mistake(
                answer=lambda path: _GONE,
                when=lambda failed: _path(failed) in HARMLESS.values() and _status(failed) == 404,
                then=_(
                    "Then somebody who asks for a page of the bakery, in one of its spellings, is "
                    "sent away."
                ),
                ask=_("Where does that path lead, and is that place inside?"),
            ),
        ),
        otherwise=_("What does your function do with that path, line by line?"),
        hints=(
            _("Let safe_file decide, and turn what it raises into an answer."),
            _("PathRefused, FileNotFoundError and FolderWithoutSlash all mean 404 here."),
        ),
    ),
    Exercise(
        id="02.choose",
        number=7,
        kind="choose",
        title=_("One decoding too many"),
        is_right=lambda decision: chose("c")(decision) and len(decision[1].split()) >= 3,
        right_answers=(
            ["c", "What is checked is then what is opened."],
            ("C", "검사한 경로와 여는 경로가 같아집니다."),
        ),
        because=_(
            "Decoded once, and looked at where it leads: then nothing can change between the look "
            "and the opening, and no page is lost."
        ),
        mistakes=(
            Mistake(
                answer=["a", "No dots and no percent signs can come in."],
                when=chose("a"),
                then=_(
                    "Then the page 50%-off.html cannot be asked for any more, and other spellings "
                    "than this one still reach the server."
                ),
                ask=_("Is that a rule about where a path leads, or one about its text?"),
            ),
            Mistake(
                answer=["b", "In the end nothing is left to decode."],
                when=chose("b"),
                then=_(
                    "Then a file with a percent sign and two digits in its name could never be "
                    "reached, and the two servers would still read one path in two ways."
                ),
                ask=_("How many times was the path encoded by whoever wrote the link?"),
            ),
            Mistake(
                answer=["c", "It works."],
                when=chose("c"),
                then=_("Then your colleague would ask: and what is wrong with the other two?"),
                ask=_("Can you defend it in a line? What do the others lose, or leave open?"),
            ),
            Mistake(
                answer="c",
                when=letter,
                then=_("Then your colleagues would have to take your word for it."),
                ask=_("Can you give a letter and a line of reasons, each in quotation marks?"),
            ),
        ),
        otherwise=_("Which of the letters a, b and c is it, and which line defends it?"),
        hints=(
            _("Follow /50%25-off.html through each of the three as well."),
            _("What you check and what you open should be the same text."),
        ),
    ),
    Exercise(
        id="02.explain",
        number=8,
        kind="explain",
        title=_("Explain it to the baker"),
        is_right=_explains,
        right_answers=(
            "We looked for one way of writing the forbidden door. The stranger wrote it in "
            "another way, and it led to the same place.",
            "우리는 글자만 보고 막았습니다. 손님은 같은 곳을 다른 글자로 적었습니다.",
        ),
        because=_(
            "The check saw two sentences about a place and the ways to write it. Whether the baker "
            "understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="They wrote the path in another way.",
                when=is_brief,
                then=_("Then the baker would ask: but was there not a line of code against that?"),
                ask=_("Can you say in a second sentence what our own line looked at?"),
            ),
            told_in_jargon(
                "They used percent-encoding. Our filter did not decode the URL.",
                _JARGON,
            ),
            Mistake(
                answer="A hacker broke in at night. We need a better password.",
                when=_BREAK_IN.search,
                then=_("Then the baker would buy a stronger lock, for a door that stood open."),
                ask=_("Did anybody break anything, or did they just ask for it politely?"),
            ),
            Mistake(
                answer="There was a mistake in our code. It will be mended today.",
                when=lambda text: not _names_spelling(text),
                then=_("Then the baker would still not know how they got it."),
                ask=_("What did our line look at, and what does the stranger's wish mean?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of a doorman who lets in nobody called Kim, and of a guest with a pen name."),
            _("One sentence about what we looked at, one about what the stranger did."),
        ),
    ),
    Exercise(
        id="02.photos",
        number=9,
        kind="transfer",
        title=_("The photo studio's log"),
        is_right=lambda lines: sorted(set(lines)) == [3, 6],
        right_answers=([3, 6], (6, 3), {3, 6}),
        because=_(
            "Both got the same bytes, which are no photo. The name came in the query this "
            "time, and the studio, too, searched a text instead of looking where it led."
        ),
        mistakes=(
            Mistake(
                answer=[2, 3, 6],
                when=lambda lines: 2 in lines,
                then=_("That was an attack, but it left with a 404 and nine bytes."),
                ask=_("Which of the attacks were given something?"),
            ),
            Mistake(
                answer=[3, 5, 6],
                when=lambda lines: 5 in lines,
                then=_(
                    "Then every name with two dots would be an attack, also one that stays inside."
                ),
                ask=_("Where does the name of line 5 lead?"),
            ),
            Mistake(
                answer=[3, 4, 6],
                when=lambda lines: 4 in lines,
                then=_("Then a studio could not put a percent sign into a name."),
                ask=_("Which sign is %25, and is it dangerous in a name?"),
            ),
            Mistake(
                answer=[6],
                when=lambda lines: list(lines) == [6],
                then=_("Then four dots in a row would be only a strange name."),
                ask=_("What is left of line 3 when each ../ is cut out of it, once?"),
            ),
            Mistake(
                answer=[3],
                when=lambda lines: list(lines) == [3],
                then=_("Then there would be no ../ to find in line 6, and none to follow either."),
                ask=_("Which sign is %2f, and who decodes it after the studio has looked?"),
            ),
        ),
        otherwise=_("Which lines got something that is no photo? Look at the bytes, too."),
        hints=(
            _("%2f is a slash, %25 a percent sign. Cut ../ out of each name by hand."),
            _("An attack that worked was answered with 200, and with the same bytes each time."),
        ),
    ),
)
