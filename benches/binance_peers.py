"""The stacks people put together for Binance without bookfeed, each rebuilding the corpus' books.

A book is two ladders of absolute sizes, loaded from what REST answers before the first frame.
After each frame the touch is read once. Nobody but bookfeed looks at the update ids.
"""

import importlib
import json
from collections.abc import Callable
from functools import partial
from types import GenericAlias
from typing import Any

from benches.binance import CENTS, E8_PER_TICKS, Corpus, Market, exact
from benches.competitors import FinalBooks, Peers, Stack

UNITS = 100_000
"""Units in a size of 1."""
Sizes = dict[float, float]
NewSide = Callable[[Sizes, bool], Any]
"""Makes a side of a book from its sizes by price; True for bids."""
Best = Callable[[Any], float]


def product_e8(bid: float, ask: float) -> int:
    """Best bid times best ask, each in 1e-4."""
    return int(bid * CENTS + 0.5) * int(ask * CENTS + 0.5) * E8_PER_TICKS


def whole_sides(market: Market) -> tuple[Sizes, Sizes]:
    """Both sides of a book as REST answered it."""
    whole = json.loads(market.whole)
    return (
        {float(p): float(s) for p, s in whole["bids"]},
        {float(p): float(s) for p, s in whole["asks"]},
    )


def in_units(side: Any) -> dict[int, int]:
    """A side's levels, exact; whatever mapping it is."""
    return exact({round(p * CENTS): round(side[p] * UNITS) for p in side})


def mapping_stack(
    corpus: Corpus,
    decode: Callable[[bytes], Any],
    new_side: NewSide,
    best_bid: Best,
    best_ask: Best,
) -> type[Stack]:
    """A decoder + one mapping a side, whatever they are."""

    class MappingStack:
        def __init__(self) -> None:
            self.sides: dict[str, tuple[Any, Any]] = {}
            for market in corpus.markets:
                bids, asks = whole_sides(market)
                self.sides[market.symbol] = (new_side(bids, True), new_side(asks, False))
            self.touch_sum_e8 = 0

        def feed(self, frame: bytes) -> None:
            told = decode(frame)["data"]
            bids, asks = self.sides[told["s"]]
            for side, levels in ((bids, told["b"]), (asks, told["a"])):
                for price_text, size_text in levels:
                    price, size = float(price_text), float(size_text)
                    if size:
                        side[price] = size
                    elif price in side:
                        del side[price]
            self.touch_sum_e8 += product_e8(best_bid(bids), best_ask(asks))

        def books(self) -> FinalBooks:
            return {s: (in_units(bids), in_units(asks)) for s, (bids, asks) in self.sides.items()}

    return MappingStack


def plain(sizes: Sizes, _bids: bool) -> Sizes:
    """A dict as it is."""
    return sizes


def orjson_loads() -> Callable[[bytes], Any]:
    """``orjson.loads``."""
    loads: Callable[[bytes], Any] = importlib.import_module("orjson").loads
    return loads


def orjson_sorted_dict(corpus: Corpus) -> type[Stack]:
    """orjson + ``sortedcontainers.SortedDict``."""
    sorted_dict = importlib.import_module("sortedcontainers").SortedDict
    return mapping_stack(
        corpus,
        orjson_loads(),
        lambda sizes, _bids: sorted_dict(sizes),
        lambda side: side.peekitem(-1)[0],
        lambda side: side.peekitem(0)[0],
    )


def orjson_order_book(corpus: Corpus) -> type[Stack]:
    """orjson + ``order-book`` (C, sorted on demand)."""
    order_book: Callable[[], Any] = importlib.import_module("order_book").OrderBook

    def new_side(sizes: Sizes, bids: bool) -> Any:
        book = order_book()
        if bids:
            book.bids = sizes
            return book.bids
        book.asks = sizes
        return book.asks

    def best(side: Any) -> float:
        price: float = side.index(0)[0]
        return price

    return mapping_stack(corpus, orjson_loads(), new_side, best, best)


def msgspec_decoder() -> Callable[[bytes], Any]:
    """Decodes a frame into typed Structs, prices and sizes into floats at once."""
    msgspec = importlib.import_module("msgspec")
    struct: Callable[..., Any] = msgspec.defstruct
    levels = GenericAlias(list, (GenericAlias(tuple, (float, float)),))
    change = struct("Change", [("s", str), ("b", levels), ("a", levels)], gc=False)
    wrapped = struct("Wrapped", [("data", change)], gc=False)
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(wrapped, strict=False).decode
    return decode


class CachedBook:
    """Two dicts of sizes by price, and the best price of each."""

    __slots__ = ("ask", "asks", "bid", "bids")

    def __init__(self, bids: Sizes, asks: Sizes) -> None:
        self.bids, self.asks = bids, asks
        self.bid, self.ask = max(bids), min(asks)


def msgspec_cached(corpus: Corpus) -> type[Stack]:
    """msgspec typed Structs + dict with cached touch: the best that can be assembled.

    A best price is looked for once a message, and only if it went.
    """
    decode = msgspec_decoder()

    class MsgspecCached:
        def __init__(self) -> None:
            self.by_symbol = {m.symbol: CachedBook(*whole_sides(m)) for m in corpus.markets}
            self.touch_sum_e8 = 0

        def feed(self, frame: bytes) -> None:
            told = decode(frame).data
            book = self.by_symbol[told.s]
            side, best = book.bids, book.bid
            for price, size in told.b:
                if size:
                    side[price] = size
                    if price > best:
                        best = price
                else:
                    side.pop(price, None)
            book.bid = best if best in side else max(side)
            side, best = book.asks, book.ask
            for price, size in told.a:
                if size:
                    side[price] = size
                    if price < best:
                        best = price
                else:
                    side.pop(price, None)
            book.ask = best if best in side else min(side)
            self.touch_sum_e8 += product_e8(book.bid, book.ask)

        def books(self) -> FinalBooks:
            return {s: (in_units(b.bids), in_units(b.asks)) for s, b in self.by_symbol.items()}

    return MsgspecCached


def json_sorted(corpus: Corpus) -> type[Stack]:
    """``json`` + dict + ``sorted()``: what people write first."""
    return mapping_stack(
        corpus,
        json.loads,
        plain,
        lambda side: sorted(side, reverse=True)[0],
        lambda side: sorted(side)[0],
    )


def orjson_max_min(corpus: Corpus) -> type[Stack]:
    """orjson + dict, ``max`` and ``min``."""
    return mapping_stack(corpus, orjson_loads(), plain, max, min)


MAKERS: dict[str, tuple[tuple[str, ...], Callable[[Corpus], type[Stack]]]] = {
    "json + dict + sorted()": ((), json_sorted),
    "orjson + dict, max/min": (("orjson",), orjson_max_min),
    "orjson + SortedDict": (("orjson", "sortedcontainers"), orjson_sorted_dict),
    "orjson + order-book (C)": (("orjson", "order_book"), orjson_order_book),
    "msgspec + dict, cached touch": (("msgspec",), msgspec_cached),
}
"""Row name -> (modules it needs, maker of its stack)."""
NAMES = tuple(MAKERS)


def peers(corpus: Corpus) -> Peers:
    """The stacks that rebuild this corpus' books."""
    return {name: (needs, partial(make, corpus)) for name, (needs, make) in MAKERS.items()}
