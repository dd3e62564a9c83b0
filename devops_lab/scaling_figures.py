"""Figures of scaling: machines made bigger and more, sessions lost and kept, laws, and prices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.figures import (
    COLOURS,
    add_prediction,
    divide,
    drawing,
    measured_crosses,
    theory_line,
)
from devops_lab.scaling import Usl, UslFit, fit_usl
from devops_lab.translation import _, ngettext

# What scales without end: neither measured nor a law of this system.
IDEAL = {"color": COLOURS["theory"], "width": 1.5, "dash": "dot"}
FITTED = {"color": COLOURS["measured"], "width": 2.5, "dash": "dash"}
# As far as the dashboard's workers go.
MOST_WORKERS = 32
# Two measured capacities this close are alike.
CLOSE = 0.9
# Each kind of fleet has its own kind of line.
KINDS = {
    "vertical": (_("one machine, as big as needed"), "dot", "square"),
    "horizontal": (_("more of the smallest"), "dash", "triangle-up"),
    "both": (_("any number of any size"), "solid", "circle"),
}


def capacity_by_machine(table: DataFrame, predicted_per_s: float | None = None) -> go.Figure:
    """How many requests a second each machine answered at its limit, a panel for each page.

    Takes rows of `sized_servers.full_speed` and `scaled_out`: crosses were measured, the grey bars
    are what the sizes say. A learner's prediction is drawn into the last panel.
    """
    pages, machines = [*table["page"].unique()], [*table["machine"].unique()]
    finding, summary = _best_in_words(table), _all_in_words(table)
    figure = drawing(finding, summary, x=_("answered (requests/s)"), y="")
    divide(figure, pages)
    for column, page in enumerate(pages, 1):
        rows = table[table["page"] == page]
        traces = _size_bars(rows), measured_crosses(rows["answered_per_s"].to_numpy(), _y(rows))
        for trace in traces:
            trace.update(showlegend=column == 1, cliponaxis=False)
            figure.add_trace(trace, row=1, col=column)
    if predicted_per_s is not None:
        column = len(pages)
        figure.add_vline(predicted_per_s, row=1, col=column, **_prediction_line())
    figure.update_xaxes(rangemode="tozero", showgrid=True, nticks=5)
    figure.update_yaxes(categoryorder="array", categoryarray=machines[::-1], rangemode="normal")
    return figure.update_layout(showlegend=True, margin_l=130)


def _y(rows: DataFrame) -> list[str]:
    return rows["machine"].tolist()


def _size_bars(rows: DataFrame) -> go.Scatter:
    line = {"color": COLOURS["theory"], "width": 3}
    marker = {"symbol": "line-ns", "size": 20, "line": line}
    x = rows["capacity_per_s"].to_numpy()
    return go.Scatter(x=x, y=_y(rows), name=_("by its size"), mode="markers", marker=marker)


def _prediction_line() -> dict[str, object]:
    return {
        "line": {"color": COLOURS["prediction"], "width": 3, "dash": "dot"},
        "annotation": {"text": _("your prediction")},
        "annotation_position": "top right",
    }


def _best_in_words(table: DataFrame) -> str:
    text = _("{page}: ×{times:.1f} with {machine}")
    parts = []
    for page, rows in table.groupby("page", sort=False):
        per_s = rows["answered_per_s"]
        # The first that comes close to the best: chance decides between two that are alike.
        best = rows[per_s > CLOSE * per_s.max()].iloc[0]
        times = best["answered_per_s"] / per_s.iloc[0]
        parts.append(text.format(page=page, times=times, machine=best["machine"]))
    return " · ".join(parts)


def _all_in_words(table: DataFrame) -> str:
    text = _("{page}: {measured} requests/s; by the sizes {capacities}.")
    of_machine = _("{machine} {number:.0f}")
    said = []
    for page, rows in table.groupby("page", sort=False):
        measured = ", ".join(
            of_machine.format(machine=row.machine, number=row.answered_per_s)
            for row in rows.itertuples()
        )
        capacities = ", ".join(f"{capacity:.0f}" for capacity in rows["capacity_per_s"])
        said.append(text.format(page=page, measured=measured, capacities=capacities))
    return " ".join(said)


def clicks_by_case(cases: Mapping[str, DataFrame], predicted: float | None = None) -> go.Figure:
    """Each click of a visitor and whether the shop knew them, a row for each case.

    Takes tables of `sessions.Visitor.clicks` by the names of their rows. The digit under a click is
    the server that answered. `predicted`, the learner's number of known clicks, is a row of its
    own.
    """
    lost = {name: int((~clicks["is_known"]).sum()) for name, clicks in cases.items()}
    text = _("{case}: {lost} of {clicks} clicks logged out")
    said = [
        text.format(case=name, lost=lost[name], clicks=len(clicks))
        for name, clicks in cases.items()
    ]
    worst = max(lost, key=lost.__getitem__)
    finding = said[[*cases].index(worst)]
    figure = drawing(
        finding,
        ". ".join([*said, ""]).strip(),
        x=_("click (below it: the server that answered)"),
        y="",
    )
    for is_known, colour, symbol, words in (
        (True, "ok", "circle", _("the shop knows you")),
        (False, "error", "x", _("please log in")),
    ):
        rows = [
            (click.click, name, str(click.server)[-1:])
            for name, clicks in cases.items()
            for click in clicks[clicks["is_known"] == is_known].itertuples()
        ]
        x, y, servers = zip(*rows, strict=True) if rows else ((), (), ())
        figure.add_scatter(
            x=x,
            y=y,
            text=servers,
            name=words,
            mode="markers+text",
            textposition="bottom center",
            marker={"color": COLOURS[colour], "symbol": symbol, "size": 14},
        )
    names = [*cases]
    if predicted is not None:
        names.append(_("your prediction"))
        figure.add_trace(_predicted_clicks(round(predicted), names[-1]))
    figure.update_xaxes(dtick=1, range=[0.4, max(map(len, cases.values())) + 0.6])
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=names[::-1],
        range=[-0.6, len(names) - 0.5],
        rangemode="normal",
    )
    return figure.update_layout(showlegend=True)


def _predicted_clicks(count: int, name: str) -> go.Scatter:
    marker = {"color": COLOURS["prediction"], "symbol": "circle-open", "size": 14, "line_width": 3}
    x = list(range(1, count + 1))
    return go.Scatter(x=x, y=[name] * count, name=name, mode="markers", marker=marker)


def throughput_by_workers(
    runs: DataFrame,
    *,
    fit: UslFit | None = None,
    planned: Usl | None = None,
    predicted_per_s: float | None = None,
) -> go.Figure:
    """Orders a second by the number of workers: the runs of `closing_servers.measure_closing`.

    `fit` is the law that was fitted to them, dashed; `planned` the one they were made with, grey;
    the dotted line would be reached if nothing had to wait. A learner's prediction is dotted too.
    """
    means = runs.groupby("workers")["orders_per_s"].mean()
    best = int(means.idxmax())
    finding = _("The most orders a second come from {best} workers; {most} manage {less:.0f} %")
    finding = finding.format(
        best=best, most=means.index[-1], less=100 * means.iloc[-1] / means.loc[best]
    )
    summary = " ".join([f"{finding}.", *([_fit_in_words(fit)] if fit else [])])
    figure = drawing(finding, summary, x=_("workers"), y=_("orders a second"))
    workers = np.linspace(1, means.index[-1], 120)
    top = max(means.max(), predicted_per_s or 0)
    ideal = means.iloc[0] / means.index[0] * workers
    figure.add_scatter(x=workers, y=ideal, name=_("if all could be split"), line=IDEAL)
    if planned:
        figure.add_trace(theory_line(workers, planned.throughput(workers)))
    if fit:
        fitted = fit.law.throughput(workers)
        figure.add_scatter(x=workers, y=fitted, name=_("fitted"), mode="lines", line=FITTED)
    figure.add_trace(measured_crosses(runs["workers"].to_numpy(), runs["orders_per_s"].to_numpy()))
    if predicted_per_s is not None:
        add_prediction(figure, _("your prediction"), y=predicted_per_s)
    figure.update_xaxes(range=[0, means.index[-1] * 1.03])
    return figure.update_yaxes(range=[0, 1.25 * top]).update_layout(showlegend=True)


def _fit_in_words(fit: UslFit) -> str:
    text = _(
        "Fitted: serial share {share:.1f} % (from {low:.1f} to {high:.1f} %), the peak at "
        "{peak:.0f} workers."
    )
    low, high = fit.contention_interval
    return text.format(
        share=100 * fit.law.contention, low=100 * low, high=100 * high, peak=fit.law.peak_n
    )


def published_laws(table: DataFrame, names: Mapping[str, str]) -> go.Figure:
    """Published throughputs, as multiples of that of one, and the law fitted to each system.

    Takes the table of `data/scalability/published.csv`; `names` are the systems and what is
    counted, in words.
    """
    fits = {system: _fit(table[table["system"] == system]) for system in names}
    text, endless = _("{name}: the peak is at {peak:.0f}"), _("{name}: no peak in sight")
    said = [
        (text if np.isfinite(fit.law.peak_n) else endless).format(
            name=names[system], peak=fit.law.peak_n
        )
        for system, fit in fits.items()
    ]
    figure = drawing(
        _("Three real systems: each doubling brought less than the one before"),
        ". ".join([*said, ""]).strip(),
        x=_("how many at once"),
        y=_("times the throughput of one"),
    )
    divide(figure, [*names.values()])
    for column, (system, fit) in enumerate(fits.items(), 1):
        rows, law = table[table["system"] == system], fit.law
        sizes = np.linspace(1, rows["n"].max(), 120)
        fitted = go.Scatter(x=sizes, y=law.throughput(sizes) / law.rate_1, line=FITTED)
        fitted.update(name=_("fitted"), mode="lines")
        crosses = measured_crosses(
            rows["n"].to_numpy(), (rows["throughput"] / law.rate_1).to_numpy()
        )
        for trace in (fitted, crosses):
            trace.update(showlegend=column == 1, legendgroup=trace.name)
            figure.add_trace(trace, row=1, col=column)
    figure.update_xaxes(rangemode="tozero")
    return figure.update_layout(showlegend=True)


def _fit(rows: DataFrame) -> UslFit:
    return fit_usl(rows["n"].tolist(), rows["throughput"].tolist())


@dataclass(frozen=True)
class ScalingModel:
    """What the dashboard of lesson 05 draws: a law, its price, and what was measured of it.

    `law` is that of the chosen size of machine, `law_of_small` that of the smallest; throughputs
    are orders a second. `euros_per_million` gives the price of a million orders by the number of
    workers, for both.
    """

    law: Usl
    workers: int
    euros_per_million: Callable[[np.ndarray], np.ndarray]
    law_of_small: Usl
    small_euros_per_million: Callable[[np.ndarray], np.ndarray]
    measured: DataFrame | None = None
    fit: UslFit | None = None


def scaling_model(model: ScalingModel) -> go.Figure:
    """Orders a second, and the price of a million orders, by the number of workers."""
    finding, summary = _model_in_words(model)
    figure = drawing(finding, summary, x="", y="")
    workers = np.arange(1.0, MOST_WORKERS + 1)
    figure.add_scatter(
        x=workers, y=model.law.rate_1 * workers, name=_("if all could be split"), line=IDEAL
    )
    figure.add_trace(_small(workers, model.law_of_small.throughput(workers)))
    figure.add_trace(theory_line(workers, model.law.throughput(workers)))
    if model.measured is not None:
        runs = model.measured
        figure.add_trace(
            measured_crosses(runs["workers"].to_numpy(float), runs["orders_per_s"].to_numpy())
        )
    small = _small(workers, model.small_euros_per_million(workers))
    chosen = theory_line(workers, model.euros_per_million(workers))
    for trace in (small, chosen):
        figure.add_trace(trace.update(xaxis="x2", yaxis="y2", showlegend=False))
    for axis, height in (
        ("", float(model.law.throughput(model.workers))),
        ("2", float(model.euros_per_million(np.array([model.workers]))[0])),
    ):
        figure.add_trace(_chosen_point(model.workers, height, axis))
    return figure.update_layout(_panels(model, workers))


def _small(x: np.ndarray, y: np.ndarray) -> go.Scatter:
    line = {"color": COLOURS["theory"], "width": 1.5, "dash": "dash"}
    return go.Scatter(x=x, y=y, name=_("size 1"), mode="lines", line=line)


def _chosen_point(workers: int, height: float, axis: str) -> go.Scatter:
    marker = {"color": COLOURS["prediction"], "symbol": "diamond", "size": 14}
    return go.Scatter(
        x=[workers],
        y=[height],
        name=_("your choice"),
        mode="markers",
        marker=marker,
        xaxis=f"x{axis}",
        yaxis=f"y{axis}",
        showlegend=not axis,
    )


def _panels(model: ScalingModel, workers: np.ndarray) -> dict[str, object]:
    """Two panels at once: plotly's own subplots take longer than a slider may."""
    titles = {0.0: _("orders a second"), 0.58: _("price of a million orders (€)")}
    place = {"y": 1.02, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    top = model.law.throughput(workers).max()
    dearest = model.euros_per_million(workers).max()
    axis = {"title": _("workers"), "range": [0, MOST_WORKERS + 1]}
    return {
        "xaxis": {"domain": [0, 0.46], **axis},
        "xaxis2": {"domain": [0.58, 1], **axis},
        "yaxis": {"range": [0, _round_above(1.1 * top)]},
        "yaxis2": {"anchor": "x2", "range": [0, _round_above(1.1 * dearest)]},
        "annotations": [
            {"text": text, "x": x, "showarrow": False, **place} for x, text in titles.items()
        ],
        "margin": {"t": 126},
        "legend": {"y": 1.13},
        "showlegend": True,
    }


def _round_above(value: float) -> float:
    """The next of 1, 2, 5, 10 and so on: a scale that moved with each number hides the climb."""
    power = 10.0 ** np.floor(np.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _model_in_words(model: ScalingModel) -> tuple[str, str]:
    per_s = float(model.law.throughput(model.workers))
    finding = ngettext(
        "{workers} worker does {times:.1f} times the work of one",
        "{workers} workers do {times:.1f} times the work of one",
        model.workers,
    ).format(times=per_s / model.law.rate_1, workers=model.workers)
    text = _("{per_s:.0f} orders a second, {euros:.2f} € a million.")
    euros = float(model.euros_per_million(np.array([model.workers]))[0])
    said = [f"{finding}:", text.format(per_s=per_s, euros=euros), _peak_in_words(model.law)]
    if model.fit:
        said.append(_fit_in_words(model.fit))
    return finding, " ".join(said)


def _peak_in_words(law: Usl) -> str:
    if law.limit == np.inf and law.peak_n == np.inf:
        return _("There is no limit: everything can be split.")
    if law.peak_n == np.inf:
        text = _("However many there are, it is never more than {limit:.0f} a second.")
        return text.format(limit=law.limit)
    text = _("The most is {top:.0f} a second, with {peak:.0f} workers.")
    return text.format(top=law.peak_throughput, peak=max(1, law.peak_n))


def cost_of_fleets(costs: DataFrame) -> go.Figure:
    """What the cheapest fleet of each kind costs an hour, by the load: `scaling.cost_curves`.

    A line that ends has no fleet any more.
    """
    finding, summary = _costs_in_words(costs)
    figure = drawing(finding, summary, x=_("load (requests/s)"), y=_("price (€ an hour)"))
    for kind, (words, dash, symbol) in KINDS.items():
        rows = costs[costs["kind"] == kind]
        figure.add_scatter(
            x=rows["arrival_rate_per_s"].to_numpy(float),
            y=rows["price_per_hour"].to_numpy(float),
            name=words,
            mode="lines+markers",
            line={"color": COLOURS["theory"], "width": 2.5, "dash": dash},
            marker={"color": COLOURS["theory"], "symbol": symbol, "size": 9},
        )
    return figure.update_xaxes(rangemode="tozero").update_layout(showlegend=True)


def _costs_in_words(costs: DataFrame) -> tuple[str, str]:
    by_kind = costs.pivot(
        index="arrival_rate_per_s", columns="kind", values="price_per_hour"
    ).astype(float)
    alone = by_kind["vertical"].last_valid_index()
    end = by_kind.index[-1]
    if alone is None or alone == end:
        finding = _("Up to {end:g} requests/s one machine is enough")
    else:
        finding = _("Above {alone:g} requests/s no single machine on offer is big enough")
    text = _("At {end:g} requests/s the cheapest fleet costs {price:.2f} € an hour.")
    finding = finding.format(end=end, alone=alone or 0)
    summary = text.format(end=end, price=by_kind["both"].iloc[-1])
    return finding, f"{finding}. {summary}"
