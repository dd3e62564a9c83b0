"""The server extension: enabled by the installed package, and felt at the socket itself."""

import importlib.metadata
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from browser import ROOT
from required import require

CONFIGURATION = ROOT / "jupyter_config" / "devops_lab_no_delay.json"
INSTALLED_IN = "etc/jupyter/jupyter_server_config.d"

# A Jupyter server, a kernel and a client of its websocket, in one process, which can look at the
# server's end of the connection.
SERVER_AND_CLIENT = """
import asyncio, gc, socket
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.websocket import websocket_connect

async def main():
    server = ServerApp.instance()
    kernel = await server.kernel_manager.start_kernel()
    url = f"ws://127.0.0.1:{server.port}/api/kernels/{kernel}/channels?token=t"
    client = await websocket_connect(url)
    ends = [end for end in gc.get_objects() if isinstance(end, ZMQChannelsWebsocketConnection)]
    while not ends[0].channels:
        await asyncio.sleep(0.01)
    stream = ends[0].websocket_handler.ws_connection.stream
    print("no delay:", bool(stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    client.close()
    await server.kernel_manager.shutdown_all()
    server.stop()

options = ["--no-browser", "--allow-root", "--port=0", "--ServerApp.ip=127.0.0.1"]
server = ServerApp.instance()
server.initialize([*options, "--IdentityProvider.token=t"])
server.io_loop.add_callback(main)
server.start()
"""


def test_the_wheel_enables_it(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", tmp_path], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(CONFIGURATION.name))
        assert packed.read(name) == CONFIGURATION.read_bytes()
    # What lies under `data` is installed at the root of the environment.
    assert name.partition(".data/data/")[2] == f"{INSTALLED_IN}/{CONFIGURATION.name}"


def test_the_package_as_it_is_installed_here_enables_it() -> None:
    installed = list(importlib.metadata.distributions(name="devops-lab"))
    require(installed, "The installed package", "pip install --editable .")
    files = [file for file in installed[0].files or [] if file.name == CONFIGURATION.name]
    assert [file.parent.as_posix().endswith(INSTALLED_IN) for file in files] == [True]
    assert json.loads(files[0].read_text()) == json.loads(CONFIGURATION.read_text())


@pytest.mark.parametrize("enabled", [True, False])
def test_a_kernels_messages_are_not_held_back_where_it_is_enabled(
    enabled: bool, tmp_path: Path
) -> None:
    configuration = json.loads(CONFIGURATION.read_text())
    configuration["ServerApp"]["jpserver_extensions"]["devops_lab.no_delay"] = enabled
    folder = tmp_path / "config" / Path(INSTALLED_IN).name
    folder.mkdir(parents=True)
    (folder / CONFIGURATION.name).write_text(json.dumps(configuration))
    ran = subprocess.run(
        [sys.executable, "-c", SERVER_AND_CLIENT],
        env=os.environ | private_folders(tmp_path) | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert f"no delay: {enabled}" in ran.stdout, ran.stdout + ran.stderr


def private_folders(home: Path) -> dict[str, str]:
    names = ("config", "data", "runtime")
    folders = {f"JUPYTER_{name.upper()}_DIR": str(home / name) for name in names}
    # In a virtual environment, what is installed there would win over this test's configuration.
    return folders | {"IPYTHONDIR": str(home / "ipython"), "JUPYTER_PREFER_ENV_PATH": "0"}
