"""Every benchmark still runs: a smoke run of each, without a look at the numbers."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = sorted(Path(__file__).parent.glob("bench_*.py"))


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda benchmark: benchmark.stem)
def test_the_benchmark_runs(benchmark: Path) -> None:
    ran = subprocess.run(
        [sys.executable, benchmark, "--smoke"],
        cwd=benchmark.parent.parent,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout
