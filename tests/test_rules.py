import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.rules import number, one_of, share, whole


class Mute:
    """A learner's object with a mistake in it."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


class Unequal:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    __hash__ = None


STRANGE = [
    None,
    True,
    np.True_,
    "0.5",
    b"5",
    "",
    "{parameter}",
    math.nan,
    math.inf,
    -math.inf,
    np.float64("nan"),
    np.float32("-inf"),
    np.longdouble("1e4000"),
    10**400,
    -(10**400),
    10**5_000,
    Fraction(10**400),
    Decimal("0.5"),
    Decimal("nan"),
    1j,
    [],
    [1, 2],
    {},
    {"a": 1},
    {1},
    (),
    range(3),
    np.array(1.5),
    np.arange(1_000),
    pd.NA,
    pd.NaT,
    pd.Series([1, 2]),
    pd.DataFrame({"a": [1]}),
    object(),
    int,
    len,
    Mute(),
    Unequal(),
]
CHECKS = [
    lambda value: number("a_parameter", value, above=0, below=1, remedy="Try 0.5."),
    lambda value: whole("a_parameter", value, at_least=1, at_most=9),
    lambda value: share("a_parameter", value),
    lambda value: one_of("a_parameter", value, ["round_robin", "random"]),
    lambda value: one_of("a_parameter", value, {"round_robin": 1, "random": 2}),
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("value", STRANGE, ids=lambda value: type(value).__name__)
def test_a_strange_value_is_refused_in_one_line_that_names_the_parameter(check, value):
    with pytest.raises((ValueError, TypeError), match=r"\Aa_parameter must be [^\n]+\Z") as refusal:
        check(value)
    assert len(str(refusal.value)) < 200


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.fractions()
    | st.decimals()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.lists(st.integers())
)


@pytest.mark.parametrize("check", CHECKS)
@given(value=anything)
def test_any_value_is_returned_or_refused_by_name(check, value):
    try:
        returned = check(value)
    except (ValueError, TypeError) as refusal:
        text = str(refusal)
    else:
        text = f"a_parameter must be {returned}"
        assert returned == (float(value) if isinstance(value, Fraction) else value)
    assert text.startswith("a_parameter must be ")


@given(st.floats(-1e300, 1e300), st.floats(0, 1e300))
def test_a_number_is_held_to_each_of_its_limits(value, distance):
    assert number("x", value, at_least=value, at_most=value) == value
    with pytest.raises(ValueError, match="x must be above"):
        number("x", value, above=value)
    with pytest.raises(ValueError, match="x must be below"):
        number("x", value, below=value)
    if value + distance > value:
        with pytest.raises(ValueError, match="x must be at least"):
            number("x", value, at_least=value + distance)
        with pytest.raises(ValueError, match="x must be at most"):
            number("x", value + distance, at_most=value)


@pytest.mark.parametrize("kind", [np.int8, np.uint64, np.float16, np.float32, np.longdouble])
def test_numbers_of_numpy_become_pythons_own(kind):
    as_float, as_int = number("x", kind(3), at_most=1e300), whole("x", kind(3), at_most=10**30)
    assert (as_float, type(as_float), as_int, type(as_int)) == (3.0, float, 3, int)
    with pytest.raises(ValueError, match=r"^x must be at most 1, got 3(\.0)?\.$"):
        number("x", kind(3), at_most=1)


def test_whole_numbers_too_large_for_a_float_are_told_apart():
    assert whole("seed", 2**64 + 1, at_most=2**64 + 1) == 2**64 + 1
    with pytest.raises(ValueError, match="seed must be at most"):
        whole("seed", 2**64 + 1, at_most=2**64)


@pytest.mark.parametrize("value", [4, 4.0, Fraction(4), np.int64(4), np.float32(4)])
def test_four_is_whole_however_it_is_written(value):
    assert whole("servers", value) == 4


@pytest.mark.parametrize("value", [0.5, Fraction(1, 3), np.float64(1e-9)])
def test_a_part_is_not_whole(value):
    with pytest.raises(ValueError, match="servers must be a whole number, got "):
        whole("servers", value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("inf")])
def test_an_infinite_number_is_refused_where_no_limit_is_set(value):
    with pytest.raises(ValueError, match="x must be a finite number"):
        number("x", value)


def test_a_decimal_is_no_number_of_ours_and_shown_as_what_it_is():
    with pytest.raises(TypeError, match=r"x must be a number, got Decimal\('0\.5'\)\."):
        number("x", Decimal("0.5"))


def test_nothing_and_all_are_shares():
    assert (share("error_share", 0), share("error_share", 1)) == (0.0, 1.0)


def test_a_percentage_is_recognised_and_its_share_is_named():
    with pytest.raises(ValueError, match=r"got 12\.5\. For 12\.5 % write 0\.125\.$"):
        share("error_share", 12.5)
    for value in (-0.1, 101):
        with pytest.raises(ValueError, match=rf"between 0 and 1, got {value}\.$"):
            share("error_share", value)


def test_the_remedy_ends_the_message_and_limits_are_readable():
    with pytest.raises(ValueError) as refusal:
        whole("port", 70_000, at_most=65_535, remedy="Use 0 for any free port.")
    assert str(refusal.value) == "port must be at most 65,535, got 70000. Use 0 for any free port."


def test_a_choice_is_returned_and_an_empty_one_is_shown():
    assert one_of("balancer", "random", ["round_robin", "random"]) == "random"
    with pytest.raises(ValueError, match=r"modifier must be one of =, '', ~, got '!'\."):
        one_of("modifier", "!", ["=", "", "~"])
