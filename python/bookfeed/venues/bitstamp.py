"""Bitstamp's spot streams, the WebSocket of version 2: address, channels, whole books by REST.

A book is what changed, with times and without numbers, put on a whole book that REST gives and
that says of when it is. Nothing in the changes shows that one is missing, so that another channel,
which tells the best hundred levels again and again, is held against the book.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

import orjson

from bookfeed.market import Market
from bookfeed.schema import Range
from bookfeed.venues.base import (
    AnyName,
    Endpoint,
    MarketSection,
    Membership,
    RestRequest,
    RestSeeds,
    RestUrl,
    Row,
    Section,
    Venue,
    WsUrl,
)
from bookfeed.venues.spot import HINTS_IN_USD, PairInUsd, spot_market

NAME: Final = "bitstamp"
WS_URL: Final = "wss://ws.bitstamp.net"
REST_URL: Final = "https://www.bitstamp.net"

CHANGES: Final = "diff_order_book"
WITNESS: Final = "order_book"
TRADES: Final = "live_trades"
NAMES: Final = (CHANGES, WITNESS, TRADES)

# One more than these, and the venue closes the connection without a word.
CHANNELS_MAX: Final = 1_024
SYMBOLS_MAX: Final = CHANNELS_MAX // len(NAMES)


def bitstamp(*, symbols_per_connection: int = 50) -> Venue:
    """Return the venue."""

    def commands(event: str, symbols: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            orjson.dumps({"event": event, "data": {"channel": f"{name}_{symbol}"}}).decode()
            for symbol in symbols
            for name in NAMES
        )

    return Venue(
        name=NAME,
        ws_url=WS_URL,
        rest_url=REST_URL,
        subscription=lambda symbols: commands("bts:subscribe", symbols),
        recovery=RestSeeds(
            lambda symbol: RestRequest("GET", f"/api/v2/order_book/{symbol}/?group=1"),
            Membership(
                join=lambda _id, symbols: commands("bts:subscribe", symbols),
                leave=lambda _id, symbols: commands("bts:unsubscribe", symbols),
                symbols_max=10,
                burst=1,
                interval_s=1.0,
            ),
            # Half of the 10,000 requests that an address may send in ten minutes.
            burst=5,
            interval_s=0.12,
        ),
        ping_text='{"event":"bts:heartbeat"}',
        is_pong=_is_pong,
        symbols_per_connection=symbols_per_connection,
        symbols_per_connection_max=SYMBOLS_MAX,
        connect_stagger_s=1.0,
    )


# What answers a heartbeat is short; no book is looked through for it.
_PONG_BYTES_MAX: Final = 200


def _is_pong(text: bytes) -> bool:
    return len(text) <= _PONG_BYTES_MAX and b'"bts:heartbeat"' in text


# Configuration.


@dataclass(frozen=True, slots=True)
class BitstampSection(Section):
    """``[bitstamp]``: where the venue is, how its markets are followed."""

    ws_url: WsUrl = WS_URL
    rest_url: RestUrl = REST_URL
    symbols_per_connection: Annotated[int, Range(1, SYMBOLS_MAX)] = 50

    def endpoint(self, source: str, key: Any = None) -> Endpoint:
        """The venue as it is configured; it needs no key."""
        venue = bitstamp(symbols_per_connection=self.symbols_per_connection)
        return Endpoint(venue, self.ws_url, self.rest_url or None)


@dataclass(frozen=True, slots=True)
class BitstampMarket(MarketSection):
    """``[[market]]`` with ``venue = "bitstamp"``: a pair of currencies, which is one book."""

    SYMBOL: ClassVar[tuple[str, str]] = ("symbol", "symbol")
    HINTS: ClassVar[Mapping[str, str]] = HINTS_IN_USD

    venue: Literal["bitstamp"]
    symbol: PairInUsd
    name: AnyName = ""

    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it, by the venue's spelling: ``btcusd``."""
        return spot_market(NAME, self.symbol, "", name=self.name, lower=True)


ROW: Final = Row(
    name=NAME,
    section=BitstampSection,
    market=BitstampMarket,
    target=lambda text: {"venue": NAME, "symbol": text},
    simulator="bookfeed.sim.bitstamp",
)
