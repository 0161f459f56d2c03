"""Coinbase's messages of its Advanced Trade WebSocket, printed as the venue prints them.

Numbers are strings without zeros that say nothing; asks are called ``offer``. A message says what
happened in ``events``; its number and the time at which it goes out are of its connection.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from bookfeed.sim.spot import Change, SpotSpec, decimal_text, short_text

LEVEL2: Final = "level2"
TRADES: Final = "market_trades"
HEARTBEATS: Final = "heartbeats"
CHANNELS: Final = (LEVEL2, TRADES, HEARTBEATS)
BOOKS: Final = "l2_data"
"""What the channel ``level2`` is called in its messages."""
PRICE_DECIMALS: Final = 9
QTY_DECIMALS: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Message(NamedTuple):
    """One message, which all who subscribed to the same get alike, but for its number."""

    channel: str
    """As it is subscribed."""
    events: str
    at_ns: int
    """When it goes out."""
    symbol: str = ""
    version: int = 0
    """The version of the book after it, 0 for other channels."""
    changes: tuple[Change, ...] = ()
    """The levels that it changes, unless it is a whole book."""


class Traded(NamedTuple):
    """One trade as printed."""

    trade_id: int
    price: str
    size: str
    taker_buys: bool
    at_ns: int


def frame(channel: str, events: str, number: int, at_ns: int) -> bytes:
    """A whole frame; ``number`` counts the messages of a connection from 0."""
    return (
        f'{{"channel":"{channel}","timestamp":"{stamp(at_ns, 9)}","sequence_num":{number},'
        f'"events":[{events}]}}'
    ).encode()


def symbol_of(spec: SpotSpec) -> str:
    """The venue's name of a market: ``BTC-USD``."""
    return spec.name


def price_text(spec: SpotSpec, ticks: int) -> str:
    """A price as it is printed."""
    return short_text(decimal_text(ticks, spec.tick_e9, 9, PRICE_DECIMALS))


def size_text(spec: SpotSpec, lots: int) -> str:
    """A size as it is printed."""
    return short_text(decimal_text(lots, spec.lot_e8, 8, QTY_DECIMALS))


def book(spec: SpotSpec, kind: str, changes: Iterable[Change], at_ns: int) -> str:
    """An event of a book, a ``snapshot`` or an ``update``, as of one time."""
    time = stamp(at_ns, 6)
    updates = ",".join(
        f'{{"side":"{"bid" if is_bid else "offer"}","event_time":"{time}",'
        f'"price_level":"{price_text(spec, price)}","new_quantity":"{size_text(spec, size)}"}}'
        for is_bid, price, size in changes
    )
    return f'{{"type":"{kind}","product_id":"{symbol_of(spec)}","updates":[{updates}]}}'


def product_book(
    spec: SpotSpec,
    bids: Sequence[tuple[int, int]],
    asks: Sequence[tuple[int, int]],
    at_ns: int,
) -> str:
    """An answer of REST: a book, best levels first, and when it is."""
    sides = {
        name: [
            {"price": price_text(spec, price), "size": size_text(spec, size)}
            for price, size in levels
        ]
        for name, levels in (("bids", bids), ("asks", asks))
    }
    book = {"product_id": symbol_of(spec), **sides, "time": stamp(at_ns, 6)}
    return dump({"pricebook": book, "last": "", "mid_market": ""})


def trades(kind: str, symbol: str, traded: Sequence[Traded]) -> str:
    """An event of trades, the newest first; ``side`` is that of the order that rested."""
    listed = ",".join(
        f'{{"product_id":"{symbol}","trade_id":"{one.trade_id}","price":"{one.price}",'
        f'"size":"{one.size}","time":"{stamp(one.at_ns, 6)}",'
        f'"side":"{"SELL" if one.taker_buys else "BUY"}"}}'
        for one in reversed(traded)
    )
    return f'{{"type":"{kind}","trades":[{listed}]}}'


def heartbeat(counter: int, at_ns: int) -> str:
    """An event of ``heartbeats``."""
    at = _EPOCH + timedelta(microseconds=at_ns // 1_000)
    text = f"{at:%Y-%m-%d %H:%M:%S.%f} +0000 UTC m=+{at_ns / 1e9 % 100_000:.9f}"
    return dump({"current_time": text, "heartbeat_counter": counter})


def subscriptions(channels: Mapping[str, Iterable[str]]) -> str:
    """What a connection is subscribed to, by channel; that of signs of life names itself."""
    named = {channel: list(symbols) or [channel] for channel, symbols in sorted(channels.items())}
    return dump({"subscriptions": named})


def error(text: str) -> bytes:
    """A whole frame that answers a command; it has no number."""
    return dump({"type": "error", "message": text}).encode()


def dump(body: Any) -> str:
    """Compact JSON, as the venue prints it."""
    return json.dumps(body, separators=(",", ":"))


def stamp(at_ns: int, digits: int) -> str:
    """A time in RFC 3339 with up to so many digits of a second, without zeros at the end."""
    at = _EPOCH + timedelta(seconds=at_ns // 1_000_000_000)
    fraction = f"{at_ns % 1_000_000_000:09}"[:digits].rstrip("0")
    return f"{at:%Y-%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}Z"
