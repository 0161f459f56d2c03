"""What Kalshi's REST interface remembers of trades, as typed rows; prices are those of Yes."""

from typing import Final, Literal

from bookfeed.catalogue.fields import Fields, Malformed
from bookfeed.catalogue.listing import ListedTrade

# Who takes Yes buys it; who takes No sells Yes.
_AGGRESSORS: Final[dict[str, Literal["buy", "sell"]]] = {"yes": "buy", "no": "sell"}


def trade(raw: object) -> ListedTrade:
    """One trade; raises ``Malformed``, which names the field."""
    fields = Fields(raw)
    ts = fields.time("created_time")
    if ts is None:
        raise Malformed("created_time", "is missing")
    taker = fields.text("taker_outcome_side") or fields.text("taker_side")
    return ListedTrade(
        ts=ts,
        outcome="Yes",
        price=fields.number("yes_price_dollars"),
        qty=fields.number("count_fp"),
        aggressor=_AGGRESSORS.get(taker),
        id=fields.text("trade_id"),
    )
