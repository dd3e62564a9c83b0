"""Ansible calls this at each step of a play: it writes each as one line of JSON.

Loaded by Ansible itself, by the name of this file (`devops_lab.plays` sets the variables).
"""

import difflib
import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: json_lines
type: stdout
short_description: one line of JSON an event
description: Writes the beginning of each task, each result and the end to a file.
"""
EVENTS_VARIABLE = "DEVOPS_LAB_ANSIBLE_EVENTS"


class CallbackModule(CallbackBase):
    """The events `task`, `result` and `end`."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "json_lines"

    def __init__(self) -> None:
        super().__init__()
        self._events = open(os.environ[EVENTS_VARIABLE], "a", encoding="utf-8")  # noqa: SIM115, PTH123
        self._began_s: dict[tuple[str, str], float] = {}

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._write(event="task", task=task.get_name())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._write(event="task", task=task.get_name())

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._began_s[host.name, task._uuid] = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write(event="end")

    def _result(self, status: str, result: Any) -> None:
        told = result.result
        began_s = self._began_s.pop((result.host.name, result.task._uuid), time.monotonic())
        self._write(
            event="result",
            host=result.host.name,
            task=result.task.get_name(),
            status=status,
            changed=bool(told.get("changed")),
            seconds=round(time.monotonic() - began_s, 3),
            diff=_as_text(told.get("diff") or []),
            # What a program said is worth more than that it failed.
            message=str(told.get("stderr") or told.get("msg") or ""),
        )

    def _write(self, **event: Any) -> None:
        self._events.write(json.dumps(event) + "\n")
        self._events.flush()


def _as_text(diffs: dict[str, Any] | list[dict[str, Any]]) -> str:
    """The lines that go (-) and come (+); a module gives one difference or a list of them."""
    diffs = diffs if isinstance(diffs, list) else [diffs]
    lines = []
    for diff in diffs:
        before, after = (_lines(diff.get(side)) for side in ("before", "after"))
        # Its first two lines name files, which are the same on every host.
        lines += list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))


def _lines(content: Any) -> list[str]:
    # What a file is (its mode, whether it is there) comes as a dictionary, what it holds as text.
    if isinstance(content, dict):
        return [f"{name}: {value}" for name, value in sorted(content.items()) if name != "path"]
    return str(content or "").splitlines()
