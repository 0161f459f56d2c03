"""``Account``: orders and positions at one moment, what they are worth, and whether to believe it.

Positions are valued at what the live book would pay for them now: a sweep of its bids, or, for
shares of the other side, a dollar less the asks. A book that may not be believed values nothing.
Money is in 1e-17 USD.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bookfeed._bookfeed import PRICE_SCALE, BookView, format_qty
from bookfeed.market import Market
from bookfeed.own.events import AccountState, OwnOrder, OwnPosition
from bookfeed.own.state import OwnState
from bookfeed.records import Leg

FindBook: TypeAlias = Callable[[str], "BookView | None"]
Resting: TypeAlias = dict[tuple[str, int], int]
"""What rests of the user's own, in 1e-8 shares by side and price in 1e-9."""
Levels: TypeAlias = list[tuple[int, int]]
"""Price in 1e-9 and size in 1e-8 of each level."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A position, and what it is worth."""

    position: OwnPosition
    """What is held."""
    event: str
    """The event of its market; the market where no event is known."""
    value_e17: int | None
    """What the live book pays for all of it, before fees; ``None`` where ``why`` says why."""
    why: str
    """Why there is no value; empty if there is one."""

    @property
    def unrealised_e17(self) -> int | None:
        """Value less cost, before fees; ``None`` where one of them is not known."""
        cost = self.position.cost_e17
        return None if self.value_e17 is None or cost is None else self.value_e17 - cost


@dataclass(frozen=True, slots=True)
class Exposure:
    """What may be lost in one event if every share of it pays nothing."""

    event: str
    """The event; a market where no event is known."""
    held_e17: int | None
    """What the shares held cost; ``None`` where that is not known of one of them."""
    resting_e17: int
    """What resting orders would add if all of them were filled."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user's orders and positions on one venue, at one moment; from ``Feed.account``."""

    venue: str
    """Name of the venue."""
    state: AccountState
    """Only ``live`` may be believed."""
    cause: str
    """Why it is in that state, in words."""
    evidence_age_s: float | None
    """Seconds since REST agreed last; ``None`` if it never did."""
    orders: tuple[OwnOrder, ...]
    """The orders that have not ended."""
    holdings: tuple[Holding, ...]
    """What is held, and what was traded and is not held any more."""
    exposures: tuple[Exposure, ...]
    """What may be lost, event by event."""

    @property
    def live(self) -> bool:
        """Whether it may be believed."""
        return self.state == "live"

    @property
    def realised_e17(self) -> int | None:
        """Profit of what is not held any more, before fees; ``None`` if it is not all known."""
        return _sum(holding.position.realised_e17 for holding in self.holdings)

    @property
    def fees_e9(self) -> int | None:
        """Fees paid in 1e-9 USD; ``None`` where the venue's messages do not say."""
        return _sum(holding.position.fees_e9 for holding in self.holdings)


def holdings(
    state: OwnState, book_of: FindBook, event_of: Callable[[str], str | None]
) -> tuple[Holding, ...]:
    """Every position with its value."""
    found = []
    for position in state.positions():
        value_e17, why = value(position, book_of(position.symbol))
        event = event_of(position.symbol) or position.market
        found.append(Holding(position, event, value_e17, why))
    return tuple(found)


def value(position: OwnPosition, book: BookView | None) -> tuple[int | None, str]:
    """What the book pays for all of a position in 1e-17 USD, or why that is not known."""
    if position.qty_e8 == 0:
        return 0, ""
    if book is None:
        return None, "its book is not followed"
    if not book.live:
        return None, f"its book is {book.state} ({book.cause})"
    long = position.qty_e8 > 0
    qty_e8 = abs(position.qty_e8)
    fill = book.sweep("sell" if long else "buy", format_qty(qty_e8))
    if fill is None or not fill.complete:
        return None, "its book does not hold so much"
    return (fill.notional_e17 if long else PRICE_SCALE * qty_e8 - fill.notional_e17), ""


def exposures(
    orders: Iterable[OwnOrder], held: Iterable[Holding], event_of: Callable[[str], str | None]
) -> tuple[Exposure, ...]:
    """What may be lost, by event, in the order of the events' names."""
    costs: dict[str, int | None] = {}
    resting: dict[str, int] = {}
    held_e8: dict[str, int] = {}
    for holding in held:
        costs[holding.event] = _sum((costs.get(holding.event, 0), holding.position.cost_e17))
        held_e8[holding.position.symbol] = holding.position.qty_e8
    for order in orders:
        event = event_of(order.symbol) or order.market
        opens_e8 = order.remaining_e8
        price_e9 = order.price_e9 or 0
        if order.side == "sell":
            # What is held is given away for money; the rest is buying the other side.
            opens_e8 = max(0, opens_e8 - max(0, held_e8.get(order.symbol, 0)))
            price_e9 = PRICE_SCALE - price_e9
        resting[event] = resting.get(event, 0) + price_e9 * opens_e8
    return tuple(
        Exposure(event, costs.get(event, 0), resting.get(event, 0))
        for event in sorted(costs.keys() | resting.keys())
    )


def mirrored(resting: Resting) -> Resting:
    """What rests in the book of one outcome, as the book of the other one shows it."""
    return {
        ("ask" if side == "bid" else "bid", PRICE_SCALE - price_e9): qty_e8
        for (side, price_e9), qty_e8 in resting.items()
    }


def resting_in(orders: Mapping[str, Resting], market: Market, symbol: str) -> Resting:
    """What rests in a book of a market by what was ordered in each, by symbol.

    Of two books that mirror each other, both show what was ordered in either.
    """
    found = dict(orders.get(symbol, {}))
    for sibling in market.symbols:
        if sibling != symbol and len(market.symbols) == 2:
            for place, qty_e8 in mirrored(orders.get(sibling, {})).items():
                found[place] = found.get(place, 0) + qty_e8
    return found


def net_levels(book: BookView, side: Literal["bid", "ask"], resting: Resting) -> Levels:
    """The levels of a side without what is the user's own, best first; empty ones are left out."""
    found = []
    for price_e9, qty_e8 in book.levels_exact(side).tolist():
        left_e8 = qty_e8 - resting.get((side, price_e9), 0)
        if left_e8 > 0:
            found.append((price_e9, left_e8))
    return found


def taken_of_own(leg: Leg, resting: Resting) -> int:
    """How much of the user's own a leg of a signal would take, in 1e-8 shares, at most its size."""
    worst_e9, qty_e8 = leg.worst_price_e9, leg.qty_e8
    if worst_e9 is None or qty_e8 is None:
        return 0
    takes_asks = leg.side == "buy"
    if leg.view == "no":
        # The other side of the contract is had from the other side of the book.
        takes_asks, worst_e9 = not takes_asks, PRICE_SCALE - worst_e9
    side = "ask" if takes_asks else "bid"
    own_e8 = sum(
        size_e8
        for (where, price_e9), size_e8 in resting.items()
        if where == side and (price_e9 <= worst_e9 if takes_asks else price_e9 >= worst_e9)
    )
    return min(own_e8, qty_e8)


def _sum(values: Iterable[int | None]) -> int | None:
    total = 0
    for one in values:
        if one is None:
            return None
        total += one
    return total
