"""Figures of what Terraform provides: who needs whom, and what being prepared is worth."""

from collections.abc import Mapping

import plotly.graph_objects as go
from pandas import DataFrame

from devops_lab.figures import COLOURS, drawing, percent_text, time_text
from devops_lab.preparedness import mean_idle, mean_wait_s, ready_share
from devops_lab.translation import _

# What is planned for a resource, as it is drawn: its colour, its symbol and its words.
LOOKS = {
    "create": ("ok", "circle", _("to create")),
    "update": ("wait", "diamond", _("to change")),
    "replace": ("error", "star-diamond", _("to replace")),
    "delete": ("error", "x", _("to delete")),
    "": ("theory", "square", _("as the text says")),
}


def dependencies(needs: DataFrame, planned: DataFrame | None = None) -> go.Figure:
    """Who needs whom (`provisioning_plans.NEEDS`), from left to right in the order of making.

    With a plan's `changes` each resource shows what is planned for it.
    """
    places = _places(needs)
    actions = _actions(planned)
    arrows = needs.dropna()
    title = _("Made from left to right, taken away from right to left")
    figure = drawing(
        title,
        _needs_in_words(needs, actions),
        x=_("step in which it is made"),
        y="",
        xaxis={"dtick": 1, "range": [0.6, max(x for x, _y in places.values()) + 0.4]},
        yaxis={"visible": False, "range": [-0.6, max(y for _x, y in places.values()) + 0.6]},
    )
    for one, other in zip(arrows["resource"], arrows["needs"], strict=True):
        _add_arrow(figure, places[other], places[one])
    for action, (colour, symbol, words) in LOOKS.items():
        names = [name for name in places if actions.get(name, "") == action]
        if names:
            figure.add_scatter(
                x=[places[name][0] for name in names],
                y=[places[name][1] for name in names],
                name=words,
                text=names,
                mode="markers+text",
                textposition="top center",
                marker={"color": COLOURS[colour], "symbol": symbol, "size": 22},
                hovertemplate="%{text}<extra></extra>",
                showlegend=planned is not None,
            )
    return figure


def prepared_or_on_demand(arrival_rate_per_s: float, make_s: float, *, most: int = 8) -> go.Figure:
    """The mean wait in s over how many stand ready, and how many of them are idle."""
    kept = list(range(most + 1))
    waits = [mean_wait_s(count, arrival_rate_per_s, make_s) for count in kept]
    found = [ready_share(count, arrival_rate_per_s, make_s) for count in kept]
    idle = [mean_idle(count, arrival_rate_per_s, make_s) for count in kept]
    enough = next((count for count in kept if found[count] >= 0.99), most)
    text = _("With {count} prepared, {share} find one ready; on demand everybody waits {wait}")
    title = text.format(
        count=enough, share=percent_text(round(found[enough], 3)), wait=time_text(make_s)
    )
    text = _("From 0 to {most} prepared the mean wait falls from {first} to {last}.")
    summary = text.format(most=most, first=time_text(waits[0]), last=time_text(waits[-1]))
    figure = drawing(
        title, summary, x=_("servers that stand ready"), y=_("mean wait (s)"), xaxis={"dtick": 1}
    )
    figure.add_bar(
        x=kept,
        y=waits,
        marker={"color": COLOURS["wait"]},
        customdata=[*zip(map(percent_text, (round(one, 3) for one in found)), idle, strict=True)],
        hovertemplate=_(
            "%{x} prepared: %{y:.3g} s<br>%{customdata[0]} find one ready<br>"
            "%{customdata[1]:.2f} idle on average<extra></extra>"
        ),
    )
    return figure


def _places(needs: DataFrame) -> dict[str, tuple[int, int]]:
    """By resource, its step from 1 and its place in the step from 0."""
    needed: dict[str, set[str]] = {}
    for one, other in needs.itertuples(index=False):
        needed.setdefault(one, set())
        if isinstance(other, str):
            needed[one].add(other)
            needed.setdefault(other, set())

    def step(name: str) -> int:
        return 1 + max(map(step, needed[name]), default=0)

    steps: dict[int, list[str]] = {}
    for name in sorted(needed):
        steps.setdefault(step(name), []).append(name)
    return {name: (x, y) for x, names in steps.items() for y, name in enumerate(names)}


def _actions(planned: DataFrame | None) -> Mapping[str, str]:
    """By resource of the text, what is planned for it, for the most serious of its instances."""
    if planned is None:
        return {}
    names = planned["resource"].str.partition("[")[0]
    found = dict(zip(names, planned["action"], strict=True))
    for action in ("create", "replace", "delete"):
        found |= dict.fromkeys(names[planned["action"] == action], action)
    return found


def _needs_in_words(needs: DataFrame, actions: Mapping[str, str]) -> str:
    said = []
    for one, other in needs.itertuples(index=False):
        if isinstance(other, str):
            said.append(_("{one} needs {other}.").format(one=one, other=other))
        else:
            said.append(_("{one} needs nobody.").format(one=one))
    said += [f"{name}: {LOOKS[action][2]}." for name, action in actions.items()]
    return " ".join(said)


def _add_arrow(figure: go.Figure, tail: tuple[int, int], head: tuple[int, int]) -> None:
    figure.add_annotation(
        x=head[0],
        y=head[1],
        ax=tail[0],
        ay=tail[1],
        xref="x",
        yref="y",
        axref="x",
        ayref="y",
        text="",
        showarrow=True,
        arrowhead=2,
        arrowwidth=2,
        arrowcolor=COLOURS["theory"],
        standoff=14,
        startstandoff=14,
    )
