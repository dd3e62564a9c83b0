"""Figures of logs: one request's way over the servers, who has the errors, what a sample hides."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from devops_lab.figures import COLOURS, add_prediction, drawing, milliseconds, percent_text
from devops_lab.logs import chance_to_meet, kept_gb, spans
from devops_lab.translation import _

ROW_PX = 56
HOUR_S, MONTH_DAYS = 3_600, 30
BYTES_PER_LINE = 250
# About what clouds ask for taking a gigabyte of logs in.
WON_PER_GB = 700
KEPT_SHARES = np.logspace(-3, 0, 61)


def waterfall(lines: pd.DataFrame) -> go.Figure:
    """One request on its way: a row a server that had it, from when to when.

    Takes the table of `Logs.of_request`. Raises a `ValueError` where it has no lines, or those of
    several requests.
    """
    if lines["request_id"].nunique() != 1:
        text = _("A waterfall shows one request; these are lines of {count}.")
        raise ValueError(text.format(count=lines["request_id"].nunique()))
    seen = spans(lines).assign(row=_rows(lines))
    longest = seen.loc[seen["own_s"].idxmax()]
    finding = _("Of {whole:.0f} ms, {own:.0f} were spent in {server} itself").format(
        whole=milliseconds(seen["end_s"].max()),
        own=milliseconds(longest["own_s"]),
        server=longest["server"],
    )
    words = " ".join(_span_in_words(span) for span in seen.itertuples())
    figure = drawing(finding, words, x=_("ms since the request came"), y="")
    failed, begun_s = seen["status"] >= 500, seen["start_s"] + seen["wait_s"]
    asked = seen[seen["asked_by"].notna()]
    asking = seen.loc[asked["asked_by"]].reset_index(drop=True)
    ends_s = np.minimum(asked["end_s"].to_numpy(), asking["end_s"])
    for look, rows, starts_s, stops_s in (
        ("wait", seen["row"], seen["start_s"], begun_s),
        ("service", seen["row"][~failed], begun_s[~failed], seen["end_s"][~failed]),
        ("error", seen["row"][failed], begun_s[failed], seen["end_s"][failed]),
        ("no_answer", asking["row"], asked["start_s"].reset_index(drop=True), ends_s),
    ):
        _add_bars(figure, look, rows, starts_s, stops_s)
    _say_at_the_ends(figure, seen)
    figure.update_yaxes(autorange="reversed", showgrid=False, categoryarray=seen["row"])
    room = 1.35 * milliseconds(seen["end_s"].max())
    figure.update_xaxes(range=[0, room], showgrid=True)
    return figure.update_layout(height=170 + ROW_PX * len(seen), barmode="overlay", showlegend=True)


def _rows(lines: pd.DataFrame) -> list[str]:
    """A name for each line: the server's, and its number where the server was asked again."""
    times = lines.groupby("server").cumcount() + 1
    again = _("{server}, asked again ({number})")
    return [
        server if number == 1 else again.format(server=server, number=number)
        for server, number in zip(lines["server"], times, strict=True)
    ]


# What a piece of a bar says, by its colour.
PIECES = {
    "wait": _("in the queue"),
    "service": _("works on it"),
    "error": _("works on it, and ends with an error"),
    "no_answer": _("waits for the server it asked"),
}
SHORTEST_SHOWN_S = 0.0005


def _add_bars(
    figure: go.Figure, look: str, rows: pd.Series, starts_s: pd.Series, stops_s: pd.Series
) -> None:
    """Pieces of bars; without any that can be seen, no word in the legend either."""
    if not (stops_s - starts_s > SHORTEST_SHOWN_S).any():
        return
    figure.add_bar(
        y=rows,
        x=milliseconds(stops_s - starts_s),
        base=milliseconds(starts_s),
        orientation="h",
        name=PIECES[look],
        marker={"color": COLOURS[look], "line": {"width": 0}},
        width=0.5,
    )


def _say_at_the_ends(figure: go.Figure, seen: pd.DataFrame) -> None:
    said = _("{status}, itself {own:.0f} ms")
    figure.add_scatter(
        x=milliseconds(seen["end_s"]),
        y=seen["row"],
        mode="text",
        text=[
            "  " + said.format(status=span.status, own=milliseconds(span.own_s))
            for span in seen.itertuples()
        ],
        textposition="middle right",
        showlegend=False,
        hoverinfo="skip",
    )


def _span_in_words(span: object) -> str:
    return _(
        "{row}: from {start:.0f} to {end:.0f} ms, {own:.0f} ms of them itself, status {status}."
    ).format(
        row=span.row,
        start=milliseconds(span.start_s),
        end=milliseconds(span.end_s),
        own=milliseconds(span.own_s),
        status=span.status,
    )


