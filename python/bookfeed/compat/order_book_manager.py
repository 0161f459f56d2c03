"""``OrderBookManager``: the books of a feed by symbol, for programs that kept their own."""

from collections.abc import Iterable
from typing import Any, Final

from bookfeed.compat import shapes
from bookfeed.compat.platform import feed_stats
from bookfeed.market import Market
from bookfeed.sync.feed import Feed


class OrderBookManager:
    """Books of an open ``bookfeed.sync.Feed``; nothing is applied here, the feed keeps them.

    Nothing is asked for by REST: a book that may not be believed says so (``source``). Safe from
    any thread.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed: Final = feed

    def add_markets(self, markets: Iterable[Market]) -> list[str]:
        """Follow more markets; returns their symbols. Does not wait for their books."""
        return list(self._feed.add_markets(markets).values())

    @property
    def symbols(self) -> list[str]:
        """The symbols of all books."""
        return [book.symbol for book in self._feed.books()]

    def get_orderbook(self, symbol: str, depth: int | None = None) -> dict[str, Any]:
        """Return a book (``shapes.orderbook``); ``KeyError`` for one that is not followed."""
        return shapes.orderbook(shapes.answer(self._feed.book(symbol)), depth)

    def get_best_prices(self, symbol: str) -> tuple[float | None, float | None]:
        """Return best bid and best ask; ``None`` where there is none, or none to be believed."""
        book = self._feed.book(symbol)
        return book.bid, book.ask

    def get_metrics(self, symbol: str) -> dict[str, Any]:
        """Return spread, mids, imbalance, depth and flow of a book (``shapes.metrics``)."""
        return shapes.metrics(shapes.answer(self._feed.book(symbol)))

    def get_stats(self) -> dict[str, Any]:
        """Return connections, books, messages and ``latency_avg_ms`` (``shapes.stats``)."""
        return feed_stats(self._feed)
