"""What a check, a hint or a table shows: HTML for the notebook, its twin in text for everything
else (a screen reader, a terminal, the tests).

Colours come from JupyterLab's theme, light or dark, and never carry the meaning alone: a sign and
a word do.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

# The word's sign, and the theme's colour with one for pages without a theme (GitHub, paper).
_LOOKS = {
    "right": ("✓", "var(--jp-success-color1, #2e7d32)"),
    "not yet": ("↻", "var(--jp-warn-color1, #b26a00)"),
    "open": ("…", "var(--jp-border-color0, #757575)"),
    "note": ("✎", "var(--jp-info-color1, #0277bd)"),
}
_LEFT = ' style="text-align:left"'


@dataclass(frozen=True)
class Card:
    """A word and a few sentences; `look` is one of right, not yet, open and note.

    >>> Card("not yet", "Not yet.", ("You gave 3.", "How many servers are left?"))
    Not yet. You gave 3.
    How many servers are left?
    """

    look: str
    word: str
    sentences: tuple[str, ...] = ()

    def __repr__(self) -> str:
        first, *others = self.sentences or ("",)
        return "\n".join((f"{self.word} {first}".rstrip(), *others))

    def _repr_html_(self) -> str:
        sign, colour = _LOOKS[self.look]
        first, *others = (html.escape(sentence) for sentence in self.sentences or ("",))
        rest = "".join(f'<p style="margin:0.3em 0 0">{sentence}</p>' for sentence in others)
        return (
            f'<div role="status" style="border-left:4px solid {colour};padding:0.2em 0.8em;'
            'margin:0.4em 0;overflow-wrap:anywhere">'
            f'<p style="margin:0"><strong><span aria-hidden="true">{sign} </span>'
            f"{html.escape(self.word)}</strong> {first}</p>{rest}</div>"
        )


@dataclass(frozen=True)
class Table:
    """A small table with a caption; `lines` say the same in text, one line a row."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join((self.caption, *self.lines))

    def _repr_html_(self) -> str:
        headings = "".join(
            f'<th scope="col"{_LEFT}>{html.escape(text)}</th>' for text in self.headings
        )
        return (
            f"<table><caption{_LEFT}>{html.escape(self.caption)}</caption>"
            f"<thead><tr>{headings}</tr></thead>"
            f"<tbody>{''.join(_row(cells) for cells in self.rows)}</tbody></table>"
        )


def show(shown: Card | Table) -> None:
    """Shows it below the cell, wherever in the cell it is called."""
    from IPython.display import display

    display(shown)


def _row(cells: Sequence[str]) -> str:
    first, *others = (html.escape(cell) for cell in cells)
    tail = "".join(f"<td{_LEFT}>{cell}</td>" for cell in others)
    return f'<tr><th scope="row"{_LEFT}>{first}</th>{tail}</tr>'
