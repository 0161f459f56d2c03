"""nautilus_trader's ``OrderBook`` beside ours: told the same changes, and compared.

It reads JSON lines and needs nothing but nautilus_trader, so that an environment of its own can
run it. A line is one book after one frame:

    {"book": 3, "said": [null, ["bid", "0.48", "12"]], "depth": 50, "bids": [[…]], "asks": [[…]]}

``said`` are the changes since its last line, ``null`` that it begins anew. ``bids`` and ``asks``
are what it is compared with, to ``depth`` levels a side or whole, in 1e-9 and 1e-8; they are absent
where nobody says that the book is right. When the input ends it prints what it found.
"""

import json
import sys
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from nautilus_trader.core import nautilus_pyo3 as nt

PRICE_RAW: Final = 10 ** (nt.FIXED_PRECISION - 9)
QTY_RAW: Final = 10 ** (nt.FIXED_PRECISION - 8)
"""Their units in ours."""
SIDES: Final = {"bid": nt.OrderSide.BUY, "ask": nt.OrderSide.SELL}
SHOWN_MAX: Final = 5


class Book:
    """One book of theirs."""

    def __init__(self, number: int) -> None:
        self._book = nt.OrderBook(nt.InstrumentId.from_str(f"{number}.TOLD"), nt.BookType.L2_MBP)
        self._sequence = 0

    def take(self, said: Iterable[list[str] | None]) -> None:
        """Changes, in their order."""
        for change in said:
            self._sequence += 1
            if change is None:
                self._book.clear(self._sequence, 0)
                continue
            side, price, qty = change
            order = nt.BookOrder(
                SIDES[side], nt.Price.from_str(price), nt.Quantity.from_str(qty), 0
            )
            # A size of nothing is an order to delete: an update with it is none of theirs.
            apply = self._book.update if order.size.raw else self._book.delete
            apply(order, 0, self._sequence, 0)

    def levels(self, depth: int | None) -> tuple[list[list[int]], list[list[int]]]:
        """Bids and asks, best first."""
        bids, asks = (
            [[one.price.raw // PRICE_RAW, int(one.size_raw()) // QTY_RAW] for one in side]
            for side in (self._book.bids(depth), self._book.asks(depth))
        )
        return bids, asks


def compared(lines: Iterable[str]) -> dict[str, Any]:
    """What became of all of them."""
    books: dict[int, Book] = {}
    changes = frames = 0
    different: list[str] = []
    for line in lines:
        told = json.loads(line)
        number = told["book"]
        book = books.setdefault(number, Book(number))
        book.take(told["said"])
        changes += len(told["said"])
        if "bids" not in told:
            continue
        frames += 1
        theirs = book.levels(told["depth"])
        for side, here, there in zip(SIDES, (told["bids"], told["asks"]), theirs, strict=True):
            if here != there:
                ours = [level for level in here if level not in there]
                only = [level for level in there if level not in here]
                different.append(
                    f"line {frames}, book {number} {side}s: {ours} ours, {only} theirs"
                )
    return {
        "version": version("nautilus_trader"), "changes": changes, "compared": frames,
        "different": len(different), "shown": different[:SHOWN_MAX],
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(compared(sys.stdin)))
