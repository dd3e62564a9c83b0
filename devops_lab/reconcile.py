"""A stand-in for Terraform: a loop that reads a small part of its language and makes the lab so.

It reads blocks, values, `count`, references and templates, as the course's own text has them. It
knows no modules, functions or data sources, and locks nothing. What it tells has Terraform's form.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from devops_lab.lab_resources import Lab, ResourceError, State, kinds
from devops_lab.provisioning_plans import Event, Wish
from devops_lab.terraform import ProvisioningError
from devops_lab.translation import _

# Stands in a plan for a value that only the apply will tell.
UNKNOWN = "…"
_BLOCK = re.compile(r'(\w+)((?:\s+"[^"]*")*)\s*\{')
_ATTRIBUTE = re.compile(r"(\w+)\s*=\s*(.+)")
_WORDS = {"&&": " and ", "||": " or ", "!=": "!=", "!": " not ", "true": "True", "false": "False"}


@dataclass
class Block:
    """One block of the text: its labels, its attributes as they are written, the blocks in it."""

    kind: str
    labels: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    blocks: list["Block"] = field(default_factory=list)


def read(path: Path) -> Block:
    """The blocks of a file; raises `ProvisioningError` for a line that it cannot read."""
    inside = [Block("file")]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = re.sub(r"^\s*(#|//).*|\s#[^\"]*$", "", line).strip()
        if opened := _BLOCK.fullmatch(line):
            block = Block(opened[1], tuple(re.findall(r'"([^"]*)"', opened[2])))
            inside[-1].blocks.append(block)
            inside.append(block)
        elif given := _ATTRIBUTE.fullmatch(line):
            inside[-1].attributes[given[1]] = given[2]
        elif line == "}" and inside[1:]:
            inside.pop()
        elif line:
            raise _not_read(path.name, number, line)
    if inside[1:]:
        raise _not_read(path.name, number, _("(the end: a closing brace is missing)"))
    return inside[0]


class StandIn:
    """The loop, for one lab and one folder."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._kinds, self._folder = kinds(lab), folder
        self._state_file = folder / "terraform.tfstate"

    def about(self) -> str:
        """That it is none of the real tools."""
        return _("a small stand-in for Terraform, which is missing here")

    def plan(self, saved: Path, wish: Wish) -> Mapping[str, Any]:
        """The plan in Terraform's form; the file keeps what it was made from."""
        state = self._state()
        changes, found = [], []
        seen = {}
        for address, was in state.items():
            now = self._kind(address).read(was)
            if now != was:
                found.append(_change(address, ["update"], was, now))
            if now:
                seen[address] = now
        for address, wanted in [] if wish.refresh_only else self._steps(seen, wish):
            before = seen.get(address)
            actions = self._actions(address, before, wanted, wish)
            after = (before or {}) | (wanted or {})
            changes.append(_change(address, actions, before, after))
            # What is made anew has an address of its own that nobody knows yet.
            seen[address] = wanted if before is None or "delete" in actions else after
        saved.write_text(json.dumps([self._serial(), wish.variables, wish.destroy, wish.replace]))
        return {"resource_changes": changes, "resource_drift": found}

    def apply(self, saved: Path | None, wish: Wish) -> Iterator[Event]:
        """Make the lab as the text says, one resource after the other; tells each step."""
        if saved:
            serial, *rest = json.loads(saved.read_text())
            wish = Wish(rest[0], destroy=rest[1], replace=rest[2])
            if serial != self._serial():
                text = _("Something was changed after this plan. Make a new plan, apply that.")
                raise ProvisioningError(text)
        state = {
            address: now
            for address, was in self._state().items()
            if (now := self._kind(address).read(was))
        }
        self._write(state)
        for address, wanted in self._steps(state, wish):
            for action in self._actions(address, state.get(address), wanted, wish):
                if action != "no-op":
                    yield from self._step(action, address, wanted, state)

    def import_(self, address: str, name: str, wish: Wish) -> None:
        """Write down under the address what somebody else has made."""
        try:
            found = self._kind(address).find(name)
        except ResourceError as error:
            raise ProvisioningError(str(error)) from None
        self._write(self._state() | {address: found})

    def graph(self) -> list[tuple[str, str | None]]:
        """Each resource of the text with each that it needs; None where it needs nobody."""
        needs = {address: _needs(block) for address, block in self._text().items()}
        return [(one, other) for one, all_ in needs.items() for other in all_ or [None]]

    def test(self) -> Iterator[Event]:
        """It runs no tests."""
        raise ProvisioningError(_("The stand-in runs no tests: they need Terraform itself."))

    def validate(self) -> None:
        """Raise `ProvisioningError` for a line that it cannot read."""
        self._text()

    def _step(
        self, action: str, address: str, wanted: State | None, state: dict[str, State]
    ) -> Iterator[Event]:
        yield _event("apply_start", address, action)
        kind, before = self._kind(address), state.pop(address, None)
        try:
            if action == "delete":
                kind.delete(before)
            else:
                blank = {attribute.name: None for attribute in kind.attributes}
                made = kind.create if action == "create" else lambda to: kind.update(before, to)
                state[address] = made((before or blank) | wanted)
        except (ResourceError, ValueError, TypeError, RuntimeError) as error:
            yield _event("apply_errored", address, action)
            raise ProvisioningError(f"{address}: {error}") from None
        finally:
            self._write(state)
        yield _event("apply_complete", address, action)

    def _actions(
        self, address: str, before: State | None, wanted: State | None, wish: Wish
    ) -> list[str]:
        if wanted is None:
            return ["delete"] if before else []
        if before is None:
            return ["create"]
        changed = {name for name, value in wanted.items() if before.get(name) != value}
        replaces = {one.name for one in self._kind(address).attributes if one.replaces}
        if changed & replaces or wish.replace == address:
            return ["delete", "create"]
        return ["update"] if changed else ["no-op"]

    def _steps(self, state: Mapping[str, State], wish: Wish) -> Iterator[tuple[str, State | None]]:
        """Each address with what is wanted there, who is needed first; None: to be taken away.

        The caller brings `state` up to date between two steps.
        """
        text, wanted = self._text(), set()
        values = self._variables(wish)
        for address, block in {} if wish.destroy else _in_order(text):
            has_count, made = "count" in block.attributes, []
            for index in range(_value(block.attributes["count"], values) if has_count else 1):
                one = f"{address}[{index}]" if has_count else address
                wanted.add(one)
                yield one, self._wanted(block, values | {"count": SimpleNamespace(index=index)})
                made.append(SimpleNamespace(**(self._blank(address) | state[one])))
            type_, name = address.split(".")
            group = vars(values.setdefault(type_, SimpleNamespace()))
            group[name] = made if has_count else made[0]
        order = [address for address, _block in _in_order(text)]
        left = [address for address in state if address not in wanted]
        for address in sorted(left, key=lambda one: _rank(order, one), reverse=True):
            yield address, None

    def _blank(self, address: str) -> State:
        return {one.name: UNKNOWN for one in self._kind(address).attributes}

    def _wanted(self, block: Block, values: Mapping[str, Any]) -> State:
        """The attributes that the text gives; those it does not give are unset, not computed."""
        kind = self._kinds[block.labels[0]]
        unset = {one.name: None for one in kind.attributes if one.default is not None}
        given = {
            name: _value(written, values)
            for name, written in block.attributes.items()
            if name != "count"
        }
        known = {one.name for one in kind.attributes}
        for name in given:
            if name not in known:
                text = _("{kind} has no attribute {name}; it has: {known}.")
                listed = ", ".join(sorted(known))
                raise ProvisioningError(text.format(kind=block.labels[0], name=name, known=listed))
        try:
            kind.check({name: value for name, value in given.items() if value != UNKNOWN})
        except (TypeError, ValueError) as error:
            raise ProvisioningError(str(error)) from None
        return unset | given

    def _variables(self, wish: Wish) -> dict[str, Any]:
        variables = {}
        for block in read(self._folder / "main.tf").blocks:
            if block.kind == "variable":
                (name,) = block.labels
                written = block.attributes.get("default", "null")
                variables[name] = wish.variables.get(name, _value(written, {}))
                _check_rule(block, variables)
        return {"var": SimpleNamespace(**variables)}

    def _text(self) -> dict[str, Block]:
        blocks = read(self._folder / "main.tf").blocks
        return {".".join(block.labels): block for block in blocks if block.kind == "resource"}

    def _kind(self, address: str) -> Any:
        return self._kinds[address.split(".")[0]]

    def _serial(self) -> int:
        return self._document()["serial"]

    def _document(self) -> dict[str, Any]:
        try:
            return json.loads(self._state_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"serial": 0, "resources": []}
        except ValueError:
            text = _("The state file cannot be read. Remove it, and import what is there.")
            raise ProvisioningError(text) from None

    def _state(self) -> dict[str, State]:
        return {
            f"{one['type']}.{one['name']}" + ("" if key is None else f"[{key}]"): of["attributes"]
            for one in self._document()["resources"]
            for of in one["instances"]
            for key in [of.get("index_key")]
        }

    def _write(self, state: Mapping[str, State]) -> None:
        entries = []
        for address, attributes in state.items():
            type_, name, index = re.fullmatch(r"(\w+)\.(\w+)(?:\[(\d+)\])?", address).groups()
            instance = {"attributes": attributes} | ({"index_key": int(index)} if index else {})
            entries.append({"type": type_, "name": name, "instances": [instance]})
        text = json.dumps({"serial": self._serial() + 1, "resources": entries}, indent=2)
        half = self._state_file.with_suffix(".half")
        half.write_text(text, encoding="utf-8")
        half.replace(self._state_file)


