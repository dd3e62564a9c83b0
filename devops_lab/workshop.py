"""The folder in which the shop is made and delivered, and the tools that work in it.

Nothing of the learner's own settings gets in (a git name, a pip mirror, a variable of pytest), and
nothing gets out: each tool finds its home in the folder.
"""

import atexit
import itertools
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devops_lab import commands, machine
from devops_lab.course import PROGRESS_FILE, data_folder
from devops_lab.leftovers import new_home
from devops_lab.translation import _

FOLDER = "delivery"
# Variables that would change what the tools do, wherever a learner (or Jupyter) has set them.
_STRANGE = (
    *("CLICOLOR", "FORCE_COLOR", "GIT_", "HATCH_", "PIP_", "PY_COLORS", "PYTEST_", "PYTHON"),
    *("UV_", "VIRTUAL_ENV"),
)


@dataclass(frozen=True)
class Workshop:
    """A folder with the shop's `source`, the package `index`, the `releases` and the `logs`."""

    folder: Path

    @property
    def source(self) -> Path:
        """The git repository: what the learner edits."""
        return self.folder / "source"

    @property
    def index(self) -> Path:
        """The package index: every version that was released."""
        return self.folder / "index"

    @property
    def releases(self) -> Path:
        """One folder a version that was deployed: what the servers run."""
        return self.folder / "releases"

    @property
    def logs(self) -> Path:
        """One file a stage that was run."""
        return self.folder / "logs"

    def run(self, arguments: Sequence[str], *, cwd: Path | None = None, **environment: str) -> str:
        """What a tool prints, run in the source unless `cwd` is another folder; `python` is the
        Python of this kernel.

        Raises as `commands.run` does.
        """
        program, *rest = arguments
        is_module = program == "python" and rest[:1] == ["-m"]
        return commands.run(
            [sys.executable if program == "python" else program, *rest],
            cwd=cwd or self.source,
            environment=self.environment() | environment,
            name=rest[1] if is_module and rest[1:] else program,
            remedy=_remedy(program),
        )

    def environment(self) -> Mapping[str, str | None]:
        """What the tools are told, beside the kernel's own environment."""
        home = str(self.folder / "home")
        return {
            **{name: None for name in os.environ if name.startswith(_STRANGE)},
            **dict.fromkeys(("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), home),
            **dict.fromkeys(("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"), os.devnull),
            **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "On duty"),
            **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "duty@moonlight.example"),
            # Never a repository that the whole folder may lie in.
            "GIT_CEILING_DIRECTORIES": str(self.folder),
            "GIT_TERMINAL_PROMPT": "0",
            "NO_COLOR": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            # An edit within a second, of the same length, would go unnoticed by a compiled file.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
        }


def open_workshop(folder: Path | None = None) -> Workshop:
    """A workshop with a fresh copy of the shop's source in it; one that was there is kept beside.

    The folder is `delivery` beside the learner's copies of the lessons, and elsewhere (in a test,
    or for a lesson that is opened in the course's own folder) a private one that goes with the
    kernel.
    """
    folder = folder or _own_folder()
    if folder.exists():
        names = (folder.with_name(f"{folder.name}-before-{nth}") for nth in itertools.count(1))
        folder.rename(next(name for name in names if not name.exists()))
    workshop = Workshop(folder)
    shutil.copytree(data_folder() / "shop_source", workshop.source)
    for part in (workshop.index, workshop.releases, workshop.logs, folder / "home"):
        part.mkdir()
    return workshop


def _own_folder() -> Path:
    if (Path.cwd() / PROGRESS_FILE).exists():
        return Path.cwd() / FOLDER
    home = new_home()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home / FOLDER


def _remedy(program: str) -> str:
    """How to get a tool that the course knows."""
    lines = {tool.name: tool.install for tool in machine.tools()}
    return _("To install it: {line}").format(line=lines[program]) if program in lines else ""
