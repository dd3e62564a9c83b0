"""The tables of the course: each column's type, unit and meaning, and the numbers made of them.

One row is one event, in base units (seconds, shares from 0 to 1); what was not seen is missing.
An *attempt* is one try to get an answer. A *request* is what somebody wanted, with one attempt or
more; its latency counts from the moment it was meant to start.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from numpy import ndarray
    from pandas import DataFrame


class Column(NamedTuple):
    """What a column holds: pandas' type, the unit ("" where it has none) and the meaning."""

    dtype: str
    unit: str
    meaning: str


Schema = Mapping[str, Column]

ACCESS_LOG: Schema = {
    "time": Column("datetime64[us, UTC]", "", "arrival at the server"),
    "request_id": Column("string", "", "the request's id, the same in every log it appears in"),
    "server": Column("string", "", "name of the server"),
    "method": Column("string", "", "GET, POST, …; - where the request could not be read"),
    "path": Column("string", "", "the path as it came, without the query"),
    "status": Column("Int64", "", "HTTP status of the answer"),
    "wait_s": Column("float64", "s", "time in the queue before a worker"),
    "service_s": Column("float64", "s", "time a worker was busy with it"),
    "bytes": Column("Int64", "bytes", "size of the answer with its head"),
    "error": Column("string", "", "what went wrong, missing where nothing did"),
}

# What a program says of its work, where the access log says what was asked.
APPLICATION_LOG: Schema = {
    "time": ACCESS_LOG["time"],
    "level": Column("string", "", "INFO, WARNING or ERROR"),
    "server": ACCESS_LOG["server"],
    "request_id": ACCESS_LOG["request_id"],
    "message": Column("string", "", "what happened, in words"),
}

# What a visitor did, and which version of the shop it was done in.
USAGE: Schema = {
    "time": ACCESS_LOG["time"],
    "request_id": ACCESS_LOG["request_id"],
    "server": ACCESS_LOG["server"],
    "user": Column("string", "", "who did it"),
    "variant": Column("string", "", "the version that the user sees: A, as before, or B"),
    "event": Column("string", "", "what was done: visit, order"),
}

ATTEMPTS: Schema = {
    "request": Column("int64", "", "number of the request, from 0, in order of arrival"),
    "attempt": Column("int64", "", "number of the try, from 1"),
    "intended_s": Column("float64", "s", "when it was meant to start, since the run's start"),
    "start_s": Column("float64", "s", "when it did start"),
    "end_s": Column("float64", "s", "when its answer was complete, or it was given up"),
    "latency_s": Column("float64", "s", "from the intended start to the end"),
    "outcome": Column(
        "string",
        "",
        "ok, failed (status 500 and above), refused, closed, timed_out, withdrawn (another try was "
        "answered first), held_back (by the client's breaker: nothing was sent)",
    ),
    "status": Column("Int64", "", "HTTP status, missing where no answer came"),
    "server": Column("string", "", "who answered"),
    "wait_s": Column("float64", "s", "time in the server's queue, as it reported"),
    "service_s": Column("float64", "s", "time a worker was busy with it, as the server reported"),
}

REQUESTS: Schema = {
    "request": ATTEMPTS["request"],
    "arrival_s": Column("float64", "s", "when it was meant to start, since the run's start"),
    "end_s": Column("float64", "s", "when the client had its answer, or the last try ended"),
    "latency_s": Column("float64", "s", "from the intended start to the end"),
    "lateness_s": Column("float64", "s", "how late the first try was sent"),
    "attempts": Column("int64", "", "number of tries"),
    "outcome": Column("string", "", "how the deciding try ended: the answered one, or the last"),
    "server": Column("string", "", "who answered the deciding try"),
    "wait_s": Column("float64", "s", "time in that server's queue"),
    "service_s": Column("float64", "s", "time a worker was busy in the deciding try"),
}

EVENTS: Schema = {
    "time_s": Column("float64", "s", "when it happened, since the run's start"),
    "job": Column("string", "", "name of the job it is about; missing where it is about none"),
    "worker": Column("string", "", "who did it, or to whom it was done; missing for the sender"),
    "what": Column(
        "string",
        "",
        "sent, known (its id was), unanswered, delivered, redelivered, started, done, failed, "
        "acknowledged, lost (the message), lost_acknowledgement, set_aside, claimed, not_claimed, "
        "paid, written, refused; and to a process: begun, frozen, resumed, killed",
    ),
    "delivery": Column("Int64", "", "how often the message had been delivered by then, from 1"),
    "detail": Column("string", "", "an amount, a value or an error; missing where there is none"),
}


# One row an outage: a stretch of time in which a server, or a whole, did not do its job.
INTERVALS: Schema = {
    "server": Column("string", "", "who was down"),
    "cause": Column("string", "", "crash, freeze, slow, errors, unreachable"),
    "shared": Column("bool", "", "whether the cause took all servers at once"),
    "start_s": Column("float64", "s", "when it failed, since the run's start"),
    "detected_s": Column("float64", "s", "when the balancer knew, missing where it never did"),
    "repaired_s": Column("float64", "s", "when it did its job again, missing if after the end"),
}


