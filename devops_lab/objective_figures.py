"""Figures of objectives: a month's errors, its budget and its alerts; a shift on call."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from devops_lab.alert_quality import error_shares, firing, intervals, score
from devops_lab.figures import COLOURS, add_prediction, drawing, percent_text
from devops_lab.incidents import FIRST, STEP, budget_left
from devops_lab.objectives import Alert
from devops_lab.translation import _

HEIGHT_PX = 560
DAY = pd.Timedelta("1D")
# Of so many steps the worst is drawn: a page need not draw each five minutes.
DRAWN_STEPS = 6
# Where everything fails, the line of the alert would lie on the axis.
MOST_TIMES_THRESHOLD = 3


def month_of_alerts(
    counted: pd.DataFrame,
    alerts: Mapping[str, Alert],
    objective: float,
    incident: pd.DataFrame,
    *,
    predicted_after_days: float | None = None,
) -> go.Figure:
    """A month's share of errors, what is left of its budget, and when which alert fires.

    Takes `incidents.Incident.counts` and `interval`, and alerts by name. The share is that of the
    first alert's window, and its line is that alert's. What is predicted is how many days after the
    incident's beginning the budget is gone.
    """
    first = next(iter(alerts.values()))
    shares = 100 * error_shares(counted["failed"], counted["requests"], first.window).fillna(0.0)
    left = budget_left(counted, objective)
    fired = {
        name: intervals(firing(alert, counted["failed"], counted["requests"], objective))
        for name, alert in alerts.items()
    }
    threshold = 100 * first.error_share(objective)
    days = _days(counted.index)[DRAWN_STEPS - 1 :: DRAWN_STEPS]
    figure = drawing(
        _finding(left, fired, incident),
        _in_words(left, fired, incident, shares.max()),
        x=_("day of the month"),
        y="",
        traces=[
            _line(days, _worst(shares, np.max), "y", "error"),
            _line(days, 100 * np.maximum(_worst(left, np.min), 0), "y2", "ok"),
            *_firing_bars(fired),
        ],
        **_three_panels(list(alerts)),
        shapes=[_shaded(row.start, row.end) for row in incident.itertuples()]
        + [_level(threshold, "y")],
    )
    top = min(max(1.3 * threshold, 1.1 * shares.max()), MOST_TIMES_THRESHOLD * threshold)
    figure.layout.yaxis.range = [0, top]
    if predicted_after_days is not None:
        begin = (incident["start"].iloc[0] - FIRST) / DAY
        add_prediction(figure, _("your prediction"), x=begin + predicted_after_days)
        figure.layout.shapes[-1].yref = "paper"
    return figure


def _days(moments: pd.DatetimeIndex) -> np.ndarray:
    return ((moments - FIRST) / DAY).to_numpy(float)


def _worst(values: pd.Series, of: Callable[..., np.ndarray]) -> np.ndarray:
    return of(values.to_numpy().reshape(-1, DRAWN_STEPS), axis=1)


def _line(x: np.ndarray, y: np.ndarray, axis: str, colour: str) -> dict[str, object]:
    look = {"color": COLOURS[colour], "width": 2}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "yaxis": axis, "line": look}


def _firing_bars(fired: Mapping[str, pd.DataFrame]) -> list[dict[str, object]]:
    """For each alert a row, and in it a bar for each time that it fires."""
    bars = []
    for name, calls in fired.items():
        starts = _days(pd.DatetimeIndex(calls["start"]))
        ends = _days(pd.DatetimeIndex(calls["end"].fillna(FIRST + 30 * DAY)))
        # A short one has its outline at least.
        marker = {"color": COLOURS["slow"], "line": {"color": COLOURS["slow"], "width": 3}}
        of_alert = {"base": starts, "x": ends - starts, "y": [name] * len(starts)}
        bars.append(
            {"type": "bar", "orientation": "h", "yaxis": "y3", "width": 0.5, "marker": marker}
            | of_alert
        )
    return bars


def _three_panels(alerts: list[str]) -> dict[str, object]:
    names = (_("errors (%), and the first alert's line"), _("budget left (%)"), _("an alert fires"))
    domains = ([0.68, 1.0], [0.32, 0.58], [0.0, 0.22])
    axes = [{"domain": domain, "anchor": "x", "rangemode": "tozero"} for domain in domains]
    axes[1] |= {"range": [0, 105], "dtick": 50}
    axes[2] |= {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": alerts[::-1],
        "range": [-0.5, len(alerts) - 0.5],
        "showgrid": False,
    }
    annotations = [
        {"text": name, "x": 0, "xanchor": "left", "y": top, "yanchor": "bottom"}
        | {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 13}}
        for name, (_bottom, top) in zip(names, domains, strict=True)
    ]
    return {
        "height": HEIGHT_PX,
        "showlegend": False,
        "barmode": "overlay",
        "annotations": annotations,
        "xaxis": {"anchor": "y3", "range": [0, 30], "dtick": 5},
        **{f"yaxis{number}": axis for number, axis in zip(("", 2, 3), axes, strict=True)},
    }


def _shaded(start: pd.Timestamp, end: pd.Timestamp) -> dict[str, object]:
    first, last = ((moment - FIRST) / DAY for moment in (start, end))
    place = {"x0": first, "x1": last, "y0": 0, "y1": 1, "yref": "paper"}
    look = {"fillcolor": COLOURS["no_answer"], "opacity": 0.2, "line": {"width": 0}}
    return {"type": "rect", "layer": "below", **place, **look}


def _level(value: float, axis: str) -> dict[str, object]:
    look = {"color": COLOURS["theory"], "width": 2, "dash": "dash"}
    place = {"xref": "paper", "x0": 0, "x1": 1, "yref": axis, "y0": value, "y1": value}
    return {"type": "line", "line": look, **place}


def _finding(left: pd.Series, fired: Mapping[str, pd.DataFrame], incident: pd.DataFrame) -> str:
    used = percent_text(round(1 - left.iloc[-1], 2))
    calls = sum(map(len, fired.values()))
    if not calls:
        return _("{used} of the month's budget is used, and nobody is called").format(used=used)
    scored = {name: _scored(calls, incident) for name, calls in fired.items()}
    false = sum(false for _delay, false in scored.values())
    delays = [delay for delay, _false in scored.values() if not pd.isna(delay)]
    text = (
        _("{used} of the month's budget is used; the first call comes {delay} after the beginning")
        if delays
        else _("{used} of the month's budget is used, and nobody is called about the incident")
    )
    told = text.format(used=used, delay=duration_text(min(delays)) if delays else "")
    return told + _("; false alarms: {count}").format(count=false)


def _in_words(
    left: pd.Series,
    fired: Mapping[str, pd.DataFrame],
    incident: pd.DataFrame,
    highest_percent: float,
) -> str:
    words = [_("At most {share} errors.").format(share=percent_text(highest_percent / 100))]
    overdrawn = left[left <= 0]
    if len(overdrawn):
        after = overdrawn.index[0] - incident["start"].iloc[0]
        text = _("The budget is gone {after} after the beginning.")
        words.append(text.format(after=duration_text(after)))
    each = _("{name}: calls {calls}, false alarms {false}, detected after {delay}.")
    for name, calls in fired.items():
        delay, false = _scored(calls, incident)
        told = _("no time") if pd.isna(delay) else duration_text(delay)
        never = _("{name}: calls {calls}, false alarms {false}, not detected.")
        text = never if pd.isna(delay) else each
        words.append(text.format(name=name, calls=len(calls), false=false, delay=told))
    return " ".join(words)


def _scored(calls: pd.DataFrame, incident: pd.DataFrame) -> tuple[pd.Timedelta, int]:
    """How long it took until the incident was detected, and how many calls were for nothing."""
    # What is counted in its last five minutes is known at their end.
    (row,) = score(calls, incident.assign(end=incident["end"] + STEP)).itertuples()
    false = round(len(calls) * (1 - row.precision)) if len(calls) else 0
    return row.detection_mean, false


def duration_text(duration: pd.Timedelta) -> str:
    """A duration as people say it; "never" where it is missing.

    >>> [duration_text(pd.Timedelta(text)) for text in ("5min", "90min", "3D 8h", "4s", "NaT")]
    ['5 min', '1.5 h', '3.33 days', '4 s', 'never']
    """
    if pd.isna(duration):
        return _("never")
    for unit, length in ((_("days"), "1D"), (_("h"), "1h"), (_("min"), "1min")):
        if abs(duration) >= pd.Timedelta(length) * (2 if length == "1D" else 1):
            return f"{duration / pd.Timedelta(length):.3g} {unit}"
    return f"{duration.total_seconds():.3g} {_('s')}"


# ---- on call ----

STATES = {
    "inactive": _("inactive: nobody is called"),
    "firing": _("FIRING: nobody has it yet"),
    "acknowledged": _("acknowledged: you have it"),
    "resolved": _("resolved"),
}
MARKS = {
    "start": ("error", _("fires"), "triangle-down"),
    "acknowledged": ("prediction", _("you have it"), "diamond"),
    "end": ("ok", _("resolved"), "circle"),
}


def shift_on_call(
    shares: pd.Series, most: float, state: str, calls: pd.DataFrame, shown_s: float
) -> go.Figure:
    """The share of errors of the last seconds, the alert's line, and what happened to its calls.

    Takes shares, and a table of `on_call.LiveAlert.calls`, by seconds before now.
    """
    told = STATES[state]
    known = shares.dropna()
    figure = drawing(
        _("The alert is {state}").format(state=told),
        _shift_in_words(known, most, told),
        x=_("seconds ago"),
        y=_("errors over the alert's window (%)"),
        traces=[_line(known.index.to_numpy(float), 100 * known.to_numpy(), "y", "error")],
        showlegend=True,
        xaxis={"range": [-shown_s, 0]},
        yaxis={"range": [0, max(25, 110 * known.max() if len(known) else 0, 150 * most)]},
        shapes=[_level(100 * most, "y")],
    )
    figure.data[0].update(name=_("errors"))
    for column, (colour, name, symbol) in MARKS.items():
        at_s = calls[column].dropna()
        figure.add_scatter(
            x=at_s.to_numpy(float),
            y=[100 * most] * len(at_s),
            mode="markers",
            name=name,
            marker={"color": COLOURS[colour], "symbol": symbol, "size": 15},
        )
    return figure


def _shift_in_words(shares: pd.Series, most: float, state: str) -> str:
    if not len(shares):
        return _("Nothing has been measured yet.")
    return _("{share} errors, the alert fires above {most}: {state}.").format(
        share=percent_text(round(shares.iloc[-1], 3)), most=percent_text(most), state=state
    )
