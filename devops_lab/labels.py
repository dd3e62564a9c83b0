"""The labels of a metric's series, as the one text that a table holds, and back.

>>> as_text({"status": "200", "server": "server-1"})
'server="server-1",status="200"'
>>> as_labels('le="0.1",server="server-1"')
{'le': '0.1', 'server': 'server-1'}
"""

import re
from collections.abc import Mapping

LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPES = {"\\": r"\\", "\n": r"\n", '"': r"\""}


def as_text(labels: Mapping[str, str]) -> str:
    """Labels as Prometheus writes them, in the order of their names."""
    return ",".join(f'{name}="{_escaped(labels[name])}"' for name in sorted(labels))


def as_labels(text: str) -> dict[str, str]:
    """The labels that a text of `as_text` names."""
    unescaped = {escape: sign for sign, escape in ESCAPES.items()}
    return {
        name: re.sub(r"\\.", lambda found: unescaped.get(found[0], found[0]), value)
        for name, value in LABEL.findall(text)
    }


def _escaped(value: str) -> str:
    return "".join(ESCAPES.get(sign, sign) for sign in value)
