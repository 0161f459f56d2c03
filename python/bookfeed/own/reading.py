"""Reads private messages: exact integers out of text or numbers, times of any unit, sides."""

from decimal import Context
from typing import Final

from bookfeed._bookfeed import PRICE_SCALE, QTY_SCALE
from bookfeed.catalogue.fields import Fields, Malformed, time_ns

# Money is a price times a quantity.
MONEY_SCALE: Final = PRICE_SCALE * QTY_SCALE
_INTEGER_MAX: Final = 2**63 - 1
# More digits than any number here has.
_EXACT: Final = Context(prec=200)

# The largest Unix time in seconds, milliseconds and microseconds that is taken for one: until 2200.
_UNITS_NS: Final = (
    (7_300_000_000, 10**9),
    (7_300_000_000_000, 10**6),
    (7_300_000_000_000_000, 10**3),
)


def scaled(fields: Fields, key: str, scale: int) -> int | None:
    """A decimal in units of ``1 / scale``, exactly; ``None`` if it is absent."""
    raw = fields.value(key)
    if isinstance(raw, str) and raw.startswith("."):
        raw = f"0{raw}"
        fields = Fields({key: raw})
    number = fields.decimal(key)
    if number is None:
        return None
    value = _EXACT.multiply(number, scale)
    if value != value.to_integral_value() or abs(value) > _INTEGER_MAX * MONEY_SCALE:
        raise Malformed(key, f"is no multiple of 1/{scale}: {number}")
    return int(value)


def price_e9(fields: Fields, key: str) -> int | None:
    """A price in 1e-9; ``None`` if it is absent."""
    found = scaled(fields, key, PRICE_SCALE)
    if found is not None and not 0 <= found <= PRICE_SCALE:
        raise Malformed(key, f"should be a price from 0 to 1, not {fields.value(key)}")
    return found


def qty_e8(fields: Fields, key: str) -> int | None:
    """A quantity in 1e-8, of any sign; ``None`` if it is absent."""
    return scaled(fields, key, QTY_SCALE)


def size_e8(fields: Fields, key: str) -> int | None:
    """A quantity in 1e-8 that is not negative; ``None`` if it is absent."""
    found = qty_e8(fields, key)
    if found is not None and found < 0:
        raise Malformed(key, f"should not be negative: {fields.value(key)}")
    return found


def money_e17(fields: Fields, key: str) -> int | None:
    """Money in 1e-17 USD; ``None`` if it is absent."""
    return scaled(fields, key, MONEY_SCALE)


def moment(fields: Fields, *keys: str) -> int | None:
    """The first time that is there, in Unix nanoseconds: a number of any unit, or RFC 3339."""
    for key in keys:
        raw = fields.value(key)
        if raw is None:
            continue
        if isinstance(raw, str) and not raw.lstrip("-").replace(".", "", 1).isdigit():
            found = time_ns(raw)
            if found is None:
                raise Malformed(key, f"should be a time, not {raw[:60]!r}")
            return found
        number = fields.number(key)
        for most, unit_ns in _UNITS_NS:
            if 0 <= number <= most:
                return int(number * unit_ns) or None
        raise Malformed(key, f"should be a time, not {number}")
    return None


def needed(value: int | None, key: str) -> int:
    """A number that must be there."""
    if value is None:
        raise Malformed(key, "is missing")
    return value
