"""What a test needs of the machine: missing, it is skipped with a line that says how to get it.

Where everything has to be there (`REQUIRE_ALL=1`, as in CI), missing is a failure.
"""

import os

import pytest


def require(condition: object, what: str, how_to_get_it: str) -> None:
    """Go on if the condition holds; skip the test otherwise, or fail it under `REQUIRE_ALL=1`."""
    if condition:
        return
    sentence = f"{what} is missing here. To get it: {how_to_get_it}"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
