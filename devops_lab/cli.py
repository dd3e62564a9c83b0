"""The console command `devops-lab`: opens the course, checks the machine, renews a lesson."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from devops_lab import __version__, launcher, machine
from devops_lab.course import (
    LESSONS,
    CourseError,
    copies_folder,
    lesson_file,
    make_copies,
    reset_lesson,
)
from devops_lab.translation import _


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0; 1 with one line on stderr that says what to put right; 130 after Ctrl-C."""
    chosen = _parser().parse_args(arguments)
    folder = vars(chosen).get("folder", copies_folder()).expanduser().resolve()
    try:
        if chosen.verb == "check":
            print(machine.check())
        elif chosen.verb == "copies":
            _make_copies(folder)
        elif chosen.verb == "warm":
            _warm()
        elif chosen.verb == "reset":
            _reset(chosen.lesson, folder)
        else:
            _open(folder, chosen.lesson, chosen.port, chosen.browser)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--folder",
        type=Path,
        default=argparse.SUPPRESS,
        help="the folder of your copies of the lessons",
    )
    parser = argparse.ArgumentParser(
        prog="devops-lab", description="Opens the course in JupyterLab.", parents=[where]
    )
    parser.set_defaults(verb="open")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--lesson", default="00", metavar="NN", help="the lesson to open")
    parser.add_argument(
        "--port", type=_port, default=8888, help="8888 by default; when taken, the next free one"
    )
    parser.add_argument(
        "--no-browser", dest="browser", action="store_false", help="only print the address"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="{check,copies,warm,reset}")
    verbs.add_parser("check", help="which of the course's tools this machine has")
    verbs.add_parser("copies", parents=[where], help="make the copies, open nothing")
    verbs.add_parser("warm", help="compile what the lessons compute with, once after installing")
    reset = verbs.add_parser("reset", parents=[where], help="a lesson afresh; your copy is kept")
    reset.add_argument("lesson", metavar="NN", help="the number of the lesson, such as 02")
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and 1024 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(
        _("must be a number from 1024 to 65535, got {text}").format(text=text)
    )


def _make_copies(folder: Path) -> None:
    for copy in make_copies(folder):
        print(_("Your copy: {file}").format(file=copy))


def _warm() -> None:
    """Both simulators run once, which compiles them: no slider has to wait for that."""
    from devops_lab.scenario import Client, Scenario
    from devops_lab.simulate import simulate

    simple = Scenario(arrival_rate_per_s=8, service_time_s=0.1)
    impatient = replace(simple, client=Client(timeout_s=1.0, attempts=2))
    for scenario in (simple, impatient):
        simulate(scenario, requests=10)


def _reset(number: str, folder: Path) -> None:
    fresh, kept = reset_lesson(number, folder)
    if kept.exists():
        print(_("Your old copy is kept: {file}").format(file=kept))
    print(_("Afresh: {file}").format(file=fresh))


def _open(folder: Path, number: str, port: int, browser: bool) -> None:
    _make_copies(folder)
    lesson = lesson_file(number, folder)
    print(machine.summary(LESSONS))
    if "JUPYTERHUB_SERVICE_PREFIX" in os.environ:
        print(_("JupyterLab is open here already; open in it: {file}").format(file=lesson))
        return
    launcher.open_lesson(lesson, port, window=browser and launcher.has_window_browser())
