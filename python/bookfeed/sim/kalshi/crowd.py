"""Who trades in a simulated Kalshi market: orders placed, cancelled and taken, as plans.

A book is two ladders of bids, yes and no, on the market's grid. ``Crowd`` proposes what happens
next at one instant; it changes nothing itself and prints nothing. At rest the best bids of the
two sides add up to less than 1; only within one instant may they touch or cross, when a taker's
remainder is told before the levels he took.
"""

from bisect import bisect_left
from random import Random
from typing import Final, NamedTuple

from bookfeed.sim.kalshi.grid import LOTS, PIPS
from bookfeed.sim.kalshi.wire import Change
from bookfeed.sim.ladder import Rungs

# How the steps of a market divide; the rest is single levels away from the touch.
_TRADE: Final = 0.04
_BURST: Final = 0.01
_IMPROVE: Final = 0.05
_RETREAT: Final = 0.04
_NOTHING: Final = 0.003

_ROUND_SIZES: Final = (1, 2, 5, 10, 20, 25, 50, 100, 250, 500, 1000, 2500)
_SWEEP_LEVELS_MAX: Final = 4
_SPREAD_MAX: Final = 600
_CLOSE_IN: Final = 0.4
_LEVELS_KEPT_MIN: Final = 3
_VANISH: Final = 0.02


class Fill(NamedTuple):
    """Part of a trade: ``lots`` taken from the bids of ``side`` at ``price`` (its own terms)."""

    side: int
    price: int
    lots: int


class Plan(NamedTuple):
    """What happens at one instant: a change a message, and the trade behind them, if any."""

    changes: tuple[Change, ...]
    fills: tuple[Fill, ...] = ()


Book = tuple[Rungs, Rungs]


