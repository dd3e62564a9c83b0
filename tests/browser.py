"""A notebook in real JupyterLab, in a real Chromium: fixtures `jupyterlab` and `notebook_page`."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, sync_playwright
from required import require

ROOT = Path(__file__).parent.parent
STARTS_WITHIN_S = 60
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
CHROMIUM_OPTIONS = [
    # The sandbox refuses to run as root, which is who one is in a container.
    "--no-sandbox",
    "--no-proxy-server",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
# A window on the cells would remove those out of sight, and with them what a test looks at.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class JupyterLab:
    """A running JupyterLab of this test run alone; Notebook 7 answers there too, if installed."""

    url: str
    token: str
    folder: Path

    def ask(self, path: str, method: str = "GET") -> Any:
        """The answer of the server's REST interface."""
        address = f"{self.url}/api/{path}?token={self.token}"
        with _direct.open(urllib.request.Request(address, method=method), timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def end_kernels(self) -> None:
        """End every session, and its kernel with it."""
        for session in self.ask("sessions"):
            self.ask(f"sessions/{session['id']}", "DELETE")


@contextlib.contextmanager
def running_jupyterlab(home: Path, *, no_delay: bool = True) -> Iterator[JupyterLab]:
    """JupyterLab on a free port, all its configuration, data and settings in the folder `home`.

    Kernels meet this checkout's package, also where another is installed.
    """
    lab = JupyterLab(f"http://127.0.0.1:{_free_port()}", secrets.token_hex(12), home / "files")
    environment = _private_environment(home, no_delay)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.port={lab.url.rpartition(':')[2]}", "--ServerApp.port_retries=0"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={lab.folder}"]
    command += [f"--IdentityProvider.token={lab.token}", "--LabApp.extension_manager=readonly"]
    command += [f"--{app}.expose_app_in_browser=True" for app in ("LabApp", "JupyterNotebookApp")]
    log_path = home / "jupyterlab.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_it_answers(lab, process, log_path)
            yield lab
        finally:
            _end(process)


def _private_environment(home: Path, no_delay: bool) -> dict[str, str]:
    config = home / "config"
    folders = {
        "JUPYTER_CONFIG_DIR": config,
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
    }
    for folder in (*folders.values(), home / "files", config / "labconfig"):
        folder.mkdir(parents=True, exist_ok=True)
    overrides = config / "labconfig" / "default_setting_overrides.json"
    overrides.write_text(json.dumps(LAB_SETTINGS))
    name = "devops_lab_no_delay.json"
    enabled = json.loads((ROOT / "jupyter_config" / name).read_text())
    enabled["ServerApp"]["jpserver_extensions"]["devops_lab.no_delay"] = no_delay
    (config / "jupyter_server_config.d").mkdir(exist_ok=True)
    (config / "jupyter_server_config.d" / name).write_text(json.dumps(enabled))
    paths = {variable: str(folder) for variable, folder in folders.items()}
    # In a virtual environment, what is installed there would win over this configuration.
    return os.environ | paths | {"PYTHONPATH": str(ROOT), "JUPYTER_PREFER_ENV_PATH": "0"}


