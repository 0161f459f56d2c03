"""``replay``: a recording through the engine, with the listeners of a live feed.

    from bookfeed import replay

    for update in replay("recordings"):
        print(update.symbol, update.bid, update.ask)

    seen = replay("recordings", on_signal=print, every=[(60, lambda ts: print(ts))])
    seen.run()
    print(seen.book("BTCUSDT"))

Whatever runs on a ``Feed`` runs on a ``Replay``, too: the records are the same, and so are the
times of ``every``. Records are handed over after each input, so that a listener sees the books as
they were then, and never ahead of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from struct import Struct
from typing import Final

from bookfeed import records
from bookfeed._bookfeed import Batch, Engine
from bookfeed.clock import NS_PER_S
from bookfeed.dispatch.dispatcher import Dispatcher, OnBatch, OnLevels, OnRaw, OnSignal, OnUpdate
from bookfeed.errors import EngineError, RecordingError
from bookfeed.feed.source import BookSource
from bookfeed.loops import new_event_loop
from bookfeed.recordings.capture import Capture
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.opened import RecordSource, engine_of, open_source, opened
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.replay import Progress, Record
from bookfeed.records import UPDATE_BYTES, UPDATE_INSTRUMENT_OFFSET, Update
from bookfeed.records.told import RelayEvent
from bookfeed.sinks import Sink, SinkOptions, SinkSet

# A gap in a recording that says nothing of time: instants in it are not called one by one.
GAP_NS_MAX: Final = 24 * 3600 * NS_PER_S

_INSTRUMENT: Final = Struct("<I")


class RecordedTime:
    """The time of a recording, by which the rates of listeners are kept; see ``filters.Timers``."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._numbers: Final = count()
        self._waiting: Final[list[tuple[int, int, RecordedTimer]]] = []

    def now_ns(self) -> int:
        """Return the time of the newest record."""
        return self._now_ns

    def call_at(self, due_ns: int, call: Callable[[], object]) -> "RecordedTimer":
        """Have ``call`` called before the first record that is later than ``due_ns``."""
        timer = RecordedTimer(call)
        heappush(self._waiting, (due_ns, next(self._numbers), timer))
        return timer

    def pass_until(self, now_ns: int | None) -> None:
        """Call what is due by ``now_ns``; ``None`` for the end of time."""
        while self._waiting and (now_ns is None or self._waiting[0][0] < now_ns):
            self._now_ns, _, timer = heappop(self._waiting)
            timer.call()
        if now_ns is not None:
            self._now_ns = max(self._now_ns, now_ns)


