"""What is remembered of a book where times are all that orders messages, and which of them count.

A stamp is a claim like any other: one that no delivery explains is none, and the order that stamps
give is over where it shows that a clock was wrong.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bookfeed.audit.books import Side
from bookfeed.audit.fills import Fills
from bookfeed.audit.numbers import NS_PER_S

_DELIVERY_NS: Final = 86_400 * NS_PER_S
"""No message is under way for longer."""
_QUIET_NS: Final = 3_650 * _DELIVERY_NS
"""How long ago a whole book may have changed last."""
_BEHIND_NS: Final = 60 * NS_PER_S
"""How far the receiver's clock may be behind the venue's."""
_FASTEST_NS: Final = NS_PER_S
"""The fastest message of a connection takes no longer than this; what looks longer is a clock."""
_JITTER_NS: Final = NS_PER_S // 10
_ODD_NS: Final = NS_PER_S
"""A stamp that is so much faster than any before it is no claim about the way."""

# Venue time, side, price and new size.
TimedChange = tuple[int | None, Side, Decimal, Decimal]


@dataclass(slots=True)
class Way:
    """The way from a venue, as the messages of one connection show it: clocks apart included."""

    fastest_ns: int | None = None
    last_ns: int | None = None

    def hear(self, ts_event: int | None, now: int) -> None:
        """A message came. One alone does not show that the way is shorter than it looked."""
        if ts_event is None:
            return
        delay_ns = now - ts_event
        if self.fastest_ns is None or self.last_ns is None:
            self.fastest_ns = min(delay_ns, _FASTEST_NS)
        elif self.fastest_ns - delay_ns > _ODD_NS:
            return
        else:
            self.fastest_ns = min(self.fastest_ns, max(delay_ns, self.last_ns))
        self.last_ns = delay_ns

    def is_future(self, stamp: int, now: int) -> bool:
        """Whether a stamp is of a time that the venue's clock has not come to."""
        return self.fastest_ns is not None and stamp > now - self.fastest_ns + _JITTER_NS


@dataclass(slots=True)
class Awaited:
    """A REST book on its way: how new it must be, and what the stream says meanwhile."""

    ts_begin: int | None
    changes: list[TimedChange] = field(default_factory=list)


@dataclass(slots=True)
class Times:
    """What is remembered of a book, where times are all that orders messages."""

    ts_seen: int | None = None
    """Newest venue time of any message about it."""
    ts_discarded: int | None = None
    """Newest venue time of a change that had no basis, since the book was last live."""
    recent: set[tuple[object, ...]] = field(default_factory=set)
    """Changes of the newest venue time, to recognise one that comes again."""
    awaited: Awaited | None = None
    early: list[TimedChange] = field(default_factory=list)
    """Changes before the first whole book."""
    fills: Fills = field(default_factory=Fills)
    ts_answered: int | None = None
    """Venue time of the answer by REST that the book began with."""
    older_from: int | None = None
    """Receive time of the first message that was older than the book, since it was newest."""
    ts_older: int | None = None
    """Newest venue time of those."""

    def is_overtaken(self, ts_event: int, now: int, grace_ns: int) -> bool:
        """Whether a message older than its book is history. Where for longer than a batch nothing
        came that is newer, while what came ran forward, a clock was set.
        """
        from_ns, newest_ns = self.older_from, self.ts_older
        if from_ns is None or newest_ns is None or newest_ns - ts_event > NS_PER_S:
            self.older_from, self.ts_older = now, ts_event
            return True
        self.ts_older = max(newest_ns, ts_event)
        return ts_event <= newest_ns or now - from_ns <= grace_ns


def believed(stated: int | None, now: int, *, whole: bool) -> int | None:
    """A time stamp, unless no delivery explains it. The stamp of a whole book may be that of its
    last change.
    """
    if stated is None:
        return None
    delay_ns = now - stated
    return stated if -_BEHIND_NS <= delay_ns <= (_QUIET_NS if whole else _DELIVERY_NS) else None
