"""The bakery's book: what is written here has happened, and cannot be taken back.

Workers in several processes write into it, so it is a small database (SQLite): two who write at
the same moment write one after the other. The book can refuse an entry, if it is asked to look.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

PATIENCE_S = 10.0
COLUMNS = ("time_s", "job", "worker", "what", "delivery", "detail")


class Book:
    """A book in a file, for any number of processes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     book = Book(Path(folder, "book"))
    ...     entry = {"job": "order 17", "worker": "a", "what": "paid", "delivery": 1, "detail": ""}
    ...     book.enter(entry, once=True), book.enter(entry, once=True)
    (True, False)
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def enter(self, entry: dict[str, Any], *, once: bool = False, token: int | None = None) -> bool:
        """Whether the book took the entry; one that is refused is noted as such.

        `once` refuses a second entry for the same job; a `token` is refused when one with a higher
        token was there before it, for the same job.
        """
        with self._open() as book:
            # From here to the end of the block nobody else can write.
            book.execute("BEGIN IMMEDIATE")
            job = entry["job"]
            [(entries, highest)] = book.execute(
                "SELECT count(*), max(token) FROM entries WHERE job = ? AND what != 'refused'",
                (job,),
            )
            is_old = token is not None and highest is not None and token < highest
            is_taken = not (once and entries) and not is_old
            what = entry["what"] if is_taken else "refused"
            row = {**entry, "time_s": time.time(), "what": what}
            values = [row[name] for name in COLUMNS]
            book.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", [*values, token])
            book.execute("COMMIT")
        return is_taken

    def entries(self) -> list[dict[str, Any]]:
        """All entries, in their order; `time_s` is the clock's."""
        if not self._path.exists():
            return []
        with self._open() as book:
            rows = book.execute(f"SELECT {', '.join(COLUMNS)} FROM entries ORDER BY rowid")
            return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, PATIENCE_S, isolation_level=None)) as book:
            # It shall outlast a crash of a worker, not one of the machine.
            book.execute("PRAGMA synchronous = OFF")
            book.execute(f"CREATE TABLE IF NOT EXISTS entries ({', '.join(COLUMNS)}, token)")
            yield book
