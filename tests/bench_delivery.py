"""How long the delivery takes, a good change and a bad one. Run by `make bench`.

The quickest of the runs: what others do on this machine can only add to it.

`--smoke` measures as little as shows that all of this still works.
"""

import sys
import tempfile
import time
from pathlib import Path

from devops_lab.delivery import Delivery

BUDGET_S = 2.0
PRICES = "src/moonlight/prices.py"


def main(smoke: bool) -> None:
    repetitions = 1 if smoke else 7
    with tempfile.TemporaryDirectory() as folder, Delivery(folder=Path(folder, "d")) as delivery:
        delivery.edit("pipeline.toml", '"/healthz"', '"/"')
        good_s = [timed_s(delivery, price, "ok") for price in range(repetitions)]
        by_stage = delivery.stages().groupby("stage", sort=False)["seconds"].min()
        delivery.edit("src/moonlight/page.py", "Release {", "Release {1 // 0}{")
        bad_s = [timed_s(delivery, price, "ok again") for price in range(repetitions)]
        assert (
            list(delivery.deployments()["failed"])
            == [False] * (repetitions + 1) + [True] * repetitions
        )
    print(f"a change, commit to people: {min(good_s):.2f} s (budget {BUDGET_S} s)")
    print(f"a bad one, commit to roll-back: {min(bad_s):.2f} s (budget {BUDGET_S} s)")
    print("by stage:", ", ".join(f"{stage} {1000 * s:.0f} ms" for stage, s in by_stage.items()))


def timed_s(delivery: Delivery, number: int, word: str) -> float:
    """Seconds of one whole delivery of a small edit."""
    with (delivery.source / PRICES).open("a", encoding="utf-8") as file:
        file.write(f"# {word} {number}\n")
    started_s = time.perf_counter()
    delivery.deliver(f"{word} {number}")
    return time.perf_counter() - started_s


if __name__ == "__main__":
    main("--smoke" in sys.argv)
