"""How long Terraform takes with four servers and what stands around them. Run by `make bench`.

A line has the median of the rounds, and the target where there is one. `--smoke` measures once.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from devops_lab.provisioning import Provisioning, tools

TARGETS_MS = {"plan": 150, "apply": 250}


def milliseconds(act: Callable[[], Any]) -> float:
    """How long the act takes."""
    began = time.perf_counter()
    act()
    return 1e3 * (time.perf_counter() - began)


def measure(tool: str, rounds: int) -> dict[str, float]:
    """By verb, the median over the rounds in ms; the plan is one with nothing to do."""

    def quiet(_line: str) -> None:
        pass

    taken: dict[str, list[float]] = {}
    with Provisioning(tool=tool) as shop:
        shop.edit("default     = 2", "default     = 4")
        for _round in range(rounds):
            verbs = {
                "plan of five to create": shop.plan,
                "apply": lambda: shop.apply(tell=quiet),
                "plan": shop.plan,
                "drift": shop.drift,
                "destroy": lambda: shop.destroy(tell=quiet),
            }
            for verb, act in verbs.items():
                taken.setdefault(verb, []).append(milliseconds(act))
    return {verb: statistics.median(times) for verb, times in taken.items()}


def main() -> None:
    """Print a line for each tool and verb."""
    rounds = 1 if "--smoke" in sys.argv else 7
    for tool in tools():
        for verb, taken_ms in measure(tool, rounds).items():
            target = f"(target {TARGETS_MS[verb]} ms)" if verb in TARGETS_MS else ""
            print(f"{tool:<14} {verb:<24} {taken_ms:7.0f} ms {target}".rstrip())


if __name__ == "__main__":
    main()
