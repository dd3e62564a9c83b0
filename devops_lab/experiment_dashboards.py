"""The dashboard of lesson 16: an experiment with two versions, and how often one looks at it."""

import plotly.graph_objects as go

from devops_lab.dashboards import Dashboard, menu, slider, steps
from devops_lab.experiment_figures import looked_at
from devops_lab.simulated_experiments import simulate_experiments
from devops_lab.translation import _

BASE_SHARE = 0.20
# By the names in the menu, the rules of `simulated_experiments.RULES`.
RULES = {
    _("stop at the first significant look"): "peek",
    _("look, but decide only at the end"): "once",
    _("a stricter level at each look"): "stricter",
    _("always-valid p-values"): "always valid",
}


def looks_and_winners() -> Dashboard:
    """Effect, traffic, duration and looks: how many of a thousand experiments have a winner, and
    how many of them a false one; lesson 16. With A, 20 % of the users order."""
    return Dashboard(
        _experiments,
        {
            "points": slider(_("B is truly better by (points)"), -4, 6, 0),
            "users_a_day": steps(
                _("traffic (users a day)"), (50, 100, 200, 400, 1_000, 5_000), 400
            ),
            "days": slider(_("duration (days)"), 1, 56, 10),
            "looks": steps(_("looks"), (1, 2, 5, 10, 15, 20), 10),
            "rule": menu(_("when to stop"), list(RULES)),
        },
    )


def _experiments(points: int, users_a_day: int, days: int, looks: int, rule: str) -> go.Figure:
    difference, users = points / 100, users_a_day * days // 2
    many = simulate_experiments(BASE_SHARE, users=users, looks=looks, difference=difference)
    return looked_at(many, RULES[rule], base_share=BASE_SHARE, difference=difference)
