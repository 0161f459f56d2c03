"""Calls at fixed distances of feed time: the same instants live and in a replay.

Feed time is the time of the inputs. An instant is a whole multiple of its distance since 1970, so
``every(60)`` is called at full minutes. Instants are judged when time is let pass in the engine
(``advance``), and only then: a feed does so exactly when one is due, which is journalled, so a
replay of the journal judges at the same places and comes to the same calls. Of instants that went
by together (the loop stood still, the machine slept) only the newest is called: there is no burst
of calls to make up for lost ones.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bookfeed.clock import seconds_ns

SECONDS_MIN: Final = 0.001

Deliver = Callable[[int], object]


@dataclass(slots=True, eq=False)
class Entry:
    """One callback; ``next_ns`` is its next instant, ``None`` until time has begun."""

    every_ns: int
    deliver: Deliver
    next_ns: int | None = None


class Schedule:
    """The callbacks of one feed or replay, and when they are due."""

    def __init__(self) -> None:
        self._entries: Final[list[Entry]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, seconds: float, deliver: Deliver, now_ns: int | None = None) -> Entry:
        """Have ``deliver`` called with each instant.

        The first is the one after ``now_ns``, or after the first time that passes. Raises
        ``ValueError`` unless ``seconds`` is at least ``SECONDS_MIN`` and finite.
        """
        if not (math.isfinite(seconds) and seconds >= SECONDS_MIN):
            raise ValueError(f"every() needs {SECONDS_MIN} seconds or more, not {seconds!r}")
        entry = Entry(seconds_ns(seconds), deliver)
        if now_ns is not None:
            entry.next_ns = _after(entry, now_ns)
        self._entries.append(entry)
        return entry

    def remove(self, entry: Entry) -> None:
        """Call it no more; harmless if it is gone."""
        if entry in self._entries:
            self._entries.remove(entry)

    @property
    def due_ns(self) -> int | None:
        """The next instant of all, in Unix nanoseconds; ``None`` if there is none yet."""
        return min((e.next_ns for e in self._entries if e.next_ns is not None), default=None)

    def run(self, now_ns: int) -> None:
        """Time has passed until ``now_ns``: call whom it concerns, each once, in order."""
        due: list[tuple[int, Entry]] = []
        for entry in self._entries:
            if entry.next_ns is not None and entry.next_ns <= now_ns:
                due.append((_after(entry, now_ns) - entry.every_ns, entry))
            if entry.next_ns is None or entry.next_ns <= now_ns:
                entry.next_ns = _after(entry, now_ns)
        for instant_ns, entry in sorted(due, key=lambda one: one[0]):
            entry.deliver(instant_ns)


def _after(entry: Entry, now_ns: int) -> int:
    """The first instant after ``now_ns``."""
    return (now_ns // entry.every_ns + 1) * entry.every_ns
