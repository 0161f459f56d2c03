"""One side of a simulated book, kept together with the text the venue prints for it.

Prices are integer pips of 1e-4 (the finest grid any tick size needs), sizes integers of 1e-6
share. A binary market has two outcomes whose books mirror each other: a bid for one at ``p`` is
an ask for the other at ``1 - p``. So one ladder of bids serves two books, and keeps each
level printed both ways; asks are listed worst first on the wire exactly as bids are, which
makes both lists run in the same order.
"""

from bisect import bisect_left
from typing import Final

from bookfeed.sim.ladder import Rungs

PIPS: Final = 10_000
"""Pips in a price of 1."""
MICROS: Final = 1_000_000
"""Size units in one share."""
PRICE_E9_PER_PIP: Final = 100_000
QTY_E8_PER_MICRO: Final = 100


def _price_text(pips: int) -> str:
    whole, part = divmod(pips, PIPS)
    return f"{whole}.{part:04d}".rstrip("0") if part else str(whole)


PRICE_TEXT: Final = tuple(_price_text(pips) for pips in range(PIPS + 1))
"""Every price as the venue prints it, by pips: shortest form, leading zero."""


def size_text(micros: int) -> str:
    """Prints a size (1e-6 share) as the venue does: shortest form, at most six decimals."""
    whole, part = divmod(micros, MICROS)
    return f"{whole}.{part:06d}".rstrip("0") if part else str(whole)


class Ladder(Rungs):
    """Bids of one outcome (pips, 1e-6 share), which are also the asks of its mirror, printed."""

    __slots__ = ("_ask_parts", "_ask_text", "_bid_parts", "_bid_text")

    def __init__(self) -> None:
        super().__init__()
        self._bid_parts: list[str] = []
        self._ask_parts: list[str] = []
        self._bid_text: str | None = ""
        self._ask_text: str | None = ""

    def put(self, price: int, size: int) -> None:
        """Sets the level at ``price`` to ``size``; 0 removes it, if it is there."""
        index = bisect_left(self.prices, price)
        before = len(self.prices)
        super().put(price, size)
        if len(self.prices) < before:
            del self._bid_parts[index], self._ask_parts[index]
        elif size:
            tail = f'","size":"{size_text(size)}"}}'
            parts = slice(index, index + (len(self.prices) == before))
            self._bid_parts[parts] = [f'{{"price":"{PRICE_TEXT[price]}{tail}']
            self._ask_parts[parts] = [f'{{"price":"{PRICE_TEXT[PIPS - price]}{tail}']
        else:
            return
        self._bid_text = self._ask_text = None

    @property
    def bid_text(self) -> str:
        """The levels as bids of this outcome, compact JSON without the brackets."""
        if self._bid_text is None:
            self._bid_text = ",".join(self._bid_parts)
        return self._bid_text

    @property
    def ask_text(self) -> str:
        """The levels as asks of the mirrored outcome, compact JSON without the brackets."""
        if self._ask_text is None:
            self._ask_text = ",".join(self._ask_parts)
        return self._ask_text
