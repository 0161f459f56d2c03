"""How books answer when their references move: which moves are waited for, computed anew.

A reference has moved when it is several deviations away from where it was some time before; a book
has answered when its mid has come half of the way to what the contract was worth when that was
seen. All of it is looked at with each tick of the reference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bookfeed.audit.fair import Makes, Tick
from bookfeed.audit.numbers import NS_PER_S

# After so long nobody waits for an answer any more.
_GIVEN_UP: Final = 60 * NS_PER_S
_E18: Final = 10**18
# Of the weights of an infinite past, how much must be had.
_ENOUGH: Final = 0.9
# And how many moves that count alike are enough without, to within a rounding.
_MOVES_ENOUGH: Final = 20 - 1e-6


@dataclass(slots=True)
class Rhythm:
    """How much a reference moves a second: ``fair.variance_a_second``, kept up to date."""

    half_life_s: float
    step: int
    newest: Tick | None = None
    of: tuple[str, ...] = ()
    """What the newest was made of."""
    weighted: float = 0.0
    weights: float = 0.0
    squares: float = 0.0

    def tick(self, at: int, value: int, of: tuple[str, ...] = ()) -> None:
        """A tick of the reference, and what it is made of."""
        if value <= 0:
            return
        if self.newest is not None:
            if at - self.newest[0] < self.step:
                return
            if of == self.of:
                passed = (at - self.newest[0]) / NS_PER_S
                moved = math.log((value / _E18) / (self.newest[1] / _E18))
                self._count(passed, moved)
        self.newest, self.of = (at, value), of

    def _count(self, passed: float, moved: float) -> None:
        keep = math.exp(-passed * math.log(2) / self.half_life_s)
        self.weighted = keep * self.weighted + (1 - keep) * moved * moved / passed
        self.weights = keep * self.weights + (1 - keep)
        self.squares = keep**2 * self.squares + (1 - keep) ** 2

    @property
    def sigma(self) -> float | None:
        """Whole units a root second; ``None`` until enough was seen."""
        if self.newest is None or not self.squares:
            return None
        if self.weights < _ENOUGH and self.weights**2 / self.squares < _MOVES_ENOUGH:
            return None
        return self.newest[1] / _E18 * math.sqrt(self.weighted / self.weights)


class Waiting(NamedTuple):
    """A move that a book has not answered yet."""

    since: int
    waited: int
    up: bool
    halfway: int
    """Four times the mid from which on it is answered, in 1e-9."""

    def stands(self, mid_twice: int | None) -> bool:
        """Whether a book with twice such a mid has still not answered."""
        if mid_twice is None:
            return False
        return 2 * mid_twice < self.halfway if self.up else 2 * mid_twice > self.halfway


@dataclass(slots=True)
class Moves:
    """How the book of one contract answers."""

    within: int
    sigmas: float
    rising: bool | None
    """Whether it is worth more when its reference rises, or less; ``None``: as the case may be."""
    waiting: Waiting | None = None
    known: bool = True
    """Whether all ticks were looked at, so that nothing else can be waited for."""

    def tick(
        self,
        ticks: Sequence[Tick],
        sigma: float | None,
        price: int | None,
        mid_twice: int | None,
        of: Makes,
        known_since: int = 0,
    ) -> None:
        """The reference has ticked, with the last of ``ticks``; ``price`` and mid in 1e-9, the mid
        of a book that may be believed; ``of`` is what ticks are made of. From ``known_since`` on
        none of them was missed.
        """
        waiting, self.waiting = self.waiting, None
        if price is None or mid_twice is None:
            return
        at, apart = ticks[-1][0], 2 * price - mid_twice
        if waiting is not None:
            waiting = waiting._replace(waited=at - waiting.since)
            beyond = apart > 0 if waiting.up else apart < 0
            if waiting.stands(mid_twice) and waiting.waited <= _GIVEN_UP and beyond:
                self.waiting = waiting
        elif apart and self._moved(ticks, known_since, sigma, of, up=apart > 0):
            self.waiting = Waiting(at, 0, apart > 0, mid_twice + 2 * price)

    def _moved(
        self, ticks: Sequence[Tick], since: int, sigma: float | None, of: Makes, *, up: bool
    ) -> bool:
        at, value = ticks[-1]
        earlier = (ticks[n] for n in range(len(ticks) - 2, since - 1, -1))
        start = next((tick for tick in earlier if tick[0] <= at - self.within), None)
        if start is None or sigma is None or start[1] == value:
            return False
        if of.get(start[0]) != of.get(at):
            return False
        moved = (value - start[1]) / _E18
        far = self.sigmas * sigma * math.sqrt((at - start[0]) / NS_PER_S)
        right = self.rising is None or (moved > 0) == (up == self.rising)
        return abs(moved) >= far and right
