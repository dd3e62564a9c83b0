"""One place for the language of what a widget or a check says (notebook prose is separate).

Every text goes through `_` (or `ngettext` where a number decides the form): one sentence, one
string, named placeholders, no pieces glued together, so that a translator sees whole sentences.
A translation is a compiled catalogue at `devops_lab/locale/LANGUAGE/LC_MESSAGES/devops_lab.mo`,
chosen by `DEVOPS_LAB_LANGUAGE` or the usual variables (`LANGUAGE`, `LC_ALL`, `LANG`) when the
kernel starts. A text without a translation stays English.

>>> _("{count} of {total} done").format(count=1, total=3)
'1 of 3 done'
"""

import gettext
import os
from pathlib import Path

_chosen = os.environ.get("DEVOPS_LAB_LANGUAGE")
_catalogue = gettext.translation(
    "devops_lab",
    localedir=Path(__file__).parent / "locale",
    languages=[_chosen] if _chosen else None,
    fallback=True,
)
_ = _catalogue.gettext
ngettext = _catalogue.ngettext
