"""The shop with an experiment: some users see version A, some B, and what they do is written down.

`GET /?user=mina` shows the first page, `POST /order?user=mina` is an order. Which version a user
sees is decided by a hash of the user's name under the experiment's: so all servers show one user
the same, and nobody has to remember it. Each visit and each order is a line of `tables.USAGE`.
"""

import html
import json
import re
from pathlib import Path
from urllib.parse import parse_qs

from devops_lab import shop
from devops_lab.access_log import AccessLog, Entry, timestamp
from devops_lab.event_log import append
from devops_lab.http1 import Refusal, Reply, Request
from devops_lab.keyed_hash import place_of
from devops_lab.purpose_program import PurposeWebServer, run

USAGE_FILE = "usage.jsonl"
SHARE_ACTION = "share-of-b"
USER_NAME = r"[\w.-]{1,64}"


def variant_of(user: str, experiment: str, share_b: float) -> str:
    """The version that a user sees: "B" for this share of all users, "A" for the others.

    Who sees B goes on seeing it when the share grows.

    >>> [variant_of("mina", "prices", share_b) for share_b in (0.0, 0.5, 1.0)]
    ['A', 'A', 'B']
    """
    return "B" if place_of(user, experiment) < share_b else "A"


class UsageServer(PurposeWebServer):
    """The shop's first page in two versions, and the events of those who use it."""

    def __init__(
        self,
        name: str,
        log: AccessLog,
        folder: Path,
        *,
        experiment: str,
        share_b: float,
        b_has_prices: bool,
    ) -> None:
        super().__init__(name, log, folder)
        self._experiment, self._share_b, self._b_has_prices = experiment, share_b, b_has_prices
        self._for_operators[f"/-/{SHARE_ACTION}"] = self._change_share

    async def reply(self, request: Request, entry: Entry) -> Reply:
        user = parse_qs(request.query).get("user", [""])[0]
        if not re.fullmatch(USER_NAME, user, re.ASCII):
            raise Refusal(400, "Say who asks: /?user=mina (letters, digits, dots and dashes).")
        variant = variant_of(user, self._experiment, self._share_b)
        if (request.method, request.path) == ("GET", "/"):
            self._write("visit", user, variant, entry)
            return self._page(user, variant)
        if (request.method, request.path) == ("POST", "/order"):
            self._write("order", user, variant, entry)
            return _as_page(f"<h1>Thank you, {html.escape(user)}!</h1>", variant)
        raise Refusal(404, "There is GET /?user=mina and POST /order?user=mina.")

    def _change_share(self, request: Request) -> Reply:
        if not self._is_allowed(request):
            raise Refusal(403, "Only the notebook that started this server can do that.")
        self._share_b = float(json.loads(request.body))
        return shop.as_json(self._share_b)

    def _write(self, event: str, user: str, variant: str, entry: Entry) -> None:
        row = {
            "time": timestamp(entry.arrived_s),
            "request_id": entry.request_id,
            "server": self.name,
            "user": user,
            "variant": variant,
            "event": event,
        }
        try:
            append(self.folder / USAGE_FILE, row)
        except OSError as error:
            # The customer gets the bread all the same.
            entry.error = f"The event was not written: {error.strerror}."

    def _page(self, user: str, variant: str) -> Reply:
        has_prices = variant == "B" and self._b_has_prices
        prices = [f" ₩{bread['price_won']:,}" if has_prices else "" for bread in shop.MENU]
        breads = "".join(
            f"<li>{bread['name']}{price}</li>"
            for bread, price in zip(shop.MENU, prices, strict=True)
        )
        form = f'<form method="post" action="order?user={user}"><button>Order</button></form>'
        return _as_page(f"<h1>Moonlight Bakery</h1><ul>{breads}</ul>{form}", variant)


def _as_page(content: str, variant: str) -> Reply:
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Moonlight Bakery</title>'
    body = f"{head}{content}</html>\n".encode()
    # For those who try it; a customer's browser shows it to nobody.
    return Reply(200, "text/html; charset=utf-8", body, {"X-Variant": variant})


def main() -> None:
    """Serve both versions until the process is asked to end."""
    run(UsageServer)
