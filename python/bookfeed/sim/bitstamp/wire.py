"""Bitstamp's messages, printed as the venue prints them: ``data`` first, times as text.

A ``Message`` is what the venue has to say on one channel; all who subscribed to it get it alike.
Nothing here decides what happens in a market.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from bookfeed.sim.spot import Print, SpotSpec, decimal_text, price_text

DIFF: Final = "diff_order_book"
TOP: Final = "order_book"
TRADES: Final = "live_trades"
CHANNELS: Final = (DIFF, TOP, TRADES)
QTY_DECIMALS: Final = 8

Entries = Iterable[tuple[int, int]]


class Message(NamedTuple):
    """One message of one channel."""

    channel: str
    """``diff_order_book_btcusd``."""
    kind: str
    """The channel without its pair: ``diff_order_book``."""
    symbol: str
    """``btcusd``."""
    payload: bytes
    first: int = 0
    last: int = 0
    """From when to when its changes are, in microseconds."""


def symbol_of(spec: SpotSpec) -> str:
    """The venue's name of a market: ``btcusd``."""
    return f"{spec.base}{spec.quote}".lower()


def size_text(spec: SpotSpec, lots: int) -> str:
    """A size as printed."""
    return decimal_text(lots, spec.lot_e8, 8, QTY_DECIMALS)


def levels_text(spec: SpotSpec, levels: Entries) -> str:
    """Levels as an array of pairs of strings, in the order given."""
    pairs = [f'["{price_text(spec, price)}","{size_text(spec, size)}"]' for price, size in levels]
    return f"[{','.join(pairs)}]"


def _book(spec: SpotSpec, micros: int, bids: Entries, asks: Entries) -> str:
    return (
        f'{{"timestamp":"{micros // 1_000_000}","microtimestamp":"{micros}",'
        f'"bids":{levels_text(spec, bids)},"asks":{levels_text(spec, asks)}}}'
    )


def _told(event: str, channel: str, data: str) -> bytes:
    return f'{{"data":{data},"channel":"{channel}","event":"{event}"}}'.encode()


def diff(
    spec: SpotSpec, times: tuple[int, int], bids: Mapping[int, int], asks: Mapping[int, int]
) -> Message:
    """What changed since the last message of the channel, best prices first."""
    symbol, (first, last) = symbol_of(spec), times
    channel = f"{DIFF}_{symbol}"
    data = _book(spec, last, sorted(bids.items(), reverse=True), sorted(asks.items()))
    return Message(channel, DIFF, symbol, _told("data", channel, data), first, last)


def top(spec: SpotSpec, micros: int, bids: Entries, asks: Entries) -> Message:
    """The best levels, all of them again."""
    symbol = symbol_of(spec)
    channel = f"{TOP}_{symbol}"
    payload = _told("data", channel, _book(spec, micros, bids, asks))
    return Message(channel, TOP, symbol, payload, micros, micros)


def trade(spec: SpotSpec, number: int, one: Print, micros: int) -> Message:
    """One trade; ``type`` is 0 where the taker bought. Floats stand beside the exact texts."""
    symbol = symbol_of(spec)
    channel = f"{TRADES}_{symbol}"
    price, size = price_text(spec, one.price), size_text(spec, one.size)
    data = {
        "id": number,
        "timestamp": str(micros // 1_000_000),
        "amount": float(size),
        "amount_str": size,
        "price": float(price),
        "price_str": price,
        "type": 0 if one.taker_buys else 1,
        "microtimestamp": str(micros),
        "buy_order_id": number * 2,
        "sell_order_id": number * 2 + 1,
    }
    return Message(channel, TRADES, symbol, _told("trade", channel, dump(data)))


def rest_book(spec: SpotSpec, micros: int, bids: Entries, asks: Entries) -> str:
    """The answer of ``/api/v2/order_book``, which does not name its pair; it has blanks."""
    return _book(spec, micros, bids, asks).replace('":', '": ').replace('","', '", "')


def reply(event: str, channel: str = "", data: Any = None) -> bytes:
    """An answer to a command, or a word to the client."""
    return dump({"event": event, "channel": channel, "data": data or {}}).encode()


def dump(body: Any) -> str:
    """Compact JSON, as the venue prints it."""
    return json.dumps(body, separators=(",", ":"))
