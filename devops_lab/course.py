"""Where the course's files are, the learner's own copies of the lessons, and how a lesson greets.

The lessons in the course keep the outputs that the tests compare. A learner works on copies
without outputs, so that no prediction is spoiled, and a copy is never overwritten.
"""

import html
import itertools
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import devops_lab
from devops_lab import tracebacks
from devops_lab.translation import _, ngettext

PROGRESS_FILE = "progress.json"


@dataclass(frozen=True)
class Lesson:
    """One lesson: the first words of its file name, its title and its length in minutes."""

    number: str
    title: str
    minutes: int
    know_first: str


LESSONS = {
    lesson.number: lesson
    for lesson in (
        Lesson("00", _("Start here"), 25, _("A little Python: a variable, a function call.")),
        Lesson("01", _("The DevOps loop"), 40, _("Lesson 00: server, request, status.")),
        Lesson("02", _("Paths and resources"), 40, _("Lesson 00, and how to write a function.")),
        Lesson("03", _("One server"), 40, _("Lesson 00: server, status, latency.")),
        Lesson("04", _("Load and latency"), 40, _("Lesson 00: server, worker, latency.")),
        Lesson(
            "05", _("Scaling up and out"), 40, _("Lessons 00 and 03: server, balancer, worker.")
        ),
        Lesson(
            "06",
            _("Balancing and autoscaling"),
            40,
            _("Lesson 00: server, worker; lesson 04: utilisation, p95."),
        ),
        Lesson(
            "07",
            _("Messages and coordination"),
            40,
            _("Lesson 00: server, process, worker; how to write a function."),
        ),
        Lesson(
            "08",
            _("Overload and retries"),
            40,
            _("Lesson 03: a frozen server; lesson 04: load, capacity, queue."),
        ),
        Lesson("09", _("Availability"), 40, _("Lessons 00 and 03: server, request, balancer.")),
        Lesson("10", _("Provisioning"), 40, _("Lesson 00: server, worker, port.")),
        Lesson("11", _("Configuration"), 40, _("Lesson 00: server, port, status.")),
        Lesson(
            "12",
            _("Changes and deployments"),
            40,
            _("Lesson 00: server, request; lesson 06: balancer, readiness."),
        ),
        Lesson("13", _("Metrics"), 40, _("Lesson 00: server, status; lesson 04: percentile.")),
        Lesson("14", _("Logs"), 40, _("Lesson 00: server, request, status; lesson 13: counter.")),
        Lesson(
            "15",
            _("Objectives and alerts"),
            40,
            _("Lesson 00: server, error, request; lesson 13: metric."),
        ),
        Lesson(
            "16",
            _("Usage and experiments"),
            40,
            _("Lesson 00: server, request; lesson 14: a line of a log, SQL."),
        ),
    )
}


class CourseError(Exception):
    """Something a learner can put right; the message says what and how, in one line."""


def lessons_folder() -> Path:
    """The folder with the course's lessons, as they were published."""
    return _course_folder() / "notebooks"


def data_folder() -> Path:
    """The folder with the course's data sets and the files of the bakery's site."""
    return _course_folder() / "data"


def copies_folder() -> Path:
    """The learner's folder: `work/` in a checkout, else `devops-lab/` where they are now.

    Whoever has already gone into their folder stays there.
    """
    if not _packaged_folder().is_dir():
        return _course_folder() / "work"
    here = Path.cwd()
    return here if (here / PROGRESS_FILE).exists() else here / "devops-lab"


