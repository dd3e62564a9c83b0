"""Dashboards: controls, what they do, and a figure that follows; nothing is computed here.

`Dashboard` is the ground that all of them stand on; below it are those of the lessons, one call
each.
"""

import html
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anywidget
import ipywidgets
import plotly.graph_objects as go

from devops_lab import cells, rules
from devops_lab.live_figure import LiveFigure
from devops_lab.tables import ATTEMPTS, table
from devops_lab.translation import _, ngettext

# What real servers need is imported where they are started: that takes longer than all else that a
# first figure needs.
if TYPE_CHECKING:
    from devops_lab.processes import Program
    from devops_lab.servers import Server

AnyProgram = TypeVar("AnyProgram", bound="Program")

SLOW_MOVE_S = 0.1
MOST_SETTINGS_AHEAD = 1_000
REFRESH_S = 0.5
WINDOW_S = 10.0
MOST_OF_A_KIND = 60


class AccessibleNames(anywidget.AnyWidget):
    """Names the sliders of its dashboard by their labels, for those who hear the page."""

    _esm = Path(__file__).with_name("accessible_names.js")


class Dashboard(ipywidgets.VBox):
    """Controls above a figure: each move draws it anew.

    `draw` takes the controls' values by their names and returns a figure with its summary. What it
    raises is shown under the figure, where a learner sees it, and the next move starts afresh.
    Where two moves in a row take long, the sliders wait until they are let go.

    With `ahead`, every setting is drawn at once and sent to the browser, which then needs no
    kernel to follow: for a `draw` without side effects and at most 1,000 settings.
    """

    def __init__(
        self,
        draw: Callable[..., go.Figure],
        controls: Mapping[str, ipywidgets.Widget],
        *,
        ahead: bool = False,
    ) -> None:
        self.controls = controls
        self.live = LiveFigure()
        self.message = ""
        self._draw = draw
        # Moves and a run's own refresh come from different threads.
        self._drawing = threading.RLock()
        self._last_moves_s: deque[float] = deque([0.0, 0.0], maxlen=2)
        self._message_box = ipywidgets.HTML()
        super().__init__([*controls.values(), self.live, self._message_box, AccessibleNames()])
        self.add_class("devops-lab-dashboard")
        if ahead:
            self._draw_ahead()
        else:
            for control in controls.values():
                control.observe(self._moved, "value")
            self.redraw()

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values by name."""
        return {name: control.value for name, control in self.controls.items()}

    def redraw(self) -> None:
        """Draw the figure for the controls as they stand."""
        with self._drawing:
            self.guarded(lambda: self.live.show(self._draw(**self.values)))

    def guarded(self, act: Callable[[], None]) -> None:
        """Do it; an error becomes a message, since a callback's own errors are seen by nobody."""
        try:
            act()
        except Exception as error:
            text = _("This did not work: {error}").format(error=f"{type(error).__name__}: {error}")
            self._say(text, role="alert")
        else:
            self._say("")

    def _say(self, text: str, *, role: str = "status") -> None:
        """Put a sentence under the figure: what goes on, or what went wrong."""
        self.message = text
        self._message_box.value = f'<p role="{role}">{html.escape(text)}</p>' if text else ""

    def _moved(self, _change: object) -> None:
        if is_slow := min(self._last_moves_s) > SLOW_MOVE_S:
            self._say(_("One moment …"))
        started_s = time.perf_counter()
        self.redraw()
        self._last_moves_s.append(time.perf_counter() - started_s)
        for control in self.controls.values():
            if is_slow and control.has_trait("continuous_update"):
                control.continuous_update = False

    def _draw_ahead(self) -> None:
        choices = [every_value(control) for control in self.controls.values()]
        rules.whole(
            "settings",
            math.prod(len(values) for values in choices),
            at_most=MOST_SETTINGS_AHEAD,
            remedy=_("Give the sliders larger steps, or leave out ahead=True."),
        )
        settings = [dict(zip(self.controls, each, strict=True)) for each in product(*choices)]
        self.live.show_ahead(
            [self._draw(**setting) for setting in settings], [*self.controls.values()]
        )


