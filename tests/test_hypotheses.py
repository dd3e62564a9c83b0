"""A hypothesis is kept beside the learner's copies, where another lesson's kernel finds it."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from devops_lab import hypotheses
from devops_lab.course import PROGRESS_FILE
from devops_lab.hypotheses import Hypothesis, write, written

PRICES = Hypothesis("prices stand on the first page", 0.10, "order", date(2030, 4, 1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's folder, in which the test runs."""
    (tmp_path / PROGRESS_FILE).write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_it(**changed: object) -> Hypothesis | None:
    fields = {
        "change": PRICES.change,
        "relative_change": PRICES.relative_change,
        "event": PRICES.event,
        "decided_on": "2030-04-01",
    }
    return write(**fields | changed)


def test_another_kernel_reads_what_was_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert written() is None
    assert write_it() == PRICES
    assert "Written down. Change: prices stand on the first page." in capsys.readouterr().out
    told = "from devops_lab.hypotheses import written; print(written())"
    assert subprocess.check_output([sys.executable, "-c", told], text=True).strip() == str(PRICES)


def test_the_newer_one_counts_and_the_older_one_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_it()
    write_it(relative_change=-0.05)
    assert written().relative_change == -0.05
    assert f"Before, you had written: {PRICES}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"event": ...}, "No hypothesis yet."),
        ({"change": "  "}, "change must be a few words"),
        ({"event": 3}, "event must be a few words"),
        ({"relative_change": 5}, "For 5 % more write 0.05"),
        ({"relative_change": 0}, "must not be 0"),
        ({"relative_change": "5 %"}, "relative_change must be a number"),
        ({"decided_on": "next week"}, 'a day such as "2030-04-01"'),
    ],
)
def test_what_says_nothing_is_not_kept(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, object],
    said: str,
) -> None:
    assert write_it(**changed) is None
    assert said in capsys.readouterr().out
    assert written() is None


def test_what_a_hand_has_damaged_counts_as_not_written(folder: Path) -> None:
    (folder / PROGRESS_FILE).write_text('{"hypothesis": {"change": 7}}')
    assert hypotheses.written() is None
