"""Polymarket's market channel: addresses, the subscription, the heartbeat, whole books by REST.

The subscription must be the first frame of a connection and must not be repeated; a ``PING``
before it closes the connection with 1008. Above 500 assets a connection stops sending initial
books, hence the ceiling.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

import orjson

from bookfeed.errors import ConfigError
from bookfeed.market import Market, Outcome, check_text, check_whole
from bookfeed.schema import Count, DecimalText, Range, Text
from bookfeed.venues.base import (
    AnyName,
    Endpoint,
    Legs,
    MarketSection,
    Membership,
    Name,
    RestBooks,
    RestPoll,
    RestRequest,
    RestUrl,
    Row,
    Section,
    Venue,
    WsUrl,
)
from bookfeed.venues.polymarket_polybolt import RELAY as POLYBOLT
from bookfeed.venues.polymarket_rtds import RELAY as RTDS

NAME: Final = "polymarket"
WS_URL: Final = "wss://ws-subscriptions-clob.polymarket.com/ws/market"
REST_URL: Final = "https://clob.polymarket.com"

# No slug, no address, and nothing that came along with it.
MarketId = Annotated[
    str,
    Text(
        r"[^\s/-]{0,200}",
        'the condition id, 0x and 64 hexadecimal digits, or "" if it is not known',
        address="the address of a page ends in a slug; the condition id is in the venue's API",
    ),
]
FillRounding: TypeAlias = Literal["half_up", "floor"]
AssetId = Annotated[str, Text(r"[0-9]{1,78}", "a token id: 1 to 78 digits in quotes")]


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Taker fee of a market: ``shares * rate * (price * (1 - price)) ** exponent`` USD.

    ``rate`` is a decimal string, exactly as the venue states it (``"0.07"``). Raises ``TypeError``
    for numbers in its place, which are not exact, and for an exponent that is not whole.
    """

    rate: str
    exponent: int = 1
    """Exponent of ``price * (1 - price)``."""
    rounding: FillRounding = "half_up"
    """How the fee of a fill is rounded to five decimals: ``"half_up"``, which is never less, or
    ``"floor"``.
    """

    def __post_init__(self) -> None:
        check_text("rate", self.rate, "0.07")
        check_whole("exponent", self.exponent, 1)
        check_text("rounding", self.rounding, "half_up")

    def text(self) -> str:
        """The same as the one text that the engine takes."""
        rounding = "" if self.rounding == "half_up" else f";{self.rounding}"
        return f"{NAME}:{self.rate};{self.exponent}{rounding}"


def polymarket(
    *,
    custom_features: bool = True,
    ping_interval_s: float = 10.0,
    assets_per_connection: int = 200,
) -> Venue:
    """Return the venue.

    ``custom_features`` asks for ``best_bid_ask`` (an independent check of the touch),
    ``new_market`` and ``market_resolved``.
    """

    def subscription(symbols: Sequence[str]) -> tuple[str, ...]:
        frame = {
            "type": "market",
            "assets_ids": list(symbols),
            "initial_dump": True,
            "custom_feature_enabled": custom_features,
        }
        return (orjson.dumps(frame).decode(),)

    def update(operation: str, symbols: Sequence[str]) -> tuple[str, ...]:
        # What is left out of the features would be taken as told before, of the whole connection.
        frame = {
            "operation": operation,
            "assets_ids": list(symbols),
            "custom_feature_enabled": custom_features,
        }
        return (orjson.dumps(frame).decode(),)

    return Venue(
        name=NAME,
        ws_url=WS_URL,
        rest_url=REST_URL,
        subscription=subscription,
        recovery=RestBooks(_books_request, symbols_max=50),
        time=RestRequest("GET", "/time"),
        members=Membership(
            join=lambda _id, symbols: update("subscribe", symbols),
            leave=lambda _id, symbols: update("unsubscribe", symbols),
            symbols_max=100,
            burst=10,
            interval_s=0.2,
        ),
        # A tenth of what the venue allows: there may be others behind the same address.
        poll=RestPoll(
            _books_request, symbols_max=100, burst=5, interval_s=0.2, witness=_prices_request
        ),
        ping_text="PING",
        is_pong=_is_pong,
        ping_interval_s=ping_interval_s,
        symbols_per_connection=assets_per_connection,
        symbols_per_connection_max=450,
    )


def _is_pong(text: bytes) -> bool:
    # Whatever it is wrapped in: a line break, quotes, an object.
    return b"PONG" in text.upper()


def _books_request(symbols: Sequence[str]) -> RestRequest:
    return RestRequest("POST", "/books", orjson.dumps([{"token_id": s} for s in symbols]))


