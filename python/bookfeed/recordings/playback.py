"""A recording gone through step by step, with the books as they stood at each moment.

The engine that made it is run beside, from its beginning on, so that every book has the state that
it had then: of what may not be believed there is none. Rules, references and notes are left out, as
nothing here depends on them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any, Final, NamedTuple

from bookfeed._bookfeed import STATES, Engine
from bookfeed.errors import EngineError, RecordingError
from bookfeed.recordings.bounds import control_object
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import RELAY_KINDS, Kind
from bookfeed.recordings.opened import RecordSource, engine_of, open_source
from bookfeed.recordings.replay import Record
from bookfeed.records.update import (
    KIND_STATE,
    UPDATE_BYTES,
    UPDATE_INSTRUMENT_OFFSET,
)

Book = tuple[str, str]
"""Venue and symbol."""

# What changes no book.
_BESIDE: Final = RELAY_KINDS | {
    Kind.RULE, Kind.RULE_END, Kind.INDEX, Kind.TERMS, Kind.STRIKE, Kind.REFERENCE, Kind.OWN,
    Kind.NOTE, Kind.MARKET, Kind.DROPPED,
}  # fmt: skip
# Instrument, epoch, connection, kind and state, as they lie in the bytes of an update.
_TAIL: Final = Struct("<IIIBB")
_LIVE: Final = STATES.index("live")
# A recording that came from a capture does not say when time passed: it does so often.
_ADVANCE_NS: Final = 100_000_000


class WholeBook(NamedTuple):
    """A book that may be believed, as it stood; levels best first, prices 1e-9, sizes 1e-8."""

    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    ts_event: int | None
    """The venue's time of the newest message in it, Unix ns."""
    update_id: int | None
    """The venue's number of the newest update in it, where it gives one."""
    tick_size_e9: int | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A book as the recording says what it is; decimals as they were written, empty if unknown."""

    venue: str
    symbol: str
    market: str = ""
    outcome: str = ""
    tick_size: str = ""
    min_order_size: str = ""
    fee: str = ""
    hints: str = ""
    depth: int | None = None


class Step(NamedTuple):
    """One record that brought a frame or changed what may be believed."""

    ts: int
    """When it was received, Unix ns."""
    venue: str
    """Whose frame it is; empty where there is none."""
    conn: int
    epoch: int
    """Which attempt of that connection it is."""
    mode: str
    """How the venue was asked to speak on that connection."""
    frame: bytes | None
    lost: tuple[Book, ...] = ()
    """Books that may not be believed any more from here on, the frame's own change included."""
    gained: tuple[Book, ...] = ()
    """Books that may be believed from here on."""
    cut: bool = False
    """Whether a connection ended here, and frames follow: the recorder itself ends it at last."""
    news: frozenset[str] | None = None
    """The symbols of which the frame said something new, where a second connection carries the
    same books and may have said it before; ``None`` where all of it is new.
    """


