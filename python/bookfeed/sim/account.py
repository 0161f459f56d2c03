"""A simulated account: orders that are placed, matched, amended and ended, and what is held.

The truth that private channels are checked against. A venue's subclass prints its messages; what
is printed is what happened, whoever hears it. Prices are integers of 1e-4 USD, sizes of the venue's
own unit, money of both multiplied; times Unix milliseconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import ClassVar

from bookfeed.sim.chance import seeded

PRICE_ONE = 10_000


@dataclass(slots=True)
class SimOrder:
    """An order of the account's."""

    order_id: str
    market: str
    symbol: str
    buys: bool
    price: int
    size: int
    kind: str
    created_ms: int
    updated_ms: int
    filled: int = 0
    ended: str = ""
    """Why it rests no more; empty while it does."""

    @property
    def rests(self) -> bool:
        """Whether it is in the book."""
        return not self.ended

    @property
    def remaining(self) -> int:
        """How much of it rests."""
        return self.size - self.filled if self.rests else 0


@dataclass(slots=True)
class SimPart:
    """What one order of the account's had of a trade."""

    order: SimOrder
    size: int
    price: int
    fee: int = 0
    """In millionths of a USD."""


@dataclass(slots=True)
class SimTrade:
    """A trade with orders of the account's on one side of it."""

    trade_id: str
    market: str
    symbol: str
    takes: bool
    """Whether the account's order took, and did not rest."""
    parts: list[SimPart]
    ms: int
    updated_ms: int
    status: str = ""
    transaction: str = ""
    post: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether it never happened."""
        return self.status == "FAILED"


@dataclass(slots=True)
class Held:
    """A position, what it cost and what was earned, without fees."""

    size: int = 0
    cost: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)

    def trade(self, buys: bool, size: int, price: int) -> None:
        """One fill, piece by piece of the smallest unit's worth: what closes, then what opens."""
        sign = 1 if buys else -1
        closing = min(size, max(0, -sign * self.size))
        if closing:
            share = self.cost / abs(self.size)
            worth = price if self.size > 0 else PRICE_ONE - price
            self.realised += (worth - share) * closing
            self.cost -= share * closing
        opening = size - closing
        self.cost += (price if buys else PRICE_ONE - price) * opening
        self.size += sign * size


