"""Runs Ansible's modules for the hosts of a sandbox, each in a fork of this process.

A module is a small Python program that Ansible sends to a host. On a real one it begins with a new
Python, and compiles the part that all modules have in common each time. The hosts here are this
computer: that part is loaded once, and each module starts where it is loaded already.
"""

import hmac
import io
import json
import os
import socketserver
import sys
import tempfile
import traceback

from devops_lab.supervisor import TOKEN_VARIABLE


class ModuleRunner(socketserver.ForkingTCPServer):
    """Answers a token in a line and a program with [exit code, what it printed, its errors]."""

    # As many hosts as there are may ask at once.
    request_queue_size = 64

    class Asked(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            token, module = self.rfile.readline().strip(), self.rfile.read()
            if hmac.compare_digest(token, self.server.token):
                self.wfile.write(json.dumps(run(module)).encode())

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), self.Asked)
        self.token = token.encode()


def run(module: bytes) -> tuple[int, str, str]:
    """Run it in this process, which is a fork and ends afterwards."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        os.dup2(printed.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        sys.stdout, sys.stderr = _text(1), _text(2)
        exit_code = 0
        try:
            exec(compile(module, "module", "exec"), {"__name__": "__main__"})
        except SystemExit as end:
            exit_code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            exit_code = 1
        sys.stdout.flush()
        return exit_code, _read(printed), _read(errors)


def _text(number: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(os.fdopen(number, "wb", closefd=False), "utf-8", write_through=True)


def _read(file: io.BufferedRandom) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def main() -> None:
    """Run modules until the process is asked to end."""
    import ansible.module_utils.basic  # noqa: F401

    runner = ModuleRunner(os.environ.pop(TOKEN_VARIABLE))
    print(f"running modules at {runner.server_address[1]}", flush=True)
    runner.serve_forever()
