"""Repair crews: what happens to copies that wait for a hand, as a Markov chain.

The chain is in one of its states, and leaves it for another at a rate (times a second, or a day:
one unit in a whole chain). Where it goes depends on the state alone, so all times are exponential.

>>> crew = RepairCrew(copies=2, mtbf=99, mttr=1, hands=1)
>>> f"{crew.availability():.6f}"
'0.999800'
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from devops_lab.rules import number, whole
from devops_lab.translation import _

if TYPE_CHECKING:
    from pandas import Series

State = Hashable
MOST_COPIES = 500


class MarkovChain:
    """States, and the rates at which one leads to another: `{("up", "down"): 1 / 99, …}`."""

    def __init__(self, rates: Mapping[tuple[State, State], float]) -> None:
        self.states = tuple(dict.fromkeys(state for pair in rates for state in pair))
        if len(self.states) < 2:
            raise ValueError(_("rates must lead from one state to another, got none."))
        place = {state: index for index, state in enumerate(self.states)}
        self._rates = np.zeros((len(self.states), len(self.states)))
        for (origin, goal), rate in rates.items():
            if origin == goal:
                text = _("rates must lead to another state, got {state!r} to itself.")
                raise ValueError(text.format(state=origin))
            self._rates[place[origin], place[goal]] = number("rates", rate, at_least=0)
        np.fill_diagonal(self._rates, -self._rates.sum(axis=1))

    def steady_state(self) -> "Series":
        """The share of the time spent in each state, in the long run.

        Raises ValueError where that depends on the start: a chain of two parts that never meet.
        """
        if self._endings() > 1:
            raise ValueError(
                _("There is no one steady state: where the chain ends depends on its start.")
            )
        size = len(self.states)
        # What flows into each state flows out of it, and the shares add up to one.
        flows = self._rates.T / np.abs(self._rates).max()
        equations, wanted = np.vstack([flows, np.ones(size)]), np.append(np.zeros(size), 1.0)
        return self._by_state(np.linalg.lstsq(equations, wanted, rcond=None)[0])

    def after(self, time: float, start: State) -> "Series":
        """The chance of each state when so much time has passed since the chain was in `start`."""
        number("time", time, at_least=0)
        chances = np.zeros(len(self.states))
        chances[self._place(start)] = 1.0
        return self._by_state(chances @ self._passed(time))

    def mean_time_to(self, *goals: State, start: State) -> float:
        """The mean time from `start` until one of the goals is reached; infinite if it may not."""
        if start in goals:
            return 0.0
        reached = [self._place(goal) for goal in goals]
        leads = self.ending_in(*goals)._leads()
        on_the_way = np.flatnonzero(leads[self._place(start)])
        if not leads[on_the_way][:, reached].any(axis=1).all():
            return float("inf")
        return self._time_to_leave(np.setdiff1d(on_the_way, reached), self._place(start))

    def ending_in(self, *states: State) -> "MarkovChain":
        """The same chain, but for these states, which are never left again."""
        stays = [self._place(state) for state in states]
        ending = object.__new__(MarkovChain)
        ending.states, ending._rates = self.states, self._rates.copy()
        ending._rates[stays] = 0.0
        return ending

    def _passed(self, time: float) -> np.ndarray:
        """The chances to go from each state to each in that time: the exponential of the rates.

        For so short a time that hardly two changes happen, a few terms of the sum over the number
        of changes (all positive, so no digits are lost); then squared up to the whole time.
        """
        fastest = max(-self._rates.diagonal().min() * time, 1e-300)
        halvings = max(0, int(np.ceil(np.log2(fastest))) + 1)
        short = time / 2**halvings
        mean_changes = fastest / 2**halvings
        step = np.eye(len(self.states)) + self._rates * short / mean_changes
        term = np.eye(len(self.states)) * np.exp(-mean_changes)
        passed = term.copy()
        for changes in range(1, 30):
            term = term @ step * mean_changes / changes
            passed += term
        for _halving in range(halvings):
            passed = passed @ passed
            # A chance that is lost in rounding would be lost twice in the next step.
            passed /= passed.sum(axis=1, keepdims=True)
        return passed

    def _time_to_leave(self, places: np.ndarray, start: int) -> float:
        """The mean time from `start` until all these places are left.

        Takes out one place after the other and lets those before it lead where it led. Without a
        subtraction, in which a chain of many nines would lose all its digits (Grassmann, Taksar and
        Heyman 1985).
        """
        rates, stays = self._rates.copy(), np.ones(len(self.states))
        np.fill_diagonal(rates, 0.0)
        for gone in places[places != start]:
            into = rates[:, gone] / rates[gone].sum()
            stays += into * stays[gone]
            rates += np.outer(into, rates[gone])
            rates[:, gone] = 0.0
            np.fill_diagonal(rates, 0.0)
        return float(stays[start] / rates[start].sum())

    def _leads(self) -> np.ndarray:
        """Whether each state leads to each, at once or over others; to itself it does."""
        leads = (self._rates > 0) | np.eye(len(self.states), dtype=bool)
        for _doubling in range(len(self.states).bit_length()):
            leads = leads @ leads
        return leads

    def _endings(self) -> int:
        """In how many separate sets of states the chain can end."""
        leads = self._leads()
        both_ways = leads & leads.T
        # A state belongs to an ending if whatever it leads to leads back.
        is_ending = (leads == both_ways).all(axis=1)
        return len({tuple(row) for row in both_ways[is_ending]})

    def _place(self, state: State) -> int:
        if state not in self.states:
            text = _("state must be one of {states}, got {state!r}.")
            listed = ", ".join(map(str, self.states))
            raise ValueError(text.format(states=listed, state=state))
        return self.states.index(state)

    def _by_state(self, shares: np.ndarray) -> "Series":
        import pandas as pd

        return pd.Series(np.clip(shares, 0.0, 1.0), index=list(self.states), name="share")


def birth_and_death(births: Sequence[float], deaths: Sequence[float]) -> MarkovChain:
    """A chain of the states 0, 1, 2, …: one up at `births[i]` from i, one down at `deaths[i]` to i.

    >>> birth_and_death([1, 1, 1], [2, 2, 2]).steady_state().round(4).tolist()
    [0.5333, 0.2667, 0.1333, 0.0667]
    """
    upwards = {(state, state + 1): rate for state, rate in enumerate(births)}
    downwards = {(state + 1, state): rate for state, rate in enumerate(deaths)}
    return MarkovChain(upwards | downwards)


@dataclass(frozen=True)
class RepairCrew:
    """Copies that fail, and so many hands that repair them, one copy a hand.

    Each copy runs for `mtbf` on average and is repaired in `mttr`, not counting the wait for a free
    hand; both in one unit, which is also that of the times below. All times are exponential.
    """

    copies: int
    mtbf: float
    mttr: float
    hands: int = 1

    def __post_init__(self) -> None:
        whole("copies", self.copies, at_least=1, at_most=MOST_COPIES)
        whole("hands", self.hands, at_least=1)
        number("mtbf", self.mtbf, above=0)
        number("mttr", self.mttr, above=0)

    def chain(self) -> MarkovChain:
        """The chain behind it; its state is the number of copies that are down."""
        downs = range(self.copies)
        failures = [(self.copies - down) / self.mtbf for down in downs]
        repairs = [min(down + 1, self.hands) / self.mttr for down in downs]
        return birth_and_death(failures, repairs)

    def availability(self, needed: int = 1) -> float:
        """The share of the time in which at least `needed` copies are up, in the long run."""
        return self._share_up(self.chain().steady_state(), needed)

    def availability_after(self, time: float, needed: int = 1) -> float:
        """The chance that at least `needed` copies are up so long after all were."""
        return self._share_up(self.chain().after(time, start=0), needed)

    def mean_time_to_outage(self, needed: int = 1) -> float:
        """The mean time from all copies up until fewer than `needed` are."""
        self._check(needed)
        return self.chain().mean_time_to(self.copies - needed + 1, start=0)

    def _share_up(self, shares: "Series", needed: int) -> float:
        self._check(needed)
        return float(shares[shares.index <= self.copies - needed].sum())

    def _check(self, needed: int) -> None:
        remedy = _("There are not more copies.")
        whole("needed", needed, at_least=1, at_most=self.copies, remedy=remedy)
