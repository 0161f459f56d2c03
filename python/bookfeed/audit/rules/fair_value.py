"""Fair value: a contract below what it is worth at least by its reference, either side of it."""

from collections.abc import Iterator
from decimal import Decimal

from bookfeed.audit.bundle import Bundle
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import ONE, PRICE_UNITS
from bookfeed.audit.rule import Found, LegRef, Subject


class FairValue(Bundle):
    """See ``Rule``. What it pays is what it is worth, which its reference says anew."""

    kind = "fair_value"
    on_reference = True

    def subjects(self, model: Model) -> Iterator[Subject]:
        """Both sides of every contract."""
        for each in model.present.values():
            if each.payout is not None:
                for complement in (False, True):
                    yield Subject((LegRef(each.number, complement),), "buy", Decimal(0))

    def quiet(self, subject: Subject, model: Model, *, opened: bool) -> bool:
        """See ``Rule``."""
        worth = self.worth(subject, model)
        return worth is None or super().quiet(worth, model, opened=opened)

    def assess(self, subject: Subject, model: Model, *, vouched: bool) -> Found | str | None:
        """See ``Rule``."""
        worth = self.worth(subject, model)
        return None if worth is None else super().assess(worth, model, vouched=vouched)

    def paid(self, subject: Subject, model: Model) -> Decimal:
        """See ``Rule``."""
        worth = self.worth(subject, model)
        return subject.payout if worth is None else worth.payout

    def worth(self, subject: Subject, model: Model) -> Subject | None:
        """The subject with what it pays at least by its reference; ``None`` if nobody knows."""
        (leg,) = subject.legs
        fair = model.fairs.get(leg.instrument)
        if fair is None:
            return None
        low, high = Decimal(fair.low) / PRICE_UNITS, Decimal(fair.high) / PRICE_UNITS
        return subject._replace(payout=ONE - high if leg.complement else low)


RULE = FairValue
