"""A fleet for machines without Ansible: what the calls of lesson 11 gave on one that has it.

It says that it is recorded, and follows neither other calls nor edited plays.
`data/configuration/record.py` makes the record again.
"""

import json
from email.message import Message
from typing import TYPE_CHECKING, Any

from devops_lab.client import Answer
from devops_lab.configuration import Fleet, as_table
from devops_lab.course import data_folder
from devops_lab.plays import PlayError, ansible
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame


def open_fleet(hosts: int = 3) -> "Fleet | RecordedFleet":
    """A fleet that runs; where Ansible is missing, the recorded one, which says so in a line."""
    if ansible().is_here:
        return Fleet(hosts).start()
    recorded = RecordedFleet()
    print(recorded)
    return recorded


class RecordedFleet:
    """The calls of a `Fleet`, answered from the record, in its order."""

    def __init__(self) -> None:
        folder = data_folder() / "configuration"
        self.plays = folder / "plays"
        self._record = json.loads((folder / "recorded.json").read_text(encoding="utf-8"))
        self._place = 0

    def __repr__(self) -> str:
        return _(
            "Recorded on {day} with Ansible {version}, not run here; your edits change nothing. "
            "To run it yourself: {install}"
        ).format(
            day=self._record["recorded_on"],
            version=self._record["ansible"],
            install=ansible().install,
        )

    def run(self, *arguments: Any, **named: Any) -> "DataFrame":
        """What each task did on each host, as `Fleet.run`."""
        call = self._next("run", arguments, named)
        print(*call["told"], sep="\n")
        return as_table(call["answer"])

    def about(self) -> "DataFrame":
        """What each host's server went by, as `Fleet.about`."""
        import pandas as pd

        return pd.DataFrame(self._next("about", (), {})["answer"])

    def get(self, *arguments: Any, **named: Any) -> Answer:
        """The answer of a host's server, as `Fleet.get`."""
        status, body = self._next("get", arguments, named)["answer"]
        return Answer(status, "", Message(), body.encode())

    def files(self, host: str) -> list[str]:
        """The names of the host's files of settings, as `Fleet.files`."""
        return self._next("files", (host,), {})["answer"]

    def edit_by_hand(self, *arguments: Any, **named: Any) -> None:
        """Follow the record, as `Fleet.edit_by_hand`."""
        self._next("edit_by_hand", arguments, named)

    def rebuild(self, host: str) -> None:
        """Follow the record, as `Fleet.rebuild`."""
        self._next("rebuild", (host,), {})

    def _next(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        """The next record of this call, or else the first: a cell may be run again."""
        calls = self._record["calls"]
        wanted = {"name": name, "arguments": [*arguments], "named": named}
        places = [place for place, call in enumerate(calls) if wanted.items() <= call.items()]
        if not places:
            text = _("{name} was not recorded with these values: it needs Ansible. {install}")
            raise PlayError(text.format(name=name, install=ansible().install))
        found = next((place for place in places if place >= self._place), places[0])
        self._place = found + 1
        return calls[found]
