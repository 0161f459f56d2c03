"""Levels of books as rows: the best ones of both sides, at every change or at fixed instants.

A row is how a book stood after a record of the recording at which the engine told of it, as a
listener of a feed finds it: never in the middle of a message. There is one where its best levels,
its state or its epoch are others than in the row before; instants since which nothing changed have
none.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bookfeed._bookfeed import CAUSES, STATES, Batch, LevelRows
from bookfeed.tables import books
from bookfeed.tables.columns import (
    PRICE_PLACES,
    QTY_PLACES,
    TIME,
    WORD,
    Ints,
    Prices,
    named,
    number,
    number_field,
    plain,
    times,
)
from bookfeed.tables.passing import ROWS, Pass

_SIDES: Final = ("bid", "ask")
# Of a row before its levels: time, instrument, epoch, state, cause.
_HEAD: Final = 5


class LevelMaker:
    """The rows of the table of levels; ``every_ns`` is 0 for every change."""

    def __init__(self, run: Pass, prices: Prices, depth: int, every_ns: int) -> None:
        self._run: Final = run
        self._every_ns: Final = every_ns
        self._fields: Final = [
            number_field(f"{side}{what}_{level}", places, prices)
            for level in range(1, depth + 1)
            for side in _SIDES
            for what, places in (("", PRICE_PLACES), ("_qty", QTY_PLACES))
        ]
        self.schema: Final = pa.schema(
            [
                ("ts", TIME),
                *books.FIELDS,
                ("instrument", pa.uint32()),
                ("epoch", pa.uint32()),
                ("state", WORD),
                ("cause", WORD),
                *self._fields,
            ]
        )
        self._rows: Final = LevelRows(depth)
        self._width: Final = _HEAD + 4 * depth
        self._moved = False
        self._ts = 0

    @property
    def each(self) -> bool:
        """Whether it looks after each record that gave something."""
        return not self._every_ns

    def take(self, batch: Batch) -> None:
        """Take note of which books were told of: a torn one is not, nor what nobody may believe."""
        if self.each:
            self._rows.drained()  # they were looked at already
        else:
            self._rows.note(batch.update_bytes)
            self._moved = self._moved or bool(batch.update_bytes)

    def control(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """Nothing of it is a row."""

    def before(self, ts: int) -> None:
        """Time is about to be ``ts``: how did books stand at the instants before?"""
        if self._every_ns and (self._moved or self._run.engine.pending):
            instant = -(-self._ts // self._every_ns) * self._every_ns
            if instant < ts:
                self._run.catch_up()
                self._rows.look(self._run.engine, instant)
                self._moved = False
        self._ts = max(self._ts, ts)

    def look(self) -> None:
        """One record was applied."""
        self._rows.look_waiting(self._run.engine, self._ts)

    def ready(self, *, end: bool = False) -> Iterator[Any]:
        """Hand out what has come together."""
        if len(self._rows) < (1 if end else ROWS):
            return
        rows = np.frombuffer(self._rows.take(), np.int64).reshape(-1, self._width)
        rows = rows[self._kept(rows)]
        for at in range(0, len(rows), ROWS):
            part = rows[at : at + ROWS]
            yield pa.RecordBatch.from_arrays(self._columns(part), schema=self.schema)

    def _kept(self, rows: Ints) -> npt.NDArray[np.bool_]:
        """Which of them belong to the slice."""
        wanted = self._run.wanted
        kept = np.ones(len(rows), bool)
        if wanted.start_ns is not None:
            kept &= rows[:, 0] >= wanted.start_ns
        if wanted.end_ns is not None:
            kept &= rows[:, 0] < wanted.end_ns
        if wanted.of_books:
            kept &= self._run.of_books()[rows[:, 1]]
        return kept

    def _columns(self, rows: Ints) -> list[Any]:
        instruments = rows[:, 1].astype(np.uint32)
        head = [
            times(rows[:, 0]),
            *self._run.words.columns(instruments),
            plain(instruments, pa.uint32()),
            plain(rows[:, 2].astype(np.uint32), pa.uint32()),
            named(rows[:, 3], STATES),
            named(rows[:, 4], CAUSES),
        ]
        levels = [number(rows[:, _HEAD + at], one.type) for at, one in enumerate(self._fields)]
        return head + levels
