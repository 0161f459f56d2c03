"""How far our clock is from a venue's: what answers tell of it, put together.

An answer says what time it was somewhere between our question and its coming. A ``Date`` is cut to
the second, and yet several that were asked for at different parts of a second leave room for little
more than what an answer takes.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

# The venue's time as text: seconds, milliseconds or microseconds since 1970.
_UNIX: Final = re.compile(rb"(?<![\d.])(\d{10}|\d{13}|\d{16})(?![\d])")
_DIGITS_S: Final = 10

# What a ``Date`` is cut to, and for how long servers go on with one that they have made.
DATE_STEP_S: Final = 1.5

# More of it is said, and what breaks handshakes and holds books back.
AHEAD_S_WARN: Final = 0.5
AHEAD_S_BAD: Final = 2.0


@dataclass(slots=True)
class ClockWindow:
    """By how many seconds our clock may be ahead of another, negative if behind."""

    low_s: float = -math.inf
    high_s: float = math.inf
    answers: int = 0
    contradict: bool = False
    """Whether answers cannot all be right: one came out of a cache, or the clock was set."""

    def hear(self, asked_s: float, came_s: float, theirs_s: float, step_s: float) -> None:
        """An answer: by our clock when it was asked for and when it came, and the venue's time,
        cut to ``step_s``.
        """
        low_s, high_s = asked_s - (theirs_s + step_s), came_s - theirs_s
        self.answers += 1
        if low_s > self.high_s or high_s < self.low_s:
            self.contradict = True
        else:
            self.low_s, self.high_s = max(self.low_s, low_s), min(self.high_s, high_s)

    @property
    def known(self) -> bool:
        """Whether anything told the time."""
        return self.answers > 0

    @property
    def ahead_s(self) -> float:
        """The middle of what is possible."""
        return (self.low_s + self.high_s) / 2

    @property
    def error_s(self) -> float:
        """How far from it the truth may be."""
        return (self.high_s - self.low_s) / 2

    def surely_beyond(self, bound_s: float) -> bool:
        """Whether our clock is off by more than that, whichever of the possible is true."""
        return self.low_s > bound_s or self.high_s < -bound_s


def told_time(body: bytes) -> tuple[float, float] | None:
    """The Unix time in an answer that tells the time, and what it is cut to, both in seconds."""
    found = _UNIX.search(body)
    if found is None:
        return None
    units = 10 ** (len(found[1]) - _DIGITS_S)
    return int(found[1]) / units, 1 / units
