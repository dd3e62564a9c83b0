"""The shop's sessions: servers that know their visitors, a store for all of them, and a visitor.

with ShopServer(name="shop-1") as first, ShopServer(name="shop-2") as second:
    with Balancer([first, second]) as balancer:
        visitor = Visitor(balancer, "Mina")
        visitor.log_in()
        visitor.clicks(6)
"""

import contextlib
import secrets
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from devops_lab.balancer import Balancer
from devops_lab.client import Answer
from devops_lab.families import wait_until
from devops_lab.processes import ProgramError, start_together
from devops_lab.purpose_servers import PurposeServer
from devops_lab.rules import one_of, whole
from devops_lab.session_server import COOKIE, SECRET_VARIABLE
from devops_lab.session_store import STORE_VARIABLE
from devops_lab.translation import _

if TYPE_CHECKING:
    from IPython.display import HTML
    from pandas import DataFrame

PLACES = ("memory", "store", "cookie")
MOST_SERVERS = 8
PATIENCE_S = 5.0


class SessionStore(PurposeServer):
    """The store: one process that keeps the sessions of all servers, until it ends."""

    program = "session_store"

    def __init__(self, *, name: str = "store", port: int = 0) -> None:
        super().__init__(name=name, port=port)
        self.token = secrets.token_urlsafe()
        self.environment[STORE_VARIABLE] = self.token


class ShopServer(PurposeServer):
    """A server of the shop that knows its visitors.

    `sessions` says where it keeps them: in its own "memory", in the `store` (a `SessionStore` that
    runs already), or in a signed "cookie", whose `secret` all servers of a shop must share.
    """

    program = "session_server"

    def __init__(
        self,
        sessions: str = "memory",
        *,
        store: SessionStore | None = None,
        secret: str | None = None,
        name: str = "shop",
        port: int = 0,
    ) -> None:
        self.sessions = one_of("sessions", sessions, PLACES)
        self.store = store
        if (store is not None) != (sessions == "store"):
            text = _("store must be a SessionStore with sessions='store', and left out otherwise.")
            raise ValueError(text)
        if bool(secret) != (sessions == "cookie"):
            text = _("secret must be a text with sessions='cookie', and left out otherwise.")
            raise ValueError(text)
        super().__init__(name=name, port=port)
        if store:
            self.environment[STORE_VARIABLE] = store.token
        if secret:
            self.environment[SECRET_VARIABLE] = secret

    def options(self) -> dict[str, Any]:
        """Where the sessions are; tokens and secrets go by the environment, which nobody sees."""
        return {"sessions": self.sessions, "store_port": self.store.port if self.store else 0}


class Shop:
    """The shop's servers behind a balancer, which takes turns, or with `sticky` sends each visitor
    always to the same server. A server that falls is left out.

    `sessions` is as for `ShopServer`; a store or a secret is made where it is needed. A `with`
    block, or `start` and `stop`.
    """

    def __init__(self, sessions: str = "memory", *, servers: int = 1, sticky: bool = False) -> None:
        self.sessions, self.sticky = one_of("sessions", sessions, PLACES), sticky
        self.store = SessionStore() if sessions == "store" else None
        self._secret = secrets.token_urlsafe() if sessions == "cookie" else None
        count = whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
        self.servers = [self._new_server(number) for number in range(1, count + 1)]
        self._balancer: Balancer | None = None

    def start(self) -> Self:
        """Start the store where there is one, the servers and the balancer."""
        try:
            if self.store:
                self.store.start()
            start_together(self.servers)
            policy = {"policy": "cookie", "key": "server"} if self.sticky else {}
            self._balancer = Balancer(
                self.servers, **policy, retry_for_s=2.0, avoid_failed_for_s=60.0
            ).start()
        # An interrupt, too, leaves nothing behind.
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything; sessions in memory are gone."""
        for program in (self._balancer, *self.servers, self.store):
            if program:
                program.stop()

    def add_server(self, server: ShopServer | None = None) -> None:
        """One more server, like the others unless you give one; the balancer uses it at once."""
        server = server or self._new_server(len(self.servers) + 1)
        self.servers.append(server.start())
        self.balancer.set(servers=self.servers)
        self._wait_for_all()

    def _wait_for_all(self) -> None:
        # Just after a change the balancer's old self may still take a request, or drop it.
        answered: set[str] = set()

        def all_answered() -> bool:
            with contextlib.suppress(ConnectionError):
                answered.add(self.get("/healthz").headers["X-Served-By"])
            return len(answered) == len(self.servers)

        wait_until(all_answered, within_s=PATIENCE_S)

    def server_of(self, answer: Answer) -> ShopServer:
        """The server that gave this answer."""
        name = answer.headers["X-Served-By"]
        return next(server for server in self.servers if server.name == name)

    @property
    def balancer(self) -> Balancer:
        """The balancer at the door; `ProgramError` before the start."""
        if self._balancer is None:
            text = _("The shop has not been started. Use a with block, or call start() first.")
            raise ProgramError(text)
        return self._balancer

    def get(self, path: str = "/", **request: Any) -> Answer:
        """The answer of the server that the balancer chooses (see `client.ask`)."""
        return self.balancer.get(path, **request)

    def link(self) -> "HTML":
        """A link that opens the shop in a browser tab, to click through it yourself."""
        return self.balancer.link()

    def _new_server(self, number: int) -> ShopServer:
        return ShopServer(
            self.sessions, store=self.store, secret=self._secret, name=f"shop-{number}"
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


class Visitor:
    """A customer with a browser: keeps the cookies that the shop sends, and sends them back."""

    def __init__(self, shop: Shop, name: str = "Mina") -> None:
        self.shop, self.name = shop, name
        self.cookies: dict[str, str] = {}

    def log_in(self) -> Answer:
        """The answer to the login form; from now on the visitor has a session."""
        return self._ask("/login", method="POST", form={"name": self.name})

    def put(self, bread: str) -> Answer:
        """The answer to a bread for the basket."""
        return self._ask("/basket", method="POST", form={"bread": bread})

    def click(self) -> Answer:
        """The shop's page: status 200, or 401 where the shop does not know the visitor."""
        return self._ask("/")

    def basket(self) -> list[str] | None:
        """What is in the basket; None where the shop does not know the visitor."""
        answer = self._ask("/session")
        return answer.json()["basket"] if answer.status == 200 else None

    def clicks(self, count: int) -> "DataFrame":
        """So many clicks, a row each: `click`, the `server` that answered, `status`, `is_known`."""
        import pandas as pd

        answers = [self.click() for _click in range(whole("count", count, at_least=1))]
        rows = [
            {
                "click": number,
                "server": answer.headers["X-Served-By"],
                "status": answer.status,
                "is_known": answer.status == 200,
            }
            for number, answer in enumerate(answers, 1)
        ]
        return pd.DataFrame(rows)

    @property
    def session_cookie(self) -> str:
        """The value of the shop's cookie; empty before the login."""
        return self.cookies.get(COOKIE, "")

    @session_cookie.setter
    def session_cookie(self, value: str) -> None:
        self.cookies[COOKIE] = value

    def _ask(self, path: str, *, method: str = "GET", form: dict[str, str] | None = None) -> Answer:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        answer = self.shop.get(
            path, method=method, headers=headers if self.cookies else {}, body=urlencode(form or {})
        )
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _equals, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer
