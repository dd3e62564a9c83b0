"""JupyterLab for one lesson: quiet, on this machine only, and ended with all it started."""

import os
import secrets
import signal
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from devops_lab.course import CourseError
from devops_lab.translation import _

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

QUIET_JUPYTER = Path(__file__).parent / "quiet_jupyter"
TEXT_BROWSERS = ("www-browser", "links", "elinks", "lynx", "w3m")


def open_lesson(lesson: Path, port: int, *, window: bool) -> None:
    """Serves the lesson's folder until Ctrl-C, on the port or the next free one, and prints the
    lesson's address; with `window`, opens it in the browser.

    Raises `CourseError` when JupyterLab cannot keep its own files.
    """
    token = secrets.token_hex(24)
    server = _jupyterlab(_options(lesson, port, token, window))
    address = f"{server.connection_url}{_page(lesson)}?token={token}"
    # The server listens only once its loop runs; the address is printed when it answers.
    server.io_loop.add_callback(_print_address, address)
    signal.signal(signal.SIGINT, lambda *_interrupt: _end(server))
    server.start()


def has_window_browser() -> bool:
    """Whether a browser with a window would open; one that fills this terminal does not count."""
    try:
        return getattr(webbrowser.get(), "name", "") not in TEXT_BROWSERS
    except webbrowser.Error:
        return False


def _jupyterlab(options: list[str]) -> "ServerApp":
    # Quiet settings come by this path for this one server; the learner's other work keeps its own.
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
        filter(None, [str(QUIET_JUPYTER), os.environ.get("JUPYTER_CONFIG_PATH")])
    )
    from jupyterlab.labapp import LabApp

    try:
        return LabApp.initialize_server(argv=options)
    except OSError as error:
        raise CourseError(
            _(
                "JupyterLab cannot keep its own files in your home folder ({reason}). "
                "Name a folder that can be written in the variable JUPYTER_RUNTIME_DIR."
            ).format(reason=error.strerror)
        ) from error


def _options(lesson: Path, port: int, token: str, window: bool) -> list[str]:
    settings = {
        "ServerApp.root_dir": lesson.parent,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.open_browser": window,
        "LabApp.default_url": f"/{_page(lesson)}",
        # Others share the machine: a token always, whatever the learner's own settings say. These
        # options never reach a command line, where others could read it.
        "IdentityProvider.token": token,
        # In a container the learner is often root.
        "ServerApp.allow_root": True,
        "Application.log_level": "ERROR",
    }
    return [f"--{name}={value}" for name, value in settings.items()]


def _print_address(address: str) -> None:
    print(_("The course is at {address}").format(address=address))
    print(_("Leave this window open; Ctrl-C ends the course and all its servers."), flush=True)


def _end(server: "ServerApp") -> None:
    """Ends the kernels too, and at once: Jupyter would ask whether that is meant, or not do it."""
    print(_("Ending the course and all its servers."), flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    server.stop(from_signal=True)


def _page(lesson: Path) -> str:
    """A workspace of its own, so that the tabs of other work neither show here nor change."""
    return f"lab/workspaces/devops-lab/tree/{lesson.name}"
