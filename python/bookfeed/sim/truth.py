"""What is really in the simulated books, for tests to hold an engine against.

``Truth`` is the book as a receiver has it who got every message whole and in order, kept in
plain dictionaries apart from the ladders that the messages are printed from. Prices go out as
integers of 1e-9, sizes as integers of 1e-8, best first.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from bookfeed.sim.ladder import PRICE_E9_PER_PIP, QTY_E8_PER_MICRO
from bookfeed.sim.wire import Levels, Message

_MASK: Final = (1 << 64) - 1


class BookTruth(NamedTuple):
    """One asset's book at one version; levels are (price 1e-9, size 1e-8), best first."""

    version: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    torn: bool
    """The venue is in the middle of telling a batch; nobody may show this book as good."""

    def decimals(self) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Bids and asks as (price, size) in USD and shares."""
        bids, asks = (
            [(Decimal(price).scaleb(-9), Decimal(size).scaleb(-8)) for price, size in levels]
            for levels in (self.bids, self.asks)
        )
        return bids, asks


class _Book:
    """Mutable truth of one instrument, in pips and the venue's smallest size."""

    __slots__ = ("asks", "bids", "fingerprint", "past", "torn", "version")

    def __init__(self, past_max: int) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.version = 0
        self.torn = False
        self.fingerprint = 0
        self.past: deque[tuple[int, int, bool]] = deque(maxlen=past_max)
        """Version, fingerprint and whether it was torn, oldest first."""

    def replace(self, bids: Mapping[int, int], asks: Mapping[int, int]) -> None:
        self.bids = dict(bids)
        self.asks = dict(asks)
        self.fingerprint = _fingerprint(self.bids.items(), self.asks.items())

    def put(self, is_bid: bool, price: int, size: int) -> None:
        side = self.bids if is_bid else self.asks
        old = side.get(price)
        if old is not None:
            self.fingerprint = (self.fingerprint - hash((is_bid, price, old))) & _MASK
        if size:
            side[price] = size
            self.fingerprint = (self.fingerprint + hash((is_bid, price, size))) & _MASK
        elif old is not None:
            del side[price]

    def close_version(self, torn: bool) -> None:
        self.version += 1
        self.torn = torn
        self.past.append((self.version, self.fingerprint, torn))


def _fingerprint(bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> int:
    """An order-free 64-bit sum over levels; hashes of tuples of integers never vary."""
    total = sum(hash((True, price, size)) for price, size in bids)
    total += sum(hash((False, price, size)) for price, size in asks)
    return total & _MASK


class Books:
    """The true book of every instrument and its last ``past_max`` versions.

    ``qty_e8`` is the venue's smallest size in 1e-8; prices are kept in pips of 1e-4.
    """

    def __init__(self, qty_e8: int, past_max: int = 1024) -> None:
        self._qty_e8 = qty_e8
        self._past_max = past_max
        self._books: dict[str, _Book] = {}

    def _book(self, symbol: str) -> _Book:
        book = self._books.get(symbol)
        if book is None:
            book = self._books[symbol] = _Book(self._past_max)
        return book

    def __call__(self, symbol: str) -> BookTruth:
        """The book of ``symbol`` now; ``KeyError`` if there is no such book."""
        book = self._books[symbol]
        bids, asks = self._out(book.bids, True), self._out(book.asks, False)
        return BookTruth(book.version, bids, asks, book.torn)

    def version(self, symbol: str) -> int:
        """How many times the book of ``symbol`` has changed."""
        return self._books[symbol].version

    def torn(self, symbol: str) -> bool:
        """Whether the venue is in the middle of telling a batch that touches ``symbol``."""
        return self._books[symbol].torn

    def matches(
        self, symbol: str, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]
    ) -> bool:
        """Whether these levels (1e-9, 1e-8; any order) are the book now, outside any batch."""
        book = self._books[symbol]
        return not book.torn and self._in(bids) == book.bids and self._in(asks) == book.asks

    def version_of(
        self, symbol: str, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]
    ) -> int | None:
        """The newest remembered version with exactly these levels; ``None`` if there is none.

        Versions in the middle of a batch do not count.
        """
        wanted = _fingerprint(self._in(bids).items(), self._in(asks).items())
        for version, fingerprint, torn in reversed(self._books[symbol].past):
            if fingerprint == wanted and not torn:
                return version
        return None

    def _out(self, levels: dict[int, int], descending: bool) -> list[tuple[int, int]]:
        return [
            (price * PRICE_E9_PER_PIP, levels[price] * self._qty_e8)
            for price in sorted(levels, reverse=descending)
        ]

    def _in(self, levels: Iterable[tuple[int, int]]) -> dict[int, int]:
        """Back to the venue's units; what does not fit the grid stays visibly foreign (-1)."""
        inner = {}
        for price, size in levels:
            pips, rest = divmod(int(price), PRICE_E9_PER_PIP)
            units, crumbs = divmod(int(size), self._qty_e8)
            inner[pips if not rest else -1] = units if not crumbs else -1
        return inner


class Truth(Books):
    """Polymarket's books, by asset."""

    def __init__(self, past_max: int = 1024) -> None:
        super().__init__(QTY_E8_PER_MICRO, past_max)

    def apply(self, message: Message) -> None:
        """Takes in the next message of the venue, whatever became of it on the way."""
        change = message.change
        if not change:
            return
        if isinstance(change, Levels):
            book = self._book(change.asset.asset_id)
            book.replace(change.bids, change.asks)
            book.close_version(message.torn)
            return
        touched = {}
        for asset, is_bid, price, size in change:
            book = touched[asset.index] = self._book(asset.asset_id)
            book.put(is_bid, price, size)
        for book in touched.values():
            book.close_version(message.torn)

    def start(self, levels: Levels) -> None:
        """Version 0 of an asset."""
        book = self._book(levels.asset.asset_id)
        book.replace(levels.bids, levels.asks)
        book.past.append((0, book.fingerprint, False))
