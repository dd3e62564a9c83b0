"""The dashboards of lesson 08: a retry storm, simulated and on a real server, and the tail of pages
that ask many servers."""

import math
from typing import Any

import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.dashboards import Dashboard, menu, slider, steps
from devops_lab.measure import Measurement
from devops_lab.model_and_real import ModelAndReal
from devops_lab.overload import over_time
from devops_lab.overload_figures import Outage, Tail, asked_and_answered, page_latencies
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate
from devops_lab.tail import Answers, slow_pages
from devops_lab.translation import _

SERVICE_S = 0.02
RUN_S = 20.0
OUTAGE_FROM_S = 4.0
PAUSE_S = 0.3
QUEUE_LIMIT = 20

PAUSES: dict[str, dict[str, Any]] = {
    _("none"): {},
    _("fixed"): {"backoff": "fixed", "backoff_s": PAUSE_S},
    _("exponential"): {"backoff_s": PAUSE_S},
    _("exponential, full jitter"): {"backoff_s": PAUSE_S, "jitter": "full"},
    _("exponential, equal jitter"): {"backoff_s": PAUSE_S, "jitter": "equal"},
}
BUDGETS: dict[str, float | None] = {
    _("no budget"): None,
    _("half of the requests"): 0.5,
    _("a fifth of the requests"): 0.2,
    _("a tenth of the requests"): 0.1,
}
GUARDS: dict[str, dict[str, Any]] = {
    _("nothing"): {},
    _("the client has a breaker"): {"breaker_error_share": 0.5, "breaker_open_s": 2.0},
    _("the server sheds: at most 20 wait"): {"queue_limit": QUEUE_LIMIT},
    _("deadlines are passed on"): {"deadline_s": 3.0},
}


class RetryStorm(ModelAndReal):
    """A server that is frozen for a while, and clients that try again."""

    def __init__(self) -> None:
        self._measured: dict[Scenario, DataFrame] = {}
        attempts = slider(_("attempts, the first one counted"), 1, 5, 3)
        super().__init__(
            {
                "rate_per_s": slider(_("load (requests/s)"), 5, 45, 20),
                "outage_s": slider(_("the server is frozen for (s)"), 0.5, 5, 2, step=0.5),
                "timeout_ms": slider(_("time-out of a try (ms)"), 100, 2_000, 500, step=100),
                "attempts": attempts,
                "pause": menu(_("pause before a retry"), list(PAUSES)),
                "budget": menu(_("budget for retries"), list(BUDGETS)),
                "guard": menu(_("what else helps"), list(GUARDS)),
            }
        )

    def draw(self, **setting: Any) -> go.Figure:
        """Tries and answers over time: simulated, and as far as it was run, measured."""
        scenario = storm(**setting)
        course = over_time(simulate(scenario, _requests(scenario)), RUN_S)
        faults = scenario.faults
        return asked_and_answered(
            {_("simulated"): course},
            outage=Outage(OUTAGE_FROM_S, OUTAGE_FROM_S + faults.outage_s),
            load_per_s=scenario.arrival_rate_per_s,
            capacity_per_s=1 / SERVICE_S,
            measured=self._measured.get(scenario),
        )

    def new_run(self, **setting: Any) -> Measurement:
        """The same requests to a real server, which is frozen and let go."""
        scenario = storm(**setting)
        return Measurement(scenario, _requests(scenario), cell=self.cell)

    def keep(self, run: Measurement) -> None:
        """Take in what was measured."""
        attempts = run.attempts()
        if len(attempts):
            self._measured[run.scenario] = over_time(attempts, RUN_S)


def storm(
    rate_per_s: int,
    outage_s: float,
    timeout_ms: int,
    attempts: int,
    pause: str,
    budget: str,
    guard: str,
) -> Scenario:
    """The scenario of the dashboard's controls."""
    server = Scenario(arrival_rate_per_s=rate_per_s, service_time_s=SERVICE_S)
    return server.changed(
        shape="constant",
        failure="freeze",
        outage_from_s=OUTAGE_FROM_S,
        outage_s=outage_s,
        timeout_s=timeout_ms / 1000,
        attempts=attempts,
        retry_budget_share=BUDGETS[budget],
        **PAUSES[pause],
        **GUARDS[guard],
    )


def _requests(scenario: Scenario) -> int:
    return math.floor(RUN_S * scenario.arrival_rate_per_s)


def retry_storm() -> Dashboard:
    """A dashboard of an overload and of what clients do: load, outage, time-out, attempts, pause,
    budget and guards; lesson 08."""
    return RetryStorm()


SERVERS = (1, 10, 20, 50, 100, 200, 1_000)
SLOW_PERCENT = (0.1, 0.5, 1, 2, 5)
# By name, how many of 100 answers are there when the second request is sent.
HEDGES: dict[str, int] = {
    _("when 99 of 100 answers are there"): 99,
    _("when 95 of 100 answers are there"): 95,
    _("when half of the answers are there"): 50,
    _("at once: two of each"): 0,
}
QUANTILES = (0.5, 0.95, 0.99)


def tail_at_scale() -> Dashboard:
    """A dashboard of pages that ask many servers: fan-out, slow share and hedging; lesson 08.

    All its settings are drawn ahead, so the browser follows by itself.
    """
    controls = {
        "servers": steps(_("servers that a page asks"), SERVERS, 100),
        "slow_percent": steps(_("slow answers of a server (%)"), SLOW_PERCENT, 1),
        "hedge": menu(_("a second request is sent"), list(HEDGES)),
    }
    return Dashboard(_draw_tail, controls, ahead=True)


def _draw_tail(servers: int, slow_percent: float, hedge: str) -> go.Figure:
    plain, percent_there = Answers(slow_percent / 100), HEDGES[hedge]
    hedge_after_s = float(plain.quantile_s([percent_there / 100])[0]) if percent_there else 0.0
    hedged = Answers(slow_percent / 100, hedge_after_s=hedge_after_s)
    tails = (
        Tail(answers.quantile_s(QUANTILES, servers), answers.hedged_share)
        for answers in (plain, hedged)
    )
    return page_latencies(*tails, slow_pages(slow_percent / 100, servers), servers)
