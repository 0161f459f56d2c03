"""The price of the world, its windows, and what they are worth to somebody who knows it.

Windows are quarters of an hour of which only the end is played: the clock of windows jumps from
the end of one to the last minutes of the next, and runs at its usual pace in between. So a mean of
a minute is one of 60 real seconds, and nobody has to wait for a quarter of an hour.
"""

from dataclasses import dataclass
from math import erfc, sqrt
from statistics import fmean
from typing import Final, NamedTuple

from bookfeed.sim.latent import Latent

QUARTER_S: Final = 900
MEAN_S: Final = 60


@dataclass(frozen=True, slots=True)
class BtcConfig:
    """How long a window is played, and how fast spot books move. ``ValueError`` for what cannot
    be.
    """

    seed: int = 1
    played_s: int = 120
    """Real seconds from the end of one window to that of the next."""
    windows: int = 60
    rate: float = 60.0
    """Frames a second of each spot venue."""

    def __post_init__(self) -> None:
        if not 75 <= self.played_s <= QUARTER_S:
            raise ValueError(f"played_s must be 75 to {QUARTER_S}, not {self.played_s}")
        if self.windows < 1:
            raise ValueError(f"windows must be at least 1, not {self.windows}")


class Slot(NamedTuple):
    """One window: its quarter by the clock of windows, and when it is played, Unix seconds."""

    number: int
    start_s: int
    end_s: int
    played_from_s: int
    played_to_s: int


@dataclass(frozen=True, slots=True)
class WindowClock:
    """When windows are played. ``first_end_s`` is the real time at which the first one ends,
    ``quarter_end_s`` the time that its clock shows then.
    """

    first_end_s: int
    quarter_end_s: int
    played_s: int

    @classmethod
    def begun(cls, now_s: int, played_s: int) -> "WindowClock":
        """Windows from now on: the first one ends a minute after the mean of its end begins."""
        first_end_s = now_s + max(played_s * 3 // 4, MEAN_S + 15)
        return cls(first_end_s, -(-first_end_s // QUARTER_S) * QUARTER_S, played_s)

    def slot(self, number: int) -> Slot:
        """A window by its place; before 0 there are those that are over."""
        end_s = self.quarter_end_s + number * QUARTER_S
        played_to_s = self.first_end_s + number * self.played_s
        return Slot(number, end_s - QUARTER_S, end_s, played_to_s - self.played_s, played_to_s)

    def shown(self, at: float) -> float:
        """What the clock of windows shows at a real time, both Unix seconds."""
        number = -int(-(at - self.first_end_s) // self.played_s)
        slot = self.slot(number)
        return slot.end_s - (slot.played_to_s - at)


class World:
    """The price, and what is decided by it."""

    def __init__(self, seed: int, clock: WindowClock, start_s: float) -> None:
        self.latent: Final = Latent(seed, start_s - 2 * MEAN_S)
        self.clock: Final = clock
        self._means: Final[dict[int, float]] = {}

    def mean(self, end_s: int) -> float:
        """The mean of the sixty seconds before a time, to the cent."""
        if end_s not in self._means:
            values = [self.latent.at(float(end_s - back)) for back in range(1, MEAN_S + 1)]
            self._means[end_s] = round(fmean(values), 2)
        return self._means[end_s]

    def strike(self, slot: Slot) -> float:
        """What the end of a window is compared with: how the one before it ended."""
        return self.mean(slot.played_from_s)

    def worth(self, strike: float, end_s: int, at: float) -> float:
        """The probability that the mean at the end is at least a strike, with all that is known of
        the price at a time, if jumps are but a part of its deviation.
        """
        price = self.latent.at(at)
        sigma = price * self.latent.course.deviation
        before_s = end_s - MEAN_S - at
        if before_s >= 0:
            expected, variance = price, before_s + _FREE_S
        else:
            banked = [self.latent.at(float(s)) for s in range(end_s - MEAN_S, int(at) + 1)]
            left = MEAN_S - len(banked)
            expected = (sum(banked) + left * price) / MEAN_S
            variance = left * (left + 1) * (2 * left + 1) / (6 * MEAN_S**2)
        if variance <= 0:
            return float(expected >= strike)
        return erfc((strike - expected) / (sigma * sqrt(2 * variance))) / 2


_FREE_S: Final = (MEAN_S + 1) * (2 * MEAN_S + 1) / (6 * MEAN_S)
"""Seconds of variance that a mean has from before its first sample on."""
