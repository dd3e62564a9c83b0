"""The shop with a login: it knows its visitors by a cookie, and keeps their sessions in one of
three places: its own memory, a store outside, or the cookie itself.

`POST /login` with `name=Mina` begins a session, `POST /basket` with `bread=moon-rye` puts a bread
into the basket, `/` shows it, and `/session` gives it as JSON. Who is not known gets a 401 with a
form to log in.
"""

import asyncio
import html
import json
import os
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs

from devops_lab import client, shop
from devops_lab.access_log import AccessLog, Entry
from devops_lab.http1 import Refusal, Reply, Request
from devops_lab.purpose_program import PurposeWebServer, run
from devops_lab.session_store import STORE_HEADER, STORE_VARIABLE
from devops_lab.signed_cookie import Session, signed, verified

COOKIE = "moonlight_session"
SECRET_VARIABLE = "DEVOPS_LAB_SESSION_SECRET"
MOST_BREADS = 20
STORE_PATIENCE_S = 1.0
BREADS = {item["id"]: item["name"] for item in shop.MENU}


class Keeper(Protocol):
    """Where sessions are: `find` takes what the visitor's cookie says, `keep` returns what it is
    to say from now on ("" before the first)."""

    async def find(self, cookie: str) -> Session | None: ...

    async def keep(self, cookie: str, session: Session) -> str: ...


class InMemory:
    """In this process: quick, and nobody else knows of it."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    async def find(self, cookie: str) -> Session | None:
        return self._sessions.get(cookie)

    async def keep(self, cookie: str, session: Session) -> str:
        session_id = cookie or secrets.token_hex(16)
        self._sessions[session_id] = session
        return session_id


class InStore:
    """In the store, a process of its own, that all servers ask."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._headers = {STORE_HEADER: os.environ[STORE_VARIABLE]}

    async def find(self, cookie: str) -> Session | None:
        if not re.fullmatch("[0-9a-f]{32}", cookie):
            return None
        answer = await self._ask("GET", cookie)
        return answer.json() if answer.status == 200 else None

    async def keep(self, cookie: str, session: Session) -> str:
        session_id = cookie or secrets.token_hex(16)
        answer = await self._ask("PUT", session_id, json.dumps(session))
        if answer.status != 200:
            raise Refusal(503, f"The session store refused: {answer.text.strip()}")
        return session_id

    async def _ask(self, method: str, session_id: str, body: str = "") -> client.Answer:
        try:
            return await asyncio.to_thread(
                client.ask,
                self._port,
                f"/sessions/{session_id}",
                method=method,
                headers=self._headers,
                body=body,
                timeout_s=STORE_PATIENCE_S,
            )
        except OSError:
            raise Refusal(503, "The session store does not answer.") from None


class InCookie:
    """With the visitor, signed; see `devops_lab.signed_cookie`."""

    def __init__(self) -> None:
        self._secret = os.environ[SECRET_VARIABLE]

    async def find(self, cookie: str) -> Session | None:
        return verified(cookie, self._secret)

    async def keep(self, cookie: str, session: Session) -> str:
        return signed(session, self._secret)


class SessionServer(PurposeWebServer):
    """The shop's pages for a visitor who is known, or not."""

    def __init__(
        self, name: str, log: AccessLog, folder: Path, *, sessions: str, store_port: int = 0
    ) -> None:
        super().__init__(name, log, folder)
        keepers = {"memory": InMemory, "cookie": InCookie, "store": lambda: InStore(store_port)}
        self._keeper: Keeper = keepers[sessions]()

    async def reply(self, request: Request, entry: Entry) -> Reply:
        if (request.method, request.path) == ("POST", "/login"):
            name = _field(request, "name")
            return await self._keep("", {"name": name, "basket": []})
        cookie = _cookie(request)
        session = await self._keeper.find(cookie) if cookie else None
        if session is None:
            return self._unknown()
        if (request.method, request.path) == ("POST", "/basket"):
            return await self._keep(cookie, _with_bread(session, _field(request, "bread")))
        if request.path == "/session":
            return shop.as_json(session)
        if request.path == "/":
            return _page(200, self._shop(session))
        raise Refusal(404, "There is /, /session, and by POST /login and /basket.")

    async def _keep(self, cookie: str, session: Session) -> Reply:
        kept = await self._keeper.keep(cookie, session)
        # Back to the shop's page by a relative way, which also leads home behind a proxy's prefix.
        headers = {
            "Location": "./",
            "Set-Cookie": f"{COOKIE}={kept}; Path=/; HttpOnly; SameSite=Lax",
        }
        return Reply(303, "text/plain; charset=utf-8", b"See the shop.\n", headers)

    def _unknown(self) -> Reply:
        form = (
            "<h1>Please log in</h1><p>We do not know you.</p>"
            '<form method="post" action="login"><label>Name <input name="name" value="Mina">'
            "</label> <button>Log in</button></form>"
        )
        reply = _page(401, form + self._signature())
        # A 401 says how to get in (RFC 9110, 15.5.2); no browser opens a window of its own for it.
        reply.headers["WWW-Authenticate"] = "Form"
        return reply

    def _shop(self, session: Session) -> str:
        buttons = "".join(
            f'<button name="bread" value="{bread}">{html.escape(name)}</button> '
            for bread, name in BREADS.items()
        )
        basket = ", ".join(BREADS[bread] for bread in session["basket"]) or "empty"
        return (
            f"<h1>Good morning, {html.escape(session['name'])}!</h1>"
            f"<p>Your basket: {html.escape(basket)}</p>"
            f'<form method="post" action="basket">{buttons}</form>'
            f'<p><a href="./">Click again</a></p>{self._signature()}'
        )

    def _signature(self) -> str:
        return f"<p>This page was made by <b>{self.name}</b>.</p>"


def _page(status: int, content: str) -> Reply:
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Moonlight Bakery</title>'
    return Reply(status, "text/html; charset=utf-8", f"{head}{content}</html>\n".encode())


def _cookie(request: Request) -> str:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _field(request: Request, name: str) -> str:
    """One field of a form, such as `name=Mina`."""
    given = parse_qs(request.body.decode(errors="replace")).get(name, [""])[0]
    if not re.fullmatch(r"[\w .-]{1,40}", given):
        raise Refusal(400, f"The form needs {name}: letters, digits, spaces; at most 40.")
    return given


def _with_bread(session: Session, bread: str) -> Session:
    if bread not in BREADS:
        raise Refusal(400, f"The shop has {', '.join(BREADS)}.")
    if len(session["basket"]) >= MOST_BREADS:
        raise Refusal(400, f"A basket holds {MOST_BREADS} breads.")
    return {**session, "basket": [*session["basket"], bread]}


def main() -> None:
    """Serve with sessions kept as the options say."""
    run(SessionServer)
