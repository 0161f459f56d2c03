"""The best levels of a book as another channel of its venue has them, as the auditor holds them
against the book: by time, where nothing numbers both.

A difference that three comparisons in a row find, each of a time that the changes have left behind
before the next, is something that was lost; so is one that stays while nothing changes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from bookfeed.audit.books import Instrument, Side

# How many comparisons must find the same difference, and how long one may stay while nothing comes.
STRIKES: Final = 3
GRACE_NS: Final = 2_000_000_000
# How much faster than the fastest message before it one may be, and how late the first is at most.
_AHEAD_NS: Final = 1_000_000_000
_FIRST_AHEAD_NS: Final = 60_000_000_000
_LATEST_NS: Final = 86_400_000_000_000
# How long stamps must be of the future, none between that is not, until a clock was set.
_SET_AFTER_NS: Final = 3_000_000_000

Difference = tuple[Side, Decimal, Decimal]
"""A level as they have it and we do not; size 0 if they have none."""

Found = Literal["history", "same", "open", "missing"]


@dataclass(slots=True)
class Beside:
    """What comparisons found."""

    differences: set[Difference] = field(default_factory=set)
    stamp: int = 0
    strikes: int = 0
    since: int = 0
    before: int = 0
    """Where the book stood before the newest change."""
    changed: set[tuple[Side, Decimal]] = field(default_factory=set)

    def compare(
        self,
        one: Instrument,
        bids: Mapping[Decimal, Decimal],
        asks: Mapping[Decimal, Decimal],
        stamp: int,
        stands_at: int,
        now: int,
    ) -> Found:
        """Holds best levels of time ``stamp`` against a book that stands at ``stands_at``."""
        if stamp < self.before:
            return "history"
        found = differences(one, bids, asks)
        if stamp < stands_at:
            found = {each for each in found if each[:2] not in self.changed}
        if not found:
            self.differences, self.strikes = set(), 0
            return "same"
        common = self.differences & found
        gone_on = stands_at > self.stamp
        if not self.strikes or not common:
            self.differences, self.stamp, self.strikes, self.since = found, stamp, 1, now
            return "open"
        self.differences = common
        if gone_on:
            self.stamp, self.since = stamp, now
            self.strikes += 1
        return "missing" if self.strikes >= STRIKES or now - self.since >= GRACE_NS else "open"


def differences(
    one: Instrument, bids: Mapping[Decimal, Decimal], asks: Mapping[Decimal, Decimal]
) -> set[Difference]:
    """What best levels differ in from a book, as far as they go."""
    return {*_differ("bid", one, bids), *_differ("ask", one, asks)}


def _differ(side: Side, one: Instrument, theirs: Mapping[Decimal, Decimal]) -> Iterator[Difference]:
    """What differs in a side, as far as theirs goes."""
    if not theirs:
        return
    end = min(theirs) if side == "bid" else max(theirs)
    for at, qty in theirs.items():
        if one.book.qty(side, at) != qty:
            yield side, at, qty
    for at, _ in one.book.levels(side):
        if at not in theirs and (at >= end if side == "bid" else at <= end):
            yield side, at, Decimal(0)


@dataclass(slots=True)
class Pace:
    """How fast the fastest messages of a connection are: which stamps a delivery explains.

    One of the two clocks may be set. Then nothing fits any more, or stamps ran back, and after a
    while the way is as long as it was, by the clocks as they are now.
    """

    floor: int | None = None
    last: int | None = None
    newest: int | None = None
    """The newest stamp that counts."""
    odd_since: int | None = None
    """Since when nothing fits, or stamps have run back."""
    ran_back: bool = False

    def fits(self, delay: int, now: int) -> bool:
        """Whether a message of ``now`` may be under way for so long, by those before it. One whose
        stamp runs back may.
        """
        if delay > _LATEST_NS:
            return False
        leads = self._leads(delay)
        if leads or self._is_back(delay, now):
            return self._is_set(delay, now) or not leads
        self._learn(delay, now)
        return True

    def fits_whole(self, delay: int, now: int) -> bool:
        """The same of whole books, which may be of long ago, when the book changed last."""
        if self._leads(delay):
            return self._is_set(delay, now)
        if delay <= _AHEAD_NS and not self._is_back(delay, now):
            self._learn(delay, now)
        self.newest = max(now - delay, now - delay if self.newest is None else self.newest)
        return True

    def _leads(self, delay: int) -> bool:
        """Whether a message is faster than any can be."""
        floor, ahead = (0, _FIRST_AHEAD_NS) if self.floor is None else (self.floor, _AHEAD_NS)
        return floor - delay > ahead

    def _is_back(self, delay: int, now: int) -> bool:
        """Whether a stamp runs back, or goes on from one that did."""
        self.ran_back = self.ran_back and self.odd_since is not None
        runs = self.newest is not None and self.newest - (now - delay) > _AHEAD_NS
        self.ran_back = self.ran_back or runs
        slower = self.last is not None and delay - self.last > _AHEAD_NS
        return runs or (self.ran_back and slower)

    def _learn(self, delay: int, now: int) -> None:
        self.odd_since = None
        if self.floor is None or self.last is None:
            self.floor = min(delay, _AHEAD_NS)
        else:
            self.floor = min(self.floor, max(delay, self.last))
        self.last = delay
        self.newest = max(now - delay, now - delay if self.newest is None else self.newest)

    def _is_set(self, delay: int, now: int) -> bool:
        """Whether stamps have been odd for so long that a clock was set."""
        self.odd_since = now if self.odd_since is None else self.odd_since
        if now - self.odd_since < _SET_AFTER_NS:
            return False
        step = 0 if self.last is None else delay - self.last
        self.floor = min(delay, _AHEAD_NS) if self.floor is None else self.floor + step
        self.last, self.newest, self.odd_since = delay, now - delay, None
        return True
