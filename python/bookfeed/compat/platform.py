"""``Platform``: one venue behind the methods that trading programs call: books, metrics, prices.

    with Platform(endpoint) as platform:
        book = platform.get_orderbook(symbol)
        if book["source"] != "none":
            print(book["bid"], book["ask"])

Live where a book may be believed, else asked for by REST at once, and every answer says which.
"""

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Literal, Self

from bookfeed._bookfeed import BookView
from bookfeed.catalogue.catalogue import Catalogue
from bookfeed.compat import shapes
from bookfeed.compat.rest import asked_book
from bookfeed.config import load
from bookfeed.errors import SessionError
from bookfeed.market import Market
from bookfeed.rules.rule import Rule
from bookfeed.sync.feed import Feed
from bookfeed.venues.base import Endpoint

WAIT_S: Final = 5.0
"""So long the first question about a book waits for it to be live, unless told otherwise."""

_log: Final = logging.getLogger("bookfeed.compat")


class Platform:
    """One venue; open it with ``with``, or ``start`` and ``close``. Safe from any thread.

    ``endpoint`` says where it is, ``listings`` where names are looked up, in place of the venue's
    own address. A book is followed from the first question about it on, which waits up to
    ``wait_s`` seconds for it to be live.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        rules: Iterable[Rule] = (),
        listings: str | None = None,
        wait_s: float = WAIT_S,
    ) -> None:
        self.venue: Final = endpoint.venue.name
        """Name of the venue."""
        self.endpoint: Final = endpoint
        """Where it is."""
        self._wait_s: Final = wait_s
        self._urls: Final = {} if listings is None else {f"{self.venue}.listings": listings}
        self._market_of: Final[dict[str, Market]] = {}
        self.feed: Final = Feed((), rules=tuple(rules))
        """The feed behind it, for everything else."""

    def start(self) -> Self:
        """Begin; returns this platform. Raises ``SessionError`` if it was begun before."""
        self.feed.open()
        return self

    def close(self) -> None:
        """Close all connections; safe to call again."""
        self.feed.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # What is followed.

    def find(self, target: str) -> list[Market]:
        """Return the markets of an address, a slug, a ticker or a rolling series, looked up now.

        Raises ``CatalogueError`` for what the venue does not list.
        """

        async def found() -> list[Market]:
            async with Catalogue(urls=self._urls) as catalogue:
                return [one.to_market() for one in await catalogue.markets(target)]

        return self.feed.run(lambda _feed: found())

    def top_markets(self, count: int) -> list[Market]:
        """Return the markets that were traded most in a day, as the venue lists them."""

        async def found() -> list[Market]:
            async with Catalogue(urls=self._urls) as catalogue:
                listed = await catalogue.top(count, venue=self.venue)
                return [one.to_market() for one in listed if _has_books(one.outcomes)]

        return self.feed.run(lambda _feed: found())

    def follow(self, markets: Iterable[Market]) -> None:
        """Follow markets from now on; those that are followed notice nothing."""
        fresh = [one for one in markets if one.symbols[0] not in self._market_of]
        if not fresh:
            return
        self.feed.add_markets(fresh, endpoints={self.venue: self.endpoint})
        self._market_of.update({symbol: one for one in fresh for symbol in one.symbols})

    def market_of(self, symbol: str) -> Market:
        """Return the market of a symbol: as it was found, or one of which nothing is known.

        Raises ``ConfigError`` for a text that is no symbol of this venue: look it up by ``find``.
        """
        if symbol in self._market_of:
            return self._market_of[symbol]
        (market,) = load(None, {}, targets=[f"{self.venue}:{symbol}"]).markets()
        return market

    def answer(self, symbol: str) -> shapes.Answer:
        """Return the book of a symbol, live or by REST, and which of the two.

        Raises ``ConfigError`` for a text that is no symbol.
        """
        market = self.market_of(symbol)
        if symbol not in self._market_of:
            self.follow([market])
            self.feed.wait_live(self._wait_s, symbols=[symbol])
        book = self.feed.book(symbol)
        if book.live or book.polled:
            return shapes.answer(book)
        return self._asked(market, symbol, book)

    def _asked(self, market: Market, symbol: str, book: BookView) -> shapes.Answer:
        why = f"{book.state}: {book.cause}"
        try:
            asked = self.feed.run(lambda _feed: asked_book(self.endpoint, market, symbol))
        except SessionError as error:
            _log.warning("%s: %s is %s, and by REST: %s", self.venue, symbol, why, error)
            return shapes.answer(book, f"{why}; by REST: {error}")
        return shapes.answer(asked, why)

    # The methods that programs know.

    def get_orderbook(self, symbol: str, depth: int | None = None) -> dict[str, Any]:
        """Return the book of a symbol: ``bids`` and ``asks`` as ``[price, size]``, best first, at
        most ``depth`` each; touch, state, ages, and ``source`` (``shapes.py``).
        """
        return shapes.orderbook(self.answer(symbol), depth)

    def get_orderbook_metrics(self, symbol: str) -> dict[str, Any]:
        """Return best prices, spread, mids, imbalance, depth and the flow of a minute."""
        return shapes.metrics(self.answer(symbol))

    def calculate_vwap(
        self,
        symbol: str,
        side: Literal["buy", "sell"],
        *,
        usd: float | str | None = None,
        shares: float | str | None = None,
    ) -> dict[str, Any]:
        """Return what spending ``usd``, or taking ``shares``, would execute now, and its fee.

        ``vwap`` is the average price before fees; ``complete`` says whether the book holds all of
        it. Raises ``ValueError`` unless one of the two amounts is given.
        """
        if (usd is None) == (shares is None):
            raise ValueError("give usd= or shares=, one of them")
        found = self.answer(symbol)
        if usd is not None:
            return shapes.vwap(found, side, found.book.sweep_notional(side, usd))
        return shapes.vwap(found, side, found.book.sweep(side, shares or 0.0))

    def get_websocket_stats(self) -> dict[str, Any]:
        """Return how the connections are, in numbers (``shapes.stats``)."""
        return feed_stats(self.feed)


def feed_stats(feed: Feed) -> dict[str, Any]:
    """How the connections of a feed are, in numbers."""
    latency = feed.latency()["recv_to_emit"]
    return shapes.stats(feed.status(), feed.counters(), latency.mean, latency.percentile(95))


def _has_books(outcomes: Iterable[Any]) -> bool:
    return all(outcome.symbol for outcome in outcomes)


def at(endpoint: Endpoint, url: str | None, rest_url: str | None) -> Endpoint:
    """An endpoint, or the same venue at another address."""
    if url is None:
        return endpoint
    return Endpoint(endpoint.venue, url, rest_url)
