"""What a piece of work costs: time on the clock, and time of processors, of children as well.

The first grows with whatever else the machine does, the second hardly; so the second says what a
row would take on a machine of its own.
"""

import resource
import time
from typing import NamedTuple


class Spent(NamedTuple):
    """Seconds of both kinds."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def plus(self, other: "Spent") -> "Spent":
        """Both together."""
        return Spent(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def times(self, share: float) -> "Spent":
        """A share of it."""
        return Spent(self.wall_s * share, self.cpu_s * share)

    def since(self) -> "Spent":
        """What was spent from a reading of ``so_far`` until now."""
        return so_far().plus(self.times(-1))


def so_far() -> Spent:
    """Of this process and of its children that have ended, from some beginning on."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Spent(time.monotonic(), sum(one.ru_utime + one.ru_stime for one in used))
