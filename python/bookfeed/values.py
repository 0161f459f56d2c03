"""Numbers of records: what absent is, and what the integers are in ordinary units."""

from decimal import Decimal
from typing import Final

from bookfeed._bookfeed import ABSENT

USD_SCALE: Final = 1_000_000_000
NS_PER_S: Final = 1_000_000_000


def known(value: int) -> int | None:
    """Return a number of a record, ``None`` if it is absent."""
    return None if value == ABSENT else value


def ratio(value: int | None, scale: int) -> float | None:
    """Return a number in units of ``1 / scale`` as a float; ``None`` stays ``None``."""
    return None if value is None else value / scale


def decimal(value: int | None, scale: int) -> Decimal | None:
    """Return a number in units of ``1 / scale`` exactly; ``None`` stays ``None``."""
    return None if value is None else Decimal(value) / scale
