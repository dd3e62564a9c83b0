"""Starts programs for one kernel, and ends them all when the kernel is gone.

A child of the kernel that reads requests from its standard input. Only the kernel holds the other
end of that pipe, so end-of-file means that the kernel is gone, however it went, `kill -9`
included. As the reaper starts every program itself, none can exist that it does not know.

Every program has a folder below one private folder. The file `pid` in it says which process it
is, so that the next reaper can end what is left, should kernel and reaper ever die together.
"""

import json
import os
import secrets
import shutil
import signal
import socketserver
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import psutil

from devops_lab.families import Birth, end

# A Ctrl-C in the terminal, or an interrupted cell, is meant for the kernel's process group only.
DETACHED: dict[str, Any] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    if sys.platform == "win32"
    else {"start_new_session": True}
)


class Reaper:
    """The programs of one kernel, by the names of their folders."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix=f"devops-lab-{os.getpid()}-"))
        self.programs: dict[str, tuple[subprocess.Popen[bytes], Birth]] = {}

    def start(self, name: str) -> dict[str, Any]:
        folder = self.home / name
        order = json.loads((folder / "order.json").read_text())
        # It has the kernel's whole environment in it, secrets included.
        (folder / "order.json").unlink()
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                order["arguments"],
                cwd=order["cwd"],
                env=order["environment"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **DETACHED,
            )
        birth = process.pid, psutil.Process(process.pid).create_time()
        self.programs[name] = process, birth
        (folder / "pid").write_text(f"{birth[0]} {birth[1]}")
        return {"birth": birth}

    def stop(self, name: str) -> dict[str, Any]:
        process, birth = self.programs.pop(name, (None, None))
        if birth:
            end(birth)
        shutil.rmtree(self.home / name, ignore_errors=True)
        return {"exit_code": process and process.poll()}

    def serve(self) -> None:
        for line in sys.stdin:
            request, verb, name = line.split()
            try:
                answer = {"start": self.start, "stop": self.stop}[verb](name)
            except OSError as error:
                answer = {"error": str(error), "missing": isinstance(error, FileNotFoundError)}
            print(json.dumps({"request": int(request), **answer}), flush=True)

    def close(self) -> None:
        end(*(birth for _, birth in self.programs.values()))
        shutil.rmtree(self.home, ignore_errors=True)


def sweep(home: Path) -> None:
    """End the programs of a dead reaper by what is written in its folder, and remove that."""
    births = []
    for record in home.glob("*/pid"):
        try:
            pid, created = record.read_text().split()
            births.append((int(pid), float(created)))
        except (OSError, ValueError):
            pass
    end(*births)
    shutil.rmtree(home, ignore_errors=True)


def sweep_the_dead() -> None:
    """Sweep the folders of all reapers of this user that are gone without having tidied up."""
    for home in Path(tempfile.gettempdir()).glob("devops-lab-*-*"):
        try:
            status, pid = home.lstat(), int(home.name.split("-")[2])
            mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
            if mine and stat.S_ISDIR(status.st_mode) and not _is_reaper(pid, status):
                sweep(home)
        except (OSError, ValueError):
            pass


def _is_reaper(pid: int, home: os.stat_result) -> bool:
    # A process younger than the folder was only given the same number.
    try:
        return psutil.Process(pid).create_time() <= home.st_mtime + 1
    except psutil.NoSuchProcess:
        return False


class Lifeline(socketserver.ThreadingTCPServer):
    """Keeps a connection from each of our own servers; see `devops_lab.lifeline`."""

    daemon_threads = True

    class Holder(socketserver.StreamRequestHandler):
        timeout = 2.0

        def handle(self) -> None:
            if self.rfile.readline(100).strip() == self.server.token:
                self.connection.settimeout(None)
                self.rfile.read()

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Holder)
        self.token = secrets.token_hex(16).encode()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"{self.server_address[1]}:{self.token.decode()}"


def main() -> None:
    # The reaper lives as long as its standard input. A handler, because what is ignored here
    # would be ignored by every program it starts.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: None)
    try:
        sweep_the_dead()
        reaper = Reaper()
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    try:
        hello = {"home": str(reaper.home), "lifeline": Lifeline().address}
        print(json.dumps(hello), flush=True)
        reaper.serve()
    finally:
        reaper.close()
