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
