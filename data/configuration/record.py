"""Record lesson 11 again, where Ansible is: `python data/configuration/record.py`.

Runs the cells of the lesson that ask the fleet something, and keeps what it answers.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
from pandas import DataFrame

from devops_lab.client import Answer
from devops_lab.configuration import Fleet
from devops_lab.course import lesson_file
from devops_lab.plays import ansible


class Recorder:
    """A fleet whose calls are kept."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet, self.plays, self.calls = fleet, fleet.plays, []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            told: list[str] = []
            own = {"tell": told.append} if name == "run" else {}
            answer = getattr(self._fleet, name)(*arguments, **named, **own)
            kept = {"name": name, "arguments": arguments, "named": named, "told": told}
            self.calls.append(kept | {"answer": _plain(answer)})
            return answer

        return call


def _plain(answer: Any) -> Any:
    if isinstance(answer, DataFrame):
        return answer.to_dict("records")
    return [answer.status, answer.text] if isinstance(answer, Answer) else answer


def main() -> None:
    lesson = nbformat.read(lesson_file("11"), as_version=4)
    asking = [
        cell.source
        for cell in lesson.cells
        if cell.cell_type == "code" and "fleet." in cell.source and "open_fleet" not in cell.source
    ]
    with Fleet(3) as fleet:
        recorder = Recorder(fleet)
        names: dict[str, Any] = {"fleet": recorder}
        for source in asking:
            exec(source, names)
    record = {
        "recorded_on": f"{date.today()}",
        "ansible": ansible().version,
        "calls": recorder.calls,
    }
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    Path(__file__).with_name("recorded.json").write_text(text, encoding="utf-8")
    print(f"{len(recorder.calls)} calls in recorded.json")


if __name__ == "__main__":
    main()
