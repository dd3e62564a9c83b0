"""A shop's log lines, generated: who asked for what, how it went, and what the programs said of it.

They tell of the same days and faults as the shop's metrics (`telemetry.Shop`), request by request:

    shop = Shop(days=1, faults=(Fault("bad_deploy", "10h", "30min"),))
    access_lines(shop, kept_share=0.01), application_lines(shop, kept_share=0.01)

Of all requests a share is made; rates and counts in the lines are that share of the metrics'.
"""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd

from devops_lab.rules import share, whole
from devops_lab.tables import ACCESS_LOG, APPLICATION_LOG, Column, Schema, table
from devops_lab.telemetry import STEEPNESS, Shop

USER_LOG: Schema = ACCESS_LOG | {"user": Column("string", "", "who asked")}

# What is asked for, how often, and how large the answer is.
PATHS = {
    "/": (0.35, 1_900),
    "/menu.html": (0.25, 1_400),
    "/api/menu": (0.2, 420),
    "/api/orders/42": (0.12, 190),
    "/images/logo.svg": (0.08, 1_100),
}
USERS = 2_000
SLOW_S = 0.5
# The random purpose, beside those of telemetry.
LINES = 100


def access_lines(
    shop: Shop, *, kept_share: float = 1.0, failing_user: int | None = None
) -> pd.DataFrame:
    """One row a request: the columns of `tables.ACCESS_LOG`, and the `user`, in the order of time.

    With a `failing_user`, every request of this one user is an error, whatever the others see.

    >>> lines = access_lines(Shop(days=1, servers=1), kept_share=0.01, failing_user=7)
    >>> lines[lines.user == "user-7"].status.unique().tolist()
    [500]
    """
    share("kept_share", kept_share)
    if failing_user is not None:
        whole("failing_user", failing_user, at_least=1, at_most=USERS)
    parts = [
        _of_server(shop, number_of_day, server, kept_share, failing_user)
        for number_of_day in range(shop.days)
        for server in range(shop.servers)
    ]
    lines = pd.concat(parts, ignore_index=True).sort_values("time", kind="stable")
    ids = [f"r{number:07}" for number in range(len(lines))]
    return table(lines.assign(request_id=ids).reset_index(drop=True), USER_LOG)


def application_lines(access: pd.DataFrame) -> pd.DataFrame:
    """What the programs said of these requests: a table of `tables.APPLICATION_LOG`.

    A failed request is an ERROR, a slow one a WARNING, an order an INFO; of the rest they say
    nothing. The request's id is that of the access log.
    """
    failed, slow = access["status"] >= 500, access["service_s"] > SLOW_S
    ordered = access["path"].str.startswith("/api/orders") & ~failed
    seconds = access["service_s"].map("{:.3f}".format)
    said = (
        (failed, "ERROR", access["error"]),
        (slow & ~failed, "WARNING", "slow answer: " + seconds + " s"),
        (ordered, "INFO", "order read by " + access["user"]),
    )
    about = access[["time", "server", "request_id"]]
    parts = [about.assign(level=level, message=text)[rows] for rows, level, text in said]
    return table(
        pd.concat(parts).sort_values("time", kind="stable", ignore_index=True), APPLICATION_LOG
    )


def as_json_lines(lines: pd.DataFrame) -> Iterator[str]:
    """The rows as servers write them: one JSON object a line."""
    times = lines["time"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    plain = lines.assign(time=times).astype(object).where(lines.notna(), None)
    for row in plain.to_dict(orient="records"):
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _of_server(
    shop: Shop, number_of_day: int, server: int, kept_share: float, failing_user: int | None
) -> pd.DataFrame:
    day, random = (
        shop.day(number_of_day),
        np.random.default_rng([shop.seed, number_of_day, LINES, server]),
    )
    answering = day.up[server] / np.maximum(1, day.up.sum(axis=0))
    counts = random.poisson(day.rate_per_s * answering * shop.step_s * kept_share)
    step = np.repeat(np.arange(len(counts)), counts)
    start_s = shop.since_start_s(number_of_day)[step] + shop.step_s * random.random(len(step))
    odds = random.random(len(step))
    users = 1 + (USERS * random.random(len(step)) ** 3).astype(int)
    failed = (random.random(len(step)) < day.error_share[server][step]) | (users == failing_user)
    paths = random.choice(len(PATHS), len(step), p=[often for often, _size in PATHS.values()])
    seen_at = pd.Timestamp(shop.start, tz="UTC") + pd.to_timedelta(
        start_s + day.skew_s[server][step], "s"
    )
    return pd.DataFrame(
        {
            "time": seen_at.floor("us"),
            "request_id": "",
            "server": shop.names[server],
            "method": "GET",
            "path": np.array(list(PATHS))[paths],
            "status": np.where(failed, 500, 200),
            "wait_s": 0.0,
            # The quantile of a log-logistic distribution.
            "service_s": np.round(
                day.latency_s[server][step] * (odds / (1 - odds)) ** (1 / STEEPNESS), 6
            ),
            "bytes": np.where(
                failed, 60, np.array([size for _often, size in PATHS.values()])[paths]
            ),
            "error": np.where(failed, "the order book does not answer", None),
            "user": [f"user-{number}" for number in users],
        }
    )
