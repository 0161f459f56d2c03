"""Crypto.com's spot streams, the WebSocket of the Exchange, version 1: address, subscriptions,
commands.

A subscription to a book begins with a whole one, of so many levels a side; each change after that
says which one it follows, so that a missing one shows with the next, and where nothing happens the
venue says so. A book that was lost is subscribed to again. The venue asks now and then whether
anybody is there, and hangs up on who does not answer.
"""

import time
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
    Resubscription,
    Row,
    Section,
    Venue,
    WsUrl,
)
from bookfeed.venues.spot import HINTS_IN_USD, PairInUsd, spot_market

NAME: Final = "cryptocom"
WS_URL: Final = "wss://stream.crypto.com/exchange/v1/market"

DEPTHS: Final = (10, 50)
# How often changes are told, in milliseconds.
PERIOD_MS: Final = 10

SYMBOLS_A_FRAME: Final = 50
SYMBOLS_MAX: Final = 200
# How its errors call what was too much; the documents do not say.
TOO_MANY: Final = "too many"


def cryptocom(*, depth: int = 50, symbols_per_connection: int = 20) -> Venue:
    """Return the venue; ``depth`` is how many levels a side its books have, one of ``DEPTHS``."""

    def command(method: str, id_: int, channels: Sequence[str]) -> str:
        params: dict[str, Any] = {"channels": list(channels)}
        if method == "subscribe":
            params["book_subscription_type"] = "SNAPSHOT_AND_UPDATE"
            params["book_update_frequency"] = PERIOD_MS
        nonce = time.time_ns() // 1_000_000
        told = {"id": id_, "method": method, "nonce": nonce, "params": params}
        return orjson.dumps(told).decode()

    def books(symbols: Sequence[str]) -> list[str]:
        return [f"book.{symbol}.{depth}" for symbol in symbols]

    def both(method: str, id_: int, symbols: Sequence[str]) -> str:
        return command(method, id_, [*books(symbols), *(f"trade.{symbol}" for symbol in symbols)])

    def subscription(symbols: Sequence[str]) -> tuple[str, ...]:
        groups = range(0, len(symbols), SYMBOLS_A_FRAME)
        return tuple(
            both("subscribe", number, symbols[at : at + SYMBOLS_A_FRAME])
            for number, at in enumerate(groups, 1)
        )

    return Venue(
        name=NAME,
        ws_url=WS_URL,
        rest_url=None,
        subscription=subscription,
        recovery=Resubscription(
            Membership(
                join=lambda id_, symbols: (both("subscribe", id_, symbols),),
                leave=lambda id_, symbols: (both("unsubscribe", id_, symbols),),
                symbols_max=SYMBOLS_A_FRAME,
                burst=4,
                interval_s=0.25,
            ),
            join=lambda id_, symbol: command("subscribe", id_, books((symbol,))),
            leave=lambda id_, symbol: command("unsubscribe", id_, books((symbol,))),
            hello=None,
            is_busy=lambda text: TOO_MANY in text.lower().replace("_", " "),
            answer=lambda id_: orjson.dumps(
                {"id": id_, "method": "public/respond-heartbeat"}
            ).decode(),
        ),
        symbols_per_connection=symbols_per_connection,
        symbols_per_connection_max=SYMBOLS_MAX,
        # The venue counts a second's commands from its beginning, and a connection begins in one.
        subscribe_after_s=1.0,
        # How many attempts are borne, the venue does not say.
        connect_stagger_s=1.0,
        depth=depth,
    )


# Configuration.


@dataclass(frozen=True, slots=True)
class CryptocomSection(Section):
    """``[cryptocom]``: where the venue is, how its markets are followed."""

    ws_url: WsUrl = WS_URL
    depth: Annotated[int, Range(DEPTHS[0], DEPTHS[-1])] = 50
    symbols_per_connection: Annotated[int, Range(1, SYMBOLS_MAX)] = 20

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            depths = " or ".join(map(str, DEPTHS))
            raise ConfigError("", "depth", f"must be {depths}, not {self.depth}")

    def endpoint(self, source: str, key: Any = None) -> Endpoint:
        """The venue as it is configured; it needs no key."""
        venue = cryptocom(depth=self.depth, symbols_per_connection=self.symbols_per_connection)
        return Endpoint(venue, self.ws_url)


@dataclass(frozen=True, slots=True)
class CryptocomMarket(MarketSection):
    """``[[market]]`` with ``venue = "cryptocom"``: a pair of currencies, which is one book."""

    SYMBOL: ClassVar[tuple[str, str]] = ("symbol", "symbol")
    HINTS: ClassVar[Mapping[str, str]] = HINTS_IN_USD

    venue: Literal["cryptocom"]
    symbol: PairInUsd
    name: AnyName = ""

    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it, by the venue's spelling: ``BTC_USD``."""
        return spot_market(NAME, self.symbol, "_", name=self.name)


ROW: Final = Row(
    name=NAME,
    section=CryptocomSection,
    market=CryptocomMarket,
    target=lambda text: {"venue": NAME, "symbol": text},
    simulator="bookfeed.sim.cryptocom",
)
