"""Load on a server of this machine: requests that start when they are meant to (an open loop).

    with Server(service_time_s=0.03) as server:
        attempts = send_load(server.url + "work", rate_per_s=20, duration_s=3)

The program that sends is `devops_lab.sender`, in a process of its own.
"""

import ipaddress
import json
import textwrap
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from devops_lab import rules
from devops_lab.families import wait_until
from devops_lab.interpreter import python_program
from devops_lab.processes import Program, ProgramError
from devops_lab.scenario import Client
from devops_lab.sender import REPORTED
from devops_lab.tables import ATTEMPTS, table
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

ARRIVALS = ("poisson", "constant")
MOST_REQUESTS = 300_000
HIGHEST_RATE_PER_S = 20_000
LATENESS_LIMIT_S = 0.005
HIGHEST_LIVE_RATE_PER_S = 500
LONGEST_LIVE_S = 600.0
LONGEST_TIMEOUT_S = 600.0
SHOW_PROGRESS_EVERY_S = 5.0
# A longer line is broken by JupyterLab in the middle of a word.
LINE = 88


class Sender(Program):
    """Load that goes on beside the cells; `Load` and `LiveLoad` say when requests start."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        client: Client | None,
        resends: bool,
        seed: int,
        name: str,
    ) -> None:
        self._client = client or Client()
        patience_s = rules.number("timeout_s", timeout_s, above=0, at_most=LONGEST_TIMEOUT_S)
        settings = self._client.numbers()
        self._plan: dict[str, Any] = {
            **_target(url),
            "client": settings | {"timeout_s": min(patience_s, settings["timeout_s"])},
            "service_times_s": None,
            "lucks": None,
            "resends": resends,
            "seed": rules.whole("seed", seed, at_least=0),
        }
        self._rows: list[list[Any]] = []
        self._over = 0
        self._read_bytes = 0
        super().__init__(name, [])

    def prepare(self) -> None:
        """Write the plan, and forget what an earlier run has measured."""
        self._rows, self._over, self._read_bytes = [], 0, 0
        self._plan["begun_file"] = str(self._begun_file)
        plan = self.folder / "plan.json"
        plan.write_text(json.dumps(self._plan))
        self.arguments = python_program("sender", str(plan), str(self._report_file))

    def stop(self) -> None:
        """End the load, and keep what it has measured."""
        self._read_report()
        super().stop()

    def attempts(self, since_s: float = 0.0) -> "DataFrame":
        """The attempts meant to start at `since_s` or later that have ended so far, in order of
        their requests."""
        self._read_report()
        moment = REPORTED.index("intended_s")
        rows = sorted(row for row in self._rows if row[moment] >= since_s)
        columns = list(zip(*rows, strict=True))
        reported = dict(zip(REPORTED, columns or [()] * len(REPORTED), strict=True))
        spans = zip(reported["intended_s"], reported["end_s"], strict=True)
        latencies_s = [end_s - intended_s for intended_s, end_s in spans]
        return table(reported | {"latency_s": latencies_s}, ATTEMPTS)

    def requests_over(self) -> int:
        """How many requests are over: answered, or given up for good."""
        self._read_report()
        return self._over

    @property
    def begun_at(self) -> float | None:
        """When the run began (of `time.time`), from which its attempts count; None before."""
        written = self.pid and self._begun_file.exists() and self._begun_file.read_text()
        return float(written) if written else None

    def _read_report(self) -> None:
        """Take in what was written since the last time; an unfinished line waits for the next."""
        if not self.pid or not self._report_file.exists():
            return
        with self._report_file.open("rb") as report:
            report.seek(self._read_bytes)
            new = report.read()
        whole_lines = new[: new.rfind(b"\n") + 1]
        self._read_bytes += len(whole_lines)
        told = [json.loads(line) for line in whole_lines.splitlines()]
        self._rows += (each for each in told if isinstance(each, list))
        self._over += sum(not isinstance(each, list) for each in told)

    @property
    def _report_file(self) -> Path:
        return self.folder / "attempts.jsonl"

    @property
    def _begun_file(self) -> Path:
        return self.folder / "begun"


class Load(Sender):
    """A planned load: start it, do something to the servers, then `wait`.

    `arrivals` is "poisson" (independent customers, the random gaps drawn from `seed`), "constant"
    (like a clock), or the moments themselves in seconds from the start, and then needs no rate and
    no duration. `service_times_s` asks a `Server` for that service time, request by request; for
    clients that try again, a list of such lists has one for each try.
    An attempt ends after `timeout_s` at the latest. `client` says how the clients behave, all of
    whom are one to the server: they have one budget and one breaker.

    A server may close a kept connection just as a request is sent on it. Where no byte of an answer
    has come, the request is sent once more on a new connection, as HTTP libraries do with requests
    that may be repeated; unless `resends` is False, which shows what that hides.

    Raises `ValueError` for a server that is not on this machine, and for more than 300,000
    requests.
    """

    def __init__(
        self,
        url: str,
        rate_per_s: float | None = None,
        duration_s: float | None = None,
        *,
        arrivals: str | Sequence[float] = "poisson",
        service_times_s: Sequence[float] | Sequence[Sequence[float]] | None = None,
        timeout_s: float = 10.0,
        client: Client | None = None,
        resends: bool = True,
        seed: int = 1,
        name: str = "load",
    ) -> None:
        super().__init__(url, timeout_s, client, resends, seed, name)
        self.intended_s = _schedule(rate_per_s, duration_s, arrivals, seed)
        self._rate_per_s = rate_per_s
        self._plan["intended_s"] = self.intended_s
        self._plan["service_times_s"] = _service_times(service_times_s, len(self.intended_s))
        self._plan["lucks"] = _lucks(self._client, len(self.intended_s), seed)

    def wait(self) -> "DataFrame":
        """The attempts, when all have ended; see `tables.ATTEMPTS`."""
        shown = None
        while not wait_until(lambda: not self.is_running, within_s=SHOW_PROGRESS_EVERY_S):
            shown = self._show_progress()
        if shown is not None and shown < self.requests_over():
            self._show_progress()
        attempts, lines = self.attempts(), self.last_log_lines() if self.pid else []
        self.stop()
        if self._over < len(self.intended_s):
            text = _("{name} ended after {done} of {total} requests.")
            text = text.format(name=self.name, done=self._over, total=len(self.intended_s))
            raise ProgramError("\n".join([text, *lines]))
        return attempts

    @property
    def run_in_words(self) -> str:
        """What a sentence about this run calls it: its rate tells it from the others of a cell."""
        if self._rate_per_s is None:
            return _("the run of {requests} requests").format(requests=len(self.intended_s))
        return _("the run with {rate:g} requests/s").format(rate=self._rate_per_s)

    def _show_progress(self) -> int:
        """Print how many requests are over, and return it."""
        text = _("{done} of {total} requests have ended")
        done = self.requests_over()
        print(text.format(done=done, total=len(self.intended_s)), flush=True)
        return done


class LiveLoad(Sender):
    """Load whose rate can be moved while it runs, for ten minutes at most.

        with LiveLoad(server.url + "work", rate_per_s=5) as load:
            load.set(rate_per_s=20)

    Arrivals are "poisson" or "constant", as for `Load`; a rate of 0 is a pause.
    """

    def __init__(
        self,
        url: str,
        rate_per_s: float,
        *,
        arrivals: str = "poisson",
        timeout_s: float = 10.0,
        client: Client | None = None,
        resends: bool = True,
        seed: int = 1,
        name: str = "load",
    ) -> None:
        super().__init__(url, timeout_s, client, resends, seed, name)
        self._rate_per_s = _live_rate(rate_per_s)
        self._plan["is_random"] = rules.one_of("arrivals", arrivals, ARRIVALS) == "poisson"
        self._plan["longest_s"] = LONGEST_LIVE_S

    def prepare(self) -> None:
        """Write the rate as well, into a file that the sender looks at."""
        self._plan["rate_file"] = str(self._rate_file)
        self._write_rate()
        super().prepare()

    def is_ready(self) -> bool:
        """Whether the first request has its moment."""
        return self.begun_at is not None

    @property
    def now_s(self) -> float:
        """Seconds since the start of the run, on the clock of its attempts."""
        return time.time() - float(self._begun_file.read_text())

    def set(self, *, rate_per_s: float) -> None:
        """Change the rate; the sender follows within a twentieth of a second."""
        self._rate_per_s = _live_rate(rate_per_s)
        if self.is_running:
            self._write_rate()

    def _write_rate(self) -> None:
        # Whole at every moment: the sender may be reading.
        new = self.folder / "rate.new"
        new.write_text(str(self._rate_per_s))
        new.replace(self._rate_file)

    @property
    def _rate_file(self) -> Path:
        return self.folder / "rate"


def send_load(
    url: str,
    rate_per_s: float | None = None,
    duration_s: float | None = None,
    **options: Any,
) -> "DataFrame":
    """The attempts of a run, one row each (`tables.ATTEMPTS`), when all have ended.

    Takes what `Load` takes. An interrupt ends the run and the cell: to stop early and keep what
    there is, start a `Load`, and ask for its `attempts()`. Says so when the requests were sent too
    late to tell the server's slowness from this machine's.
    """
    with Load(url, rate_per_s, duration_s, **options) as load:
        attempts = load.wait()
    print_notes([note] if (note := lateness_note(attempts, load.run_in_words)) else [])
    return attempts


def print_notes(notes: Iterable[str]) -> None:
    """Print each note, in lines that fit a notebook."""
    for note in notes:
        print(textwrap.fill(note, LINE))


def lateness_note(attempts: "DataFrame", run: str = "") -> str:
    """A sentence or two if 1 % of the requests were sent over 5 ms late, else nothing."""
    lateness_p99_s = (attempts["start_s"] - attempts["intended_s"]).quantile(0.99)
    if not lateness_p99_s > LATENESS_LIMIT_S:
        return ""
    text = _(
        "A word on {run}: it has measured the machine too, not only the server. One request in a "
        "hundred was sent {milliseconds:.0f} ms late or more. If that matters to you, close what "
        "else is running or send fewer requests, and repeat it."
    )
    return text.format(run=run or _("this run"), milliseconds=lateness_p99_s * 1e3)


def _schedule(
    rate_per_s: float | None, duration_s: float | None, arrivals: str | Sequence[float], seed: int
) -> list[float]:
    """When each request is meant to start, in seconds from the start of the run."""
    if not isinstance(arrivals, str):
        if rate_per_s is not None or duration_s is not None:
            raise ValueError(_("Give the moments in arrivals, or a rate and a duration, not both."))
        return _given_moments(arrivals)
    rules.one_of("arrivals", arrivals, ARRIVALS)
    rate = rules.number("rate_per_s", rate_per_s, above=0, at_most=HIGHEST_RATE_PER_S)
    duration = rules.number("duration_s", duration_s, above=0)
    _check_count(round(rate * duration))
    if arrivals == "constant":
        return [i / rate for i in range(max(1, round(rate * duration)))]
    import numpy as np

    draw = np.random.default_rng(rules.whole("seed", seed, at_least=0))
    # Half as many again as expected, and some: enough but for one run in millions.
    gaps = draw.exponential(1 / rate, int(rate * duration * 1.5) + 50)
    moments = np.cumsum(gaps)
    return moments[moments < duration].tolist()


def _live_rate(rate_per_s: float) -> float:
    return rules.number("rate_per_s", rate_per_s, at_least=0, at_most=HIGHEST_LIVE_RATE_PER_S)


def _given_moments(arrivals: Sequence[float]) -> list[float]:
    moments = [rules.number("arrivals", moment, at_least=0) for moment in arrivals]
    _check_count(len(moments))
    if moments != sorted(moments) or not moments:
        raise ValueError(_("arrivals must be moments in rising order, at least one."))
    return moments


def _check_count(requests: int) -> None:
    if requests > MOST_REQUESTS:
        raise ValueError(
            _(
                "This would be {requests:,} requests, and the most is {most:,}. "
                "Choose a lower rate or a shorter duration."
            ).format(requests=requests, most=MOST_REQUESTS)
        )


def _service_times(
    times_s: Sequence[float] | Sequence[Sequence[float]] | None, requests: int
) -> list[list[float]] | None:
    """The service times of the first tries of all requests, of the second ones, and so on."""
    if times_s is None:
        return None
    each_try = times_s if len(times_s) and isinstance(times_s[0], Sequence) else [times_s]
    return [_service_times_of_a_try(of_a_try, requests) for of_a_try in each_try]


def _service_times_of_a_try(times_s: Sequence[float], requests: int) -> list[float]:
    times = [rules.number("service_times_s", time_s, at_least=0) for time_s in times_s]
    if len(times) != requests:
        raise ValueError(
            _("service_times_s must have one for each of {requests} requests, got {given}.").format(
                requests=requests, given=len(times)
            )
        )
    return times


def _lucks(client: Client, requests: int, seed: int) -> list[list[float]] | None:
    """By retry and request, what the simulation draws for the pauses."""
    if client.jitter == "none":
        return None
    from devops_lab.simulate import lucks

    return [lucks(seed, retry, requests).tolist() for retry in range(1, client.attempts)]


def _target(url: str) -> dict[str, Any]:
    """Host, port and path of a server of this machine; no other may be loaded."""
    if not isinstance(url, str):
        text = _('url must be an address in quotes or such as server.url + "work", got {url!r}.')
        raise TypeError(text.format(url=url))
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    if parts.scheme != "http" or not _is_loopback(host):
        raise ValueError(
            _(
                "Load goes to servers of this machine only, such as http://127.0.0.1:8000/, got "
                "{url!r}. Elsewhere it could hurt somebody."
            ).format(url=url)
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return {"host": host, "port": parts.port or 80, "target": path}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
