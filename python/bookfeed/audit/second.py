"""Second sources, as the auditor reads them: another interface of a venue that tells the same
books.

What it tells is kept in books of its own. A level of a live book that stays as it is while the
second source has another one, from before a whole book of it came until ``LIMIT_NS`` after, shows
that one of the two is wrong. The engine has to have lost the book by then, unless the second source
was believed no more: it had convicted ``CONVICTIONS_MAX`` times, and neither agreed in between nor
was right, as it is where the book comes anew as the second source had it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bookfeed.audit.books import Instrument, OwnBook, Side
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import NS_PER_S

MODE: Final = "second"
"""The mode of its connections."""
LIMIT_NS: Final = 10 * NS_PER_S
CONVICTIONS_MAX: Final = 3
# How long a difference stays for which a book is lost.
_GRACE_NS: Final = 2 * NS_PER_S
# How often a book is compared at most.
_EVERY_NS: Final = NS_PER_S // 2

_SIDES: Final[tuple[Side, Side]] = ("bid", "ask")


@dataclass(slots=True)
class _Told:
    """A book as the second source has it."""

    conn: int
    book: OwnBook | None = None
    """``None`` until it comes whole."""
    whole_ns: int = 0
    """When it did."""
    compared_ns: int = 0
    differ: dict[tuple[Side, Decimal], tuple[Decimal, int]] = field(default_factory=dict)
    """Size of our level, and since when it is so and theirs is another."""
    charged: list[tuple[Side, Decimal]] = field(default_factory=list)
    """Where they differed when our book was lost for it."""


class Seconds:
    """The second sources of a journal."""

    def __init__(self, model: Model) -> None:
        self._model: Final = model
        self._told: Final[dict[int, _Told]] = {}
        """By number of the book."""
        self._convictions: Final[dict[int, int]] = {}
        """How often books were lost without an agreement in between."""
        self.compared = 0
        """How often a live book was compared."""

    def renewed(self, conn: int) -> None:
        """A connection came up or was lost: what it told is over."""
        for told in self._told.values():
            if told.conn == conn:
                told.book = None

    def lost(self, number: int, cause: str) -> None:
        """A book left live."""
        told = self._told.get(number)
        if told is not None and cause == "withheld":
            self._convictions[number] = self._convictions.get(number, 0) + 1
            stayed_ns = self._model.now - _GRACE_NS
            told.charged = [at for at, (_, since) in told.differ.items() if since <= stayed_ns]
        if told is not None:
            told.differ.clear()

    def take(self, conn: int, payload: bytes) -> Iterator[str]:
        """One frame; what speaks against the engine's books."""
        venue = self._model.connections[conn].venue
        reading = self._model.reading(venue)
        read = None if reading is None else reading.read_second(payload)
        if read is None:
            return
        number = self._model.find(venue, read.symbol)
        if number is None:
            return
        told = self._told.setdefault(number, _Told(conn))
        if read.whole:
            told.conn, told.book, told.whole_ns = conn, OwnBook(), self._model.now
        if told.book is None or told.conn != conn:
            return
        for side, at, qty in read.levels:
            told.book.set(side, at, qty)
        one = self._model.instruments[number]
        if one.state == "live" and self._model.now - told.compared_ns >= _EVERY_NS:
            told.compared_ns = self._model.now
            self.compared += 1
            yield from self._compare(one, told, told.book)

    def _compare(self, one: Instrument, told: _Told, book: OwnBook) -> Iterator[str]:
        now, before = self._model.now, told.differ
        told.differ = {}
        for side in _SIDES:
            ours, theirs = dict(one.book.levels(side)), dict(book.levels(side))
            for at in ours.keys() | theirs.keys():
                mine = ours.get(at, Decimal(0))
                if mine == theirs.get(at, Decimal(0)):
                    continue
                was, since = before.get((side, at), (mine, now))
                told.differ[side, at] = (mine, since if was == mine else now)
        right = sum(at not in told.differ for at in told.charged)
        if not told.differ or 2 * right > len(told.charged):
            self._convictions.pop(one.number, None)
        told.charged = []
        if self._convictions.get(one.number, 0) >= CONVICTIONS_MAX:
            return
        for (side, at), (mine, since) in told.differ.items():
            # Of before the whole book that it has: nothing that it lost itself explains it.
            if since < told.whole_ns and now - told.whole_ns >= LIMIT_NS:
                theirs_now = book.qty(side, at)
                yield f"{one.symbol} is live, {side} {at} of {mine}; second source: {theirs_now}"
                told.differ[side, at] = (mine, now)
