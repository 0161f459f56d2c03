"""One time through a recording: an engine like the one that made it, and whoever makes rows of it.

Records are taken in the order in which they were written; whoever is to see the books as they were
after each of them is asked then, and all others now and then. The rows are the same.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from bookfeed._bookfeed import Batch, Engine
from bookfeed.errors import RecordingError
from bookfeed.recordings.bounds import CHUNK_BYTES_MAX, TS_MAX
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.opened import RecordSource, engine_of
from bookfeed.records.update import UPDATE_BYTES, UPDATE_INSTRUMENT_OFFSET
from bookfeed.tables.books import BookWords
from bookfeed.tables.slices import Slice

ROWS: Final = 65_536
"""Rows of a record batch, about: what a reader holds in memory at least."""

# Records between two looks at what there is.
_RECORDS: Final = 1_024
# Live receive times never step back; those of one run are in order but for so much.
_DISORDER_NS: Final = 60 * 10**9
# Kinds of records that bring what the market did; all others say what was done about it.
_DATA: Final = frozenset(map(int, (Kind.FRAME, Kind.ADVANCE, Kind.REST, Kind.REST_BOOK, Kind.POLL)))
_FRAME: Final = int(Kind.FRAME)
_INSTRUMENT: Final = Struct("<I")
_FEW: Final = 8

_log: Final = logging.getLogger("bookfeed.tables")


class Maker(Protocol):
    """Makes the rows of one table out of what a pass comes to."""

    @property
    def schema(self) -> Any:
        """The Arrow schema of its record batches."""

    def take(self, batch: Batch) -> None:
        """Take records that the engine gave."""

    def control(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """Take a record of the recording that brings no market data, which was applied."""

    def ready(self, *, end: bool = False) -> Iterator[Any]:
        """Hand out record batches that are large enough; at the ``end``, the last one, too."""


class Stepping(Protocol):
    """A maker that sees the books as they are between two records."""

    @property
    def each(self) -> bool:
        """Whether it looks after each record that gave something."""

    def before(self, ts: int) -> None:
        """Time is about to be ``ts``."""

    def look(self) -> None:
        """One record was applied, and what it gave was taken."""


class Pass:
    """A recording on its way through an engine of its own."""

    def __init__(
        self, source: RecordSource, called: str, options: Mapping[str, Any], wanted: Slice
    ) -> None:
        self.engine: Final[Engine] = engine_of(source, called, options)
        self.inputs: Final = EngineInput(self.engine)
        self.words: Final = BookWords(self.inputs.names)
        self.wanted: Final = wanted
        self.last_ts: int | None = None
        """The latest time in it, in Unix nanoseconds."""
        self.frames = 0
        self.cut_short = False
        """Whether it ended at the end of the slice, before that of the recording."""
        self._makers: Sequence[Maker] = ()
        self._source: Final = source
        self._called: Final = called
        self._by_themselves: Final = bool(options.get("auto_subscribe"))
        self._newest = -1
        self._stop_ns: Final = _stop_ns(source, wanted)
        self._chosen: tuple[int, npt.NDArray[np.bool_]] = (-1, np.zeros(0, bool))

    def run(self, makers: Sequence[Maker], steps: Sequence[Stepping] = ()) -> Iterator[None]:
        """Go through; ``makers`` may be asked for rows each time it yields.

        Raises ``RecordingError`` if there are frames of books to which nobody is subscribed, or
        none of the markets that are wanted; errors of the source of records pass through.
        """
        self._makers = makers
        each = [step for step in steps if step.each]
        before = [step.before for step in steps]
        # What runs for each record is looked up once: it takes as long as the engine does.
        ingest, engine, stop_ns = self.inputs.ingest, self.engine, self._stop_ns
        waiting = size = 0
        for record in self._source.records:
            kind, ts, payload = record[0], record[1], record[-1]
            if stop_ns is not None and ts >= stop_ns:
                self.cut_short = True
                break
            for call in before:
                call(ts)
            if kind == _FRAME and -TS_MAX <= ts <= TS_MAX:
                ingest(record[2], payload, ts)
                self.frames += 1
            else:
                self._apply(kind, ts, record[2], payload)
            if self.last_ts is None or ts > self.last_ts:
                self.last_ts = ts
            if each and engine.pending:
                for step in each:
                    step.look()
            waiting += 1
            size += len(payload)
            if waiting >= _RECORDS or size >= CHUNK_BYTES_MAX:
                waiting = size = 0
                self.catch_up()
                yield
        self.catch_up()
        self._check()
        yield

    def of_books(self) -> npt.NDArray[np.bool_]:
        """For each instrument number whether its book is wanted."""
        seen = self.words.changes
        if self._chosen[0] != seen:
            found = self.words.chosen(self.wanted.markets, "market", "symbol")
            self._chosen = (seen, found & self.words.chosen(self.wanted.venues, "venue"))
        return self._chosen[1]

    def problems(self) -> list[str]:
        """What of the recording is missing or could not be used, in words."""
        return self._source.problems(self.inputs.records_refused, whole=not self.cut_short)

    def _apply(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """Any record; those of control are told to makers as well."""
        self.inputs.apply(kind, ts, conn, payload)
        if kind not in _DATA:
            for maker in self._makers:
                maker.control(kind, ts, conn, payload)

    def catch_up(self) -> None:
        """Hand over what the engine has to tell."""
        batch = self.engine.drain()
        if self._by_themselves and batch.update_bytes:
            self._learn(max(instruments_of(batch)))
        self.words.learn()
        for maker in self._makers:
            maker.take(batch)

    def _learn(self, newest: int) -> None:
        """Books that came by themselves have no subscription to be known from.

        Numbers of books grow, and the first that is told of one is a record.
        """
        if newest <= self._newest:
            return
        self._newest = newest
        names = self.inputs.names
        for book in self.engine.books():
            if book.instrument not in names:
                names.learn(
                    book.instrument,
                    venue=book.venue,
                    symbol=book.symbol,
                    market=book.market or "",
                    outcome=book.outcome or "",
                    title="",
                )

    def _check(self) -> None:
        if self.frames and not len(self.inputs.names):
            raise RecordingError(
                f"{self._called}: {self.frames} frames, and no book was subscribed"
            )
        for name, parts in (("markets", ("market", "symbol")), ("venues", ("venue",))):
            wanted = getattr(self.wanted, name) or ()
            known = {getattr(one, part) for one in self.inputs.names.values() for part in parts}
            missing = sorted(set(wanted) - known)
            if missing and not self.cut_short:
                there = ", ".join(sorted(known - {""})[:10]) or "none"
                raise RecordingError(
                    f"{self._called}: no {name[:-1]} {missing[0]!r} in it; there are {there}"
                )
        for problem in self.problems():
            _log.warning("%s", problem)


def instruments_of(batch: Batch) -> list[int]:
    """The number of the book of each update."""
    data = batch.update_bytes
    if len(data) > _FEW * UPDATE_BYTES:
        found: list[int] = batch.updates["instrument"].tolist()
        return found
    # Making an array of one or two takes longer.
    places = range(UPDATE_INSTRUMENT_OFFSET, len(data), UPDATE_BYTES)
    return [_INSTRUMENT.unpack_from(data, at)[0] for at in places]


def _stop_ns(source: RecordSource, wanted: Slice) -> int | None:
    """From which time on nothing of a slice can follow; ``None`` where that cannot be known."""
    journal = source.journal
    if wanted.end_ns is None or journal is None or not source.keeps_time:
        return None
    runs = {path.stem.rpartition("-")[0] for path in journal.segments}
    return wanted.end_ns + _DISORDER_NS if len(runs) == 1 else None
