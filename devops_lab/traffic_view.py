"""Requests as moving dots: from the client to the balancer, the queue, the server and back.

Any table of attempts will do, simulated or measured. What the table does not say is not made up: a
try without a server's report is drawn where it can be known to be, and no further.

>>> from devops_lab.scenario import Scenario
>>> from devops_lab.simulate import simulate
>>> attempts = simulate(Scenario(arrival_rate_per_s=40, service_time_s=0.02), 100)
>>> traffic_view(attempts, speed=0.2).finding
'100 of 100 tries are answered; at most 5 wait at once'
"""

import heapq
import re
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import numpy as np
import plotly.graph_objects as go
import traitlets

from devops_lab import rules
from devops_lab.figures import COLOURS, ENDS, divide, drawing
from devops_lab.service import LATEST_TIMER_S
from devops_lab.translation import _, ngettext

if TYPE_CHECKING:
    import pandas as pd

MOST_TRIES = 20_000
MOST_SERVERS = 16
MOST_PANELS = 5
SPEEDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# Of these no answer comes back.
SILENT = ("timed_out", "closed")
# Where a try is, as far as nobody knows: the lane of what has no server, the place of no worker.
NOWHERE = -1
# What goes to the browser of each try, in this order.
COLUMNS = ("start_s", "enter_s", "begin_s", "leave_s", "end_s", "lane", "place", "end", "attempt")


class TrafficView(anywidget.AnyWidget):
    """The tries of a table as moving dots, with play, speed, a slider for the time, and words."""

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")

    numbers = traitlets.Bytes().tag(sync=True)
    columns = traitlets.List(COLUMNS).tag(sync=True)
    servers = traitlets.List().tag(sync=True)
    has_one_queue = traitlets.Bool().tag(sync=True)
    ends = traitlets.List().tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)
    speed = traitlets.Float().tag(sync=True)
    speeds = traitlets.List().tag(sync=True)
    finding = traitlets.Unicode().tag(sync=True)
    summary = traitlets.Unicode().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)


def traffic_view(attempts: "pd.DataFrame", *, speed: float = 1.0) -> TrafficView:
    """The tries of a table of attempts as moving dots; `speed` is seconds of the run a second.

    A dot is in the queue and with a worker as long as the table says. The ways between are drawn
    longer than they take, and of a measured try there and back as equally long. A try whose server
    reported no wait is somewhere between its start and its end.

    Servers whose requests begin in the order in which they came are drawn with one queue for all.

    Raises ValueError for an empty table, more than 20,000 tries or more than 16 servers.
    """
    rules.number("speed", speed, above=0, at_most=1_000)
    journeys = journeys_of(attempts)
    servers = journeys.attrs["servers"]
    return TrafficView(
        numbers=np.concatenate([journeys[name].to_numpy("<f8") for name in COLUMNS]).tobytes(),
        servers=servers,
        has_one_queue=_begin_in_order(journeys),
        ends=[
            {
                "colour": COLOURS[end.colour],
                "words": end.words,
                "symbol": end.symbol,
                "is_silent": name in SILENT,
            }
            for name, end in ENDS.items()
        ],
        colours=COLOURS,
        speed=speed,
        speeds=sorted({*SPEEDS, float(speed)}),
        finding=_finding(journeys),
        summary=_summary(journeys),
        words=_words(len(servers)),
    )


def traffic_over_time(attempts: "pd.DataFrame") -> go.Figure:
    """A still of `traffic_view`: how many wait and how many are in work, over the run's time.

    Each server that has its own queue has a panel. Raises ValueError as `traffic_view` does.
    """
    journeys = journeys_of(attempts)
    figure = drawing(
        _finding(journeys),
        _summary(journeys),
        x=_("time since the run's start (s)"),
        y=_("requests"),
    )
    queues = _queues(journeys)
    if len(queues) > 1:
        divide(figure, list(queues))
    for column, there in enumerate(queues.values(), 1):
        for trace in _crowd(there):
            panel = {"row": 1, "col": column} if len(queues) > 1 else {}
            figure.add_trace(trace.update(showlegend=column == 1), **panel)
    return figure


