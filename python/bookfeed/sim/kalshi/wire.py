"""Kalshi's messages, printed as the venue prints them: decimal strings, signed changes, no asks.

A ``Message`` is what the venue has to say, before anyone's subscription has numbered it;
``frame`` makes it one subscription's. Nothing here decides what happens in a market.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from bookfeed.sim.kalshi.grid import LOTS, PIPS, STRUCTURES, price_text, size_text

Side = Literal["yes", "no"]
SIDES: Final[tuple[Side, Side]] = ("yes", "no")

SEQUENCED: Final = frozenset(
    {"orderbook_delta", "trade", "market_lifecycle_v2", "multivariate_market_lifecycle",
     "cfbenchmarks_value", "cfbenchmarks_value_5hz"}
)  # fmt: skip
"""Channels whose frames are numbered."""
PRIVATE: Final = frozenset({"fill", "user_orders", "market_positions"})
"""Channels of one's own orders; with the others they are all that the simulator serves."""
INDEX_CHANNELS: Final = frozenset({"cfbenchmarks_value", "cfbenchmarks_value_5hz"})
CHANNELS: Final = SEQUENCED | PRIVATE | {"ticker"}

BOOK_KINDS: Final = frozenset({"orderbook_snapshot", "orderbook_delta"})
"""Messages that change a book."""


class Change(NamedTuple):
    """A level of a book changes by ``delta`` (lots); ``side`` 0 is yes, 1 no, in its own terms."""

    side: int
    price: int
    delta: int


class Levels(NamedTuple):
    """A whole book: size by price (lots, pips) of each side, in its own terms."""

    yes: dict[int, int]
    no: dict[int, int]


class Message:
    """One message of the venue's.

    ``ticker`` is the market or the index it speaks of, empty for neither. ``change`` says what
    a receiver must do to that market's book. ``torn`` marks one that the matching engine has
    not finished telling: more of the same instant follows. ``body`` is the ``msg`` member, and
    ``yes_body`` the same with NO levels at YES prices, where that makes a difference.
    """

    __slots__ = ("body", "change", "channel", "kind", "ticker", "torn", "ts_ms", "yes_body")

    def __init__(
        self,
        channel: str,
        kind: str,
        ticker: str,
        ts_ms: int,
        body: str,
        *,
        yes_body: str = "",
        change: Change | Levels | None = None,
        torn: bool = False,
    ) -> None:
        self.channel = channel
        self.kind = kind
        self.ticker = ticker
        self.ts_ms = ts_ms
        self.body = body
        self.yes_body = yes_body or body
        self.change = change
        self.torn = torn


class Identity(NamedTuple):
    """How a market is called on the wire."""

    ticker: str
    market_id: str

    @property
    def head(self) -> str:
        """The members that a body begins with."""
        return f'"market_ticker":"{self.ticker}","market_id":"{self.market_id}"'


