"""Checks on parameters: each returns the value as it will be used, or raises a `ValueError`
(`TypeError` for the wrong kind of thing) that names parameter, rule, value and remedy.

>>> share("error_share", 0.05)
0.05
>>> share("error_share", 5)
Traceback (most recent call last):
ValueError: error_share must be a share between 0 and 1, got 5. For 5 % write 0.05.
"""

import math
import numbers
from collections.abc import Collection
from typing import Any

from devops_lab.translation import _


def number(
    parameter: str,
    value: Any,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    remedy: str = "",
) -> float:
    """The value as a float, if it is a finite number within the limits.

    >>> number("arrival_rate_per_s", -3, above=0, remedy="Use 0.1 for one request in ten seconds.")
    Traceback (most recent call last):
    ValueError: arrival_rate_per_s must be above 0, got -3. Use 0.1 for one request in ten seconds.
    """
    # bool is a number to Python and a mistake to us; numpy's numbers register as Real.
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(_refusal(parameter, _("a number"), value, remedy))
    try:
        as_float = float(value)
    except OverflowError:
        raise ValueError(_refusal(parameter, _("below 1e308 in size"), value, remedy)) from None
    if not math.isfinite(as_float):
        raise ValueError(_refusal(parameter, _("a finite number"), value, remedy))
    # A float cannot tell large whole numbers apart.
    exact = int(value) if isinstance(value, numbers.Integral) else as_float
    limits = (
        (at_least, lambda limit: exact >= limit, _("at least {limit}")),
        (above, lambda limit: exact > limit, _("above {limit}")),
        (at_most, lambda limit: exact <= limit, _("at most {limit}")),
        (below, lambda limit: exact < limit, _("below {limit}")),
    )
    for limit, holds, rule in limits:
        if limit is not None and not holds(limit):
            raise ValueError(_refusal(parameter, rule.format(limit=f"{limit:,}"), value, remedy))
    return as_float


def whole(
    parameter: str,
    value: Any,
    *,
    at_least: int | None = None,
    at_most: int | None = None,
    remedy: str = "",
) -> int:
    """The value as an int, if it is a whole number within the limits (4.0 counts as 4).

    >>> whole("servers", 2.5, at_least=1)
    Traceback (most recent call last):
    ValueError: servers must be a whole number, got 2.5.
    """
    as_float = number(parameter, value, at_least=at_least, at_most=at_most, remedy=remedy)
    if not as_float.is_integer():
        raise ValueError(_refusal(parameter, _("a whole number"), value, remedy))
    return int(value)


def share(parameter: str, value: Any) -> float:
    """The value as a float between 0 and 1; a percentage given by mistake is recognised."""
    as_float = number(parameter, value)
    if 0 <= as_float <= 1:
        return as_float
    remedy = ""
    if 1 < as_float <= 100:
        remedy = _("For {percent:g} % write {share:g}.").format(
            percent=as_float, share=as_float / 100
        )
    raise ValueError(_refusal(parameter, _("a share between 0 and 1"), value, remedy))


def one_of(parameter: str, value: Any, choices: Collection[str]) -> str:
    """The value, if it is one of the choices.

    >>> one_of("balancer", "robin", ["round_robin", "random"])
    Traceback (most recent call last):
    ValueError: balancer must be one of round_robin, random, got 'robin'.
    """
    # What is no text need not even be comparable or hashable.
    if isinstance(value, str) and value in choices:
        return value
    listed = ", ".join(choice or repr(choice) for choice in choices)
    raise ValueError(_refusal(parameter, _("one of {choices}").format(choices=listed), value, ""))


def _refusal(parameter: str, rule: str, value: Any, remedy: str) -> str:
    text = _("{parameter} must be {rule}, got {value}.").format(
        parameter=parameter, rule=rule, value=_short(value)
    )
    return f"{text} {remedy}".rstrip()


def _short(value: Any) -> str:
    try:
        # Not repr, which says np.float64(0.5) of numpy's 0.5.
        text = str(value) if isinstance(value, numbers.Real) else repr(value)
    except Exception:  # a learner's object may raise anything, an int of 5,000 digits does
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
