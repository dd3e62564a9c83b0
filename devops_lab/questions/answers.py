"""How the exercises read an answer: a letter, a number, a text, a decision with its defence."""

import math
import re
from collections.abc import Callable
from typing import Any

from devops_lab.questions import Mistake
from devops_lab.translation import _


def letter(answer: Any) -> str:
    """The letter of a choice, however it was typed; nothing for what is no text.

    >>> letter(" C"), letter(3)
    ('c', '')
    """
    return answer.strip().strip("()\"'").lower() if isinstance(answer, str) else ""


def is_near(value: Any, wanted: float, within: float = 0.01) -> bool:
    """Whether the value is a number that differs by at most this share: a rounding by hand."""
    return isinstance(value, (int, float)) and math.isclose(value, wanted, rel_tol=within)


def is_list_of(answer: Any, length: int) -> bool:
    """Whether the answer is a list, or a tuple, of this length."""
    return isinstance(answer, (list, tuple)) and len(answer) == length


def sentences(text: Any) -> list[str]:
    """The sentences of at least two words in a text; nothing for what is no text.

    A Korean sentence ends as an English one does, or with the ideographic full stop. A decimal
    point ends nothing.

    >>> sentences("It takes 2.5 s. 서버가 멈췄습니다.")
    ['It takes 2.5 s', '서버가 멈췄습니다']
    """
    if not isinstance(text, str):
        return []
    parts = re.split(r"[.!?。]+(?!\d)\s*|\n+", text)
    return [part for part in parts if len(part.split()) >= 2]


def is_decision(answer: Any) -> bool:
    """Whether the answer is a letter and a text that defends it, whatever they say."""
    return is_list_of(answer, 2) and all(isinstance(part, str) for part in answer)


def chose(wanted: str) -> Callable[[Any], bool]:
    """A test of decisions: whether the letter is this one, well defended or not."""
    return lambda answer: is_decision(answer) and letter(answer[0]) == wanted


def defends(wanted: str) -> Callable[[Any], bool]:
    """A test of decisions: whether the letter is this one, and two sentences at least defend it."""
    return lambda answer: chose(wanted)(answer) and len(sentences(answer[1])) >= 2


def explains(about: re.Pattern[str], *, without: re.Pattern[str]) -> Callable[[Any], bool]:
    """A test of explanations: whether two sentences at least speak about something, without the
    words that only engineers know."""
    return lambda text: (
        len(sentences(text)) >= 2 and bool(about.search(text)) and not without.search(text)
    )


def is_brief(text: Any) -> bool:
    """Whether the answer is a text of fewer than two sentences."""
    return isinstance(text, str) and len(sentences(text)) < 2


def a_letter_alone(example: str) -> Mistake:
    """The mistake of who gives a letter where it was to be defended in two sentences."""
    return Mistake(
        answer=example,
        when=lambda decision: isinstance(decision, str),
        then=_("Then the others would have to take your word for it."),
        ask=_("Can you give a letter and two sentences, each in quotation marks?"),
    )


def told_in_jargon(example: str, jargon: re.Pattern[str]) -> Mistake:
    """The mistake of who explains something to somebody who is no engineer in engineers' words."""
    return Mistake(
        answer=example,
        when=lambda text: isinstance(text, str) and bool(jargon.search(text)),
        then=_("Then they would nod politely, and ask somebody else what it means."),
        ask=_("Which of your words has somebody who bakes or sells bread never needed?"),
    )
