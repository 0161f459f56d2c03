"""A simulated spot market: two ladders around a price that wanders, and what happens to them.

The same dynamics serve every spot venue; how a change is told is the affair of each. A turn is
one thing that happens at one instant: an order placed, changed or cancelled, a taker who walks
one side, a flash that is gone before anyone is told of it, or a burst of all of these. Prices are
integers of the market's tick, sizes integers of its lot. All chance comes from the generator that
a market is given, so a seed tells the whole story; nothing here is printed and no clock is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from random import Random
from typing import Final, NamedTuple

from bookfeed.sim.ladder import Rungs

E9: Final = 1_000_000_000
E8: Final = 100_000_000

_LEVELS_MIN: Final = 3
# Ticks that a price moves in one turn, and in one burst.
_WANDER: Final = 1.0
_BURST_MOVE: Final = 40.0
_BURST_TURNS: Final = (8, 40)
# How far orders are from a price that is made elsewhere, on the average, as a part of it. Recorded
# books reached four to seven times as far; these have fewer orders, as unequal in size, and as far
# out their chance would lean by several dollars.
_REACH: Final = 5e-4
_SWEEP_LEVELS_MAX: Final = 6
_MAKERS_A_LEVEL_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class SpotSpec:
    """One market: ``BTC`` against ``USDT``, say, with its grid. Sizes are in the base."""

    index: int
    base: str
    quote: str
    price: int
    """Where it starts, in ticks."""
    tick_e9: int
    """One tick in 1e-9 of the quote."""
    lot_e8: int
    """The smallest size in 1e-8 of the base."""
    size: float
    """A usual size of a level, in the base."""
    levels: int
    """Levels a side, about."""

    @property
    def name(self) -> str:
        """``BTC-USDT``: base and quote, as no venue spells it."""
        return f"{self.base}-{self.quote}"

    @property
    def tick_size(self) -> str:
        """One tick in the quote, as short as can be."""
        return short_text(decimal_text(1, self.tick_e9, 9, 9))

    @property
    def step_size(self) -> str:
        """One lot in the base, as short as can be."""
        return short_text(decimal_text(1, self.lot_e8, 8, 8))


class Change(NamedTuple):
    """A level has this size now; 0 removes it, and may name a level that was never told."""

    is_bid: bool
    price: int
    """Ticks."""
    size: int
    """Lots."""


class Print(NamedTuple):
    """A taker met one maker."""

    price: int
    """Ticks."""
    size: int
    """Lots."""
    taker_buys: bool


class Turn(NamedTuple):
    """What happened at one instant, in order."""

    changes: tuple[Change, ...]
    prints: tuple[Print, ...]


class SpotMarket:
    """The book of one market, and its crowd."""

    def __init__(self, spec: SpotSpec, rng: Random) -> None:
        self.spec = spec
        self.bids = Rungs()
        self.asks = Rungs()
        """Both in ascending order of price: the best ask is the first of them."""
        self._rng = rng
        self.anchor: Callable[[], float] | None = None
        """Where its price is, in ticks, if that is made elsewhere."""
        self._fair = float(spec.price)
        self._quoted: float | None = None
        """Where the price was when makers last went with it, if it is made elsewhere."""
        self._gap = max(4.0, spec.price / 4_000 / spec.levels)
        """Ticks between two levels: a book of any size spans about as much of the price."""
        self._changes: list[Change] = []
        self._prints: list[Print] = []
        for _ in range(spec.levels):
            self._place(True)
            self._place(False)
        self._changes.clear()

    # what others read

    @property
    def best_bid(self) -> tuple[int, int] | None:
        """Price and size of the best bid, ``None`` without bids."""
        return (self.bids.prices[-1], self.bids.sizes[-1]) if self.bids.prices else None

    @property
    def best_ask(self) -> tuple[int, int] | None:
        """Price and size of the best ask, ``None`` without asks."""
        return (self.asks.prices[0], self.asks.sizes[0]) if self.asks.prices else None

    def top(self, is_bid: bool, count: int) -> list[tuple[int, int]]:
        """The best ``count`` levels of a side as (price, size), best first."""
        if is_bid:
            start = max(0, len(self.bids) - count)
            prices, sizes = self.bids.prices[start:], self.bids.sizes[start:]
            return list(zip(reversed(prices), reversed(sizes), strict=True))
        return list(zip(self.asks.prices[:count], self.asks.sizes[:count], strict=True))

    # what happens

    def turn(self) -> Turn:
        """The next thing that happens; the book is as after it. Some turns change nothing."""
        if self.anchor is None:
            self._fair += self._rng.gauss(0, _WANDER)
        else:
            self._requote(self.anchor())
        roll = self._rng.random()
        if roll < 0.008:
            self._burst()
        elif roll < 0.03:
            self._flash()
        elif roll < 0.08:
            self._take(self._rng.random() < 0.5, 1 + int(self._exponential(1.0)))
        else:
            self._order()
        if self.anchor is None:
            self._follow()
        done = Turn(tuple(self._changes), tuple(self._prints))
        self._changes.clear()
        self._prints.clear()
        return done

    def _order(self) -> None:
        """Someone places, changes or cancels one order."""
        is_bid = self._rng.random() < 0.5
        side, levels = self._side(is_bid), self.spec.levels
        # Fuller than usual loses levels, emptier than usual gains some.
        roll = self._rng.random() + 0.3 * (len(side) - levels) / levels
        if roll < 0.3 or len(side) < _LEVELS_MIN:
            self._place(is_bid)
        elif roll < 0.7:
            price, _ = self._pick(is_bid)
            self._put(is_bid, price, self._size())
        elif len(side) > _LEVELS_MIN:
            price, _ = self._pick(is_bid, anywhere=self.anchor is not None)
            self._put(is_bid, price, 0)

    def _burst(self) -> None:
        """News: the price jumps, takers walk one side, and many orders change at once."""
        if self.anchor is None:
            self._fair += self._rng.gauss(0, _BURST_MOVE)
        self._take(self._rng.random() < 0.5, _SWEEP_LEVELS_MAX)
        low, high = _BURST_TURNS
        for _ in range(low + int(self._rng.random() * (high - low))):
            self._order()

    def _flash(self) -> None:
        """An order that is placed and gone: all that is told is the end of an unknown level."""
        is_bid = self._rng.random() < 0.5
        price = self._price(is_bid)
        if not self._side(is_bid).size_at(price):
            self._put(is_bid, price, 0)

    def _follow(self) -> None:
        """Takers bring a book that the price has left behind to where the price is."""
        ask, bid = self.best_ask, self.best_bid
        if ask and self._fair > ask[0] + 2 * self._gap:
            self._take(True, _SWEEP_LEVELS_MAX, int(self._fair - self._gap))
            self._place(True)
        elif bid and self._fair < bid[0] - 2 * self._gap:
            self._take(False, _SWEEP_LEVELS_MAX, int(self._fair + self._gap))
            self._place(False)

    def _requote(self, price: float) -> None:
        """Makers go with a price that is made elsewhere: either side stays as deep around it.

        Distances from it are exponential. What a move leaves of them on the side that it comes to
        is exponential again: who is in its way is taken or gives way, and others come anywhere.
        """
        before, self._fair, self._quoted = self._quoted, price, price
        if before is None:
            # Until now the book stood around a price of its own.
            for is_bid in (True, False):
                for level in self._side(is_bid).prices.copy():
                    self._put(is_bid, level, 0)
        elif price != before:
            up = price > before
            self._give_way(not up)
            self._close_up(up, abs(price - before))
        for is_bid in (True, False):
            for _ in range(self.spec.levels - len(self._side(is_bid))):
                self._place(is_bid, 1 + int(self._exponential(price * _REACH)))

    def _give_way(self, is_bid: bool) -> None:
        """Takers come to the side that the price moves into, and who is left in its way goes."""
        limit, side = int(self._fair), self._side(is_bid)
        self._take(not is_bid, _SWEEP_LEVELS_MAX, limit)
        in_way = [level for level in side.prices if (level >= limit if is_bid else level <= limit)]
        for level in in_way:
            self._put(is_bid, level, 0)

    def _close_up(self, is_bid: bool, gap: float) -> None:
        """So many of the side that the price leaves behind come into the gap as belong there."""
        side = self._side(is_bid)
        share = 1 - exp(-gap / (self._fair * _REACH))
        for _ in range(int(share * len(side) + self._rng.random())):
            self._put(is_bid, side.prices[int(self._rng.random() * len(side))], 0)
            self._place(is_bid, 1 + int(self._rng.random() * gap))

    def _take(self, buys: bool, levels: int, limit: int | None = None) -> None:
        """A taker empties up to ``levels`` levels no worse than ``limit``, the last in part."""
        is_bid = not buys
        for left in range(levels, 0, -1):
            best = self.best_bid if is_bid else self.best_ask
            if best is None or len(self._side(is_bid)) <= _LEVELS_MIN:
                return
            price, size = best
            if limit is not None and (price > limit if buys else price < limit):
                return
            taken = size
            if left == 1 and size > 1:
                taken = 1 + int(self._rng.random() * (size - 1))
            self._print(price, taken, buys)
            self._put(is_bid, price, size - taken)

    def _print(self, price: int, size: int, buys: bool) -> None:
        """The takers' trades at one level: one for each maker who rested there."""
        makers = min(size, 1 + int(self._rng.random() ** 2 * _MAKERS_A_LEVEL_MAX))
        for left in range(makers, 0, -1):
            part = size if left == 1 else 1 + int(self._rng.random() * (size - left) / left)
            self._prints.append(Print(price, part, buys))
            size -= part

    def _place(self, is_bid: bool, distance: int | None = None) -> None:
        price = self._price(is_bid) if distance is None else self._away(is_bid, distance)
        size = self._side(is_bid).size_at(price) + self._size()
        self._put(is_bid, price, size)

    def _put(self, is_bid: bool, price: int, size: int) -> None:
        self._side(is_bid).put(price, size)
        self._changes.append(Change(is_bid, price, size))

    # chance

    def _side(self, is_bid: bool) -> Rungs:
        return self.bids if is_bid else self.asks

    def _exponential(self, mean: float) -> float:
        return -log(1 - self._rng.random()) * mean

    def _price(self, is_bid: bool) -> int:
        """A price on its side of the book: most near the touch, a few very far away."""
        spread, roll = self._gap * self.spec.levels / 2, self._rng.random()
        if roll < 0.02 and self.anchor is None:
            spread = self._fair / 20
        elif roll < 0.2:
            spread = 1.0
        elif self.anchor is not None:
            spread = self._fair * _REACH
        return self._away(is_bid, 1 + int(self._exponential(spread)))

    def _away(self, is_bid: bool, distance: int) -> int:
        """So many ticks from where the price is, and never beyond the other side."""
        if is_bid:
            best = self.asks.prices[0] if self.asks.prices else int(self._fair) + 1
            return max(1, min(int(self._fair) - distance, best - 1))
        best = self.bids.prices[-1] if self.bids.prices else int(self._fair)
        return max(int(self._fair) + distance, best + 1)

    def _size(self) -> int:
        """Sizes spread over decades, in lots; never 0."""
        lots = self.spec.size * 10 ** self._rng.gauss(0, 0.6) * E8 / self.spec.lot_e8
        return max(1, int(lots))

    def _pick(self, is_bid: bool, *, anywhere: bool = False) -> tuple[int, int]:
        """A level that is there: most near the touch, if not anywhere."""
        side = self._side(is_bid)
        nearness = len(side) if anywhere else 1 + len(side) / 60
        rank = int(self._exponential(nearness)) % len(side)
        index = len(side) - 1 - rank if is_bid else rank
        return side.prices[index], side.sizes[index]


