"""A machine's three resources, CPU, memory and disk, and what the shop's pages need of each.

A `Machine` is small on purpose, so that several of them fit on one laptop. Its work is real: it
computes, keeps bytes in memory, and reads and writes files. Its *size* is emulated: after each
piece of work the CPU rests until it has taken its share only, as the CPU limit of a container
makes it, and the disk until it has taken as long as a disk with so many accesses a second, as the
limit of a rented disk makes it.

>>> small = Machine(cpu_share=0.1, memory_photos=20, disk_per_s=40)
>>> capacity_per_s(small, "login"), capacity_per_s(small.changed(cpu_share=0.2), "login")
(50.0, 100.0)
"""

from dataclasses import dataclass, replace

from devops_lab.rules import number, one_of, whole
from devops_lab.translation import _

# All the photos of the shop, each of so many bytes.
PHOTOS = 40
PHOTO_BYTES = 64 * 1024


@dataclass(frozen=True)
class Machine:
    """The size of one machine: its share of a CPU core, the photos that its memory holds, and the
    accesses a second of its disk. The memory is real, the two others are emulated by resting."""

    cpu_share: float = 0.1
    memory_photos: int = 20
    disk_per_s: float = 40.0

    def __post_init__(self) -> None:
        number("cpu_share", self.cpu_share, above=0, at_most=1)
        whole("memory_photos", self.memory_photos, at_least=0, at_most=PHOTOS)
        number("disk_per_s", self.disk_per_s, above=0, at_most=1_000)

    def changed(self, **sizes: float) -> "Machine":
        """The same machine with other sizes."""
        return replace(self, **sizes)


def doubled(machine: Machine) -> dict[str, Machine]:
    """The machine as it is, and twice as big in one thing each."""
    return {
        _("as it is"): machine,
        _("twice the CPU"): machine.changed(cpu_share=2 * machine.cpu_share),
        _("twice the memory"): machine.changed(memory_photos=2 * machine.memory_photos),
        _("twice the disk"): machine.changed(disk_per_s=2 * machine.disk_per_s),
    }


@dataclass(frozen=True)
class Page:
    """What one request for a page needs: CPU seconds, and the disk (always, or for a photo that is
    not in memory)."""

    cpu_s: float
    photo: bool = False
    write: bool = False

    def disk_accesses(self, machine: Machine) -> float:
        """How often a request needs the disk on average, if every photo is as popular."""
        return float(self.write) + self.photo * (1 - machine.memory_photos / PHOTOS)


PAGES = {
    # A password is hashed many times over, so that a thief of the list has to do the same.
    "login": Page(cpu_s=0.002),
    "photo": Page(cpu_s=0.0004, photo=True),
    # An order is promised only when it is on the disk.
    "order": Page(cpu_s=0.0004, write=True),
}


def demands_s(machine: Machine, page: str) -> dict[str, float]:
    """How many seconds one request for the page keeps the CPU and the disk of the machine busy.

    >>> demands_s(Machine(memory_photos=20, disk_per_s=25), "photo")
    {'cpu': 0.004, 'disk': 0.02}
    """
    needs = PAGES[one_of("page", page, PAGES)]
    return {
        "cpu": needs.cpu_s / machine.cpu_share,
        "disk": needs.disk_accesses(machine) / machine.disk_per_s,
    }


def capacity_per_s(machine: Machine, page: str) -> float:
    """How many requests a second the machine can answer: what its busiest resource can do.

    Assumes that one request may compute while another one waits for the disk. The law is called the
    bottleneck law (Denning and Buzen 1978): throughput is at most 1 / the largest demand.
    """
    return 1 / max(demands_s(machine, page).values())


def bottleneck(machine: Machine, page: str) -> str:
    """The resource that is busy all the time when the machine can do no more: "cpu" or "disk".

    Where that is the disk because photos do not fit into memory, more memory helps too.
    """
    demands = demands_s(machine, page)
    return max(demands, key=demands.__getitem__)
