"""Quoted instruments of a two-venue scenario: books held around a fair price on either venue.

Both kinds are two facing ladders of bids. ``quote`` brings a book to where its makers want it,
``flicker`` changes the size of one level, ``flash`` takes an order in and out within one instant;
each returns what its venue says about that.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Final, Generic, TypeVar

from bookfeed.sim.kalshi.crowd import Plan
from bookfeed.sim.kalshi.grid import LOTS
from bookfeed.sim.kalshi.market import Market
from bookfeed.sim.kalshi.wire import Change
from bookfeed.sim.kalshi.wire import Message as KalshiMessage
from bookfeed.sim.ladder import Rungs
from bookfeed.sim.polymarket import wire
from bookfeed.sim.polymarket.dynamics import Op
from bookfeed.sim.polymarket.ladder import MICROS, PIPS, Ladder
from bookfeed.sim.polymarket.wire import Asset, Terms
from bookfeed.sim.polymarket_kalshi.truth import Ask

TICK: Final = 100
HALF_SPREAD: Final = 100
_LEVELS: Final = 6
_KEPT_LEVELS: Final = 9
_TINY: Final = 2_000
_PRICES: Final = [Decimal(pips).scaleb(-4) for pips in range(PIPS + 1)]
"""By pips: a price is asked for again and again."""

M = TypeVar("M")


class Quoted(ABC, Generic[M]):
    """A book around ``fair`` (pips of the first outcome), in sizes of ``unit`` a share."""

    def __init__(self, rng: Random, book: tuple[Rungs, Rungs], unit: int, fair: int) -> None:
        self.fair = fair
        self.tiny = False
        """Whether its makers offer next to nothing."""
        self._rng = rng
        self._book = book
        self._unit = unit

    @abstractmethod
    def _tell(self, ops: Sequence[Op], now_ms: int, *, apart: bool = False) -> list[M]:
        """Carries out ops of one instant, in this order; returns what the venue says.

        ``apart`` asks for a message of its own for each, where the venue could do with one.
        """

    def quote(self, now_ms: int) -> list[M]:
        """Moves the book to ``fair``: what is in the way goes first, so that nothing crosses."""
        goes: list[Op] = []
        comes: list[Op] = []
        for side, own_fair in ((0, self.fair), (1, PIPS - self.fair)):
            rungs = self._book[side]
            best = (own_fair - HALF_SPREAD) // TICK * TICK
            wanted = [price for price in range(best, best - _LEVELS * TICK, -TICK) if price > 0]
            kept = range(best - _KEPT_LEVELS * TICK, best + 1)
            goes += [Op(side, price, 0) for price in rungs.prices
                     if price not in kept or self._missized(rungs.size_at(price))]  # fmt: skip
            there = {price for price in rungs.prices if Op(side, price, 0) not in goes}
            comes += [Op(side, price, self._size()) for price in wanted if price not in there]
        return self._tell(goes + comes, now_ms)

    def _missized(self, size: int) -> bool:
        """Whether a level is of the size that the makers no longer offer."""
        return (size < self._unit) != self.tiny

    def _size(self) -> int:
        share = 20 + int(self._rng.random() * 480)
        return share * self._unit // _TINY + 1 if self.tiny else share * self._unit

    def flicker(self, now_ms: int) -> list[M]:
        """One level, any, changes its size."""
        side = 0 if self._rng.random() < 0.5 else 1
        prices = self._book[side].prices
        if not prices:
            return []
        price = prices[int(self._rng.random() * len(prices))]
        return self._tell([Op(side, price, self._size())], now_ms)

    def flash(self, now_ms: int) -> list[M]:
        """A taker's order far through the other side, told before the levels that it takes.

        Between the first and the last frame of the instant the book is crossed; after it only
        the levels that were taken are missing, and they come back with the next quotes.
        """
        side = 0 if self._rng.random() < 0.5 else 1
        facing = self._book[1 - side]
        if len(facing) < 3:
            return []
        taken = facing.prices[-2:]
        price = PIPS - taken[0] + 4 * TICK
        if price >= PIPS or self._book[side].size_at(price):
            return []
        order = Op(side, price, sum(facing.size_at(one) for one in taken))
        gone = [Op(1 - side, one, 0) for one in reversed(taken)]
        return self._tell([order, *gone, order._replace(size=0)], now_ms, apart=True)

    def asks(self, outcome: int) -> list[Ask]:
        """What outcome 0 or 1 can be bought for: the bids of the other, best first."""
        rungs = self._book[1 - outcome]
        return [
            (_PRICES[PIPS - price], Decimal(size) / self._unit)
            for price, size in reversed(rungs.levels().items())
        ]


class KalshiQuoted(Quoted[KalshiMessage]):
    """A market of the simulated Kalshi that is quoted from here rather than by a crowd."""

    def __init__(self, rng: Random, market: Market, fair: int) -> None:
        super().__init__(rng, market.book, LOTS, fair)
        self.market = market

    def _tell(self, ops: Sequence[Op], now_ms: int, *, apart: bool = False) -> list[KalshiMessage]:
        if not self.market.trading:
            return []
        sizes: dict[tuple[int, int], int] = {}
        changes = []
        for side, price, size in ops:
            before = sizes.get((side, price), self._book[side].size_at(price))
            sizes[side, price] = size
            changes.append(Change(side, price, size - before))
        return self.market.carry_out(Plan(tuple(changes)), now_ms)


class TokensQuoted(Quoted[wire.Message]):
    """A binary market of Polymarket's, told for both of its ``assets``."""

    def __init__(
        self,
        rng: Random,
        index: int,
        assets: tuple[Asset, Asset],
        fair: int,
        *,
        valid_hashes: bool = True,
    ) -> None:
        super().__init__(rng, (assets[0].bids, assets[0].asks), MICROS, fair)
        self.index = index
        self.condition_id = assets[0].market_id
        self.assets = assets
        self._valid_hashes = valid_hashes

    def _tell(self, ops: Sequence[Op], now_ms: int, *, apart: bool = False) -> list[wire.Message]:
        if not ops:
            return []
        pieces = [[op] for op in ops] if apart else [list(ops)]
        for side, price, size in ops:
            self._book[side].put(price, size)
        for asset in self.assets:
            hash_value = None if self._valid_hashes else f"{self._rng.getrandbits(160):040x}"
            asset.stamp(now_ms, hash_value)
        last = len(pieces) - 1
        return [
            wire.price_change(
                self.index,
                self.condition_id,
                now_ms,
                [change for op in piece for change in self._changes(op)],
                torn=number != last,
            )
            for number, piece in enumerate(pieces)
        ]

    def _changes(self, op: Op) -> list[wire.Change]:
        """The op as each token's book sees it."""
        own, other = self.assets if op.side == 0 else self.assets[::-1]
        return [
            wire.Change(own, True, op.price, op.size),
            wire.Change(other, False, PIPS - op.price, op.size),
        ]


class PolymarketQuoted(TokensQuoted):
    """One of its own: one book, told for both tokens."""

    def __init__(
        self, rng: Random, index: int, fair: int, *, valid_hashes: bool, min_order_size: str
    ) -> None:
        one, two = Ladder(), Ladder()
        condition_id = f"0x{rng.getrandbits(256):064x}"
        ids = [str(rng.getrandbits(255) | 1 << 254) for _ in range(2)]
        assets = (
            Asset(condition_id, ids[0], 0, one, two),
            Asset(condition_id, ids[1], 1, two, one),
        )
        super().__init__(rng, index, assets, fair, valid_hashes=valid_hashes)
        self.terms = Terms(min_order_size, TICK, False, "0.500")
        for asset in assets:
            asset.set_terms(self.terms)
