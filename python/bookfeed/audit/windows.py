"""What is said of the windows that contracts settle by, computed anew from what was heard: the
values at both ends by the window's own rule, the strike, how much of a mean is known, who has won.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from bookfeed.audit import fair

Outcome = Literal["open", "yes", "no", "half", "unknown"]


class Said(NamedTuple):
    """What is said of a window; values in 1e-18."""

    strike: int | None
    opening: int | None
    closing: int | None
    told: tuple[bool, bool]
    """Whether the stream that decides told these two."""
    outcome: Outcome
    samples: tuple[int, int, int] | None
    """Of the closing mean: those that are known, those that passed unheard, and all."""
    needed: int | None
    """What the rest of it must average at least."""

    @property
    def lasting(self) -> tuple[object, ...]:
        """What does not change with every tick."""
        return self[:5]


@dataclass(frozen=True, slots=True)
class Heard:
    """All that a window rests on."""

    start: int
    end: int
    opening: fair.Rule
    closing: fair.Rule
    half_on_tie: bool
    strike: int | None
    """As its venue states it."""
    ticks: Sequence[fair.Tick]
    missed: frozenset[int]
    """Places of ticks before which others may have been missed."""
    decided: tuple[int | None, int | None]
    """What the stream that decides told of its start and its end."""

    def at_start(self) -> Fraction | str:
        """The value at its start, or ``"open"`` or ``"missing"``."""
        return self._at(0, self.opening, self.start)

    def at_end(self) -> Fraction | str:
        """The value at its end, likewise."""
        return self._at(1, self.closing, self.end)

    def _at(self, which: int, rule: fair.Rule, boundary: int) -> Fraction | str:
        decided = self.decided[which]
        if decided is not None:
            return Fraction(decided)
        return fair.boundary_value(rule, boundary, self.ticks, self.missed)

    def said(self) -> Said:
        """What there is to say of it."""
        opening, closing = self.at_start(), self.at_end()
        strike = _whole(opening) if self.strike is None else self.strike
        samples, needed = None, None
        if isinstance(self.closing, fair.MeanRule):
            samples, needed = self._mean(self.closing, strike)
        return Said(
            strike, _whole(opening), _whole(closing),
            (self.decided[0] is not None, self.decided[1] is not None),
            self._outcome(opening, closing, strike), samples, needed,
        )  # fmt: skip

    def _outcome(
        self, opening: Fraction | str, closing: Fraction | str, strike: int | None
    ) -> Outcome:
        if closing == "missing" or (self.strike is None and opening == "missing"):
            return "unknown"
        if strike is None or isinstance(closing, str):
            return "open"
        if self.half_on_tie and closing == strike:
            return "half"
        return "yes" if closing >= strike else "no"

    def _mean(
        self, rule: fair.MeanRule, strike: int | None
    ) -> tuple[tuple[int, int, int], int | None]:
        heard = fair.first_heard(self.ticks)
        newest, times = max(heard, default=-1), rule.times(self.end)
        left = sum(at > newest for at in times)
        known = [heard[at] for at in times if at in heard]
        samples = len(known), len(times) - left - len(known), len(times)
        if not left or strike is None:
            return samples, None
        return samples, math.ceil(Fraction(strike * len(times) - sum(known), left))


def difference(mine: Said, theirs: Said | None) -> bool:
    """Whether what is said there is something else. What the rest of a mean must average where
    samples were missed rests on what those are expected to be, and is not compared.
    """
    if theirs is not None and mine.samples is not None and mine.samples[1]:
        mine = mine._replace(needed=theirs.needed)
    return mine != theirs


def _whole(value: Fraction | str) -> int | None:
    return None if isinstance(value, str) else math.floor(value)
