"""What is really in the simulated books of a spot venue, at any number it has just given out.

Every change of a book has a version. ``SpotTruth`` remembers the last thousands of them, so that a
book that is a little behind can be held against what it says it is. It is kept apart from the
ladders that messages are printed from. Prices go out as integers of 1e-9, sizes of 1e-8.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from bookfeed.sim.truth import BookTruth

PAST_MAX: Final = 20_000
"""How many changes of one book are remembered."""


class Told(NamedTuple):
    """A level of a book has this size from one version on."""

    is_bid: bool
    price_e9: int
    qty_e8: int


class _Undo(NamedTuple):
    """What a level was before a version."""

    version: int
    is_bid: bool
    price_e9: int
    qty_e8: int


class _Book:
    __slots__ = ("asks", "bids", "past", "version")

    def __init__(self, version: int, bids: Mapping[int, int], asks: Mapping[int, int]) -> None:
        self.bids = dict(bids)
        self.asks = dict(asks)
        self.version = version
        self.past: deque[_Undo] = deque(maxlen=PAST_MAX)

    def put(self, version: int, change: Told) -> None:
        side = self.bids if change.is_bid else self.asks
        old = side.get(change.price_e9, 0)
        self.past.append(_Undo(version, change.is_bid, change.price_e9, old))
        self.version = version
        if change.qty_e8:
            side[change.price_e9] = change.qty_e8
        else:
            side.pop(change.price_e9, None)


class SpotTruth:
    """The true book of every symbol."""

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}
        self.on_change: Callable[[str], None] | None = None
        """Is told of every symbol whose book has a new version."""

    @property
    def symbols(self) -> list[str]:
        """All there are, in the order in which they came."""
        return list(self._books)

    def start(
        self, symbol: str, version: int, bids: Mapping[int, int], asks: Mapping[int, int]
    ) -> None:
        """The first book of ``symbol``: sizes (1e-8) by price (1e-9)."""
        self._books[symbol] = _Book(version, bids, asks)

    def apply(self, symbol: str, version: int, changes: Iterable[Told]) -> None:
        """Takes in what changes with ``version``, which is no older than the one before."""
        book = self._books[symbol]
        for change in changes:
            book.put(version, change)
        book.version = version
        if self.on_change is not None:
            self.on_change(symbol)

    def version(self, symbol: str) -> int:
        """The newest version of the book of ``symbol``."""
        return self._books[symbol].version

    def __call__(self, symbol: str) -> BookTruth:
        """The book of ``symbol`` now; ``KeyError`` if there is no such book."""
        book = self._books[symbol]
        return _sorted(book.version, book.bids, book.asks)

    def at(self, symbol: str, version: int) -> BookTruth | None:
        """The book as it was at ``version``; ``None`` if that is yet to come, or forgotten."""
        book = self._books[symbol]
        if version > book.version:
            return None
        full = len(book.past) == PAST_MAX
        if full and version < book.past[0].version:
            return None
        bids, asks = dict(book.bids), dict(book.asks)
        for undo in reversed(book.past):
            if undo.version <= version:
                break
            side = bids if undo.is_bid else asks
            if undo.qty_e8:
                side[undo.price_e9] = undo.qty_e8
            else:
                side.pop(undo.price_e9, None)
        return _sorted(version, bids, asks)


def top(book: BookTruth, depth: int) -> BookTruth:
    """The best ``depth`` levels a side."""
    return book._replace(bids=book.bids[:depth], asks=book.asks[:depth])


def _sorted(version: int, bids: Mapping[int, int], asks: Mapping[int, int]) -> BookTruth:
    return BookTruth(version, sorted(bids.items(), reverse=True), sorted(asks.items()), False)
