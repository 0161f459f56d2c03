"""Plain readings of spot frames: dictionaries of decimals, nothing shared with any other code.

``BinanceReader`` follows the venue's procedure for a local book, ``KrakenReader`` keeps a window of
a book and sums it bit by bit.
"""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

Levels = dict[Decimal, Decimal]
Sorted = list[tuple[int, int]]

_POLYNOMIAL: Final = 0xEDB88320


def in_units(levels: Levels, *, descending: bool) -> Sorted:
    """Levels as (price 1e-9, size 1e-8), best first."""
    units = ((int(price * 10**9), int(size * 10**8)) for price, size in levels.items())
    return sorted(units, reverse=descending)


class PlainBook:
    """Two sides as told."""

    def __init__(self) -> None:
        self.bids: Levels = {}
        self.asks: Levels = {}

    def put(self, is_bid: bool, entries: Iterable[tuple[str, str]]) -> None:
        """Sets levels to absolute sizes; 0 removes one, whether it was there or not."""
        side = self.bids if is_bid else self.asks
        for price, size in entries:
            if Decimal(size):
                side[Decimal(price)] = Decimal(size)
            else:
                side.pop(Decimal(price), None)

    @property
    def sides(self) -> tuple[Sorted, Sorted]:
        """Bids and asks, best first, in units of 1e-9 and 1e-8."""
        return in_units(self.bids, descending=True), in_units(self.asks, descending=False)


class BinanceReader(PlainBook):
    """One symbol: events wait for a REST book, and are applied after it by their ids."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[dict[str, Any]] = []
        self.book_id: int | None = None
        """The last id applied; ``None`` while there is no book."""
        self.gaps = 0

    def event(self, data: dict[str, Any]) -> None:
        """One depth event."""
        if self.book_id is None:
            self.waiting.append(data)
        elif data["U"] > self.book_id + 1:
            self.gaps += 1
            self.book_id, self.waiting = None, [data]
        elif data["u"] > self.book_id:
            self.put(True, data["b"])
            self.put(False, data["a"])
            self.book_id = data["u"]

    def snapshot(self, body: bytes) -> bool:
        """A REST book; whether it could be used."""
        told = json.loads(body)
        if self.waiting and told["lastUpdateId"] < self.waiting[0]["U"] - 1:
            return False
        self.bids, self.asks = {}, {}
        self.put(True, told["bids"])
        self.put(False, told["asks"])
        self.book_id, waiting = told["lastUpdateId"], self.waiting
        self.waiting = []
        for data in waiting:
            self.event(data)
        return self.book_id is not None


class KrakenReader(PlainBook):
    """One symbol to one depth; sizes and prices are kept as printed for the sum."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.printed: dict[tuple[bool, Decimal], tuple[str, str]] = {}
        self.mismatches = 0
        self.pushed_out: set[Decimal] = set()
        """Prices that others pushed out of the window."""
        self.unknown_ends = self.came_back = 0

    def take(self, text: bytes) -> bool:
        """A snapshot or an update; whether its sum is right after it."""
        message = json.loads(text, parse_float=Printed, parse_int=Printed)
        (told,) = message["data"]
        if message["type"] == "snapshot":
            self.bids, self.asks, self.printed = {}, {}, {}
        for is_bid, entries in ((True, told["bids"]), (False, told["asks"])):
            self._side(is_bid, [(entry["price"], entry["qty"]) for entry in entries])
        right = self.sum() == int(told["checksum"])
        self.mismatches += not right
        return right

    def _side(self, is_bid: bool, entries: list[tuple[str, str]]) -> None:
        side = self.bids if is_bid else self.asks
        for price, size in entries:
            key = Decimal(price)
            self.unknown_ends += not Decimal(size) and key not in side
            self.came_back += key in self.pushed_out
            self.pushed_out.discard(key)
            self.printed[is_bid, key] = (price, size)
        self.put(is_bid, entries)
        for key in sorted(side, reverse=is_bid)[self.depth :]:
            del side[key]
            self.pushed_out.add(key)

    def sum(self) -> int:
        """The sum over the digits of the ten best asks, then the ten best bids."""
        best = [(False, key) for key in sorted(self.asks)[:10]]
        best += [(True, key) for key in sorted(self.bids, reverse=True)[:10]]
        digits = ""
        for key in best:
            for number in self.printed[key]:
                digits += str(int(number.replace(".", "")))
        return crc32(digits.encode())


class Printed(str):
    """A number of a message, digit for digit."""

    __slots__ = ()


def crc32(data: bytes) -> int:
    """The IEEE sum, a bit at a time."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (_POLYNOMIAL if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF
