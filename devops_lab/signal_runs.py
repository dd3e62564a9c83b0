"""Real runs of lesson 13 that want more than a few lines."""

import pandas as pd

from devops_lab.families import wait_until
from devops_lab.prometheus import Prometheus
from devops_lab.servers import Server

# Its service discovery ticks every five seconds.
FIRST_SAMPLE_WITHIN_S = 20.0


def asked_of_prometheus(server: Server, promql: str) -> pd.DataFrame:
    """What a real Prometheus answers about the server, once it has scraped it: a table of
    `tables.SERIES`, without rows where no sample came within twenty seconds."""
    with Prometheus([server], interval_s=0.5) as prometheus:
        wait_until(lambda: len(prometheus.ask(promql)) > 0, within_s=FIRST_SAMPLE_WITHIN_S)
        return prometheus.ask(promql)
