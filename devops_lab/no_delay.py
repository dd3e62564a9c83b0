"""A Jupyter server extension: what a kernel says reaches the browser at once.

A Jupyter server lets the operating system hold small messages back until earlier ones are
acknowledged (Nagle's algorithm), and browsers acknowledge late: each move of a slider then waits
some 40 ms for nothing. The wheel's `jupyter_config/devops_lab_no_delay.json` enables this.
"""

from typing import Any


def without_delay(connection: type[Any]) -> type[Any]:
    """The class of kernel connections, with delaying turned off on each websocket."""

    class WithoutDelay(connection):
        def connect(self) -> Any:
            self.websocket_handler.set_nodelay(True)
            return super().connect()

    return WithoutDelay


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "devops_lab.no_delay"}]


def _load_jupyter_server_extension(server: Any) -> None:
    settings = server.web_app.settings
    name = "kernel_websocket_connection_class"
    settings[name] = without_delay(settings[name])
