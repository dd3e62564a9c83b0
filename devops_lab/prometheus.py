"""A real Prometheus that watches our servers: started and stopped by the course.

    with Prometheus([server]) as prometheus:
        prometheus.ask('rate(http_requests_total[10s])')

It answers as `metric_store.MetricStore` does, and PromQL besides. Its first samples come some
seconds after its start, so start it before they are needed. Whoever is on the same machine can
read its samples through its port of 127.0.0.1; nothing can be changed there.
"""

import json
import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import pandas as pd

from devops_lab import machine
from devops_lab.labels import as_text
from devops_lab.metric_store import Target, servers_by_name
from devops_lab.rules import number
from devops_lab.tables import SERIES, table
from devops_lab.translation import _
from devops_lab.web_program import WebProgram

# A range selector needs a length; no run here is longer.
LONGEST = "30d"


class Prometheus(WebProgram):
    """Asks each of the servers for its metrics every `interval_s` seconds and keeps the samples,
    each with the label `server`. `rules` is the text of a file of alerting and recording rules.
    """

    remedy = _("To install it: {line}").format(
        line=next(tool.install for tool in machine.tools() if tool.name == "Prometheus")
    )

    def __init__(
        self, servers: Sequence[Target], *, interval_s: float = 1.0, rules: str = "", port: int = 0
    ) -> None:
        super().__init__("prometheus", port)
        self.interval_s = number("interval_s", interval_s, at_least=0.1)
        self.servers = servers_by_name(servers)
        self.rules = rules

    def prepare(self) -> None:
        """Write the configuration, with the servers' present ports."""
        self.choose_port()
        (self.folder / "rules.yml").write_text(self.rules or "groups: []\n", encoding="utf-8")
        # JSON is YAML, too.
        (self.folder / "prometheus.yml").write_text(json.dumps(self.config()), encoding="utf-8")
        self.arguments = [
            "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'samples'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]

    def config(self) -> dict[str, Any]:
        """What Prometheus is told: whom to ask, and how often."""
        interval = f"{1000 * self.interval_s:.0f}ms"
        targets = [
            {"targets": [f"127.0.0.1:{server.port}"], "labels": {"server": name}}
            for name, server in self.servers.items()
        ]
        return {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
            },
            "rule_files": [str(self.folder / "rules.yml")],
            "scrape_configs": [{"job_name": "shop", "static_configs": targets}],
        }

    def is_ready(self) -> bool:
        """Whether it says so itself."""
        try:
            return self.get("/-/ready", timeout_s=1).status == 200
        except (ConnectionError, TimeoutError):
            return False

    def ask(self, promql: str, at: pd.Timestamp | None = None) -> pd.DataFrame:
        """What a PromQL expression is now, or `at` a time (UTC): a table of `tables.SERIES`.

        Raises ValueError with Prometheus' own words where it cannot be read.
        """
        when = {} if at is None else {"time": at.timestamp()}
        return _as_samples(self._api("query", query=promql, **when))

    def samples(self, metric: str | None = None, last_s: float = math.inf) -> pd.DataFrame:
        """The samples of one metric or of all, of the last seconds or of all time: a table of
        `tables.SERIES`."""
        name = "__name__!=''" if metric is None else f'__name__="{metric}"'
        window = LONGEST if last_s == math.inf else f"{1000 * last_s:.0f}ms"
        return _as_samples(self._api("query", query=f"{{{name}}}[{window}]"))

    def _api(self, call: str, **parameters: object) -> list[dict[str, Any]]:
        answer = self.get(f"/api/v1/{call}?{urlencode(parameters)}").json()
        if answer["status"] != "success":
            raise ValueError(
                _("Prometheus cannot answer this: {error}").format(error=answer["error"])
            )
        return answer["data"]["result"]


def _as_samples(result: list[dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for series in result:
        labels = dict(series["metric"])
        name = labels.pop("__name__", "")
        # Whom it asked is told by the label "server".
        labels = {key: text for key, text in labels.items() if key not in ("instance", "job")}
        for moment, value in series.get("values") or [series["value"]]:
            time = pd.Timestamp(round(1000 * float(moment)), unit="ms")
            rows.append((time, name, as_text(labels), float(value)))
    return table(pd.DataFrame(rows, columns=list(SERIES)), SERIES)