def _queues(journeys: "pd.DataFrame") -> dict[str, "pd.DataFrame"]:
    """The tries by the queue that they stood in, as far as it is known and there is room."""
    servers = journeys.attrs["servers"]
    if _begin_in_order(journeys) or not 1 < len(servers) <= MOST_PANELS:
        return {_("all servers"): journeys}
    names = dict(enumerate(servers)) | {NOWHERE: _("not known where")}
    by_lane = {lane: journeys[journeys["lane"] == lane] for lane in names}
    return {names[lane]: there for lane, there in by_lane.items() if len(there)}


def _crowd(there: "pd.DataFrame") -> list[go.Scatter]:
    """How many are in work and, on top of them, how many wait."""
    known, unknown = there[there["known"]], there[~there["known"]]
    moments_s = np.unique(there[["enter_s", "begin_s", "leave_s"]].to_numpy())
    parts = {
        "service": (_("in work"), known["begin_s"], known["leave_s"]),
        "wait": (_("waiting"), known["enter_s"], known["begin_s"]),
        "no_answer": (_("waiting or in work"), unknown["enter_s"], unknown["leave_s"]),
    }
    return [
        go.Scatter(
            x=moments_s,
            y=_so_far(came_s, moments_s) - _so_far(left_s, moments_s),
            name=name,
            mode="lines",
            line={"color": COLOURS[part], "width": 1, "shape": "hv"},
            stackgroup="all",
            legendgroup=part,
        )
        for part, (name, came_s, left_s) in parts.items()
        if len(came_s)
    ]


def _so_far(happened_s: "pd.Series", moments_s: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(happened_s), moments_s, side="right")


def journeys_of(attempts: "pd.DataFrame") -> "pd.DataFrame":
    """Where each try of the table was and when, one row each in the order of their starts.

    `enter_s`, `begin_s` and `leave_s` are when it came to the server, to a worker and from it, in
    seconds; `lane` is the number of its server in `attrs["servers"]`, `place` the worker it had.
    """
    rules.whole(
        "attempts",
        len(attempts),
        at_least=1,
        at_most=MOST_TRIES,
        remedy=_("Show a part of the table: attempts[:1000]."),
    )
    tries = attempts.sort_values("start_s", ignore_index=True)
    servers = sorted(tries["server"].dropna().unique(), key=_as_people_count)
    rules.whole(
        "servers", len(servers), at_most=MOST_SERVERS, remedy=_("Show the tries of some of them.")
    )
    journeys = _times(tries)
    lanes = {server: number for number, server in enumerate(servers)}
    journeys["lane"] = tries["server"].map(lanes).astype("Int64").fillna(NOWHERE).astype(int)
    journeys["place"] = _places(journeys)
    journeys["end"] = _ends(tries)
    journeys["attempt"] = tries["attempt"]
    journeys.attrs["servers"] = servers
    return journeys


def _as_people_count(name: str) -> list[str | int]:
    """A key by which server-2 comes before server-10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _times(tries: "pd.DataFrame") -> "pd.DataFrame":
    known = tries["wait_s"].notna() & tries["service_s"].notna()
    spent_s = tries["wait_s"] + tries["service_s"]
    # What is neither wait nor service went by on the way, half of it there and half of it back.
    one_way_s = (tries["end_s"] - tries["start_s"] - spent_s).clip(lower=0) / 2
    enter_s = tries["start_s"] + one_way_s.where(known, 0.0)
    begin_s = enter_s + tries["wait_s"].where(known, 0.0)
    leave_s = (begin_s + tries["service_s"]).where(known, tries["end_s"])
    # How the way is shared is not known, nor how late a real server's timers rang: it has the next
    # one begin when the last one should have ended.
    blur_s = one_way_s.where(one_way_s < 1e-9, one_way_s + LATEST_TIMER_S / 2)
    return tries[["start_s", "end_s"]].assign(
        enter_s=enter_s, begin_s=begin_s, leave_s=leave_s, known=known, blur_s=blur_s
    )


def _places(journeys: "pd.DataFrame") -> np.ndarray:
    """Which of its server's workers each try had, as few workers as the times allow."""
    places = np.full(len(journeys), NOWHERE)
    worked_on = journeys[journeys["known"] & (journeys["leave_s"] > journeys["begin_s"])]
    for _lane, here in worked_on.sort_values("begin_s", kind="stable").groupby("lane"):
        free_at: list[tuple[float, int]] = []
        for row in here.itertuples():
            # Two that overlap by no more than is uncertain may be one worker's.
            if free_at and free_at[0][0] <= row.begin_s + row.blur_s + 1e-9:
                place = heapq.heappop(free_at)[1]
            else:
                place = len(free_at)
            heapq.heappush(free_at, (row.leave_s - row.blur_s, place))
            places[row.Index] = place
    return places


