"""The private folder of a reaper, and what to do with one whose reaper is gone.

Its name says which process the reaper is. Below it every program has a folder, whose file `pid`
says the same of the program. Should kernel and reaper die at the same moment, the next reaper ends
by these what is left.
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from devops_lab.families import Birth, birth_of, end, is_alive


def new_home() -> Path:
    """A new folder for this process, which no other user can enter. The first reaper that is
    started when the process is gone removes it."""
    pid, born_s = birth_of(os.getpid())
    return Path(tempfile.mkdtemp(prefix=f"devops-lab-{pid}-{born_s:.2f}-"))


def write_birth(folder: Path, birth: Birth) -> None:
    """Write down which process the program of this folder is."""
    (folder / "pid").write_text("{} {}".format(*birth))


def sweep(home: Path) -> None:
    """End the programs of a reaper that is gone, and remove its folder."""
    births = []
    for record in home.glob("*/pid"):
        try:
            pid, born_s = record.read_text().split()
            births.append((int(pid), float(born_s)))
        # The reaper may have died while it wrote.
        except (OSError, ValueError):
            pass
    end(*births)
    shutil.rmtree(home, ignore_errors=True)


def sweep_all() -> None:
    """Sweep what dead reapers of this user have left in the temporary folder."""
    for home in Path(tempfile.gettempdir()).glob("devops-lab-*-*-*"):
        try:
            if _is_ours(home) and not _has_reaper(home):
                sweep(home)
        # Another reaper may be sweeping too, and such a name may be anybody's.
        except (OSError, ValueError):
            pass


def _is_ours(home: Path) -> bool:
    status = home.lstat()
    ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return ours and stat.S_ISDIR(status.st_mode)


def _has_reaper(home: Path) -> bool:
    pid, born_s = home.name.split("-")[2:4]
    return is_alive((int(pid), float(born_s)))
