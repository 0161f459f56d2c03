"""The tables of a recording by their names, and what makes the rows of each."""

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from bookfeed.clock import NS_PER_S
from bookfeed.errors import RecordingError

if TYPE_CHECKING:
    from bookfeed.tables.columns import Prices
    from bookfeed.tables.passing import Maker, Pass, Stepping

Table = Literal["updates", "trades", "states", "levels", "signals", "markets", "own"]
TABLES: Final[tuple[Table, ...]] = get_args(Table)

DEFAULT_TABLES: Final[tuple[Table, ...]] = ("updates", "trades", "states", "signals", "markets")
"""What is written to files unless somebody says otherwise: levels take much room."""
Format = Literal["parquet", "csv", "arrow", "duckdb"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

CHANGE: Final = "change"
DEPTH_MAX: Final = 1_000
_EVERY_NS_MAX: Final = 366 * 86_400 * NS_PER_S
_UNITS_NS: Final = {"ms": 10**6, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3_600 * NS_PER_S}


class Shape(NamedTuple):
    """What rows look like: of numbers, and of levels how many a side and how often."""

    prices: "Prices" = "decimal"
    depth: int = 10
    every_ns: int = 0
    """Between two instants; 0 for every change."""

    @classmethod
    def of(cls, prices: str, depth: int = 10, every: str = CHANGE) -> "Shape":
        """The shape that arguments state; ``RecordingError`` for one that cannot be meant."""
        if prices not in ("decimal", "scaled"):
            raise RecordingError(f'prices: "decimal" or "scaled", not {prices!r}')
        if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= DEPTH_MAX:
            raise RecordingError(f"depth: 1 to {DEPTH_MAX} levels a side, not {depth!r}")
        given: Prices = "scaled" if prices == "scaled" else "decimal"
        return cls(given, depth, every_ns_of(every))


def every_ns_of(every: str) -> int:
    """Nanoseconds between two instants: ``"100ms"``, ``"1s"``, ``"5m"``; 0 for ``"change"``."""
    if every == CHANGE:
        return 0
    number = every.rstrip("msh") if isinstance(every, str) else ""
    unit = _UNITS_NS.get(every[len(number) :]) if number else None
    if unit is None or not number.isdecimal() or not 0 < int(number) * unit <= _EVERY_NS_MAX:
        raise RecordingError(f'every: "change", or such as "100ms", "1s", "5m", not {every!r}')
    return int(number) * unit


def maker(table: Table, run: "Pass", shape: Shape) -> "tuple[Maker, tuple[Stepping, ...]]":
    """What makes the rows of a table, and what looks at books between two records for it."""
    from bookfeed.tables.levels import LevelMaker
    from bookfeed.tables.markets import MarketRows
    from bookfeed.tables.own import OwnRows
    from bookfeed.tables.signals import SignalRows
    from bookfeed.tables.updates import UpdateRows

    if table == "levels":
        levels = LevelMaker(run, shape.prices, shape.depth, shape.every_ns)
        return levels, (levels,)
    if table == "signals":
        return SignalRows(run, shape.prices), ()
    if table == "markets":
        return MarketRows(run, shape.prices), ()
    if table == "own":
        return OwnRows(run, shape.prices), ()
    return UpdateRows(run, table, shape.prices), ()
