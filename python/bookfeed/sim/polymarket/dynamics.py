"""What happens in a simulated market: who places, cancels and trades, and how much.

``Crowd`` looks at a pair of facing ladders and proposes the next ``Plan``; it changes nothing
itself and prints nothing. All chance comes from the generator it is given, so a seed tells
the whole story. Shapes (levels a side, sizes, distances from the touch, bursts of cancels and
trades with one timestamp) are modelled on recordings of the venue.
"""

from random import Random
from typing import Final, Literal, NamedTuple

from bookfeed.sim.polymarket.ladder import MICROS, PIPS, Ladder

# How the steps of a market divide; the rest is single levels away from the touch.
_TRADE: Final = 0.02
_BURST: Final = 0.004
_IMPROVE: Final = 0.025
_RETREAT: Final = 0.025

# Of the single levels, how many appear or vanish; the others only change size.
_COME_OR_GO: Final = 0.5

_ROUND_SIZES: Final = (5, 10, 15, 25, 50, 60, 100, 110, 200, 300, 500, 1000, 2000, 5000, 20000)
_LEVELS_KEPT_MIN: Final = 5
_SPREAD_TICKS_MAX: Final = 8
_SWEEP_LEVELS_MAX: Final = 3
# A side this thin belongs to a one-sided market and may vanish again.
_FLICKER_LEVELS_MAX: Final = 2


class Op(NamedTuple):
    """One level of one ladder set to an absolute size; ``side`` is 0 or 1 of the pair."""

    side: int
    price: int
    size: int


class Trade(NamedTuple):
    """A taker hitting the ladder ``side``: last price (pips) and total size (1e-6 share)."""

    side: int
    price: int
    size: int


class Plan(NamedTuple):
    """What happens next at one instant.

    ``announce`` says how the venue tells it: each op in a frame of its own (``frames``), all in
    one (``frame``), or not at all because the books after the trade show it (``books``).
    """

    ops: tuple[Op, ...]
    announce: Literal["frame", "frames", "books"]
    trade: Trade | None = None


