"""The clock of a live session: Unix nanoseconds that never step.

Receive times are Unix nanoseconds, because that is what venues and recordings speak. Staleness
is judged on those same times, so they must not follow the wall clock when it is stepped: an hour
of daylight saving would age every book, or hide that one is frozen. ``AnchoredClock`` reads the
wall once, when it is made, and afterwards adds what a steady clock has counted since. Where the
system has one, that steady clock goes on counting while the machine is suspended; after a night
asleep every book is then as old as it really is.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

NS_PER_S: Final = 1_000_000_000


class Clock(Protocol):
    """Anything that tells the time in Unix nanoseconds and never goes backwards."""

    def now_ns(self) -> int:
        """Return the present time in Unix nanoseconds."""
        ...


def seconds_ns(seconds: float) -> int:
    """Return a duration in seconds as nanoseconds."""
    return round(seconds * NS_PER_S)


def _steady_ns() -> Callable[[], int]:
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    if boot is None:
        return time.monotonic_ns
    return lambda: time.clock_gettime_ns(boot)


class AnchoredClock:
    """Unix nanoseconds from one reading of the wall clock and a steady clock since.

    ``wall_ns`` and ``steady_ns`` are for tests; both return nanoseconds.
    """

    __slots__ = ("_offset_ns", "_steady_ns", "_wall_ns")

    def __init__(
        self,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] | None = None,
    ) -> None:
        self._wall_ns = wall_ns
        self._steady_ns = _steady_ns() if steady_ns is None else steady_ns
        self._offset_ns = wall_ns() - self._steady_ns()

    def now_ns(self) -> int:
        """Return the present time in Unix nanoseconds; never earlier than the last answer."""
        return self._offset_ns + self._steady_ns()

    def wall_step_ns(self) -> int:
        """Return how far the wall clock has moved away from this clock, in nanoseconds."""
        return self._wall_ns() - self.now_ns()
