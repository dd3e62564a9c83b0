"""The course's words, in English and Korean, each with one meaning: `data/glossary.csv`."""

import csv
import functools
from dataclasses import dataclass

from devops_lab import course, questions
from devops_lab.cards import Table, show
from devops_lab.translation import _


@dataclass(frozen=True)
class Term:
    """A word of the field; `spellings` are the other ones it is met under, in either language,
    and `lesson` is where it is introduced."""

    id: str
    english: str
    korean: str
    spellings: tuple[str, ...]
    meaning: str
    lesson: str


def term(term_id: str) -> Term:
    """One term; raises `LookupError` that names the near ones.

    >>> term("latency").korean
    '지연 시간'
    """
    known = glossary()
    if term_id not in known:
        text = _("The glossary has no term {name}; near it: {near}.")
        raise LookupError(text.format(name=term_id, near=questions.near(term_id, known)))
    return known[term_id]


def terms(*term_ids: str) -> None:
    """Shows a table of these terms; raises `LookupError` like `term`.

    >>> terms("uptime", "downtime")
    Terms
    uptime (업타임): The time in which a system does its job.
    downtime (다운타임): The time in which it does not.
    """
    chosen = [term(term_id) for term_id in term_ids]
    headings = (_("Term"), _("Korean"), _("Meaning"))
    rows = tuple((shown.english, shown.korean, shown.meaning) for shown in chosen)
    lines = tuple(f"{english} ({korean}): {meaning}" for english, korean, meaning in rows)
    show(Table(_("Terms"), headings, rows, lines))


@functools.cache
def glossary() -> dict[str, Term]:
    """Every term, by its id, in the order of the ids."""
    file = course.data_folder() / "glossary.csv"
    with file.open(encoding="utf-8", newline="") as opened:
        return {row["id"]: _term(row) for row in csv.DictReader(opened)}


def _term(row: dict[str, str]) -> Term:
    spellings = tuple(row["spellings"].split(";")) if row["spellings"] else ()
    return Term(**(row | {"spellings": spellings}))