class Pair(NamedTuple):
    """What is traded, before a venue has given it a grid: names, a price, a usual size."""

    base: str
    price: float
    """In US dollars or what passes for them."""
    size: float


_PAIRS: Final = (
    Pair("BTC", 84_000.0, 0.4),
    Pair("ETH", 3_000.0, 6.0),
    Pair("SOL", 140.0, 90.0),
    Pair("XRP", 2.2, 4_000.0),
)


def pair(index: int) -> Pair:
    """What is traded in market number ``index``: four real names, made-up ones after them."""
    return _PAIRS[index] if index < len(_PAIRS) else Pair(f"X{index}", 10.0 + index, 100.0)


def decimal_text(units: int, unit: int, scale: int, decimals: int) -> str:
    """``units * unit`` of 10**-scale, printed with so many decimals; exact, or ``ValueError``."""
    value, rest = divmod(units * unit, 10 ** (scale - decimals))
    if rest:
        raise ValueError(f"{units} units of {unit}e-{scale} have more than {decimals} decimals")
    whole, part = divmod(value, 10**decimals)
    return f"{whole}.{part:0{decimals}d}" if decimals else str(whole)


def short_text(number: str) -> str:
    """A number that has a decimal point, without the zeros at its end that say nothing."""
    return number.rstrip("0").rstrip(".")


def price_text(spec: SpotSpec, ticks: int) -> str:
    """A price with as many decimals as the grid of its market has."""
    decimals = next(n for n in range(10) if spec.tick_e9 % 10 ** (9 - n) == 0)
    return decimal_text(ticks, spec.tick_e9, 9, decimals)
