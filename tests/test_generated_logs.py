"""Generated lines tell of the same days and faults as the metrics; the month in data/ is theirs."""

import importlib.util
import json
from functools import partial
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from devops_lab.course import data_folder
from devops_lab.generated_logs import USER_LOG, access_lines, application_lines, as_json_lines
from devops_lab.logs import Logs
from devops_lab.tables import APPLICATION_LOG
from devops_lab.telemetry import Fault, Shop

START = pd.Timestamp("2026-03-02", tz="UTC")


def shop(*faults: Fault) -> Shop:
    return Shop(days=1, servers=2, step_s=60, faults=faults)


def test_the_lines_have_their_schema_and_the_order_of_time() -> None:
    lines = access_lines(shop(), kept_share=0.01)
    assert list(lines.columns) == list(USER_LOG)
    assert lines.time.is_monotonic_increasing
    assert lines.request_id.is_unique
    said = application_lines(lines)
    assert list(said.columns) == list(APPLICATION_LOG)
    assert set(said.request_id) <= set(lines.request_id)


def test_as_many_requests_as_the_metrics_count_times_the_share() -> None:
    made = access_lines(shop(), kept_share=0.01)
    samples = shop().samples()
    served = samples[samples.metric == "http_request_duration_seconds_count"]
    counted = served.groupby("labels", observed=True)["value"].max().sum()
    assert len(made) == pytest.approx(0.01 * counted, rel=0.03)


def test_a_fault_is_in_the_lines_when_it_is_planted() -> None:
    bad = access_lines(shop(Fault("bad_deploy", "10h", "1h", size=0.5)), kept_share=0.01)
    inside = bad.time.between(START + pd.Timedelta("10h"), START + pd.Timedelta("11h"))
    assert (bad[inside].status == 500).mean() == pytest.approx(0.5, abs=0.1)
    assert (bad[~inside].status == 500).mean() < 0.01
    dead = access_lines(shop(Fault("dead_server", "10h", "1h", server="server-2")), kept_share=0.01)
    inside = dead.time.between(START + pd.Timedelta("10h"), START + pd.Timedelta("11h"))
    assert set(dead[inside].server) == {"server-1"}


def test_one_customer_fails_always_and_hardly_shows_in_the_whole() -> None:
    lines = access_lines(shop(), kept_share=0.05, failing_user=150)
    assert (lines.status >= 500).mean() < 0.005
    by_user = lines.groupby("user").status.agg(lambda status: (status >= 500).mean())
    assert by_user["user-150"] == 1
    assert (by_user > 0.5).sum() < 10


def test_the_lines_can_be_written_and_asked_as_those_of_real_servers(tmp_path: Path) -> None:
    lines = access_lines(shop(), kept_share=0.001)
    file = tmp_path / "access.jsonl"
    file.write_text("".join(f"{line}\n" for line in as_json_lines(lines)), encoding="utf-8")
    read = Logs(file).lines()
    assert read.service_s.tolist() == lines.service_s.tolist()
    assert read.time.tolist() == lines.time.tolist()
    assert json.loads(next(as_json_lines(lines)))["error"] is None


def test_the_script_makes_the_month_again(tmp_path: Path) -> None:
    folder = data_folder() / "month"
    spec = importlib.util.spec_from_file_location("month", folder / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path)
    readers = {
        "metrics.parquet": lambda file: duckdb.execute(f"FROM '{file}'").df(),
        "faults.csv": pd.read_csv,
        "access.jsonl.gz": partial(pd.read_json, lines=True),
        "application.jsonl.gz": partial(pd.read_json, lines=True),
    }
    for name, read in readers.items():
        pd.testing.assert_frame_equal(read(folder / name), read(tmp_path / name), rtol=1e-9)
