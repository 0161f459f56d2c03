"""The client that everybody writes first, and frames to measure it with.

JSON into dictionaries, prices and sizes as floats, a sort to find the touch. It is what an engine
is measured beside, and it comes to the same books.
"""

import json
from collections.abc import Callable, Iterator

from bookfeed.sim.polymarket.stream import Stream
from bookfeed.sim.polymarket.venue import VenueConfig

Levels = list[tuple[int, int]]


def corpus(
    markets: int, count: int, told: Callable[[int], None]
) -> tuple[list[tuple[int, bytes, int]], dict[str, tuple[Levels, Levels]]]:
    """About ``count`` frames, ending between batches, and the books that they lead to.

    Frames are (connection, payload, receive time in Unix ns), books bids and asks by symbol, best
    first, in integers of 1e-9 and 1e-8. ``told`` is called with how many frames there are.
    """
    stream = Stream(VenueConfig(markets=markets, seed=1), rate=1_000.0)
    frames: list[tuple[int, bytes, int]] = []
    symbols = [asset for conn in range(stream.conns) for asset in stream.asset_ids(conn)]
    while len(frames) < count or any(stream.truth.torn(symbol) for symbol in symbols):
        for item in stream.frames(256):
            if item.kind == "frame":
                frames.append((item.conn, item.payload, item.ts_ns))
        told(len(frames))
    truth = {symbol: stream.truth(symbol) for symbol in symbols}
    return frames, {symbol: (book.bids, book.asks) for symbol, book in truth.items()}


class Client:
    """Keeps the books of every frame that it takes."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}

    def take(self, payload: bytes) -> None:
        """One frame: books changed, touches looked up."""
        for changed in self._apply(payload):
            changed.look()

    def exact(self, price_scale: int, qty_scale: int) -> dict[str, tuple[Levels, Levels]]:
        """All books in integers, best level first."""
        return {symbol: book.exact(price_scale, qty_scale) for symbol, book in self.books.items()}

    def _apply(self, payload: bytes) -> Iterator["Book"]:
        """The books that a frame changed."""
        if payload[:1] not in b"[{":
            return
        books = self.books
        messages = json.loads(payload)
        for message in messages if isinstance(messages, list) else [messages]:
            kind = message["event_type"]
            if kind == "book":
                book = books.setdefault(message["asset_id"], Book())
                book.replace(message["bids"], message["asks"])
                yield book
            elif kind == "price_change":
                changed = {}
                for entry in message["price_changes"]:
                    asset = entry["asset_id"]
                    changed[asset] = books[asset]
                    books[asset].put(entry["side"], float(entry["price"]), float(entry["size"]))
                yield from changed.values()


class Book:
    """Two dictionaries of floats."""

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.touch: tuple[float | None, float | None] = (None, None)

    def replace(self, bids: list[dict[str, str]], asks: list[dict[str, str]]) -> None:
        """A whole book."""
        self.bids = {float(level["price"]): float(level["size"]) for level in bids}
        self.asks = {float(level["price"]): float(level["size"]) for level in asks}

    def put(self, side: str, price: float, size: float) -> None:
        """One level; a size of 0 removes it."""
        levels = self.bids if side == "BUY" else self.asks
        if size:
            levels[price] = size
        else:
            levels.pop(price, None)

    def look(self) -> None:
        """Find the touch."""
        bids, asks = sorted(self.bids), sorted(self.asks)
        self.touch = (bids[-1] if bids else None, asks[0] if asks else None)

    def exact(self, price_scale: int, qty_scale: int) -> tuple[Levels, Levels]:
        """Both sides in integers, best level first."""
        bids, asks = (
            [
                (round(price * price_scale), round(size * qty_scale))
                for price, size in sorted(levels.items(), reverse=descending)
            ]
            for levels, descending in ((self.bids, True), (self.asks, False))
        )
        return bids, asks
