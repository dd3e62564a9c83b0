"""Record the runs of this folder again, on this computer: `python data/scalability/record.py`.

It takes about half a minute. Nothing else should run meanwhile.
"""

import os
import platform
from datetime import date
from pathlib import Path

from pandas import DataFrame

from devops_lab.closing_servers import ClosingServer, measure_closing
from devops_lab.resources import Machine, doubled
from devops_lab.sized_servers import full_speed, scaled_out


def write(name: str, table: DataFrame) -> None:
    computer = f"{os.cpu_count()} cores {platform.machine()} {platform.system()}"
    python = f"Python {platform.python_version()}"
    table = table.assign(recorded_on=date.today(), computer=f"{computer}; {python}")
    file = Path(__file__).with_name(name)
    table.to_csv(file, index=False, float_format="%.4f", lineterminator="\n")
    print(f"{len(table)} rows in {name}")


def main() -> None:
    write("made_bigger.csv", full_speed(doubled(Machine())))
    write("made_more.csv", scaled_out(Machine(), [1, 2, 3, 4]))
    with ClosingServer() as server:
        write("closing.csv", measure_closing(server, repeats=5))


if __name__ == "__main__":
    main()