class Crowd:
    """The traders of one book.

    ``tick`` is in pips; ``levels`` is the number of levels a side they keep the book near.
    ``twin`` is the book of the other outcome where that has one of its own: they never quote
    such that both together cost less than 1 or fetch more; a crowd that ``follows`` its twin is
    drawn to the complement of its price.
    """

    def __init__(
        self,
        rng: Random,
        ladders: tuple[Ladder, Ladder],
        tick: int,
        levels: int,
        *,
        twin: tuple[Ladder, Ladder] | None = None,
        follows: bool = False,
    ) -> None:
        self._rng = rng
        self._ladders = ladders
        self.tick = tick
        self.levels = levels
        self._twin = twin
        self._follows = follows
        self._floor = max(_LEVELS_KEPT_MIN, levels * 6 // 10)
        self._fair = 0.5

    def size(self) -> int:
        """Draws an order size: mostly round, often with cents, now and then six decimals."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.55:
            return _ROUND_SIZES[int(rng.random() * len(_ROUND_SIZES))] * MICROS
        if kind < 0.97:
            cents = 500 + int(rng.random() ** 3 * 1_000_000)
            return cents * (MICROS // 100)
        return 5 * MICROS + int(rng.random() ** 2 * 2_000 * MICROS)

    def populate(self, fair: int, *, one_sided: bool = False) -> None:
        """Fills both ladders around ``fair`` (pips of the first outcome).

        A ``one_sided`` book starts without asks for the first outcome.
        """
        tick = self.tick
        self._fair = fair / PIPS
        half = tick * (1 + int(self._rng.random() * 2))
        for side, top in ((0, fair - half), (1, PIPS - fair - half)):
            if side and one_sided:
                break
            top -= top % tick
            top = min(max(top, tick * _LEVELS_KEPT_MIN), PIPS - tick * (_LEVELS_KEPT_MIN + 2))
            count = min(self.levels, top // tick)
            slack = top // tick - count
            price = top
            for left in range(count, 0, -1):
                self._ladders[side].put(price, self.size())
                skip = min(slack, int(self._rng.random() * 2.2 * slack / left))
                slack -= skip
                price -= tick * (1 + skip)

    def next(self) -> Plan:
        """Proposes the next step; always at least one op."""
        draw = self._rng.random()
        if draw < _TRADE:
            return self._trade() or self._level()
        if draw < _TRADE + _BURST:
            return self._burst()
        if draw < _TRADE + _BURST + _IMPROVE:
            return self._improve() or self._level()
        if draw < _TRADE + _BURST + _IMPROVE + _RETREAT:
            return self._retreat() or self._level()
        return self._level()

    def _rising(self) -> bool:
        """Whether the first outcome's price is pushed up now: a walk drawn back to fair."""
        if not (self._ladders[0].prices and self._ladders[1].prices):
            return self._rng.random() < 0.5
        mid = _mid(self._ladders)
        if self._twin and self._follows:
            self._fair = 1 - _mid(self._twin)
        else:
            self._fair = min(0.85, max(0.15, self._fair + (self._rng.random() - 0.5) * 0.01))
        return self._rng.random() < 0.5 + 5 * (self._fair - mid)

    def fits(self, side: int, price: int) -> bool:
        """Whether an order there is on the grid, crosses nothing and does not undercut the twin."""
        if price < self.tick or price + self._ladders[1 - side].best >= PIPS:
            return False
        return self._twin is None or price + self._twin[side].best <= PIPS

    def _improve(self) -> Plan | None:
        side = 0 if self._rising() else 1
        price = self._ladders[side].best + self.tick
        if not self._ladders[side].prices:
            price = PIPS - self._ladders[1 - side].best
            price -= self.tick * (2 + int(self._rng.random() * _SPREAD_TICKS_MAX))
        if not self.fits(side, price):
            return None
        return Plan((Op(side, price, self.size()),), "frame")

    def _retreat(self) -> Plan | None:
        side = 1 if self._rising() else 0
        ladder = self._ladders[side]
        room = PIPS - ladder.best - self._ladders[1 - side].best
        if len(ladder) <= _LEVELS_KEPT_MIN or room >= _SPREAD_TICKS_MAX * self.tick:
            return None
        return Plan((Op(side, ladder.best, 0),), "frame")

    def _level(self) -> Plan:
        rng = self._rng
        side = 0 if rng.random() < 0.5 else 1
        ladder = self._ladders[side] if self._ladders[side].prices else self._ladders[1 - side]
        side = 0 if ladder is self._ladders[0] else 1
        prices = ladder.prices
        count = len(prices)
        draw = rng.random()
        if count <= _FLICKER_LEVELS_MAX and draw < 0.3:
            return Plan((Op(side, prices[0], 0),), "frame")
        index = count - 1 - int(count * rng.random() ** 3)
        price = prices[index]
        if draw < _COME_OR_GO and index < count - 1:
            if rng.random() * 2 * self.levels < count and count > self._floor:
                return Plan((Op(side, price, 0),), "frame")
            return Plan((Op(side, self._free_below(ladder, index), self.size()),), "frame")
        return Plan((Op(side, price, self._other_size(ladder, price)),), "frame")

    def _free_below(self, ladder: Ladder, index: int) -> int:
        """A price under the level at ``index`` where nothing rests, if there is one."""
        prices = ladder.prices
        price = prices[index] - self.tick * int(self._rng.random() * 3)
        while price > self.tick and ladder.size_at(price):
            price -= self.tick
        return price if price >= self.tick else prices[index]

    def _other_size(self, ladder: Ladder, price: int) -> int:
        size = self.size()
        return size + MICROS if size == ladder.size_at(price) else size

    def _burst(self) -> Plan:
        """A maker moving two to four quotes at one instant, the touch among them."""
        side = 0 if self._rng.random() < 0.5 else 1
        ladder = self._ladders[side]
        if len(ladder) <= _LEVELS_KEPT_MIN + 4:
            return self._level()
        count = 2 + int(self._rng.random() * 3)
        moved = ladder.prices[-1:-count:-1]
        ops = [Op(side, price, 0 if price == ladder.best else self.size()) for price in moved]
        if other := self._ladders[1 - side].prices:
            ops.append(Op(1 - side, other[-1], self.size()))
        if self._rng.random() < 0.5:
            ops.reverse()
        return Plan(tuple(ops), "frames")

    def _trade(self) -> Plan | None:
        side = 0 if self._rising() else 1
        side = 1 - side  # a rising price lifts the asks, which are the other outcome's bids
        ladder = self._ladders[side]
        if len(ladder) <= _LEVELS_KEPT_MIN + _SWEEP_LEVELS_MAX:
            return None
        if self._rng.random() < 0.7:
            best, there = ladder.best, ladder.sizes[-1]
            taken = max(1, int(there * self._rng.random()))
            if taken >= MICROS // 100:
                taken -= taken % (MICROS // 100)
            return Plan((Op(side, best, there - taken),), "books", Trade(side, best, taken))
        return self.sweep(side, 1 + int(self._rng.random() * _SWEEP_LEVELS_MAX))

    def sweep(self, side: int, levels: int) -> Plan:
        """A taker who consumes whole levels; every other time what is left of him rests.

        The remainder crosses what has not been reported consumed yet, until the last frame
        of the batch: the venue tells such an order first and the levels it took after.
        """
        ladder = self._ladders[side]
        prices = ladder.prices[-1 : -levels - 1 : -1]
        total = sum(ladder.sizes[-len(prices) :])
        trade = Trade(side, prices[-1], total)
        removed = [Op(side, price, 0) for price in prices]
        rest = Op(1 - side, PIPS - prices[-1], self.size())
        undercuts = self._twin is not None and rest.price + self._twin[rest.side].best > PIPS
        if self._rng.random() < 0.5 or undercuts:
            return Plan(tuple(removed), "books", trade)
        return Plan((rest, *removed), "frames", trade)


def _mid(ladders: tuple[Ladder, Ladder]) -> float:
    """Where the first outcome's price stands, 0 to 1; only chance depends on it."""
    return (ladders[0].best + PIPS - ladders[1].best) / (2 * PIPS)
