"""Tables in, plotly figures out: one look for the whole course, and the only place for units.

A figure's title says what it shows, and its summary says it again in words, for those who cannot
see the figure: it is kept in the figure itself and read by `summary_of`.

>>> figure = drawing("Load doubles", "From 40 to 80 requests/s.", x="time (s)", y="requests/s")
>>> summary_of(figure)
'From 40 to 80 requests/s.'
"""

import html
import re
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from IPython.display import display

from devops_lab.translation import _

# One meaning each, in every lesson; the hues are Okabe and Ito's, told apart by all kinds of eyes.
# Green is work that succeeds, orange is time lost, vermilion is failure, blue says where a number
# comes from, purple is the learner's own, grey is what stands still.
COLOURS = {
    "ok": "#009E73",
    "service": "#009E73",
    "wait": "#E69F00",
    "slow": "#E69F00",
    "error": "#D55E00",
    "simulated": "#56B4E9",
    "measured": "#0072B2",
    "redirect": "#56B4E9",
    "prediction": "#CC79A7",
    "theory": "#7F7F7F",
    "no_answer": "#7F7F7F",
}


class End(NamedTuple):
    """How a try ended, as it is drawn: the name of its colour, its words and its symbol."""

    colour: str
    words: str
    symbol: str


# A shape each, so that no eye needs the colours; plotly's names, in the order of every legend. What
# ends in silence is grey, what somebody or something ends is not.
ENDS = {
    "ok": End("ok", _("answered"), "circle"),
    "failed": End("error", _("an error"), "x"),
    "turned_away": End("error", _("turned away"), "square"),
    "refused": End("error", _("no server to go to"), "diamond"),
    "closed": End("error", _("lost with its server"), "triangle-down"),
    "timed_out": End("no_answer", _("silence, given up"), "triangle-up"),
}
# As plotly's own objects, or as their properties by name.
Traces = Sequence[go.Scatter | go.Bar | dict[str, Any]]
# What a notebook stores of a figure.
PLOTLY = "application/vnd.plotly.v1+json"
# No "Share chart" (an upload), no logo, no buttons: drag to zoom, double-click to see all again.
CONFIG = {"displaylogo": False, "showSendToCloud": False, "displayModeBar": False}
HEIGHT_PX = 420
# Above the plot: the finding, in two lines at most of them, then the legend, in two rows at most.
_HEAD_PX = 100
_PANEL_NAME_PX = 26
_FOOT_PX = 56
_TITLE_LINE = 64
_NO_BREAK = "\N{NO-BREAK SPACE}"


def _template(*, ink: str, quiet: str, grid: str, paper: str) -> go.layout.Template:
    axis = {
        "gridcolor": grid,
        "linecolor": quiet,
        "tickcolor": quiet,
        "ticks": "outside",
        "ticklen": 5,
        "zeroline": False,
        "automargin": True,
        "exponentformat": "none",
        "separatethousands": True,
        "title": {"standoff": 12, "font": {"size": 14}},
    }
    return go.layout.Template(
        layout={
            "font": {
                "family": "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif",
                "size": 14,
                "color": ink,
            },
            # The finding begins where the summary under the figure does, and grows downwards; the
            # legend grows upwards from the plot.
            "title": {"x": 0, "xanchor": "left", "y": 0.95, "yanchor": "top", "font": {"size": 16}},
            "height": HEIGHT_PX,
            "margin": {"l": 64, "r": 24, "t": _HEAD_PX, "b": _FOOT_PX},
            "paper_bgcolor": paper,
            "plot_bgcolor": paper,
            "colorway": ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"],
            "xaxis": {**axis, "showgrid": False, "showline": True},
            "yaxis": {**axis, "rangemode": "tozero"},
            "legend": {
                "orientation": "h",
                "traceorder": "normal",
                "x": 0,
                "y": 1.02,
                "yanchor": "bottom",
            },
            "hoverlabel": {"font": {"size": 13}},
            "bargap": 0.15,
        },
    )


