"""What Polymarket's record of trades says, as typed rows.

Which outcome was traded, the token tells, and not the name beside it. Times are whole seconds.
Fields are spelled as in the stream of activity, or with underscores, as newer answers do.
"""

from typing import Final, Literal

from bookfeed.catalogue.fields import Fields, Malformed, time_ns
from bookfeed.catalogue.listing import ListedTrade, Listing
from bookfeed.clock import NS_PER_S

_AGGRESSORS: Final[dict[str, Literal["buy", "sell"]]] = {"BUY": "buy", "SELL": "sell"}


def trade(raw: object, listing: Listing) -> ListedTrade:
    """One trade of a listed market; raises ``Malformed``, which names the field."""
    fields = Fields(raw)
    token = fields.text("asset") or fields.text("token_id")
    outcome = next((one.name for one in listing.outcomes if one.symbol == token), None)
    if outcome is None:
        raise Malformed("asset", "should be a token of the market")
    return ListedTrade(
        ts=_time(fields),
        outcome=outcome,
        price=fields.number("price"),
        qty=fields.number("size"),
        aggressor=_AGGRESSORS.get(fields.text("side").upper()),
        id=fields.text("transactionHash") or fields.text("transaction_hash"),
    )


def _time(fields: Fields) -> int:
    """Unix nanoseconds of seconds or of a written time."""
    value = fields.value("timestamp")
    ts = time_ns(value) if isinstance(value, str) else None
    return int(fields.number("timestamp")) * NS_PER_S if ts is None else ts
