"""The dashboard of lesson 09: what failures, repairs, copies and shared causes make of a year."""

import plotly.graph_objects as go
from pandas import DataFrame, concat

from devops_lab.availability import downtime, nines
from devops_lab.availability_figures import share_text, up_and_down
from devops_lab.dashboards import Dashboard, slider
from devops_lab.figures import LIVE
from devops_lab.outages import WHOLE, expected, outages, server_names, whole_outages
from devops_lab.scenario import Scenario
from devops_lab.tables import INTERVALS, table
from devops_lab.translation import _

MINUTE_S, HOUR_S, DAY_S = 60.0, 3_600.0, 86_400.0
YEAR_S = 365 * DAY_S


def availability_dashboard() -> Dashboard:
    """A dashboard of a year: MTBF, MTTR, copies, how many are needed, shared causes and detection.

    The title is what formulas say of it in the long run, the strips are one year by lot; the last
    slider takes another year with other luck.
    """
    return Dashboard(
        _year,
        {
            "mtbf_days": slider(_("a server runs for (days)"), 1, 365, 33),
            "mttr_hours": slider(_("a repair takes (hours)"), 0.5, 48, 8, step=0.5),
            "copies": slider(_("copies"), 1, 6, 2),
            "needed": slider(_("needed of them"), 1, 6, 1),
            "shared_percent": slider(_("failures that take all (%)"), 0, 50, 0),
            "detection_minutes": slider(_("until it is noticed (minutes)"), 0, 60, 1),
            "year": slider(_("which year (other luck)"), 1, 20, 1),
        },
    )


def _year(
    mtbf_days: int,
    mttr_hours: float,
    copies: int,
    needed: int,
    shared_percent: int,
    detection_minutes: int,
    year: int,
) -> go.Figure:
    scenario = Scenario(1.0, 0.1, servers=copies, balancer="round_robin", seed=year).changed(
        time_between_failures_s=mtbf_days * DAY_S,
        repair_time_s=mttr_hours * HOUR_S,
        shared_share=shared_percent / 100,
        detection_s=detection_minutes * MINUTE_S,
    )
    rows = [*server_names(copies), WHOLE]
    down = outages(scenario, YEAR_S)
    if needed > copies:
        text = _("It needs {needed} copies and has {copies}: it is never up")
        finding = text.format(needed=needed, copies=copies)
        whole = _always_down()
    else:
        finding = _in_numbers(expected(scenario, needed))
        whole = whole_outages(down, copies, YEAR_S, needed)
    return up_and_down(concat([down, whole]), rows, YEAR_S, finding=finding, **LIVE)


def _in_numbers(known: dict[str, float]) -> str:
    text = _(
        "{share} up, {nines} nines: {minutes} minutes down a year, and {late} minutes of requests "
        "lost until it is noticed"
    )
    up = known["availability"]
    return text.format(
        share=share_text(up),
        nines=f"{nines(up):.2f}",
        minutes=_minutes(up),
        late=_minutes(1 - (up - known["answered"])),
    )


def _minutes(share: float) -> str:
    """What is missing of a year, in minutes."""
    minutes = downtime(share).total_seconds() / MINUTE_S
    return f"{minutes:,.0f}" if minutes >= 100 else f"{minutes:.3g}"


def _always_down() -> DataFrame:
    missing = float("nan")
    row = {"server": WHOLE, "cause": "", "shared": False, "start_s": 0.0}
    row |= {"detected_s": missing, "repaired_s": missing}
    return table({name: [row[name]] for name in INTERVALS}, INTERVALS)
