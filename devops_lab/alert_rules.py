"""Alerts as a file of rules for Prometheus, which `promtool check rules` accepts.

    Prometheus([server], rules=rule_file(objective=0.99))

For each window there is one recorded series, the share of errors over it; an alert compares it with
its burn rate times the error budget.
"""

from collections.abc import Iterable

import pandas as pd

from devops_lab.objectives import Alert, error_budget, workbook_alerts

FAILED = 'http_requests_total{status=~"5.."}'
REQUESTS = "http_requests_total"


def rule_file(objective: float, alerts: Iterable[Alert] | None = None) -> str:
    """The text of a rule file, in YAML, for the requests that our servers count.

    Without `alerts`, it has those of the SRE Workbook for a month.

    >>> print(rule_file(0.99, [Alert(2, "1min")]))
    groups:
      - name: objective
        rules:
          - record: job:error_share:1m
            expr: >-
              sum(rate(http_requests_total{status=~"5.."}[1m]))
              / sum(rate(http_requests_total[1m]))
          - alert: BudgetBurns
            expr: job:error_share:1m > 2 * 0.01
            labels:
              severity: page
              window: 1m
    <BLANKLINE>
    """
    chosen = tuple(workbook_alerts() if alerts is None else alerts)
    windows = dict.fromkeys(window for alert in chosen for window in alert.windows)
    lines = ["groups:", "  - name: objective", "    rules:"]
    for window in windows:
        lines += _recorded(window)
    for alert in chosen:
        lines += _alert(alert, objective)
    return "\n".join([*lines, ""])


def promql_duration(window: pd.Timedelta) -> str:
    """A duration as PromQL writes it.

    >>> promql_duration(pd.Timedelta("1h30min"))
    '1h30m'
    """
    rest_ms = round(window / pd.Timedelta("1ms"))
    text = ""
    for unit, unit_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        count, rest_ms = divmod(rest_ms, unit_ms)
        text += f"{count}{unit}" if count else ""
    return text + (f"{rest_ms}ms" if rest_ms or not text else "")


def _recorded(window: pd.Timedelta) -> list[str]:
    length = promql_duration(window)
    return [
        f"      - record: {_name(window)}",
        "        expr: >-",
        f"          sum(rate({FAILED}[{length}]))",
        f"          / sum(rate({REQUESTS}[{length}]))",
    ]


def _alert(alert: Alert, objective: float) -> list[str]:
    most = f"{alert.burn_rate:.6g} * {error_budget(objective):.6g}"
    return [
        "      - alert: BudgetBurns",
        f"        expr: {' and '.join(f'{_name(window)} > {most}' for window in alert.windows)}",
        "        labels:",
        f"          severity: {alert.severity}",
        f"          window: {promql_duration(alert.window)}",
    ]


def _name(window: pd.Timedelta) -> str:
    return f"job:error_share:{promql_duration(window)}"
