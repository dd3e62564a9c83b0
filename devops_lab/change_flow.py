"""How changes flow through the loop, as a model: from how a team works to the four measures.

>>> flow = ChangeFlow(change_lines=100, test_strength=0.5, faulty_share=0.2, detection_h=4.0)
>>> round(flow.failing_share, 3)
0.106

What is assumed, and would make other numbers where it does not hold:

- The team works on one change after the other. Each costs `PLAN_H` hours before its first line and
  then an hour for `LINES_PER_HOUR` lines. The other stages are done by machines, many at a time.
- A line is as likely to be at fault in a big change as in a small one. So the number of faults in
  a change is Poisson distributed, and tests find each of them with the same probability.
- A fault that tests find is mended at once (`MEND_H` hours each), and the change is built and
  tested again. One that people find costs `MEND_LIVE_H` hours. Meanwhile nothing new is written.
- A change that fails is noticed after `detection_h` hours and taken back within `ROLL_BACK_H`. What
  is mended of it comes with a later change.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from devops_lab.rules import number, share
from devops_lab.tables import DEPLOYMENTS, table

if TYPE_CHECKING:
    from pandas import DataFrame

LINES_PER_HOUR = 5.0
PLAN_H = 1.0
BUILD_H, TEST_H, RELEASE_H, DEPLOY_H = 0.5, 1.0, 2.0, 0.5
MEND_H, MEND_LIVE_H = 1.0, 4.0
ROLL_BACK_H = 0.25
# For so long a deployed change that is well is still watched.
WATCH_H = 12.0
DAY_H = 24.0
LOOP = ("plan", "code", "build", "test", "release", "deploy", "operate")
# A change's way: where tests have found a fault, it is code once more.
_WAY = (*LOOP[:4], *LOOP[1:])


@dataclass(frozen=True)
class ChangeFlow:
    """How a team works: lines in a change, share of faults that its tests find, share of changes of
    100 lines that have a fault when they are written, hours until people's trouble is noticed."""

    change_lines: float
    test_strength: float
    faulty_share: float
    detection_h: float

    def __post_init__(self) -> None:
        number("change_lines", self.change_lines, at_least=1, at_most=10_000)
        share("test_strength", self.test_strength)
        number("faulty_share", self.faulty_share, at_least=0, at_most=0.9)
        number("detection_h", self.detection_h, at_least=0, at_most=1_000)

    @property
    def found(self) -> float:
        """The mean number of faults in a change that its tests find."""
        return self._faults * self.test_strength

    @property
    def escaped(self) -> float:
        """The mean number of faults in a change that its tests do not find."""
        return self._faults * (1 - self.test_strength)

    @property
    def write_h(self) -> float:
        """Hours from the first line of a change to its last."""
        return self.change_lines / LINES_PER_HOUR

    @property
    def deployments_per_day(self) -> float:
        """Deployments a day: a day's hours by the hours that a change costs the team."""
        mending_h = MEND_H * self.found + MEND_LIVE_H * self.escaped
        return DAY_H / (PLAN_H + self.write_h + mending_h)

    @property
    def lead_time_h(self) -> float:
        """The median of the hours from a commit to the people, for the middle line of a change."""
        return self.write_h / 2 + float(_through_h(_poisson_at(np.array([0.5]), self.found))[0])

    @property
    def failing_share(self) -> float:
        """The share of deployments that have to be taken back: those with a fault that escaped."""
        return -math.expm1(-self.escaped)

    @property
    def recovery_time_h(self) -> float:
        """Hours from a failed deployment until people are served again."""
        return self.detection_h + ROLL_BACK_H

    @property
    def _faults(self) -> float:
        # A Poisson number is 0 with probability exp(-mean).
        return -math.log1p(-self.faulty_share) * self.change_lines / 100


