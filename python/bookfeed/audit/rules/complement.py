"""Complement: both outcomes of one market, bought together below 1 or sold together above 1."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from bookfeed.audit.books import Instrument, Level
from bookfeed.audit.bundle import Bundle
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import ONE
from bookfeed.audit.rule import LegRef, Subject


class Complement(Bundle):
    """See ``Rule``."""

    kind = "complement"

    def subjects(self, model: Model) -> Iterator[Subject]:
        """Both outcomes of each market that has two, both ways."""
        for each in model.present.values():
            pays = each.payout is not None
            if pays and each.sibling is not None and each.number < each.sibling:
                pair = LegRef(each.number), LegRef(each.sibling)
                yield Subject(pair, "buy", ONE)
                yield Subject(pair, "sell", ONE)

    def refused(self, ones: Sequence[Instrument], *, vouched: bool) -> str | None:
        """Two books that should mirror each other and do not are torn, unless vouched for."""
        refused = super().refused(ones, vouched=vouched)
        if refused is None and not vouched and not _mirrored(*ones):
            return "torn"
        return refused


def _mirrored(a: Instrument, b: Instrument) -> bool:
    """Whether two outcomes of a market mirror each other at their touches."""

    def flip(at: Decimal | None, qty: Decimal | None) -> Level | None:
        return None if at is None or qty is None else (ONE - at, qty)

    first, second = a.book.touch, b.book.touch
    return flip(second.ask, second.ask_qty) == (None if first.bid is None else first[:2]) and flip(
        second.bid, second.bid_qty
    ) == (None if first.ask is None else first[2:])


RULE = Complement