def errors_by_customer(
    customers: pd.DataFrame, *, predicted_percent: float | None = None
) -> go.Figure:
    """Each customer as a point: how much they asked, and which share of it failed.

    `customers` has the columns `user`, `requests` and `failed`.
    """
    # A point of many customers is drawn once.
    points = customers.drop_duplicates(["requests", "failed"])
    in_all = customers["failed"].sum() / customers["requests"].sum()
    worst = customers.loc[(customers["failed"] / customers["requests"]).idxmax()]
    told = {
        "all": percent_text(round(in_all, 4)),
        "user": worst["user"],
        "own": percent_text(round(worst["failed"] / worst["requests"], 4)),
    }
    finding = _("{all} of all requests failed. Of those of {user}: {own}").format(**told)
    figure = drawing(
        finding,
        _("{count:,} customers. {finding}.").format(count=len(customers), finding=finding),
        x=_("requests of the customer"),
        y=_("failed (%)"),
    )
    for colour, symbol, name, rows in (
        ("ok", "circle", _("customers without an error"), points["failed"] == 0),
        ("error", "x", _("customers with errors"), points["failed"] > 0),
    ):
        figure.add_scatter(
            x=points["requests"][rows],
            y=(100 * points["failed"] / points["requests"])[rows],
            mode="markers",
            name=name,
            marker={"color": COLOURS[colour], "symbol": symbol, "size": 9},
        )
    if predicted_percent is not None:
        add_prediction(figure, _("your prediction"), y=predicted_percent)
    figure.update_xaxes(type="log", dtick=1)
    return figure.update_yaxes(range=[-4, 106])


def where_errors_begin(lines: pd.DataFrame, servers: list[str], seconds: float) -> go.Figure:
    """The lines of the last seconds by server: answers, errors of its own, and errors that it only
    passed on from the server below. In the order of `servers`, the first on top.
    """
    failed = lines["status"] >= 500
    passed_on = failed & lines["error"].str.startswith("the layer below").fillna(False).astype(bool)
    kinds = (
        ("ok", "", _("answered"), ~failed),
        ("error", "", _("errors that began here"), failed & ~passed_on),
        ("no_answer", "/", _("errors from the server below"), passed_on),
    )
    begun = failed & ~passed_on
    finding = _in_words(lines["server"][begun], servers, len(lines), seconds)
    figure = drawing(
        finding, finding, x=_("lines of the log, last {s:g} s").format(s=seconds), y=""
    )
    for colour, pattern, name, rows in kinds:
        counted = lines["server"][rows].value_counts().reindex(servers, fill_value=0)
        figure.add_bar(
            y=servers,
            x=counted.to_numpy(),
            orientation="h",
            name=name,
            marker={"color": COLOURS[colour], "pattern": {"shape": pattern}},
            width=0.6,
        )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_layout(barmode="stack", height=320, showlegend=True)


def _in_words(begun: pd.Series, servers: list[str], count: int, seconds: float) -> str:
    if not count:
        return _("No lines yet.")
    if begun.empty:
        return _("{count:,} lines in {s:g} s, no error among them").format(count=count, s=seconds)
    counts = begun.value_counts().reindex(servers, fill_value=0)
    each = [
        _("{errors} in {server}").format(errors=errors, server=server)
        for server, errors in counts.items()
        if errors
    ]
    return _("{count:,} lines in {s:g} s; errors that began there: {each}").format(
        count=count, s=seconds, each=", ".join(each)
    )


def what_a_sample_hides(
    kept_share: float, requests_per_s: float, one_failure_in: int, *, all_errors: bool = False
) -> go.Figure:
    """The chance that a rare failure is among the lines kept of an hour, by the share kept; and
    what a month of these lines weighs and costs.

    Each request leaves one line. Failures come by chance, independently of one another.
    """
    failing_share, requests = 1 / one_failure_in, round(HOUR_S * requests_per_s)

    def chance(kept: float) -> float:
        return chance_to_meet(1.0 if all_errors else kept, failing_share, requests)

    kept_lines_per_s = requests_per_s * kept_share
    if all_errors:
        kept_lines_per_s += requests_per_s * failing_share * (1 - kept_share)
    gb = kept_gb(kept_lines_per_s, BYTES_PER_LINE, MONTH_DAYS)
    told = {
        "share": percent_text(kept_share),
        "gb": _about(gb),
        "won": f"{WON_PER_GB * gb:,.0f}",
        "chance": percent_text(float(f"{chance(kept_share):.2g}")),
    }
    finding = _("{share} kept: {gb} GB, {won} won a month; chance to see the failure {chance}")
    figure = drawing(
        finding.format(**told),
        _("One request in {n:,} fails, {rate:,} requests/s. {finding}.").format(
            n=one_failure_in, rate=requests_per_s, finding=finding.format(**told)
        ),
        x=_("share of the requests that is kept (%)"),
        y=_("chance to see it in an hour (%)"),
    )
    figure.add_scatter(
        x=100 * KEPT_SHARES,
        y=[100 * chance(kept) for kept in KEPT_SHARES],
        mode="lines",
        line={"color": COLOURS["theory"], "width": 2.5},
        showlegend=False,
    )
    figure.add_scatter(
        x=[100 * kept_share],
        y=[100 * chance(kept_share)],
        mode="markers",
        marker={"color": COLOURS["prediction"], "size": 14, "symbol": "diamond"},
        showlegend=False,
    )
    figure.update_xaxes(type="log", range=[-1.1, 2.1], tickvals=[0.1, 1, 10, 100])
    return figure.update_yaxes(range=[-4, 106])


def _about(gb: float) -> str:
    """A size as people say it: no more digits than matter.

    >>> _about(0.06482), _about(64.82), _about(6_482.4)
    ('0.065', '65', '6,482')
    """
    return f"{gb:,.0f}" if gb >= 10 else f"{gb:.2g}"
