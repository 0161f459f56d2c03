"""The auditor's own rules: what each of them watches, and what it makes of books.

A rule is read from its RULE record. It watches subjects, each a set of legs; ``assess`` gives
what is found there, ``None`` if the subject is quiet, or the name of a refusal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations
from typing import Any, Final, NamedTuple

from bookfeed.audit.books import Instrument, Level
from bookfeed.audit.fees import Fees
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import (
    NS_PER_MS,
    ONE,
    PRICE_UNITS,
    QTY_UNITS,
    USD_PLACES,
    USD_UNITS,
    ceiling,
    exactly,
    per_unit,
    plain,
    units,
)
from bookfeed.audit.polymarket import mirrored
from bookfeed.audit.walk import Terms, Walked, walk

_LAG_TWO_VENUES_NS: Final = 1_000 * NS_PER_MS
_SMALLEST_EDGE: Final = Decimal("0.000000001")
_SMALLEST_QTY: Final = Decimal("0.00000001")


class LegRef(NamedTuple):
    """An instrument and a view of its book."""

    instrument: int
    complement: bool = False

    @property
    def other(self) -> "LegRef":
        """The leg that pays when this one does not."""
        return LegRef(self.instrument, not self.complement)


class Subject(NamedTuple):
    """The legs of one opportunity; ``direction`` as in the records."""

    legs: tuple[LegRef, ...]
    direction: str | None
    payout: Decimal


@dataclass(frozen=True, slots=True)
class FoundLeg:
    """One leg as a record states it, in the engine's integers."""

    instrument: int
    view: str
    side: str
    avg_price: int
    worst_price: int
    qty: int
    fee: int
    maker_fee: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """An opportunity as a record states it, in the engine's integers."""

    value: int
    qty: int
    gross_edge: int
    net_edge: int
    fee: int
    capital: int
    maker_edge: int | None
    direction: str | None
    legs: tuple[FoundLeg, ...]


@dataclass(frozen=True, slots=True)
class Gates:
    """What keeps every rule silent; times in nanoseconds."""

    max_age: int
    max_skew: int
    max_lag: int | None
    min_time_to_close: int
    min_hold: int
    cooldown: int
    min_qty: Decimal
    confirm: bool

    @classmethod
    def read(cls, kind: str, params: Mapping[str, Any]) -> "Gates":
        """The gates among the parameters of a rule."""
        confirm = "on" if kind in ("box", "basket", "ladder") else "off"

        def ns(name: str, default: int) -> int:
            return units(plain(str(params.get(name, default)), 6), NS_PER_MS)

        return cls(
            max_age=ns("max_age_ms", 30_000),
            max_skew=ns("max_skew_ms", 2_000),
            max_lag=ns("max_lag_ms", 0) if "max_lag_ms" in params else None,
            min_time_to_close=ns("min_time_to_close_ms", 0),
            min_hold=ns("min_hold_ms", 0),
            cooldown=ns("cooldown_ms", 0),
            min_qty=plain(str(params.get("min_qty", "0")), 8) or _SMALLEST_QTY,
            confirm=params.get("confirm", confirm) == "on",
        )

    def lag_allowed(self, legs: Sequence[Instrument]) -> int:
        """The lag allowed between these legs; 0 if it is not asked."""
        if self.max_lag is not None:
            return self.max_lag
        return _LAG_TWO_VENUES_NS if len({leg.venue for leg in legs}) > 1 else 0


@dataclass(slots=True)
class Rule:
    """A rule and its parameters."""

    number: int
    kind: str
    params: Mapping[str, Any]
    gates: Gates = field(init=False)

    def __post_init__(self) -> None:
        self.gates = Gates.read(self.kind, self.params)

    def decimal(self, name: str, default: str | None = None, places: int = 9) -> Decimal:
        """A parameter that is a decimal."""
        return plain(str(self.params.get(name, default)), places)

    def on(self, name: str, default: str) -> bool:
        """A parameter that is a switch."""
        return str(self.params.get(name, default)).lower() in ("on", "true", "1", "yes")

    @property
    def asks_polarity(self) -> bool:
        """Whether the sides of the rule could be stated the wrong way round."""
        return self.kind == "box" and self.on("polarity_check", "on")

    def subjects(self, model: Model) -> Iterator[Subject]:
        """All that can be watched, now that the instruments of ``model`` are there."""
        if self.kind == "spread":
            for each in model.instruments:
                yield Subject((LegRef(each.number),), None, ONE)
        elif self.kind == "complement":
            for each in model.instruments:
                if each.sibling is not None and each.number < each.sibling:
                    pair = LegRef(each.number), LegRef(each.sibling)
                    yield Subject(pair, "buy", ONE)
                    yield Subject(pair, "sell", ONE)
        elif self.kind == "box":
            a, b = (_leg(model, self.params[name]) for name in ("a", "b"))
            if a is not None and b is not None:
                yield Subject((a, b.other), "buy", ONE)
                yield Subject((a.other, b), "buy", ONE)
        else:
            yield from self._sets(model)

    def _sets(self, model: Model) -> Iterator[Subject]:
        found = [_leg(model, text) for text in str(self.params["legs"]).split(";") if text.strip()]
        if self.kind == "ladder":
            for lower, higher in combinations(found, 2):
                if lower is not None and higher is not None:
                    yield Subject((lower, higher.other), "buy", ONE)
            return
        legs = [leg for leg in found if leg is not None]
        if len(legs) < len(found):
            return
        yield Subject(tuple(leg.other for leg in legs), "buy", Decimal(len(legs) - 1))
        if self.on("exhaustive", "false"):
            yield Subject(tuple(legs), "buy", ONE)

    def terms(self, subject: Subject) -> Terms:
        """What the walk of a bundle needs to know."""
        return Terms(
            subject.payout,
            subject.direction == "sell",
            max(self.decimal("min_edge", "0.000000001"), _SMALLEST_EDGE),
            self.decimal("max_qty", places=8) if "max_qty" in self.params else None,
        )


