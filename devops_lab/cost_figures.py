"""The figure of what speed costs: fleets of machines by their latency and their price."""

import plotly.graph_objects as go
from pandas import DataFrame, Series

from devops_lab import rules
from devops_lab.figures import (
    COLOURS,
    add_prediction,
    drawing,
    milliseconds,
    time_text,
)
from devops_lab.translation import _

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "star")
# How many times as slow as allowed and as dear as needed the picture goes.
SLOWEST, DEAREST = 3, 4


def cost_against_latency(
    fleets: DataFrame, target_s: float, predicted_price: float | None = None
) -> go.Figure:
    """What each fleet costs an hour by the latency in ms that it reaches; takes `scaling.fleets`.

    A symbol a machine size, a number of machines at each point. The cheapest fleet that is no
    slower than the target is marked, and the learner's own price is a dotted line. What costs or
    takes several times as much is out of the picture.
    """
    rules.number("target_s", target_s, above=0)
    rules.whole("fleets", len(fleets), at_least=1, remedy=_("Allow more machines."))
    in_time = fleets[fleets["latency_s"] <= target_s]
    best = None if in_time.empty else in_time.loc[in_time["price_per_hour"].idxmin()]
    finding = _best_in_words(best, target_s)
    figure = drawing(
        finding,
        " ".join([f"{finding}.", *_sizes_in_words(in_time)]),
        x=_("latency that 95 of 100 stay below (ms)"),
        y=_("price (€ an hour)"),
        traces=[
            _fleets_of(size, fleets[fleets["size"] == size], symbol)
            for size, symbol in zip(fleets["size"].unique(), SYMBOLS * len(fleets), strict=False)
        ],
        showlegend=True,
    )
    _mark_target(figure, target_s)
    if best is not None:
        figure.add_trace(_ring(best))
    if predicted_price is not None:
        add_prediction(figure, _("your prediction"), y=predicted_price)
    cheapest = fleets["price_per_hour"].min() if best is None else best["price_per_hour"]
    figure.update_xaxes(range=[0, SLOWEST * milliseconds(target_s)])
    figure.update_yaxes(range=[0, max(DEAREST * cheapest, 1.2 * (predicted_price or 0))])
    return figure


def _fleets_of(size: str, fleets: DataFrame, symbol: str) -> go.Scatter:
    return go.Scatter(
        x=milliseconds(fleets["latency_s"].to_numpy()),
        y=fleets["price_per_hour"].to_numpy(),
        name=size,
        mode="lines+markers+text",
        text=[str(machines) for machines in fleets["machines"]],
        textposition="top right",
        marker={"symbol": symbol, "size": 10, "color": COLOURS["theory"]},
        line={"color": COLOURS["theory"], "width": 1, "dash": "dot"},
    )


def _ring(best: Series) -> go.Scatter:
    return go.Scatter(
        x=[milliseconds(best["latency_s"])],
        y=[best["price_per_hour"]],
        name=_("cheapest in time"),
        mode="markers",
        marker={
            "symbol": "circle-open",
            "size": 22,
            "color": COLOURS["ok"],
            "line": {"width": 3},
        },
    )


def _mark_target(figure: go.Figure, target_s: float) -> None:
    figure.add_vline(
        milliseconds(target_s),
        line={"color": COLOURS["slow"], "width": 2, "dash": "dash"},
        annotation={"text": _("too slow ▸"), "xanchor": "left", "yanchor": "top"},
    )


def _best_in_words(best: Series | None, target_s: float) -> str:
    if best is None:
        text = _("No fleet answers 95 of 100 requests within {target}")
        return text.format(target=time_text(target_s))
    text = _("Within {target} for {price:.2f} € an hour: {machines} × {size}")
    return text.format(
        target=time_text(target_s),
        price=best["price_per_hour"],
        machines=best["machines"],
        size=best["size"],
    )


def _sizes_in_words(in_time: DataFrame) -> list[str]:
    text = _("{size}: {machines} of them for {price:.2f} € an hour take {latency}.")
    cheapest = in_time.loc[in_time.groupby("size", sort=False)["price_per_hour"].idxmin()]
    return [
        text.format(
            size=fleet.size_name,
            machines=fleet.machines,
            price=fleet.price_per_hour,
            latency=time_text(fleet.latency_s),
        )
        for fleet in cheapest.rename(columns={"size": "size_name"}).itertuples()
    ]
