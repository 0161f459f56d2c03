"""The stacks people put together for Kalshi without bookfeed, each rebuilding the corpus' books.

A book is two ladders of bids, for YES and for NO, by tick; deltas are added to sizes, which are
kept in whole hundredths of a contract so that a level taken away is exactly zero (the first
stack rounds floats instead, as people do). After each frame that changes a book the touch is
read: best bid, and one minus best bid for NO.
"""

import importlib
import json
from collections.abc import Callable
from types import GenericAlias
from typing import Any

from benches.competitors import FinalBooks, Ladder, Peers, Stack
from benches.kalshi import PRICES
from benches.market import TICKS

TICK_OF = {p: t for t, p in enumerate(PRICES)}
"""Price text to its tick: what a careful author would look up, not parse."""
E4_PER_TICK = 10
PRICE_E9_PER_TICK = 1_000_000
QTY_E8_PER_HUNDREDTH = 1_000_000


def hundredths(text: str) -> int:
    """A size in hundredths of a contract; the venue prints exactly two decimals."""
    return int(text.replace(".", ""))


def product_e8(bid: int, no_bid: int) -> int:
    """Best bid times best ask, each in 1e-4 USD, from the ticks of both best bids."""
    return bid * (TICKS - no_bid) * (E4_PER_TICK * E4_PER_TICK)


def exact(yes: dict[int, int], no: dict[int, int]) -> tuple[Ladder, Ladder]:
    """Bids and asks in prices of 1e-9 and sizes of 1e-8."""
    return (
        {t * PRICE_E9_PER_TICK: s * QTY_E8_PER_HUNDREDTH for t, s in yes.items()},
        {(TICKS - t) * PRICE_E9_PER_TICK: s * QTY_E8_PER_HUNDREDTH for t, s in no.items()},
    )


class JsonSorted:
    """``json`` + dict + ``sorted()``, floats throughout: what people write first."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, dict[float, float]]] = {}
        self.touch_sum_e8 = 0

    def feed(self, frame: bytes) -> None:
        """Applies a frame and reads the touch it changed."""
        message = json.loads(frame)
        told = message["msg"]
        if message["type"] == "orderbook_delta":
            side = self.sides[told["market_ticker"]][told["side"]]
            price = float(told["price_dollars"])
            size = round(side.get(price, 0.0) + float(told["delta_fp"]), 2)
            if size:
                side[price] = size
            else:
                side.pop(price, None)
        elif message["type"] == "orderbook_snapshot":
            self.sides[told["market_ticker"]] = {
                name: {float(p): float(s) for p, s in told.get(f"{name}_dollars_fp", ())}
                for name in ("yes", "no")
            }
        else:
            return
        book = self.sides[told["market_ticker"]]
        bid, no_bid = sorted(book["yes"], reverse=True)[0], sorted(book["no"], reverse=True)[0]
        self.touch_sum_e8 += product_e8(round(bid * TICKS), round(no_bid * TICKS))

    def books(self) -> FinalBooks:
        """Books now, exact."""

        def ticks(side: dict[float, float]) -> dict[int, int]:
            return {round(p * TICKS): round(s * 100) for p, s in side.items()}

        return {t: exact(ticks(b["yes"]), ticks(b["no"])) for t, b in self.sides.items()}


def orjson_stack(side_type: Callable[[dict[int, int]], Any], best: Callable[[Any], int]) -> Any:
    """orjson + one mapping a side, whatever it is; ``best`` finds its highest tick."""
    loads: Callable[[bytes], Any] = importlib.import_module("orjson").loads
    tick_of = TICK_OF

    class OrjsonStack:
        def __init__(self) -> None:
            self.sides: dict[str, dict[str, Any]] = {}
            self.touch_sum_e8 = 0

        def feed(self, frame: bytes) -> None:
            message = loads(frame)
            told, kind = message["msg"], message["type"]
            if kind == "orderbook_delta":
                book = self.sides[told["market_ticker"]]
                side, tick = book[told["side"]], tick_of[told["price_dollars"]]
                size = hundredths(told["delta_fp"])
                if tick in side:
                    size += side[tick]
                if size:
                    side[tick] = size
                else:
                    del side[tick]
            elif kind == "orderbook_snapshot":
                book = self.sides[told["market_ticker"]] = {
                    name: side_type(
                        {tick_of[p]: hundredths(s) for p, s in told.get(f"{name}_dollars_fp", ())}
                    )
                    for name in ("yes", "no")
                }
            else:
                return
            self.touch_sum_e8 += product_e8(best(book["yes"]), best(book["no"]))

        def books(self) -> FinalBooks:
            def plain(side: Any) -> dict[int, int]:
                return {t: side[t] for t in side}

            return {t: exact(plain(b["yes"]), plain(b["no"])) for t, b in self.sides.items()}

    return OrjsonStack


def order_book_side() -> Callable[[dict[int, int]], Any]:
    """``order-book``'s sorted mapping, the best bid first."""
    order_book: Callable[[], Any] = importlib.import_module("order_book").OrderBook

    def side(levels: dict[int, int]) -> Any:
        book = order_book()
        book.bids = levels
        return book.bids

    return side


def first_key(side: Any) -> int:
    """Best level of an ``order-book`` side."""
    tick: int = side.index(0)[0]
    return tick


