"""Figures of requests: how long they waited, what they were answered, which of them got through."""

from collections.abc import Mapping

import plotly.graph_objects as go
from pandas import DataFrame, Series

from devops_lab.figures import COLOURS, drawing, milliseconds, time_text
from devops_lab.translation import _, ngettext


def wait_and_service(runs: Mapping[str, DataFrame]) -> go.Figure:
    """Each request's latency in ms as a bar at its intended start, one panel a run.

    The lower part is the work on it (`service_s`), the upper part all other time, nearly all of it
    in the queue. Takes tables of attempts (`tables.ATTEMPTS`) under the names of their panels.
    """
    figure = drawing(_waiting_in_words(runs), _runs_in_words(runs), x="", y=_("latency (ms)"))
    figure.set_subplots(1, len(runs), shared_yaxes=True, subplot_titles=list(runs))
    for column, attempts in enumerate(runs.values(), 1):
        answered = attempts.dropna(subset="service_s")
        parts = {
            "service": (_("work on the request"), answered["service_s"]),
            "wait": (_("waiting"), _wait_s(answered)),
        }
        for part, (name, seconds) in parts.items():
            bar = go.Bar(
                x=answered["intended_s"].to_numpy(),
                y=milliseconds(seconds.to_numpy()),
                name=name,
                legendgroup=part,
                showlegend=column == 1,
                marker={"color": COLOURS[part], "line_width": 0},
            )
            figure.add_trace(bar, row=1, col=column)
    figure.update_xaxes(title=_("time since the run's start (s)"))
    figure.update_yaxes(title="", col=2)
    figure.update_layout(barmode="stack", margin_t=112, title_y=0.95, legend_y=1.09)
    return figure


def latest_requests(attempts: DataFrame, now_s: float, window_s: float) -> go.Figure:
    """The requests that ended in the last `window_s` seconds, as bars at their ends, in ms.

    Made for a run that goes on: what is `now_s`, in seconds since its start, is at the right edge.
    """
    latest = attempts[attempts["end_s"] > now_s - window_s]
    answered = latest.dropna(subset="service_s")
    given_up = latest[latest["service_s"].isna()]
    parts = {
        "service": (_("work on the request"), answered, answered["service_s"]),
        "wait": (_("waiting"), answered, _wait_s(answered)),
        "error": (_("no answer"), given_up, given_up["latency_s"]),
    }
    finding = _latest_in_words(answered, given_up)
    figure = drawing(finding, finding, x=_("seconds ago"), y=_("latency (ms)"))
    for part, (name, rows, seconds) in parts.items():
        figure.add_bar(
            x=(rows["end_s"] - now_s).to_numpy(),
            y=milliseconds(seconds.to_numpy()),
            name=name,
            width=0.06,
            marker={"color": COLOURS[part], "line_width": 0},
        )
    figure.update_layout(barmode="stack", xaxis_range=[-window_s, 0], showlegend=True)
    figure.update_yaxes(range=[0, _round_above(milliseconds(latest["latency_s"].max()))])
    return figure


def _round_above(highest_ms: float) -> float:
    """The end of the scale: a scale that moves with each request would hide the climb."""
    return next((end for end in (200, 500, 1000, 2000, 5000) if highest_ms < end), 12_000)


def not_running(figure: go.Figure, rate_per_s: float, work_ms: float, workers: int) -> go.Figure:
    """The figure of a run that has ended, or not begun, with what the next one would be."""
    text = ngettext(
        "Start sends {rate:g} requests/s; each is {work:g} ms of work for {count} worker",
        "Start sends {rate:g} requests/s; each is {work:g} ms of work for one of {count} workers",
        workers,
    ).format(rate=rate_per_s, work=work_ms, count=workers)
    return figure.update_layout(title_text=text, meta={"summary": text})


def _latest_in_words(answered: DataFrame, given_up: DataFrame) -> str:
    if given_up.size:
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


def _waiting_in_words(runs: Mapping[str, DataFrame]) -> str:
    waits_s = {name: _last_wait_s(attempts) for name, attempts in runs.items()}
    longest = max(waits_s, key=waits_s.__getitem__)
    text = _("At {run} the last customers wait {wait}; the work on a request stays the same")
    return text.format(run=longest, wait=time_text(waits_s[longest]))


def _runs_in_words(runs: Mapping[str, DataFrame]) -> str:
    text = _(
        "At {run}: {work} of work on a request, {first} of waiting at first, {last} at the end."
    )
    return " ".join(
        text.format(
            run=name,
            work=time_text(attempts["service_s"].median()),
            first=time_text(_wait_s(attempts).head(5).median()),
            last=time_text(_last_wait_s(attempts)),
        )
        for name, attempts in runs.items()
    )


def _wait_s(attempts: DataFrame) -> Series:
    return (attempts["latency_s"] - attempts["service_s"]).clip(lower=0)