class Crowd:
    """The traders of one market; ``fair`` (pips of YES) is where they think it stands."""

    def __init__(
        self, rng: Random, book: Book, grid: tuple[int, ...], levels: int, fair: int
    ) -> None:
        self._rng = rng
        self._book = book
        self.grid = grid
        self.levels = levels
        self.fair = fair

    def size(self) -> int:
        """Draws an order size in lots: mostly whole contracts, often not."""
        rng = self._rng
        if rng.random() < 0.6:
            return _ROUND_SIZES[int(rng.random() * len(_ROUND_SIZES))] * LOTS
        return 1 + int(rng.random() ** 3 * 50_000)

    def populate(self) -> list[Change]:
        """The changes that fill an empty book on both sides of ``fair``."""
        changes = []
        for side in (0, 1):
            index = self._quote_index(side)
            for _ in range(self.levels):
                if index < 0:
                    break
                changes.append(Change(side, self.grid[index], self.size()))
                index -= 1 + int(self._rng.random() ** 2 * 3)
        return changes

    def next(self) -> Plan:
        """Proposes the next step."""
        rng = self._rng
        self.fair = min(9_700, max(300, self.fair + int((rng.random() - 0.5) * 30)))
        if rng.random() < _CLOSE_IN and self._room() > _SPREAD_MAX:
            return self._improve() or self._level()
        draw = rng.random()
        if draw < _TRADE:
            return self._trade() or self._level()
        draw -= _TRADE
        if draw < _BURST:
            return self._burst() or self._level()
        draw -= _BURST
        if draw < _IMPROVE:
            return self._improve() or self._level()
        draw -= _IMPROVE
        if draw < _RETREAT:
            return self._retreat() or self._level()
        if draw < _RETREAT + _NOTHING:
            return self._no_change()
        return self._level()

    def cancel_all(self) -> tuple[Change, ...]:
        """The changes that empty the book."""
        return tuple(
            Change(side, price, -lots)
            for side in (0, 1)
            for price, lots in self._book[side].levels().items()
        )

    def _room(self) -> int:
        """The spread in pips, all of a dollar if nobody quotes."""
        return PIPS - self._book[0].best - self._book[1].best

    def _own_fair(self, side: int) -> int:
        return self.fair if side == 0 else PIPS - self.fair

    def _quote_index(self, side: int) -> int:
        """Where on the grid a first quote of ``side`` goes: below fair, crossing nothing."""
        limit = min(self._own_fair(side), PIPS - self._book[1 - side].best)
        return bisect_left(self.grid, limit) - 1 - int(self._rng.random() * 2)

    def _rising(self) -> bool:
        """Whether YES is pushed up now: a walk drawn back to fair."""
        mid = (self._book[0].best + PIPS - self._book[1].best) / 2
        return self._rng.random() < 0.5 + (self.fair - mid) / 2_000

    def _improve(self) -> Plan | None:
        side = 0 if self._rising() else 1
        index = bisect_left(self.grid, self._book[side].best + 1)
        if self._room() > _SPREAD_MAX:
            index = max(index, self._quote_index(side))
        if not 0 <= index < len(self.grid):
            return None
        price = self.grid[index]
        if price + self._book[1 - side].best >= PIPS:
            return None
        return Plan((Change(side, price, self.size()),))

    def _retreat(self) -> Plan | None:
        side = 1 if self._rising() else 0
        rungs = self._book[side]
        if not rungs.prices:
            return None
        if self._rng.random() < _VANISH:
            return Plan(tuple(Change(side, *level) for level in self._negative(side)))
        if len(rungs) <= _LEVELS_KEPT_MIN or self._room() > _SPREAD_MAX:
            return None
        return Plan((Change(side, rungs.best, -rungs.sizes[-1]),))

    def _negative(self, side: int) -> list[tuple[int, int]]:
        """The whole side, to be taken away: now and then everybody leaves it."""
        return [(price, -lots) for price, lots in self._book[side].levels().items()]

    def _level(self) -> Plan:
        """One level away from the touch comes, goes, grows or shrinks."""
        rng = self._rng
        side = 0 if rng.random() < 0.5 else 1
        rungs = self._book[side]
        count = len(rungs)
        if not count:
            index = max(0, self._quote_index(side))
            price = self.grid[index]
            if price + self._book[1 - side].best >= PIPS:
                return self._no_change()
            return Plan((Change(side, price, self.size()),))
        at = count - 1 - int(count * rng.random() ** 2)
        price, lots = rungs.prices[at], rungs.sizes[at]
        draw = rng.random()
        if draw < 0.35 and rng.random() * self.levels >= count - self.levels // 2:
            return Plan((Change(side, self._free_below(rungs, at), self.size()),))
        if draw < 0.6 and at < count - 1 and count > _LEVELS_KEPT_MIN:
            return Plan((Change(side, price, -lots),))
        if draw < 0.8 and lots > 1:
            return Plan((Change(side, price, -(1 + int(rng.random() * (lots - 1)))),))
        return Plan((Change(side, price, self.size()),))

    def _free_below(self, rungs: Rungs, at: int) -> int:
        """A price under the level ``at`` where nothing rests, if there is one."""
        index = bisect_left(self.grid, rungs.prices[at]) - int(self._rng.random() * 3)
        while index > 0 and rungs.size_at(self.grid[min(index, len(self.grid) - 1)]):
            index -= 1
        price = self.grid[max(0, min(index, len(self.grid) - 1))]
        return min(price, rungs.best)

    def _no_change(self) -> Plan:
        """A change of 0.00: legal, and no change at all."""
        side = 0 if self._rng.random() < 0.5 else 1
        return Plan((Change(side, self._book[side].best or self.grid[0], 0),))

    def _burst(self) -> Plan | None:
        """A maker pulls two or three quotes and puts them one step lower, at one instant."""
        side = 0 if self._rng.random() < 0.5 else 1
        rungs = self._book[side]
        count = 2 + int(self._rng.random() * 2)
        if len(rungs) <= count + _LEVELS_KEPT_MIN:
            return None
        changes = []
        for price in rungs.prices[-1 : -count - 1 : -1]:
            lots = rungs.size_at(price)
            moved = lots if self._rng.random() < 0.5 else 1 + int(self._rng.random() * (lots - 1))
            below = bisect_left(self.grid, price) - 1
            changes.append(Change(side, price, -moved))
            if below >= 0:
                changes.append(Change(side, self.grid[below], moved))
        return Plan(tuple(changes))

    def _trade(self) -> Plan | None:
        """A taker hits the bids of one side; what is left of him may rest on the other."""
        side = 1 if self._rising() else 0
        rungs = self._book[side]
        if len(rungs) <= _SWEEP_LEVELS_MAX:
            return None
        levels = 1 + int(self._rng.random() ** 2 * _SWEEP_LEVELS_MAX)
        whole = self._rng.random() < 0.3
        return self.take(side, levels, whole=whole, rests=whole and self._rng.random() < 0.5)

    def take(self, side: int, levels: int, *, whole: bool, rests: bool) -> Plan:
        """Takes ``levels`` of the best bids of ``side``, the last of them in part unless ``whole``.

        With ``rests`` the taker's remainder becomes the best bid of the other side; one time
        in three it is told before the levels it took, and the book is crossed until those come.
        """
        rng = self._rng
        rungs = self._book[side]
        fills: list[Fill] = []
        for price in rungs.prices[-1 : -levels - 1 : -1]:
            lots = rungs.size_at(price)
            if len(fills) == levels - 1 and not whole:
                lots = max(1, int(lots * rng.random()))
            fills.append(Fill(side, price, lots))
        changes = [Change(side, fill.price, -fill.lots) for fill in fills]
        price = PIPS - fills[-1].price
        if rests and self.grid[bisect_left(self.grid, price) % len(self.grid)] == price:
            rest = Change(1 - side, price, self.size())
            changes.insert(0 if rng.random() < 0.33 else len(changes), rest)
        return Plan(tuple(changes), tuple(fills))
