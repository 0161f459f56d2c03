"""The stacks people put together for those spot venues without bookfeed.

A book is two dicts of absolute sizes, given before the first frame. After each frame the touch is
read once. Nobody but bookfeed looks at numbers, sums and times. The functions of the binding are
ours: how each stack is put together is what is compared.
"""

import importlib
import json
from collections.abc import Callable
from functools import partial
from types import GenericAlias
from typing import Any

from benches.binance_peers import CachedBook, Sizes, in_units, orjson_loads, product_e8
from benches.competitors import FinalBooks, Peers, Stack
from benches.spot import Corpus, Market, Told, price_text, size_text, told

Read = Callable[[bytes], Told]
"""Symbol, bids and asks of a frame."""
Best = Callable[[Sizes], float]


def whole_sides(market: Market) -> tuple[Sizes, Sizes]:
    """Both sides of a book before the first frame."""
    bids, asks = (
        {float(price_text(tick)): float(size_text(units)) for tick, units in side}
        for side in market.sides
    )
    return bids, asks


def dict_stack(corpus: Corpus, read: Read, best_bid: Best, best_ask: Best) -> type[Stack]:
    """A reader + a dict a side, whose best prices are looked for after each frame."""

    class DictStack:
        def __init__(self) -> None:
            self.sides = {market.symbol: whole_sides(market) for market in corpus.markets}
            self.touch_sum_e8 = 0

        def feed(self, frame: bytes) -> None:
            symbol, *changed = read(frame)
            bids, asks = sides = self.sides[symbol]
            for side, levels in zip(sides, changed, strict=True):
                for price_told, size_told in levels:
                    price, size = float(price_told), float(size_told)
                    if size:
                        side[price] = size
                    else:
                        side.pop(price, None)
            self.touch_sum_e8 += product_e8(best_bid(bids), best_ask(asks))

        def books(self) -> FinalBooks:
            return {s: (in_units(bids), in_units(asks)) for s, (bids, asks) in self.sides.items()}

    return DictStack


def json_sorted(corpus: Corpus) -> type[Stack]:
    """``json`` + dict + ``sorted()``: what people write first."""
    return dict_stack(
        corpus,
        lambda frame: told(corpus.venue, json.loads(frame)),
        lambda side: sorted(side, reverse=True)[0],
        lambda side: sorted(side)[0],
    )


def orjson_max_min(corpus: Corpus) -> type[Stack]:
    """orjson + dict, ``max`` and ``min``."""
    loads = orjson_loads()
    return dict_stack(corpus, lambda frame: told(corpus.venue, loads(frame)), max, min)


def msgspec_reader(venue: str) -> Read:
    """Decodes a frame into typed Structs, prices and sizes into floats at once."""
    msgspec = importlib.import_module("msgspec")
    define: Callable[..., Any] = msgspec.defstruct

    def struct(**fields: Any) -> Any:
        return define("Told", list(fields.items()), gc=False)

    def of(kind: Any) -> GenericAlias:
        return GenericAlias(list, (kind,))

    def decoder(kind: Any) -> Callable[[bytes], Any]:
        decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind, strict=False).decode
        return decode

    level, counted = (GenericAlias(tuple, kinds) for kinds in ((float,) * 2, (float, float, str)))
    match venue:
        case "kraken":
            named = struct(price=float, qty=float)
            data = struct(symbol=str, bids=of(named), asks=of(named))
            decode = decoder(struct(data=of(data)))

            def kraken(frame: bytes) -> Told:
                (data,) = decode(frame).data
                bids, asks = ([(x.price, x.qty) for x in side] for side in (data.bids, data.asks))
                return data.symbol, bids, asks

            return kraken
        case "coinbase":
            update = struct(side=str, price_level=float, new_quantity=float)
            event = struct(product_id=str, updates=of(update))
            decode = decoder(struct(events=of(event)))

            def coinbase(frame: bytes) -> Told:
                (event,) = decode(frame).events
                bids: list[tuple[float, float]] = []
                asks: list[tuple[float, float]] = []
                for one in event.updates:
                    side = bids if one.side == "bid" else asks
                    side.append((one.price_level, one.new_quantity))
                return event.product_id, bids, asks

            return coinbase
        case "bitstamp":
            decode = decoder(struct(channel=str, data=struct(bids=of(level), asks=of(level))))

            def bitstamp(frame: bytes) -> Told:
                one = decode(frame)
                return one.channel[len("diff_order_book_") :], one.data.bids, one.data.asks

            return bitstamp
        case "gemini":
            decode = decoder(struct(s=str, b=of(level), a=of(level)))

            def gemini(frame: bytes) -> Told:
                one = decode(frame)
                return one.s, one.b, one.a

            return gemini
        case _:
            sides = struct(bids=of(counted), asks=of(counted))
            result = struct(instrument_name=str, data=of(struct(update=sides)))
            decode = decoder(struct(result=result))

            def cryptocom(frame: bytes) -> Told:
                one = decode(frame).result
                update = one.data[0].update
                bids, asks = ([(x[0], x[1]) for x in side] for side in (update.bids, update.asks))
                return one.instrument_name, bids, asks

            return cryptocom


def msgspec_cached(corpus: Corpus) -> type[Stack]:
    """msgspec typed Structs + dict with cached touch: the best that can be assembled.

    A best price is looked for once a message, and only if it went.
    """
    read = msgspec_reader(corpus.venue)

    class MsgspecCached:
        def __init__(self) -> None:
            self.by_symbol = {m.symbol: CachedBook(*whole_sides(m)) for m in corpus.markets}
            self.touch_sum_e8 = 0

        def feed(self, frame: bytes) -> None:
            symbol, bids, asks = read(frame)
            book = self.by_symbol[symbol]
            side, best = book.bids, book.bid
            for price, size in bids:
                if size:
                    side[price] = size
                    if price > best:
                        best = price
                else:
                    side.pop(price, None)
            book.bid = best if best in side else max(side)
            side, best = book.asks, book.ask
            for price, size in asks:
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


MAKERS: dict[str, tuple[tuple[str, ...], Callable[[Corpus], type[Stack]]]] = {
    "json + dict + sorted()": ((), json_sorted),
    "orjson + dict, max/min": (("orjson",), orjson_max_min),
    "msgspec + dict, cached touch": (("msgspec",), msgspec_cached),
}
"""Row name -> (modules it needs, maker of its stack)."""
NAMES = tuple(MAKERS)


def peers(corpus: Corpus) -> Peers:
    """The stacks that rebuild this corpus' books."""
    return {name: (needs, partial(make, corpus)) for name, (needs, make) in MAKERS.items()}
