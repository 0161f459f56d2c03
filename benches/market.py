"""One Polymarket market as the corpus has it: two mirrored books and how the venue prints them.

Prices lie on a 0.001 grid, because a 0.01 grid has 99 prices and cannot hold 97 levels a side.
"""

import hashlib
import random
from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import Protocol

TICKS = 1_000
"""Prices of the grid: tick t is t / 1000 USD a share."""
PRICE_E9_PER_TICK = 1_000_000
PRICE_E4_PER_TICK = 10
QTY_E8_PER_UNIT = 100
"""Sizes are drawn in units of 1e-6 shares, as they settle."""
LEVELS_MAX = 99
LEVELS_SOFT_MIN = 96
LEVELS_HARD_MIN = 60
"""A side wanders between soft minimum and maximum; trades may eat it down to the hard one."""
TICK_SIZE = "0.001"
MIN_ORDER_SIZE = "5"

PRICES = [f"{t / TICKS:.3f}".rstrip("0").rstrip(".") for t in range(TICKS + 1)]
LEVEL_HEADS = [f'{{"price":"{p}","size":"' for p in PRICES]


class Draw(Protocol):
    """Draws a size, in units, unlike another and never 0."""

    def __call__(self, rng: random.Random, unlike: int = 0) -> int: ...


@dataclass(frozen=True)
class Market:
    """A binary market: its condition id and the ids of its two outcomes."""

    condition: str
    yes: str
    no: str


def size_text(units: int) -> str:
    """Size of ``units`` x 1e-6 shares as the venue prints it, without trailing zeros."""
    whole, part = divmod(units, 1_000_000)
    return f"{whole}.{part:06}".rstrip("0") if part else str(whole)


class Side:
    """One side of the YES book: sizes by tick and ticks in ascending order."""

    def __init__(self) -> None:
        self.units: dict[int, int] = {}
        self.texts: dict[int, str] = {}
        self.ticks: list[int] = []

    def set(self, tick: int, units: int) -> None:
        """Sets an absolute size; 0 removes the level."""
        if units == 0:
            del self.units[tick], self.texts[tick]
            del self.ticks[bisect_left(self.ticks, tick)]
            return
        if tick not in self.units:
            insort(self.ticks, tick)
        self.units[tick] = units
        self.texts[tick] = size_text(units)

    def levels(self, *, mirrored: bool) -> str:
        """JSON objects of the levels: ascending as they are, descending in the other outcome."""
        if mirrored:
            parts = [LEVEL_HEADS[TICKS - t] + self.texts[t] + '"}' for t in self.ticks]
        else:
            parts = [LEVEL_HEADS[t] + self.texts[t] + '"}' for t in self.ticks]
        return ",".join(parts)

    def reversed_levels(self, *, mirrored: bool) -> str:
        """As :meth:`levels`, from the highest tick to the lowest."""
        if mirrored:
            parts = [LEVEL_HEADS[TICKS - t] + self.texts[t] + '"}' for t in reversed(self.ticks)]
        else:
            parts = [LEVEL_HEADS[t] + self.texts[t] + '"}' for t in reversed(self.ticks)]
        return ",".join(parts)


