"""Exact numbers of the auditor: decimals as venues print them, and the engine's integer units."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from functools import lru_cache, wraps
from typing import Any, Final, ParamSpec, TypeVar

from bookfeed.recordings.bounds import refuse_many_values

P = ParamSpec("P")
R = TypeVar("R")

PRICE_UNITS: Final = 10**9
QTY_UNITS: Final = 10**8
QTY_STEP: Final = Decimal("0.00000001")
USD_UNITS: Final = 10**9
USD_PLACES: Final = 9
PRICE_PLACES: Final = 9

ONE: Final = Decimal(1)
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

# Long enough for any product of a rate, a size and prices to the eighth power.
_EXACT: Final = Context(prec=250, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_ROUNDING: Final = Context(prec=250, traps=[InvalidOperation])

# No number of a venue's is as large. With nine decimals it has 27 digits, one less than decimals
# are rounded at. What the engine holds of the prices that sellers ask is less.
_LARGEST: Final = Decimal(10**18)
PRICE_MAX: Final = Decimal(2**63 - 1) / PRICE_UNITS

_PLAIN: Final = re.compile(r"(0|[1-9]\d*)(\.\d+)?|\.\d+", re.ASCII)
_SIGNED: Final = re.compile(rf"-?({_PLAIN.pattern})", re.ASCII)
_COUNT: Final = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
_MILLIS: Final = re.compile(r"\d{1,13}", re.ASCII)


class Printed(str):
    """A JSON number, as the text it was printed in."""

    __slots__ = ()


def read_json(payload: bytes) -> Any:
    """A JSON document, numbers as ``Printed``; ``ValueError`` if it is none."""
    refuse_many_values(payload)
    try:
        return json.loads(
            payload.decode(), parse_float=Printed, parse_int=Printed, parse_constant=_no_number
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def plain(value: object, places: int, *, signed: bool = False) -> Decimal:
    """A plain decimal of at most ``places`` decimals; ``ValueError`` for anything else."""
    pattern = _SIGNED if signed else _PLAIN
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{value!r} is no plain decimal")
    number = Decimal(value)
    if abs(number) >= _LARGEST:
        raise ValueError(f"{value!r} is larger than any number of its kind")
    if number != round(number, places):
        raise ValueError(f"{value!r} has more than {places} decimals")
    return number


def price(value: object) -> Decimal:
    """A price of a level, strictly between 0 and 1; ``ValueError`` otherwise."""
    number = plain(value, 9)
    if not 0 < number < ONE:
        raise ValueError(f"{value!r} is no price of a level")
    return number


def positive_price(value: object) -> Decimal:
    """A price above 0; ``ValueError`` otherwise."""
    number = plain(value, PRICE_PLACES)
    if not number > 0:
        raise ValueError(f"{value!r} is no price of a level")
    return number


def is_too_high(value: object) -> bool:
    """Whether a price is a plain decimal, but too large to be read. A seller who asks it is behind
    every other, and nobody will ever pay it.
    """
    return isinstance(value, str) and bool(_PLAIN.fullmatch(value)) and Decimal(value) >= _LARGEST


def is_text(value: object) -> bool:
    """Whether a member is a string with something in it."""
    return isinstance(value, str) and not isinstance(value, Printed) and bool(value)


def count(value: object) -> int | None:
    """A whole number of at most 18 digits as it was printed; ``None`` if it is not that."""
    return int(value) if isinstance(value, str) and _COUNT.fullmatch(value) else None


def rfc3339(value: object) -> int | None:
    """A time with its zone as Unix nanoseconds, to the microsecond; ``None`` if it is not that."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None:
        return None
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * NS_PER_S + moment.microsecond * 1_000


def millis(value: object) -> int | None:
    """Decimal milliseconds as Unix nanoseconds; ``None`` if they are not that."""
    if isinstance(value, str) and _MILLIS.fullmatch(value) and int(value) * NS_PER_MS < 2**63:
        return int(value) * NS_PER_MS
    return None


def nanos(value: object) -> int | None:
    """Whole Unix nanoseconds above 0; ``None`` if they are not that."""
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= 19:
        return int(value) if 0 < int(value) < 2**63 else None
    return None


def seconds(value: object) -> int | None:
    """Whole Unix seconds as nanoseconds; ``None`` if they are not that."""
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= 10:
        return int(value) * NS_PER_S
    return None


def exactly(function: Callable[P, R]) -> Callable[P, R]:
    """Runs a function in arithmetic that raises ``decimal.Inexact`` rather than round."""

    @wraps(function)
    def exact(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(_EXACT):
            return function(*args, **kwargs)

    return exact


@lru_cache(maxsize=1 << 14)  # the levels of books come again and again
def units(number: Decimal, scale: int) -> int:
    """``number`` as an integer of 1/``scale``, cut off towards zero."""
    return int(_EXACT.multiply(number, scale))


def per_unit(total: Decimal, qty: Decimal) -> int:
    """``total`` over ``qty`` in price units, cut off towards zero."""
    over, under = units(total, PRICE_UNITS * QTY_UNITS), units(qty, QTY_UNITS)
    whole = abs(over) // under
    return whole if over >= 0 else -whole


def half_up(number: Decimal, places: int) -> Decimal:
    """``number`` rounded to ``places`` decimals, halves up."""
    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _ROUNDING)


def ceiling(number: Decimal, places: int) -> Decimal:
    """The smallest number of ``places`` decimals that is not below ``number``."""
    return number.quantize(Decimal(1).scaleb(-places), ROUND_CEILING, _ROUNDING)


def floor(number: Decimal, places: int) -> Decimal:
    """The largest number of ``places`` decimals that is not above ``number``."""
    return number.quantize(Decimal(1).scaleb(-places), ROUND_FLOOR, _ROUNDING)
