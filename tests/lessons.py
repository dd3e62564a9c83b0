"""Lessons as the tests see them: their cells and exercises, and small lessons made for a test."""

import ast
import copy
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).parent.parent
LESSON_FILES = sorted((ROOT / "notebooks").glob("*.ipynb"))

# The same on every machine, whatever kernel the author had: a lesson's file changes with the
# lesson only.
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

WIDGET = "application/vnd.jupyter.widget-view+json"
FIGURES = {"application/vnd.plotly.v1+json", "image/png", "image/svg+xml"}


@dataclass(frozen=True)
class Exercise:
    """An exercise's three cells and the name that the learner gives the answer in."""

    key: str
    name: str
    cells: tuple[NotebookNode, NotebookNode, NotebookNode]

    @property
    def solution_name(self) -> str:
        return f"{self.name}_solution"


@dataclass(frozen=True)
class Lesson:
    """One notebook, read or made; `name` is its file name without the ending."""

    name: str
    notebook: NotebookNode

    @property
    def number(self) -> str:
        return self.name[:2]

    @property
    def cells(self) -> list[NotebookNode]:
        return self.notebook.cells

    @property
    def code(self) -> list[NotebookNode]:
        return [cell for cell in self.cells if cell.cell_type == "code"]

    @property
    def prose(self) -> list[NotebookNode]:
        return [cell for cell in self.cells if cell.cell_type == "markdown"]

    @cached_property
    def exercises(self) -> list[Exercise]:
        """One for each cell check-X that stands after exercise-X and before solution-X."""
        places = {cell.id: place for place, cell in enumerate(self.cells)}
        found = []
        for cell in self.code:
            name = cell.id.removeprefix("check-")
            ids = (f"exercise-{name}", f"check-{name}", f"solution-{name}")
            order = [places.get(cell_id, -1) for cell_id in ids]
            if order == sorted({*order} - {-1}):
                three = tuple(self.cells[place] for place in order)
                found += [Exercise(*call, three) for call in check_calls(cell)]
        return found

    def with_solutions(self) -> NotebookNode:
        """The notebook as if the learner had given each exercise's solution as the answer."""
        notebook = copy.deepcopy(self.notebook)
        for exercise in Lesson(self.name, notebook).exercises:
            asked, _, solution = exercise.cells
            answer = f"{exercise.name} = {exercise.solution_name}"
            asked.source = "\n".join((asked.source, solution.source, answer))
        return notebook


def read_lesson(path: Path) -> Lesson:
    return Lesson(path.stem, nbformat.read(path, as_version=4))


def code_cell(
    source: str, cell_id: str, *tags: str, printed: str = "", folded: bool = False
) -> NotebookNode:
    """A code cell that has been run and, where it printed something, says what."""
    metadata: dict[str, object] = {"tags": list(tags)} if tags else {}
    if folded:
        metadata["jupyter"] = {"source_hidden": True}
    outputs = [new_output("stream", name="stdout", text=printed)] if printed else []
    return new_code_cell(source, id=cell_id, metadata=metadata, outputs=outputs)


def prose_cell(source: str, cell_id: str, *tags: str) -> NotebookNode:
    return new_markdown_cell(source, id=cell_id, metadata={"tags": list(tags)} if tags else {})


def make_lesson(*cells: NotebookNode, name: str = "00_made_for_a_test") -> Lesson:
    """A lesson of these cells, as if it had been run from top to bottom."""
    notebook = new_notebook(cells=list(cells), metadata=NOTEBOOK_METADATA)
    lesson = Lesson(name, notebook)
    for count, cell in enumerate(lesson.code, 1):
        cell.execution_count = count
    return lesson


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def tree(cell: NotebookNode) -> ast.Module:
    """The cell's code; empty where it is prose or no plain Python (a rule of its own says so)."""
    try:
        return ast.parse(cell.source if cell.cell_type == "code" else "")
    except SyntaxError:
        return ast.Module([], [])


def assigned_names(cell: NotebookNode) -> set[str]:
    """The names that the cell gives a value or defines."""
    names = set()
    for node in ast.walk(tree(cell)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names


def used_names(cell: NotebookNode) -> set[str]:
    """The names whose value the cell uses."""
    nodes = ast.walk(tree(cell))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def calls(cell: NotebookNode, function: str) -> list[ast.Call]:
    """The calls of a plainly named function, such as `check(...)`, in the cell."""
    return [
        node
        for node in ast.walk(tree(cell))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == function
    ]


def check_calls(cell: NotebookNode) -> list[tuple[str, str]]:
    """Key and name of each `check("02.decode", decode)` in the cell."""
    return [
        (call.args[0].value, call.args[1].id)
        for call in calls(cell, "check")
        if len(call.args) == 2
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[1], ast.Name)
    ]


def words_of(cell: NotebookNode) -> str:
    """The cell's prose without code and without the addresses of links."""
    text = re.sub(r"```.*?```|`[^`]*`", " ", cell.source, flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)|https?://\S+", "] ", text)


def headings(cell: NotebookNode) -> list[tuple[int, str]]:
    """Level and text of each heading in the cell's prose, in order."""
    if cell.cell_type != "markdown":
        return []
    prose = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
    found = re.findall(r"^(#{1,6}) +(.+)$", prose, flags=re.MULTILINE)
    return [(len(marks), text.strip()) for marks, text in found]


def section(lesson: Lesson, title: str) -> list[NotebookNode]:
    """The cells under the first heading that begins with the title, up to the next as high."""
    found: list[NotebookNode] = []
    level = 0
    for cell in lesson.cells:
        for marks, text in headings(cell):
            if level and marks <= level:
                return found
            if not level and text.lower().startswith(title.lower()):
                level = marks
                found.append(cell)
        if level and cell not in found:
            found.append(cell)
    return found


def output_texts(cell: NotebookNode) -> list[str]:
    """Everything readable that the cell stored: prints, plain texts and pages, tracebacks."""
    texts = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append("\n".join((output.evalue, *output.traceback)))
        else:
            readable = (kind for kind in output.data if kind.startswith("text/"))
            texts += [output.data[kind] for kind in readable]
    return texts


def output_kinds(cell: NotebookNode) -> set[str]:
    """The media types that the cell stored."""
    outputs = cell.get("outputs", [])
    return {kind for output in outputs for kind in output.get("data", {})}


def failures(ran: Lesson) -> list[str]:
    """Cells that raised or warned, and cells that should have raised and did not."""
    found = []
    for cell in ran.code:
        errors = [output for output in cell.outputs if output.output_type == "error"]
        warnings = [output.text for output in cell.outputs if output.get("name") == "stderr"]
        expected = "raises-exception" in tags(cell)
        if expected and not errors:
            found.append(f"{cell.id}: tagged raises-exception, and did not raise")
        if not expected:
            found += [f"{cell.id}: {error.ename}: {error.evalue}" for error in errors]
        found += [f"{cell.id}: on the error stream: {text}" for text in warnings]
    return found
