"""Calls at fixed distances of feed time: the same instants live and in a replay.

Feed time is the time of the inputs. An instant is a whole multiple of its distance since 1970, so
``every(60)`` is called at full minutes. Instants are judged when time is let pass in the engine
(``advance``), and only then: a feed does so exactly when one is due, which is journalled, so a
replay of the journal judges at the same places and comes to the same calls. Of instants that went
by together (the loop stood still, the machine slept) only the newest is called: there is no burst
of calls to make up for lost ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from bookfeed.clock import seconds_ns

SECONDS_MIN: Final = 0.001
# Beyond it, some thirty years, no instant would ever come.
SECONDS_MAX: Final = 1e9

Deliver = Callable[[int], object]
T = TypeVar("T")


@dataclass(slots=True)
class Entry:
    """One callback; ``next_ns`` is its next instant, ``None`` until time has begun."""

    every_ns: int
    deliver: Deliver
    next_ns: int | None


class Schedule(Generic[T]):
    """The callbacks of one feed or replay, by who owns them, and when they are due."""

    def __init__(self) -> None:
        self._entries: Final[dict[T, Entry]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def owners(self) -> list[T]:
        """Whose callbacks there are, in the order in which they came."""
        return list(self._entries)

    def add(self, owner: T, every_ns: int, deliver: Deliver, now_ns: int | None) -> None:
        """Have ``deliver`` called with each instant: the first is the one after ``now_ns``, or
        after the first time that passes.
        """
        next_ns = None if now_ns is None else _after(every_ns, now_ns)
        self._entries[owner] = Entry(every_ns, deliver, next_ns)

    def remove(self, owner: T) -> bool:
        """Call it no more; says whether it was there."""
        return self._entries.pop(owner, None) is not None

    @property
    def due_ns(self) -> int | None:
        """The next instant of all, in Unix nanoseconds; ``None`` if there is none yet."""
        return min(
            (e.next_ns for e in self._entries.values() if e.next_ns is not None), default=None
        )

    def run(self, now_ns: int) -> None:
        """Time has passed until ``now_ns``: call whom it concerns, each once, in order."""
        due: list[tuple[int, Entry]] = []
        for entry in self._entries.values():
            if entry.next_ns is not None and entry.next_ns <= now_ns:
                due.append((_after(entry.every_ns, now_ns) - entry.every_ns, entry))
            if entry.next_ns is None or entry.next_ns <= now_ns:
                entry.next_ns = _after(entry.every_ns, now_ns)
        for instant_ns, entry in sorted(due, key=lambda one: one[0]):
            entry.deliver(instant_ns)


def distance_ns(seconds: float) -> int:
    """``seconds`` as a distance of instants, in nanoseconds.

    Raises ``ValueError`` unless it is a number from ``SECONDS_MIN`` to ``SECONDS_MAX``.
    """
    if not isinstance(seconds, int | float) or not SECONDS_MIN <= seconds <= SECONDS_MAX:
        raise ValueError(
            f"every() needs {SECONDS_MIN} to {SECONDS_MAX:.0f} seconds, not {seconds!r}"
        )
    return seconds_ns(seconds)


def _after(every_ns: int, now_ns: int) -> int:
    """The first instant after ``now_ns``."""
    return (now_ns // every_ns + 1) * every_ns
