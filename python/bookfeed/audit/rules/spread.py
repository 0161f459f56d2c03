"""Spread: one book whose touch is wide, or tight."""

from collections.abc import Iterator

from bookfeed.audit.books import Instrument
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import ONE, PRICE_UNITS, QTY_UNITS, USD_UNITS, exactly, units
from bookfeed.audit.rule import Found, FoundLeg, LegRef, Rule, Subject, is_crossed


class Spread(Rule):
    """See ``Rule``. It needs no payout: a bid and an ask are all there is to it."""

    kind = "spread"

    def subjects(self, model: Model) -> Iterator[Subject]:
        """Every book."""
        for each in model.present.values():
            yield Subject((LegRef(each.number),), None, ONE)

    def quiet(self, subject: Subject, model: Model, *, opened: bool) -> bool:
        """See ``Rule``."""
        return not self._beyond(model.instruments[subject.legs[0].instrument], opened=opened)

    def _beyond(self, one: Instrument, *, opened: bool) -> bool:
        touch = one.book.touch
        if touch.bid is None or touch.ask is None:
            return False
        bps = self.params.get("mode", "absolute") == "bps"
        name = "close" if opened and "close" in self.params else "open"
        limit = self.decimal(name, places=4 if bps else 9)
        measure = touch.ask - touch.bid
        if bps:  # of the mid, multiplied out
            measure, limit = 20_000 * measure, limit * (touch.ask + touch.bid)
        wide = self.params.get("when", "wide") == "wide"
        return measure >= limit if wide else measure <= limit

    @exactly
    def assess(self, subject: Subject, model: Model, *, vouched: bool) -> Found | str | None:
        """See ``Rule``."""
        del vouched
        one = model.instruments[subject.legs[0].instrument]
        if is_crossed(one):
            return "crossed"
        bid, bid_qty, ask, ask_qty = one.book.touch
        if bid is None or ask is None or bid_qty is None or ask_qty is None:
            return None
        qty = min(bid_qty, ask_qty)
        if qty < self.gates.min_qty:
            return "min_qty"
        spread, size = units(ask - bid, PRICE_UNITS), units(qty, QTY_UNITS)
        legs = tuple(
            FoundLeg(one.number, "yes", side, at, at, size, 0, None)
            for side, at in (("buy", units(bid, PRICE_UNITS)), ("sell", units(ask, PRICE_UNITS)))
        )
        capital = units(bid * qty, USD_UNITS)
        return Found(spread, size, spread, spread, 0, capital, None, None, legs)


RULE = Spread
