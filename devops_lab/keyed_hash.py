"""A place between 0 and 1 for a text, the same on every machine: by it servers draw lots alike
without asking one another."""

import hashlib


def place_of(text: str, key: str = "") -> float:
    """Where the text lies between 0 (included) and 1; under another key it lies elsewhere.

    Python's own `hash` is another one in every process, so it cannot do this.

    >>> round(place_of("user-7"), 3), round(place_of("user-7", key="prices"), 3)
    (0.245, 0.079)
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=key.encode()).digest()
    return int.from_bytes(digest, "big") / 2**64
