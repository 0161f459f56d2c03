"""The auditor's own walk through the ladders of a bundle, all legs together, unit by unit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bookfeed.audit.books import Level
from bookfeed.audit.fees import Fees
from bookfeed.audit.numbers import (
    PRICE_UNITS,
    QTY_STEP,
    USD_PLACES,
    ceiling,
    exactly,
    per_unit,
    units,
)

# Prices of all legs, and the quantity taken at them.
Step = tuple[list[Decimal], Decimal]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a bundle pays a unit, whether its legs are sold, and what an opportunity needs."""

    payout: Decimal
    sell: bool
    min_edge: Decimal
    max_qty: Decimal | None = None
    step: Decimal = QTY_STEP
    """What the size is a whole multiple of."""

    def edge(self, prices: Sequence[Decimal]) -> Decimal:
        """Edge of one unit at these prices, before fees."""
        return sum(prices) - self.payout if self.sell else self.payout - sum(prices)


@dataclass(slots=True)
class Order:
    """What a walk takes of one leg: its fills, one a level."""

    fees: Fees
    fills: list[Level] = field(default_factory=list)

    def take(self, price: Decimal, qty: Decimal) -> None:
        """Takes ``qty`` more at ``price``, the best left."""
        if self.fills and self.fills[-1][0] == price:
            qty += self.fills.pop()[1]
        self.fills.append((price, qty))

    @property
    def qty(self) -> Decimal:
        """What it takes altogether."""
        return sum((qty for _, qty in self.fills), Decimal(0))

    @property
    def notional(self) -> Decimal:
        """Price times quantity."""
        return sum((price * qty for price, qty in self.fills), Decimal(0))

    def fee(self, *, sell: bool) -> Decimal:
        """The fee of the order, in whole units of money, never understated."""
        return ceiling(self.fees.order(self.fills, sell=sell, maker=False), USD_PLACES)


@dataclass(slots=True)
class Walked:
    """Orders of all legs and what they leave."""

    terms: Terms
    orders: list[Order]

    @property
    def qty(self) -> Decimal:
        """Units of the bundle."""
        return self.orders[0].qty

    @property
    def gross(self) -> Decimal:
        """Dollars left before fees."""
        paid = sum((order.notional for order in self.orders), Decimal(0))
        pays = self.terms.payout * self.qty
        return paid - pays if self.terms.sell else pays - paid

    @property
    def fee(self) -> Decimal:
        """Fees of all legs."""
        fees = (order.fee(sell=self.terms.sell) for order in self.orders)
        return sum(fees, Decimal(0))

    @property
    def net_edge(self) -> int:
        """Edge a unit after fees, price units cut off towards zero."""
        return per_unit(self.gross - self.fee, self.qty)


@exactly
def walk(terms: Terms, ladders: Sequence[Sequence[Level]], fees: Sequence[Fees]) -> Walked | None:
    """The longest beginning of the walk that nets the edge wanted; ``None`` if there is none.

    Of each beginning what is no whole multiple of the size step is left out; if nothing of the walk
    remains, that is what is given.
    """
    steps = _steps(terms, ladders, fees)
    if not steps:
        return None
    whole = _take(terms, fees, _tradable(steps, terms.step))
    if not whole.qty:
        return whole
    wanted = units(terms.min_edge, PRICE_UNITS)
    lengths = range(len(steps), 0, -1)
    cut = (_tradable(steps[:length], terms.step) for length in lengths)
    beginnings = (_take(terms, fees, each) for each in cut if each)
    return next((each for each in beginnings if each.net_edge >= wanted), None)


def _tradable(steps: Sequence[Step], step: Decimal) -> list[Step]:
    """Steps of a walk without what is over a whole multiple of the size step, taken off the end."""
    kept = list(steps)
    over = sum((qty for _, qty in kept), Decimal(0)) % step
    while over:
        prices, qty = kept.pop()
        if qty > over:
            kept.append((prices, qty - over))
        over = max(over - qty, Decimal(0))
    return kept


def _take(terms: Terms, fees: Sequence[Fees], steps: Sequence[Step]) -> Walked:
    orders = [Order(each) for each in fees]
    for prices, qty in steps:
        for order, price in zip(orders, prices, strict=True):
            order.take(price, qty)
    return Walked(terms, orders)


def _steps(terms: Terms, ladders: Sequence[Sequence[Level]], fees: Sequence[Fees]) -> list[Step]:
    """Prices and quantity of each step, while the marginal edge holds."""
    steps: list[Step] = []
    at = [0] * len(ladders)
    left = [ladder[0][1] if ladder else Decimal(0) for ladder in ladders]
    room = terms.max_qty
    while all(place < len(ladder) for place, ladder in zip(at, ladders, strict=True)):
        prices = [ladder[place][0] for place, ladder in zip(at, ladders, strict=True)]
        marginal = sum(
            (each.marginal(price, maker=False) for each, price in zip(fees, prices, strict=True)),
            Decimal(0),
        )
        if terms.edge(prices) - marginal < terms.min_edge:
            break
        qty = min(left) if room is None else min(*left, room)
        if not qty:
            break
        steps.append((prices, qty))
        room = None if room is None else room - qty
        for index, ladder in enumerate(ladders):
            left[index] -= qty
            if not left[index]:
                at[index] += 1
                left[index] = ladder[at[index]][1] if at[index] < len(ladder) else Decimal(0)
    return steps
