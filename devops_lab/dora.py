"""How well changes reach people: the four measures of DevOps Research and Assessment (DORA).

A history has one row a deployment (`tables.DEPLOYMENTS`), from one's own pipeline or generated:

>>> year = history(days=364, deployments_per_week=5, failing_share=0.2)
>>> print(measures(year, period="364D").deployments_per_day.iloc[0].round(1))
0.7
"""

from datetime import timedelta

import numpy as np
import pandas as pd

from devops_lab.rules import number, share
from devops_lab.tables import DEPLOYMENTS, table
from devops_lab.translation import _

HOUR_S = 3_600.0


def measures(deployments: pd.DataFrame, period: str | timedelta) -> pd.DataFrame:
    """One row with the four measures over a period; what cannot be said is missing.

    `deployments_per_day` is how often; `lead_time`, the median time from a change's commit until
    people have it; `failing_share`, the share of deployments that had to be repaired or taken
    back; `recovery_time`, the median time from a failed deployment until people were served again.
    A failure that is not over yet is no recovery time.

    Source: Forsgren, Humble and Kim, "Accelerate" (2018).
    """
    days = pd.Timedelta(period) / pd.Timedelta(days=1)
    number("period", days, above=0, remedy=_('Say it with its unit: "30D".'))
    failed = deployments[deployments["failed"]]
    return pd.DataFrame(
        {
            "deployments_per_day": [len(deployments) / days],
            "lead_time": [(deployments["deployed"] - deployments["committed"]).median()],
            "failing_share": [deployments["failed"].mean() if len(deployments) else np.nan],
            "recovery_time": [(failed["recovered"] - failed["deployed"]).median()],
        }
    )


def history(
    *,
    days: float,
    deployments_per_week: float,
    failing_share: float,
    hours_to_deploy: float = 24.0,
    hours_to_recover: float = 2.0,
    start: str = "2026-03-02",
    seed: int = 1,
) -> pd.DataFrame:
    """A generated history of deployments: a table of `tables.DEPLOYMENTS`.

    They come at random at the mean rate; the hours from commit to deployment and from failure to
    recovery are exponential about their means.
    """
    rate = number("deployments_per_week", deployments_per_week, at_least=0)
    weeks = number("days", days, above=0, at_most=36_600) / 7
    for name, hours in (
        ("hours_to_deploy", hours_to_deploy),
        ("hours_to_recover", hours_to_recover),
    ):
        number(name, hours, above=0)
    random = np.random.default_rng(seed)
    count = random.poisson(number("deployments", rate * weeks, at_most=1_000_000))
    deployed = pd.Timestamp(start) + _hours(np.sort(random.uniform(0, 24 * days, count)))
    failed = random.random(count) < share("failing_share", failing_share)
    recovered = deployed + _hours(random.exponential(hours_to_recover, count))
    rows = {
        "change": [f"change-{number_of}" for number_of in range(1, count + 1)],
        "committed": deployed - _hours(random.exponential(hours_to_deploy, count)),
        "deployed": deployed,
        "failed": failed,
        "recovered": recovered.where(failed),
    }
    return table(rows, DEPLOYMENTS)


def _hours(hours: np.ndarray) -> pd.TimedeltaIndex:
    return pd.to_timedelta(hours * HOUR_S, unit="s")
