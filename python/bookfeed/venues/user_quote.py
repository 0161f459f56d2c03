"""One quote of the user's own as a frame: a whole book, and for how long it may be believed.

Nothing here reads one: that is the core's, as with every other venue.
"""

import math
import re
from collections.abc import Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Final

from bookfeed._bookfeed import PRICE_SCALE, QTY_SCALE, VENUES
from bookfeed.market import Market
from bookfeed.venues.user import NAME, UserMarket

# The engine reads integers of at most 18 digits.
MAX_AGE_NS: Final = 10**18 - 1

# Exact whatever precision the caller's own context has.
_EXACT: Final = Context(prec=28)

_PLAIN: Final = re.compile(r"\d+(?:\.\d+)?|\.\d+", re.ASCII)

Number = str | Decimal | int | float
"""An exact number: plain decimal text, ``Decimal``, ``int``, or a ``float`` as it prints."""


def market_of(symbol: str) -> Market:
    """The market of a symbol that was pushed without one."""
    return UserMarket(NAME, symbol).to_market(None)


def check_symbol(symbol: str) -> None:
    """Raise ``ValueError`` for a symbol that a frame cannot carry as it is."""
    if not symbol or not symbol.isprintable() or any(c in symbol for c in '"\\'):
        raise ValueError(
            f"symbol {symbol!r}: must be printable text without quotes and backslashes"
        )


def quote_frame(
    symbol: str,
    bid: tuple[Number | None, Number | None],
    ask: tuple[Number | None, Number | None],
    max_age_ns: int,
) -> bytes:
    """The frame of a quote; a side is a price and a quantity, both ``None`` if there is none.

    Raises ``ValueError`` naming what cannot be, and what to do.
    """
    sides = [_side("bid", *bid), _side("ask", *ask)]
    if sides[0] is not None and sides[1] is not None and sides[0][0] >= sides[1][0]:
        raise ValueError(
            f"bid {sides[0][0]} is not below ask {sides[1][0]}: a crossed quote is no quote; "
            "push the side that holds, and None for the other"
        )
    written = ["null" if side is None else f'["{side[0]:f}","{side[1]:f}"]' for side in sides]
    return (
        f'{{"symbol":"{symbol}","bid":{written[0]},"ask":{written[1]},"max_age_ns":{max_age_ns}}}'
    ).encode()


def max_age_ns(max_age_s: float) -> int:
    """How long a quote may be believed, in whole nanoseconds, never more than was stated."""
    if isinstance(max_age_s, bool) or not isinstance(max_age_s, int | float):
        raise TypeError(f"max_age_s must be a number of seconds, not {max_age_s!r}")
    if not (math.isfinite(max_age_s) and 1 <= max_age_s * 1e9 <= MAX_AGE_NS):
        raise ValueError(
            f"max_age_s must say for how many seconds the quote holds, above 0 and below "
            f"{(MAX_AGE_NS + 1) // 10**9}, not {max_age_s!r}"
        )
    return math.floor(max_age_s * 1e9)


def _side(name: str, price: Number | None, qty: Number | None) -> tuple[Decimal, Decimal] | None:
    if price is None and qty is None:
        return None
    if price is None or qty is None:
        given, missing = (name, f"{name}_qty") if qty is None else (f"{name}_qty", name)
        raise ValueError(f"{given} needs {missing}: say how much can be done at which price")
    exact = _exact(name, price, PRICE_SCALE)
    pays = Decimal(VENUES[NAME]["payout_e9"] or 0) / PRICE_SCALE
    if exact >= pays:
        raise ValueError(f"{name} {exact} is not below {pays:f}, which is what a contract pays")
    return exact, _exact(f"{name}_qty", qty, QTY_SCALE)


def _exact(name: str, number: Number, scale: int) -> Decimal:
    """A number above zero that the engine can hold."""
    try:
        if isinstance(number, bool):
            raise InvalidOperation
        value = Decimal(str(number))
    except InvalidOperation:
        raise ValueError(f"{name} must be a number, not {number!r}") from None
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{name} must be above zero, not {number}; None if there is no such side")
    # Exponents and separators are no way to write a price, nor are digits of other scripts.
    if isinstance(number, str) and not _PLAIN.fullmatch(number):
        raise ValueError(f"{name} must be plain decimal text such as '0.48', not {number!r}")
    digits = len(str(scale)) - 1
    unit = Decimal(1).scaleb(-digits)
    if value >= _EXACT.multiply(2**63, unit):
        raise ValueError(f"{name} {number} is too large")
    if value != value.quantize(unit, context=_EXACT):
        raise ValueError(f"{name} {number} has more than {digits} decimals: round it to what holds")
    return value.normalize(_EXACT)


def split(markets: Sequence[Market]) -> tuple[list[Market], list[Market]]:
    """Markets of venues, and the user's own."""
    return [m for m in markets if m.venue != NAME], [m for m in markets if m.venue == NAME]
