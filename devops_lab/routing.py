"""Which rule answers a path: a router as in a web framework, and nginx's choice of a location.

>>> site = Router()
>>> site.add("/orders/<int:number>", "one order")
>>> site.add("/orders/new", "form", methods=["GET", "POST"])
>>> site.match("/orders/7")
Routed(status=200, endpoint='one order', arguments={'number': 7}, location=None, allow=())
>>> site.match("/orders/7", method="DELETE")
Routed(status=405, endpoint=None, arguments={}, location=None, allow=('GET', 'HEAD'))
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from devops_lab.paths import percent_decode, percent_encode, remove_dot_segments
from devops_lab.rules import one_of
from devops_lab.translation import _

Name = TypeVar("Name")


@dataclass(frozen=True)
class Routed:
    """What a router decided. The status is 200, 308 (ask `location` instead), 404, or 405 (the
    path exists, but only for the methods in `allow`)."""

    status: int
    endpoint: Any = None
    arguments: dict[str, Any] = field(default_factory=dict)
    location: str | None = None
    allow: tuple[str, ...] = ()


class Router:
    """Rules such as `/menu` or `/orders/<int:number>`, and the endpoint of each.

    `<name>` is one segment of the path and `<path:name>` one or more; `<int:name>`,
    `<float:name>` and `<uuid:name>` take only what looks like one. In whatever order the rules
    were added, fixed text is tried before a parameter, and a special parameter before a general
    one: the weights are werkzeug's, except that a uuid goes before any text. Of two rules that
    weigh the same, the first added wins. A rule that ends in `/` answers the path without it by a
    redirect, and repeated slashes are redirected to one.
    """

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._plain: dict[tuple[str, str], _Rule] = {}

    def add(self, rule: str, endpoint: Any, *, methods: Iterable[str] = ("GET",)) -> None:
        """Add a rule; HEAD is answered wherever GET is. Raises `ValueError` for a rule that is
        not one, and says what a rule looks like."""
        added = _Rule(rule, endpoint, methods)
        self._rules.append(added)
        self._rules.sort(key=lambda rule: rule.weight)
        if added.is_plain:
            for method in added.methods:
                self._plain.setdefault((rule, method), added)

    def match(self, path: str, method: str = "GET") -> Routed:
        """The decision for a path as it came, without the query. It is decoded once, before any
        rule is tried, so that `%2F` separates just as `/` does."""
        plain = self._plain.get((path, method))
        if plain is not None:
            return Routed(200, plain.endpoint)
        decoded = percent_decode(path)
        routed = self._first_match(decoded, method)
        merged = re.sub("//+", "/", decoded)
        if merged == decoded or routed.status in (200, 308):
            return routed
        routed = self._first_match(merged, method)
        return _redirect(merged) if routed.status == 200 else routed

    def _first_match(self, path: str, method: str) -> Routed:
        allow: set[str] = set()
        for rule in self._rules:
            arguments = rule.arguments(path)
            if arguments is None:
                continue
            lacks_slash = rule.ends_in_slash and not path.endswith("/")
            if method not in rule.methods:
                allow.update(() if lacks_slash else rule.methods)
            elif lacks_slash:
                return _redirect(f"{path}/")
            else:
                return Routed(200, rule.endpoint, arguments)
        return Routed(405, allow=tuple(sorted(allow))) if allow else Routed(404)


def _redirect(path: str) -> Routed:
    return Routed(308, location=percent_encode(path, safe="/!$&'()*+,:;=@"))


# A kind of parameter: what it looks like, what becomes of it, its weight (the light one first).
_KINDS: dict[str, tuple[str, Callable[[str], Any], int]] = {
    "int": (r"[0-9]+", int, 50),
    "float": (r"[0-9]+\.[0-9]+", float, 50),
    "uuid": (r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", UUID, 75),
    "str": (r"[^/]+", str, 100),
    "path": (r"[^/].*?", str, 200),
}
_PARAMETER = re.compile(r"<(?:([^<>:]*):)?([A-Za-z_][A-Za-z0-9_]*)>")


class _Rule:
    def __init__(self, text: str, endpoint: Any, methods: Iterable[str]) -> None:
        _refuse_if_malformed(text)
        self.endpoint = endpoint
        self.methods = _methods(methods)
        self.is_plain = "<" not in text
        self.ends_in_slash = text.endswith("/")
        # One part a segment; <path:...> takes segments, so the rest of the rule belongs to it.
        self.weight = [_weight(part) for part in re.findall(r"/([^/]*<path:.*|[^/]*)", text)]
        fixed, kinds, names = _pieces(text)
        self._converters = {name: _KINDS[kind][1] for kind, name in zip(kinds, names, strict=True)}
        self._pattern = _pattern(fixed, kinds, names)

    def arguments(self, path: str) -> dict[str, Any] | None:
        """The parameters in the path, converted, or None where the rule does not fit."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        try:
            return {name: self._converters[name](text) for name, text in found.groupdict().items()}
        except ValueError:  # an int of thousands of digits
            return None


