"""A system of named parts, and what their availability makes of the whole.

>>> web = Copies("web", [Part("web 1", 0.99), Part("web 2", 0.99)])
>>> shop = Chain("shop", [Part("balancer", 0.999), web, Part("database", 0.995)])
>>> round(shop.availability, 5)
0.99391
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devops_lab.availability import downtime, k_of_n, series
from devops_lab.rules import one_of, share, whole
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import DataFrame

# Each part that is used in several places doubles the work.
MOST_USED_TWICE = 12

Availabilities = Mapping[str, float]


@dataclass(frozen=True)
class Part:
    """One named part, and the share of the time in which it is up."""

    name: str
    availability: float

    def __post_init__(self) -> None:
        share("availability", self.availability)

    def places(self) -> "Iterator[Part]":
        """Itself: it has one place in the diagram."""
        yield self

    def given(self, known: Availabilities) -> float:
        """Its own availability, or the one that is known of its name."""
        return known.get(self.name, self.availability)


@dataclass(frozen=True)
class _Joined:
    """Several parts that make one.

    They fail independently of each other. A name that stands in several places is one and the same
    part: down in one place, it is down in all.
    """

    name: str
    parts: "Sequence[Block]"

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError(_("parts must be at least one, got none."))
        object.__setattr__(self, "parts", tuple(self.parts))
        known: dict[str, Part] = {}
        for part in self.places():
            if known.setdefault(part.name, part) != part:
                text = _("{name} has two availabilities: parts of one name are one part.")
                raise ValueError(text.format(name=part.name))
        whole("parts in several places", len(self._shared()), at_most=MOST_USED_TWICE)

    @property
    def availability(self) -> float:
        """The share of the time in which the whole is up, from 0 to 1."""
        return self.with_parts({})

    def with_parts(self, availabilities: Availabilities) -> float:
        """The availability of the whole if the parts named had these instead of their own."""
        own = {part.name: part.availability for part in self.places()}
        ups = own | {
            one_of("part", name, own): share(name, availabilities[name]) for name in availabilities
        }
        return math.fsum(
            chance * self.given(ups | state) for state, chance in _states(self._shared(), ups)
        )

    def places(self) -> Iterator[Part]:
        """The part in each place of the diagram."""
        for part in self.parts:
            yield from part.places()

    def given(self, known: Availabilities) -> float:
        """The availability if the parts in all places were different ones."""
        raise NotImplementedError

    def table(self) -> "DataFrame":
        """One row a part: its availability, its downtime in a year of 365 days, and the downtime
        of the whole if this part never failed. The smallest says where to begin."""
        from pandas import DataFrame

        rows = [
            (part.name, part.availability, downtime(part.availability), downtime(without))
            for part in dict.fromkeys(self.places())
            for without in [self.with_parts({part.name: 1.0})]
        ]
        columns = ["part", "availability", "downtime", "downtime of the whole without its failures"]
        return DataFrame(rows, columns=columns)

    def _shared(self) -> list[str]:
        uses = Counter(part.name for part in self.places())
        return [name for name, count in uses.items() if count > 1]


@dataclass(frozen=True)
class Chain(_Joined):
    """Parts that all have to be up."""

    def given(self, known: Availabilities) -> float:
        """The product."""
        return series(*(part.given(known) for part in self.parts))


@dataclass(frozen=True)
class Copies(_Joined):
    """Parts of which `needed` have to be up."""

    needed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        remedy = _("There are not more parts.")
        whole("needed", self.needed, at_least=1, at_most=len(self.parts), remedy=remedy)

    def given(self, known: Availabilities) -> float:
        """The chance that enough of them are up."""
        each = [part.given(known) for part in self.parts]
        return k_of_n(self.needed, len(each), each)


Block = Part | Chain | Copies


def _states(names: Sequence[str], ups: Availabilities) -> Iterator[tuple[dict[str, float], float]]:
    """Each way in which these parts can be up or down, and its chance."""
    for states in itertools.product((1.0, 0.0), repeat=len(names)):
        state = dict(zip(names, states, strict=True))
        chance = math.prod(ups[name] if is_up else 1 - ups[name] for name, is_up in state.items())
        yield state, chance
