"""The course as a learner opens it, in its own process, and questions to its JupyterLab."""

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class OpenedCourse:
    """The address that was printed, token included, and the process behind it."""

    address: str
    process: psutil.Process

    def processes(self) -> list[psutil.Process]:
        """JupyterLab and all that it has started so far."""
        return [self.process, *self.process.children(recursive=True)]

    def ask(self, path: str, data: object = None, *, token: str | None = None) -> Any:
        """JupyterLab's JSON answer to a GET, or to a POST where there are data."""
        base, own_token = re.match(r"(http://[^/]+)/.*token=(\w+)", self.address).groups()
        request = urllib.request.Request(
            f"{base}{path}",
            data=json.dumps(data).encode() if data is not None else None,
            headers={"Authorization": f"token {own_token if token is None else token}"},
        )
        with _direct.open(request, timeout=60) as answer:
            return json.loads(answer.read())


@contextmanager
def opened_course(
    command: Sequence[object], *, folder: Path | None = None, **environment: str
) -> Iterator[OpenedCourse]:
    """The course that the command opens; ended as Ctrl-C ends it."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=os.environ | environment,
    )
    try:
        yield OpenedCourse(_printed_address(process), psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        finally:
            process.kill()


def run_first_cell(opened: OpenedCourse, lesson: str, runtime: Path) -> str:
    """What the lesson's first code cell shows as text, run in a kernel that JupyterLab started.

    `runtime` is the folder that was given to this JupyterLab as JUPYTER_RUNTIME_DIR.
    """
    from jupyter_client.blocking import BlockingKernelClient

    cells = opened.ask(f"/api/contents/{lesson}")["content"]["cells"]
    source = next(cell["source"] for cell in cells if cell["cell_type"] == "code")
    wanted = {"path": lesson, "name": lesson, "type": "notebook", "kernel": {"name": "python3"}}
    kernel = opened.ask("/api/sessions", wanted)["kernel"]["id"]

    client = BlockingKernelClient(connection_file=str(runtime / f"kernel-{kernel}.json"))
    client.load_connection_file()
    client.start_channels()
    shown: list[str] = []
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive(
            source, timeout=60, output_hook=lambda message: shown.append(_text(message))
        )
    finally:
        client.stop_channels()
    return "".join(shown)


def _printed_address(process: subprocess.Popen[str]) -> str:
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if address := re.search(r"http://\S+", line):
            return address[0]
    pytest.fail("The course did not open:\n" + "".join(lines))


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    if message["msg_type"] == "error":
        return "\n".join(content["traceback"])
    return content.get("text", "") or content.get("data", {}).get("text/plain", "")