def _wait_until_it_answers(lab: JupyterLab, process: subprocess.Popen, log_path: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            lab.ask("status")
            return
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log_path.read_text()}")


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class NotebookPage:
    """A notebook opened in a browser, and everything that went wrong on the page."""

    page: Page
    lab: JupyterLab
    errors: list[str] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(f"{error}\n{error.stack}"))
        self.page.on("console", self._note_error)
        self.page.on("request", self._note_foreign)

    def _note_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    def _note_foreign(self, request: Request) -> None:
        if not request.url.startswith((self.lab.url, "ws://127.0.0.1", "data:", "blob:")):
            self.foreign_requests.append(request.url)

    def open(self, notebook: NotebookNode | Path, *, view: str = "lab/tree") -> None:
        """Open a copy of the notebook without outputs, and wait for an idle kernel.

        `view` is what stands before the file's name in the address: `notebooks` is Notebook 7.
        """
        if isinstance(notebook, Path):
            notebook = nbformat.read(notebook, as_version=4)
        name = f"{secrets.token_hex(4)}.ipynb"
        nbformat.write(_without_outputs(notebook), self.lab.folder / name)
        reset = "&reset" if view.startswith("lab") else ""
        self.page.goto(f"{self.lab.url}/{view}/{name}?token={self.lab.token}{reset}")
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return when the notebook is shown and its kernel waits for the first cell."""
        self.page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext", timeout=60_000
        )
        # Before these are ready, running the cells asks which kernel to take and waits for ever.
        self.page.evaluate(
            """async () => {
                const notebook = jupyterapp.shell.currentWidget;
                await notebook.context.ready;
                await notebook.sessionContext.ready;
                await notebook.revealed;
            }"""
        )
        self.wait_until_idle()

    def wait_until_idle(self, within_s: float = 60) -> None:
        """Return when the kernel is connected and has nothing to do."""
        self.page.wait_for_function(
            """() => {
                const kernel = jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
                return kernel?.status === 'idle' && kernel.connectionStatus === 'connected';
            }""",
            timeout=within_s * 1000,
            polling=50,
        )

    def run_all(self, within_s: float = 120) -> None:
        """Run every cell and wait for the last."""
        self.page.evaluate(
            """(within_ms) => Promise.race([
                jupyterapp.commands.execute('notebook:run-all-cells'),
                new Promise((_, fail) => setTimeout(fail, within_ms, new Error('still running'))),
            ])""",
            within_s * 1000,
        )
        self.wait_until_idle(within_s)

    def red_outputs(self) -> list[str]:
        """The text of every error and warning that a cell, or a widget in it, shows."""
        kinds = ("error", "stderr")
        red = [f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in kinds]
        return self.page.locator(",".join(red)).all_inner_texts()

    def slider(self, label: str) -> Locator:
        """The handle of the slider with this accessible name."""
        return self.page.get_by_role("slider", name=label, exact=True)

    def drag(self, label: str, share: float) -> None:
        """Drag a slider's handle to this share (0..1) of its way, with the mouse."""
        handle = self.slider(label)
        handle.scroll_into_view_if_needed()
        track = handle.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]").bounding_box()
        at = handle.bounding_box()
        self.page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.move(
            track["x"] + share * track["width"], track["y"] + track["height"] / 2, steps=8
        )
        self.page.mouse.up()

    def drawn(self) -> str:
        """The shapes of all lines, points and bars of all figures: it changes as they change."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll('.js-line, .scatterlayer .point, .bars path')]
                .map((shape) => (shape.getAttribute('d') ?? '') + shape.getAttribute('transform'))
                .join('|')"""
        )

    def wait_until_drawn_anew(self, before: str, within_s: float = 20) -> str:
        """The shapes (see `drawn`) as soon as they are others than before."""
        deadline = time.monotonic() + within_s
        while (now := self.drawn()) == before:
            assert time.monotonic() < deadline, "the figure did not change"
            self.page.wait_for_timeout(20)
        return now


def _without_outputs(notebook: NotebookNode) -> NotebookNode:
    notebook = nbformat.from_dict(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def notebook_of(*sources: str) -> NotebookNode:
    """A notebook with these code cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    # Without a named kernel JupyterLab asks which one to take, and waits.
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """JupyterLab for all browser tests of this run."""
    with running_jupyterlab(tmp_path_factory.mktemp("jupyterlab")) as lab:
        yield lab


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A Chromium for all browser tests of this run."""
    require(CHROMIUM, "Chromium", "apt install chromium, or set CHROMIUM to the path of one.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def notebook_page(
    chromium: Browser, jupyterlab: JupyterLab, request: pytest.FixtureRequest
) -> Iterator[NotebookPage]:
    """A fresh page to open a notebook on; its kernels end with the test.

    A screenshot is kept in the folder that DEVOPS_LAB_SCREENSHOTS names, where it is set.
    """
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    opened = NotebookPage(context.new_page(), jupyterlab)
    yield opened
    if folder := os.environ.get("DEVOPS_LAB_SCREENSHOTS"):
        opened.page.screenshot(path=Path(folder) / f"{request.node.name}.png")
    context.close()
    jupyterlab.end_kernels()