def last_key(side: Any) -> int:
    """Best level of a ``SortedDict``."""
    tick: int = side.peekitem(-1)[0]
    return tick


def msgspec_decoder() -> Callable[[bytes], Any]:
    """Decodes a frame into typed Structs, tagged by ``type``, which the venue prints first."""
    msgspec = importlib.import_module("msgspec")
    struct: Callable[..., Any] = msgspec.defstruct
    levels = GenericAlias(tuple, (GenericAlias(tuple, (str, str)), ...))
    change = struct(
        "Change",
        [("market_ticker", str), ("price_dollars", str), ("delta_fp", str), ("side", str)],
        gc=False,
    )
    whole = struct(
        "Whole",
        [("market_ticker", str), ("yes_dollars_fp", levels, ()), ("no_dollars_fp", levels, ())],
        gc=False,
    )

    def tagged(tag: str, fields: list[tuple[str, Any]]) -> Any:
        return struct(tag, fields, tag_field="type", tag=tag, gc=False)

    delta = tagged("orderbook_delta", [("msg", change)])
    snapshot = tagged("orderbook_snapshot", [("msg", whole)])
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(
        delta | snapshot | tagged("trade", [])
    ).decode
    return decode


def sides_of(told: Any) -> list[dict[int, int]]:
    """Both ladders of a snapshot's Struct, by tick."""
    return [
        {TICK_OF[p]: hundredths(s) for p, s in levels}
        for levels in (told.yes_dollars_fp, told.no_dollars_fp)
    ]


def msgspec_order_book() -> type[Stack]:
    """msgspec typed Structs + ``order-book`` (C)."""
    decode, side_type, tick_of = msgspec_decoder(), order_book_side(), TICK_OF

    class MsgspecOrderBook:
        def __init__(self) -> None:
            self.sides: dict[str, tuple[Any, Any]] = {}
            self.touch_sum_e8 = 0

        def feed(self, frame: bytes) -> None:
            message = decode(frame)
            kind = message.__class__.__name__
            if kind == "orderbook_delta":
                told = message.msg
                yes, no = self.sides[told.market_ticker]
                side, tick = yes if told.side == "yes" else no, tick_of[told.price_dollars]
                size = hundredths(told.delta_fp)
                if tick in side:
                    size += side[tick]
                if size:
                    side[tick] = size
                else:
                    del side[tick]
            elif kind == "orderbook_snapshot":
                yes, no = map(side_type, sides_of(message.msg))
                self.sides[message.msg.market_ticker] = (yes, no)
            else:
                return
            self.touch_sum_e8 += product_e8(yes.index(0)[0], no.index(0)[0])

        def books(self) -> FinalBooks:
            return {t: exact(yes.to_dict(), no.to_dict()) for t, (yes, no) in self.sides.items()}

    return MsgspecOrderBook


class CachedSide:
    """Sizes by tick, and the highest tick."""

    __slots__ = ("best", "sizes")

    def __init__(self, sizes: dict[int, int]) -> None:
        self.sizes = sizes
        self.best = max(sizes, default=0)


def msgspec_cached() -> type[Stack]:
    """msgspec typed Structs + dict with cached touch."""
    decode, tick_of = msgspec_decoder(), TICK_OF

    class MsgspecCached:
        def __init__(self) -> None:
            self.sides: dict[str, tuple[CachedSide, CachedSide]] = {}
            self.touch_sum_e8 = 0

        def feed(self, frame: bytes) -> None:
            message = decode(frame)
            kind = message.__class__.__name__
            if kind == "orderbook_delta":
                told = message.msg
                yes, no = self.sides[told.market_ticker]
                side, tick = yes if told.side == "yes" else no, tick_of[told.price_dollars]
                sizes = side.sizes
                size = sizes.get(tick, 0) + int(told.delta_fp.replace(".", ""))
                if size:
                    sizes[tick] = size
                    if tick > side.best:
                        side.best = tick
                else:
                    del sizes[tick]
                    if tick == side.best:
                        side.best = max(sizes, default=0)
            elif kind == "orderbook_snapshot":
                yes, no = map(CachedSide, sides_of(message.msg))
                self.sides[message.msg.market_ticker] = (yes, no)
            else:
                return
            self.touch_sum_e8 += yes.best * (TICKS - no.best) * (E4_PER_TICK * E4_PER_TICK)

        def books(self) -> FinalBooks:
            return {t: exact(yes.sizes, no.sizes) for t, (yes, no) in self.sides.items()}

    return MsgspecCached


def sorted_dict() -> Any:
    """``sortedcontainers.SortedDict``."""
    return importlib.import_module("sortedcontainers").SortedDict


PEERS: Peers = {
    "json + dict + sorted()": ((), lambda: JsonSorted),
    "orjson + dict, max": (("orjson",), lambda: orjson_stack(dict, max)),
    "orjson + SortedDict": (
        ("orjson", "sortedcontainers"),
        lambda: orjson_stack(sorted_dict(), last_key),
    ),
    "orjson + order-book (C)": (
        ("orjson", "order_book"),
        lambda: orjson_stack(order_book_side(), first_key),
    ),
    "msgspec + order-book (C)": (("msgspec", "order_book"), msgspec_order_book),
    "msgspec + dict, cached touch": (("msgspec",), msgspec_cached),
}
