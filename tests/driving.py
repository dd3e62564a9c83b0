"""Drive a dashboard without a browser: every control through its range, and all of them at random.

Nothing else does: no tool that runs notebooks ever moves a slider, and what a callback raises is
seen by nobody.
"""

import math
import random
from collections.abc import Iterator
from typing import Any

import ipywidgets
import numpy as np

from devops_lab.dashboards import Dashboard, every_value


def drive(
    dashboard: Dashboard, *, values_of_each: int = 25, random_moves: int = 25, seed: int = 1
) -> list[str]:
    """What went wrong on the way, one line each; empty when all is well.

    Of a control with many values so many are taken, the first and the last among them. After each
    move the dashboard must show no error, a summary in words, and finite numbers only.
    """
    found = [f"as it opens: {problem}" for problem in problems(dashboard)]
    for move in _moves(dashboard.controls, values_of_each, random_moves, random.Random(seed)):
        for name, value in move.items():
            dashboard.controls[name].value = value
        found += [f"{dashboard.values}: {problem}" for problem in problems(dashboard)]
    return found


def problems(dashboard: Dashboard) -> list[str]:
    """What is wrong with the dashboard as it stands."""
    found = [dashboard.message] if dashboard.message else []
    if not dashboard.live.summary.strip():
        found.append("the figure has no summary in words")
    return found + [f"{place} is not finite" for place in _not_finite(dashboard)]


def _moves(
    controls: dict[str, ipywidgets.Widget],
    values_of_each: int,
    random_moves: int,
    chance: random.Random,
) -> Iterator[dict[str, Any]]:
    choices = {name: every_value(control) for name, control in controls.items()}
    for name, control in controls.items():
        start = control.value
        for value in [*_spread(choices[name], values_of_each), start]:
            yield {name: value}
    for _ in range(random_moves):
        yield {name: chance.choice(values) for name, values in choices.items()}


def _spread(values: list[Any], count: int) -> list[Any]:
    """The first, the last and some between, where there are many."""
    step = max(1, math.ceil(len(values) / count))
    return [*values[::step], values[-1]]


def _not_finite(dashboard: Dashboard) -> Iterator[str]:
    live = dashboard.live
    for arrays in (live.arrays, *(frame.get("arrays", {}) for frame in live.frames)):
        for place, array in arrays.items():
            if not np.isfinite(np.frombuffer(array["bytes"], array["dtype"])).all():
                yield place
