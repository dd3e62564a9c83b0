"""Run lessons and store the outputs that the tests compare: `make outputs`, or by number
`python tests/store_outputs.py 00 02`.

A lesson in which a cell fails unexpectedly stays as it is.
"""

import copy
import sys
import sysconfig
import tempfile
from pathlib import Path

import nbformat
from lesson_run import run_apart
from lessons import (
    LESSON_FILES,
    NOTEBOOK_METADATA,
    ROOT,
    WIDGET,
    Lesson,
    failures,
    output_kinds,
    read_lesson,
    tags,
)
from nbformat import NotebookNode
from stills import add_stills


def main(numbers: list[str]) -> int:
    """The exit code: 0 when every lesson was run; without numbers, all are."""
    files = [file for file in LESSON_FILES if not numbers or file.name[:2] in numbers]
    missing = sorted(set(numbers) - {file.name[:2] for file in files})
    if missing:
        print(f"There is no lesson {', '.join(missing)} in notebooks/.")
    failed = [file for file in files if not store(file)]
    return 1 if missing or failed else 0


def store(file: Path) -> bool:
    """Whether the lesson ran as it should; says what became of it."""
    lesson = read_lesson(file)
    with tempfile.TemporaryDirectory() as folder:
        run = run_apart(lesson.notebook, Path(folder), lesson.name)
    found = failures(Lesson(lesson.name, run.notebook)) + run.leavings
    if found:
        print(f"{file.name} is left as it was:", *found, sep="\n  ")
        return False
    cleaned = clean(run.notebook)
    add_stills(cleaned)
    if what_is_compared(cleaned) == what_is_compared(lesson.notebook):
        print(f"{file.name} is as it was.")
    else:
        write(cleaned, file)
        print(f"{file.name} is stored.")
    return True


def write(notebook: NotebookNode, file: Path) -> None:
    file.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")


def clean(notebook: NotebookNode) -> NotebookNode:
    """The notebook without widgets and without traces of the machine it was run on."""
    cleaned = copy.deepcopy(notebook)
    cleaned.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    for cell in cleaned.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_widget(output)]
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [_without_folders(line) for line in output.traceback]
    return cleaned


def _is_widget(output: NotebookNode) -> bool:
    return WIDGET in output.get("data", {})


def _without_folders(line: str) -> str:
    """A traceback names files as they are called in every checkout and every installation."""
    for folder in (str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("stdlib")):
        line = line.replace(folder + "/", "")
    return line


def what_is_compared(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the kinds of output only, where the tests compare no output: what differs
    from run to run is no change."""
    compared = copy.deepcopy(notebook)
    for cell in compared.cells:
        if "nbval-ignore-output" in tags(cell):
            cell.outputs = sorted(output_kinds(cell))
    return compared


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