def changes(flow: ChangeFlow, *, days: float, seed: int = 1) -> "DataFrame":
    """The changes that a team begins in so many days, one row each, in hours from the start.

    `found` and `escaped` count faults; then the hours at which the change was begun, written,
    tested for the first time, mended, released (tested again, where it was mended), deployed, and,
    where it failed, recovered. The same seed has the same luck with any flow.
    """
    import pandas as pd

    end_h = DAY_H * number("days", days, above=0, at_most=10_000)
    most = math.ceil(end_h / (PLAN_H + flow.write_h))
    luck = np.random.default_rng(seed).random((most, 2))
    found, escaped = _poisson_at(luck[:, 0], flow.found), _poisson_at(luck[:, 1], flow.escaped)
    cost_h = PLAN_H + flow.write_h + MEND_H * found + MEND_LIVE_H * escaped
    begun_h = np.cumsum(cost_h) - cost_h
    written_h = begun_h + PLAN_H + flow.write_h
    tested_h = written_h + BUILD_H + TEST_H
    deployed_h = written_h + _through_h(found)
    failed = escaped > 0
    rows = pd.DataFrame(
        {
            "found": found,
            "escaped": escaped,
            "begun_h": begun_h,
            "written_h": written_h,
            "tested_h": tested_h,
            "mended_h": tested_h + MEND_H * found,
            "released_h": deployed_h - DEPLOY_H,
            "deployed_h": deployed_h,
            "failed": failed,
            "recovered_h": np.where(failed, deployed_h + flow.recovery_time_h, np.nan),
        }
    )
    return rows[rows["begun_h"] < end_h]


def places(made: "DataFrame", hour: float) -> "DataFrame":
    """Where in the loop each change is at this hour: `stage`, `progress` in it (0 to 1), whether it
    is `mended` after its tests, and whether it `failed`, before people's eyes.

    One row a change that is begun and is still worked on or watched.
    """
    import pandas as pd

    again = made["found"] > 0
    built_again_h = made["mended_h"] + BUILD_H * again
    ends_h = [
        made["begun_h"],
        made["begun_h"] + PLAN_H,
        made["written_h"],
        made["written_h"] + BUILD_H,
        made["tested_h"],
        made["mended_h"],
        built_again_h,
        built_again_h + TEST_H * again,
        made["released_h"],
        made["deployed_h"],
        made["recovered_h"].fillna(made["deployed_h"] + WATCH_H),
    ]
    ends = np.column_stack(ends_h)
    passed = (ends <= hour).sum(axis=1)
    is_here = (passed > 0) & (passed <= len(_WAY))
    ends, step = ends[is_here], passed[is_here] - 1
    rows = np.arange(len(step))
    begin_h, end_h = ends[rows, step], ends[rows, step + 1]
    return pd.DataFrame(
        {
            "stage": [_WAY[each] for each in step],
            "progress": (hour - begin_h) / (end_h - begin_h),
            "mended": step == 4,
            "failed": (step == len(_WAY) - 1) & made["failed"].to_numpy()[is_here],
        }
    )


def deployments(flow: ChangeFlow, *, days: float, seed: int = 1) -> "DataFrame":
    """The deployments of these days as a table of `tables.DEPLOYMENTS`, for `dora.measures`.

    `committed` is the commit of the change's middle line, so that lead times are those of a line.
    """
    import pandas as pd

    made = changes(flow, days=days, seed=seed)
    made = made[made["deployed_h"] < DAY_H * days]
    start = pd.Timestamp("2026-03-02")
    committed_h = made["written_h"] - flow.write_h / 2
    rows = {
        "change": [f"change-{number_of}" for number_of in range(1, len(made) + 1)],
        "committed": start + pd.to_timedelta(committed_h, unit="h"),
        "deployed": start + pd.to_timedelta(made["deployed_h"], unit="h"),
        "failed": made["failed"],
        "recovered": start + pd.to_timedelta(made["recovered_h"], unit="h"),
    }
    return table(rows, DEPLOYMENTS)


def _through_h(found: np.ndarray) -> np.ndarray:
    """Hours from a change's last line to the people, by the faults that its tests find."""
    again_h = np.where(found > 0, MEND_H * found + BUILD_H + TEST_H, 0.0)
    return BUILD_H + TEST_H + again_h + RELEASE_H + DEPLOY_H


def _poisson_at(luck: np.ndarray, mean: float) -> np.ndarray:
    """The Poisson number that stands at these places (0 to 1) in the order of all outcomes."""
    counts = np.zeros(len(luck), dtype=np.int64)
    term = below = math.exp(-mean)
    count = 0
    while (beyond := luck > below).any() and term > 0:
        count += 1
        counts[beyond] = count
        term *= mean / count
        below += term
    return counts
