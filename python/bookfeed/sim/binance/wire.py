"""Binance's messages, printed as the venue prints them: eight decimals, times of a chosen unit.

A ``Message`` is what the venue has to say on one stream, before any connection has wrapped it or
chosen its unit of time. Nothing here decides what happens in a market.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from bookfeed.sim.spot import SpotSpec, decimal_text

DECIMALS: Final = 8
DEPTH_PERIODS_MS: Final = {"@depth@100ms": 100, "@depth": 1000}
"""The streams of changes, and how often each speaks."""
TICKER: Final = "@bookTicker"
TRADE: Final = "@trade"
SHUTDOWN: Final = "!serverShutdown"

Entries = Iterable[tuple[int, int]]


class Message(NamedTuple):
    """One message of one stream; its text has gaps where stamps (Unix ms) belong."""

    stream: str
    """``btcusdt@trade``."""
    kind: str
    """The stream without its symbol: ``@trade``."""
    symbol: str
    """``BTCUSDT``."""
    parts: tuple[str, ...]
    stamps_ms: tuple[int, ...] = ()
    first: int = 0
    last: int = 0
    """First and last update id that it tells."""

    def text(self, micros: bool = False) -> str:
        """The message itself, its times in milliseconds or microseconds."""
        tail = "000" if micros else ""
        middle = [
            f"{ms}{tail}{part}" for ms, part in zip(self.stamps_ms, self.parts[1:], strict=True)
        ]
        return self.parts[0] + "".join(middle)


def symbol_of(spec: SpotSpec) -> str:
    """The venue's name of a market: ``BTCUSDT``."""
    return f"{spec.base}{spec.quote}"


def price_text(spec: SpotSpec, ticks: int) -> str:
    """A price as printed, eight decimals."""
    return decimal_text(ticks, spec.tick_e9, 9, DECIMALS)


def size_text(spec: SpotSpec, lots: int) -> str:
    """A size as printed, eight decimals."""
    return decimal_text(lots, spec.lot_e8, 8, DECIMALS)


def levels_text(spec: SpotSpec, levels: Entries) -> str:
    """Levels as an array of pairs of strings, in the order given."""
    pairs = [f'["{price_text(spec, price)}","{size_text(spec, size)}"]' for price, size in levels]
    return f"[{','.join(pairs)}]"


def depth_update(
    spec: SpotSpec,
    kind: str,
    ids: tuple[int, int],
    bids: Mapping[int, int],
    asks: Mapping[int, int],
    now_ms: int,
) -> Message:
    """What changed since the last message of this stream, best prices first."""
    symbol, (first, last) = symbol_of(spec), ids
    best_first = levels_text(spec, sorted(bids.items(), reverse=True))
    tail = (
        f',"s":"{symbol}","U":{first},"u":{last},"b":{best_first},'
        f'"a":{levels_text(spec, sorted(asks.items()))}}}'
    )
    parts = ('{"e":"depthUpdate","E":', tail)
    return Message(f"{symbol.lower()}{kind}", kind, symbol, parts, (now_ms,), first, last)


def book_ticker(
    spec: SpotSpec, update_id: int, bid: tuple[int, int], ask: tuple[int, int]
) -> Message:
    """The best of both sides; no time is told."""
    symbol = symbol_of(spec)
    text = (
        f'{{"u":{update_id},"s":"{symbol}",'
        f'"b":"{price_text(spec, bid[0])}","B":"{size_text(spec, bid[1])}",'
        f'"a":"{price_text(spec, ask[0])}","A":"{size_text(spec, ask[1])}"}}'
    )
    stream = f"{symbol.lower()}{TICKER}"
    return Message(stream, TICKER, symbol, (text,), (), update_id, update_id)


class Traded(NamedTuple):
    """One trade; the order ids are told where the venue is Binance.US."""

    trade_id: int
    price: int
    size: int
    buyer_is_maker: bool
    orders: tuple[int, int] | None = None


def trade(spec: SpotSpec, traded: Traded, now_ms: int) -> Message:
    """One trade; ``m`` says that the buyer was the maker, so that the taker sold."""
    symbol = symbol_of(spec)
    orders = f'"b":{traded.orders[0]},"a":{traded.orders[1]},' if traded.orders else ""
    parts = (
        '{"e":"trade","E":',
        f',"s":"{symbol}","t":{traded.trade_id},"p":"{price_text(spec, traded.price)}",'
        f'"q":"{size_text(spec, traded.size)}",{orders}"T":',
        f',"m":{dump(traded.buyer_is_maker)},"M":true}}',
    )
    return Message(f"{symbol.lower()}{TRADE}", TRADE, symbol, parts, (now_ms, now_ms))


def server_shutdown(now_ms: int) -> Message:
    """The warning before a planned end of the connection."""
    return Message(SHUTDOWN, SHUTDOWN, "", ('{"e":"serverShutdown","E":', "}"), (now_ms,))


def wrapped(stream: str, text: str) -> str:
    """A message as a combined connection gets it."""
    return f'{{"stream":"{stream}","data":{text}}}'


def depth_snapshot(spec: SpotSpec, last_update_id: int, bids: Entries, asks: Entries) -> str:
    """The answer of ``/api/v3/depth``, which does not name its symbol."""
    return (
        f'{{"lastUpdateId":{last_update_id},"bids":{levels_text(spec, bids)},'
        f'"asks":{levels_text(spec, asks)}}}'
    )


def exchange_info(specs: Iterable[SpotSpec], now_ms: int) -> str:
    """The answer of ``/api/v3/exchangeInfo``: names and grids."""
    symbols = [
        {
            "symbol": symbol_of(spec),
            "status": "TRADING",
            "baseAsset": spec.base,
            "baseAssetPrecision": DECIMALS,
            "quoteAsset": spec.quote,
            "quoteAssetPrecision": DECIMALS,
            "isSpotTradingAllowed": True,
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": grid_text(spec.tick_e9, 9)},
                {"filterType": "LOT_SIZE", "stepSize": grid_text(spec.lot_e8, 8)},
            ],
        }
        for spec in specs
    ]
    return dump({"timezone": "UTC", "serverTime": now_ms, "rateLimits": [], "symbols": symbols})


def grid_text(unit: int, scale: int) -> str:
    """A step of a grid (``unit`` of 10**-scale), eight decimals."""
    return decimal_text(unit, 1, scale, DECIMALS)


def dump(body: Any) -> str:
    """Compact JSON, as the venue prints it."""
    return json.dumps(body, separators=(",", ":"))
