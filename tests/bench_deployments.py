"""What new versions and new lines of configuration cost real people. Run by `make bench`.

Each strategy brings a good version to four servers under 500 requests/s, then a bad one, half of
whose answers are errors; with clients that send a request again whose connection was closed before
the first byte of an answer, and with clients that do not. Last, the balancer's configuration is
changed ten times under the same load. `--smoke` does as little as shows that all of this works.
"""

import sys
import time

from devops_lab.deployments import Fleet, Release
from devops_lab.rollouts import STRATEGIES, Rollout

LINE = "{:<12}{:<8}{:<13}{:>9}{:>8}{:>11}{:>9}{:>7}{:>9}"
COLUMNS = ("requests", "failed", "users hit", "time", "extra", "missing")
CHANGES = 10


def deployments(fleet: Fleet, resends: bool) -> None:
    """Print a line for each deployment."""
    for number, strategy in enumerate(STRATEGIES, 1):
        rollout = Rollout(strategy, detection_s=0.5)
        fleet.deploy(Release(f"1.{number}"), rollout)
        fleet.deploy(Release(f"2.{number}", error_share=0.5), rollout)
    for row in fleet.rows().itertuples():
        print(
            LINE.format(
                row.strategy,
                "good" if row.version.startswith("1") else "bad",
                "asks again" if resends else "asks once",
                row.requests,
                row.failed_requests,
                f"{row.users_hit:.0%}",
                f"{row.duration_s:.2f} s",
                row.extra,
                row.missing,
            )
        )


def reconfigured(fleet: Fleet, resends: bool) -> None:
    """Print what changes of the balancer's configuration cost."""
    with fleet.load() as load:
        for number in range(CHANGES):
            time.sleep(0.2)
            fleet.balancer.set(policy="random" if number % 2 else "round_robin")
        fleet.wait_until_all_is_answered(load, 0.2)
        attempts = load.attempts()
    lost = int((attempts["outcome"] != "ok").sum())
    client = "asks again" if resends else "asks once"
    print(f"{CHANGES} changes of the configuration, {client}: {lost} of {len(attempts)} lost")


def main() -> None:
    """Run all, or a little of it."""
    is_smoke = "--smoke" in sys.argv
    print(LINE.format("strategy", "version", "client", *COLUMNS))
    for resends in (True,) if is_smoke else (True, False):
        rate = 100 if is_smoke else 500
        with Fleet(Release("1.0"), servers=4, rate_per_s=rate, resends=resends) as fleet:
            deployments(fleet, resends)
            reconfigured(fleet, resends)


if __name__ == "__main__":
    main()
