"""Crypto.com's messages, printed as the venue prints them: prices and sizes as text, with how many
orders a level is made of; milliseconds, and nanoseconds of trades.

A ``Message`` is what the venue has to say on one channel; all who subscribed to it get it alike.
Nothing here decides what happens in a market.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

from bookfeed.sim.spot import Print, SpotSpec, decimal_text, price_text, short_text

BOOK: Final = "book"
TRADES: Final = "trade"
DEPTHS: Final = (10, 50)
# The number of a message that answers no command.
UNASKED: Final = -1

_NS_PER_MS: Final = 1_000_000

Entries = Iterable[tuple[int, int]]


class Message(NamedTuple):
    """One message of one channel."""

    kind: str
    symbol: str
    payload: bytes
    channel: str
    """As it is subscribed: ``book.BTC_USD.50``."""
    first: int = 0
    last: int = 0
    """First and last update that it tells."""
    whole: bool = False
    """Whether it tells all of a window."""


class Traded(NamedTuple):
    """A trade, with its number and the time in nanoseconds at which it happened."""

    number: int
    print: Print
    at_ns: int


def symbol_of(spec: SpotSpec) -> str:
    """The venue's name of a market: ``BTC_USD``."""
    return f"{spec.base}_{spec.quote}"


def book_channel(symbol: str, depth: int) -> str:
    """The channel of a window of a book."""
    return f"{BOOK}.{symbol}.{depth}"


def trade_channel(symbol: str) -> str:
    """The channel of trades."""
    return f"{TRADES}.{symbol}"


def _levels(spec: SpotSpec, levels: Entries) -> list[list[str]]:
    """Of orders there is one, or none where a level is gone."""
    return [
        [price_text(spec, price), _size_text(spec, size), "1" if size else "0"]
        for price, size in levels
    ]


def _size_text(spec: SpotSpec, lots: int) -> str:
    return short_text(decimal_text(lots, spec.lot_e8, 8, 8))


def _sum(number: int) -> int:
    """Stands for a checksum of which nobody knows what it is over; it may be negative."""
    return crc32(str(number).encode()) - 2**31


def whole(
    spec: SpotSpec, depth: int, last: int, sides: tuple[Entries, Entries], at_ns: int, id_: int
) -> Message:
    """All of a window, best first, as of an update; as the answer to a command, or as none."""
    bids, asks = (_levels(spec, side) for side in sides)
    at_ms = at_ns // _NS_PER_MS
    entry = {"asks": asks, "bids": bids, "t": at_ms, "tt": at_ms, "u": last, "cs": _sum(last)}
    symbol = symbol_of(spec)
    channel = book_channel(symbol, depth)
    payload = _news(id_, symbol, channel, BOOK, [entry], depth=depth)
    return Message(BOOK, symbol, payload, channel, last, last, whole=True)


def update(
    spec: SpotSpec, depth: int, chain: tuple[int, int], sides: tuple[Entries, Entries], at_ns: int
) -> Message:
    """What changed since the first of two updates, or that nothing did, as of the second."""
    (before, last), symbol = chain, symbol_of(spec)
    bids, asks = (_levels(spec, side) for side in sides)
    at_ms = at_ns // _NS_PER_MS
    entry = {
        "update": {"asks": asks, "bids": bids}, "t": at_ms, "tt": at_ms, "u": last, "pu": before,
        "cs": _sum(last),
    }  # fmt: skip
    channel = book_channel(symbol, depth)
    payload = _news(UNASKED, symbol, channel, f"{BOOK}.update", [entry], depth=depth)
    return Message(BOOK, symbol, payload, channel, before + 1, last)


def trades(spec: SpotSpec, told: Sequence[Traded]) -> Message:
    """Trades, newest first."""
    symbol = symbol_of(spec)
    data = [
        {
            "d": str(number),
            "t": at_ns // _NS_PER_MS,
            "tn": str(at_ns),
            "q": _size_text(spec, one.size),
            "p": price_text(spec, one.price),
            "s": "BUY" if one.taker_buys else "SELL",
            "i": symbol,
        }
        for number, one, at_ns in reversed(told)
    ]
    channel = trade_channel(symbol)
    return Message(TRADES, symbol, _news(UNASKED, symbol, channel, TRADES, data), channel)


def _news(
    id_: int, symbol: str, channel: str, kind: str, data: list[dict[str, Any]], **more: Any
) -> bytes:
    result = {"instrument_name": symbol, "subscription": channel, "channel": kind, **more}
    return dump({"id": id_, "method": "subscribe", "code": 0, "result": {**result, "data": data}})


def reply(id_: object, method: str, code: int = 0, **told: Any) -> bytes:
    """An answer to a command, by the command's number."""
    return dump({"id": id_, "method": method, "code": code, **told})


def question(number: int) -> bytes:
    """Whether anybody is there."""
    return dump({"id": number, "method": "public/heartbeat", "code": 0})


def dump(body: Any) -> bytes:
    """Compact JSON, as the venue prints it."""
    return json.dumps(body, separators=(",", ":")).encode()
