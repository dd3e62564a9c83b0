"""What a server does with the text after the host: a URL and its parts, percent-coding, dot
segments, and the step that can give a whole disk away: from a path to a file.

A path looks like the name of a file and is not one. It is text from a stranger, in a code of its
own (RFC 3986), and the server decides what it means.

>>> percent_decode("/orders/%ED%95%9C")
'/orders/한'
>>> resolve("http://bakery.example/menu/cakes", "../orders/7?paid=yes")
'http://bakery.example/orders/7?paid=yes'
"""

import os
import posixpath
import re
import string
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from urllib.parse import quote, unquote, unquote_to_bytes

from devops_lab.translation import _

LONGEST_PATH = 4096  # characters; servers in use draw this line between 4,000 and 8,000

_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<authority>[^/?#]*))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Url:
    """The parts of a URL. None is a part that is absent: `/menu?` has an empty query, `/menu` none.

    >>> url = Url.parse("http://bakery.example:8000/menu/cakes?sort=price#top")
    >>> url.authority, url.path, url.query
    ('bakery.example:8000', '/menu/cakes', 'sort=price')
    """

    scheme: str | None
    authority: str | None
    path: str
    query: str | None
    fragment: str | None

    @classmethod
    def parse(cls, text: str) -> "Url":
        """The parts of the text (RFC 3986, appendix B); every text has them, even a wrong one."""
        parts = _URL.fullmatch(text)
        assert parts is not None, "every part is optional and takes any character"
        return cls(**parts.groupdict())

    def __str__(self) -> str:
        """The text again (RFC 3986, 5.3)."""
        scheme = "" if self.scheme is None else f"{self.scheme}:"
        authority = "" if self.authority is None else f"//{self.authority}"
        # Without an authority, the path //menu would be read back as the host "menu".
        path = f"/.{self.path}" if not authority and self.path.startswith("//") else self.path
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return scheme + authority + path + query + fragment


def resolve(base: str, reference: str) -> str:
    """The URL that a link (`reference`) on the page `base` leads to; RFC 3986, 5.2.2, strict.

    `urllib.parse.urljoin` is close, but reads `http:g` as `g` and loses an empty query.

    >>> resolve("http://bakery.example/menu/", "cakes")
    'http://bakery.example/menu/cakes'
    >>> resolve("http://bakery.example/menu", "cakes")
    'http://bakery.example/cakes'
    """
    page, link = Url.parse(base), Url.parse(reference)
    if link.scheme is not None:
        return str(replace(link, path=remove_dot_segments(link.path)))
    if link.authority is not None:
        return str(replace(link, scheme=page.scheme, path=remove_dot_segments(link.path)))
    if not link.path:
        query = page.query if link.query is None else link.query
        return str(replace(page, query=query, fragment=link.fragment))
    path = remove_dot_segments(_merged(page, link.path))
    return str(replace(page, path=path, query=link.query, fragment=link.fragment))


def _merged(page: Url, path: str) -> str:
    if path.startswith("/"):
        return path
    if page.authority is not None and not page.path:
        return f"/{path}"
    return page.path[: page.path.rfind("/") + 1] + path


def remove_dot_segments(path: str) -> str:
    """The path without `.` and `..`, which are read as text, never on a disk (RFC 3986, 5.2.4).

    >>> remove_dot_segments("/menu/./cakes/../bread")
    '/menu/bread'
    >>> remove_dot_segments("/../../etc/passwd")
    '/etc/passwd'
    """
    path = re.sub(r"\A(\.\.?/)*(\.\.?\Z)?", "", path)
    kept: list[str] = []
    for segment in re.findall(r"/?[^/]+|/", path):
        if segment == "/..":
            del kept[-1:]
        elif segment != "/.":
            kept.append(segment)
    if path.endswith(("/.", "/..")):
        kept.append("/")
    return "".join(kept)


def normalise(path: str) -> str:
    """The one spelling of all paths that mean the same (RFC 3986, 6.2.2).

    Letters, digits and `-._~` are decoded, other codes get capital letters, dot segments go.
    Compare paths in this spelling only.

    >>> normalise("/%6denu/%2e%2e/caf%c3%a9")
    '/caf%C3%A9'
    """
    return remove_dot_segments(re.sub(r"%[0-9A-Fa-f]{2}", _plain_if_unreserved, path))


def _plain_if_unreserved(code: re.Match[str]) -> str:
    character = chr(int(code[0][1:], 16))
    unreserved = string.ascii_letters + string.digits + "-._~"
    return character if character in unreserved else code[0].upper()


def percent_decode(text: str) -> str:
    """The text with each `%XX` read once as a byte of UTF-8; what is no code stays as it is.

    >>> percent_decode("%252e"), percent_decode("100%")
    ('%2e', '100%')
    """
    return unquote(text, errors="replace")


def percent_encode(text: str, safe: str = "/") -> str:
    """The text with everything but letters, digits, `-._~` and the `safe` characters as `%XX`.

    >>> percent_encode("/menu/달 50%")
    '/menu/%EB%8B%AC%2050%25'
    """
    return quote(text, safe=safe, errors="replace")


class PathRefused(ValueError):  # noqa: N818
    """The path leads out of the folder, or could on some system; the message says why."""


class FolderWithoutSlash(Exception):  # noqa: N818
    """The path names a folder and lacks the last slash. Redirect to `location`: on the page
    `/menu` a link to `cakes` means `/cakes`, on `/menu/` it means `/menu/cakes`."""

    def __init__(self, path: str) -> None:
        self.location = f"{path}/"
        super().__init__(self.location)


def safe_file(root: Path, path: str) -> Path:
    """The file below `root` that a request's path (as it came, without the query) asks for.

    One idea: decode once, join, resolve, and only then check that the result is still inside.
    Looking for `..` in the text is too early: `%2e%2e` is not `..` yet, and a symbolic link never
    has one. Decoding twice is too late: what was checked is not what is opened.

    A folder gives its `index.html`. Raises `PathRefused`, `FolderWithoutSlash`, or
    `FileNotFoundError` where there is no file.

    >>> safe_file(Path("data/site"), "/%2e%2e/%2e%2e/etc/passwd")
    Traceback (most recent call last):
    devops_lab.paths.PathRefused: The path leads out of the folder.
    """
    text = _decoded(path)
    file = _on_disk(root, join_inside(root.as_posix(), text.removeprefix("/")))
    if file.is_dir():
        if not text.endswith("/"):
            raise FolderWithoutSlash(path)
        file = _on_disk(root, file / "index.html")
    elif text.endswith("/"):
        raise FileNotFoundError(path)
    # A named pipe or a device would never end.
    if not file.is_file():
        raise FileNotFoundError(path)
    return file


def join_inside(folder: str, path: str) -> str:
    """The folder and the relative path as one, judged by the text alone.

    Not enough for a server (a symbolic link is not seen); `safe_file` looks at the disk as well.

    >>> join_inside("site", "menu/../index.html")
    'site/index.html'
    """
    folder = folder or "."
    if not path:
        return folder
    inside = posixpath.normpath(path)
    if inside.startswith("/") or inside == ".." or inside.startswith("../"):
        raise PathRefused(_("The path leads out of the folder."))
    return posixpath.join(folder, inside)


def _on_disk(root: Path, file: str | Path) -> Path:
    try:
        resolved = Path(os.path.realpath(file, strict=True))
    except OSError as reason:
        raise FileNotFoundError(str(file)) from reason
    if not resolved.is_relative_to(os.path.realpath(root)):
        raise PathRefused(_("A link leads out of the folder."))
    return resolved


# Refused on every system, so that a site that is safe on one is safe on the others.
_REFUSED = (
    (r"[\x00-\x1f\x7f-\x9f]", _("The path has a control character.")),
    (r"\\", _("The path has a backslash, which separates folders on Windows.")),
    (r":", _("The path has a colon, which marks a drive or a stream on Windows.")),
    (
        r"(?i)(\A|/)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.[^/]*)?(/|\Z)",
        _("The path names a device of Windows."),
    ),
)


def _decoded(path: str) -> str:
    if len(path) > LONGEST_PATH:
        raise PathRefused(_("The path is longer than {most} characters.").format(most=LONGEST_PATH))
    try:
        text = unquote_to_bytes(path).decode("utf-8")
    except UnicodeError as reason:
        raise PathRefused(_("The path is not UTF-8.")) from reason
    for pattern, refusal in _REFUSED:
        if re.search(pattern, text):
            raise PathRefused(refusal)
    return text


_TEXT_TYPES = {
    ".css": "text/css",
    ".csv": "text/csv",
    ".htm": "text/html",
    ".html": "text/html",
    ".js": "text/javascript",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".txt": "text/plain",
}
_OTHER_TYPES = {
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".gz": "application/gzip",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
    ".zip": "application/zip",
}


def content_type(path: str | PurePath) -> str:
    """The Content-Type of a file by its name's ending, the same on every machine.

    An unknown ending is `application/octet-stream`: the browser saves the file, and guesses
    nothing. JSON says nothing of its character set, because it is always UTF-8 (RFC 8259).

    >>> content_type("menu.html"), content_type("logo.PNG")
    ('text/html; charset=utf-8', 'image/png')
    """
    ending = PurePath(path).suffix.lower()
    if ending in _TEXT_TYPES:
        return f"{_TEXT_TYPES[ending]}; charset=utf-8"
    return _OTHER_TYPES.get(ending, "application/octet-stream")


# No file is so long, so a number of more than 18 digits makes the header one to ignore.
_TO_THE_END = 10**18
_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18})")


def byte_ranges(header: str, length: int) -> list[tuple[int, int]] | None:
    """The first and last byte of each part that a Range header asks for (RFC 9110, 14.1.2).

    An empty list: the file has no such part, the answer is 416. None: this is no range of bytes,
    the header is to be ignored.

    >>> byte_ranges("bytes=0-499, -500", length=10_000)
    [(0, 499), (9500, 9999)]
    """
    unit, _equals, parts = header.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    ranges = []
    for part in parts.split(","):
        found = _RANGE.fullmatch(part.strip(" \t"))
        if found is None:
            return None
        first, last = _first_and_last(*found.groups(), length)
        if last < first:
            return None
        if first < length:
            ranges.append((first, min(last, length - 1)))
    return ranges


def _first_and_last(
    first: str | None, last: str | None, final: str | None, length: int
) -> tuple[int, int]:
    if first is None:
        return max(0, length - int(final)), _TO_THE_END
    return int(first), int(last or _TO_THE_END)
