"""The shop's server: `python -m moonlight 8000`."""

import sys
import traceback
from http.server import BaseHTTPRequestHandler
from importlib.metadata import version
from socketserver import ThreadingTCPServer

from moonlight.page import TEXT, answer


# The server of http.server would first look up this machine's name, which can take seconds.
class Shop(ThreadingTCPServer):
    """The server: a thread for each visit."""

    allow_reuse_address = True
    daemon_threads = True


class Visit(BaseHTTPRequestHandler):
    """One request and its answer."""

    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
        try:
            status, label, text = answer(self.path)
        except Exception:
            traceback.print_exc()
            status, label, text = 500, TEXT, "Something is broken here."
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", label)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", version("moonlight"))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        """Keep the log for what goes wrong."""


Shop(("127.0.0.1", int(sys.argv[1])), Visit).serve_forever()
