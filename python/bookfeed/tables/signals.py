"""Signals as rows: moments in the lives of opportunities, each with its legs in a list."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bookfeed._bookfeed import CLOSE_REASONS, RULES, SIGNAL_PHASES, STATES, Batch
from bookfeed.records.signal import opposite
from bookfeed.tables import books
from bookfeed.tables.columns import (
    PRICE_PLACES,
    QTY_PLACES,
    TIME,
    WORD,
    Prices,
    named,
    number,
    number_field,
    plain,
    times,
)
from bookfeed.tables.passing import ROWS, Pass

Records = npt.NDArray[np.void]

USD_PLACES: Final = 9
_DIRECTIONS: Final = ("", "buy", "sell")
_SIDES: Final = ("buy", "sell")
_VIEWS: Final = ("yes", "no")
# Column: field of the record, and its decimal places.
_NUMBERS: Final = {
    "qty": ("qty_e8", QTY_PLACES),
    "gross_edge": ("gross_edge_e9", PRICE_PLACES),
    "net_edge": ("net_edge_e9", PRICE_PLACES),
    "maker_edge": ("maker_edge_e9", PRICE_PLACES),
    "peak_edge": ("peak_edge_e9", PRICE_PLACES),
    "value": ("value_e9", PRICE_PLACES),
    "fee": ("fee_e9", USD_PLACES),
    "capital": ("capital_e9", USD_PLACES),
    "qty_open": ("qty_open_e8", QTY_PLACES),
}
_DURATIONS: Final = ("skew_ns", "lag_ns")
_PPM: Final = ("both_lose_ppm", "both_win_ppm")
_LEG_NUMBERS: Final = {
    "qty": ("qty_e8", QTY_PLACES),
    "avg_price": ("avg_price_e9", PRICE_PLACES),
    "worst_price": ("worst_price_e9", PRICE_PLACES),
    "fee": ("fee_e9", USD_PLACES),
    "maker_fee": ("maker_fee_e9", USD_PLACES),
}


class SignalRows:
    """The rows of the table of signals."""

    def __init__(self, run: Pass, prices: Prices) -> None:
        self._run: Final = run
        self._prices: Final = prices
        self._waiting: list[tuple[Records, Records]] = []
        self._rows = 0
        self._leg: Final = pa.struct(self._leg_fields())
        self.schema: Final = pa.schema(
            [
                ("ts_recv", TIME),
                ("ts_open", TIME),
                ("seq", pa.uint64()),
                ("id", pa.uint64()),
                ("rule", WORD),
                ("rule_id", pa.uint32()),
                ("name", WORD),
                ("phase", WORD),
                ("reason", WORD),
                ("direction", WORD),
                *self._number_fields(_NUMBERS),
                *((name, pa.int64()) for name in _DURATIONS),
                *((name, pa.int32()) for name in _PPM),
                ("legs", pa.list_(self._leg)),
            ]
        )

    def take(self, batch: Batch) -> None:
        """Take the signals that are wanted, with their legs."""
        signals = batch.signals
        if not len(signals):
            return
        wanted, legs = self._run.wanted, batch.legs
        keep = np.ones(len(signals), bool)
        if wanted.start_ns is not None:
            keep &= signals["ts_recv_ns"] >= wanted.start_ns
        if wanted.end_ns is not None:
            keep &= signals["ts_recv_ns"] < wanted.end_ns
        if wanted.of_books:
            of = np.repeat(np.arange(len(signals)), signals["legs"])
            touched = self._run.of_books()[legs[_legs_of(signals)]["instrument"]]
            keep &= np.bincount(of, touched, len(signals)) > 0
        signals = signals[keep]
        if len(signals):
            self._waiting.append((signals, legs[_legs_of(signals)]))
            self._rows += len(signals)

    def control(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """Nothing of it is a row."""

    def ready(self, *, end: bool = False) -> Iterator[Any]:
        """Hand out what has come together."""
        if self._rows >= ROWS or (end and self._rows):
            signals = np.concatenate([one for one, _ in self._waiting])
            legs = np.concatenate([one for _, one in self._waiting])
            self._waiting, self._rows = [], 0
            yield pa.RecordBatch.from_arrays(self._columns(signals, legs), schema=self.schema)

    def _columns(self, signals: Records, legs: Records) -> list[Any]:
        names = self._run.inputs.names.rules
        rules = [names.get(number, "") for number in range(max(names, default=-1) + 1)]
        return [
            times(signals["ts_recv_ns"]),
            times(signals["ts_open_ns"]),
            plain(signals["seq"], pa.uint64()),
            plain(signals["id"], pa.uint64()),
            named(signals["rule"], RULES),
            plain(signals["rule_id"], pa.uint32()),
            named(np.minimum(signals["rule_id"], len(rules)), [*rules, ""]),
            named(signals["phase"], SIGNAL_PHASES),
            named(signals["reason"], CLOSE_REASONS),
            named(signals["direction"], _DIRECTIONS),
            *self._numbers(signals, _NUMBERS),
            *(number(signals[name], pa.int64()) for name in _DURATIONS),
            *(_ppm(signals[name]) for name in _PPM),
            self._legs(signals, legs),
        ]

    def _number_fields(self, of: dict[str, tuple[str, int]]) -> list[Any]:
        return [number_field(name, places, self._prices) for name, (_, places) in of.items()]

    def _numbers(self, records: Records, of: dict[str, tuple[str, int]]) -> list[Any]:
        types = [field.type for field in self._number_fields(of)]
        fields = [field for field, _ in of.values()]
        return [number(records[name], kind) for name, kind in zip(fields, types, strict=True)]

    def _leg_fields(self) -> list[Any]:
        text = pa.string()
        return [
            *(pa.field(part, text) for part in books.PARTS),
            pa.field("instrument", pa.uint32()),
            pa.field("epoch", pa.uint32()),
            pa.field("state", text),
            pa.field("side", text),
            pa.field("view", text),
            *self._number_fields(_LEG_NUMBERS),
            pa.field("age_ns", pa.int64()),
        ]

    def _legs(self, signals: Records, legs: Records) -> Any:
        """Texts of legs are not in dictionaries: few readers take those inside of lists."""
        names = self._run.words.columns(legs["instrument"])
        parts = dict(zip(books.PARTS, (one.dictionary_decode() for one in names), strict=True))
        parts["outcome"] = _traded(parts["outcome"], legs["view"])
        columns = [
            *parts.values(),
            plain(legs["instrument"], pa.uint32()),
            plain(legs["epoch"], pa.uint32()),
            named(legs["state"], STATES).dictionary_decode(),
            named(legs["side"], _SIDES).dictionary_decode(),
            named(legs["view"], _VIEWS).dictionary_decode(),
            *self._numbers(legs, _LEG_NUMBERS),
            number(legs["age_ns"], pa.int64()),
        ]
        values = pa.StructArray.from_arrays(columns, fields=list(self._leg))
        ends = np.cumsum(signals["legs"], dtype=np.int32)
        offsets = pa.array(np.concatenate([np.zeros(1, np.int32), ends]), pa.int32())
        return pa.ListArray.from_arrays(offsets, values)


def _legs_of(signals: Records) -> npt.NDArray[np.int64]:
    """Where the legs of signals stand among all legs of their batch, signal after signal."""
    counts = signals["legs"].astype(np.int64)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    found: npt.NDArray[np.int64] = within + np.repeat(signals["leg_start"], counts)
    return found


def _traded(outcomes: Any, views: npt.NDArray[np.uint8]) -> Any:
    """What legs trade: the outcomes of their books, or the opposite ones."""
    if not views.any():
        return outcomes
    pairs = zip(outcomes.to_pylist(), views.tolist(), strict=True)
    return pa.array(
        [opposite(name) if view and name else name for name, view in pairs], pa.string()
    )


def _ppm(values: npt.NDArray[np.int32]) -> Any:
    return pa.array(values, pa.int32(), mask=values < 0)
