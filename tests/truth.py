"""The published numbers that the course is held to: `truth.json`, each with its source.

A test names its cases by the beginning of their ids, runs once for each, and compares with `==`:

    @truth("rfc3986-dots")
    def test_dot_segments_go_as_in_the_rfc(case):
        assert remove_dot_segments(case["inputs"]["path"]) == expected(case)["out"]

Each case is used by exactly one test, or left out with a reason; `test_truth.py` looks.
"""

import json
from pathlib import Path
from typing import Any

import pytest

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("truth.json").read_text(encoding="utf-8")
)

# Used by no test, and why.
LEFT_OUT = {
    "expo-help-escaping": "the texts that describe metrics are not read",
    "wrk2-p99-ratio": "a ratio of two published measurements, of which we compute neither",
    "slo-alerts-144": "a day divided by ten minutes, which no function of the course does",
    "slo-pyrra-28d-0": "another tool's choice of alerts; the course has the Workbook's",
    "dora-2024-shares": "the sizes of four groups of a survey; no function of the course has them",
    "corpus-directory_traversal": "counts the lines of a public list, which is not copied here",
}


def truth(*beginnings: str) -> pytest.MarkDecorator:
    """Run the test once for each case whose id begins so."""
    cases = [case for case in CASES if case["id"].startswith(beginnings)]
    return pytest.mark.parametrize("case", cases, ids=[case["id"] for case in cases])


def expected(case: dict[str, Any]) -> Any:
    """What to compare with: the published values within their tolerance, or the computed ones
    where the publication is known to be wrong."""
    values = case["computed"] if case.get("agrees") is False else case["expected"]
    tolerance = case["tolerance"]
    return values if isinstance(tolerance, str) else _about(values, tolerance)


def _about(value: Any, tolerance: dict[str, float]) -> Any:
    if isinstance(value, dict):
        return {name: _about(item, tolerance) for name, item in value.items()}
    if isinstance(value, list):
        return [_about(item, tolerance) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return pytest.approx(value, abs=tolerance.get("abs", 0), rel=tolerance.get("rel", 0))
