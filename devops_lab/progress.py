"""A learner's progress: the stop at the half of a lesson, the table of all lessons, and one short
code that carries what is done to another machine."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator

from devops_lab import course, questions
from devops_lab.cards import Card, Table, show
from devops_lab.progress_file import Progress, Record, progress
from devops_lab.questions import Exercise
from devops_lab.translation import _, ngettext

_CODE_START = "DL1"
_CHECKSUM_BYTES = 3
_STOP = 0x80


class CodeError(ValueError):
    """A code that cannot be read; the message says why and what to do."""


def reached_stop(lesson: str) -> None:
    """Says that this is a good place to stop, and keeps that the learner came so far."""
    if lesson not in course.LESSONS:
        text = _("There is no lesson {name}; near it: {near}.")
        raise LookupError(text.format(name=lesson, near=questions.near(lesson, course.LESSONS)))
    mine = progress()
    mine.add(Record(stops=frozenset({lesson})))
    text = _("You have come through half of lesson {lesson}: a good place to stop or to stretch.")
    sentences = (text.format(lesson=lesson), _where(mine), *mine.new_troubles())
    show(Card("note", _("Half-way."), sentences))


def show_progress() -> None:
    """Shows one row a lesson: how many exercises are done, and whether its stop was reached."""
    mine = progress()
    record = mine.now()
    rows = tuple(_row(number, lesson.title, record) for number, lesson in course.LESSONS.items())
    text = _("Lesson {number}, {title}: {exercises}; half-way stop {stop}.")
    lines = (
        text.format(number=number, title=title, exercises=exercises, stop=stop)
        for number, title, exercises, stop in rows
    )
    headings = (_("Lesson"), _("Title"), _("Exercises"), _("Half-way stop"))
    show(Table(_where(mine), headings, rows, tuple(lines)))
    if troubles := mine.new_troubles():
        show(Card("not yet", _("Not kept."), tuple(troubles)))


def export_progress() -> str:
    """One short code of the exercises done and the stops reached, for `restore_progress`.

    Predictions are not in it: they stand in the learner's own copies.
    """
    return _code(progress().now(), questions.all_exercises())


def restore_progress(code: str) -> None:
    """Adds what the code holds to the progress here; nothing that is here gets lost."""
    try:
        restored, unknown = _record(code, questions.all_exercises())
    except CodeError as error:
        show(Card("not yet", _("Not yet."), (str(error),)))
        return
    mine = progress()
    mine.add(restored)
    sentences = [_exercises_in_words(len(restored.right)), *_stops_in_words(restored.stops)]
    if unknown:
        sentences.append(
            ngettext(
                "It holds {count} more, from another release of the course, unknown here.",
                "It holds {count} more, from another release of the course, unknown here.",
                unknown,
            ).format(count=unknown)
        )
    show(Card("right", _("Restored."), (*sentences, _where(mine), *mine.new_troubles())))


def _exercises_in_words(count: int) -> str:
    text = ngettext(
        "The code brings {count} exercise done.", "The code brings {count} exercises done.", count
    )
    return text.format(count=count)


def _stops_in_words(stops: frozenset[str]) -> list[str]:
    """A sentence on the stops that a code brings; none where it brings none."""
    if not stops:
        return []
    text = ngettext(
        "It brings the half-way stop of lesson {lessons}.",
        "It brings the half-way stops of lessons {lessons}.",
        len(stops),
    )
    return [text.format(lessons=", ".join(sorted(stops)))]


def _row(number: str, title: str, record: Record) -> tuple[str, str, str, str]:
    exercises = questions.exercises(number)
    done = sum(exercise.id in record.right for exercise in exercises)
    counted = _("{done} of {total} done").format(done=done, total=len(exercises))
    return number, title, counted, _("reached") if number in record.stops else _("not yet reached")


def _where(mine: Progress) -> str:
    if not mine.is_kept:
        return _("This is not your own copy of the lesson: progress lasts as long as this kernel.")
    if not mine.is_written:
        text = _("Your progress is not in {file} yet: it lasts as long as this kernel.")
        return text.format(file=course.PROGRESS_FILE)
    text = _("Your progress is kept in {file}, next to this lesson.")
    return text.format(file=course.PROGRESS_FILE)


def _code(record: Record, catalogue: Iterable[Exercise]) -> str:
    """For each lesson a byte (its number, and a bit for the stop) and the bits of the exercises
    done, by their numbers; a checksum; in letters and digits that survive being typed."""
    stops = {lesson for lesson in record.stops if re.fullmatch("[0-9][0-9]", lesson)}
    bits = {int(lesson): 0 for lesson in stops}
    for exercise in catalogue:
        if exercise.id in record.right:
            lesson = int(exercise.lesson)
            bits[lesson] = bits.get(lesson, 0) | 1 << (exercise.number - 1)
    payload = b"".join(
        bytes([lesson | _STOP * (f"{lesson:02}" in stops)]) + _in_sevens(done)
        for lesson, done in sorted(bits.items())
    )
    letters = base64.b32encode(payload + _checksum(payload)).decode().rstrip("=")
    groups = [letters[start : start + 4] for start in range(0, len(letters), 4)]
    return "-".join([_CODE_START, *groups])


def _record(code: str, catalogue: Iterable[Exercise]) -> tuple[Record, int]:
    """What the code holds, and how many of its exercises the catalogue does not know."""
    ids = {(int(exercise.lesson), exercise.number): exercise.id for exercise in catalogue}
    stops, done = set(), set()
    rest = iter(_payload(code))
    for first in rest:
        lesson = first & ~_STOP
        if first & _STOP:
            stops.add(f"{lesson:02}")
        bits = _from_sevens(rest)
        done |= {(lesson, place + 1) for place in range(bits.bit_length()) if bits >> place & 1}
    right = frozenset(ids[key] for key in done if key in ids)
    return Record(right=right, stops=frozenset(stops)), len(done - ids.keys())


def _payload(code: str) -> bytes:
    # With what is copied along: spaces, hyphens, the quotes that Python shows.
    typed = re.sub(r"[\s\-'\"`‘’“”]", "", str(code).upper())
    start, letters = typed[:3], typed[3:]
    if start != _CODE_START:
        text = _("A progress code begins with {start}-; copy the whole line that was printed.")
        raise CodeError(text.format(start=_CODE_START))
    try:
        raw = base64.b32decode(letters + "=" * (-len(letters) % 8), map01="I")
    except (binascii.Error, ValueError) as error:
        raise CodeError(_torn()) from error
    payload, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if checksum != _checksum(payload):
        raise CodeError(_torn())
    return payload


def _torn() -> str:
    return _(
        "A letter of this code is missing or mistyped. Compare it with the one that was printed, "
        "or copy and paste it."
    )


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()[:_CHECKSUM_BYTES]


def _in_sevens(bits: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    if bits < _STOP:
        return bytes([bits])
    return bytes([bits % _STOP | _STOP]) + _in_sevens(bits // _STOP)


def _from_sevens(rest: Iterator[int]) -> int:
    byte = next(rest, 0)
    return byte if byte < _STOP else byte % _STOP + _STOP * _from_sevens(rest)
