"""Rules that take several legs together: one unit of each, which pays at least so much."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from bookfeed.audit.books import Instrument, Level, Side
from bookfeed.audit.fees import Fees
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import (
    ONE,
    PRICE_UNITS,
    QTY_STEP,
    QTY_UNITS,
    USD_PLACES,
    USD_UNITS,
    ceiling,
    exactly,
    per_unit,
    units,
)
from bookfeed.audit.rule import Found, FoundLeg, LegRef, Rule, Subject, is_crossed
from bookfeed.audit.walk import Terms, Walked, walk

_SMALLEST_EDGE: Final = Decimal("0.000000001")


class Bundle(Rule):
    """What all rules of several legs have in common."""

    def terms(self, subject: Subject) -> Terms:
        """What the walk of a bundle needs to know."""
        return Terms(
            subject.payout,
            subject.direction == "sell",
            max(self.decimal("min_edge", "0.000000001"), _SMALLEST_EDGE),
            self.decimal("max_qty", places=8) if "max_qty" in self.params else None,
        )

    def refused(self, ones: Sequence[Instrument], *, vouched: bool) -> str | None:
        """Why opportunities on these books are refused, whatever they are."""
        del vouched
        return "crossed" if any(is_crossed(one) for one in ones) else None

    def quiet(self, subject: Subject, model: Model, *, opened: bool) -> bool:
        """See ``Rule``."""
        del opened
        terms = self.terms(subject)
        prices = _touch_prices(subject, model)
        return prices is None or terms.edge(prices) < terms.min_edge

    @exactly
    def assess(self, subject: Subject, model: Model, *, vouched: bool) -> Found | str | None:
        """See ``Rule``."""
        ones = [model.instruments[leg.instrument] for leg in subject.legs]
        refused = self.refused(ones, vouched=vouched)
        if refused is not None:
            return refused
        known = [one.fees for one in ones if one.fees is not None]
        if not all(fees.computable for fees in known):
            return "fee_type"
        if len(known) < len(ones):
            return "fee_unknown"
        steps = [
            QTY_STEP if each is None else each.qty_step for each in map(model.reading_of, ones)
        ]
        return self._walked(subject, ones, known, max(steps))

    def _walked(
        self, subject: Subject, ones: Sequence[Instrument], fees: Sequence[Fees], step: Decimal
    ) -> Found | str | None:
        terms = replace(self.terms(subject), step=step)
        pairs = list(zip(ones, subject.legs, strict=True))
        ladders = [ladder(one, leg, sell=terms.sell) for one, leg in pairs]
        whole = _answer(subject, ones, fees, terms, ladders, self.gates.min_qty)
        others = [ladder(one, leg, sell=terms.sell, others=True) for one, leg in pairs]
        if not isinstance(whole, Found) or others == ladders:
            return whole
        # It must be there without the user's own orders, too.
        net = _answer(subject, ones, fees, terms, others, self.gates.min_qty)
        return net if isinstance(net, Found) else "own"


def _answer(
    subject: Subject,
    ones: Sequence[Instrument],
    fees: Sequence[Fees],
    terms: Terms,
    ladders: Sequence[list[Level]],
    min_qty: Decimal,
) -> Found | str | None:
    """What these ladders come to."""
    if not all(ladders):
        return None
    walked = walk(terms, ladders, fees)
    if walked is None:
        return "fees"
    if walked.qty < max(min_qty, *(one.min_order_size for one in ones)):
        return "min_qty"
    return _stated(subject, ones, walked, terms.edge([levels[0][0] for levels in ladders]))


def stated_leg(model: Model, text: str) -> LegRef | None:
    """A leg written ``venue symbol yes`` or ``venue symbol no``, if it can be watched.

    It can once it is subscribed; never if it has no payout, since it then has no complement.
    """
    venue, symbol, *view = text.split()
    number = model.find(venue, symbol)
    if number is None or model.instruments[number].payout is None:
        return None
    return LegRef(number, view == ["no"])


def stated_legs(model: Model, text: str) -> list[LegRef | None]:
    """Legs separated by semicolons; ``None`` for those that cannot be watched yet."""
    return [stated_leg(model, each) for each in text.split(";") if each.strip()]


def ladder(one: Instrument, leg: LegRef, *, sell: bool, others: bool = False) -> list[Level]:
    """What a leg is taken from, best first; only what is of ``others`` than the user, if asked."""
    side: Side = "bid" if sell != leg.complement else "ask"
    levels = one.book.levels(side)
    if others:
        left = ((price, qty - one.own.get((side, price), Decimal(0))) for price, qty in levels)
        levels = [(price, qty) for price, qty in left if qty > 0]
    return [(ONE - price, qty) for price, qty in levels] if leg.complement else levels


def best(one: Instrument, leg: LegRef, *, sell: bool, resting: bool) -> Decimal | None:
    """The best price to take a leg at, or to rest at; ``None`` if there is none."""
    touch = one.book.touch
    if leg.complement:
        price = touch.bid if sell == resting else touch.ask
        return None if price is None else ONE - price
    return touch.ask if sell == resting else touch.bid


def _touch_prices(subject: Subject, model: Model) -> list[Decimal] | None:
    prices = []
    for leg in subject.legs:
        one = model.instruments[leg.instrument]
        price = best(one, leg, sell=subject.direction == "sell", resting=False)
        if price is None:
            return None
        prices.append(price)
    return prices


def _stated(subject: Subject, ones: Sequence[Instrument], walked: Walked, value: Decimal) -> Found:
    """What was walked, as a record states it."""
    sell, qty = walked.terms.sell, walked.qty
    paid = sum((order.notional for order in walked.orders), Decimal(0))
    bound = walked.terms.payout * qty if sell else paid
    legs, rests = [], []
    for one, leg, order in zip(ones, subject.legs, walked.orders, strict=True):
        rest = best(one, leg, sell=sell, resting=True)
        rests.append(None if rest is None else (order.fees, rest))
        legs.append(
            FoundLeg(
                instrument=one.number,
                view="no" if leg.complement else "yes",
                side="sell" if sell else "buy",
                avg_price=per_unit(order.notional, qty),
                worst_price=units(order.fills[-1][0], PRICE_UNITS),
                qty=units(qty, QTY_UNITS),
                fee=units(order.fee(sell=sell), USD_UNITS),
                maker_fee=None if rest is None else _maker_fee(order.fees, rest, qty, sell=sell),
            )
        )
    fee = sum(leg.fee for leg in legs)
    return Found(
        value=units(value, PRICE_UNITS),
        qty=units(qty, QTY_UNITS),
        gross_edge=per_unit(walked.gross, qty),
        net_edge=walked.net_edge,
        fee=fee,
        capital=units(bound, USD_UNITS) + fee,
        maker_edge=_maker_edge(walked.terms, rests),
        direction=subject.direction,
        legs=tuple(legs),
    )


def _maker_fee(fees: Fees, rest: Decimal, qty: Decimal, *, sell: bool) -> int:
    fee = fees.order([(rest, qty)], sell=sell, maker=True)
    return units(ceiling(fee, USD_PLACES), USD_UNITS)


def _maker_edge(terms: Terms, rests: Sequence[tuple[Fees, Decimal] | None]) -> int | None:
    """What one unit would leave if every leg rested at the best price of its own side."""
    known = [rest for rest in rests if rest is not None]
    if len(known) < len(rests):
        return None
    fees = sum((fees.marginal(price, maker=True) for fees, price in known), Decimal(0))
    return units(terms.edge([price for _, price in known]) - fees, PRICE_UNITS)
