"""Coinbase's spot streams, the WebSocket of Advanced Trade: address, subscriptions, commands.

A subscription to a book begins with all of it. Every message of a connection has a number, whatever
it is about, so that a missing one shows with the next, and the venue says something every second.
A book that was lost is subscribed to again. Answers name no command: the venue takes commands in
order, and tells after each what the connection is subscribed to.

The venue's older interface, that of its Exchange, tells the same books by the twentieth of a second
and numbers nothing: a second source, if it is wanted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

import orjson

from bookfeed.errors import ConfigError
from bookfeed.market import Market
from bookfeed.schema import Range
from bookfeed.venues.base import (
    AnyName,
    Endpoint,
    MarketSection,
    Membership,
    RestRequest,
    RestUrl,
    RestWitness,
    Resubscription,
    Row,
    Section,
    Venue,
    WsUrl,
)
from bookfeed.venues.spot import HINTS_IN_USD, PairInUsd, spot_market

NAME: Final = "coinbase"
WS_URL: Final = "wss://advanced-trade-ws.coinbase.com"
REST_URL: Final = "https://api.coinbase.com"
SECOND_URL: Final = "wss://ws-feed.exchange.coinbase.com"

BOOKS: Final = "level2"
TRADES: Final = "market_trades"
SIGNS_OF_LIFE: Final = "heartbeats"
SECOND_CHANNELS: Final = ("level2_batch", "heartbeat")
# How many of the best levels a side are asked of REST.
REST_LEVELS: Final = 250
# How its errors call what was too much; the documents do not say.
TOO_MUCH: Final = "rate limit"


def coinbase(*, probe_interval_s: float = 10.0, symbols_per_connection: int = 10) -> Venue:
    """Return the venue. A hole in the numbers costs every book of its connection, so that few
    share one.
    """

    def command(kind: str, channel: str, symbols: Sequence[str] = ()) -> str:
        told = {"type": kind, "product_ids": list(symbols), "channel": channel}
        return orjson.dumps({key: value for key, value in told.items() if value}).decode()

    def both(kind: str, symbols: Sequence[str]) -> tuple[str, ...]:
        return tuple(command(kind, channel, symbols) for channel in (BOOKS, TRADES))

    return Venue(
        name=NAME,
        ws_url=WS_URL,
        rest_url=REST_URL,
        # Channels that say nothing for a minute are closed, unless there are signs of life.
        subscription=lambda symbols: (
            *both("subscribe", symbols),
            command("subscribe", SIGNS_OF_LIFE),
        ),
        recovery=Resubscription(
            # Of eight frames a second from one address, a connection sends at most four.
            Membership(
                join=lambda _id, symbols: both("subscribe", symbols),
                leave=lambda _id, symbols: both("unsubscribe", symbols),
                symbols_max=100,
                burst=2,
                interval_s=0.5,
            ),
            join=lambda _id, symbol: command("subscribe", BOOKS, (symbol,)),
            leave=lambda _id, symbol: command("unsubscribe", BOOKS, (symbol,)),
            hello=lambda _id: command("subscribe", SIGNS_OF_LIFE),
            is_busy=lambda text: TOO_MUCH in text.lower(),
            confirms=False,
        ),
        # Of ten requests a second from one address, one.
        witness=RestWitness(_product_book, interval_s=1.0),
        symbols_per_connection=symbols_per_connection,
        symbols_per_connection_max=100,
        # Of all attempts together, eight a second are borne.
        connect_stagger_s=0.5,
        probe_interval_s=probe_interval_s,
    )


def exchange() -> Venue:
    """Return the interface of the Exchange, as a second source."""

    def subscription(symbols: Sequence[str]) -> tuple[str, ...]:
        # Its signs of life show that it is there while a pair rests.
        told = {
            "type": "subscribe",
            "product_ids": list(symbols),
            "channels": list(SECOND_CHANNELS),
        }
        return (orjson.dumps(told).decode(),)

    return Venue(
        name=NAME,
        ws_url=SECOND_URL,
        rest_url=None,
        subscription=subscription,
        mode="second",
        connect_stagger_s=0.5,
    )


def _product_book(symbol: str) -> RestRequest:
    query = f"product_id={symbol}&limit={REST_LEVELS}"
    return RestRequest("GET", f"/api/v3/brokerage/market/product_book?{query}")


# Configuration.


@dataclass(frozen=True, slots=True)
class CoinbaseSection(Section):
    """``[coinbase]``: where the venue is, how its markets are followed."""

    ws_url: WsUrl = WS_URL
    rest_url: RestUrl = REST_URL
    probe_interval_s: Annotated[float, Range(0, 3_600)] = 10.0
    symbols_per_connection: Annotated[int, Range(1, 100)] = 10
    second_source: bool = False
    second_url: WsUrl = SECOND_URL

    def endpoint(self, source: str, key: Any = None) -> Endpoint:
        """The venue as it is configured; it needs no key."""
        venue = coinbase(
            probe_interval_s=self.probe_interval_s,
            symbols_per_connection=self.symbols_per_connection,
        )
        second = Endpoint(exchange(), self.second_url) if self.second_source else None
        return Endpoint(venue, self.ws_url, self.rest_url or None, second=second)


@dataclass(frozen=True, slots=True)
class CoinbaseMarket(MarketSection):
    """``[[market]]`` with ``venue = "coinbase"``: a pair of currencies, which is one book."""

    SYMBOL: ClassVar[tuple[str, str]] = ("symbol", "symbol")
    HINTS: ClassVar[Mapping[str, str]] = HINTS_IN_USD

    venue: Literal["coinbase"]
    symbol: PairInUsd
    name: AnyName = ""

    def __post_init__(self) -> None:
        base, _, quote = self.symbol.partition("-")
        if quote == "USDC":
            problem = f"is told under the name {base}-USD, which has the same book: name that"
            raise ConfigError("", "symbol", problem)

    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it, by the venue's spelling, which is ours: ``BTC-USD``."""
        return spot_market(NAME, self.symbol, "-", name=self.name)


ROW: Final = Row(
    name=NAME,
    section=CoinbaseSection,
    market=CoinbaseMarket,
    target=lambda text: {"venue": NAME, "symbol": text},
    simulator="bookfeed.sim.coinbase",
)
