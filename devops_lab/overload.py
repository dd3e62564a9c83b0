"""An overload over time: what is asked of the servers, what is answered, and whether it ends.

>>> from devops_lab.scenario import Scenario
>>> from devops_lab.simulate import simulate
>>> shop = Scenario(20, 0.02).changed(shape="constant", timeout_s=0.5, failure="freeze")
>>> hurt = shop.changed(outage_from_s=4, outage_s=3)
>>> course = over_time(simulate(hurt, requests=400))
>>> recovered_at_s(course, good_per_s=15, since_s=7) < 10
True
>>> course = over_time(simulate(hurt.changed(attempts=3), requests=400))
>>> recovered_at_s(course, good_per_s=15, since_s=7)
nan
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from devops_lab.rules import number
from devops_lab.scenario import Scenario
from devops_lab.simulate import simulate

if TYPE_CHECKING:
    from pandas import DataFrame

STEP_S = 0.5
# The last seconds of a run tell how it ended, and a tenth less than all is still well.
LAST_S = 3.0
GOOD_SHARE = 0.9


def over_time(
    attempts: "DataFrame", duration_s: float | None = None, step_s: float = STEP_S
) -> "DataFrame":
    """One row a step of time: `time_s` (its middle), `tries_per_s` sent and `answers_per_s`.

    An answer counts when it comes; what a breaker held back was not sent. Without `duration_s` it
    ends with the last request.
    """
    sent_s = attempts["start_s"][attempts["outcome"] != "held_back"]
    answered_s = attempts["end_s"][attempts["outcome"] == "ok"]
    if duration_s is None:
        duration_s = max(step_s, float(attempts.loc[attempts["attempt"] == 1, "intended_s"].max()))
    return _course(sent_s.to_numpy(), answered_s.to_numpy(), duration_s, step_s)


def course_of_layers(
    clicks: "DataFrame", asked_s: np.ndarray, duration_s: float, step_s: float = STEP_S
) -> "DataFrame":
    """The same of a site in layers: `asked_s` are the moments at which tries came to the last
    layer, `clicks` the attempts at the first one."""
    answered_s = clicks["end_s"][clicks["outcome"] == "ok"].to_numpy()
    return _course(asked_s, answered_s, duration_s, step_s)


def _course(
    sent_s: np.ndarray, answered_s: np.ndarray, duration_s: float, step_s: float
) -> "DataFrame":
    from pandas import DataFrame

    step_s = number("step_s", step_s, above=0)
    steps = max(1, math.ceil(number("duration_s", duration_s, above=0) / step_s))
    edges_s = np.arange(steps + 1) * step_s
    # The last step may be cut short by the end.
    edges_s[-1] = duration_s
    counts = [
        np.histogram(moments_s[moments_s < duration_s], edges_s)[0]
        for moments_s in (sent_s, answered_s)
    ]
    lengths_s = np.diff(edges_s)
    return DataFrame(
        {
            "time_s": edges_s[:-1] + lengths_s / 2,
            "tries_per_s": counts[0] / lengths_s,
            "answers_per_s": counts[1] / lengths_s,
        }
    )


def recovered_at_s(course: "DataFrame", good_per_s: float, since_s: float) -> float:
    """The time from which on at least `good_per_s` are answered until the end, not before
    `since_s`; missing where that never comes.

    A step by chance a little below is forgiven: two neighbours count as one.
    """
    wanted = number("good_per_s", good_per_s, above=0)
    smooth = course["answers_per_s"].rolling(2, min_periods=1).mean()
    is_bad = ((smooth < wanted) & (course["time_s"] > since_s)).to_numpy()
    after = course["time_s"].to_numpy() > since_s
    if not after.any() or is_bad[-1]:
        return math.nan
    bad = np.flatnonzero(is_bad)
    return float(course["time_s"].iloc[bad[-1] + 1]) if len(bad) else float(since_s)


def how_it_ends(scenario: Scenario, duration_s: float = 20.0) -> dict[str, float]:
    """What is left of a scenario's outage after `duration_s`, simulated: tries and answers a second
    in the last 3 s, and how long after the outage all was well; missing where it is not.
    """
    requests = max(
        1, round(scenario.arrival_rate_per_s * number("duration_s", duration_s, above=0))
    )
    course = over_time(simulate(scenario, requests), duration_s)
    last = course[course["time_s"] > duration_s - LAST_S]
    faults = scenario.faults
    end_s = 0.0 if faults.outage_from_s is None else faults.outage_from_s + faults.outage_s
    wanted_per_s = GOOD_SHARE * scenario.arrival_rate_per_s
    return {
        "tries_per_s": float(last["tries_per_s"].mean()),
        "answers_per_s": float(last["answers_per_s"].mean()),
        "recovered_after_s": recovered_at_s(course, wanted_per_s, end_s) - end_s,
    }


def endings(
    scenario: Scenario, changes: Mapping[str, Mapping[str, Any]], duration_s: float
) -> "DataFrame":
    """One row a change of the scenario, by its name: how it ends (`how_it_ends`), rounded."""
    from pandas import DataFrame

    rows = {
        name: how_it_ends(scenario.changed(**change), duration_s)
        for name, change in changes.items()
    }
    return DataFrame(rows).T.round(1)
