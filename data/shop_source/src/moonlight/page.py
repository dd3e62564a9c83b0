"""What the shop answers: a path in; a status, a label and a text out."""

import os
from importlib.metadata import version

from moonlight.prices import price_won

TEXT = "text/plain; charset=utf-8"


def opening_hours() -> str:
    """When the bakery is open: as its server was told, or as always."""
    return os.environ.get("OPENING_HOURS", "07:00 to 19:00")


def page() -> str:
    """The shop's first page."""
    prices = "".join(f"<li>{rolls}: {price_won(rolls):,} won</li>" for rolls in (1, 6, 13))
    return (
        '<!doctype html><meta charset="utf-8"><title>Moonlight Bakery</title>'
        f"<h1>Moonlight Bakery</h1><p>Open {opening_hours()}</p>"
        f"<p>Rolls, every thirteenth is a gift:</p><ul>{prices}</ul>"
        f"<p>Release {version('moonlight')}</p>"
    )


def answer(path: str) -> tuple[int, str, str]:
    """The answer to a path."""
    if path == "/":
        return 200, "text/html; charset=utf-8", page()
    if path == "/healthz":
        return 200, TEXT, "ok"
    first, _, rolls = path.removeprefix("/").partition("/")
    if first == "price" and rolls.isdecimal():
        return 200, TEXT, str(price_won(int(rolls)))
    return 404, TEXT, "Not found"
