"""Updates as rows: what happened to books; trades and changes of state among them.

Each row is one record of the engine. ``FIELDS`` says which columns a table has, and ``docs/
frames.md`` what they mean.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bookfeed._bookfeed import ABSENT, CAUSES, STATES, UPDATE_KINDS, Batch
from bookfeed.records.update import (
    AGGRESSOR_BUY,
    AGGRESSOR_SELL,
    HASH_VERIFIED,
    KIND_STATE,
    OFF_BOOK,
    TOUCH_CHANGED,
)
from bookfeed.tables import books
from bookfeed.tables.columns import (
    PRICE_PLACES,
    QTY_PLACES,
    TIME,
    WORD,
    Prices,
    flags,
    named,
    number,
    number_field,
    plain,
    times,
)
from bookfeed.tables.passing import ROWS, Pass

Records: TypeAlias = npt.NDArray[np.void]
Table: TypeAlias = Literal["updates", "trades", "states"]

_GAP: Final = CAUSES.index("gap")
_NAMES: Final = "names"
"""Stands for the columns that say which book it is."""


class Column(NamedTuple):
    """How a column is made of records; ``places`` where it is a price or a size."""

    make: Callable[[Records], Any]
    type: Any
    places: int | None = None


def _gap(records: Records) -> npt.NDArray[np.bool_]:
    """Where price and size are numbers of messages."""
    found: npt.NDArray[np.bool_] = (records["kind"] == KIND_STATE) & (records["cause"] == _GAP)
    return found


def _flag(bit: int) -> Column:
    return Column(lambda records: flags((records["flags"] & bit) != 0), pa.bool_())


def _aggressor(records: Records) -> Any:
    bits = records["flags"] & (AGGRESSOR_BUY | AGGRESSOR_SELL)
    codes = np.where(bits & AGGRESSOR_BUY, 1, np.where(bits, 2, 0))
    return named(codes, ("", "buy", "sell"))


def _time(name: str) -> Column:
    return Column(lambda records: times(records[name]), TIME)


def _code(name: str, called: tuple[str, ...]) -> Column:
    return Column(lambda records: named(records[name], called), WORD)


def _count(name: str, of: Any) -> Column:
    return Column(lambda records: plain(records[name], of), of)


def _gap_number(name: str) -> Column:
    of = pa.int64()
    return Column(lambda records: number(records[name], of, ~_gap(records)), of)


_COLUMNS: Final = {
    "ts_recv": _time("ts_recv_ns"),
    "ts_event": _time("ts_event_ns"),
    "ts_evidence": _time("ts_evidence_ns"),
    "seq": _count("seq", pa.uint64()),
    "instrument": _count("instrument", pa.uint32()),
    "epoch": _count("epoch", pa.uint32()),
    "conn": _count("conn", pa.uint32()),
    "kind": _code("kind", UPDATE_KINDS),
    "state": _code("state", STATES),
    "cause": _code("cause", CAUSES),
    "touch_changed": _flag(TOUCH_CHANGED),
    "hash_verified": _flag(HASH_VERIFIED),
    "aggressor": Column(_aggressor, WORD),
    "off_book": _flag(OFF_BOOK),
    "gap_expected": _gap_number("price_e9"),
    "gap_got": _gap_number("qty_e8"),
}
# Column: field of the record, and its decimal places.
_NUMBERS: Final = {
    "bid": ("bid_price_e9", PRICE_PLACES),
    "bid_qty": ("bid_qty_e8", QTY_PLACES),
    "ask": ("ask_price_e9", PRICE_PLACES),
    "ask_qty": ("ask_qty_e8", QTY_PLACES),
    "price": ("price_e9", PRICE_PLACES),
    "qty": ("qty_e8", QTY_PLACES),
}
_TOUCH: Final = ("bid", "bid_qty", "ask", "ask_qty")
_TABLES: Final[dict[Table, tuple[str, ...]]] = {
    "updates": (
        "ts_recv", "ts_event", "ts_evidence", "seq", _NAMES, "instrument", "epoch", "conn", "kind",
        "state", "cause", *_TOUCH, "price", "qty", "aggressor", "off_book", "touch_changed",
        "hash_verified", "gap_expected", "gap_got",
    ),
    "trades": (
        "ts_recv", "ts_event", "seq", _NAMES, "instrument", "epoch", "conn", "state", "cause",
        "price", "qty", "aggressor", "off_book", *_TOUCH,
    ),
    "states": (
        "ts_recv", "ts_event", "ts_evidence", "seq", _NAMES, "instrument", "epoch", "conn", "state",
        "cause", "gap_expected", "gap_got", *_TOUCH,
    ),
}  # fmt: skip
_KINDS: Final[dict[Table, str]] = {"trades": "trade", "states": "state"}


class UpdateRows:
    """The rows of one of the tables of updates."""

    def __init__(self, run: Pass, table: Table, prices: Prices) -> None:
        self._run: Final = run
        self._columns: Final = _TABLES[table]
        kind = _KINDS.get(table)
        self._kind: Final = None if kind is None else UPDATE_KINDS.index(kind)
        self._prices: Final = prices
        self._waiting: list[Records] = []
        self._rows = 0
        self.schema: Final = pa.schema(
            [one for name in self._columns for one in self._fields(name)]
        )

    def take(self, batch: Batch) -> None:
        """Take the updates that are wanted."""
        records = batch.updates
        if self._kind is not None:
            records = records[records["kind"] == self._kind]
        records = chosen(self._run, records)
        if len(records):
            self._waiting.append(records)
            self._rows += len(records)

    def control(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """Nothing of it is a row."""

    def ready(self, *, end: bool = False) -> Iterator[Any]:
        """Hand out what has come together."""
        if self._rows >= ROWS or (end and self._rows):
            records = np.concatenate(self._waiting)
            self._waiting, self._rows = [], 0
            columns = [column for name in self._columns for column in self._made(name, records)]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _fields(self, name: str) -> list[Any]:
        if name == _NAMES:
            return list(books.FIELDS)
        if name in _NUMBERS:
            return [number_field(name, _NUMBERS[name][1], self._prices)]
        return [pa.field(name, _COLUMNS[name].type)]

    def _made(self, name: str, records: Records) -> list[Any]:
        if name == _NAMES:
            return self._run.words.columns(records["instrument"])
        if name not in _NUMBERS:
            return [_COLUMNS[name].make(records)]
        field, places = _NUMBERS[name]
        values = records[field]
        # Numbers of messages are no prices.
        absent = (values == ABSENT) | _gap(records) if field in ("price_e9", "qty_e8") else None
        return [number(values, number_field(name, places, self._prices).type, absent)]


def chosen(run: Pass, records: Records) -> Records:
    """The updates that lie in the slice of a pass."""
    wanted = run.wanted
    if wanted.start_ns is not None:
        records = records[records["ts_recv_ns"] >= wanted.start_ns]
    if wanted.end_ns is not None:
        records = records[records["ts_recv_ns"] < wanted.end_ns]
    if wanted.of_books and len(records):
        records = records[run.of_books()[records["instrument"]]]
    return records
