"""What the course weighs: installed size, start, memory of each lesson. Run by `make bench`.

`--smoke` measures as little as shows that all of this still works.
"""

import importlib.metadata
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from lesson_run import run_apart
from lessons import LESSON_FILES, ROOT, read_lesson
from opened_course import opened_course

COMMAND = (sys.executable, "-c", "from devops_lab.cli import main; main()")
MEMORY_BUDGET_MB = 600


def main(smoke: bool) -> None:
    for part in ("binder/requirements.txt", "constraints.txt"):
        print(f"installed, {part}: {installed_mb(part):.0f} MB")
    repetitions = 1 if smoke else 5
    python_s, package_s = (
        quickest_s([sys.executable, "-c", line], repetitions)
        for line in ("pass", "import devops_lab")
    )
    print(f"import devops_lab: {1000 * (package_s - python_s):.0f} ms (budget 300 ms)")
    server_s = quickest_s([sys.executable, "-c", "from jupyterlab import labapp"], repetitions)
    print(
        f"devops-lab until it answers: {start_s():.1f} s, "
        f"of which Python needs {server_s:.1f} s to import JupyterLab"
    )
    for file in LESSON_FILES[:1] if smoke else LESSON_FILES:
        print(f"memory, {file.stem}: {memory_mb(file):.0f} MB (budget {MEMORY_BUDGET_MB} MB)")


def installed_mb(pins: str) -> float:
    """The size of the files of the pinned packages that are installed here."""
    lines = (ROOT / pins).read_text(encoding="utf-8").splitlines()
    return sum(map(_size_mb, (re.split("==", line)[0] for line in lines)))


def _size_mb(package: str) -> float:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return 0.0
    located = (Path(file.locate()) for file in files)
    return sum(path.stat().st_size for path in located if path.exists()) / 1e6


def quickest_s(command: Iterable[str], repetitions: int) -> float:
    """The shortest of the runs: what others do on this machine can only add to it."""
    times = []
    for _ in range(repetitions):
        started = time.perf_counter()
        subprocess.run(list(command), check=True, cwd=ROOT)
        times.append(time.perf_counter() - started)
    return min(times)


def start_s() -> float:
    """From the command to the address it prints, on copies that it makes."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with opened_course([*COMMAND, "--no-browser", "--folder", folder], folder=ROOT):
            return time.perf_counter() - started


def memory_mb(file: Path) -> float:
    """The most that the lesson's kernel and all its servers held together."""
    with tempfile.TemporaryDirectory() as folder:
        lesson = read_lesson(file)
        return run_apart(lesson.notebook, Path(folder), lesson.name).peak_memory_mb


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv[1:])