class MarketModel:
    """The true book of one market, in YES prices; NO is its mirror."""

    def __init__(self, rng: random.Random, draw: Draw | None = None) -> None:
        self.draw = draw or draw_units
        self.market = Market(
            condition=f"0x{rng.getrandbits(256):064x}", yes=asset_id(rng), no=asset_id(rng)
        )
        self.bids = Side()
        self.asks = Side()
        self.last_trade = {self.market.yes: "", self.market.no: ""}
        mid = rng.randrange(200, 801)
        gap = rng.randrange(1, 4)
        for tick in rng.sample(range(max(1, mid - 160), mid - 1), LEVELS_SOFT_MIN - 1):
            self.bids.set(tick, self.draw(rng))
        self.bids.set(mid - 1, self.draw(rng))
        for tick in rng.sample(range(mid + gap, min(TICKS, mid + gap + 160)), LEVELS_SOFT_MIN - 1):
            self.asks.set(tick, self.draw(rng))
        if mid - 1 + gap not in self.asks.units:
            self.asks.set(mid - 1 + gap, self.draw(rng))

    @property
    def best_bid(self) -> int:
        """Best bid of YES, in ticks."""
        return self.bids.ticks[-1]

    @property
    def best_ask(self) -> int:
        """Best ask of YES, in ticks."""
        return self.asks.ticks[0]

    def touch(self, *, yes: bool) -> tuple[str, str]:
        """Best bid and ask of an outcome, as printed."""
        bid, ask = self.best_bid, self.best_ask
        if yes:
            return PRICES[bid], PRICES[ask]
        return PRICES[TICKS - ask], PRICES[TICKS - bid]

    def touch_product_e8(self, *, yes: bool) -> int:
        """Best bid times best ask of an outcome, each in 1e-4 USD."""
        bid, ask = self.best_bid, self.best_ask
        ticks = bid * ask if yes else (TICKS - ask) * (TICKS - bid)
        return ticks * PRICE_E4_PER_TICK**2

    def sides_json(self, *, yes: bool) -> tuple[str, str]:
        """``bids`` (ascending) and ``asks`` (descending) of an outcome as JSON arrays."""
        if yes:
            bids = self.bids.levels(mirrored=False)
            asks = self.asks.reversed_levels(mirrored=False)
        else:
            bids = self.asks.reversed_levels(mirrored=True)
            asks = self.bids.levels(mirrored=True)
        return f"[{bids}]", f"[{asks}]"

    def book_hash(self, *, yes: bool, ts_ms: int) -> str:
        """The venue's hash of an outcome's book: SHA-1 of ten fields, compact."""
        asset = self.market.yes if yes else self.market.no
        bids, asks = self.sides_json(yes=yes)
        text = (
            f'{{"market":"{self.market.condition}","asset_id":"{asset}","timestamp":"{ts_ms}",'
            f'"hash":"","bids":{bids},"asks":{asks},"min_order_size":"{MIN_ORDER_SIZE}",'
            f'"tick_size":"{TICK_SIZE}","neg_risk":false,'
            f'"last_trade_price":"{self.last_trade[asset]}"}}'
        )
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def draw_change(self, rng: random.Random) -> tuple[bool, int, int]:
        """An order placed, changed or cancelled: (bid side of YES?, tick, new size)."""
        bid = rng.random() < 0.5
        side = self.bids if bid else self.asks
        count = len(side.ticks)
        shape = rng.random()
        if count < LEVELS_SOFT_MIN and shape >= 0.85:
            shape = 0.75
        elif count >= LEVELS_MAX and 0.70 <= shape < 0.85:
            shape = 0.95
        tick: int | None = None
        if 0.70 <= shape < 0.85:
            tick = self.new_tick(rng, bid=bid)
        if tick is None:
            depth = min(int(rng.expovariate(1 / 8)), count - 1)
            tick = side.ticks[-1 - depth] if bid else side.ticks[depth]
            if shape >= 0.85:
                return bid, tick, 0
        return bid, tick, self.draw(rng, unlike=side.units.get(tick, 0))

    def new_tick(self, rng: random.Random, *, bid: bool) -> int | None:
        """A price for a new order, inside the spread now and then; None if off the grid."""
        gap = self.best_ask - self.best_bid
        step = 1 if bid else -1
        best = self.best_bid if bid else self.best_ask
        if gap > 1 and rng.random() < (0.45 if gap > 4 else 0.12):
            return best + step * rng.randrange(1, min(gap, 4))
        tick = best - step * (1 + int(rng.expovariate(1 / 30)))
        return tick if 1 <= tick < TICKS else None

    @property
    def touch_key(self) -> tuple[int, int, int, int]:
        """Best prices and sizes."""
        bid, ask = self.best_bid, self.best_ask
        return bid, self.bids.units[bid], ask, self.asks.units[ask]

    def books(self) -> dict[str, tuple[dict[int, int], dict[int, int]]]:
        """Both outcomes' books in prices of 1e-9 and sizes of 1e-8."""

        def scaled(side: Side, *, mirrored: bool) -> dict[int, int]:
            return {
                (TICKS - t if mirrored else t) * PRICE_E9_PER_TICK: u * QTY_E8_PER_UNIT
                for t, u in side.units.items()
            }

        return {
            self.market.yes: (
                scaled(self.bids, mirrored=False),
                scaled(self.asks, mirrored=False),
            ),
            self.market.no: (scaled(self.asks, mirrored=True), scaled(self.bids, mirrored=True)),
        }


def asset_id(rng: random.Random) -> str:
    """A decimal id of 76 to 78 digits, below 2**256."""
    while True:
        value = rng.getrandbits(256)
        if value >= 10**75:
            return str(value)


def draw_units(rng: random.Random, unlike: int = 0) -> int:
    """A size in 1e-6 shares, mostly of two decimals or none, never ``unlike`` and never 0."""
    while True:
        shape = rng.random()
        if shape < 0.25:
            units = rng.randrange(1, 200) * 5_000_000
        elif shape < 0.75:
            units = int(rng.lognormvariate(7.5, 1.6) * 100 + 1) * 10_000
        else:
            units = rng.randrange(1_000_000, 20_000_000_000)
        if units != unlike:
            return units