def _in_order(text: Mapping[str, Block]) -> Iterator[tuple[str, Block]]:
    """The resources, each after those that it needs."""
    left = dict(text)
    while left:
        ready = [one for one, block in left.items() if not set(_needs(block)) & set(left)]
        if not ready:
            raise ProvisioningError(_("Two resources need each other: neither can be first."))
        for address in ready:
            yield address, left.pop(address)


def _rank(order: list[str], address: str) -> int:
    """The place of an address in the order; what the text does not name any more comes last."""
    name = address.split("[")[0]
    return order.index(name) if name in order else len(order)


def _needs(block: Block) -> list[str]:
    written = " ".join(block.attributes.values())
    return list(dict.fromkeys(re.findall(r"\blab_\w+\.\w+", written)))


def _value(written: str, values: Mapping[str, Any]) -> Any:
    """What the written value means; a template with a part that is not known is not known."""
    python = "".join(
        _template(part) if part.startswith('"') else _as_python(part)
        for part in re.findall(r'"(?:\\.|[^"\\])*"|[^"]+', written)
    )
    try:
        value = eval(python, {"__builtins__": {}, "str": str, "null": None}, dict(values))
    except (SyntaxError, NameError, AttributeError, TypeError):
        text = _("The stand-in cannot read this value: {written}")
        raise ProvisioningError(text.format(written=written)) from None
    return UNKNOWN if isinstance(value, str) and UNKNOWN in value else value


