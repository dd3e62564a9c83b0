"""Makes the files of this folder: a month of metrics and logs of a shop with labelled faults.

    python data/month/make.py [FOLDER]

The values are the same each time: every random number comes from the shop's seed.
"""

import gzip
import sys
from pathlib import Path

import duckdb

from devops_lab.generated_logs import access_lines, application_lines, as_json_lines
from devops_lab.telemetry import Fault, Shop, Traffic

SHOP = Shop(
    days=30,
    servers=5,
    start="2026-03-02",
    step_s=300,
    traffic=Traffic(mean_per_s=20, weekly_growth=0.03, holidays=("2026-03-20",)),
    faults=(
        Fault("bad_deploy", "3D 10h", "40min", size=0.08),
        Fault("leak", "6D 8h", "30h", server="server-3"),
        Fault("dead_server", "9D 2h 30min", "3h", server="server-2"),
        Fault("slow_dependency", "12D 18h", "2h"),
        Fault("spike", "15D 11h", "90min"),
        Fault("missing_samples", "19D", "12h", server="server-4"),
        Fault("saturation", "22D 9h", "5h", server="server-5"),
        Fault("clock_skew", "25D 6h", "20h", server="server-1"),
        Fault("cardinality_explosion", "27D 13h", "1h", server="server-3"),
    ),
    seed=2026,
)
# Of all requests; one customer's fail, all of them, and nobody has noticed.
KEPT_SHARE, FAILING_USER = 0.001, 150


def main(folder: Path) -> None:
    """Write the four files."""
    # With several threads DuckDB 2.0.0 now and then writes an empty text in place of a category.
    database = duckdb.connect(config={"threads": 1})
    database.register("samples", SHOP.samples())
    target = str(folder / "metrics.parquet").replace("'", "''")
    database.execute(f"COPY (FROM samples) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    SHOP.planted().to_csv(folder / "faults.csv", index=False)
    access = access_lines(SHOP, kept_share=KEPT_SHARE, failing_user=FAILING_USER)
    write(folder / "access.jsonl.gz", access)
    write(folder / "application.jsonl.gz", application_lines(access))


def write(file: Path, lines: object) -> None:
    """The rows as compressed JSON lines; without the time of writing, so that equal is equal."""
    text = "".join(f"{line}\n" for line in as_json_lines(lines))
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
