"""What Polymarket's record of trades says, as typed rows.

Which outcome was traded, the token tells, and not the name beside it. Times are whole seconds.
"""

from typing import Final, Literal

from bookfeed.catalogue.fields import Fields, Malformed
from bookfeed.catalogue.listing import ListedTrade, Listing
from bookfeed.clock import NS_PER_S

_AGGRESSORS: Final[dict[str, Literal["buy", "sell"]]] = {"BUY": "buy", "SELL": "sell"}


def trade(raw: object, listing: Listing) -> ListedTrade:
    """One trade of a listed market; raises ``Malformed``, which names the field."""
    fields = Fields(raw)
    token, at_s = fields.name("asset"), fields.whole("timestamp")
    outcome = next((one.name for one in listing.outcomes if one.symbol == token), None)
    if outcome is None:
        raise Malformed("asset", "should be a token of the market")
    if at_s is None:
        raise Malformed("timestamp", "is missing")
    return ListedTrade(
        ts=at_s * NS_PER_S,
        outcome=outcome,
        price=fields.number("price"),
        qty=fields.number("size"),
        aggressor=_AGGRESSORS.get(fields.text("side").upper()),
        id=fields.text("transactionHash"),
    )
