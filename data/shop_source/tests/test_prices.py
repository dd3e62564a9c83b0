"""What rolls cost. Run by the stage "test" of the pipeline."""

from moonlight.prices import price_won


def test_one_roll_has_its_price() -> None:
    assert price_won(1) == 1_500


def test_of_fourteen_rolls_one_is_a_gift() -> None:
    assert price_won(14) == 13 * 1_500
