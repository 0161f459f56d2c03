"""The stacks people put together without bookfeed, each rebuilding the corpus' books.

Every stack takes one frame at a time, keeps the books of both outcomes, reads the touch of
each asset the frame changed and adds best bid times best ask (each in 1e-4 USD, exact
integers) to ``touch_sum_e8``. The same work is asked of every row, ours included.
"""

import importlib
import json
from collections.abc import Callable
from types import GenericAlias, ModuleType
from typing import Any, Protocol

from benches.frames import Recording, books_sha256
from benches.market import PRICES

Ladder = dict[int, int]
FinalBooks = dict[str, tuple[Ladder, Ladder]]

TICK_OF = {p: t for t, p in enumerate(PRICES)}
"""Price text of the corpus' grid to its tick: what a careful author would look up, not parse."""
E4_PER_TICK = 10
PRICE_E9_PER_TICK = 1_000_000
NO_BID, NO_ASK = -1.0, 2.0


class Stack(Protocol):
    """A way from frames to books."""

    touch_sum_e8: int

    def feed(self, frame: bytes) -> None:
        """Applies a frame and reads the touches it changed."""

    def books(self) -> FinalBooks:
        """Books now: asset id -> (bids, asks), price 1e-9 -> size 1e-8."""


def installed(name: str) -> ModuleType | None:
    """A module, or None where its package is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def qty_e8(size: float) -> int:
    """Exact size in 1e-8 of a float that was printed with at most 6 decimals."""
    return round(size * 1_000_000) * 100


class DictBooks:
    """Books as two dicts an asset, price -> size; how the touch is found is left to the rows."""

    decode: Callable[[bytes], Any]
    price_of: Callable[[str], float]
    e4_per_price: int
    """Units of 1e-4 USD in a price of 1."""

    def __init__(self) -> None:
        self.sides: dict[str, tuple[dict[float, float], dict[float, float]]] = {}
        self.touch_sum_e8 = 0

    def product_e8(self, bids: dict[float, float], asks: dict[float, float]) -> int:
        """Best bid times best ask of two sides, each in 1e-4 USD."""
        raise NotImplementedError

    def feed(self, frame: bytes) -> None:
        """Applies a frame and reads the touches it changed."""
        message = self.decode(frame)
        price_of = self.price_of
        changed = []
        for event in message if isinstance(message, list) else (message,):
            kind = event["event_type"]
            if kind == "price_change":
                for entry in event["price_changes"]:
                    asset = entry["asset_id"]
                    bids, asks = self.sides[asset]
                    side = bids if entry["side"] == "BUY" else asks
                    price, size = price_of(entry["price"]), float(entry["size"])
                    if size == 0.0:
                        side.pop(price, None)
                    else:
                        side[price] = size
                    changed.append(asset)
            elif kind == "book":
                asset = event["asset_id"]
                self.sides[asset] = (
                    {price_of(x["price"]): float(x["size"]) for x in event["bids"]},
                    {price_of(x["price"]): float(x["size"]) for x in event["asks"]},
                )
                changed.append(asset)
        for asset in changed:
            self.touch_sum_e8 += self.product_e8(*self.sides[asset])

    def books(self) -> FinalBooks:
        """Books now, exact."""

        def exact(side: dict[float, float]) -> Ladder:
            return {round(p * self.e4_per_price) * 100_000: qty_e8(s) for p, s in side.items()}

        return {a: (exact(bids), exact(asks)) for a, (bids, asks) in self.sides.items()}


class JsonSorted(DictBooks):
    """``json`` + dict + ``sorted()``, floats throughout: what people write first."""

    decode = staticmethod(json.loads)
    price_of = float
    e4_per_price = 10_000

    def product_e8(self, bids: dict[float, float], asks: dict[float, float]) -> int:
        """First of each side, sorted best first."""
        bid, ask = sorted(bids, reverse=True)[0], sorted(asks)[0]
        return int(bid * 1e4 + 0.5) * int(ask * 1e4 + 0.5)


def orjson_max_min() -> type[Stack]:
    """orjson + dict by integer tick, ``max`` and ``min``."""
    loads: Callable[[bytes], Any] = importlib.import_module("orjson").loads

    class OrjsonMaxMin(DictBooks):
        decode = staticmethod(loads)
        price_of = TICK_OF.__getitem__
        e4_per_price = E4_PER_TICK

        def product_e8(self, bids: dict[float, float], asks: dict[float, float]) -> int:
            return int(max(bids) * min(asks)) * (E4_PER_TICK * E4_PER_TICK)

    return OrjsonMaxMin


def orjson_order_book() -> type[Stack]:
    """orjson + ``order-book`` (C, sorted on demand), integer ticks as keys."""
    loads: Callable[[bytes], Any] = importlib.import_module("orjson").loads
    order_book: Callable[[], Any] = importlib.import_module("order_book").OrderBook
    tick_of = TICK_OF

    class OrjsonOrderBook:
        def __init__(self) -> None:
            self.by_asset: dict[str, Any] = {}
            self.touch_sum_e8 = 0

        def feed(self, frame: bytes) -> None:
            message = loads(frame)
            changed = []
            for event in message if isinstance(message, list) else (message,):
                kind = event["event_type"]
                if kind == "price_change":
                    for entry in event["price_changes"]:
                        book = self.by_asset[entry["asset_id"]]
                        side = book.bids if entry["side"] == "BUY" else book.asks
                        tick, size = tick_of[entry["price"]], float(entry["size"])
                        if size == 0.0:
                            del side[tick]
                        else:
                            side[tick] = size
                        changed.append(book)
                elif kind == "book":
                    book = self.by_asset[event["asset_id"]] = order_book()
                    book.bids = {tick_of[x["price"]]: float(x["size"]) for x in event["bids"]}
                    book.asks = {tick_of[x["price"]]: float(x["size"]) for x in event["asks"]}
                    changed.append(book)
            for book in changed:
                bid, ask = book.bids.index(0)[0], book.asks.index(0)[0]
                self.touch_sum_e8 += bid * ask * (E4_PER_TICK * E4_PER_TICK)

        def books(self) -> FinalBooks:
            def exact(side: Any) -> Ladder:
                ladder = side.to_dict()
                return {t * PRICE_E9_PER_TICK: qty_e8(s) for t, s in ladder.items()}

            return {a: (exact(b.bids), exact(b.asks)) for a, b in self.by_asset.items()}

    return OrjsonOrderBook


def msgspec_decoder(*, numbers: bool = False) -> Callable[[bytes], Any]:
    """Decodes a frame into typed Structs; a tuple or list of them.

    One untagged Struct holds every message of the channel: the venue prints ``event_type`` last,
    where a tagged union would have to look for it first and then read the message again.
    With ``numbers`` msgspec turns prices and sizes into floats itself, else they stay text.
    """
    msgspec = importlib.import_module("msgspec")
    struct: Callable[..., Any] = msgspec.defstruct
    number = float if numbers else str
    level = struct("Level", [("price", number), ("size", number)], gc=False)
    change = struct(
        "Change",
        [("asset_id", str), ("price", number), ("size", number), ("side", str)],
        gc=False,
    )
    message = struct(
        "Message",
        [
            ("event_type", str),
            ("price_changes", GenericAlias(tuple, (change, ...)), ()),
            ("asset_id", str, ""),
            ("bids", GenericAlias(tuple, (level, ...)), ()),
            ("asks", GenericAlias(tuple, (level, ...)), ()),
        ],
        gc=False,
    )
    one = msgspec.json.Decoder(message, strict=not numbers).decode
    many = msgspec.json.Decoder(GenericAlias(list, (message,)), strict=not numbers).decode

    def decode(frame: bytes) -> Any:
        return (one(frame),) if frame[0] != 91 else many(frame)

    return decode


class CachedBook:
    """Two dicts of sizes by price, the best price of each and the same in 1e-4 USD."""

    __slots__ = ("ask_e4", "asks", "best_ask", "best_bid", "bid_e4", "bids")

    def __init__(self) -> None:
        self.replace({}, {})

    def replace(self, bids: dict[float, float], asks: dict[float, float]) -> None:
        """Takes a snapshot."""
        self.bids = bids
        self.asks = asks
        self.cache_bid(max(bids, default=NO_BID))
        self.cache_ask(min(asks, default=NO_ASK))

    def cache_bid(self, price: float) -> None:
        """Remembers the best bid."""
        self.best_bid = price
        self.bid_e4 = int(price * 1e4 + 0.5)

    def cache_ask(self, price: float) -> None:
        """Remembers the best ask."""
        self.best_ask = price
        self.ask_e4 = int(price * 1e4 + 0.5)


def msgspec_cached() -> type[Stack]:
    """msgspec typed Structs + dict with cached touch: the best that can be assembled.

    The common case, a level away from the touch, makes no Python call at all.
    """
    decode = msgspec_decoder(numbers=True)

    class MsgspecCached:
        def __init__(self) -> None:
            self.by_asset: dict[str, CachedBook] = {}
            self.touch_sum_e8 = 0

        def feed(self, frame: bytes) -> None:
            by_asset = self.by_asset
            for event in decode(frame):
                products = 0
                for entry in event.price_changes:
                    book = by_asset[entry.asset_id]
                    price, size = entry.price, entry.size
                    if entry.side == "BUY":
                        if size:
                            book.bids[price] = size
                            if price > book.best_bid:
                                book.cache_bid(price)
                        else:
                            book.bids.pop(price, None)
                            if price == book.best_bid:
                                book.cache_bid(max(book.bids, default=NO_BID))
                    elif size:
                        book.asks[price] = size
                        if price < book.best_ask:
                            book.cache_ask(price)
                    else:
                        book.asks.pop(price, None)
                        if price == book.best_ask:
                            book.cache_ask(min(book.asks, default=NO_ASK))
                    products += book.bid_e4 * book.ask_e4
                if event.event_type == "book":
                    if event.asset_id not in by_asset:
                        by_asset[event.asset_id] = CachedBook()
                    book = by_asset[event.asset_id]
                    book.replace(
                        {x.price: x.size for x in event.bids},
                        {x.price: x.size for x in event.asks},
                    )
                    products += book.bid_e4 * book.ask_e4
                self.touch_sum_e8 += products

        def books(self) -> FinalBooks:
            def exact(side: dict[float, float]) -> Ladder:
                return {round(p * 1e4) * 100_000: qty_e8(s) for p, s in side.items()}

            return {a: (exact(b.bids), exact(b.asks)) for a, b in self.by_asset.items()}

    return MsgspecCached


def msgspec_nautilus() -> type[Stack]:
    """msgspec typed Structs + nautilus_trader's Rust ``OrderBook``."""
    decode = msgspec_decoder()
    nt = importlib.import_module("nautilus_trader.core.nautilus_pyo3")
    prices = {p: nt.Price.from_str(p.ljust(5, "0") if "." in p else f"{p}.000") for p in PRICES}
    raw_per_e4 = prices["1"].raw // 10_000
    buy, sell = nt.OrderSide.BUY, nt.OrderSide.SELL
    order, quantity = nt.BookOrder, nt.Quantity.from_str

    class MsgspecNautilus:
        def __init__(self) -> None:
            self.by_asset: dict[str, Any] = {}
            self.touch_sum_e8 = 0
            self.sequence = 0

        def read(self, book: Any) -> None:
            bid, ask = book.best_bid_price().raw, book.best_ask_price().raw
            self.touch_sum_e8 += (bid // raw_per_e4) * (ask // raw_per_e4)

        def feed(self, frame: bytes) -> None:
            for event in decode(frame):
                self.sequence += 1
                kind = event.event_type
                if kind == "price_change":
                    for entry in event.price_changes:
                        book = self.by_asset[entry.asset_id]
                        side = buy if entry.side == "BUY" else sell
                        size = quantity(entry.size)
                        level = order(side, prices[entry.price], size, 0)
                        if entry.size == "0":
                            book.delete(level, 0, self.sequence, 0)
                        else:
                            book.update(level, 0, self.sequence, 0)
                        self.read(book)
                elif kind == "book":
                    self.replace(event)

        def replace(self, event: Any) -> None:
            asset = event.asset_id
            book = self.by_asset.get(asset)
            if book is None:
                name = nt.InstrumentId.from_str(f"{asset}.POLYMARKET")
                book = self.by_asset[asset] = nt.OrderBook(name, nt.BookType.L2_MBP)
            book.clear(self.sequence, 0)
            for side, levels in ((buy, event.bids), (sell, event.asks)):
                for x in levels:
                    level = order(side, prices[x.price], quantity(x.size), 0)
                    book.add(level, 0, self.sequence, 0)
            self.read(book)

        def books(self) -> FinalBooks:
            def exact(side: Any) -> Ladder:
                return {round(p * 10**9): round(q * 10**8) for p, q in side.items()}

            return {
                a: (exact(b.bids_to_dict()), exact(b.asks_to_dict()))
                for a, b in self.by_asset.items()
            }

    return MsgspecNautilus


Peers = dict[str, tuple[tuple[str, ...], Callable[[], Callable[[], Stack]]]]
"""Row name -> (modules it needs, maker of its stack)."""

PEERS: Peers = {
    "json + dict + sorted()": ((), lambda: JsonSorted),
    "orjson + dict, max/min": (("orjson",), orjson_max_min),
    "orjson + order-book (C)": (("orjson", "order_book"), orjson_order_book),
    "msgspec + nautilus_trader OrderBook": (("msgspec", "nautilus_trader"), msgspec_nautilus),
    "msgspec + dict, cached touch": (("msgspec",), msgspec_cached),
}


def peer(name: str, peers: Peers = PEERS) -> Callable[[], Stack] | str:
    """The stack of a row, or the reason why it cannot be had here."""
    needs, make = peers[name]
    for module in needs:
        if installed(module) is None:
            return f"{module} is not installed"
    return make()


def wrong_answer(stack: Stack, corpus: Recording) -> str | None:
    """What is wrong with a stack that was fed the whole corpus, or None."""
    if stack.touch_sum_e8 != corpus.answers.touch_sum_e8:
        return f"touch sum {stack.touch_sum_e8}, not {corpus.answers.touch_sum_e8}"
    if books_sha256(stack.books()) != corpus.answers.books_sha256:
        return "final books differ"
    return None
