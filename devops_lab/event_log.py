"""What senders and workers note meanwhile: one line of JSON an event, a file for each of them."""

import json
from pathlib import Path
from typing import Any

from devops_lab.whole_writes import write_whole

Row = dict[str, Any]


def append(file: Path, row: Row) -> None:
    """Add the row, whole or not at all; raises `OSError` where there is no room for it."""
    with file.open("ab", buffering=0) as log:
        write_whole(log, f"{json.dumps(row, ensure_ascii=False)}\n".encode())


def rows(folder: Path) -> list[Row]:
    """The rows of all files in the folder."""
    return [row for file in folder.iterdir() for row in rows_of(file)]


def rows_of(file: Path) -> list[Row]:
    """The rows of one file, none where it is not there; one being written is left out."""
    if not file.exists():
        return []
    lines = file.read_bytes().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith(b"\n")]
