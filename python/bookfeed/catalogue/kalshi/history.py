"""What Kalshi's REST interface remembers of prices, as typed rows; prices are those of Yes.

Of markets that were settled long ago names have no ending: ``close`` in place of ``close_dollars``.
"""

from decimal import Decimal

from bookfeed.catalogue.fields import Fields, Malformed
from bookfeed.catalogue.history import NO_PRICES, Candle, PricePoint, Prices
from bookfeed.clock import NS_PER_S


def candle(raw: object, minutes: int) -> Candle:
    """One candle; raises ``Malformed``, which names the field."""
    fields = Fields(raw)
    end_s = fields.whole("end_period_ts")
    if end_s is None:
        raise Malformed("end_period_ts", "is missing")
    return Candle(
        start_ts=(end_s - minutes * 60) * NS_PER_S,
        end_ts=end_s * NS_PER_S,
        outcome="Yes",
        traded=_prices(fields, "price"),
        bid=_prices(fields, "yes_bid"),
        ask=_prices(fields, "yes_ask"),
        volume=_either(fields, "volume", "_fp") or Decimal(0),
        open_interest=_either(fields, "open_interest", "_fp"),
    )


def price_point(one: Candle) -> PricePoint | None:
    """The last price of a period in which there was a trade."""
    close = one.traded.close
    return None if close is None else PricePoint(one.end_ts, one.outcome, close)


def _prices(fields: Fields, key: str) -> Prices:
    found = fields.child(key)
    if found is None:
        return NO_PRICES
    return Prices(*(_either(found, name, "_dollars") for name in Prices._fields))


def _either(fields: Fields, name: str, ending: str) -> Decimal | None:
    """A number by its name with or without the ending."""
    return fields.decimal(name + ending if fields.has(name + ending) else name)
