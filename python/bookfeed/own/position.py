"""From fills to a position: what is held, what it cost, what was earned.

Shares are valued at their average cost. A negative position is shares of the other side: selling
YES at 0.40 with nothing held is buying NO at 0.60. All of it is integers; taking out a part of a
cost that does not divide leaves the remainder, less than 1e-17 USD, in what is held.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bookfeed._bookfeed import PRICE_SCALE
from bookfeed.own.events import SETTLED, OwnFill, OwnPosition


@dataclass(frozen=True, slots=True)
class Anchor:
    """A position as it stood before the fills that are walked; units as in ``OwnPosition``."""

    qty_e8: int = 0
    cost_e17: int | None = 0
    realised_e17: int | None = 0
    fees_e9: int | None = 0


NOTHING = Anchor()


def walk(
    anchor: Anchor, fills: Iterable[OwnFill], *, venue: str, market: str, symbol: str, nets: bool
) -> OwnPosition:
    """The position after ``fills``, in their order; those that failed never happened.

    ``nets`` says that the venue turns a sale of more than is held into shares of the other side.
    """
    qty, cost, realised, fees = (
        anchor.qty_e8,
        anchor.cost_e17,
        anchor.realised_e17,
        anchor.fees_e9,
    )
    pending = 0
    for fill in fills:
        if fill.status == "failed":
            continue
        if fill.status not in SETTLED:
            pending += fill.qty_e8
        fees = None if fees is None or fill.fee_e9 is None else fees + fill.fee_e9
        change = fill.signed_e8
        closed = min(abs(qty), abs(change)) if qty * change < 0 else 0
        if closed and cost is not None:
            out = cost * closed // abs(qty)
            earned = _unit_e9(fill.price_e9, qty) * closed - out
            cost, realised = cost - out, None if realised is None else realised + earned
        opened = abs(change) - closed
        qty += change
        if opened and cost is not None:
            cost += _unit_e9(fill.price_e9, change) * opened
        if qty < 0 and not nets:
            cost = realised = None
    return OwnPosition(venue, market, symbol, qty, pending, cost, realised, fees)


def _unit_e9(price_e9: int, direction: int) -> int:
    """What a share of the side that ``direction`` stands for is worth at a price of the book."""
    return price_e9 if direction > 0 else PRICE_SCALE - price_e9