def _prices_request(symbols: Sequence[str]) -> RestRequest:
    asked = [{"token_id": s, "side": side} for s in symbols for side in ("BUY", "SELL")]
    return RestRequest("POST", "/prices", orjson.dumps(asked))


# Configuration.


@dataclass(frozen=True, slots=True)
class PolymarketSection(Section):
    """``[polymarket]``: where the venue is, its heartbeat, how its markets are followed."""

    ws_url: WsUrl = WS_URL
    rest_url: RestUrl = REST_URL
    ping_interval_s: Annotated[float, Range(0.1, 60)] = 10.0
    custom_features: bool = True
    assets_per_connection: Annotated[int, Range(1, 450)] = 200
    user_ws_url: WsUrl | None = None

    def endpoint(self, source: str, key: Any = None) -> Endpoint:
        """The venue as it is configured; it needs no key."""
        venue = polymarket(
            custom_features=self.custom_features,
            ping_interval_s=self.ping_interval_s,
            assets_per_connection=self.assets_per_connection,
        )
        return Endpoint(venue, self.ws_url, self.rest_url or None)


@dataclass(frozen=True, slots=True)
class FeeSection:
    """``fee`` of a market: taker fee a share, ``rate * (p * (1 - p)) ** exponent`` dollars."""

    rate: Annotated[str, DecimalText("0", "1")]
    exponent: Annotated[int, Range(0, 4)] = 1
    rounding: FillRounding = "half_up"


@dataclass(frozen=True, slots=True)
class OutcomeSection:
    """One outcome of a market, which is one book."""

    HINTS: ClassVar[Mapping[str, str]] = {
        "token token_id tokenId id asset_id clobTokenId": "the token id is called asset here",
        "outcome title": "the outcome is called name here",
    }

    name: Name
    asset: AssetId


@dataclass(frozen=True, slots=True)
class PolymarketMarket(MarketSection):
    """``[[market]]``: one market to follow, of Polymarket unless it says otherwise."""

    SYMBOL: ClassVar[tuple[str, str]] = ("outcomes", "asset")
    HINTS: ClassVar[Mapping[str, str]] = {
        "slug market_slug event event_slug url": "a market is named by its condition id (market) "
        "and the token ids of its outcomes",
        "condition_id conditionId id": "the condition id is called market here",
        "asset asset_id assets token_id token_ids tokens clobTokenIds": "token ids stand in "
        'outcomes = [{ name = "Yes", asset = "…" }, …]',
        "question title": "what people see is called name here",
        "fee_rate fee_exponent": 'fees are fee = { rate = "0.07", exponent = 1 }',
    }

    market: MarketId
    outcomes: Annotated[tuple[OutcomeSection, ...], Count("one or two outcomes")]
    venue: Literal["polymarket"] = "polymarket"
    name: AnyName = ""
    tick_size: Annotated[str | None, DecimalText("0.0001", "0.5")] = None
    min_order_size: Annotated[str | None, DecimalText("0", "9000000000", places=8)] = None
    neg_risk: bool | None = None
    fee: FeeSection | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.outcomes) <= 2:
            raise ConfigError("", "outcomes", "must hold one or two outcomes")
        assets = [outcome.asset for outcome in self.outcomes]
        if len(set(assets)) < len(assets):
            problem = "is the asset of the other outcome, too; each has one of its own"
            raise ConfigError("", "outcomes[1].asset", problem)
        if self.tick_size is not None and 1 % Decimal(self.tick_size):
            problem = f'must divide 1, as "0.01" does; "{self.tick_size}" does not'
            raise ConfigError("", "tick_size", problem)

    def to_market(self, section: Any) -> Market:
        """The same as the feed knows it."""
        fee = self.fee
        return Market(
            market=self.market,
            outcomes=tuple(Outcome(outcome.name, outcome.asset) for outcome in self.outcomes),
            name=self.name,
            venue=self.venue,
            tick_size=self.tick_size,
            min_order_size=self.min_order_size,
            neg_risk=self.neg_risk,
            fee=None if fee is None else FeeSchedule(fee.rate, fee.exponent, fee.rounding),
        )


def target(text: str) -> dict[str, object]:
    """The market of one token, of which no more is known than the token's id."""
    return {
        "venue": NAME,
        "market": "",
        "outcomes": [{"name": "token", "asset": text}],
    }


ROW: Final = Row(
    name=NAME,
    section=PolymarketSection,
    market=PolymarketMarket,
    target=target,
    simulator="bookfeed.sim.polymarket",
    legs=Legs(
        "the token id of an outcome of a",
        augmented="true if the event's negative-risk set is augmented (outcomes may be added), "
        "else false",
    ),
    moved={"feed.assets_per_connection": "assets_per_connection"},
    relays=(RTDS, POLYBOLT),
)
