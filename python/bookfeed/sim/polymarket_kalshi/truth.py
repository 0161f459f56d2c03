"""What is really there to be earned in a two-venue scenario, by brute force and in decimals.

A combination is a set of legs of which one each pays out a fixed sum, whatever happens. It is an
opportunity while its asks, fees included, cost less, in at least the smallest size worth trading.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

Venue = Literal["polymarket", "kalshi"]

Fees = Callable[[Venue, Decimal, Decimal, Decimal], Decimal]
"""The taker's fee in dollars for (venue, price, size, fee multiplier of the event)."""

Ask = tuple[Decimal, Decimal]
"""Price and size."""


class Leg(NamedTuple):
    """One thing to buy: a token of Polymarket's, or YES or NO of a Kalshi market."""

    venue: Venue
    symbol: str
    outcome: Literal["yes", "no"] = "yes"
    """On Polymarket the symbol alone says it."""


class Offer(NamedTuple):
    """What a leg can be bought for now."""

    asks: list[Ask]
    """Best first; none where trading is suspended."""
    fee_multiplier: Decimal


class Opportunity(NamedTuple):
    """A combination that pays more than it costs, from ``start_ns`` until ``end_ns``."""

    combination: str
    start_ns: int
    end_ns: int | None
    """``None`` while it lasts."""
    qty: Decimal
    """How many sets are worth buying, when it began."""
    profit: Decimal
    """What they earn after fees, in dollars."""


@dataclass(slots=True)
class Combination:
    """Legs, what one of each pays, and when that was worth more than it cost."""

    name: str
    """Such as ``pair0:polymarket-yes+kalshi-no``."""
    legs: tuple[Leg, ...]
    payoff: Decimal
    history: list[Opportunity] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether it is an opportunity now."""
        return bool(self.history) and self.history[-1].end_ns is None

    def at(self, ts_ns: int) -> Opportunity | None:
        """The opportunity that existed at a time, if there was one."""
        index = bisect_right(self.history, ts_ns, key=lambda one: one.start_ns) - 1
        if index < 0:
            return None
        found = self.history[index]
        return found if found.end_ns is None or ts_ns < found.end_ns else None

    def judge(self, offers: Sequence[Offer], fees: Fees, min_qty: Decimal, now_ns: int) -> None:
        """Looks at the offers of all legs, and opens or closes an opportunity."""
        qty, profit = worth(self.legs, offers, self.payoff, fees)
        real = qty >= min_qty and profit > 0
        if real and not self.open:
            self.history.append(Opportunity(self.name, now_ns, None, qty, profit))
        elif self.open and not real:
            self.history[-1] = self.history[-1]._replace(end_ns=now_ns)


def worth(
    legs: Sequence[Leg], offers: Sequence[Offer], payoff: Decimal, fees: Fees
) -> tuple[Decimal, Decimal]:
    """How many sets can be bought below ``payoff`` each, and what they earn together."""
    queues = [list(offer.asks) for offer in offers]
    qty = profit = Decimal(0)
    while all(queues):
        step = min(queue[0][1] for queue in queues)
        cost = sum((queue[0][0] * step for queue in queues), Decimal(0))
        for leg, offer, queue in zip(legs, offers, queues, strict=True):
            cost += fees(leg.venue, queue[0][0], step, offer.fee_multiplier)
        if cost >= payoff * step:
            break
        qty += step
        profit += payoff * step - cost
        for queue in queues:
            price, left = queue[0]
            if left == step:
                del queue[0]
            else:
                queue[0] = (price, left - step)
    return qty, profit
