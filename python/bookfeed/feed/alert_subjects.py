"""``Subjects``: what alerts are about, what holds of each, and since when; none of it gathers.

A subject is the number of an instrument, or text for what is no book. ``number`` is the alert's.
"""

from collections.abc import Container
from typing import Final

Subject = int | str

TOLD_MAX: Final = 10_000
"""So many subjects are remembered as told, and as many events; then the oldest is forgotten."""


class Subjects:
    """What is remembered of the subjects of all alerts."""

    def __init__(self) -> None:
        # When something was told last of a subject, and how often it was held back since; in quiet
        # hours it is told to nobody's targets, and does not hold back what comes after them.
        self._told: Final[dict[tuple[int, Subject, bool], tuple[float, int]]] = {}
        self._holds: Final[set[tuple[int, Subject]]] = set()
        self._since_s: Final[dict[tuple[int, Subject], float]] = {}
        # Of what is never looked at again, such as a fill, nobody says when it is over.
        self._events: Final[dict[tuple[int, str], None]] = {}

    def __len__(self) -> int:
        """How much is remembered."""
        return len(self._told) + len(self._holds) + len(self._since_s) + len(self._events)

    def forget(self, number: int) -> None:
        """There is no such alert any more."""
        for told in [key for key in self._told if key[0] == number]:
            del self._told[told]
        for event in [key for key in self._events if key[0] == number]:
            del self._events[event]
        self.keep(number, ())

    def keep(self, number: int, subjects: Container[Subject]) -> None:
        """Of an alert these are all that there is: what held of others is forgotten."""
        for gone in [key for key in self._since_s if key[0] == number and key[1] not in subjects]:
            del self._since_s[gone]
        self._holds.difference_update(
            [key for key in self._holds if key[0] == number and key[1] not in subjects]
        )

    def begins(self, number: int, subject: Subject, *, holds: bool) -> bool:
        """Whether something holds of a subject that did not before."""
        key = (number, subject)
        if not holds:
            self._holds.discard(key)
            return False
        if key in self._holds:
            return False
        self._holds.add(key)
        return True

    def happens(self, number: int, event: str, *, holds: bool = True) -> bool:
        """The same of something that is not looked at again; the oldest is forgotten."""
        key = (number, event)
        if not holds:
            self._events.pop(key, None)
            return False
        if key in self._events:
            return False
        self._events[key] = None
        if len(self._events) > TOLD_MAX:
            del self._events[next(iter(self._events))]
        return True

    def is_new(self, number: int, subject: Subject) -> bool:
        """Whether a subject is seen for the first time."""
        before = len(self._since_s)
        self._since_s.setdefault((number, subject), 0.0)
        return len(self._since_s) > before

    def lasted_s(self, number: int, subject: Subject, now_s: float) -> float:
        """For how long something has been so that is so now."""
        return now_s - self._since_s.setdefault((number, subject), now_s)

    def ended(self, number: int, subject: Subject) -> None:
        """It is not so any more."""
        self._since_s.pop((number, subject), None)
        self._holds.discard((number, subject))

    def tell(
        self, number: int, subject: Subject, now_s: float, *, quiet: bool, cooldown_s: float
    ) -> int | None:
        """Whether it may be told again: how often it was held back since the last time; ``None``
        if that is not long enough ago.
        """
        key = (number, subject, quiet)
        last_s, held_back = self._told.pop(key, (None, 0))
        if last_s is not None and now_s - last_s < cooldown_s:
            self._told[key] = (last_s, held_back + 1)
            return None
        self._told[key] = (now_s, 0)
        if len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]
        return held_back
