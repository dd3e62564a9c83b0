"""A plotly figure that follows a slider: a widget that repaints only what changed.

plotly's JavaScript comes from the installed plotly package, once a page, for all figures on it;
numbers travel as binary arrays. A move of a slider is one message and one repaint.

>>> import plotly.graph_objects as go
>>> live = LiveFigure()
>>> live.show(go.Figure(go.Scatter(y=[1.0, 2.0])), summary="Two points, rising.")
>>> live.summary
'Two points, rising.'
"""

import functools
import gzip
import math
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import plotly
import plotly.graph_objects as go
import traitlets

from devops_lab.figures import CONFIG, DARK, LIGHT, summary_of
from devops_lab.translation import _

# The kinds of number a browser has an array for. It has none for whole numbers of 64 bits, and
# counts in float64 anyway.
_BINARY = {"float64", "float32", "int32", "int16", "int8", "uint32", "uint16", "uint8"}


class LiveFigure(anywidget.AnyWidget):
    """A figure that is shown once and then changed by `show`, with its summary as text under it.

    Every figure gets the look of the course, in JupyterLab's light or dark theme, whatever
    template it was made with. Zooming is kept from one `show` to the next.
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")

    traces = traitlets.List().tag(sync=True)
    # plotly's layout; a widget's `layout` is the size of its box
    arrangement = traitlets.Dict().tag(sync=True)
    arrays = traitlets.Dict().tag(sync=True)
    finding = traitlets.Unicode().tag(sync=True)
    summary = traitlets.Unicode().tag(sync=True)
    frames = traitlets.List().tag(sync=True)
    controls = traitlets.List().tag(sync=True, **ipywidgets.widget_serialization)
    templates = traitlets.Dict().tag(sync=True)
    config = traitlets.Dict().tag(sync=True)
    waiting = traitlets.Unicode().tag(sync=True)
    failure = traitlets.Unicode().tag(sync=True)

    def __init__(self, figure: go.Figure | None = None, summary: str | None = None) -> None:
        super().__init__(
            templates={"light": LIGHT.to_plotly_json(), "dark": DARK.to_plotly_json()},
            config=CONFIG,
            waiting=_("Waiting for the kernel to send the figure."),
            failure=_("The figure could not be drawn. Reload this page and run the cell again."),
        )
        self.on_msg(_send_plotly)
        if figure is not None:
            self.show(figure, summary)

    def show(self, figure: go.Figure, summary: str | None = None) -> None:
        """Repaint with this figure; what has not changed since the last one is not sent.

        The summary is the figure's own (`figures.summary_of`) where none is given.
        """
        with self.hold_sync():
            for part, value in _parts(figure, summary).items():
                setattr(self, part, value)

    def show_ahead(self, figures: list[go.Figure], controls: list[ipywidgets.Widget]) -> None:
        """Send one figure for each setting of the controls; from then on the browser chooses.

        The last control turns fastest, as in `itertools.product`. Moves need no kernel.
        """
        first, *_rest = frames = [_parts(figure) for figure in figures]
        with self.hold_sync():
            for part, value in first.items():
                setattr(self, part, value)
            self.frames = [_difference(first, frame) for frame in frames]
            self.controls = controls


def _parts(figure: go.Figure, summary: str | None = None) -> dict[str, Any]:
    arrays: dict[str, dict[str, Any]] = {}
    traces = [trace.to_plotly_json() for trace in figure.data]
    arrangement = figure.layout.to_plotly_json()
    # The words are sent as such; the look of the course is sent once (`templates`).
    words = {part: arrangement.pop(part, None) or {} for part in ("title", "meta", "template")}
    arrangement["uirevision"] = "kept"
    return {
        "traces": _taken_out(traces, "traces", arrays),
        "arrangement": _taken_out(arrangement, "layout", arrays),
        "arrays": arrays,
        "finding": words["title"].get("text") or "",
        "summary": summary_of(figure) if summary is None else summary,
    }


def _taken_out(tree: Any, path: str, arrays: dict[str, dict[str, Any]]) -> Any:
    """The tree with each array of numbers moved to `arrays` and named by its path."""
    match tree:
        case dict():
            return {key: _taken_out(at, f"{path}.{key}", arrays) for key, at in tree.items()}
        case list() | tuple():
            return [_taken_out(at, f"{path}.{index}", arrays) for index, at in enumerate(tree)]
        case np.ndarray() if tree.ndim == 1 and tree.dtype.kind in "fiu":
            numbers = _as_a_browser_has_them(tree)
            arrays[path] = {"dtype": numbers.dtype.name, "bytes": numbers.tobytes()}
            return {"array": path}
        case np.ndarray() | np.generic():
            return _taken_out(tree.tolist(), path, arrays)
        case float() if not math.isfinite(tree):
            # JSON has no word for it, and plotly leaves a gap for what is missing.
            return None
    return tree


def _as_a_browser_has_them(numbers: np.ndarray) -> np.ndarray:
    kind = numbers.dtype if numbers.dtype.name in _BINARY else np.dtype("float64")
    return numbers.astype(kind.newbyteorder("<"))


def _difference(first: dict[str, Any], frame: dict[str, Any]) -> dict[str, Any]:
    """What of the frame is not as in the first one, array by array."""
    changed = {part: value for part, value in frame.items() if value != first[part]}
    if "arrays" in changed:
        known = first["arrays"]
        changed["arrays"] = {
            path: array for path, array in frame["arrays"].items() if known.get(path) != array
        }
    return changed


def _send_plotly(live: LiveFigure, message: dict[str, Any], _buffers: list[memoryview]) -> None:
    if message.get("type") == "plotly?":
        live.send({"type": "plotly"}, buffers=[_plotly_script()])


@functools.cache
def _plotly_script() -> bytes:
    """plotly.js, gzipped: a third of its size, which is felt where the kernel is far away."""
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return gzip.compress(script.read_bytes(), compresslevel=1)
