"""The dashboard of lesson 11: a fleet that drifts, by hand and automated."""

import plotly.graph_objects as go

from devops_lab.dashboards import Dashboard, slider, steps
from devops_lab.drift_figures import drift_and_hours
from devops_lab.toil import Upkeep, automated, by_hand
from devops_lab.translation import _


def fleet_upkeep() -> Dashboard:
    """Servers, changes, mistakes: how far a fleet drifts, and what keeping it costs; lesson 11."""
    return Dashboard(
        _draw,
        {
            "servers": slider(_("servers"), 1, 100, 12),
            "changes": slider(_("changes a week"), 0, 10, 2),
            "errors": steps(_("mistakes by hand (%)"), (0, 0.1, 0.2, 0.5, 1, 2, 5), 1),
            "edits": slider(_("edits at night a week"), 0, 10, 1),
            "described": slider(_("of them, described (%)"), 0, 100, 90, step=10),
            "found": slider(_("found a week (%)"), 0, 100, 10, step=5),
            "set_up": slider(_("hours to begin with"), 0, 200, 40, step=10),
        },
    )


def _draw(
    servers: int,
    changes: int,
    errors: float,
    edits: int,
    described: int,
    found: int,
    set_up: int,
) -> go.Figure:
    work = Upkeep(
        servers=servers,
        changes_per_week=changes,
        error_share=errors / 100,
        night_edits_per_week=edits,
        found_share=found / 100,
    )
    hand = by_hand(work)
    program = automated(work, set_up_hours=set_up, described_share=described / 100)
    return drift_and_hours(work, hand, program)
