"""Books that a venue was asked for and does not give: which, and when to ask again. Without I/O.

A symbol is mistyped, or its market is over. Such a book is asked for on a connection of its own, so
that it costs no other book anything, and ever more rarely: a handful of times a day.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from bookfeed.clock import NS_PER_S
from bookfeed.live.pacing import Backoff

AGAIN: Final = Backoff(3600 * NS_PER_S, 8 * 3600 * NS_PER_S, 0.25)

# So many symbols are named in a line.
NAMED_MAX: Final = 5


@dataclass(slots=True)
class Absence:
    """A book that is not given: how often that was so, and when it is asked for again."""

    tries: int = 0
    again_ns: int | None = None


@dataclass(slots=True)
class Absences:
    """The books of a venue that are not given, by instrument number."""

    rng: random.Random
    _of: dict[int, Absence] = field(default_factory=dict)

    def __contains__(self, instrument: int) -> bool:
        return instrument in self._of

    def note(self, instrument: int, now_ns: int) -> None:
        """A book was asked for and not given, once more."""
        absence = self._of.setdefault(instrument, Absence())
        absence.again_ns = now_ns + AGAIN.delay_ns(absence.tries, self.rng)
        absence.tries += 1

    def take_due(self, now_ns: int) -> list[int]:
        """Return the books to ask for again now; each is noted again if it is not given."""
        due = [i for i, a in self._of.items() if a.again_ns is not None and a.again_ns <= now_ns]
        for instrument in due:
            self._of[instrument].again_ns = None
        return due

    def forget(self, instrument: int) -> None:
        """The book is there, or not wanted any more."""
        self._of.pop(instrument, None)


def in_words(symbols: Iterable[str]) -> str:
    """What to tell the user of books that are not given."""
    listed = list(symbols)
    more = f" and {len(listed) - NAMED_MAX} more" if len(listed) > NAMED_MAX else ""
    named = ", ".join(listed[:NAMED_MAX])
    return f"the venue has no book for {named}{more}; is the id right, or the market over?"
