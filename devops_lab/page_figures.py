"""Figures of pages that need several servers, and of servers that fall: who got what, and when."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame, Series

from devops_lab.figures import (
    COLOURS,
    ENDS,
    LIVE,
    End,
    add_prediction,
    divide,
    drawing,
    measured_crosses,
    milliseconds,
    percent_text,
    scale_end,
    theory_line,
    time_text,
)
from devops_lab.translation import _

# How a request ended, for a customer: all but silence ends at once.
_ENDS = {
    "ok": ENDS["ok"],
    "failed": ENDS["failed"]._replace(words=_("an error, at once")),
    "timed_out": ENDS["timed_out"],
}
_PAGE_ENDS = {
    "ok": ENDS["ok"]._replace(words=_("a whole page")),
    "failed": ENDS["failed"]._replace(words=_("a part was missing")),
    "timed_out": ENDS["timed_out"]._replace(words=_("no answer")),
    "report": End("slow", _("a heavy report"), "diamond"),
    "report_given_up": End("no_answer", _("a heavy report, given up"), "diamond-open"),
}


def whole_pages(
    visits: DataFrame, good_share: float, predicted_percent: float | None = None
) -> go.Figure:
    """The share of whole pages in % by the number of servers a page needs.

    The line is the formula, `good_share` (of each server's answers, 0 to 1) to the power of the
    servers; the crosses are the table of `pages.visit`; a learner's prediction is dotted.
    """
    measured = visits.groupby("servers")["is_whole"].mean()
    servers = np.arange(1, measured.index.max() + 1)
    expected = good_share**servers
    finding = _("A page that needs {servers} servers comes whole {whole} of the time").format(
        servers=measured.index[-1], whole=_tenths(measured.iloc[-1])
    )
    text = _("Needs {servers}: {whole} whole, the formula says {expected}.")
    summary = " ".join(
        text.format(servers=n, whole=_tenths(share), expected=_tenths(good_share**n))
        for n, share in measured.items()
    )
    figure = drawing(finding, summary, x=_("servers that a page needs"), y=_("whole pages (%)"))
    figure.add_trace(theory_line(servers, 100 * expected))
    crosses = measured_crosses(measured.index.to_numpy(), 100 * measured.to_numpy())
    # At 100 % a cross stands half above the plot.
    figure.add_trace(crosses.update(cliponaxis=False))
    lowest = min(100 * expected[-1], 100 * measured.min())
    if predicted_percent is not None:
        add_prediction(figure, _("your prediction"), y=predicted_percent)
        lowest = min(lowest, max(0.0, predicted_percent))
    figure.update_xaxes(dtick=1)
    figure.update_yaxes(range=[max(0, lowest - 3), 100.4], rangemode="normal")
    return figure


def how_requests_ended(runs: Mapping[str, DataFrame]) -> go.Figure:
    """Each request at its intended start: how long it took in ms, and how it ended; a panel a run.

    Takes tables of attempts (`tables.ATTEMPTS`) under the names of their panels.
    """
    summary = _ends_in_words(runs)
    x, y = _("time since the run's start (s)"), _("latency (ms)")
    figure = drawing(_worst_in_words(runs), summary, x=x, y=y)
    divide(figure, list(runs))
    in_legend: set[str] = set()
    for column, attempts in enumerate(runs.values(), 1):
        ends = _ends(attempts)
        for rank, (end, (colour, words, symbol)) in enumerate(_ENDS.items()):
            rows = attempts[ends == end]
            points = go.Scatter(
                x=rows["intended_s"].to_numpy(),
                y=milliseconds(rows["latency_s"].to_numpy()),
                name=words,
                mode="markers",
                # An error at once takes no time at all, and would stand half below the axis.
                cliponaxis=False,
                legendgroup=end,
                legendrank=rank,
                # An empty panel would leave its word out of the legend of all.
                showlegend=len(rows) > 0 and end not in in_legend,
                marker={"color": COLOURS[colour], "symbol": symbol, "size": 8},
            )
            figure.add_trace(points, row=1, col=column)
            if len(rows):
                in_legend.add(end)
    return figure


def latest_pages(
    pages: DataFrame, reports: DataFrame, window_s: float, expected_share: float
) -> go.Figure:
    """The pages and reports of the last `window_s` seconds: latency in ms by `age_s` and end.

    Takes attempts with a column `age_s` more. `expected_share` is what the formula says of whole
    pages, 0 to 1.
    """
    ends = _ends(pages).where(pages["age_s"] < window_s)
    groups = {end: pages[ends == end] for end in ("ok", "failed", "timed_out")}
    finding = _pages_in_words(groups, expected_share)
    is_made = reports["outcome"] == "ok"
    for end, rows in (("report", reports[is_made]), ("report_given_up", reports[~is_made])):
        groups[end] = rows[rows["age_s"] < window_s]
    slowest_s = max(
        (group["latency_s"].max() for group in groups.values() if len(group)), default=0
    )
    points = [
        go.Scatter(
            x=-groups[end]["age_s"].to_numpy(),
            y=milliseconds(groups[end]["latency_s"].to_numpy()),
            name=words,
            mode="markers",
            marker={"color": COLOURS[colour], "symbol": symbol, "size": 7},
        )
        for end, (colour, words, symbol) in _PAGE_ENDS.items()
    ]
    return drawing(
        finding,
        finding,
        x=_("seconds ago"),
        y=_("latency (ms)"),
        traces=points,
        xaxis={"range": [-window_s, 0]},
        yaxis={"range": [0, scale_end(milliseconds(slowest_s))]},
        showlegend=True,
        **LIVE,
    )


def _ends(attempts: DataFrame) -> Series:
    """How each attempt ended, for a customer: ok, failed (an error at once), or timed_out."""
    known = attempts["outcome"].where(attempts["outcome"].isin(["ok", "timed_out"]), "failed")
    return known.astype(object)


def _worst_in_words(runs: Mapping[str, DataFrame]) -> str:
    text = _("{run}: {lost} of {requests} lost")
    parts = (
        text.format(run=name, lost=int((attempts["outcome"] != "ok").sum()), requests=len(attempts))
        for name, attempts in runs.items()
    )
    return " · ".join(parts)


def _ends_in_words(runs: Mapping[str, DataFrame]) -> str:
    text = _("{run}: {ok} answered, {failed} errors at once, {timed_out} without any answer.")
    return " ".join(
        text.format(run=name, **{end: int((_ends(run) == end).sum()) for end in _ENDS})
        for name, run in runs.items()
    )


def _pages_in_words(groups: Mapping[str, DataFrame], expected_share: float) -> str:
    ended = pd.concat(groups.values())
    if ended.empty:
        return _("No page yet; the formula says {share} whole").format(
            share=_tenths(expected_share)
        )
    latest = ended.nsmallest(5, "age_s")
    text = _("{whole} of {pages} pages whole (the formula says {share}); the last took {time}")
    return text.format(
        whole=len(groups["ok"]),
        pages=len(ended),
        share=_tenths(expected_share),
        time=time_text(latest["latency_s"].median()),
    )


def _tenths(share: float) -> str:
    return percent_text(round(float(share), 3))
