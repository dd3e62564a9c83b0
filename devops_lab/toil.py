"""Keeping a fleet by hand, or by a description that a program carries out: hours, drift, incidents.

Toil is work that is done by hand, again and again, and that grows with the number of servers
(B. Beyer and others, "Site Reliability Engineering", 2016, chapter 5).

>>> work = Upkeep(servers=20, changes_per_week=2, steps_per_change=10, minutes_per_step=3)
>>> by_hand(work).hours_per_week
20.0
>>> break_even_weeks(by_hand(work), automated(work, set_up_hours=32, writing_factor=4))
2.0
"""

import math
from dataclasses import dataclass

import numpy as np

from devops_lab.rules import number, share, whole

MOST_SERVERS = 10_000
MOST_WEEKS = 1_000


@dataclass(frozen=True)
class Upkeep:
    """A fleet of servers that shall be alike, and what is done to it.

    Each change is made in so many steps on every server. By hand a step goes wrong unnoticed with
    the chance `error_share`, independently of all others; `incident_share` of what is wrong is
    noticed by customers. `night_edits_per_week` come on top, at random moments: somebody repairs
    one of the servers in a hurry, and tells nobody. Each week `found_share` of the servers that
    have drifted are found, and put right.
    """

    servers: int = 12
    changes_per_week: int = 2
    steps_per_change: int = 10
    minutes_per_step: float = 2.0
    error_share: float = 0.01
    night_edits_per_week: float = 1.0
    found_share: float = 0.1
    incident_share: float = 0.1

    def __post_init__(self) -> None:
        whole("servers", self.servers, at_least=1, at_most=MOST_SERVERS)
        whole("changes_per_week", self.changes_per_week, at_least=0)
        whole("steps_per_change", self.steps_per_change, at_least=1)
        number("minutes_per_step", self.minutes_per_step, above=0)
        number("night_edits_per_week", self.night_edits_per_week, at_least=0)
        for name in ("error_share", "found_share", "incident_share"):
            share(name, getattr(self, name))

    @property
    def steps_per_week(self) -> int:
        """How many steps a week has, on each server."""
        return self.changes_per_week * self.steps_per_change


@dataclass(frozen=True)
class Practice:
    """What one way of keeping a fleet costs and does.

    `wrong_share_per_week` is the chance that a server, right until now, is not so after a week;
    an incident hits `servers_hit` servers at once.
    """

    set_up_hours: float
    hours_per_week: float
    wrong_share_per_week: float
    incidents_per_week: float
    servers_hit: int


def by_hand(work: Upkeep) -> Practice:
    """Every step is done on every server: mistakes come one by one, here and there."""
    steps = work.servers * work.steps_per_week
    all_right = (1 - work.error_share) ** work.steps_per_week
    no_edit = math.exp(-work.night_edits_per_week / work.servers)
    return Practice(
        set_up_hours=0.0,
        hours_per_week=steps * work.minutes_per_step / 60,
        wrong_share_per_week=1 - all_right * no_edit,
        incidents_per_week=work.incident_share * work.error_share * steps,
        servers_hit=1,
    )


def automated(
    work: Upkeep,
    *,
    set_up_hours: float = 40.0,
    writing_factor: float = 4.0,
    described_share: float = 0.9,
) -> Practice:
    """Every step is written down once, which takes `writing_factor` times as long as doing it once,
    with its review and its trial; then a program carries it out on all servers, every week.

    A step is written wrong as often as it is done wrong by hand, and then it is wrong on all
    servers: that is no drift, they are alike. Of the night edits, the run puts right the share
    that the description covers.
    """
    number("set_up_hours", set_up_hours, at_least=0)
    number("writing_factor", writing_factor, at_least=0)
    stay = work.night_edits_per_week * (1 - share("described_share", described_share))
    return Practice(
        set_up_hours=set_up_hours,
        hours_per_week=work.steps_per_week * writing_factor * work.minutes_per_step / 60,
        wrong_share_per_week=1 - math.exp(-stay / work.servers),
        incidents_per_week=work.incident_share * work.error_share * work.steps_per_week,
        servers_hit=work.servers,
    )


def break_even_weeks(before: Practice, after: Practice) -> float:
    """After how many weeks the other practice has taken fewer hours in all; `inf` for never."""
    saved_per_week = before.hours_per_week - after.hours_per_week
    more_at_first = after.set_up_hours - before.set_up_hours
    if more_at_first <= 0 and saved_per_week >= 0:
        return 0.0
    return more_at_first / saved_per_week if saved_per_week > 0 else math.inf


def drifted_share(practice: Practice, weeks: int, *, found_share: float) -> np.ndarray:
    """The expected share of servers that are not as they should be, after 0, 1, … `weeks` weeks.

    Each week the found ones are put right first, then it happens. With w the practice's share of
    servers that go wrong a week and f the share found, d' = w + (1 - w)(1 - f) d, which from 0 is
    d(t) = d∞ (1 - r^t) with r = (1 - w)(1 - f) and d∞ = w / (1 - r).

    >>> once = Practice(0, 0, wrong_share_per_week=0.5, incidents_per_week=0, servers_hit=1)
    >>> drifted_share(once, 2, found_share=0).tolist()
    [0.0, 0.5, 0.75]
    """
    weeks_gone = np.arange(whole("weeks", weeks, at_least=0, at_most=MOST_WEEKS) + 1)
    wrong, found = practice.wrong_share_per_week, share("found_share", found_share)
    if wrong == 0:
        return np.zeros(len(weeks_gone))
    stays = (1 - wrong) * (1 - found)
    return wrong / (1 - stays) * (1 - stays**weeks_gone)


def simulated_drift(
    practice: Practice, weeks: int, *, servers: int, found_share: float, seed: int = 1
) -> np.ndarray:
    """The same for one fleet, by lot: the share of its servers that have drifted, week by week."""
    whole("weeks", weeks, at_least=0, at_most=MOST_WEEKS)
    whole("servers", servers, at_least=1, at_most=MOST_SERVERS)
    share("found_share", found_share)
    random = np.random.default_rng(seed)
    # Every number is drawn whether it is needed or not, so that one setting leaves the others' be.
    lots = random.random((weeks, 2, servers))
    drifted, shares = np.zeros(servers, bool), [0.0]
    for is_found, goes_wrong in zip(
        lots[:, 0] < found_share, lots[:, 1] < practice.wrong_share_per_week, strict=True
    ):
        drifted = (drifted & ~is_found) | goes_wrong
        shares.append(drifted.mean())
    return np.array(shares)
