"""The clock of windows that are simulated in haste: of each only the end is played, and the clock
leaps from the end of one to the last minutes of the next.

Whoever follows such windows has to know of it, whoever reads a recording of them as well: it is
noted there before all else.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Self

PACE_NOTE: Final = "pace"
"""What a note of it is called."""
_TS_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class Pace:
    """How windows of ``window_ns`` are played; times are Unix nanoseconds.

    One of them ends at ``end_ts``, when its clock shows ``shown_ts``. The others end before and
    after that every ``played_ns``.
    """

    end_ts: int
    shown_ts: int
    played_ns: int
    window_ns: int

    def __post_init__(self) -> None:
        if not 0 < self.played_ns <= self.window_ns < _TS_MAX:
            raise ValueError(f"windows of {self.window_ns} ns cannot be played in {self.played_ns}")

    def shown(self, ts: int) -> int:
        """What the clock of windows shows at a time."""
        number = -((self.end_ts - ts) // self.played_ns)
        left_ns = self.end_ts + number * self.played_ns - ts
        shown = self.shown_ts + number * self.window_ns - left_ns
        # What a recording says may be anything.
        return min(max(shown, -_TS_MAX), _TS_MAX)

    def shown_of(self, lasts_ns: int, ts: int) -> int:
        """The same for a window that lasts so long: others are played at their real pace."""
        return self.shown(ts) if lasts_ns == self.window_ns else ts

    def played(self, start_ts: int, end_ts: int) -> tuple[int, int]:
        """When a window that begins and ends so by its clock is really played."""
        if end_ts - start_ts != self.window_ns:
            return start_ts, end_ts
        really = self._really(end_ts)
        return really - self.played_ns, really

    def _really(self, end_ts: int) -> int:
        """When a window really ends that ends at ``end_ts`` by its clock."""
        number = (end_ts - self.shown_ts) // self.window_ns
        really = self.end_ts + number * self.played_ns
        return min(max(really, -_TS_MAX), _TS_MAX)

    def left_ns(self, lasts_ns: int, end_ts: int, ts: int) -> int:
        """How long a window that lasts so long and ends at ``end_ts`` by its clock still lasts at a
        time. Once it is over, what has passed since is counted at its real pace.
        """
        if lasts_ns != self.window_ns:
            return end_ts - ts
        really = self._really(end_ts)
        return end_ts - self.shown(ts) if ts < really else really - ts

    def told(self) -> dict[str, int]:
        """As an object of JSON."""
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, object]) -> Self:
        """What ``told`` says; ``ValueError`` or ``KeyError`` if that is no pace."""
        values = [told[name] for name in ("end_ts", "shown_ts", "played_ns", "window_ns")]
        whole = [value for value in values if type(value) is int and abs(value) < _TS_MAX]
        if len(whole) != len(values):
            raise ValueError("times of a pace are whole numbers of nanoseconds")
        return cls(*whole)
