"""Prints the test files in which a test failed in the last run; `make test` runs those again."""

import json
from pathlib import Path

LAST_FAILED = Path(__file__).parents[1] / ".pytest_cache/v/cache/lastfailed"


def main() -> None:
    """Print each file once."""
    failed = json.loads(LAST_FAILED.read_text(encoding="utf-8"))
    print(*sorted({test.split("::")[0] for test in failed}))


if __name__ == "__main__":
    main()