def _refuse_if_malformed(rule: str) -> None:
    fixed, kinds, names = _pieces(rule)
    is_path = rule.startswith("/") and "//" not in rule
    if not is_path or re.search("[<>]", "".join(fixed)) or len(set(names)) < len(names):
        text = _("rule must be a path such as /orders/<int:number>, each name once, got {value!r}.")
        raise ValueError(text.format(value=rule))
    for kind in kinds:
        one_of("kind", kind, _KINDS)


def _pieces(rule: str) -> tuple[list[str], list[str], list[str]]:
    """The fixed texts, and the kinds and names of the parameters between them."""
    pieces = _PARAMETER.split(rule)
    return pieces[0::3], [kind or "str" for kind in pieces[1::3]], pieces[2::3]


def _pattern(fixed: list[str], kinds: list[str], names: list[str]) -> re.Pattern[str]:
    pattern = re.escape(fixed[0])
    for kind, name, text in zip(kinds, names, fixed[1:], strict=True):
        pattern += f"(?P<{name}>{_KINDS[kind][0]}){re.escape(text)}"
    # The last slash may be missing; the router then redirects.
    return re.compile(re.sub(r"/\Z", r"(?<!/)/?", pattern))


def _weight(part: str) -> tuple[Any, ...]:
    """What sorts before: fixed, then more fixed texts, longer ones, more and lighter parameters."""
    fixed, kinds, _names = _pieces(part)
    if not kinds:
        return (0,)
    lengths = [-len(text) for text in "/".join(fixed).split("/") if text]
    weights = [_KINDS[kind][2] for kind in kinds]
    return (1, -len(lengths), lengths, -len(weights), weights)


def _methods(methods: Iterable[str]) -> frozenset[str]:
    if isinstance(methods, str):
        text = _("methods must be a list, got {value!r}. Write [{value!r}].")
        raise TypeError(text.format(value=methods))
    upper = frozenset(method.upper() for method in methods)
    return upper | {"HEAD"} if "GET" in upper else upper


def nginx_location(locations: Sequence[tuple[str, str, Name]], path: str) -> Name | None:
    r"""The name of the location that nginx chooses for the path; None where none fits.

    A location is (modifier, pattern, name) with nginx's modifiers: `=` is the whole path, no
    modifier its beginning, `~` and `~*` a regular expression with and without regard to case.
    First an exact one; else the longest beginning is kept in mind, and a regular expression goes
    before it, the first in the file's order, unless that beginning is marked `^~`.
    Source: nginx, ngx_http_core_module, "location". (Python's regular expressions are not quite
    those of nginx.)

    >>> locations = [("", "/", "shop"), ("^~", "/images/", "files"), ("~*", r"\.(gif|jpg)$", "old")]
    >>> [nginx_location(locations, path) for path in ("/menu", "/images/1.gif", "/cakes/1.GIF")]
    ['shop', 'files', 'old']
    """
    path = remove_dot_segments(re.sub("//+", "/", percent_decode(path)))
    longest = ("", "", None)
    for modifier, pattern, name in locations:
        if one_of("modifier", modifier, ("=", "", "^~", "~", "~*")) == "=" and pattern == path:
            return name
        if modifier in ("", "^~") and path.startswith(pattern) and len(pattern) > len(longest[1]):
            longest = (modifier, pattern, name)
    for modifier, pattern, name in locations if longest[0] != "^~" else ():
        case = re.IGNORECASE if modifier == "~*" else re.NOFLAG
        if modifier in ("~", "~*") and re.search(pattern, path, case):
            return name
    return longest[2]
