"""Tables of what Terraform plans, has done, and found changed by somebody else."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devops_lab.tables import Column, Schema, table
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

Event = Mapping[str, Any]

PLANNED: Schema = {
    "resource": Column("string", "", "its address in the text, such as lab_server.web[0]"),
    "action": Column("string", "", "create, update (where it stands), replace, delete"),
    "changes": Column("string", "", "the attributes that change: before → after"),
}
DRIFT: Schema = {
    "resource": PLANNED["resource"],
    "found": Column("string", "", "gone, or changed"),
    "changes": Column("string", "", "the attributes that differ: as left → as found"),
}
DONE: Schema = {
    "resource": PLANNED["resource"],
    "action": Column("string", "", "create, update, delete"),
    "outcome": Column("string", "", "ok, or failed"),
    "seconds": Column("float64", "s", "how long it took"),
}
RESOURCES: Schema = {
    "resource": PLANNED["resource"],
    "name": Column("string", "", "its name in the lab"),
    "attributes": Column("string", "", "what else the state file says of it"),
}
NEEDS: Schema = {
    "resource": Column("string", "", "who needs the other one, and is made after it"),
    "needs": Column("string", "", "who is made first; missing where it needs nobody"),
}
TESTED: Schema = {
    "test": Column("string", "", "name of the run"),
    "outcome": Column("string", "", "pass, fail, error or skip"),
}

_ACTIONS = {
    ("create",): "create",
    ("update",): "update",
    ("delete",): "delete",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
}
_SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-"}
_UNKNOWN = "…"


@dataclass(frozen=True)
class Wish:
    """What a plan is asked for beside the text: values of its variables, everything away
    (`destroy`), only a look at what there is (`refresh_only`), one resource anew (`replace`)."""

    variables: Mapping[str, Any]
    destroy: bool = False
    refresh_only: bool = False
    replace: str = ""

    def words(self) -> list[str]:
        """The same in the words of Terraform's command line."""
        words = [f"-var={name}={_literal(value)}" for name, value in self.variables.items()]
        words += ["-destroy"] if self.destroy else []
        words += ["-refresh-only"] if self.refresh_only else []
        return words + ([f"-replace={self.replace}"] if self.replace else [])


@dataclass(frozen=True, repr=False)
class Plan:
    """What would be done (`changes`), what was found changed (`drift`), and the saved plan."""

    changes: "DataFrame"
    drift: "DataFrame"
    saved: Path

    def __repr__(self) -> str:
        lines = [
            f"{_SIGNS[row.action]} {row.resource:<22} {row.changes}".rstrip()
            for row in self.changes.itertuples()
        ]
        return "\n".join([*lines, self.summary])

    @property
    def summary(self) -> str:
        """How many resources would be made, changed and taken away."""
        if self.changes.empty:
            return _("Nothing to do: all is as the text says.")
        count = self.changes["action"].value_counts()
        replaced = count.get("replace", 0)
        text = _("{add} to create, {change} to change, {remove} to delete")
        return text.format(
            add=count.get("create", 0) + replaced,
            change=count.get("update", 0),
            remove=count.get("delete", 0) + replaced,
        )


def planned(changes: Iterable[Event]) -> "DataFrame":
    """The changes of a plan, as `show -json` gives them: a table of `PLANNED`."""
    rows = []
    for change in changes:
        action = _ACTIONS.get(tuple(change["change"]["actions"]))
        if action:
            text = differences(change["change"]) if action in ("update", "replace") else ""
            rows.append((change["address"], action, text))
    return as_table(rows, PLANNED)


def drifted(changes: Iterable[Event]) -> "DataFrame":
    """What was found other than it was left: a table of `DRIFT`."""
    rows = []
    for change in changes:
        is_gone = change["change"]["after"] is None
        text = "" if is_gone else differences(change["change"])
        rows.append((change["address"], "gone" if is_gone else "changed", text))
    return as_table(rows, DRIFT)


def done(events: Sequence[Event]) -> "DataFrame":
    """What was done, from the events of an apply: a table of `DONE`."""
    began: dict[str, datetime] = {}
    rows = []
    for event in events:
        if not event.get("type", "").startswith("apply_"):
            continue
        address = event["hook"]["resource"]["addr"]
        moment = datetime.fromisoformat(event["@timestamp"])
        if event["type"] == "apply_start":
            began[address] = moment
        elif event["type"] in ("apply_complete", "apply_errored"):
            outcome = "ok" if event["type"] == "apply_complete" else "failed"
            seconds = (moment - began.get(address, moment)).total_seconds()
            rows.append((address, event["hook"]["action"], outcome, seconds))
    return as_table(rows, DONE)


def resources(state: Mapping[str, Any]) -> "DataFrame":
    """What a state file names: a table of `RESOURCES`."""
    rows = []
    for resource in state.get("resources", ()):
        for instance in resource["instances"]:
            values = instance["attributes"]
            rest = {name: value for name, value in values.items() if name != "name"}
            shown = ", ".join(f"{name} = {_short(value)}" for name, value in rest.items())
            rows.append((_address(resource, instance), values["name"], shown))
    return as_table(rows, RESOURCES)


def differences(change: Mapping[str, Any]) -> str:
    """The attributes that differ before and after a change.

    >>> differences({"before": {"workers": 4}, "after": {"workers": 1}})
    'workers: 4 → 1'
    """
    before, after = change["before"] or {}, change["after"] or {}
    unknown = change.get("after_unknown") or {}
    words = []
    for name in before:
        new = _UNKNOWN if unknown.get(name) else _short(after.get(name))
        if (old := _short(before[name])) != new:
            words.append(f"{name}: {old} → {new}")
    return ", ".join(words)


def _literal(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def as_table(rows: Sequence[Sequence[Any]], schema: Schema) -> "DataFrame":
    """The rows as a table of this schema."""
    columns = zip(*rows, strict=True) if rows else ([] for _name in schema)
    return table({name: list(column) for name, column in zip(schema, columns, strict=True)}, schema)


def _address(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    key = instance.get("index_key")
    index = "" if key is None else f'["{key}"]' if isinstance(key, str) else f"[{key}]"
    return f"{resource['type']}.{resource['name']}{index}"


def _short(value: Any) -> str:
    if value is None:
        return _("unset")
    if isinstance(value, list):
        # Addresses of one computer differ in their ports only.
        return "[" + ", ".join(map(_short, value)) + "]"
    text = str(value).strip().removeprefix("http://127.0.0.1").removesuffix("/")
    return text.replace("\n", " / ")
