"""What Prometheus' own tool says of a file of rules, where it is installed."""

import subprocess
import tempfile
from pathlib import Path

from devops_lab import machine
from devops_lab.translation import _

TIMEOUT_S = 30


def checked_by_promtool(rules: str) -> str:
    """The words of `promtool check rules` on this text of a rule file; without promtool, the way
    to get it.

    Raises ValueError with promtool's words where it does not accept the rules.
    """
    promtool = machine.find_program("promtool")
    if promtool is None:
        tool = next(tool for tool in machine.tools() if tool.name == "promtool")
        return _("promtool is not here. To install it: {line}").format(line=tool.install)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rules.yml").write_text(rules, encoding="utf-8")
        command = [promtool, "check", "rules", "rules.yml"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    if done.returncode:
        raise ValueError(_("promtool refuses the rules: {words}").format(words=done.stderr.strip()))
    return done.stdout.strip()
