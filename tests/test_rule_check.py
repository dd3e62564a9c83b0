"""promtool's word on a rule file, or how to get promtool."""

import pytest
from required import require

from devops_lab import machine
from devops_lab.alert_rules import rule_file
from devops_lab.rule_check import checked_by_promtool


def test_promtool_accepts_good_rules_and_refuses_bad_ones() -> None:
    tool = next(tool for tool in machine.tools() if tool.name == "promtool")
    require(tool.is_here, tool.name, tool.install)
    rules = rule_file(0.999)
    assert "SUCCESS: 8 rules found" in checked_by_promtool(rules)
    with pytest.raises(ValueError, match="promtool refuses the rules"):
        checked_by_promtool(rules.replace("sum(", "sum(("))


def test_without_promtool_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert checked_by_promtool(rule_file(0.999)).startswith("promtool is not here.")
