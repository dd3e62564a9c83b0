"""At the end of a test run: the most memory that each lesson took, for the record."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each test that recorded its `peak_memory_mb`."""
    rows = [
        (report.nodeid.partition("::")[2], value)
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == "peak_memory_mb" and report.when == "call"
    ]
    if rows:
        terminalreporter.section("memory of a lesson with all its processes, at most")
    for test, value in sorted(rows):
        terminalreporter.write_line(f"{value:5} MB  {test}")
