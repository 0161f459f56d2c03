"""Exact numbers of the auditor: decimals as venues print them, and the engine's integer units."""

import json
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

PRICE_UNITS: Final = 10**9
QTY_UNITS: Final = 10**8
USD_UNITS: Final = 10**9

ONE: Final = Decimal(1)
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

_PLAIN: Final = re.compile(r"(\d+(\.\d*)?|\.\d+)", re.ASCII)
_SIGNED: Final = re.compile(r"-?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_MILLIS: Final = re.compile(r"\d{1,13}", re.ASCII)


def read_json(payload: bytes) -> Any:
    """A JSON document, numbers as the text they were printed in; ``ValueError`` if it is none."""
    try:
        return json.loads(
            payload.decode(), parse_float=str, parse_int=str, parse_constant=_no_number
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
    if number != round(number, places):
        raise ValueError(f"{value!r} has more than {places} decimals")
    return number


def price(value: object) -> Decimal:
    """A price of a level, strictly between 0 and 1; ``ValueError`` otherwise."""
    number = plain(value, 9)
    if not 0 < number < ONE:
        raise ValueError(f"{value!r} is no price of a level")
    return number


def millis(value: object) -> int | None:
    """Decimal milliseconds as Unix nanoseconds; ``None`` if they are not that."""
    if isinstance(value, str) and _MILLIS.fullmatch(value) and int(value) * NS_PER_MS < 2**63:
        return int(value) * NS_PER_MS
    return None


def units(number: Decimal | Fraction, scale: int) -> int:
    """``number`` as an integer of 1/``scale``, cut off towards zero."""
    return int(Fraction(number) * scale)


def half_up(number: Fraction, scale: int) -> Fraction:
    """``number``, not negative, rounded to multiples of 1/``scale``, halves up."""
    return Fraction((2 * number * scale + 1) // 2, scale)


def ceiling(number: Fraction, scale: int) -> Fraction:
    """The smallest multiple of 1/``scale`` that is not below ``number``."""
    return Fraction(-(-number * scale // 1), scale)


def floor(number: Fraction, scale: int) -> Fraction:
    """The largest multiple of 1/``scale`` that is not above ``number``."""
    return Fraction(number * scale // 1, scale)