# One row a sample: what a metric was at a moment, as a scrape or a generator saw it.
SERIES: Schema = {
    "time": Column("datetime64[ms]", "", "the moment, as the one who was asked had it"),
    "metric": Column("category", "", "name of the metric, with its unit"),
    "labels": Column("category", "", 'what it is about: server="server-1",status="200"'),
    "value": Column("float64", "", "in the unit that the metric's name says"),
}

# One row a deployment: a change that was put before people.
DEPLOYMENTS: Schema = {
    "change": Column("string", "", "what was deployed: a version or a commit"),
    "committed": Column("datetime64[us]", "", "when its last change was committed"),
    "deployed": Column("datetime64[us]", "", "when people had it"),
    "failed": Column("bool", "", "whether it had to be repaired or taken back"),
    "recovered": Column(
        "datetime64[us]", "", "when people were served again, missing if it was well or is not over"
    ),
}

# One row a stage of a delivery that was run.
STAGES: Schema = {
    "stage": Column("string", "", "commit, build, test, release, deploy, check or roll_back"),
    "outcome": Column("string", "", "done, or stopped (the line went no further)"),
    "seconds": Column("float64", "s", "how long it took"),
    "said": Column("string", "", "what its tools said, or why it stopped"),
    "log": Column("string", "", "the file in logs that keeps what was said"),
}

# One row a task on a host, as a play ran it.
TASK_RESULTS: Schema = {
    "host": Column("string", "", "where it was done"),
    "task": Column("string", "", "name of the task"),
    "status": Column("string", "", "ok, failed, skipped, or unreachable (the host did not answer)"),
    "changed": Column("bool", "", "whether the host was not so before; under check, is not so"),
    "seconds": Column("float64", "s", "how long it took"),
    "diff": Column("string", "", "the lines that went (-) and came (+)"),
    "message": Column("string", "", "what Ansible said of it; empty where nothing"),
}


def table(columns: Mapping[str, object], schema: Schema) -> "DataFrame":
    """The columns as a table of this schema, in its order and with its types.

    >>> table({"request": [0]}, {"request": ATTEMPTS["request"]}).dtypes["request"]
    dtype('int64')
    """
    import pandas as pd

    made = pd.DataFrame({name: columns[name] for name in schema}, copy=False)
    wanted = {name: pd.api.types.pandas_dtype(kind.dtype) for name, kind in schema.items()}
    # Compared as types: by its name, "string" is equal to a text type that is another.
    wrong = {name: dtype for name, dtype in wanted.items() if made.dtypes[name] != dtype}
    return made.astype(wrong) if wrong else made


def from_json_lines(text: str, schema: Schema) -> "DataFrame":
    """Lines of JSON as a table of this schema, one row a line."""
    rows = [json.loads(line) for line in text.splitlines()]
    return table({name: [row[name] for row in rows] for name in schema}, schema)


def requests(attempts: "DataFrame") -> "DataFrame":
    """One row a request, made of its attempts: the latency counts from the first intended start."""
    first, deciding, tries = _first_and_deciding_tries(attempts)
    arrival_s = first["intended_s"]
    own = {
        "arrival_s": arrival_s,
        "latency_s": deciding["end_s"] - arrival_s,
        "lateness_s": first["start_s"] - arrival_s,
        "attempts": tries,
    }
    return table(own | {name: deciding[name] for name in REQUESTS if name not in own}, REQUESTS)


def _first_and_deciding_tries(
    attempts: "DataFrame",
) -> tuple["DataFrame", "DataFrame", "ndarray"]:
    """Each request's first row and its answered or else last one, in order of their numbers, and
    how many rows it has."""
    import numpy as np

    number = attempts["request"].to_numpy()
    if (number[1:] > number[:-1]).all():
        only = attempts.reset_index(drop=True)
        return only, only, np.ones(len(only), np.int64)
    is_answered = (attempts["outcome"] == "ok").to_numpy(bool)
    in_order = np.lexsort((attempts["attempt"], number))
    answered_last = np.lexsort((attempts["attempt"], is_answered, number))
    begins = np.flatnonzero(np.diff(number[in_order], prepend=-1))
    tries = np.diff(begins, append=len(in_order))
    rows = in_order[begins], answered_last[begins + tries - 1]
    first, deciding = (attempts.take(places).reset_index(drop=True) for places in rows)
    return first, deciding, tries


def summarise(requests: "DataFrame") -> "DataFrame":
    """One row of numbers about a table of requests.

    `throughput_per_s` counts every request that ended, from the run's start to the last end;
    `error_share` is the share that did not end "ok". The latencies are those of the requests that
    did end "ok": a quick error would make a broken server look fast. Beware of the opposite too:
    a request that was given up has no latency here, so read both numbers together.
    """
    import pandas as pd

    good = requests[requests["outcome"] == "ok"]
    latency = good["latency_s"]
    end_s = requests["end_s"].max()
    row = {
        "requests": len(requests),
        "throughput_per_s": len(requests) / end_s if end_s > 0 else float("nan"),
        "error_share": 1 - len(good) / len(requests) if len(requests) else float("nan"),
        "latency_mean_s": latency.mean(),
        **{f"latency_p{p}_s": latency.quantile(p / 100) for p in (50, 95, 99)},
        "wait_mean_s": good["wait_s"].mean(),
        "service_mean_s": good["service_s"].mean(),
        "lateness_p99_s": requests["lateness_s"].quantile(0.99),
    }
    return pd.DataFrame([row])
