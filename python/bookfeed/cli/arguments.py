"""Types of arguments: each reads a text, or says what it should have been."""

import argparse
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from bookfeed.tables.makers import TABLES

Number = TypeVar("Number", int, float)

_DURATION: Final = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_DAY_S: Final = 86_400
_NS_PER_S: Final = 1_000_000_000
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": _DAY_S}


def within(parse: type[Number], low: float, high: float) -> Callable[[str], Number]:
    """An argument type: a number with inclusive bounds."""

    def number(text: str) -> Number:
        try:
            value = parse(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be a number from {low} to {high}, not {text!r}")
        return value

    return number


def numbered(text: str) -> tuple[int, str]:
    """An argument type: a number from 1 on, and perhaps a name behind a colon to check it by."""
    number, _, name = text.partition(":")
    if not (number.isascii() and number.isdigit() and 1 <= len(number) <= 4 and int(number) > 0):
        raise argparse.ArgumentTypeError(f"must be such as 3 or 3:NAME, not {text!r}")
    return int(number), name


def seconds(text: str) -> tuple[int, ...]:
    """An argument type: whole seconds from 1 to a day, with commas between them."""
    found = text.split(",")
    if not all(one.isascii() and one.isdigit() and 0 < int(one) <= _DAY_S for one in found):
        raise argparse.ArgumentTypeError(f"must be seconds such as 120,60,10, not {text!r}")
    return tuple(map(int, found))


def path(text: str) -> str:
    """An argument type: a path, which an unset variable of a shell is not."""
    if not text:
        raise argparse.ArgumentTypeError("must be a path, and is empty")
    return text


def tables(text: str) -> tuple[str, ...]:
    """An argument type: names of tables with commas between them."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [name for name in found or (text,) if name not in TABLES]
    if unknown:
        known = ", ".join(TABLES)
        raise argparse.ArgumentTypeError(f"no table {unknown[0]!r}: there are {known}")
    return found


def duration_s(text: str) -> int:
    """An argument type: a duration such as ``90s``, ``30m``, ``1h`` or ``2d``, in seconds."""
    found = _DURATION.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"must be such as 30m, 1h or 2d, not {text!r}")
    return int(found[1]) * _UNITS_S[found[2]]


def moment(text: str) -> tuple[int, bool]:
    """An argument type: a time such as ``2026-11-30T03:15:00Z``, UTC unless it says otherwise, or
    ``+90s`` from a beginning; nanoseconds, and whether they count from there.
    """
    if text.startswith("+"):
        return duration_s(text[1:]) * _NS_PER_S, True
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be such as 2026-11-30T03:15:00Z, or +90s from the beginning, not {text!r}"
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    since = when - datetime.fromtimestamp(0, UTC)
    return (since.days * _DAY_S + since.seconds) * _NS_PER_S + since.microseconds * 1_000, False
