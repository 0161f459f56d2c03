"""Gemini's spot streams, the fast WebSocket; or its market data of version 2.

On the fast one each change has a number, so that a missing one shows with the next, and a
connection begins each of its books with all of it. Nothing fetches a book again but a new
connection, which costs every book of the old one: each has its own unless told otherwise. Version 2
numbers nothing. REST is asked about silent books: it says nothing of when its answer is, so that it
can vouch for a book and replace none.
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
    Row,
    Section,
    Venue,
    WsUrl,
)
from bookfeed.venues.spot import HINTS_IN_USD, PairInUsd, spot_market

NAME: Final = "gemini"

Api = Literal["fast", "v2"]

WS_URLS: Final[dict[Api, str]] = {
    "fast": "wss://ws.gemini.com",
    "v2": "wss://api.gemini.com",
}
REST_URL: Final = "https://api.gemini.com"
# Without the query no book begins whole, and the first change would be taken for one.
PATHS: Final[dict[Api, str]] = {"fast": "/?snapshot=-1", "v2": "/v2/marketdata"}

CHANGES: Final = "depth@100ms"
TRADES: Final = "trade"
TOUCH: Final = "bookTicker"
NAMES: Final = (CHANGES, TRADES, TOUCH)
# Books and trades of version 2.
BOOKS: Final = "l2"

SYMBOLS_A_FRAME: Final = 50
SYMBOLS_MAX: Final = 100
# How many of the best levels a side are asked of REST.
REST_LEVELS: Final = 100


def gemini(*, api: Api = "fast", symbols_per_connection: int = 1, second: bool = False) -> Venue:
    """Return the venue. ``api`` is ``"fast"``, or ``"v2"``, whose books nothing proves complete:
    beside the fast one it is a ``second`` source, which is told symbols as that has them.
    """

    def command(method: str, id_: int, symbols: Sequence[str]) -> str:
        told: dict[str, Any]
        if api == "v2":
            named = [symbol.upper() for symbol in symbols]
            told = {"type": method, "subscriptions": [{"name": BOOKS, "symbols": named}]}
        else:
            params = [f"{symbol}@{name}" for symbol in symbols for name in NAMES]
            told = {"id": str(id_), "method": method, "params": params}
        return orjson.dumps(told).decode()

    def subscription(symbols: Sequence[str]) -> tuple[str, ...]:
        groups = range(0, len(symbols), SYMBOLS_A_FRAME)
        return tuple(
            command("subscribe", number, symbols[at : at + SYMBOLS_A_FRAME])
            for number, at in enumerate(groups, 1)
        )

    return Venue(
        name=NAME,
        mode="second" if second else "",
        ws_url=WS_URLS[api] + PATHS[api],
        rest_url=REST_URL,
        subscription=subscription,
        members=Membership(
            join=lambda id_, symbols: (command("subscribe", id_, symbols),),
            leave=lambda id_, symbols: (command("unsubscribe", id_, symbols),),
            symbols_max=SYMBOLS_A_FRAME,
            burst=2,
            interval_s=0.5,
        ),
        # Of 120 requests a minute from one address, 100: many books may be silent at a time.
        witness=RestWitness(_book, interval_s=0.6),
        symbols_per_connection=symbols_per_connection,
        symbols_per_connection_max=SYMBOLS_MAX,
        # How many attempts are borne, the venue does not say.
        connect_stagger_s=1.0,
    )


def _book(symbol: str) -> RestRequest:
    query = f"limit_bids={REST_LEVELS}&limit_asks={REST_LEVELS}"
    return RestRequest("GET", f"/v1/book/{symbol.lower()}?{query}")


# Configuration.


@dataclass(frozen=True, slots=True)
class GeminiSection(Section):
    """``[gemini]``: which of its two interfaces, where it is, how its markets are followed."""

    api: Api = "fast"
    ws_url: WsUrl | None = None
    rest_url: RestUrl = REST_URL
    symbols_per_connection: Annotated[int, Range(1, SYMBOLS_MAX)] = 1
    second_source: bool = False
    second_url: WsUrl = WS_URLS["v2"]

    def endpoint(self, source: str, key: Any = None) -> Endpoint:
        """The venue as it is configured; it needs no key."""
        if self.second_source and self.api == "v2":
            problem = 'is beside the fast interface: leave it out, or api = "v2"'
            raise ConfigError(source, "gemini.second_source", problem)
        venue = gemini(api=self.api, symbols_per_connection=self.symbols_per_connection)
        own = self.ws_url
        ws_url = venue.ws_url if own is None else own.rstrip("/") + PATHS[self.api]
        second = None
        if self.second_source:
            url = self.second_url.rstrip("/") + PATHS["v2"]
            second = Endpoint(gemini(api="v2", second=True), url)
        return Endpoint(venue, ws_url, self.rest_url or None, second=second)


@dataclass(frozen=True, slots=True)
class GeminiMarket(MarketSection):
    """``[[market]]`` with ``venue = "gemini"``: a pair of currencies, which is one book."""

    SYMBOL: ClassVar[tuple[str, str]] = ("symbol", "symbol")
    HINTS: ClassVar[Mapping[str, str]] = HINTS_IN_USD

    venue: Literal["gemini"]
    symbol: PairInUsd
    name: AnyName = ""

    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it, by the interface's spelling: ``btcusd``, ``BTCUSD``."""
        lower = not isinstance(section, GeminiSection) or section.api == "fast"
        return spot_market(NAME, self.symbol, "", name=self.name, lower=lower)


ROW: Final = Row(
    name=NAME,
    section=GeminiSection,
    market=GeminiMarket,
    target=lambda text: {"venue": NAME, "symbol": text},
    simulator="bookfeed.sim.gemini",
)