def _leg(model: Model, text: str) -> LegRef | None:
    """A leg written ``venue symbol yes`` or ``venue symbol no``, if it is subscribed."""
    venue, symbol, *view = text.split()
    number = model.find(venue, symbol)
    return None if number is None else LegRef(number, view == ["no"])


def ladder(one: Instrument, leg: LegRef, *, sell: bool) -> list[Level]:
    """What a leg is taken from, best first."""
    if leg.complement:
        opposite = one.book.levels("ask" if sell else "bid")
        return [(ONE - price, qty) for price, qty in opposite]
    return one.book.levels("bid" if sell else "ask")


def best(one: Instrument, leg: LegRef, *, sell: bool, resting: bool) -> Decimal | None:
    """The best price to take a leg at, or to rest at; ``None`` if there is none."""
    touch = one.book.touch
    if leg.complement:
        price = touch.bid if sell == resting else touch.ask
        return None if price is None else ONE - price
    return touch.ask if sell == resting else touch.bid


def quiet(rule: Rule, subject: Subject, model: Model, *, opened: bool) -> bool:
    """Whether the touches alone rule an opportunity out."""
    if rule.kind == "spread":
        return not _spread_beyond(rule, model.instruments[subject.legs[0].instrument], opened)
    terms = rule.terms(subject)
    prices = _touch_prices(subject, model)
    return prices is None or terms.edge(prices) < terms.min_edge


def _touch_prices(subject: Subject, model: Model) -> list[Decimal] | None:
    prices = []
    for leg in subject.legs:
        one = model.instruments[leg.instrument]
        price = best(one, leg, sell=subject.direction == "sell", resting=False)
        if price is None:
            return None
        prices.append(price)
    return prices


def _spread_beyond(rule: Rule, one: Instrument, opened: bool) -> bool:
    touch = one.book.touch
    if touch.bid is None or touch.ask is None:
        return False
    bps = rule.params.get("mode", "absolute") == "bps"
    limit = rule.decimal("open", places=4 if bps else 9)
    if opened and "close" in rule.params:
        limit = rule.decimal("close", places=4 if bps else 9)
    measure = touch.ask - touch.bid
    if bps:  # of the mid, multiplied out
        measure, limit = 20_000 * measure, limit * (touch.ask + touch.bid)
    return measure >= limit if rule.params.get("when", "wide") == "wide" else measure <= limit


@exactly
def assess(rule: Rule, subject: Subject, model: Model, *, vouched: bool) -> Found | str | None:
    """What there is on a subject whose books may be believed and which is not quiet."""
    ones = [model.instruments[leg.instrument] for leg in subject.legs]
    if rule.kind == "basket" and rule.on("augmented", "false"):
        return "augmented"
    for one in ones:
        touch = one.book.touch
        if touch.bid is not None and touch.ask is not None and touch.bid >= touch.ask:
            return "crossed"
    if rule.kind == "spread":
        return _assess_spread(rule, ones[0])
    if rule.kind == "complement" and not vouched and not mirrored(*ones):
        return "torn"
    known = [one.fees for one in ones if one.fees is not None]
    if not all(fees.computable for fees in known):
        return "fee_type"
    if len(known) < len(ones):
        return "fee_unknown"
    return _assess_bundle(rule, subject, ones, known)


def _assess_spread(rule: Rule, one: Instrument) -> Found | str | None:
    touch = one.book.touch
    bid, bid_qty, ask, ask_qty = touch
    if bid is None or ask is None or bid_qty is None or ask_qty is None:
        return None
    qty = min(bid_qty, ask_qty)
    if qty < rule.gates.min_qty:
        return "min_qty"
    spread, size = units(ask - bid, PRICE_UNITS), units(qty, QTY_UNITS)
    legs = tuple(
        FoundLeg(one.number, "yes", side, at, at, size, 0, None)
        for side, at in (("buy", units(bid, PRICE_UNITS)), ("sell", units(ask, PRICE_UNITS)))
    )
    capital = units(bid * qty, USD_UNITS)
    return Found(spread, size, spread, spread, 0, capital, None, None, legs)


def _assess_bundle(
    rule: Rule, subject: Subject, ones: Sequence[Instrument], fees: Sequence[Fees]
) -> Found | str | None:
    terms = rule.terms(subject)
    ladders = [
        ladder(one, leg, sell=terms.sell) for one, leg in zip(ones, subject.legs, strict=True)
    ]
    if not all(ladders):
        return None
    walked = walk(terms, ladders, fees)
    if walked is None:
        return "fees"
    if walked.qty < rule.gates.min_qty:
        return "min_qty"
    value = terms.edge([levels[0][0] for levels in ladders])
    return _stated(subject, ones, walked, value)


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