def _last_wait_s(attempts: DataFrame) -> float:
    return float(_wait_s(attempts).tail(5).median())


def climbs_by_server(climbs: DataFrame) -> go.Figure:
    """A grid of tricks and servers: the status of each answer, and where the secret leaked.

    Takes the table of `attacks.climb`.
    """
    leaks = climbs.groupby("server", sort=False)["leaked"].sum()
    figure = drawing(_leaks_in_words(leaks), _leaks_by_server(leaks, len(climbs)), x="", y="")
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
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
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


# What became of a request: the colour's name, the words, and a pattern that says it without colour.
_ENDS = (
    ("ok", _("2xx: what was asked for"), ""),
    ("no_answer", _("4xx: nothing here"), "."),
    ("slow", _("5xx: the server failed"), "/"),
    ("error", _("200, and it was the recipe"), "x"),
)


def answers_by_wish(answers: DataFrame) -> go.Figure:
    """Bars of what became of each kind of request; columns wish, status and leaked.

    A leak is drawn apart from the other 200s: no status tells it from them.
    """
    ends = answers.apply(_end, axis="columns")
    counts = answers.groupby(["wish", ends], sort=False).size().unstack(fill_value=0)
    totals = ends.value_counts()
    figure = drawing(
        _answers_in_words(totals, len(answers)), _counts_in_words(counts), x=_("requests"), y=""
    )
    for end, words, pattern in _ENDS:
        figure.add_bar(
            y=list(counts.index),
            x=counts[end].to_numpy() if end in counts else [0] * len(counts),
            name=words,
            orientation="h",
            marker={
                "color": COLOURS[end],
                "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": "#FFFFFF"},
            },
        )
    figure.update_layout(barmode="stack", margin_t=120, title_y=0.95, legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    return figure


def _end(answer: Series) -> str:
    if answer["leaked"]:
        return "error"
    return {2: "ok", 5: "slow"}.get(answer["status"] // 100, "no_answer")


def _answers_in_words(totals: Series, requests: int) -> str:
    if leaks := totals.get("error", 0):
        text = ngettext(
            "The recipe got out once, under the status 200",
            "The recipe got out {leaks} times, always under the status 200",
            leaks,
        )
        return text.format(leaks=leaks)
    text = _("{missing} of {requests} requests found nothing, and {failed} failed")
    return text.format(
        missing=totals.get("no_answer", 0), requests=requests, failed=totals.get("slow", 0)
    )


def _counts_in_words(counts: DataFrame) -> str:
    words = {end: text for end, text, _pattern in _ENDS}
    sentence = _("{wish}: {ends}.")
    return " ".join(
        sentence.format(
            wish=wish, ends=", ".join(f"{n} × {words[end]}" for end, n in row.items() if n)
        )
        for wish, row in counts.iterrows()
    )


def asked_and_answered(attempts: DataFrame, predicted_per_s: float | None = None) -> go.Figure:
    """Requests asked so far and answered so far, over the run's time: the gap is the queue.

    `predicted_per_s`, the rate of answers a learner predicted, is drawn as a dotted line.
    """
    asked_s = attempts["intended_s"].sort_values().to_numpy()
    answered_s = attempts["end_s"].sort_values().to_numpy()
    so_far = list(range(1, len(attempts) + 1))
    asked_per_s, answered_per_s = _rate_per_s(asked_s), _rate_per_s(answered_s)
    waiting = sum(answered_s > asked_s[-1])
    finding = _(
        "Asked {asked:.0f} times a second it answers {answered:.0f} times; the gap is the queue"
    )
    summary = _(
        "{asked:.0f} requests/s are asked for, {answered:.0f} are answered. When the last one is "
        "asked, {waiting} are waiting for their answers."
    )
    figure = drawing(
        finding.format(asked=asked_per_s, answered=answered_per_s),
        summary.format(asked=asked_per_s, answered=answered_per_s, waiting=waiting),
        x=_("time since the run's start (s)"),
        y=_("requests so far"),
    )
    line = {"mode": "lines", "line_shape": "hv"}
    figure.add_scatter(x=asked_s, y=so_far, name=_("asked"), line_color=COLOURS["wait"], **line)
    figure.add_scatter(
        x=answered_s,
        y=so_far,
        name=_("answered"),
        line_color=COLOURS["service"],
        fill="tonextx",
        fillcolor="rgba(230, 159, 0, 0.2)",
        **line,
    )
    if predicted_per_s is not None:
        end_s = min(answered_s[-1], len(attempts) / max(predicted_per_s, 1e-9))
        figure.add_scatter(
            x=[0, end_s],
            y=[0, predicted_per_s * end_s],
            name=_("answered, as you predicted"),
            mode="lines",
            line={"color": COLOURS["prediction"], "width": 3, "dash": "dot"},
        )
    return figure


def _rate_per_s(moments_s: Series) -> float:
    return (len(moments_s) - 1) / (moments_s[-1] - moments_s[0])
