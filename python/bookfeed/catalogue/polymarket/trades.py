"""What Polymarket's record of trades says, as typed rows.

Which outcome was traded, the token tells, and not the name beside it. Times are whole seconds.
Fields are spelled as in the stream of activity, or with underscores, as newer answers do.
"""

from collections.abc import Sequence
from typing import Final, Literal

from bookfeed.catalogue.fields import Fields, Malformed, time_ns
from bookfeed.catalogue.history import PricePoint
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


def trade_rows(answer: object) -> tuple[Sequence[object], str]:
    """The rows of an answer, and the cursor of older ones: empty where none are.

    They are in ``data``, beside ``pagination``, whose cursor is ``null`` at the end; the answer may
    be the rows alone. Raises ``Malformed`` for what is neither.
    """
    if isinstance(answer, list):
        return answer, ""
    fields = Fields(answer, "the answer")
    if not fields.has("data"):
        raise Malformed("the answer", "should hold data")
    page = fields.child("pagination") or Fields({})
    more = page.flag("has_more") is not False
    return fields.items("data"), page.text("next_cursor") if more else ""


def price_point(raw: object, outcome: str) -> PricePoint:
    """One point of a history of prices; raises ``Malformed``, which names the field."""
    fields = Fields(raw)
    return PricePoint(int(fields.number("t")) * NS_PER_S, outcome, fields.number("p"))


def _time(fields: Fields) -> int:
    """Unix nanoseconds of seconds or of a written time."""
    value = fields.value("timestamp")
    ts = time_ns(value) if isinstance(value, str) else None
    return int(fields.number("timestamp")) * NS_PER_S if ts is None else ts
