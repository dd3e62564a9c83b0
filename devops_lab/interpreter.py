"""How programs of ours are started: by this very Python, from this very copy of the package."""

import sys
from pathlib import Path

PACKAGE = Path(__file__).parent


def python_program(module: str, *arguments: str) -> list[str]:
    """The command that calls `main` of a module of this package.

    The folder that the package lies in comes first on the path while the package is found there,
    and last from then on, since it may hold a `json.py` too; the learner's folder is not on it.
    """
    steps = (
        "import sys",
        f"sys.path.insert(0, {str(PACKAGE.parent)!r})",
        f"import {PACKAGE.name}",
        "sys.path.append(sys.path.pop(0))",
        f"from {PACKAGE.name}.{module} import main",
        "main()",
    )
    return [sys.executable, "-P", "-u", "-c", "; ".join(steps), *arguments]
