"""Streams of Polymarket under the names that others gave theirs: ``PolymarketStream`` by callback,
``PolymarketWebSocketClient`` by iteration, ``RealTimeDataClient`` for what relays tell.

Messages are bookfeed's own dictionaries (``shapes.event``): a price is in one only while its book
may be believed.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

from bookfeed.compat import shapes
from bookfeed.feed import feed as on_loop
from bookfeed.market import Market, Outcome
from bookfeed.records import Update
from bookfeed.records.points import PricePoint
from bookfeed.records.told import RelayEvent
from bookfeed.sync.feed import Feed
from bookfeed.venues.base import Endpoint
from bookfeed.venues.polymarket import polymarket
from bookfeed.venues.relay import Topic

OnMessage = Callable[[dict[str, Any]], object]


def _markets(token_ids: Iterable[str]) -> list[Market]:
    """Books of which nothing but their ids is known, each a market of its own."""
    return [Market("", (Outcome("token", token),)) for token in token_ids]


def _endpoints(url: str | None) -> dict[str, Endpoint]:
    venue = polymarket()
    here = Endpoint(venue, venue.ws_url, venue.rest_url)
    return {venue.name: here if url is None else Endpoint(venue, url)}


class PolymarketStream:
    """Messages about the books of tokens, by callback, on a thread of its own.

    ``on_message`` gets every message, ``on_trade`` trades alone. ``url`` is another address.
    """

    def __init__(
        self,
        token_ids: Iterable[str],
        on_message: OnMessage | None = None,
        *,
        on_trade: OnMessage | None = None,
        url: str | None = None,
    ) -> None:
        self._on_message: Final = on_message
        self._on_trade: Final = on_trade
        self.feed: Final = Feed(
            _markets(token_ids), endpoints=_endpoints(url), on_update=self._update
        )
        """The feed behind it."""

    def start(self) -> Self:
        """Connect; returns this stream, and does not wait."""
        self.feed.open()
        return self

    def stop(self) -> None:
        """Close the connection; safe to call again."""
        self.feed.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _update(self, update: Update) -> None:
        if self._on_message is not None:
            self._on_message(shapes.event(update))
        if self._on_trade is not None and update.kind == "trade":
            self._on_trade(shapes.event(update))


class PolymarketWebSocketClient:
    """Messages about the books of tokens, by ``async for``, on the loop that there is.

    ``async with`` connects and closes; tokens come and go at any time. ``url`` is another address.
    """

    def __init__(self, *, url: str | None = None) -> None:
        self._endpoints: Final = _endpoints(url)
        self._market_of: Final[dict[str, Market]] = {}
        self.feed: Final = on_loop.Feed((), endpoints={})
        """The feed behind it."""

    async def connect(self) -> Self:
        """Begin; returns this client."""
        await self.feed.open()
        return self

    async def close(self) -> None:
        """Close the connection; iteration ends. Safe to call again."""
        await self.feed.close()

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def subscribe(self, token_ids: Iterable[str]) -> None:
        """Follow the books of tokens from now on; ``SessionError`` if it is not connected."""
        fresh = [one for one in _markets(token_ids) if one.symbols[0] not in self._market_of]
        await self.feed.add_markets(fresh, endpoints=self._endpoints)
        self._market_of.update({one.symbols[0]: one for one in fresh})

    async def unsubscribe(self, token_ids: Iterable[str]) -> None:
        """Follow them no more; those that are not followed are passed over."""
        known = [self._market_of.pop(one) for one in token_ids if one in self._market_of]
        await self.feed.remove_markets(known)

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Messages from now on; a slow reader gets the newest of each book."""
        async for update in self.feed.updates():
            yield shapes.event(update)


class RealTimeDataClient:
    """What Polymarket's relays tell beside books: prices, trades, comments; on a thread of its own.

        client = RealTimeDataClient(print)
        client.connect()
        client.subscribe(client.create_crypto_prices_subscription("btc/usd"))

    ``on_message`` gets a dictionary with ``kind``, ``topic`` and ``type``. ``relay_urls`` are other
    addresses by relay. A subscription is the text of a ``Topic``.
    """

    def __init__(self, on_message: OnMessage, *, relay_urls: dict[str, str] | None = None) -> None:
        self._on_message: Final = on_message
        self.feed: Final = Feed((), relay_urls=relay_urls)
        """The feed behind it."""

    def connect(self) -> Self:
        """Begin; returns this client. Nothing is connected before something is subscribed."""
        self.feed.on_price(self._price)
        self.feed.on_event(self._event)
        self.feed.open()
        return self

    def disconnect(self) -> None:
        """Close the connections; safe to call again."""
        self.feed.close()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()

    def subscribe(self, *subscriptions: str) -> None:
        """Ask for more; ``ValueError`` for what is no subscription, ``SessionError`` if it is not
        connected.
        """
        self.feed.add_topics(subscriptions)

    def unsubscribe(self, *subscriptions: str) -> None:
        """Ask for these no more."""
        self.feed.remove_topics(subscriptions)

    @staticmethod
    def create_crypto_prices_subscription(symbol: str = "", *, twap_s: int | None = None) -> str:
        """Prices of a pair such as ``"btc/usd"``, or of all; of their mean over 30 or 60 seconds
        with ``twap_s``. ``ValueError`` for another mean.
        """
        names = {None: "crypto_prices", 30: "crypto_prices_twap_thirty"}
        names[60] = "crypto_prices_twap_sixty"
        if twap_s not in names:
            raise ValueError(f"twap_s must be 30 or 60, not {twap_s}")
        return str(Topic("rtds", names[twap_s], symbol=symbol))

    @staticmethod
    def create_crypto_prices_chainlink_subscription(symbol: str = "") -> str:
        """Prices of a pair as Chainlink has them, or of all pairs."""
        return str(Topic("rtds", "crypto_prices_chainlink", symbol=symbol))

    @staticmethod
    def create_equity_prices_subscription(symbol: str = "") -> str:
        """Prices of a stock, or of all."""
        return str(Topic("rtds", "equity_prices", symbol=symbol))

    @staticmethod
    def create_activity_subscription(kind: str = "trades") -> str:
        """Trades of everybody."""
        return str(Topic("rtds", "activity", kind))

    @staticmethod
    def create_comments_subscription(kind: str = "*") -> str:
        """Comments and reactions."""
        return str(Topic("rtds", "comments", kind))

    def _price(self, point: PricePoint) -> None:
        self._on_message(
            {
                "kind": "price",
                "topic": point.topic,
                "type": "update",
                "symbol": point.symbol,
                "value": point.value_e18 / 1e18,
                "ts_event": point.ts_event,
                "ts_recv": point.ts_recv,
                "backfill": point.backfill,
            }
        )

    def _event(self, event: RelayEvent) -> None:
        times = {"ts_event": event.ts_event, "ts_recv": event.ts_recv}
        head = {"kind": event.kind, "topic": event.topic, "type": event.type}
        self._on_message({**event.fields, **head, **times})
