"""The dashboard of lesson 10: servers that stand ready, or are made when they are asked for."""

import plotly.graph_objects as go

from devops_lab.dashboards import Dashboard, slider, steps
from devops_lab.provisioning_figures import prepared_or_on_demand
from devops_lab.translation import _


def readiness() -> Dashboard:
    """How often a server is asked for, how long one takes to make, how many are kept ready."""
    return Dashboard(
        _draw,
        {
            "asked": steps(_("asked for (an hour)"), (1, 2, 6, 12, 30, 60), 12),
            "minutes": steps(_("minutes to make one"), (0.1, 0.5, 1, 2, 5, 10, 30), 5),
            "most": slider(_("prepared, up to"), 2, 20, 8),
        },
    )


def _draw(asked: float, minutes: float, most: int) -> go.Figure:
    return prepared_or_on_demand(asked / 3600, minutes * 60, most=most)