class SimAccount:
    """One account; ``step`` lets something happen and returns the messages about it."""

    UNIT: ClassVar[int] = 1
    """Smallest size; sizes are multiples of it."""
    NETS: ClassVar[bool] = True
    """Whether what is not held can be sold."""

    def __init__(self, seed: int, *, symbols: int = 4, start_ms: int = 1_796_000_000_000) -> None:
        self.rng: Random = seeded(type(self).__name__, seed)
        self.now_ms = start_ms
        self.orders: dict[str, SimOrder] = {}
        self.trades: list[SimTrade] = []
        self.symbols = [self._symbol(index) for index in range(symbols)]
        self._held: dict[str, Held] = {}
        self._count = 0

    # What is true.

    def open_orders(self) -> dict[str, tuple[int, int]]:
        """What rests: filled and remaining size by the id of the order."""
        found = self.orders.values()
        return {order.order_id: (order.filled, order.remaining) for order in found if order.rests}

    def held(self) -> dict[str, Held]:
        """What is held by symbol, from the first trade on; trades that failed never happened."""
        if self.NETS:
            return self._held  # no trade fails
        found: dict[str, Held] = {}
        for trade in sorted(self.trades, key=self._place):
            for part in trade.parts:
                if not trade.failed:
                    one = found.setdefault(part.order.symbol, Held())
                    one.trade(part.order.buys, part.size, part.price)
        return found

    def _place(self, trade: SimTrade) -> tuple[int, str]:
        return trade.ms, trade.trade_id

    # What happens.

    def step(self) -> list[str]:
        """Let one thing happen; returns the messages about it, in order."""
        self.now_ms += self.rng.randint(1, 900)
        resting = [order for order in self.orders.values() if order.rests]
        actions = [self._place_order] * 3 + self._more_actions()
        if resting:
            actions += [self._match, self._match, self._match, self._cancel]
        return list(self.rng.choice(actions)())

    def _more_actions(self) -> list:  # type: ignore[type-arg]
        return []

    def _next(self, what: str) -> str:
        self._count += 1
        return f"{what}{self._count:06x}"

    def _symbol(self, index: int) -> tuple[str, str]:
        """Market and symbol."""
        raise NotImplementedError

    def _place_order(self) -> Iterable[str]:
        market, symbol = self.rng.choice(self.symbols)
        size = self.rng.randint(1, 400) * self.UNIT
        buys = self.rng.random() < 0.6
        if not buys and not self.NETS:
            room = self._free(symbol)
            if room <= 0:
                buys = True
            else:
                size = min(size, room)
        order = SimOrder(
            order_id=self._next("0xorder"),
            market=market,
            symbol=symbol,
            buys=buys,
            price=self.rng.randint(1, 99) * 100,
            size=size,
            kind=self.rng.choice(("GTC", "GTC", "GTD", "FAK")),
            created_ms=self.now_ms,
            updated_ms=self.now_ms,
        )
        self.orders[order.order_id] = order
        yield from self._told_order(order, "PLACEMENT")
        if order.kind == "FAK":
            if self.rng.random() < 0.7:
                yield from self._filled([self._part(order)], takes=True)
            if order.rests:
                yield from self._end(order, "canceled")

    def _free(self, symbol: str) -> int:
        """What is held and not offered already."""
        held = self.held().get(symbol, Held()).size
        pending = sum(
            part.size
            for trade in self.trades
            for part in trade.parts
            if trade.status not in ("CONFIRMED", "FAILED") and part.order.symbol == symbol
        )
        offered = sum(
            order.remaining
            for order in self.orders.values()
            if order.symbol == symbol and not order.buys
        )
        return held - pending - offered

    def _part(self, order: SimOrder) -> SimPart:
        left = order.size - order.filled
        whole = self.rng.random() < 0.5
        size = left if whole else self.rng.randint(1, left // self.UNIT) * self.UNIT
        return SimPart(order, size, order.price, self._fee())

    def _fee(self) -> int:
        return 0

    def _match(self) -> Iterable[str]:
        resting = [order for order in self.orders.values() if order.rests]
        first = self.rng.choice(resting)
        parts = [self._part(first)]
        for order in resting:
            same = order.market == first.market and order.symbol == first.symbol
            if order is not first and same and order.buys == first.buys and self._together():
                parts.append(self._part(order))
        if self._together():
            parts[:1] = self._halves(parts[0])
        yield from self._filled(parts, takes=False)

    def _halves(self, part: SimPart) -> list[SimPart]:
        """The same in two pieces that look alike, if it can be halved."""
        if part.size % (2 * self.UNIT):
            return [part]
        return [SimPart(part.order, part.size // 2, part.price) for _ in range(2)]

    def _together(self) -> bool:
        """Whether one trade may have several orders of the account's."""
        return False

    def _filled(self, parts: list[SimPart], *, takes: bool) -> Iterable[str]:
        first = parts[0].order
        trade = SimTrade(
            trade_id=self._next("trade"),
            market=first.market,
            symbol=first.symbol,
            takes=takes,
            parts=parts,
            ms=self.now_ms,
            updated_ms=self.now_ms,
        )
        self.trades.append(trade)
        for part in parts:
            part.order.filled += part.size
            part.order.updated_ms = self.now_ms
            if part.order.filled == part.order.size:
                part.order.ended = "executed"
            held = self._held.setdefault(part.order.symbol, Held())
            held.trade(part.order.buys, part.size, part.price)
        trade.post = {symbol: held.size for symbol, held in self._held.items()}
        messages = list(self._told_trade(trade))
        for part in parts:
            messages += self._told_order(part.order, "UPDATE")
        # Which of them comes first is nowhere defined.
        self.rng.shuffle(messages)
        yield from messages

    def _cancel(self) -> Iterable[str]:
        order = self.rng.choice([order for order in self.orders.values() if order.rests])
        yield from self._end(order, "canceled")

    def _end(self, order: SimOrder, why: str) -> Iterable[str]:
        order.ended, order.updated_ms = why, self.now_ms
        yield from self._told_order(order, "CANCELLATION")

    def _told_order(self, order: SimOrder, what: str) -> Iterable[str]:
        raise NotImplementedError

    def _told_trade(self, trade: SimTrade) -> Iterable[str]:
        raise NotImplementedError
