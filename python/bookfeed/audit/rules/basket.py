"""Basket: outcomes of which at most one happens; NO of each, or YES of each if one must."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from bookfeed.audit.books import Instrument
from bookfeed.audit.bundle import Bundle, stated_legs
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import ONE
from bookfeed.audit.rule import Subject


class Basket(Bundle):
    """See ``Rule``."""

    kind = "basket"
    confirms = True

    def subjects(self, model: Model) -> Iterator[Subject]:
        """Once all legs are there."""
        found = stated_legs(model, str(self.params["legs"]))
        legs = [leg for leg in found if leg is not None]
        if len(legs) < len(found):
            return
        yield Subject(tuple(leg.other for leg in legs), "buy", Decimal(len(legs) - 1))
        if self.on("exhaustive", "false"):
            yield Subject(tuple(legs), "buy", ONE)

    def refused(self, ones: Sequence[Instrument], *, vouched: bool) -> str | None:
        """A set with outcomes that are not listed yet pays nobody knows what."""
        if self.on("augmented", "false"):
            return "augmented"
        return super().refused(ones, vouched=vouched)


RULE = Basket