def _ends(tries: "pd.DataFrame") -> "pd.Series":
    """How each try ended, as its number among `ENDS`."""
    numbers = {end: number for number, end in enumerate(ENDS)}
    ended = tries["outcome"].map(numbers)
    return ended.mask(tries["status"].eq(503).fillna(False), numbers["turned_away"]).astype(int)


def _begin_in_order(journeys: "pd.DataFrame") -> bool:
    """Whether several servers take from one queue, as far as the order of the tries tells."""
    worked_on = journeys[journeys["place"] != NOWHERE]
    if worked_on["lane"].nunique() < 2:
        return False
    begins_s = worked_on.sort_values("enter_s", kind="stable")["begin_s"].to_numpy()
    waited = (worked_on["begin_s"] > worked_on["enter_s"]).any()
    blur_s = 2 * worked_on["blur_s"].median()
    overtaking = (np.diff(begins_s) < -blur_s - 1e-9).mean()
    return bool(waited and overtaking <= (0.01 if blur_s > 0 else 0.0))


def _finding(journeys: "pd.DataFrame") -> str:
    text = _("{answered} of {tries} tries are answered; at most {waiting} wait at once")
    answered = int((journeys["end"] == [*ENDS].index("ok")).sum())
    return text.format(answered=answered, tries=len(journeys), waiting=_most_waiting(journeys))


def _most_waiting(journeys: "pd.DataFrame") -> int:
    waited = journeys[journeys["known"] & (journeys["begin_s"] > journeys["enter_s"])]
    moments_s = np.concatenate([waited["begin_s"], waited["enter_s"]])
    steps = np.repeat([-1, 1], len(waited))
    # At the same moment one leaves before the next one comes.
    in_order = np.argsort(moments_s, kind="stable")
    return int(np.cumsum(steps[in_order]).max(initial=0))


def _summary(journeys: "pd.DataFrame") -> str:
    text = _("{server}: {tries} tries, at most {waiting} wait.")
    by_lane = dict(iter(journeys.groupby("lane")))
    sentences = [
        text.format(server=server, tries=len(by_lane[lane]), waiting=_most_waiting(by_lane[lane]))
        for lane, server in enumerate(journeys.attrs["servers"])
    ]
    if NOWHERE in by_lane:
        nowhere = ngettext(
            "{count} try had no answer: where it was is not known.",
            "{count} tries had no answer: where they were is not known.",
            len(by_lane[NOWHERE]),
        )
        sentences.append(nowhere.format(count=len(by_lane[NOWHERE])))
    return " ".join(sentences)


def _words(servers: int) -> dict[str, str]:
    """What the browser says, in sentences with gaps for its numbers."""
    return {
        "play": _("Play"),
        "pause": _("Pause"),
        "again": _("Play again"),
        "speed": _("speed"),
        "times": _("{speed} × real time"),
        "time": _("time of the run (s)"),
        "moment": _("{time} s of {last} s"),
        "clients": _("clients"),
        "balancer": _("balancer"),
        "queue": _("queue"),
        "queues": ngettext("queue", "queues", servers),
        "servers": ngettext("server", "servers", servers),
        "waiting": _("{count} waiting"),
        "nowhere": _("no answer yet, in which queue or server is not known: {count}"),
        "retry": _("a further try"),
        "open": _("on its way"),
        "waits": _("waiting"),
        "works": _("in work"),
        "now": _("After {time} s: {waiting} waiting, {working} in work, {ended} of {all} ended."),
        "lane": _("{server}: {waiting} waiting, {working} in work."),
        "unknown": _("Somewhere without an answer: {count}."),
    }
