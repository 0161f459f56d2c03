"""The price that all simulated venues of one world are about: a walk, and now and then a jump.

Nobody trades at it and nobody is told of it. Each venue's books stand around what it was a little
while ago. Time goes in steps of a tenth of a second, so that whoever asks for a time, in whichever
order, is told the same price: a seed tells the whole story.
"""

from dataclasses import dataclass
from math import exp, sqrt
from random import Random
from typing import Final

from bookfeed.sim.chance import seeded

STEPS_A_SECOND: Final = 10


@dataclass(frozen=True, slots=True)
class Course:
    """How a price moves. Bitcoin's moved by 3.5e-5 a root second on a day of July 2026, jumps and
    all; by default it is livelier.
    """

    start: float = 84_000.0
    """Dollars."""
    sigma: float = 3.5e-5
    """Deviation of its logarithm a root second."""
    jump_every_s: float = 60.0
    jump: float = 3e-4
    """Deviation of the logarithm of a jump."""

    @property
    def deviation(self) -> float:
        """Of all moves together, a root second."""
        return sqrt(self.sigma**2 + self.jump**2 / self.jump_every_s)


class Latent:
    """The price at any time from ``start_s`` on."""

    def __init__(self, seed: int, start_s: float = 0.0, course: Course | None = None) -> None:
        self.course: Final = course or Course()
        self.start_s: Final = start_s
        self._rng: Final[Random] = seeded("latent price", seed)
        self._logs: Final = [0.0]

    def at(self, time_s: float) -> float:
        """Dollars at a time, in seconds; the first price at any time before the beginning."""
        step = max(0, int((time_s - self.start_s) * STEPS_A_SECOND))
        while len(self._logs) <= step:
            self._logs.append(self._logs[-1] + self._move())
        return self.course.start * exp(self._logs[step])

    def _move(self) -> float:
        course = self.course
        moved = self._rng.gauss(0.0, course.sigma / sqrt(STEPS_A_SECOND))
        if self._rng.random() < 1 / (course.jump_every_s * STEPS_A_SECOND):
            moved += self._rng.gauss(0.0, course.jump)
        return moved
