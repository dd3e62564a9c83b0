"""Commands: real programs that do one thing and end, such as git or pytest.

    run(["git", "status"], cwd=folder)

Like every program they are started by the reaper, so none outlives an interrupt or the kernel.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from devops_lab.families import wait_until
from devops_lab.processes import Program
from devops_lab.translation import _


class CommandError(RuntimeError):
    """A command that did not do its thing; the message has its own words."""


class _Command(Program):
    """A program whose start is over when it has ended."""

    words = ""
    exit_code: int | None = None

    def _wait_until_ready(self) -> None:
        wait_until(lambda: not self.is_running, within_s=self.ready_within_s)
        has_ended = not self.is_running
        self.words = self.log_path.read_text(encoding="utf-8", errors="replace").strip()
        exit_code = self._end()
        self.exit_code = exit_code if has_ended else None


def run(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str | None] | None = None,
    within_s: float = 60.0,
    name: str = "",
    remedy: str = "",
) -> str:
    """What the command printed, once it has ended well.

    `environment` is as for a `Program`. Raises `CommandError` with its words where it fails or does
    not end within `within_s` seconds, and `ProgramError`, with the remedy, where it is missing.
    """
    name = name or Path(arguments[0]).stem
    command = _Command(name, arguments, environment=environment, cwd=cwd, ready_within_s=within_s)
    if remedy:
        command.remedy = remedy
    command.start()
    if command.exit_code == 0:
        return command.words
    if command.exit_code is None:
        text = _("{name} has not come to an end within {seconds:g} s and was stopped.")
    else:
        text = _("{name} ended with exit code {exit_code}.")
    sentence = text.format(name=name, seconds=within_s, exit_code=command.exit_code)
    raise CommandError("\n".join(filter(None, (sentence, command.words))))