LIGHT = _template(ink="#1F2933", quiet="#8A949E", grid="#E4E7EB", paper="#FFFFFF")
DARK = _template(ink="#E4E7EB", quiet="#8A949E", grid="#3A4450", paper="rgba(0,0,0,0)")


# For a figure that only live figures show: they put the look on by themselves, and to have plotly
# check it and all traces with every move takes longer than all the rest of the figure.
LIVE = {"template": "none"}


def drawing(
    finding: str, summary: str, *, x: str, y: str, traces: Traces = (), **layout: Any
) -> go.Figure:
    """A figure in the course's look: its title (the finding), summary and axis titles.

    Without `traces` it is empty. They and the rest of plotly's `layout` may come later, too, but a
    slider's figure gives them here: plotly checks what comes later twice.
    """
    own = {
        "template": LIGHT,
        "title": {"text": _in_lines(finding)},
        "meta": {"summary": summary},
        "xaxis": {"title": {"text": x}} | layout.pop("xaxis", {}),
        "yaxis": {"title": {"text": y}} | layout.pop("yaxis", {}),
    }
    is_checked = layout.get("template") != LIVE["template"]
    return go.Figure(data=[*traces], layout=own | layout, _validate=is_checked)


def _in_lines(title: str) -> str:
    """The title in lines short enough for a narrow window, where plotly would cut it off; all
    about as long, so that no word stands alone, and no number without its unit."""
    title = re.sub(r"(?<=\d) (?=[a-z%])", _NO_BREAK, title)
    fewest = len(textwrap.wrap(title, _TITLE_LINE))
    narrowest = max(1, len(title) // max(1, fewest) - 1)
    splits = (textwrap.wrap(title, width) for width in range(narrowest, _TITLE_LINE + 1))
    lines = next(lines for lines in splits if len(lines) <= fewest)
    return "<br>".join(lines).replace(_NO_BREAK, " ")


def divide(figure: go.Figure, names: Sequence[str]) -> None:
    """Divide the figure into panels side by side, each with its name, the axes' titles and scale.

    Add traces with `row=1` and `col`, counted from 1.
    """
    x_title = figure.layout.xaxis.title.text
    figure.set_subplots(1, len(names), shared_yaxes=True, subplot_titles=names)
    figure.update_xaxes(title_text=x_title)
    for axis in [*figure.select_yaxes()][1:]:
        axis.ticks = ""
    figure.update_annotations(font_size=14)
    # The names stand where the legend would.
    top_px = _HEAD_PX + _PANEL_NAME_PX
    plot_px = HEIGHT_PX - top_px - _FOOT_PX
    figure.update_layout(margin_t=top_px, legend_y=1.02 + _PANEL_NAME_PX / plot_px)


def summary_of(figure: go.Figure) -> str:
    """What the figure says, in words; empty where its maker gave none.

    >>> summary_of(go.Figure())
    ''
    """
    return (figure.layout.meta or {}).get("summary", "")


def show(figure: go.Figure) -> None:
    """Display the figure with its summary under it.

    Only the figure's numbers are stored in the notebook, no library.
    """
    stored = {**figure.to_plotly_json(), "config": CONFIG}
    display({PLOTLY: stored, "text/plain": summary_of(figure)}, raw=True)
    text = html.escape(summary_of(figure))
    display({"text/html": f"<p>{text}</p>", "text/plain": summary_of(figure)}, raw=True)


# ---- the four ways to a number: each has its own colour and its own shape ----


# By way, the properties of its trace; where a name is shown, it is the one in the legend.
WAYS: dict[str, dict[str, Any]] = {
    "theory": {
        "name": _("theory"),
        "mode": "lines",
        "line": {"color": COLOURS["theory"], "width": 2.5},
    },
    # The formula's line in pieces, for values that no line joins.
    "theory_dashes": {
        "name": _("theory"),
        "mode": "markers",
        "marker": {
            "symbol": "line-ew",
            "size": 26,
            "line": {"color": COLOURS["theory"], "width": 3},
        },
    },
    "simulated": {
        "name": _("simulated"),
        "mode": "markers",
        "marker": {"color": COLOURS["simulated"], "symbol": "circle", "size": 8},
    },
    # The simulation of the very requests that were measured: rings, about their crosses.
    "replayed": {
        "name": _("simulated, same requests"),
        "mode": "markers",
        "marker": {
            "color": COLOURS["simulated"],
            "symbol": "circle-open",
            "size": 16,
            "line": {"width": 2},
        },
    },
    "measured": {
        "name": _("measured"),
        "mode": "markers",
        "marker": {
            "color": COLOURS["measured"],
            "symbol": "x-thin",
            "size": 9,
            "line": {"color": COLOURS["measured"], "width": 2},
        },
    },
    "prediction": {
        "name": _("your prediction"),
        "mode": "lines",
        "line": {"color": COLOURS["prediction"], "width": 3, "dash": "dot"},
    },
}


def theory_line(x: np.ndarray, y: np.ndarray) -> go.Scatter:
    """What a formula says: a line."""
    return go.Scatter(x=x, y=y, **WAYS["theory"])


def simulated_points(x: np.ndarray, y: np.ndarray) -> go.Scatter:
    """What the simulation gave: round points."""
    return go.Scatter(x=x, y=y, **WAYS["simulated"])


def simulated_rings(x: np.ndarray, y: np.ndarray) -> go.Scatter:
    """What the simulation gave for the very requests that were measured: rings."""
    return go.Scatter(x=x, y=y, **WAYS["replayed"])


def measured_crosses(x: np.ndarray, y: np.ndarray) -> go.Scatter:
    """What real servers did: crosses."""
    return go.Scatter(x=x, y=y, **WAYS["measured"])


def add_prediction(
    figure: go.Figure, label: str, *, x: float | None = None, y: float | None = None
) -> None:
    """Draw the learner's own number into the figure: a dotted line across it, with its label."""
    look = {"line": WAYS["prediction"]["line"], "annotation": {"text": label}}
    if y is not None:
        figure.add_hline(y, annotation_position="top left", **look)
    if x is not None:
        figure.add_vline(x, annotation_position="top right", **look)


# ---- units: tables have base units (s, shares of 1), figures what people say ----


def milliseconds(seconds: np.ndarray | float) -> np.ndarray | float:
    """Seconds as milliseconds."""
    return seconds * 1000


def time_text(seconds: float) -> str:
    """A time as people say it.

    >>> time_text(0.0031), time_text(0.25), time_text(2.5), time_text(90)
    ('3.1 ms', '250 ms', '2.5 s', '1.5 min')
    """
    for unit, per_second in (("ms", 1000), ("s", 1)):
        if round(seconds, 4) < {"ms": 1, "s": 60}[unit]:
            return f"{seconds * per_second:.3g} {unit}"
    return f"{seconds / 60:.3g} min"


def scale_end(highest: float, least: float = 200) -> float:
    """The end of a scale from 0 for a figure that moves, one that would hide a climb if it moved
    along with each number: `least`, or the next of 1.2, 2 and 5 with zeros that has room. Where
    there is no number yet, `least`.

    >>> scale_end(150), scale_end(4000), scale_end(float("nan")), scale_end(30, least=10)
    (200, 5000, 200, 50)
    """
    ends = (round(step * 10**zeros) for zeros in range(1, 12) for step in (1.2, 2, 5))
    return next(end for end in ends if end >= least and not highest > end)


def percent_text(share: float) -> str:
    """A share of 1 in per cent.

    >>> percent_text(0.05), percent_text(0.9995)
    ('5 %', '99.95 %')
    """
    return f"{share * 100:.4g} %"
