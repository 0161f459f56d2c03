"""What someone who subscribed to so many levels a side is told, and what he is not.

A level that others push out of the window is not deleted for him, and one that comes back is told
anew. Now and then the venue tells what it need not: the end of a level that he never had, or a
level beyond his window.
"""

from collections.abc import Iterable
from random import Random
from typing import Final, NamedTuple

from bookfeed.sim.spot import Change, SpotMarket

_STRAY_CHANCE: Final = 0.1


class Update(NamedTuple):
    """What is told of one turn: levels a side, in the order in which they hold."""

    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class Window:
    """One market as it is told to subscribers of one depth."""

    def __init__(self, market: SpotMarket, depth: int, rng: Random) -> None:
        self.market = market
        self.depth = depth
        self._rng = rng
        self._shown = {is_bid: dict(market.top(is_bid, depth)) for is_bid in (True, False)}

    def update(self, changes: Iterable[Change]) -> Update | None:
        """What subscribers are told of what has just happened, ``None`` if it is nothing."""
        kept = list(changes)
        bids = self._side(True, [(price, size) for is_bid, price, size in kept if is_bid])
        asks = self._side(False, [(price, size) for is_bid, price, size in kept if not is_bid])
        return Update(bids, asks) if bids or asks else None

    def _side(self, is_bid: bool, changes: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The entries of one side; the window is moved on."""
        if not changes:
            return []
        shown, top = self._shown[is_bid], dict(self.market.top(is_bid, self.depth))
        entries, told = [], set()
        for price, size in changes:
            gone = price in shown and not self._size_at(is_bid, price)
            if price in top or gone or self._is_stray(is_bid, price, size, top):
                entries.append((price, size))
                told.add(price)
        entries += [(price, size) for price, size in top.items() if price not in {*shown, *told}]
        self._shown[is_bid] = top
        return entries

    def _is_stray(self, is_bid: bool, price: int, size: int, top: dict[int, int]) -> bool:
        """Whether a change that means nothing in this window is told all the same.

        The end of an unknown level always is, where the window would show the level; a level
        beyond the window only if it is the last word about it.
        """
        worst = min(top) if is_bid else max(top)
        within = price > worst if is_bid else price < worst
        if size == 0 and within:
            return True
        told_last = size == self._size_at(is_bid, price)
        full = len(top) == self.depth
        return told_last and (full or not size) and self._rng.random() < _STRAY_CHANCE

    def _size_at(self, is_bid: bool, price: int) -> int:
        return (self.market.bids if is_bid else self.market.asks).size_at(price)
