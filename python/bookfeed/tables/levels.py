"""Levels of books as rows: the best ones of both sides, at every change or at fixed instants.

A row is how a book stood after a record of the recording at which the engine told of it, as a
listener of a feed finds it: never in the middle of a message. There is one where its best levels,
its state or its epoch are others than in the row before; instants since which nothing changed have
none.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bookfeed._bookfeed import ABSENT, CAUSES, STATES, Batch, BookView
from bookfeed.errors import EngineError
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
from bookfeed.tables.passing import ROWS, Pass, instruments_of

_STATES: Final = {word: code for code, word in enumerate(STATES)}
_CAUSES: Final = {word: code for code, word in enumerate(CAUSES)}
_SIDES: Final[tuple[Literal["bid", "ask"], ...]] = ("bid", "ask")
# Of a row before its levels: time, instrument, epoch, state, cause.
_HEAD: Final = 5
_PRICE_SCALE: Final = 10**PRICE_PLACES


class LevelRows:
    """The rows of the table of levels; ``every_ns`` is 0 for every change."""

    def __init__(self, run: Pass, prices: Prices, depth: int, every_ns: int) -> None:
        self._run: Final = run
        self._depth: Final = depth
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
        self._room: Ints = np.empty((ROWS, _HEAD + 4 * depth), np.int64)
        self._rows = 0
        self._full: list[Ints] = []
        self._seen: Final[dict[int, bytes]] = {}
        self._moved: Final[set[int]] = set()
        self._ts = 0

    @property
    def each(self) -> bool:
        """Whether it looks after each record that gave something."""
        return not self._every_ns

    def take(self, batch: Batch) -> None:
        """Take note of which books were told of: a torn one is not, nor what nobody may believe."""
        self._moved.update(instruments_of(batch))

    def control(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """Nothing of it is a row."""

    def before(self, ts: int) -> None:
        """Time is about to be ``ts``: how did books stand at the instants before?"""
        if self._every_ns and (self._moved or self._run.engine.pending):
            instant = -(-self._ts // self._every_ns) * self._every_ns
            if instant < ts:
                self._run.catch_up()
                self._look(instant)
        self._ts = max(self._ts, ts)

    def look(self) -> None:
        """One record was applied."""
        self._look(self._ts)

    def ready(self, *, end: bool = False) -> Iterator[Any]:
        """Hand out what has come together."""
        if end and self._rows:
            self._full.append(self._room[: self._rows])
            self._rows = 0
        full, self._full = self._full, []
        for rows in full:
            yield pa.RecordBatch.from_arrays(self._columns(rows), schema=self.schema)

    def _look(self, ts: int) -> None:
        """Rows of the books that are others than they were."""
        wanted = self._run.wanted
        chosen = self._run.of_books() if wanted.of_books else None
        for instrument in sorted(self._moved):
            if chosen is not None and not chosen[instrument]:
                continue
            try:
                self._row(ts, self._run.engine.book(instrument), keep=wanted.has(ts))
            except EngineError:  # it is gone
                self._seen.pop(instrument, None)
        self._moved.clear()

    def _row(self, ts: int, book: BookView, *, keep: bool) -> None:
        row = self._room[self._rows]
        row[:] = ABSENT
        row[:_HEAD] = (
            ts, book.instrument, book.epoch, _STATES[book.state], _CAUSES[book.cause],
        )  # fmt: skip
        sides = row[_HEAD:].reshape(self._depth, 2, 2)
        for at, side in enumerate(_SIDES):
            levels = known_levels(book, side, self._depth)
            sides[: len(levels), at] = levels
        told = row[1:].tobytes()
        if self._seen.get(book.instrument) == told:
            return
        self._seen[book.instrument] = told
        self._rows += keep
        if self._rows == len(self._room):
            self._full.append(self._room)
            self._room, self._rows = np.empty_like(self._room), 0

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


def known_levels(book: BookView, side: Literal["bid", "ask"], depth: int) -> npt.NDArray[np.int64]:
    """The best levels of a side, as ``levels_exact`` has them, as far as the book is known.

    What is listed beyond is there because it changed; others beside it may be missing.
    """
    levels = book.levels_exact(side, depth)
    last = book.depth_known(side)
    if last is None:
        return levels
    last_e9 = round(last * _PRICE_SCALE)
    inside = levels[:, 0] >= last_e9 if side == "bid" else levels[:, 0] <= last_e9
    return levels[inside]