class Playback:
    """A recording from its beginning on, which is gone through once; ``book`` is of the moment.

    Raises ``RecordingError`` where nothing can be played back, ``JournalError`` or ``CaptureError``
    where it cannot be read.
    """

    def __init__(self, path: Path, mode: str | None = None) -> None:
        self.recording: Final[RecordSource] = open_source(path, mode)
        self.listed: Final[dict[Book, Listed]] = {}
        """What the recording has books of, in the order of their subscriptions."""
        self.frames: Final[Counter[str]] = Counter()
        """Frames of each venue."""
        self.begin_ns, self.end_ns = self._survey()
        """Times of the first and the last record, Unix ns."""
        if not self.frames:
            raise RecordingError(f"{path}: there are no frames in it")
        self._engine: Final[Engine] = engine_of(self.recording, str(path))
        self._inputs: Final = EngineInput(self._engine)
        self._live: Final[dict[Book, tuple[int, int]]] = {}
        """The books that may be believed: the instrument of each, and its epoch."""
        self._missed: Final[set[Book]] = set()
        """Books that were asked for in the middle of such a change."""
        self._beside: Final[set[int]] = set()
        """Connections that carry the books of another one, and those."""
        self._modes: Final[dict[int, tuple[str, str]]] = {}
        self._epochs: Final[Counter[int]] = Counter()
        self._frames_left = self.frames.total()
        self._records: Final[Iterator[Record]] = iter(self.recording.records)
        self._next: Record | None = next(self._records, None)
        self.now_ns = self.begin_ns
        """The time of the newest record."""

    def _survey(self) -> tuple[int, int]:
        """What there is, in one pass that reads no frame."""
        begin, end = 0, 0
        venues: dict[int, str] = {}
        for record in self.recording.records:
            kind, ts, conn = record[0], record[1], record[2]
            begin, end = begin or ts, max(end, ts)
            if kind == Kind.FRAME:
                self.frames[venues.get(conn, "")] += 1
            elif kind == Kind.CONNECTED:
                venues[conn] = _venue_and_mode(record[-1])[0]
            elif kind == Kind.SUBSCRIBE:
                self._list(record[-1])
        self.frames.pop("", None)
        return begin, end

    def _list(self, payload: bytes) -> None:
        try:
            told = control_object(payload)
            one = Listed(str(told["venue"]), str(told["symbol"]), **_known(told))
        except (ValueError, KeyError, TypeError):
            return  # it is no subscription, and the replay counts it
        self.listed[one.venue, one.symbol] = one

    @property
    def problems(self) -> list[str]:
        """What of the recording is missing or could not be used, in words; known at its end."""
        return self.recording.problems(self._inputs.records_refused)

    def book(self, venue: str, symbol: str) -> WholeBook | None:
        """A book as it stands; ``None`` if there is none, or it may not be believed.

        One that is in the middle of a change is told of in ``gained`` when that is over.
        """
        standing = self._live.get((venue, symbol))
        if standing is None:
            return None
        if not self._is_whole((venue, symbol)):
            self._missed.add((venue, symbol))
            return None
        view = self._engine.book(standing[0])
        bids, asks = (
            [(price, qty) for price, qty in view.levels_exact(side).tolist()]
            for side in ("bid", "ask")
        )
        return WholeBook(bids, asks, view.ts_event, view.update_id, view.tick_size_e9)

    def _is_whole(self, book: Book) -> bool:
        """Whether it may be believed, and is not in the middle of a change told in several frames:
        that is no change of its state, and not told.
        """
        standing = self._live.get(book)
        return standing is not None and self._engine.book(standing[0]).live

    @property
    def next_ns(self) -> int | None:
        """The time of the record that comes next, Unix ns; ``None`` at the end."""
        return None if self._next is None else self._next[1]

    def take(self) -> list[Step]:
        """Take in the next record; what it brought. ``EngineError`` if the engine failed."""
        record = self._next
        if record is None:
            return []
        self._next = next(self._records, None)
        kind, ts, conn, payload = record[0], record[1], record[2], record[-1]
        if kind in _BESIDE:
            return []
        if kind == Kind.CONNECTED:
            self._modes[conn] = _venue_and_mode(payload)
            self._epochs[conn] += 1
        elif kind == Kind.LINE:
            self._pair(conn, payload)
        steps = self._pass_until(ts)
        self._inputs.apply(kind, ts, conn, payload)
        self.now_ns = max(self.now_ns, ts)
        is_frame = kind == Kind.FRAME
        self._frames_left -= is_frame
        lost, gained, news = self._changes(ts)
        if is_frame or lost or gained:
            venue, mode = self._modes.get(conn, ("", ""))
            step = Step(
                ts,
                venue if is_frame else "",
                conn,
                self._epochs[conn],
                mode,
                payload if is_frame else None,
                lost,
                gained,
                cut=kind == Kind.DISCONNECTED and self._frames_left > 0,
                news=news if is_frame and conn in self._beside else None,
            )
            steps.append(step)
        return steps

    def steps(self) -> Iterator[Step]:
        """Go through all that is left."""
        while self._next is not None:
            yield from self.take()

    def _pass_until(self, ts: int) -> list[Step]:
        """Has time pass, where the recording does not say when it did."""
        if self.recording.keeps_time or ts - self.now_ns < _ADVANCE_NS:
            return []
        self._inputs.advance(ts)
        lost, gained, _ = self._changes(ts)
        return [Step(ts, "", 0, 0, "", None, lost, gained)] if lost or gained else []

    def _pair(self, conn: int, payload: bytes) -> None:
        try:
            beside = control_object(payload)["beside"]
        except (ValueError, KeyError):
            return
        if isinstance(beside, int):
            self._beside.update((conn, beside))

    def _changes(self, ts: int) -> tuple[tuple[Book, ...], tuple[Book, ...], frozenset[str]]:
        """Books lost and gained since it was asked last, and the symbols that were spoken of."""
        lost, gained = list[Book](), [book for book in self._missed if self._is_whole(book)]
        self._missed.difference_update(gained)
        if not self._engine.pending:
            return (), tuple(gained), frozenset()
        data = self._engine.drain(ts).update_bytes
        spoken, last, dipped = set(), dict[int, int | None](), set()
        for at in range(UPDATE_INSTRUMENT_OFFSET, len(data), UPDATE_BYTES):
            instrument, epoch, _, kind, state = _TAIL.unpack_from(data, at)
            if kind != KIND_STATE:
                spoken.add(instrument)
            elif state != _LIVE:
                dipped.add(instrument)
            last[instrument] = epoch if state == _LIVE else None
        for instrument in sorted(last):
            self._change(instrument, last[instrument], instrument in dipped, lost, gained)
        news = frozenset(map(self._symbol, spoken)) if self._beside else frozenset()
        return tuple(lost), tuple(gained), news

    def _change(
        self,
        instrument: int,
        epoch: int | None,
        dipped: bool,
        lost: list[Book],
        gained: list[Book],
    ) -> None:
        """Takes in how a book stands by its newest record: in which epoch it is live, if it is."""
        book = self._book_of(instrument)
        if book is None:
            return
        before = self._live.get(book)
        now = None if epoch is None else (instrument, epoch)
        if now == before and not dipped:
            return
        # Of a book that was lost and regained within one record both are told.
        if before is not None and (now is not None or before[0] == instrument):
            del self._live[book]
            lost.append(book)
        if now is not None:
            self._live[book] = now
            gained.append(book)

    def _book_of(self, instrument: int) -> Book | None:
        try:
            view = self._engine.book(instrument)
        except EngineError:  # forgotten by now
            gone = (book for book, (number, _) in self._live.items() if number == instrument)
            return next(gone, None)
        return view.venue, view.symbol

    def _symbol(self, instrument: int) -> str:
        book = self._book_of(instrument)
        return "" if book is None else book[1]


def _known(told: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a subscription that are known here, as what they should be."""
    texts = ("market", "outcome", "tick_size", "min_order_size", "fee", "hints")
    known: dict[str, Any] = {name: str(told[name]) for name in texts if told.get(name) is not None}
    depth = told.get("depth")
    return known | ({"depth": depth} if isinstance(depth, int) else {})


def _venue_and_mode(payload: bytes) -> tuple[str, str]:
    venue, _, mode = payload.decode(errors="replace").partition(" ")
    return venue, mode