def every_value(control: ipywidgets.Widget) -> list[Any]:
    """All the values a control can take, in its own order.

    >>> every_value(slider("load (requests/s)", 10, 40, 10, step=15))
    [10, 25, 40]
    """
    if control.has_trait("options"):
        return list(control.options)
    if control.has_trait("step"):
        steps = round((control.max - control.min) / control.step)
        return [control.min + number * control.step for number in range(steps + 1)]
    return [False, True]


_LOOK = {"style": {"description_width": "16em"}, "layout": {"width": "min(42em, 98%)"}}


def slider(
    label: str, low: float, high: float, value: float, *, step: float = 1, follows: bool = True
) -> ipywidgets.IntSlider | ipywidgets.FloatSlider:
    """A slider with its unit in the label; one that does not follow acts when it is let go."""
    whole = all(float(number).is_integer() for number in (low, high, value, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    # As many digits as it takes to tell one step from the next.
    decimals = (
        0 if whole else max(-Decimal(str(number)).as_tuple().exponent for number in (low, step))
    )
    return kind(
        value,
        min=low,
        max=high,
        step=step,
        description=label,
        readout_format=f".{decimals}f",
        continuous_update=follows,
        **_LOOK,
    )


def steps(label: str, numbers: Sequence[float], value: float) -> ipywidgets.SelectionSlider:
    """A slider over numbers that are not equally far apart, with its unit in the label."""
    return ipywidgets.SelectionSlider(options=numbers, value=value, description=label, **_LOOK)


def menu(label: str, options: list[str]) -> ipywidgets.Dropdown:
    """A menu to choose one of the options."""
    return ipywidgets.Dropdown(
        options=options,
        description=label,
        **_LOOK,
    )


class RunDashboard(Dashboard):
    """A dashboard of real programs: a button starts and stops them, and while they run they are
    drawn again and again.

    A subclass says how it starts them, each with `own`, what it draws of them, and its plan in
    words. The programs end with the load that is on them, and with the cell that shows the button.
    """

    def __init__(self, controls: Mapping[str, ipywidgets.Widget]) -> None:
        self._cell = cells.current()
        self._programs: list[Program] = []
        self.button = ipywidgets.Button(button_style="primary")
        self.button.on_click(lambda _button: self._start_or_stop())
        self.state = ipywidgets.HTML(layout={"margin": "0 0 0 1em"})
        super().__init__(self._draw_run, controls)
        head = ipywidgets.HBox([self.button, self.state], layout={"flex_flow": "row wrap"})
        self.children = (head, *self.children)

    def start(self, **values: Any) -> None:
        """Start the programs for these values of the controls."""
        raise NotImplementedError

    def draw(self, **values: Any) -> go.Figure:
        """The figure of the run, as it is now or as it was last."""
        raise NotImplementedError

    def plan(self, **values: Any) -> str:
        """What a start would do with these values, in one sentence."""
        raise NotImplementedError

    def own(self, program: AnyProgram) -> AnyProgram:
        """Start the program and return it; it ends when the run does."""
        self._programs.append(program)
        # Started by a button, it belongs to the cell that shows it: run again, that ends it.
        program.start().cell = self._cell
        return program

    def release(self, program: "Program") -> None:
        """Stop one of the programs before the run ends."""
        self._programs.remove(program)
        program.stop()

    @property
    def is_running(self) -> bool:
        """Whether load is being sent; it ends by itself after ten minutes."""
        from devops_lab.loadgen import LiveLoad

        loads = (program for program in self._programs if isinstance(program, LiveLoad))
        return any(load.is_running for load in loads)

    def _start_or_stop(self) -> None:
        self.guarded(self._stop if self.is_running else self._start)
        if not self.message:
            self.redraw()

    def _start(self) -> None:
        self._stop()
        try:
            self.start(**self.values)
        except BaseException:
            self._stop()
            raise
        threading.Thread(target=self._keep_drawing, args=(self._programs,), daemon=True).start()

    def _stop(self) -> None:
        programs, self._programs = self._programs, []
        for program in reversed(programs):
            program.stop()

    def _keep_drawing(self, programs: list["Program"]) -> None:
        while self._programs is programs and self.is_running:
            self.redraw()
            time.sleep(REFRESH_S)
        if self._programs is programs:
            self._stop()
            self.redraw()

    def _draw_run(self, **values: Any) -> go.Figure:
        is_running = self.is_running
        self.button.description = _("Stop") if is_running else _("Start")
        text = _("Running, for ten minutes at most.") if is_running else self.plan(**values)
        self.state.value = f'<span role="status">{html.escape(text)}</span>'
        return self.draw(**values)


class OneServerUnderLoad(RunDashboard):
    """A real server and a real load on it, both moved while they run."""

    def __init__(self) -> None:
        self._attempts = table({name: [] for name in ATTEMPTS}, ATTEMPTS)
        self._now_s = 0.0
        super().__init__(
            {
                "rate_per_s": slider(_("load (requests/s)"), 0, 60, 10),
                "work_ms": slider(_("work on a request (ms)"), 10, 200, 50, step=10),
                "workers": slider(_("workers"), 1, 4, 1),
            }
        )

    def start(self, rate_per_s: int, **of_the_server: int) -> None:
        """A server, and a load on it."""
        from devops_lab.loadgen import LiveLoad
        from devops_lab.servers import Server

        self._server = self.own(Server(name="oven", **_settings(**of_the_server)))
        load = LiveLoad(self._server.url + "work", rate_per_s, arrivals="constant")
        self._load = self.own(load)

    def draw(self, rate_per_s: int, **of_the_server: int) -> go.Figure:
        """The latest requests; the server and its load follow the controls."""
        from devops_lab.request_figures import latest_requests

        if self.is_running:
            self._server.set(**_settings(**of_the_server))
            self._load.set(rate_per_s=rate_per_s)
            self._now_s = self._load.now_s
            self._attempts = self._load.attempts(since_s=self._now_s - 2 * WINDOW_S)
        figure = latest_requests(self._attempts, self._now_s, WINDOW_S)
        if len(self._attempts) and not self.is_running:
            figure.update_xaxes(title_text=_("seconds before the stop"))
        return figure

    def plan(self, rate_per_s: int, work_ms: int, workers: int) -> str:
        """What a start would do with these values, in one sentence."""
        return ngettext(
            "Start sends {rate} requests/s; each is {work} ms of work for {count} worker.",
            "Start sends {rate} requests/s; each is {work} ms of work for one of {count} workers.",
            workers,
        ).format(rate=rate_per_s, work=work_ms, count=workers)


def _settings(work_ms: int, workers: int) -> dict[str, float]:
    return {"service_time_s": work_ms / 1000, "workers": workers}


def one_server_under_load() -> Dashboard:
    """A dashboard with a real server: load, work on a request and workers; lesson 00."""
    return OneServerUnderLoad()


def request_mix(servers: "Mapping[str, Server]", secret: str) -> Dashboard:
    """A dashboard that sends real requests of three kinds to one of the servers; lesson 02.

    The servers are started here. An answer with the `secret` text in it counts as a leak.
    """
    from devops_lab import attacks
    from devops_lab.request_figures import answers_by_wish

    for server in servers.values():
        server.start()

    def send(server: str, **counts: int) -> go.Figure:
        answers = attacks.busy_day(servers[server], secret=secret, **counts)
        return answers_by_wish(answers, MOST_OF_A_KIND)

    return Dashboard(
        send,
        {
            "server": menu(_("server"), list(servers)),
            "existing": slider(
                _("requests for pages that exist"), 0, MOST_OF_A_KIND, 40, follows=False
            ),
            "mistyped": slider(
                _("requests with a mistyped path"), 0, MOST_OF_A_KIND, 10, follows=False
            ),
            "climbs": slider(_("climbs"), 0, MOST_OF_A_KIND, 0, follows=False),
        },
    )
