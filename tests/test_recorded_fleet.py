"""The lesson where Ansible cannot run: from the record, which says that it is one."""

import nbformat
import pytest

from devops_lab import recorded_fleet
from devops_lab.course import lesson_file
from devops_lab.plays import PlayError
from devops_lab.recorded_fleet import RecordedFleet, open_fleet


def lessons_cells() -> list[str]:
    """The cells of lesson 11 that ask the fleet something."""
    cells = nbformat.read(lesson_file("11"), as_version=4).cells
    return [
        cell.source
        for cell in cells
        if cell.cell_type == "code" and "fleet." in cell.source and "open_fleet" not in cell.source
    ]


def test_every_cell_of_the_lesson_holds_for_the_record_too() -> None:
    names: dict[str, object] = {"fleet": RecordedFleet()}
    for source in lessons_cells():
        exec(source, names)
    # A cell that is run again has the same answer.
    exec(next(source for source in lessons_cells() if "rolling.yml" in source), names)


def test_without_ansible_the_record_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Missing:
        is_here, install = False, "pip install ansible-core"

    monkeypatch.setattr(recorded_fleet, "ansible", Missing)
    fleet = open_fleet()
    told = capsys.readouterr().out
    assert told.startswith("Recorded on 20")
    assert "not run here" in told
    assert "pip install ansible-core" in told
    assert (fleet.plays / "site.yml").is_file()
    with pytest.raises(PlayError, match="run was not recorded with these values: it needs Ansible"):
        fleet.run("site.yml", workers=8)
