"""Kraken's spot streams, the WebSocket of version 2: address, subscriptions, commands.

A subscription to a book begins with a whole one, as deep as was asked for, and every message about
it states a checksum of its best levels. There are no numbers: what was lost shows in the checksum,
and a book that was lost is subscribed to again. A connection says something every second once
anything is subscribed, if only that it lives; so a quiet one is asked.
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
from bookfeed.venues.spot import HINTS, Pair, spot_market

NAME: Final = "kraken"
WS_URL: Final = "wss://ws.kraken.com/v2"
REST_URL: Final = "https://api.kraken.com"

DEPTHS: Final = (10, 25, 100, 500, 1000)

BOOKS: Final = "book"
TRADES: Final = "trade"
SYMBOLS_A_FRAME: Final = 100
# As many levels a side as REST tells.
REST_LEVELS: Final = 500
# What REST calls currencies by an older name.
OLD_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
# What the venue says to who sends too much; how much that is, it does not say.
TOO_MANY: Final = "Exceeded msg rate"


def kraken(
    *, depth: int = 100, probe_interval_s: float = 10.0, symbols_per_connection: int = 100
) -> Venue:
    """Return the venue; ``depth`` is how many levels a side its books have, one of
    ``DEPTHS``.
    """

    def command(method: str, id_: int, channel: str, symbols: Sequence[str]) -> str:
        # The venue would begin trades with those of the past, which are none of ours.
        more = {"depth": depth} if channel == BOOKS else {}
        if method == "subscribe":
            more |= {"snapshot": channel == BOOKS}
        params = {"channel": channel, "symbol": list(symbols), **more}
        return orjson.dumps({"method": method, "params": params, "req_id": id_}).decode()

    def both(method: str, id_: int, symbols: Sequence[str]) -> tuple[str, ...]:
        return tuple(command(method, id_, channel, symbols) for channel in (BOOKS, TRADES))

    def subscription(symbols: Sequence[str]) -> tuple[str, ...]:
        groups = range(0, len(symbols), SYMBOLS_A_FRAME)
        return tuple(
            frame
            for number, at in enumerate(groups, 1)
            for frame in both("subscribe", number, symbols[at : at + SYMBOLS_A_FRAME])
        )

    return Venue(
        name=NAME,
        ws_url=WS_URL,
        rest_url=REST_URL,
        subscription=subscription,
        recovery=Resubscription(
            Membership(
                join=lambda id_, symbols: both("subscribe", id_, symbols),
                leave=lambda id_, symbols: both("unsubscribe", id_, symbols),
                symbols_max=SYMBOLS_A_FRAME,
                burst=8,
                interval_s=0.2,
            ),
            join=lambda id_, symbol: command("subscribe", id_, BOOKS, (symbol,)),
            leave=lambda id_, symbol: command("unsubscribe", id_, BOOKS, (symbol,)),
            hello=lambda id_: orjson.dumps({"method": "ping", "req_id": id_}).decode(),
            is_busy=lambda text: TOO_MANY in text,
        ),
        # An address may ask about once a second.
        witness=RestWitness(_depth, interval_s=1.0),
        symbols_per_connection=symbols_per_connection,
        symbols_per_connection_max=500,
        # Of all attempts together, about 150 in ten minutes are borne.
        connect_stagger_s=4.0,
        probe_interval_s=probe_interval_s,
        depth=depth,
    )


def _depth(symbol: str) -> RestRequest:
    pair = "".join(OLD_NAMES.get(name, name) for name in symbol.split("/"))
    return RestRequest("GET", f"/0/public/Depth?pair={pair}&count={REST_LEVELS}")


# Configuration.


@dataclass(frozen=True, slots=True)
class KrakenSection(Section):
    """``[kraken]``: where the venue is, how its markets are followed."""

    ws_url: WsUrl = WS_URL
    rest_url: RestUrl = REST_URL
    depth: Annotated[int, Range(DEPTHS[0], DEPTHS[-1])] = 100
    probe_interval_s: Annotated[float, Range(0, 3_600)] = 10.0
    symbols_per_connection: Annotated[int, Range(1, 500)] = 100

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            depths = ", ".join(map(str, DEPTHS))
            raise ConfigError("", "depth", f"must be one of {depths}, not {self.depth}")

    def endpoint(self, source: str, key: Any = None) -> Endpoint:
        """The venue as it is configured; it needs no key."""
        venue = kraken(
            depth=self.depth,
            probe_interval_s=self.probe_interval_s,
            symbols_per_connection=self.symbols_per_connection,
        )
        return Endpoint(venue, self.ws_url, self.rest_url or None)


@dataclass(frozen=True, slots=True)
class KrakenMarket(MarketSection):
    """``[[market]]`` with ``venue = "kraken"``: a pair of currencies, which is one book."""

    SYMBOL: ClassVar[tuple[str, str]] = ("symbol", "symbol")
    HINTS: ClassVar[Mapping[str, str]] = HINTS

    venue: Literal["kraken"]
    symbol: Pair
    name: AnyName = ""

    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it, by the venue's spelling: ``BTC/USD``."""
        return spot_market(NAME, self.symbol, "/", name=self.name)


ROW: Final = Row(
    name=NAME,
    section=KrakenSection,
    market=KrakenMarket,
    target=lambda text: {"venue": NAME, "symbol": text},
    simulator="bookfeed.sim.kraken",
)