class RecordedTimer:
    """One call that is to be made; see ``filters.Timer``."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call

    def call(self) -> None:
        """Make the call, unless it was cancelled."""
        if self._call is not None:
            self._call()

    def cancel(self) -> None:
        """See to it that it does not happen; harmless afterwards."""
        self._call = None


class Replay(BookSource):
    """A recording and who listens to it; made by ``bookfeed.replay``, which says more.

    ``run`` goes through to the end; iterating yields every update meanwhile. Either goes on where
    the other stopped.

    Each call of an ``async def`` listener is done before the next record is handed over. Where a
    loop runs already, they have to wait for it as those of a feed do: there go through the
    recording in a thread, ``await asyncio.to_thread(run.run)``.
    """

    def __init__(
        self,
        source: str | Path | Iterable[Record],
        *,
        engine: Engine | None = None,
        mode: str | None = None,
        on_batch: OnBatch | None = None,
        on_update: OnUpdate | None = None,
        on_signal: OnSignal | None = None,
        on_raw: OnRaw | None = None,
        on_levels: OnLevels | None = None,
        every: Iterable[tuple[float, Callable[[int], object]]] = (),
        sinks: Iterable[Sink | tuple[Sink, SinkOptions]] = (),
    ) -> None:
        self._recording: Final = _recording(source, mode)
        self._source: Final = str(source) if isinstance(source, str | Path) else "the recording"
        self._engine_given: Final = engine is not None
        if engine is None:
            engine = engine_of(self._recording, self._source)
        inputs = EngineInput(engine)
        self._time: Final = RecordedTime()
        super().__init__(
            inputs,
            Dispatcher(inputs, timers=self._time, drive=self._drive),
            SinkSet(sinks, inputs.names, inputs.engine),
        )
        self._runner: asyncio.Runner | None = None
        self._listen(on_batch, on_update, on_signal, None, on_raw, on_levels)
        self._records = self._frames = 0
        self._ts: int | None = None
        self._steps: Final = self._walk()
        for seconds, callback in every:
            self.every(seconds, callback)

    def run(self) -> Progress:
        """Go through to the end; returns how much there was.

        A bad record is counted (``Progress.refused``) and left out. Raises ``CaptureError`` or
        ``JournalError`` where the recording cannot be read, ``EngineError`` if the engine failed,
        and ``RecordingError`` if it has frames of books to which nobody is subscribed.
        """
        for _ in self._steps:
            pass
        return self.progress

    def close(self) -> None:
        """Go no further, and close the sinks; safe to call again, and not needed at the end."""
        self._steps.close()

    def __iter__(self) -> Iterator[Update]:
        """Iterate every update, each after the listeners had it; raises what ``run`` does."""
        for batch in self._steps:
            yield from records.updates(batch, self.names)

    @property
    def progress(self) -> Progress:
        """How far it is; times in Unix nanoseconds."""
        return Progress(self._records, self._frames, self._inputs.records_refused, self._ts)

    @property
    def problems(self) -> list[str]:
        """What of the recording is missing or could not be used, in words; known at its end."""
        return self._recording.problems(self._inputs.records_refused)

    def counters(self) -> dict[str, int]:
        """Return everything that is counted: by the engine, by listeners, of the recording.

        Names ending in ``_ns`` are nanoseconds.
        """
        counts = super().counters()
        counts["records_replayed"] = self._records
        counts["records_refused"] = self._inputs.records_refused
        return counts

    def _drive(self, call: Awaitable[object]) -> None:
        """Have an ``async`` call done before anything else is handed over."""
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=new_event_loop)
        self._runner.get_loop().run_until_complete(_result(call))

    def _has(self, instrument: int) -> bool:
        try:
            self._engine.book(instrument)
        except EngineError:
            return False
        return True

    def _walk(self) -> Generator[Batch, None, None]:
        self._sinks.open_waiting()
        try:
            yield from self._replayed()
        finally:
            self._sinks.close_waiting()
            if self._runner is not None:
                self._runner.close()
        if self._frames and not self._engine.books():
            leave = "leave out `engine`, or " if self._engine_given else ""
            raise RecordingError(
                f"{self._source}: {self._frames} frames, and no book was subscribed: "
                f"{leave}give engine=Engine(auto_subscribe=True)"
            )

    def _replayed(self) -> Iterator[Batch]:
        engine, inputs, keeps_time = self._engine, self._inputs, self._recording.keeps_time
        for record in self._recording.records:
            kind, ts, conn = record[0], record[1], record[2]
            self._time.pass_until(ts)
            if not keeps_time:
                yield from self._pass_until(ts)
            inputs.apply(kind, ts, conn, record[-1])
            self._ts = ts
            self._records += 1
            self._frames += kind == Kind.FRAME
            if inputs.relays.relays.pending:
                self._deliver_relays(_is_told)
            if engine.pending:
                yield self._deliver(ts)
            if kind == Kind.ADVANCE:
                self._schedule.run(ts)
        self._time.pass_until(None)
        self._dispatcher.end()

    def _pass_until(self, ts: int) -> Iterator[Batch]:
        """Let time pass as a live feed would, where a recording does not say when it did."""
        if self._records == 0:
            self._schedule.run(ts)
        while (due_ns := self._schedule.due_ns) is not None and due_ns <= ts:
            now_ns = due_ns if ts - due_ns <= GAP_NS_MAX else ts
            self._inputs.advance(now_ns)
            if self._engine.pending:
                yield self._deliver(now_ns)
            self._schedule.run(now_ns)

    def _deliver(self, ts: int) -> Batch:
        batch = self._engine.drain(ts)
        self._learn(batch.update_bytes)
        self._dispatcher.dispatch(batch)
        if len(batch):
            self._sinks.write_waiting(batch)
        return batch

    def _learn(self, data: bytes) -> None:
        """Books that came by themselves have no subscription to be known from."""
        names = self.names
        for offset in range(UPDATE_INSTRUMENT_OFFSET, len(data), UPDATE_BYTES):
            (instrument,) = _INSTRUMENT.unpack_from(data, offset)
            if instrument not in names:
                book = self._engine.book(instrument)
                names.learn(
                    instrument,
                    venue=book.venue,
                    symbol=book.symbol,
                    market=book.market or "",
                    outcome=book.outcome or "",
                    title="",
                )


def replay(
    source: str | Path | Iterable[Record],
    *,
    engine: Engine | None = None,
    mode: str | None = None,
    on_batch: OnBatch | None = None,
    on_update: OnUpdate | None = None,
    on_signal: OnSignal | None = None,
    on_raw: OnRaw | None = None,
    on_levels: OnLevels | None = None,
    every: Iterable[tuple[float, Callable[[int], object]]] = (),
    sinks: Iterable[Sink | tuple[Sink, SinkOptions]] = (),
) -> Replay:
    """Return a recording that is ready to run, with the listeners of a ``Feed``.

    ``source`` is a journal (a segment, a directory of them, or the beginning of file names), a
    capture, or anything that yields their records. Without ``engine`` there is one like the one
    that made the recording; with one, its options count, such as another ``hash_check``. ``mode``
    is how the venue of a capture was asked to speak, where the capture does not say.
    Callbacks are those of ``Feed``; ``every`` is what to give to ``Replay.every``, as pairs of
    seconds and a function of the time in Unix nanoseconds. ``sinks`` are opened when it runs and
    closed at its end; it waits for them, so that they get everything.

    A recording that came from a capture does not say when time passed: it passes at the instants
    of ``every`` then, as it would live.
    Raises ``RecordingError`` if there is no recording or it cannot be replayed here,
    ``JournalError`` or ``CaptureError`` if it cannot be read.
    """
    return Replay(
        source,
        engine=engine,
        mode=mode,
        on_batch=on_batch,
        on_update=on_update,
        on_signal=on_signal,
        on_raw=on_raw,
        on_levels=on_levels,
        every=every,
        sinks=sinks,
    )


def _is_told(event: RelayEvent) -> bool:
    """Whether an event is for users: answers to what was asked are not."""
    return event.kind != "acknowledged"


async def _result(call: Awaitable[object]) -> None:
    await call


def _recording(source: str | Path | Iterable[Record], mode: str | None) -> RecordSource:
    if isinstance(source, str | Path):
        return open_source(Path(source), mode)
    if isinstance(source, Journal | Capture):
        return opened(source)
    return RecordSource(venues=(), engine={}, records=source, journal=None, keeps_time=True)
