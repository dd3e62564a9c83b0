"""What rolls cost."""

ROLL_WON = 1_500


def price_won(rolls: int) -> int:
    """The price of so many rolls. Every thirteenth is a gift."""
    gifts = (rolls - 1) // 13
    return (rolls - gifts) * ROLL_WON
