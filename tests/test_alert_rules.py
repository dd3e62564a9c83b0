"""The rule files are Prometheus' own language: its tools accept them, and they fire in time."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from required import require

from devops_lab import machine
from devops_lab.alert_rules import promql_duration, rule_file
from devops_lab.families import wait_until
from devops_lab.loadgen import send_load
from devops_lab.objectives import Alert, workbook_alerts
from devops_lab.prometheus import Prometheus
from devops_lab.servers import Server


def promtool(folder: Path, *arguments: str) -> None:
    tool = next(tool for tool in machine.tools() if tool.name == "promtool")
    require(tool.is_here, tool.name, tool.install)
    done = subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_workbooks_alerts(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rule_file(0.999))
    promtool(tmp_path, "check", "rules", "rules.yml")


@pytest.mark.parametrize("error_share", [0.05, 0.2, 1.0])
def test_in_promtool_an_alert_fires_when_the_closed_form_says(
    tmp_path: Path, error_share: float
) -> None:
    """Two hours without an error, then errors: a minute before the time it is silent, two minutes
    after it fires. (Samples come a minute apart.)"""
    alert = workbook_alerts()[0]
    (tmp_path / "rules.yml").write_text(rule_file(0.999, [alert]))
    detected = 120 + alert.detection_time(error_share, 0.999) / pd.Timedelta("1min")
    failed = 1_000 * error_share

    def expectation(minute: float, fires: bool) -> dict[str, object]:
        labels = {"severity": "page", "window": "1h"}
        return {
            "eval_time": f"{int(minute)}m",
            "alertname": "BudgetBurns",
            "exp_alerts": [{"exp_labels": labels}] if fires else [],
        }

    test = {
        "interval": "1m",
        "input_series": [
            {
                "series": 'http_requests_total{status="200"}',
                "values": f"0+1000x120 {120_000 + 1000 - failed}+{1000 - failed}x60",
            },
            {
                "series": 'http_requests_total{status="500"}',
                "values": f"0x120 {failed}+{failed}x60",
            },
        ],
        "alert_rule_test": [expectation(detected - 1, False), expectation(detected + 2, True)],
    }
    text = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yml").write_text(json.dumps(text))
    promtool(tmp_path, "test", "rules", "test.yml")


def test_a_real_prometheus_calls_when_a_real_server_fails() -> None:
    tool = next(tool for tool in machine.tools() if tool.name == "Prometheus")
    require(tool.is_here, tool.name, tool.install)
    rules = rule_file(0.99, [Alert(10, "5s", "2s")])
    with (
        Server(error_share=0.5) as server,
        Prometheus([server], interval_s=0.5, rules=rules) as real,
    ):

        def fires() -> bool:
            send_load(server.url, rate_per_s=50, duration_s=0.5)
            return (real.ask('ALERTS{alertname="BudgetBurns"}').value == 1).any()

        assert wait_until(fires, within_s=40)


@given(st.integers(1, 10**10))
def test_a_duration_says_the_same_in_promql(milliseconds: int) -> None:
    units = {"d": 86_400_000, "h": 3_600_000, "ms": 1, "m": 60_000, "s": 1_000}
    text, total = promql_duration(pd.Timedelta(milliseconds, "ms")), 0
    while text:
        digits = len(text) - len(text.lstrip("0123456789"))
        unit = next(unit for unit in units if text[digits:].startswith(unit))
        total += int(text[:digits]) * units[unit]
        text = text[digits + len(unit) :]
    assert total == milliseconds
