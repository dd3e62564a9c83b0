"""Usage of the real shop: servers that show each user one of two versions, users who visit and
order, and the events of both, asked with SQL.

    with UsageShop("prices") as shop:
        shop.receive("monday", users=500, order_shares={"A": 0.20, "B": 0.20})
        shop.events.sql("SELECT variant, event, count(*) FROM lines GROUP BY ALL")
        shop.counted("monday")
"""

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from devops_lab.balancer import Balancer
from devops_lab.client import Answer
from devops_lab.experiments import Counted
from devops_lab.judgement import GO_ON
from devops_lab.keyed_hash import place_of
from devops_lab.logs import Logs
from devops_lab.processes import ProgramError, start_together
from devops_lab.purpose_servers import PurposeServer
from devops_lab.ramps import Decision, Ramp
from devops_lab.rules import share, whole
from devops_lab.tables import USAGE
from devops_lab.translation import _
from devops_lab.usage_server import SHARE_ACTION, USAGE_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from IPython.display import HTML

MOST_USERS, MOST_SERVERS = 9_999, 8
# So many browsers at once keep two servers busy, and a small machine calm.
BROWSERS = 8
_COUNTS = """
    SELECT variant, count(DISTINCT "user"),
           count(DISTINCT "user") FILTER (event = $event)
    FROM lines WHERE starts_with("user", $prefix) GROUP BY variant ORDER BY variant
"""


class UsageServer(PurposeServer):
    """A server of the shop that shows a share of the users version B, and writes down what they
    do in `usage_file`."""

    program = "usage_server"

    def __init__(
        self,
        experiment: str,
        *,
        share_b: float = 0.5,
        b_has_prices: bool = True,
        name: str = "shop",
        port: int = 0,
    ) -> None:
        self.experiment, self.b_has_prices = _name("experiment", experiment), b_has_prices
        self.share_b = share("share_b", share_b)
        super().__init__(name=name, port=port)

    def options(self) -> dict[str, Any]:
        """The experiment, the share of B, and whether B has prices or is the same page as A."""
        return {
            "experiment": self.experiment,
            "share_b": self.share_b,
            "b_has_prices": self.b_has_prices,
        }

    def set_share(self, share_b: float) -> None:
        """Show version B to this share of the users from now on."""
        self.share_b = share("share_b", share_b)
        if self.is_running:
            self._control(SHARE_ACTION, json.dumps(self.share_b))

    @property
    def usage_file(self) -> "Path":
        """The file of events, one line of JSON each (`tables.USAGE`), while the server runs."""
        return self.folder / USAGE_FILE


class UsageShop:
    """Servers behind a balancer that takes turns, and one experiment on all of them.

    `experiment` names it: under another name other users see version B. With `b_has_prices=False`
    both versions are the very same page. A `with` block, or `start` and `stop`.
    """

    def __init__(
        self,
        experiment: str,
        *,
        servers: int = 2,
        share_b: float = 0.5,
        b_has_prices: bool = True,
    ) -> None:
        count = whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
        self.servers = [
            UsageServer(experiment, share_b=share_b, b_has_prices=b_has_prices, name=f"shop-{i}")
            for i in range(1, count + 1)
        ]
        self._balancer: Balancer | None = None

    def start(self) -> Self:
        """Start the servers and the balancer."""
        try:
            start_together(self.servers)
            self._balancer = Balancer(self.servers).start()
        # An interrupt, too, leaves nothing behind.
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything; the events are gone with the servers."""
        for program in (self._balancer, *self.servers):
            if program:
                program.stop()

    @property
    def balancer(self) -> Balancer:
        """The balancer at the door; `ProgramError` before the start."""
        if self._balancer is None:
            text = _("The shop has not been started. Use a with block, or call start() first.")
            raise ProgramError(text)
        return self._balancer

    @property
    def events(self) -> Logs:
        """The events of all servers so far, for SQL: a table `lines` with the columns of
        `tables.USAGE`."""
        return Logs(*(server.usage_file for server in self.servers), schema=USAGE)

    def set_share(self, share_b: float) -> None:
        """Show version B to this share of the users from now on, on all servers."""
        for server in self.servers:
            server.set_share(share_b)

    def visit(self, user: str) -> Answer:
        """The first page, as this user sees it; the header `X-Variant` names its version."""
        return self.balancer.get(f"/?user={user}")

    def order(self, user: str) -> Answer:
        """The answer to an order of this user."""
        return self.balancer.get(f"/order?user={user}", method="POST")

    def link(self, user: str = "mina") -> "HTML":
        """A link that opens the shop in a browser tab, as this user sees it."""
        return self.balancer.link(f"/?user={user}")

    def receive(self, group: str, *, users: int, order_shares: Mapping[str, float]) -> None:
        """Let so many new users visit, each once; of those who see a version, this share orders,
        and nobody of a version that is not named.

        The users are emulated, their requests are real. They are named after their group, as in
        monday-0001, and a name decides whether its user orders: the same group does the same again.
        """
        shares = {name: share(f"order_shares[{name!r}]", s) for name, s in order_shares.items()}
        _name("group", group)
        whole("users", users, at_least=1, at_most=MOST_USERS)

        def come(number: int) -> None:
            user = f"{group}-{number:04}"
            variant = self.visit(user).headers["X-Variant"]
            # Who got an error instead of a page goes away.
            if place_of(user, "order") < shares.get(variant, 0.0):
                self.order(user)

        with ThreadPoolExecutor(BROWSERS) as browsers:
            list(browsers.map(come, range(1, users + 1)))

    def climb(
        self, ramp: Ramp, *, users: int, order_shares: Mapping[str, float]
    ) -> Iterator[tuple[float, Decision]]:
        """The share and the decision of each stage, to the last one that is reached: version B is
        shown to that share, so many new users come, and what the ramp decides is done.

        It ends after the last stage, or where the decision is not to go on. Raises ValueError where
        so few users came that nobody saw one of the versions.
        """
        self.set_share(ramp.stages[0])
        for share_b in ramp.stages:
            group = f"stage-{share_b}"
            self.receive(group, users=users, order_shares=order_shares)
            counts = self.counted(group)
            if len(counts) < 2:
                raise ValueError(_("users are too few: nobody saw one of the versions."))
            decision = ramp.decide(share_b, counts["A"], counts["B"])
            self.set_share(decision.share_b)
            yield share_b, decision
            if decision.verdict != GO_ON:
                return

    def counted(self, group: str, event: str = "order") -> dict[str, Counted]:
        """How many users of this group saw each version, and how many of them did `event`.

        Each user counts once, however often they came. Groups whose names begin alike are counted
        together: "day" is day-1, day-2 and so on.
        """
        found = self.events.sql(_COUNTS, event=event, prefix=f"{group}-")
        return {variant: Counted(users, done) for variant, users, done in found.values.tolist()}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


def _name(parameter: str, value: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]{1,50}", value, re.ASCII):
        text = _("{parameter} must be 1 to 50 letters, digits, dots or dashes, got {value!r}.")
        raise ValueError(text.format(parameter=parameter, value=value))
    return value
