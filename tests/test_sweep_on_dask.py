"""A sweep on a Dask cluster: the same call, the same numbers, and nothing left behind."""

import functools
import os
from multiprocessing import resource_tracker
from pathlib import Path

import psutil
import pytest
from distributed import Client, LocalCluster

from devops_lab.scenario import Scenario, sweep
from devops_lab.simulate import simulate

SHOP = Scenario(arrival_rate_per_s=80, service_time_s=0.03, servers=3, balancer="round_robin")


# By name only: the workers cannot import a test's own functions.
a_little = functools.partial(simulate, requests=500)


def test_a_sweep_runs_unchanged_on_a_cluster_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = sweep(a_little, SHOP, servers=[3, 4], seed=[1, 2])
    # Dask's files go into the folder that it is given, and none into the learner's.
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    # Python's own helper of several processes stays until Python ends.
    resource_tracker.ensure_running()
    processes = {child.pid for child in psutil.Process().children(recursive=True)}
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        local_directory=tmp_path / "dask",
    )
    with cluster, Client(cluster) as client:
        workers = {*client.run(os.getpid).values()}
        assert len(workers) == 2
        assert os.getpid() not in workers
        on_the_cluster = sweep(
            a_little, SHOP, executor=client.get_executor(), servers=[3, 4], seed=[1, 2]
        )
    assert on_the_cluster.equals(alone)
    assert not any(map(psutil.pid_exists, workers))
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= processes
    assert not any(here.iterdir())
