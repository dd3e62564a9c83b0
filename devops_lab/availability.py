"""Availability: the share of the time in which a system does its job, as closed forms.

    availability = uptime / (uptime + downtime)

>>> f"{availability(uptime=364, downtime=1):.4f}"
'0.9973'
>>> downtime(0.999, "month")
Timedelta('0 days 00:43:12')

All parts fail and are repaired independently of each other, unless it is said otherwise. A server
is taken as down or up; one that is slow is neither.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from devops_lab.rules import number, one_of, share, whole
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import Timedelta

# The periods of most agreements, and of the table in Google's "Site Reliability Engineering".
DAYS = {"year": 365, "quarter": 90, "month": 30, "week": 7, "day": 1, "hour": 1 / 24}
PARTS_OF_A_YEAR = {"year": 1, "quarter": 4, "month": 12}
MOST_COPIES = 1_000

Time = float | timedelta


def availability(uptime: Time, downtime: Time) -> float:
    """The share of the time in which a system was up, from 0 to 1.

    Both times in the same unit, or both as `Timedelta`. Assumes that they were watched for long: a
    week without a failure is no proof of 1.

    Raises ValueError where there was no time at all.

    >>> availability(99, 1)
    0.99
    """
    up, down = _same_unit(uptime=uptime, downtime=downtime)
    number("uptime", up, at_least=0)
    number("downtime", down, at_least=0)
    if up + down == 0:
        raise ValueError(_("uptime and downtime are both 0: there was no time to be up in."))
    return up / (up + down)


def from_mtbf(mtbf: Time, mttr: Time) -> float:
    """The availability, from 0 to 1, of what runs for `mtbf` and then is repaired for `mttr`.

    `mtbf`, the mean time between failures, is here the mean time from a repair to the next failure;
    some call that MTTF. Both in the same unit, or both as `Timedelta`. It does not matter how the
    times vary, only what they are on average, over a long time.

    Raises ValueError where one of them is zero or infinite.

    >>> f"{from_mtbf(10_000, 20):.4f}"
    '0.9980'
    """
    up, down = _mean_times(mtbf, mttr)
    return up / (up + down)


def downtime(
    availability: float, period: "str | timedelta" = "year", *, year_days: float | None = None
) -> "Timedelta":
    """The time in a period in which a system of this availability is down, as a `Timedelta`.

    `period` is "year", "quarter", "month", "week", "day", "hour", or any `Timedelta`. A year has
    365 days, a quarter 90 and a month 30. With `year_days` a year has so many (365.25 for the
    calendar's mean), a quarter is a fourth of it and a month a twelfth.

    >>> downtime(0.9999)
    Timedelta('0 days 00:52:33.600000')
    >>> downtime(0.999, "month", year_days=365.25)
    Timedelta('0 days 00:43:49.800000')
    """
    import pandas as pd

    seconds = _period_s(period, year_days) * _missing(availability)
    return pd.Timedelta(round(seconds * 1e9), unit="ns")


def nines(availability: float) -> float:
    """How many nines an availability has: 2 for 0.99, 3 for 0.999, infinitely many for 1.

    >>> nines(0.999), round(nines(0.9995), 2)
    (3.0, 3.3)
    """
    down = _missing(availability)
    return 0.0 - math.log10(down) if down else math.inf


def series(*availabilities: float) -> float:
    """The availability of a chain of parts which all have to be up.

    >>> round(series(0.99, 0.99, 0.99), 6)
    0.970299
    """
    return math.prod(_several(availabilities))


def parallel(*availabilities: float) -> float:
    """The availability of copies of which one has to be up.

    Assumes that nothing takes several at once, and that the others take over at once: see
    `with_shared_causes` and `with_failover` for what happens otherwise.

    >>> round(parallel(0.99, 0.99), 6)
    0.9999
    """
    return 1 - math.prod(map(_missing, _several(availabilities)))


def k_of_n(k: int, n: int, availability: float | Iterable[float]) -> float:
    """The availability of `n` copies of which at least `k` have to be up.

    `availability` is that of each copy, or a list of `n` where they differ. Assumes that nothing
    takes several at once.

    Raises ValueError for a `k` above `n`.

    >>> round(k_of_n(2, 3, 0.99), 6)
    0.999702
    """
    n = whole("n", n, at_least=1, at_most=MOST_COPIES)
    k = whole("k", k, at_least=1, at_most=n, remedy=_("There are not more copies."))
    each = _listed(availability, n)
    up = _how_many_up(each)
    # The smaller of the two sums loses fewer digits.
    return 1 - math.fsum(up[:k]) if k <= n / 2 else math.fsum(up[k:])


def with_shared_causes(k: int, n: int, availability: float, shared_share: float) -> float:
    """The availability of `k` of `n` copies, a share of whose failures takes all at once.

    Of each copy's downtime, `shared_share` (the beta factor) has a cause that all have in common:
    the power, the network, the same wrong line of configuration. Assumes that being down is rare,
    as the published formula does: with b the shared share and u = 1 - availability, two copies of
    which one is needed are down ((1-b)u)² + bu (Fleming 1975).

    >>> round(with_shared_causes(1, 2, 0.99, 0.1), 6)
    0.998919
    """
    down = _missing(availability)
    shared = share("shared_share", shared_share)
    alone = k_of_n(k, n, 1 - (1 - shared) * down)
    return max(0.0, alone - shared * down)


def with_failover(
    mtbf: Time, mttr: Time, *, detection: Time = 0, switch_share: float = 1.0
) -> float:
    """The availability of a server with one spare that has to take over.

    A failure is noticed after `detection`, and the switch then works in `switch_share` of the
    cases; otherwise users wait for the repair. The spare fails like the first, independently of it.
    Assumes that repairs vary as exponential times do; an outage shorter than the detection is over
    before anybody noticed.

    a + (1-a) · a · switch_share · exp(-detection / mttr), with a = mtbf / (mtbf + mttr).

    >>> round(with_failover(990, 10), 6), round(with_failover(990, 10, switch_share=0.9), 6)
    (0.9999, 0.99891)
    """
    up, down = _mean_times(mtbf, mttr)
    _mean, late = _same_unit(mttr=mttr, detection=detection)
    number("detection", late, at_least=0)
    alone = up / (up + down)
    taken_over = share("switch_share", switch_share) * math.exp(-late / down)
    return alone + (1 - alone) * alone * taken_over


def still_up(mtbf: Time, mttr: Time, after: Time) -> float:
    """The chance that what was up is up, so long `after`, whatever happened in between.

    Assumes exponential times. A balancer whose knowledge is a second old sends to a server that is
    up with this chance.

    a + (1-a) · exp(-after · (1/mtbf + 1/mttr)), with a = mtbf / (mtbf + mttr) (Trivedi 2001, 8.3)

    >>> round(still_up(990, 10, after=0), 3), round(still_up(990, 10, after=1_000), 3)
    (1.0, 0.99)
    """
    up, down = _mean_times(mtbf, mttr)
    _mean, later = _same_unit(mttr=mttr, after=after)
    number("after", later, at_least=0)
    alone = up / (up + down)
    return alone + (1 - alone) * math.exp(-later * (1 / up + 1 / down))


def _how_many_up(availabilities: Sequence[float]) -> list[float]:
    """The chances that 0, 1, 2, … of the copies are up."""
    chances = [1.0]
    for up in availabilities:
        with_it = [0.0] + [chance * up for chance in chances]
        without = [chance * (1 - up) for chance in chances] + [0.0]
        chances = [a + b for a, b in zip(with_it, without, strict=True)]
    return chances


def _missing(availability: float) -> float:
    """What is missing to 1, as people mean it: to a computer, 1 - 0.999 is not quite 0.001."""
    return float(1 - Decimal(repr(share("availability", availability))))


def _several(availabilities: Sequence[float]) -> list[float]:
    if not availabilities:
        raise ValueError(_("availabilities must be at least one, got none."))
    return [share("availability", each) for each in availabilities]


def _listed(availability: float | Iterable[float], n: int) -> list[float]:
    if not isinstance(availability, Iterable):
        return [share("availability", availability)] * n
    each = [share("availability", one) for one in availability]
    if len(each) != n:
        text = _("availability must have one number a copy, {n}, got {count}.")
        raise ValueError(text.format(n=n, count=len(each)))
    return each


def _mean_times(mtbf: Time, mttr: Time) -> tuple[float, float]:
    up, down = _same_unit(mtbf=mtbf, mttr=mttr)
    never = _("For what never fails, or is never repaired, no formula is needed.")
    return (
        _mean_time("mtbf", up, _("What fails at once is never up."), never),
        _mean_time("mttr", down, _("A repair takes time, if only a second."), never),
    )


def _mean_time(parameter: str, value: float, when_zero: str, when_endless: str) -> float:
    remedy = when_endless if isinstance(value, float) and math.isinf(value) else when_zero
    return number(parameter, value, above=0, remedy=remedy)


def _same_unit(**times: Time) -> tuple[Any, ...]:
    """The times as plain numbers of one unit: seconds where they have a unit of their own."""
    has_unit = [isinstance(time, timedelta) for time in times.values()]
    # Nothing is nothing in every unit.
    with_unit = [one for one, time in zip(has_unit, times.values(), strict=True) if time != 0]
    if any(with_unit) and not all(with_unit):
        raise TypeError(
            _("{names} must be in the same unit: two numbers, or two Timedelta.").format(
                names=_(" and ").join(times)
            )
        )
    return tuple(
        time.total_seconds() if own else time
        for own, time in zip(has_unit, times.values(), strict=True)
    )


def _period_s(period: str | timedelta, year_days: float | None) -> float:
    if isinstance(period, timedelta):
        return number("period", period.total_seconds(), above=0)
    one_of("period", period, DAYS)
    days = DAYS[period]
    if year_days is not None and period in PARTS_OF_A_YEAR:
        days = number("year_days", year_days, above=0) / PARTS_OF_A_YEAR[period]
    return days * 86_400