def _as_python(written: str) -> str:
    each = re.sub(r"(lab_\w+\.\w+)\[\*\]\.(\w+)", r"[one.\2 for one in \1]", written)
    return re.sub(r"&&|\|\||!=|!|\btrue\b|\bfalse\b", lambda found: _WORDS[found[0]], each)


def _template(written: str) -> str:
    parts = re.split(r"\$\{([^}]*)\}", written[1:-1])
    terms = [
        f"str({_as_python(part)})" if nth % 2 else f'"{part}"' for nth, part in enumerate(parts)
    ]
    return f"({' + '.join(terms)})"


def _check_rule(block: Block, variables: Mapping[str, Any]) -> None:
    for rule in block.blocks:
        attributes = rule.attributes
        if not _value(attributes["condition"], {"var": SimpleNamespace(**variables)}):
            raise ProvisioningError(_value(attributes["error_message"], {}))


def _change(
    address: str, actions: list[str], before: State | None, after: State | None
) -> dict[str, Any]:
    return {"address": address, "change": {"actions": actions, "before": before, "after": after}}


def _event(type_: str, address: str, action: str) -> Event:
    words = {"apply_start": "…", "apply_complete": "done", "apply_errored": "failed"}
    return {
        "type": type_,
        "@timestamp": datetime.now(UTC).isoformat(),
        "@message": f"{address}: {action} {words[type_]}",
        "hook": {"resource": {"addr": address}, "action": action},
    }


def _not_read(file: str, number: int, line: str) -> ProvisioningError:
    text = _(
        "{file}, line {number}: the stand-in cannot read {line!r}. Mend the line, or install "
        "Terraform, which knows the whole language."
    )
    return ProvisioningError(text.format(file=file, number=number, line=line))
