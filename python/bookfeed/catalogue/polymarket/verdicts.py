"""How a market ended, as Polymarket's witnesses say it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from bookfeed.catalogue.deciding import Verdict
from bookfeed.catalogue.fields import Fields
from bookfeed.catalogue.listing import Listing

_MICRO: Final = Decimal(1).scaleb(-6)


def resolved(answer: object, listing: Listing) -> Verdict | None:
    """What the record of resolutions says: ``payouts`` in micro-dollars a share.

    It has the last word. ``None`` while it says nothing, or that it is proposed or disputed;
    raises ``Malformed``, which names the field.
    """
    for row in Fields(answer, "the answer").children("data"):
        if row.text("condition_id").lower() != listing.market.lower():
            continue
        paid = row.items("payouts")
        if row.text("status") == "resolved" and paid:
            numbers = Fields({str(at): one for at, one in enumerate(paid)})
            payouts = tuple(numbers.number(str(at)) * _MICRO for at in range(len(paid)))
            return Verdict("resolutions", payouts, final=True)
    return None


def closed(found: Sequence[Listing], listing: Listing) -> Verdict | None:
    """What is listed: prices of a closed market that are no mere prices."""
    for one in found:
        paid = [outcome.payout for outcome in one.outcomes]
        told = tuple(price for price in paid if price is not None)
        if one.market == listing.market and told and len(told) == len(paid):
            return Verdict("listing", told, final=False)
    return None


def won(whole: Fields, listing: Listing) -> Verdict | None:
    """What the order books say: which token won."""
    winners = {one.text("token_id") for one in whole.children("tokens") if one.flag("winner")}
    payouts = tuple(Decimal(one.symbol in winners) for one in listing.outcomes)
    return Verdict("books", payouts, final=False) if sum(payouts) == 1 == len(winners) else None
