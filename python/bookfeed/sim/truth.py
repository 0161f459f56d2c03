"""What is really in the simulated books, for tests to hold an engine against.

``Books`` are the books as a receiver has them who got every message whole and in order, kept in
plain dictionaries apart from the ladders that the messages are printed from. Prices go out as
integers of 1e-9, sizes as integers of 1e-8, best first. What a message does to them is the
affair of each venue.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

_MASK: Final = (1 << 64) - 1


class BookTruth(NamedTuple):
    """One instrument's book at one version; levels are (price 1e-9, size 1e-8), best first."""

    version: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    torn: bool
    """The venue is in the middle of telling a batch; nobody may show this book as good."""

    def decimals(self) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Bids and asks as (price, size)."""
        bids, asks = (
            [(Decimal(price).scaleb(-9), Decimal(size).scaleb(-8)) for price, size in levels]
            for levels in (self.bids, self.asks)
        )
        return bids, asks


class _Book:
    """Mutable truth of one instrument, in the units of its venue."""

    __slots__ = ("asks", "bids", "fingerprint", "past", "sorted", "torn", "version")

    def __init__(self, past_max: int) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.version = 0
        self.torn = False
        self.fingerprint = 0
        self.past: deque[tuple[int, int, bool]] = deque(maxlen=past_max)
        """Version, fingerprint and whether it was torn, oldest first."""
        self.sorted: BookTruth | None = None
        """What was handed out of it, as long as nothing changes."""

    def replace(self, bids: Mapping[int, int], asks: Mapping[int, int]) -> None:
        self.sorted = None
        self.bids = dict(bids)
        self.asks = dict(asks)
        self.fingerprint = _fingerprint(self.bids.items(), self.asks.items())

    def put(self, is_bid: bool, price: int, size: int) -> None:
        self.sorted = None
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
        self.sorted = None
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

    ``price_e9`` and ``qty_e8`` are the units that prices and sizes are kept in, 1e-9 and 1e-8.
    """

    def __init__(self, price_e9: int, qty_e8: int, past_max: int = 1024) -> None:
        self._price_e9 = price_e9
        self._qty_e8 = qty_e8
        self._past_max = past_max
        self._books: dict[str, _Book] = {}
        self.on_change: Callable[[str], None] | None = None
        """Is told of every symbol whose book has a new version."""

    @property
    def symbols(self) -> list[str]:
        """All there are, in the order in which they came."""
        return list(self._books)

    def _close_version(self, symbol: str, torn: bool) -> None:
        """What was done to a book is its next version."""
        self._books[symbol].close_version(torn)
        if self.on_change is not None:
            self.on_change(symbol)

    def _book(self, symbol: str) -> _Book:
        book = self._books.get(symbol)
        if book is None:
            book = self._books[symbol] = _Book(self._past_max)
        return book

    def __call__(self, symbol: str) -> BookTruth:
        """The book of ``symbol`` now; ``KeyError`` if there is no such book."""
        book = self._books[symbol]
        if book.sorted is None:
            bids, asks = self._out(book.bids, True), self._out(book.asks, False)
            book.sorted = BookTruth(book.version, bids, asks, book.torn)
        return book.sorted

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
            (price * self._price_e9, levels[price] * self._qty_e8)
            for price in sorted(levels, reverse=descending)
        ]

    def _in(self, levels: Iterable[tuple[int, int]]) -> dict[int, int]:
        """Back to the venue's units; what does not fit the grid stays visibly foreign (-1)."""
        inner = {}
        for price, size in levels:
            units, rest = divmod(int(price), self._price_e9)
            lots, crumbs = divmod(int(size), self._qty_e8)
            inner[units if not rest else -1] = lots if not crumbs else -1
        return inner
