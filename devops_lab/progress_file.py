"""The file that keeps a learner's progress, next to their copies of the lessons.

Lessons opened anywhere else (in the course's own folder, in a test) keep it in memory. A change
is merged into the file under a lock, so that two open lessons lose nothing of each other's.
"""

import contextlib
import functools
import itertools
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from devops_lab import course
from devops_lab.translation import _

if sys.platform == "win32":
    import msvcrt

    def _take(lock: IO[str]) -> None:
        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(lock: IO[str]) -> None:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


_PATIENCE_S = 2.0


@dataclass(frozen=True)
class Record:
    """Exercises answered right, lessons whose stop was reached, predictions; and whatever else
    the file holds, which a later release may have written."""

    right: frozenset[str] = frozenset()
    stops: frozenset[str] = frozenset()
    predictions: dict[str, float] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    def merged_with(self, newer: "Record") -> "Record":
        """Both together; of two predictions the newer one counts."""
        return Record(
            self.right | newer.right,
            self.stops | newer.stops,
            self.predictions | newer.predictions,
            self.others | newer.others,
        )

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """The record that was written so; raises `ValueError` for a text that is none."""
        try:
            found = json.loads(text or "{}")
            right, stops = _names(found.pop("right", [])), _names(found.pop("stops", []))
            predictions = _numbers(found.pop("predictions", {}))
        except (AttributeError, OverflowError, RecursionError, TypeError) as error:
            raise ValueError("not a record of progress") from error
        return cls(right, stops, predictions, found)

    def to_json(self) -> str:
        """The record as the text of a file."""
        kept = {
            "right": sorted(self.right),
            "stops": sorted(self.stops),
            "predictions": dict(sorted(self.predictions.items())),
        }
        return json.dumps(self.others | kept, indent=1) + "\n"


def _names(found: list[str]) -> frozenset[str]:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError("not a list of names")
    return frozenset(found)


def _numbers(found: dict[str, float]) -> dict[str, float]:
    if not all(map(math.isfinite, found.values())):
        raise ValueError("not numbers")
    return {name: float(number) for name, number in found.items()}


class Progress:
    """The progress kept in a folder, or in memory where the folder has no progress file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / course.PROGRESS_FILE
        self.is_kept = self._file.exists()
        self._unwritten = Record()
        self._troubles: dict[str, bool] = {}

    def now(self) -> Record:
        """All that is known: what the file holds, other kernels' part too, and what it could not
        take."""
        unwritten = self._unwritten
        if not self.is_kept:
            return unwritten
        try:
            return self._read().merged_with(unwritten)
        except ValueError:
            self.add(Record())
        except OSError as error:
            self._cannot_keep(error)
        return unwritten

    def add(self, change: Record) -> None:
        """Keeps the change; where the file cannot be written, in memory until it can."""
        self._unwritten = self._unwritten.merged_with(change)
        if not self.is_kept:
            return
        try:
            with _locked(self._file.parent):
                _write(self._file, self._read_or_set_aside().merged_with(self._unwritten).to_json())
            self._unwritten = Record()
        except OSError as error:
            self._cannot_keep(error)

    @property
    def is_written(self) -> bool:
        """Whether the file has everything that was kept here."""
        return self.is_kept and self._unwritten == Record()

    def new_troubles(self) -> list[str]:
        """The sentences about trouble with the file that have not been said yet."""
        new = [sentence for sentence, said in self._troubles.items() if not said]
        self._troubles.update(dict.fromkeys(new, True))
        return new

    def _read(self) -> Record:
        try:
            return Record.from_json(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Record()

    def _read_or_set_aside(self) -> Record:
        try:
            return self._read()
        except ValueError:
            names = (self._file.with_name(f"progress-damaged-{n}.json") for n in itertools.count(1))
            aside = next(name for name in names if not name.exists())
            self._file.rename(aside)
        text = _("{file} was damaged and is now {aside}; your progress starts afresh.")
        self._trouble(text.format(file=self._file.name, aside=aside.name))
        return Record()

    def _cannot_keep(self, error: OSError) -> None:
        text = _(
            "Your progress cannot be kept in {folder} ({reason}); until that is put right it lasts "
            "as long as this kernel."
        )
        self._trouble(text.format(folder=self._file.parent, reason=error.strerror or error))

    def _trouble(self, sentence: str) -> None:
        self._troubles.setdefault(sentence, False)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises `OSError` when the folder cannot be written or another kernel does not let go."""
    end = time.monotonic() + _PATIENCE_S
    with (folder / ".progress.lock").open("w") as lock:
        while True:
            try:
                _take(lock)
                break
            except (BlockingIOError, PermissionError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            except OSError:
                # A file system without locks: that every change is merged must be enough.
                break
        yield


def _write(file: Path, text: str) -> None:
    """The file has the old text or the new one at every moment, also when the power goes."""
    number, name = tempfile.mkstemp(dir=file.parent, prefix=".progress-")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink()
        raise


@functools.cache
def _progress_in(folder: Path) -> Progress:
    return Progress(folder)


def progress() -> Progress:
    """The progress of the learner in whose folder the kernel runs."""
    return _progress_in(Path.cwd())
