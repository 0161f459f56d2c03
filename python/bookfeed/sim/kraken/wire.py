"""Kraken's messages of its second WebSocket API, printed as the venue prints them.

Prices and sizes are JSON numbers whose every digit matters, trailing zeros too, because the sum
over the best ten levels is taken over digits. Nothing here decides what happens in a market.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zlib import crc32

from bookfeed.sim.spot import SpotSpec, decimal_text

BOOK: Final = "book"
TRADE: Final = "trade"
INSTRUMENT: Final = "instrument"
CHANNELS: Final = (BOOK, TRADE, INSTRUMENT)
DEPTHS: Final = (10, 25, 100, 500, 1000)
DEPTH_DEFAULT: Final = 10
HEARTBEAT: Final = '{"channel":"heartbeat"}'
QTY_DECIMALS: Final = 8
_SUMMED: Final = 10
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Printed = tuple[str, str]
"""A level as its price and size are printed."""


class Message(NamedTuple):
    """One message of one channel, which all who subscribed to the same get alike."""

    text: str
    channel: str
    symbol: str
    depth: int = 0
    """The depth of the book that it tells of, 0 for other channels."""
    version: int = 0
    """The version of the book after it."""
    edge: Printed = ("", "")
    """The worst bid and ask that its checksum covers, as printed."""


def symbol_of(spec: SpotSpec) -> str:
    """The venue's name of a market: ``BTC/USD``."""
    return f"{spec.base}/{spec.quote}"


def rest_name(symbol: str) -> str:
    """What REST calls a market, which keeps older names: ``XBTUSD``."""
    base, _, quote = symbol.partition("/")
    old = {"BTC": "XBT", "DOGE": "XDG"}
    return f"{old.get(base, base)}{old.get(quote, quote)}"


def depth(
    symbol: str,
    bids: Sequence[tuple[str, str, int]],
    asks: Sequence[tuple[str, str, int]],
) -> str:
    """An answer of REST: price and size as text, and the second in which each level was set."""
    sides = {
        name: [[price, size, second] for price, size, second in side]
        for name, side in (("asks", asks), ("bids", bids))
    }
    result = {f"X{rest_name(symbol)}": sides}
    return json.dumps({"error": [], "result": result}, separators=(",", ":"))


def price_decimals(spec: SpotSpec) -> int:
    """How many decimals the prices of a market have."""
    return 9 - (len(str(spec.tick_e9)) - 1)


def printed(spec: SpotSpec, levels: Iterable[tuple[int, int]]) -> list[Printed]:
    """Levels (ticks, lots) as the venue prints them."""
    decimals = price_decimals(spec)
    return [
        (
            decimal_text(price, spec.tick_e9, 9, decimals),
            decimal_text(size, spec.lot_e8, 8, QTY_DECIMALS),
        )
        for price, size in levels
    ]


def checksum(asks: Sequence[Printed], bids: Sequence[Printed]) -> int:
    """The sum over the best ten levels a side; both sides best first, asks are summed first."""
    levels = (*asks[:_SUMMED], *bids[:_SUMMED])
    return crc32("".join(_digits(price) + _digits(size) for price, size in levels).encode())


def _digits(number: str) -> str:
    """A number without its point and its leading zeros."""
    return number.replace(".", "").lstrip("0")


def book(
    kind: str, symbol: str, bids: Sequence[Printed], asks: Sequence[Printed], sum: int, at_ns: int
) -> str:
    """A ``snapshot`` (best first) or an ``update`` (in the order that holds)."""
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}",'
        f'"bids":{_levels(bids)},"asks":{_levels(asks)},'
        f'"checksum":{sum},"timestamp":"{stamp(at_ns)}"}}]}}'
    )


def _levels(levels: Sequence[Printed]) -> str:
    return "[" + ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in levels) + "]"


class Traded(NamedTuple):
    """One trade as printed."""

    trade_id: int
    price: str
    size: str
    taker_buys: bool
    at_ns: int


def trades(kind: str, symbol: str, traded: Sequence[Traded]) -> str:
    """Trades in one message, oldest first; ``side`` is the taker's."""
    data = ",".join(
        f'{{"symbol":"{symbol}","side":"{"buy" if one.taker_buys else "sell"}",'
        f'"price":{one.price},"qty":{one.size},"ord_type":"market",'
        f'"trade_id":{one.trade_id},"timestamp":"{stamp(one.at_ns)}"}}'
        for one in traded
    )
    return f'{{"channel":"trade","type":"{kind}","data":[{data}]}}'


def instruments(specs: Iterable[SpotSpec]) -> str:
    """What is listed: assets, and pairs with their precisions."""
    listed = list(specs)
    assets = dict.fromkeys(name for spec in listed for name in (spec.base, spec.quote))
    data = {
        "assets": [
            {"id": name, "status": "enabled", "precision": 10, "precision_display": 5}
            for name in assets
        ],
        "pairs": [_pair(spec) for spec in listed],
    }
    text = dump({"channel": INSTRUMENT, "type": "snapshot", "data": data})
    for spec in listed:  # a float would not print the increments as the venue does
        text = text.replace(f'"{symbol_of(spec)} price"', increment(price_decimals(spec)), 1)
    return text.replace('"qty increment"', increment(QTY_DECIMALS))


def _pair(spec: SpotSpec) -> dict[str, Any]:
    return {
        "symbol": symbol_of(spec),
        "base": spec.base,
        "quote": spec.quote,
        "status": "online",
        "price_precision": price_decimals(spec),
        "qty_precision": QTY_DECIMALS,
        "price_increment": f"{symbol_of(spec)} price",
        "qty_increment": "qty increment",
    }


def increment(decimals: int) -> str:
    """The smallest step of a number with so many decimals."""
    return decimal_text(1, 1, decimals, decimals)


def status(connection_id: int) -> str:
    """What a connection is greeted with."""
    data = {
        "api_version": "v2",
        "connection_id": connection_id,
        "system": "online",
        "version": "2.0.10",
    }
    return dump({"channel": "status", "type": "update", "data": [data]})


def dump(body: Any) -> str:
    """Compact JSON, as the venue prints it."""
    return json.dumps(body, separators=(",", ":"))


def stamp(at_ns: int) -> str:
    """A time in RFC 3339 with microseconds."""
    at = _EPOCH + timedelta(microseconds=at_ns // 1_000)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
