"""Gemini's messages, printed as the venue prints them: those of the fast WebSocket, whose times are
nanoseconds, and those of version 2, which say neither when nor which.

A ``Message`` is what the venue has to say on one stream; all who subscribed to it get it alike.
Nothing here decides what happens in a market.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from bookfeed.sim.spot import Change, Print, SpotSpec, decimal_text, price_text, short_text

Api = Literal["fast", "v2"]

DEPTH: Final = "depth@100ms"
TICKER: Final = "bookTicker"
TRADES: Final = "trade"
STREAMS: Final = (DEPTH, TICKER, TRADES)
# Version 2: one subscription brings both.
L2: Final = "l2"
L2_TRADES: Final = "l2_trade"

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000

Entries = Iterable[tuple[int, int]]


class Message(NamedTuple):
    """One message of one stream."""

    kind: str
    symbol: str
    payload: bytes
    first: int = 0
    last: int = 0
    """First and last update that it tells."""
    whole: bool = False
    """Whether it tells all of a book."""

    @property
    def stream(self) -> str:
        """``btcusd@depth@100ms``."""
        return f"{self.symbol}@{self.kind}"


def symbol_of(spec: SpotSpec, api: Api) -> str:
    """The interface's name of a market: ``btcusd``, or ``BTCUSD`` in version 2."""
    name = f"{spec.base}{spec.quote}"
    return name if api == "v2" else name.lower()


def size_text(spec: SpotSpec, lots: int) -> str:
    """A size as printed, without zeros that say nothing."""
    return short_text(decimal_text(lots, spec.lot_e8, 8, 8))


def _levels(spec: SpotSpec, levels: Entries) -> list[list[str]]:
    return [[price_text(spec, price), size_text(spec, size)] for price, size in levels]


def depth(
    spec: SpotSpec, ids: tuple[int, int], bids: Entries, asks: Entries, at_ns: int, *, whole: bool
) -> Message:
    """What changed in these updates, best prices first; or ``whole``, all there is."""
    symbol, (first, last) = symbol_of(spec, "fast"), ids
    body = {
        "e": "depthUpdate",
        "E": at_ns,
        "s": symbol,
        "U": first,
        "u": last,
        "b": _levels(spec, bids),
        "a": _levels(spec, asks),
    }
    return Message(DEPTH, symbol, dump(body), first, last, whole)


def ticker(
    spec: SpotSpec, number: int, bid: tuple[int, int], ask: tuple[int, int], at_ns: int
) -> Message:
    """The best of both sides; its number is none of the book's."""
    symbol = symbol_of(spec, "fast")
    body = {
        "u": number,
        "E": at_ns,
        "s": symbol,
        "b": price_text(spec, bid[0]),
        "B": size_text(spec, bid[1]),
        "a": price_text(spec, ask[0]),
        "A": size_text(spec, ask[1]),
    }
    return Message(TICKER, symbol, dump(body))


def trade(spec: SpotSpec, number: int, one: Print, at_ns: int) -> Message:
    """One trade; ``m`` says that the buyer was the maker, so that the taker sold."""
    symbol = symbol_of(spec, "fast")
    body = {
        "E": at_ns,
        "s": symbol,
        "t": number,
        "p": price_text(spec, one.price),
        "q": size_text(spec, one.size),
        "m": not one.taker_buys,
    }
    return Message(TRADES, symbol, dump(body))


def l2(
    spec: SpotSpec,
    changes: Iterable[Change],
    version: int,
    trades: Sequence[dict[str, Any]] | None = None,
) -> Message:
    """Version 2: new sizes in order; with the last ``trades``, all of a book."""
    symbol, whole = symbol_of(spec, "v2"), trades is not None
    told = [
        ["buy" if is_bid else "sell", price_text(spec, price), size_text(spec, size)]
        for is_bid, price, size in changes
    ]
    body: dict[str, Any] = {"changes": told, "symbol": symbol, "type": "l2_updates"}
    if whole:
        body = {"auction_events": [], **body, "trades": list(trades or ())}
    return Message(L2, symbol, dump(body), version, version, whole)


def l2_traded(spec: SpotSpec, number: int, one: Print, at_ns: int) -> dict[str, Any]:
    """Version 2: one trade; ``side`` is the taker's."""
    return {
        "event_id": number,
        "price": price_text(spec, one.price),
        "quantity": size_text(spec, one.size),
        "side": "buy" if one.taker_buys else "sell",
        "symbol": symbol_of(spec, "v2"),
        "tid": number,
        "timestamp": at_ns // _NS_PER_MS,
        "type": "trade",
    }


def l2_trade(spec: SpotSpec, traded: dict[str, Any]) -> Message:
    """The same as a message."""
    return Message(L2_TRADES, symbol_of(spec, "v2"), dump(traded))


def book(spec: SpotSpec, bids: Entries, asks: Entries, at_ns: int) -> str:
    """An answer of REST: levels, best first; of the time in them nobody should make anything."""
    second = str(at_ns // _NS_PER_S)

    def listed(levels: Entries) -> list[dict[str, str]]:
        return [
            {"price": price, "amount": size, "timestamp": second}
            for price, size in _levels(spec, levels)
        ]

    return dump({"bids": listed(bids), "asks": listed(asks)}).decode()


def heartbeat(at_ns: int) -> bytes:
    """A sign of life of version 2."""
    return dump({"type": "heartbeat", "timestamp": at_ns // _NS_PER_MS})


def reply(id_: object, **told: Any) -> bytes:
    """An answer to a command, by the command's number."""
    return dump({"id": id_, **told})


def dump(body: Any) -> bytes:
    """Compact JSON, as the venue prints it."""
    return json.dumps(body, separators=(",", ":")).encode()
