"""The touch of a book as a relay of its venue tells it, as the auditor reads the records of it: a
book whose stream does not come to a newer touch in time must not be live.

What is older than the book, or says next to nothing, speaks against nobody. A relay that was wrong
is not heard against that book for a minute, and against none of its connection once it was wrong
too often; how often exactly is the engine's to count, so one that may be doubted is left out here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from bookfeed.audit.books import Instrument
from bookfeed.audit.numbers import PRICE_UNITS, units

GRACE_NS: Final = 2_000_000_000
QUIET_NS: Final = 60_000_000_000
_OLD_NS: Final = 5_000_000_000
_STRIKES: Final = 2
"""From so many on a relay may be doubted."""
_GHOST_BID: Final = units(Decimal("0.01"), PRICE_UNITS)
_GHOST_ASK: Final = units(Decimal("0.99"), PRICE_UNITS)

Prices = tuple[int | None, int | None]


@dataclass(slots=True)
class _Unmet:
    """A touch that a book has not come to: of when it is, and since when it is waited for."""

    prices: Prices
    at: int
    since: int


class RelayedTouches:
    """What relays told of books that has not been met."""

    def __init__(self) -> None:
        self._unmet: Final[dict[int, tuple[_Unmet, _Unmet]]] = {}
        """By book: the first, and the newest."""
        self._charged: Final[dict[int, Prices]] = {}
        """Books that left live for it, and their touch then."""
        self._deaf_until: Final[dict[int, int]] = {}
        self._strikes: Final[dict[int, int]] = {}
        """By connection."""

    def take(self, told: Mapping[str, Any], one: Instrument, now: int) -> None:
        """A relay told the touch of a book."""
        at, prices = told.get("ts_event"), (told["bid_e9"], told["ask_e9"])
        if at is None or prices == (None, None) or one.ts_event is None:
            self._unmet.pop(one.number, None)
            return
        same, strikes = _same(prices, _touch(one)), self._strikes.get(one.conn, 0)
        if at < one.ts_event:
            if one.ts_event - at > _OLD_NS:
                self._strikes[one.conn] = strikes + 1
        elif same:
            self._unmet.pop(one.number, None)
            self._strikes[one.conn] = max(strikes - 1, 0)
        elif _says_nothing(prices) and not _says_nothing(_touch(one)):
            self._strikes[one.conn] = strikes + 1
        elif at > one.ts_event and now >= self._deaf_until.get(one.number, 0):
            newest = _Unmet(prices, at, now)
            first, _ = self._unmet.get(one.number, (newest, newest))
            self._unmet[one.number] = (newest if first.at <= one.ts_event else first, newest)

    def lost(self, one: Instrument, now: int) -> None:
        """What became of a book that is believed again, or no more."""
        charged = self._charged
        if one.state == "live":
            if charged.pop(one.number, None) == _touch(one):
                self._strikes[one.conn] = self._strikes.get(one.conn, 0) + 1
                self._deaf_until[one.number] = now + QUIET_NS
        elif (one.state, one.cause) == ("suspect", "withheld") and one.number in self._unmet:
            charged[one.number] = _touch(one)
        if not one.running or one.state == "suspect":
            self._unmet.pop(one.number, None)

    def overdue(self, of: Mapping[int, Instrument] | list[Instrument], now: int) -> Iterator[int]:
        """The books that should have come to what was told by ``now``."""
        for number, (first, newest) in list(self._unmet.items()):
            one = of[number]
            self.lost(one, now)
            if number not in self._unmet:
                continue
            stands_at = one.ts_event or 0
            if one.gone or newest.at <= stands_at or _same(newest.prices, _touch(one)):
                del self._unmet[number]
                continue
            if first.at <= stands_at:
                first = newest
                self._unmet[number] = (newest, newest)
            if now > first.since + GRACE_NS and self._strikes.get(one.conn, 0) < _STRIKES:
                yield number


def _touch(one: Instrument) -> Prices:
    bid, _, ask, _ = one.book.touch.in_units()
    return bid, ask


def _same(told: Prices, ours: Prices) -> bool:
    """Whether what is told is ours; a side that is not told is."""
    return all(mine is None or mine == other for mine, other in zip(told, ours, strict=True))


def _says_nothing(prices: Prices) -> bool:
    bid, ask = prices
    return (bid is None or bid <= _GHOST_BID) and (ask is None or ask >= _GHOST_ASK)