def rfc3339(ts_ms: int) -> str:
    """A time with milliseconds, as REST and deprecated members print it."""
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def rfc3339_seconds(ts_ms: int) -> str:
    """A time with whole seconds, as market objects print it."""
    return datetime.fromtimestamp(ts_ms // 1000, UTC).isoformat()[:-6] + "Z"


def frame(
    message: Message, sid: int, seq: int, *, use_yes_price: bool, sending_ms: int = 0, id: int = 0
) -> bytes:
    """The message as one subscription gets it; a ``seq``, ``sending_ms`` or ``id`` of 0 is none."""
    body = message.yes_body if use_yes_price else message.body
    return envelope(message.kind, id=id, sid=sid, seq=seq, msg=body, sending_ms=sending_ms)


def envelope(
    kind: str, *, id: int = 0, sid: int = 0, seq: int = 0, msg: str = "", sending_ms: int = 0
) -> bytes:
    """A frame of any type; members that are 0 or empty are left out."""
    parts = [f'"id":{id}'] if id else []
    parts.append(f'"type":"{kind}"')
    if sid:
        parts.append(f'"sid":{sid}')
    if seq:
        parts.append(f'"seq":{seq}')
    if msg:
        parts.append(f'"msg":{msg}')
    if sending_ms:
        parts.append(f'"sending_ts_ms":{sending_ms}')
    return f"{{{','.join(parts)}}}".encode()


def dump(body: Any) -> str:
    """Compact JSON."""
    return json.dumps(body, separators=(",", ":"))


# books


def levels_text(levels: Mapping[int, int], *, complement: bool = False) -> str:
    """``[price, size]`` pairs, prices ascending; with ``complement``, at 1 less the price."""
    pairs = sorted((PIPS - price if complement else price, lots) for price, lots in levels.items())
    return ",".join(f'["{price_text(price)}","{size_text(lots)}"]' for price, lots in pairs)


def snapshot(market: Identity, levels: Levels, ts_ms: int) -> Message:
    """A whole book; an empty side is left out."""
    bodies = []
    for complement in (False, True):
        body = market.head
        if levels.yes:
            body += f',"yes_dollars_fp":[{levels_text(levels.yes)}]'
        if levels.no:
            body += f',"no_dollars_fp":[{levels_text(levels.no, complement=complement)}]'
        bodies.append(f"{{{body}}}")
    return Message(
        "orderbook_delta", "orderbook_snapshot", market.ticker, ts_ms, bodies[0],
        yes_body=bodies[1], change=levels,
    )  # fmt: skip


def delta(
    market: Identity, change: Change, ts_ms: int, *, torn: bool = False, own: str = ""
) -> Message:
    """The change of one level; ``own`` is the order id of whoever caused it, for himself."""
    tail = f'"delta_fp":"{size_text(change.delta)}","side":"{SIDES[change.side]}"'
    tail += f',"ts":"{rfc3339(ts_ms)}","ts_ms":{ts_ms}'
    if own:
        tail += f',"client_order_id":"{own}"'
    price = change.price
    body = f'{{{market.head},"price_dollars":"{price_text(price)}",{tail}}}'
    yes_body = ""
    if change.side:
        yes_body = f'{{{market.head},"price_dollars":"{price_text(PIPS - price)}",{tail}}}'
    return Message(
        "orderbook_delta", "orderbook_delta", market.ticker, ts_ms, body,
        yes_body=yes_body, change=change, torn=torn,
    )  # fmt: skip


# tickers and trades


class TickerState(NamedTuple):
    """What a ticker says of a market: pips and lots, YES side only."""

    last: int
    bid: int
    ask: int
    bid_lots: int
    ask_lots: int
    last_lots: int
    volume: int
    open_interest: int


def ticker(market: Identity, state: TickerState, ts_ms: int) -> Message:
    """The touch and the totals; an empty side reads 0 or 1 with a size of 0.00."""
    body = {
        "market_id": market.market_id,
        "market_ticker": market.ticker,
        "price_dollars": price_text(state.last),
        "yes_bid_dollars": price_text(state.bid),
        "yes_ask_dollars": price_text(state.ask),
        "yes_bid_size_fp": size_text(state.bid_lots),
        "yes_ask_size_fp": size_text(state.ask_lots),
        "last_trade_size_fp": size_text(state.last_lots),
        "volume_fp": size_text(state.volume),
        "open_interest_fp": size_text(state.open_interest),
        "dollar_volume": state.volume // (2 * LOTS),
        "dollar_open_interest": state.open_interest // (2 * LOTS),
        "ts": ts_ms // 1000,
        "ts_ms": ts_ms,
        "time": rfc3339(ts_ms),
    }
    return Message("ticker", "ticker", market.ticker, ts_ms, dump(body))


def trade(
    market: Identity, trade_id: str, ts_ms: int, *, yes_price: int, lots: int, taker: Side
) -> Message:
    """One print; ``taker`` is the outcome the taker ends up holding more of."""
    body = {
        "trade_id": trade_id,
        "market_ticker": market.ticker,
        "yes_price_dollars": price_text(yes_price),
        "no_price_dollars": price_text(PIPS - yes_price),
        "count_fp": size_text(lots),
        "taker_side": taker,
        "taker_outcome_side": taker,
        "taker_book_side": "bid" if taker == "yes" else "ask",
        "is_block_trade": False,
        "ts": ts_ms // 1000,
        "ts_ms": ts_ms,
    }
    return Message("trade", "trade", market.ticker, ts_ms, dump(body))


# lifecycle


def price_ranges(structure: str) -> list[dict[str, str]]:
    """The bands of a structure as market objects and lifecycle frames list them."""
    return [
        {"start": price_text(band.start), "end": price_text(band.end),
         "step": price_text(band.step)}
        for band in STRUCTURES[structure]
    ]  # fmt: skip


def lifecycle(
    event_type: str, market_ticker: str, ts_ms: int, members: Mapping[str, Any]
) -> Message:
    """Something that happens to a market as a whole."""
    body = {"event_type": event_type, "market_ticker": market_ticker, **members}
    return Message("market_lifecycle_v2", "market_lifecycle_v2", market_ticker, ts_ms, dump(body))


def event_message(kind: str, ts_ms: int, members: Mapping[str, Any]) -> Message:
    """``event_lifecycle`` or ``event_fee_update``: they concern an event, not one market."""
    return Message("market_lifecycle_v2", kind, "", ts_ms, dump(members))


# replies


def subscribed(id: int, channel: str, sid: int, sending_ms: int) -> bytes:
    """The reply to a new subscription; never numbered."""
    msg = dump({"channel": channel, "sid": sid})
    return envelope("subscribed", id=id, msg=msg, sending_ms=sending_ms)


def error(id: int, code: int, sending_ms: int, *, sid: int = 0, seq: int = 0) -> bytes:
    """A refusal, or the end of a subscription."""
    msg = dump({"code": code, "msg": ERRORS[code]})
    return envelope("error", id=id, sid=sid, seq=seq, msg=msg, sending_ms=sending_ms)


ERRORS: Final = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    9: "Authentication required",
    10: "Channel error",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    18: "Command timeout",
    24: "Index IDs required",
    25: "Subscription buffer overflow",
    26: "Subscription market limit exceeded",
    27: "Too many requests",
}
"""What each code of an error says."""