def lesson_file(number: str, folder: Path | None = None) -> Path:
    """The lesson with this number, such as "02", in the folder (the course's own by default).

    Raises `CourseError` when there is none; the message lists those that exist.
    """
    folder = folder or lessons_folder()
    present = {file.name[:2]: file for file in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    wanted = number.zfill(2)
    if wanted not in present:
        raise CourseError(
            _("There is no lesson {number} in {folder}; it has: {present}.").format(
                number=number, folder=folder, present=", ".join(present) or _("none")
            )
        )
    return present[wanted]


def make_copies(folder: Path, lessons: Path | None = None) -> list[Path]:
    """The learner's copies made just now; those that were there stay as they are.

    Raises `CourseError` when the folder cannot be written.
    """
    lessons = lessons or lessons_folder()
    wanted = [folder / lesson.name for lesson in sorted(lessons.glob("*.ipynb"))]
    missing = [copy for copy in wanted if not copy.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for copy in missing:
            _write_new(copy, _without_outputs(lessons / copy.name))
        if not (folder / PROGRESS_FILE).exists():
            _write_new(folder / PROGRESS_FILE, "{}\n")
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return missing


def reset_lesson(number: str, folder: Path, lessons: Path | None = None) -> tuple[Path, Path]:
    """The lesson afresh, and the file the learner's old copy was kept as.

    Raises `CourseError` when there is no such lesson or the folder cannot be written.
    """
    lesson = lesson_file(number, lessons)
    copy = folder / lesson.name
    kept = _dated_name(copy)
    try:
        if copy.exists():
            copy.rename(kept)
        make_copies(folder, lessons)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return copy, kept


@dataclass(frozen=True)
class Welcome:
    """What the first cell of a lesson shows, in a notebook and as plain text."""

    title: str
    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join((self.title, *self.lines))

    def _repr_html_(self) -> str:
        rows = "<br>".join(html.escape(line) for line in self.lines)
        return f"<p><strong>{html.escape(self.title)}</strong><br>{rows}</p>"


def welcome(number: str, *, version: str) -> Welcome:
    """The lesson's title, minutes and what to know first.

    `version` is the release of the course ("0.1") that the lesson was written for; a copy made
    from another release gets one more line, which says how to renew it. From here on, errors show
    the learner's lines and not the course's.

    >>> welcome("00", version="0.1")
    Lesson 00: Start here
    About 25 minutes.
    You need: A little Python: a variable, a function call.
    """
    tracebacks.shorten()
    lesson = LESSONS[number]
    lines = [
        ngettext("About {minutes} minute.", "About {minutes} minutes.", lesson.minutes).format(
            minutes=lesson.minutes
        ),
        _("You need: {know_first}").format(know_first=lesson.know_first),
    ]
    installed = ".".join(devops_lab.__version__.split(".")[:2])
    if version != installed:
        lines.append(
            _(
                "This copy is of release {written}, the installed course is {installed}. "
                "For a fresh copy (yours is kept): devops-lab reset {number}"
            ).format(written=version, installed=installed, number=number)
        )
    title = _("Lesson {number}: {title}").format(number=number, title=lesson.title)
    return Welcome(title, tuple(lines))


def _packaged_folder() -> Path:
    return Path(__file__).parent / "course_files"


def _course_folder() -> Path:
    """In a wheel the lessons and the data lie inside the package, in a checkout beside it."""
    packaged = _packaged_folder()
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def _without_outputs(lesson: Path) -> str:
    notebook: dict[str, Any] = json.loads(lesson.read_text(encoding="utf-8"))
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _write_new(file: Path, text: str) -> None:
    """The file is whole or not there, and never an existing one."""
    opened = file.open("x", encoding="utf-8", newline="\n")
    try:
        with opened:
            opened.write(text)
    except OSError:
        file.unlink()
        raise


def _dated_name(copy: Path) -> Path:
    day = f"{datetime.now():%Y-%m-%d}"
    names = (copy.with_name(f"{copy.stem}.{day}.{nth}{copy.suffix}") for nth in itertools.count(1))
    return next(name for name in names if not name.exists())


def _cannot_write(folder: Path, error: OSError) -> CourseError:
    return CourseError(
        _(
            "The folder {folder} cannot be written ({reason}). "
            "Make room there, or name another one: devops-lab --folder FOLDER"
        ).format(folder=folder, reason=error.strerror)
    )
