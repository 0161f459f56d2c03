"""Numbers of records: what absent is, and what the integers are in ordinary units."""

from decimal import Context, Decimal
from typing import Any, Final

from bookfeed._bookfeed import ABSENT

USD_SCALE: Final = 1_000_000_000
NS_PER_S: Final = 1_000_000_000

# Exact whatever precision the caller's own context has.
_EXACT: Final = Context(prec=28)


def known(value: int) -> int | None:
    """Return a number of a record, ``None`` if it is absent."""
    return None if value == ABSENT else value


def ratio(value: int | None, scale: int) -> float | None:
    """Return a number in units of ``1 / scale`` as a float; ``None`` stays ``None``."""
    return None if value is None else value / scale


def decimal(value: int | None, scale: int) -> Decimal | None:
    """Return a number in units of ``1 / scale`` exactly; ``None`` stays ``None``."""
    return None if value is None else _EXACT.divide(Decimal(value), Decimal(scale))


def unfrozen(frozen: type) -> type[Any]:
    """Return a class with the slots of a frozen dataclass, whose objects can be filled in.

    Setting ``__class__`` makes such an object one of the dataclass. That takes a fifth of the time
    of its ``__init__``, which has to set each field by a call.
    """
    slots: Any = frozen
    return type(f"_Unfrozen{frozen.__name__}", (), {"__slots__": slots.__slots__})
