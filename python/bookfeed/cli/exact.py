"""Exact numbers of a book as text: rounded only where digits have no end, and then as told."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Final

from bookfeed._bookfeed import PRICE_SCALE, QTY_SCALE

# Products of prices and sizes need up to 128 bits.
_EXACT: Final = Context(prec=80)

PRICE_PLACES: Final = 9
"""Digits behind the point that a price can have."""


def price(value_e9: int) -> Fraction:
    """A price, or dollars, of units of 1e-9."""
    return Fraction(value_e9, PRICE_SCALE)


def qty(value_e8: int) -> Fraction:
    """A size of units of 1e-8."""
    return Fraction(value_e8, QTY_SCALE)


def money(value_e17: int) -> Fraction:
    """Prices times sizes, of units of 1e-17."""
    return Fraction(value_e17, PRICE_SCALE * QTY_SCALE)


def parse(digits: str) -> Fraction:
    """The number that plain digits print."""
    return Fraction(Decimal(digits))


def text(
    value: Fraction | None, places: int = PRICE_PLACES, *, up: bool | None = None
) -> str | None:
    """A number as plain digits, without zeros at the end, at most ``places`` behind the point.

    What has more is rounded to the nearest, or ``up``, or (``False``) down. ``None`` stays.
    """
    if value is None:
        return None
    rounding = {None: ROUND_HALF_EVEN, True: ROUND_CEILING, False: ROUND_FLOOR}[up]
    # One digit more than is kept, and whether anything follows it, is all that rounding asks.
    scaled, rest = divmod(value.numerator * 10 ** (places + 1), value.denominator)
    sticky = Decimal(scaled * 10 + (1 if rest else 0)).scaleb(-places - 2, _EXACT)
    kept = sticky.quantize(Decimal(1).scaleb(-places), rounding, _EXACT)
    shown = f"{kept:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def aligned(texts: Sequence[str], places_min: int = 0) -> list[str]:
    """Numbers with as many digits behind the point as the longest of them has."""
    places = max((len(one.partition(".")[2]) for one in texts), default=0)
    places = max(places, places_min)
    return [f"{Decimal(one):,.{places}f}" for one in texts]
