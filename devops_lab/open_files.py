"""How many connections a process may have: each is an open file, and systems allow few of them."""

import contextlib
import sys

MOST_OPEN_FILES = 20_000


def allow_many_connections() -> None:
    """Raise the number of files this process may open, as far as the system lets it."""
    # Windows has no such limit.
    if sys.platform == "win32":
        return
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    # Some systems call a limit endless, and refuse one so high all the same.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
