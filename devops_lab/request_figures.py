"""Figures of requests: how long they waited, what they were answered, which of them got through."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame, Series

from devops_lab.figures import (
    COLOURS,
    ENDS,
    LIVE,
    divide,
    drawing,
    milliseconds,
    scale_end,
    time_text,
)
from devops_lab.translation import _, ngettext


def wait_and_service(runs: Mapping[str, DataFrame]) -> go.Figure:
    """Each request's latency in ms as a bar at its intended start, one panel a run.

    The lower part is the work on it (`service_s`), the upper part all other time, nearly all of it
    in the queue. What was not answered is not drawn. Takes tables of attempts (`tables.ATTEMPTS`)
    under the names of their panels.
    """
    answered = {run: attempts.dropna(subset="service_s") for run, attempts in runs.items()}
    figure = drawing(
        _waiting_in_words(answered),
        " ".join(_run_in_words(run, attempts) for run, attempts in answered.items()),
        x=_("time since the run's start (s)"),
        y=_("latency (ms)"),
    )
    divide(figure, list(runs))
    for column, attempts in enumerate(answered.values(), 1):
        for bars in _service_below_wait(attempts, attempts["intended_s"]):
            figure.add_trace(bars.update(showlegend=column == 1), row=1, col=column)
    return figure.update_layout(barmode="stack")


def _service_below_wait(answered: DataFrame, moments_s: Series) -> list[go.Bar]:
    """A bar for each request, in two parts; to be stacked."""
    parts = {
        "service": (_("work on the request"), answered["service_s"]),
        "wait": (_("waiting"), _wait_s(answered)),
    }
    return [
        go.Bar(
            x=moments_s.to_numpy(),
            y=milliseconds(seconds.to_numpy()),
            name=name,
            legendgroup=part,
            marker={"color": COLOURS[part], "line_width": 0},
        )
        for part, (name, seconds) in parts.items()
    ]


def latest_requests(attempts: DataFrame, now_s: float, window_s: float) -> go.Figure:
    """The requests that ended in the last `window_s` seconds, as bars at their ends, in ms.

    Triangles are those without an answer. Made for a run that goes on: what is `now_s`, in seconds
    since its start, is at the right edge.
    """
    latest = attempts[attempts["end_s"] > now_s - window_s]
    answered = latest.dropna(subset="service_s")
    given_up = latest[latest["service_s"].isna()]
    finding = _latest_in_words(answered, given_up)
    ends_s = answered["end_s"] - now_s
    # As wide as their distance, so that a row of them shows each.
    width_s = min(0.06, 0.8 * ends_s.sort_values().diff().median()) if len(ends_s) > 1 else 0.06
    bars = [bars.update(width=width_s) for bars in _service_below_wait(answered, ends_s)]
    triangles = go.Scatter(
        x=(given_up["end_s"] - now_s).to_numpy(),
        y=milliseconds(given_up["latency_s"].to_numpy()),
        name=_("no answer"),
        mode="markers",
        marker={"color": COLOURS["no_answer"], "symbol": ENDS["timed_out"].symbol, "size": 9},
    )
    return drawing(
        finding,
        finding,
        x=_("seconds ago"),
        y=_("latency (ms)"),
        traces=[*bars, triangles],
        xaxis={"range": [-window_s, 0]},
        yaxis={"range": [0, scale_end(milliseconds(latest["latency_s"].max()))]},
        barmode="stack",
        showlegend=True,
        **LIVE,
    )


def _latest_in_words(answered: DataFrame, given_up: DataFrame) -> str:
    if len(given_up):
        text = ngettext(
            "{count} request was given up without an answer",
            "{count} requests were given up without an answer",
            len(given_up),
        )
        return text.format(count=len(given_up))
    if answered.empty:
        return _("No answer yet")
    text = _("The last customers waited {wait} for {work} of work")
    return text.format(
        wait=time_text(_last_wait_s(answered)), work=time_text(answered["service_s"].median())
    )


def _waiting_in_words(answered: Mapping[str, DataFrame]) -> str:
    waits_s = {run: _last_wait_s(rows) for run, rows in answered.items() if len(rows)}
    if not waits_s:
        return _("No request was answered")
    longest = max(waits_s, key=waits_s.__getitem__)
    text = _("At {run} the last customers wait {wait}; the work on a request stays the same")
    return text.format(run=longest, wait=time_text(waits_s[longest]))


def _run_in_words(run: str, answered: DataFrame) -> str:
    if answered.empty:
        return _("At {run}: no request was answered.").format(run=run)
    text = _(
        "At {run}: {work} of work on a request, {first} of waiting at first, {last} at the end."
    )
    return text.format(
        run=run,
        work=time_text(answered["service_s"].median()),
        first=time_text(_wait_s(answered).head(5).median()),
        last=time_text(_last_wait_s(answered)),
    )


def _wait_s(attempts: DataFrame) -> Series:
    return (attempts["latency_s"] - attempts["service_s"]).clip(lower=0)


def _last_wait_s(attempts: DataFrame) -> float:
    return float(_wait_s(attempts).tail(5).median())


def climbs_by_server(climbs: DataFrame, predicted_leaks: float | None = None) -> go.Figure:
    """A grid of tricks and servers: the status of each answer, and where the secret leaked.

    Takes the table of `attacks.climb`; `predicted_leaks`, how many tricks a learner thought would
    work, is said with it.
    """
    leaks = climbs.groupby("server", sort=False)["leaked"].sum()
    said = _leaks_by_server(leaks, len(climbs)) + _predicted_in_words(predicted_leaks)
    figure = drawing(_leaks_in_words(leaks), said, x="", y="")
    leaked = '<b style="color:#FFFFFF">{}</b>'.format(_("{status}: the recipe!"))
    texts = climbs["leaked"].map({False: "{status}", True: leaked})
    grid = go.Heatmap(
        x=climbs["server"],
        y=climbs["trick"],
        z=climbs["leaked"].astype(int),
        text=[text.format(status=s) for text, s in zip(texts, climbs["status"], strict=True)],
        texttemplate="%{text}",
        textfont_size=13,
        hovertemplate="%{y}, %{x}<extra></extra>",
        colorscale=[[0, "#E4E7EB"], [1, COLOURS["error"]]],
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=4,
        ygap=4,
    )
    figure.add_trace(grid)
    figure.update_xaxes(side="top", showline=False, ticks="")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", ticklabelstandoff=8)
    figure.update_layout(margin_b=16)
    return figure


def _leaks_in_words(leaks: Series) -> str:
    leaky = leaks[leaks > 0]
    if leaky.empty:
        return _("No server lets the recipe out")
    text = ngettext(
        "{servers} lets the recipe out, the others keep it",
        "{servers} let the recipe out, the others keep it",
        len(leaky),
    )
    return text.format(servers=", ".join(leaky.index))


def _leaks_by_server(leaks: Series, tries: int) -> str:
    text = _("{server}: {leaked} of {tries} tricks worked.")
    tries_each = tries // len(leaks)
    lines = (text.format(server=s, leaked=n, tries=tries_each) for s, n in leaks.items())
    return " ".join(lines)


def _predicted_in_words(leaks: float | None) -> str:
    if leaks is None:
        return ""
    text = ngettext("You predicted {leaks:g} trick.", "You predicted {leaks:g} tricks.", int(leaks))
    return " " + text.format(leaks=leaks)


# What became of a request: the colour's name, the words, and a pattern that says it without colour.
_ENDS = (
    ("ok", _("2xx, here it is"), ""),
    ("no_answer", _("4xx, nothing here"), "."),
    ("slow", _("5xx, failed"), "/"),
    ("error", _("200, the recipe"), "x"),
)


def answers_by_wish(answers: DataFrame, most: int = 1) -> go.Figure:
    """Bars of what became of each kind of request; columns wish (a category), status and leaked.

    A leak is drawn apart from the other 200s: no status tells it from them. The scale goes to
    `most` requests of a kind, or further where there are more.
    """
    counts = _counts(answers)
    finding = _answers_in_words(counts.sum(), len(answers))
    figure = drawing(finding, _counts_in_words(counts), x=_("requests"), y="")
    for end, words, pattern in _ENDS:
        figure.add_bar(
            y=list(counts.index),
            x=counts[end].to_numpy(),
            name=words,
            orientation="h",
            marker={
                "color": COLOURS[end],
                "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": "#FFFFFF"},
            },
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(range=[0, max([most, *counts.sum(axis="columns")])])
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", ticklabelstandoff=8)
    return figure


def _counts(answers: DataFrame) -> DataFrame:
    """How many answers of each kind of request, one row a kind, ended in each way."""
    ends = Series([_end(answer) for answer in answers.itertuples()], answers.index, dtype=object)
    wishes = answers["wish"].cat.categories
    asked_for = {wish: ends[answers["wish"] == wish] for wish in wishes}
    rows = [[(asked_for[wish] == end).sum() for end, *_words in _ENDS] for wish in wishes]
    return DataFrame(rows, wishes, [end for end, *_words in _ENDS], dtype=int)


def _end(answer: NamedTuple) -> str:
    if answer.leaked:
        return "error"
    return {2: "ok", 5: "slow"}.get(answer.status // 100, "no_answer")


def _answers_in_words(totals: Series, requests: int) -> str:
    if leaks := totals["error"]:
        text = ngettext(
            "The recipe got out once, under the status 200",
            "The recipe got out {leaks} times, always under the status 200",
            leaks,
        )
        return text.format(leaks=leaks)
    if not requests:
        return _("No request was sent")
    text = _("{missing} of {requests} requests found nothing, and {failed} failed")
    return text.format(missing=totals["no_answer"], requests=requests, failed=totals["slow"])


def _counts_in_words(counts: DataFrame) -> str:
    words = {end: text for end, text, _pattern in _ENDS}
    sentence = _("{wish}: {ends}.")
    return " ".join(
        sentence.format(
            wish=wish,
            ends="; ".join(f"{n} × {words[end]}" for end, n in row.items() if n) or _("none"),
        )
        for wish, row in counts.iterrows()
    )


def asked_and_answered(attempts: DataFrame, predicted_per_s: float | None = None) -> go.Figure:
    """Requests asked so far and answered so far, over the run's time: the gap is the queue.

    `predicted_per_s`, the rate of answers a learner predicted, is drawn as a dotted line. Takes a
    table of attempts (`tables.ATTEMPTS`), one try for each request.
    """
    asked_s = np.sort(attempts["intended_s"].to_numpy())
    answered_s = np.sort(attempts.dropna(subset="status")["end_s"].to_numpy())
    figure = drawing(
        _rates_in_words(asked_s, answered_s),
        _queue_in_words(asked_s, answered_s),
        x=_("time since the run's start (s)"),
        y=_("requests so far"),
    )
    line = {"mode": "lines", "line_shape": "hv"}
    figure.add_scatter(
        x=asked_s,
        y=np.arange(1, len(asked_s) + 1),
        name=_("asked"),
        line={"color": COLOURS["wait"], "dash": "dash"},
        **line,
    )
    figure.add_scatter(
        x=answered_s,
        y=np.arange(1, len(answered_s) + 1),
        name=_("answered"),
        line_color=COLOURS["service"],
        fill="tonextx",
        fillcolor="rgba(230, 159, 0, 0.2)",
        **line,
    )
    if predicted_per_s is not None:
        figure.add_trace(_predicted_answers(predicted_per_s, attempts))
    return figure.update_layout(showlegend=True)


def _predicted_answers(rate_per_s: float, attempts: DataFrame) -> go.Scatter:
    """A line from nothing to the run's end, or to as many answers as there are requests."""
    end_s = attempts["end_s"].max() if len(attempts) else 0.0
    if rate_per_s > 0:
        end_s = min(end_s, len(attempts) / rate_per_s)
    return go.Scatter(
        x=[0, end_s],
        y=[0, rate_per_s * end_s],
        name=_("answered, as you predicted"),
        mode="lines",
        line={"color": COLOURS["prediction"], "width": 3, "dash": "dot"},
    )


def _rates_in_words(asked_s: np.ndarray, answered_s: np.ndarray) -> str:
    if len(answered_s) == 0:
        return _("No request was answered")
    text = _(
        "Asked {asked:.0f} times a second it answers {answered:.0f} times; the gap is the queue"
    )
    return text.format(asked=_rate_per_s(asked_s), answered=_rate_per_s(answered_s))


def _queue_in_words(asked_s: np.ndarray, answered_s: np.ndarray) -> str:
    if len(answered_s) == 0:
        return _("{asked} requests were asked, and none was answered.").format(asked=len(asked_s))
    text = _(
        "{asked:.0f} requests/s are asked for, {answered:.0f} are answered. When the last one is "
        "asked, {waiting} are waiting for their answers."
    )
    return text.format(
        asked=_rate_per_s(asked_s),
        answered=_rate_per_s(answered_s),
        waiting=int(np.sum(answered_s > asked_s[-1])),
    )


def _rate_per_s(moments_s: np.ndarray) -> float:
    """How many follow the first in each second; 0 where there is no second one."""
    span_s = float(np.ptp(moments_s))
    return (len(moments_s) - 1) / span_s if span_s > 0 else 0.0
