"""Binance's spot streams: addresses, streams, commands, whole books by REST; Binance.US likewise.

A book is its changes every 100 ms, numbered by update ids, put on a whole book that REST gives and
that says at which id it stands. Trades and the best prices are streams of their own. The venue
counts what a client sends, pongs too, and ends every connection after a day.
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
    Mirror,
    RestPoll,
    RestRequest,
    RestSeeds,
    RestUrl,
    RestWitness,
    Row,
    Section,
    Venue,
    WsUrl,
)
from bookfeed.venues.spot import HINTS, Pair, spot_market

NAME: Final = "binance"

Site = Literal["com", "us", "data"]

WS_URLS: Final[dict[Site, str]] = {
    "com": "wss://stream.binance.com:9443",
    "us": "wss://stream.binance.us:9443",
    # Market data of the first one, alone, where that cannot be reached.
    "data": "wss://data-stream.binance.vision",
}
REST_URLS: Final[dict[Site, str]] = {
    "com": "https://api.binance.com",
    "us": "https://api.binance.us",
    "data": "https://data-api.binance.vision",
}
# Messages come as they are, without an envelope that names their stream.
PATH: Final = "/ws"

MIRROR: Final = Mirror(WS_URLS["data"] + PATH, REST_URLS["data"])
"""The same market data, for those whom ``binance.com`` turns away for where they are."""

CHANGES: Final = "depth@100ms"
TRADES: Final = "trade"
TOUCH: Final = "bookTicker"

STREAMS_MAX: Final = 1_024
# A frame for a full connection, and the pong that may fall into the same second, are five messages.
SYMBOLS_A_FRAME: Final = 100
DEPTH_MAX: Final = 5_000
# What one request for a book weighs, by how many levels a side it asks for.
WEIGHTS: Final = ((100, 5), (500, 25), (1_000, 50), (DEPTH_MAX, 250))
# How many levels a side are polled where nothing streams: the most that so little weighs.
POLL_DEPTH: Final = 500
# How many levels a side of a silent book are compared: the most that weighs least. The number at
# which the answer stands says whether the stream has told everything, of all levels.
WITNESS_DEPTH: Final = 100
# Half of what an address may ask for in a minute; the other half is left to other programs.
WEIGHT_A_MINUTE: Final = 3_000
# The venue's day, less the time that a connection may need to be replaced.
LIFETIME_S: Final = 86_400.0 - 600.0


def binance(
    *,
    site: Site = "com",
    depth: int = DEPTH_MAX,
    touch: bool = True,
    symbols_per_connection: int = 100,
) -> Venue:
    """Return the venue.

    ``depth`` is how many levels a side are fetched by REST, beyond which a book is known only where
    it changed. ``touch`` asks for the best prices in real time, an independent check of the book.
    """
    names = (CHANGES, TRADES, TOUCH) if touch else (CHANGES, TRADES)

    def command(method: str, id_: int, symbols: Sequence[str]) -> str:
        params = [f"{symbol.lower()}@{name}" for symbol in symbols for name in names]
        return orjson.dumps({"method": method, "params": params, "id": id_}).decode()

    def subscription(symbols: Sequence[str]) -> tuple[str, ...]:
        groups = range(0, len(symbols), SYMBOLS_A_FRAME)
        return tuple(
            command("SUBSCRIBE", number, symbols[at : at + SYMBOLS_A_FRAME])
            for number, at in enumerate(groups, 1)
        )

    burst, interval_s = _pace(depth)
    return Venue(
        name=NAME,
        ws_url=WS_URLS[site] + PATH,
        rest_url=REST_URLS[site],
        subscription=subscription,
        recovery=RestSeeds(
            lambda symbol: RestRequest("GET", f"/api/v3/depth?symbol={symbol}&limit={depth}"),
            Membership(
                join=lambda id_, symbols: (command("SUBSCRIBE", id_, symbols),),
                leave=lambda id_, symbols: (command("UNSUBSCRIBE", id_, symbols),),
                symbols_max=SYMBOLS_A_FRAME,
                # Four a second at most, which leaves room for a pong.
                burst=2,
                interval_s=0.5,
            ),
            burst=burst,
            interval_s=interval_s,
            # An eighth of what an address may ask for; of whole books it were six a minute.
            witness=RestWitness(
                lambda symbol: RestRequest(
                    "GET", f"/api/v3/depth?symbol={symbol}&limit={min(depth, WITNESS_DEPTH)}"
                ),
                interval_s=0.4,
            ),
        ),
        time=RestRequest("GET", "/api/v3/time"),
        poll=RestPoll(
            lambda symbols: RestRequest(
                "GET", f"/api/v3/depth?symbol={symbols[0]}&limit={POLL_DEPTH}"
            ),
            symbols_max=1,
            # One a second weighs a quarter of what an address may ask for.
            burst=10,
            interval_s=1.0,
            named=False,
            every_s=1.0,
        ),
        symbols_per_connection=symbols_per_connection,
        symbols_per_connection_max=STREAMS_MAX // len(names),
        # Of all attempts together, 300 in five minutes are allowed.
        connect_stagger_s=1.0,
        lifetime_s=LIFETIME_S,
    )


def _pace(depth: int) -> tuple[int, float]:
    """How many books may be asked for at once, and how many seconds apart the others: in no minute
    do they weigh more than is ours.
    """
    weight = next(weight for most, weight in WEIGHTS if depth <= most)
    burst = WEIGHT_A_MINUTE // weight // 2
    return burst, 60.0 / burst


# Configuration.


@dataclass(frozen=True, slots=True)
class BinanceSection(Section):
    """``[binance]``: which of the sites, where it is, how its markets are followed."""

    site: Site = "com"
    ws_url: WsUrl | None = None
    rest_url: RestUrl | None = None
    depth: Annotated[int, Range(5, DEPTH_MAX)] = DEPTH_MAX
    touch: bool = True
    symbols_per_connection: Annotated[int, Range(1, STREAMS_MAX // 3)] = 100

    def endpoint(self, source: str, key: Any = None) -> Endpoint:
        """The venue as it is configured; it needs no key."""
        venue = binance(
            site=self.site,
            depth=self.depth,
            touch=self.touch,
            symbols_per_connection=self.symbols_per_connection,
        )
        ws_url = venue.ws_url if self.ws_url is None else self.ws_url.rstrip("/") + PATH
        rest_url = venue.rest_url if self.rest_url is None else self.rest_url or None
        own = self.ws_url is not None or self.rest_url is not None
        mirror = None if own or self.site != "com" else MIRROR
        return Endpoint(venue, ws_url, rest_url, mirror=mirror)


@dataclass(frozen=True, slots=True)
class BinanceMarket(MarketSection):
    """``[[market]]`` with ``venue = "binance"``: a pair of currencies, which is one book."""

    SYMBOL: ClassVar[tuple[str, str]] = ("symbol", "symbol")
    HINTS: ClassVar[Mapping[str, str]] = HINTS

    venue: Literal["binance"]
    symbol: Pair
    name: AnyName = ""

    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it, by the venue's spelling: ``BTCUSDT``."""
        return spot_market(NAME, self.symbol, "", name=self.name)


ROW: Final = Row(
    name=NAME,
    section=BinanceSection,
    market=BinanceMarket,
    target=lambda text: {"venue": NAME, "symbol": text},
    simulator="bookfeed.sim.binance",
)
