"""How quickly metrics are made and logs are asked. Run by `make bench`.

Samples a second of a generated shop, beside mockseries at a series with the same trend, weekly and
daily waves and noise; and questions in SQL to 200,000 lines. All on one core; the best of the
rounds.

mockseries 0.3.1 pins NumPy 1.26.3, and the course needs NumPy 2: it gets an environment of its own
for the time of the run, and where pip cannot fill that, this is said. `--smoke` measures as little
as shows that all of this still works, and leaves mockseries out.
"""

import itertools
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from devops_lab.generated_logs import access_lines, as_json_lines
from devops_lab.logs import Logs
from devops_lab.telemetry import Shop, Traffic

LINES = 200_000
STEP_S = 15
QUESTIONS = {
    "errors by server": "SELECT server, count_if(status >= 500) / count(*) FROM lines GROUP BY 1",
    "p50 and p99": "SELECT quantile_cont(service_s, [0.5, 0.99]) FROM lines",
    "the slowest page": "SELECT path, avg(service_s) FROM lines GROUP BY 1 ORDER BY 2 DESC LIMIT 1",
}
PEER = "mockseries==0.3.1"
PEER_PROGRAM = f"""
import time
from datetime import datetime, timedelta
from mockseries.noise import GaussianNoise
from mockseries.seasonality import SinusoidalSeasonality
from mockseries.trend import LinearTrend
from mockseries.utils import datetime_range

day, points = timedelta(days=1), 50_000
series = (
    LinearTrend(coefficient=0.1, time_unit=7 * day, flat_base=20)
    + SinusoidalSeasonality(amplitude=14, period=day)
    + SinusoidalSeasonality(amplitude=3, period=7 * day)
    + GaussianNoise(mean=0, std=1)
)
times = datetime_range(
    granularity=timedelta(seconds={STEP_S}), start_time=datetime(2026, 3, 2), num_points=points
)
best_s = float("inf")
for _round in range(5):
    began = time.perf_counter()
    series.generate(times)
    best_s = min(best_s, time.perf_counter() - began)
print(points / best_s)
"""


def main(smoke: bool) -> None:
    rounds = 1 if smoke else 7
    ours_per_s = samples_per_s(Shop(days=1, servers=1 if smoke else 20, step_s=STEP_S), rounds)
    print(f"samples of a shop: {ours_per_s / 1e6:.1f} million/s (budget 20 million/s)")
    if not smoke:
        print_peer(ours_per_s)
    with tempfile.TemporaryDirectory() as folder:
        print_questions(Path(folder) / "access.jsonl", LINES // 100 if smoke else LINES, rounds)


def samples_per_s(shop: Shop, rounds: int) -> float:
    """The samples of all series that are made in a second."""
    made = sum(len(day) for day in shop.each_day())
    return made / quickest_s(lambda: [len(day) for day in shop.each_day()], rounds)


def print_peer(ours_per_s: float) -> None:
    """Our rate as a ratio to that of mockseries."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            peer_per_s = peer_samples_per_s(Path(folder))
        except subprocess.CalledProcessError as error:
            print(f"mockseries could not be run here: {error.stderr.strip().splitlines()[-1]}")
            return
    print(
        f"{PEER}: {peer_per_s / 1e6:.2f} million/s; ours is {ours_per_s / peer_per_s:.0f} times "
        "as quick (budget 40)"
    )


def peer_samples_per_s(folder: Path) -> float:
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    said = {"check": True, "capture_output": True, "text": True}
    subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], **said)
    return float(subprocess.run([python, "-c", PEER_PROGRAM], **said).stdout)


def print_questions(file: Path, lines: int, rounds: int) -> None:
    """How long each question takes, the file read anew for each."""
    shop = Shop(days=1, step_s=60, traffic=Traffic(mean_per_s=1.1 * lines / 86_400))
    written = itertools.islice(as_json_lines(access_lines(shop)), lines)
    file.write_text("".join(f"{line}\n" for line in written), encoding="utf-8")
    logs = Logs(file)
    count = int(logs.sql("SELECT count(*) FROM lines").iloc[0, 0])
    for name, query in QUESTIONS.items():
        took_s = quickest_s(lambda query=query: logs.sql(query), rounds)
        print(f"{name}, of {count:,} lines: {took_s * 1e3:.0f} ms (budget 200 ms)")


def quickest_s(act: Callable[[], object], rounds: int) -> float:
    """The shortest of the rounds: what others do on this machine can only add to it."""
    times_s = []
    for _round in range(rounds):
        began = time.perf_counter()
        act()
        times_s.append(time.perf_counter() - began)
    return min(times_s)


if __name__ == "__main__":
    main(smoke="--smoke" in sys.argv)
