"""Objectives: how good a service shall be, what may fail until then, and when somebody is called.

An objective is a share of good requests, such as 0.999, over a period; the rest is the error
budget. The burn rate says how fast it is spent: at 1 it lasts exactly as long as the period.

>>> allowed_failures(1_000_000, objective=0.999)
1000
>>> time_to_exhaustion(burn_rate(error_share=0.009, objective=0.999))
Timedelta('3 days 08:00:00')

Durations are `timedelta`s or texts with a unit, "1h", "5min", "30D". The closed forms take traffic
to be steady. Source: Google, "The Site Reliability Workbook" (2018), chapter 5.
"""

import math
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from devops_lab.rules import number, share, whole
from devops_lab.translation import _

Duration = str | timedelta

MONTH = pd.Timedelta(days=30)


def error_budget(objective: float) -> float:
    """The share of requests that may fail: what the objective leaves of 1.

    Raises ValueError for an objective of 0 or of 1, which leaves no budget to work with.

    >>> round(error_budget(0.99), 9)
    0.01
    """
    remedy = _("Nothing is up all the time: an objective of 100 % leaves no budget to spend.")
    share("objective", objective)
    number("objective", objective, above=0, below=1, remedy=remedy)
    # 1 - 0.999 is not quite 0.001 to a computer.
    return round(1 - objective, 15)


def burn_rate(error_share: float, objective: float) -> float:
    """How many times as fast as allowed the budget is spent.

    >>> round(burn_rate(error_share=0.02, objective=0.99), 9)
    2.0
    """
    return share("error_share", error_share) / error_budget(objective)


def time_to_exhaustion(burn_rate: float, period: Duration = MONTH) -> pd.Timedelta:
    """How long a full budget lasts at this burn rate; `pd.Timedelta.max` where nothing burns.

    >>> time_to_exhaustion(burn_rate=10)
    Timedelta('3 days 00:00:00')
    """
    rate = number("burn_rate", burn_rate, at_least=0)
    return _shortened(_duration("period", period), by=rate)


def budget_used(
    error_share: float, lasting: Duration, objective: float, period: Duration = MONTH
) -> float:
    """The share of a period's budget that an incident used up; above 1 there was too little.

    Assumes that the traffic during the incident was that of the whole period.

    >>> round(budget_used(error_share=1, lasting="1h", objective=0.999), 2)
    1.39
    """
    part = _duration("lasting", lasting) / _duration("period", period)
    return burn_rate(error_share, objective) * part


def allowed_failures(requests: int, objective: float) -> int:
    """How many of so many requests may fail without missing the objective.

    >>> allowed_failures(7_200, objective=0.999)
    7
    """
    return math.floor(whole("requests", requests, at_least=0) * error_budget(objective) + 1e-9)


def burn_rate_to_use(budget_share: float, within: Duration, period: Duration = MONTH) -> float:
    """The burn rate that uses this share of the period's budget in so long a time.

    >>> burn_rate_to_use(0.02, within="1h")
    14.4
    """
    times = _duration("period", period) / _duration("within", within)
    return round(share("budget_share", budget_share) * times, 12)


@dataclass(frozen=True)
class Alert:
    """A rule that calls somebody: the burn rate was above `burn_rate` over the whole `window` and,
    so that it ends soon after the errors do, over the `short_window` too."""

    burn_rate: float
    window: Duration
    short_window: Duration | None = None
    severity: str = "page"

    def __post_init__(self) -> None:
        number("burn_rate", self.burn_rate, above=0)
        object.__setattr__(self, "window", _duration("window", self.window))
        if self.short_window is not None:
            short = _duration("short_window", self.short_window)
            if short > self.window:
                raise ValueError(
                    _("short_window must be at most the window, {window}, got {short}.").format(
                        window=self.window, short=short
                    )
                )
            object.__setattr__(self, "short_window", short)

    @property
    def windows(self) -> tuple[pd.Timedelta, ...]:
        """The windows that must all be above the burn rate, the long one first."""
        return (self.window,) if self.short_window is None else (self.window, self.short_window)

    def budget_used(self, period: Duration = MONTH) -> float:
        """The share of the period's budget that is gone when the alert fires.

        >>> round(Alert(14.4, "1h").budget_used(), 6)
        0.02
        """
        return self.burn_rate * (self.window / _duration("period", period))

    def error_share(self, objective: float) -> float:
        """The share of errors above which the alert fires.

        >>> round(Alert(14.4, "1h").error_share(0.999), 6)
        0.0144
        """
        return self.burn_rate * error_budget(objective)

    def detection_time(self, error_share: float, objective: float) -> pd.Timedelta:
        """How long after the beginning of such errors the alert fires; NaT where it never does.

        Before them there were none, for at least as long as the window.

        >>> Alert(1, "36h").detection_time(error_share=1, objective=0.999)
        Timedelta('0 days 00:02:09.600000')
        """
        needed = self._share_of_window(error_share, objective)
        return self.window * needed if needed < 1 else pd.NaT

    def reset_time(self, error_share: float, objective: float) -> pd.Timedelta:
        """How long after the end of such errors the alert goes on; NaT where it never fired.

        >>> Alert(1, "36h").reset_time(error_share=1, objective=0.999)
        Timedelta('1 days 11:57:50.400000')
        """
        needed = self._share_of_window(error_share, objective)
        return self.windows[-1] * (1 - needed) if needed < 1 else pd.NaT

    def _share_of_window(self, error_share: float, objective: float) -> float:
        """The share of a window that has to have errors for the window to be above."""
        errors = share("error_share", error_share)
        return self.error_share(objective) / errors if errors else math.inf


def workbook_alerts(period: Duration = MONTH) -> tuple[Alert, ...]:
    """The alerts that the SRE Workbook recommends: 2 % of the period's budget in an hour or 5 % in
    six hours call somebody, 10 % in three days are a ticket for the next morning. The short window
    is a twelfth of the long one.

    >>> [alert.burn_rate for alert in workbook_alerts()]
    [14.4, 6.0, 1.0]
    """
    rules = ((0.02, "1h", "page"), (0.05, "6h", "page"), (0.10, "3D", "ticket"))
    return tuple(
        Alert(
            burn_rate_to_use(budget_share, window, period),
            window,
            pd.Timedelta(window) / 12,
            severity,
        )
        for budget_share, window, severity in rules
    )


def _shortened(duration: pd.Timedelta, by: float) -> pd.Timedelta:
    return duration / by if by > duration / pd.Timedelta.max else pd.Timedelta.max


def _duration(parameter: str, value: Duration) -> pd.Timedelta:
    remedy = _('Say it with its unit: "5min", "1h", "30D".')
    try:
        # A bare number would be taken as nanoseconds.
        duration = pd.Timedelta(value) if isinstance(value, str | timedelta) else pd.NaT
    except ValueError:
        duration = pd.NaT
    if duration is pd.NaT or duration <= pd.Timedelta(0):
        raise ValueError(
            _("{parameter} must be a duration above 0, got {value!r}. {remedy}").format(
                parameter=parameter, value=value, remedy=remedy
            )
        )
    return duration
