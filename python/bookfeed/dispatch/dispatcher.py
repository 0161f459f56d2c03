"""Where drained records go: to listeners and streams, none of which can hold up the feed.

Listeners run in the order ``on_batch``, ``on_levels``, ``on_index``, ``on_update``, ``on_signal``,
on the event loop, right after the socket read that caused them; ``on_raw`` runs before its frame
goes into the engine. One that raises is counted and logged; the others run and the engine is not
affected.
``listeners.py`` says how ``async`` ones run, ``streams.py`` what becomes of a slow reader,
``filters.py`` what can be left out.

Listeners and streams may come and go at any time, also from a callback: a batch goes to those that
were there when it began.
"""

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import Any, Final, Protocol, TypeVar

from bookfeed import records
from bookfeed._bookfeed import VENUES, Batch, Engine
from bookfeed.dispatch.filters import (
    Amount,
    Selection,
    SignalFilter,
    Symbols,
    Timers,
    UpdateFilter,
    event_filter,
    price_filter,
)
from bookfeed.dispatch.listeners import WAITING_MAX, Drive, Listener
from bookfeed.dispatch.schedule import Schedule, distance_ns
from bookfeed.dispatch.streams import QUEUE_MAX, Queue, Stream, update_taker
from bookfeed.dispatch.takers import Takers
from bookfeed.log import RateLimitedLog
from bookfeed.names import Names
from bookfeed.records import (
    KIND_STATE,
    UPDATE_BYTES,
    UPDATE_INSTRUMENT_OFFSET,
    UPDATE_KIND_OFFSET,
    Signal,
    Update,
)
from bookfeed.records.indices import IndexTick, index_ticks
from bookfeed.records.levels import LevelChanges, level_changes, whole_book
from bookfeed.records.points import PricePoint
from bookfeed.records.told import RelayEvent
from bookfeed.status import ConnectionStatus

T = TypeVar("T")

OnBatch = Callable[[Batch], object]
OnUpdate = Callable[[Update], object]
OnSignal = Callable[[Signal], object]
OnState = Callable[[Update], object]
OnStatus = Callable[[ConnectionStatus], object]
OnRaw = Callable[[int, bytes, int], object]
OnLevels = Callable[[LevelChanges], object]
OnIndex = Callable[[IndexTick], object]
OnInstant = Callable[[int], object]
OnPrice = Callable[[PricePoint], object]
OnEvent = Callable[[RelayEvent], object]

_Frame = tuple[int, bytes, int]

_INSTRUMENT: Final = Struct("<I")

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.dispatch"))


class Source(Protocol):
    """What the dispatcher has to know of whoever changes the engine; ``EngineInput`` is one."""

    @property
    def names(self) -> Names:
        """What books and rules are called."""

    @property
    def venues(self) -> Mapping[int, str]:
        """The venue of each connection, by its number."""

    @property
    def engine(self) -> Engine:
        """The engine, for reading."""

    def watch_levels(self, on: bool) -> None:
        """Have every change of a level be a record from here on, or none."""

    def tap(self, take: OnRaw | None) -> None:
        """Hand every frame to ``take`` before it goes into the engine; to nobody if ``None``."""


class Dispatcher:
    """Hands every drained batch to everybody who asked for it.

    ``on_state`` gets the changes of state after everybody else; it is the feed's own.
    ``timers`` is the time by which rates are kept, the running loop's by default. ``drive`` runs
    ``async`` calls where no loop does.
    """

    def __init__(
        self,
        source: Source,
        *,
        on_state: OnState | None = None,
        timers: Timers | None = None,
        drive: Drive | None = None,
    ) -> None:
        self._source: Final = source
        self._names: Final = source.names
        self._symbols: Final = source.names.symbols
        self._timers: Final = timers
        self._drive: Final = drive
        self._batches: Final[Takers[Batch]] = Takers()
        self._levels: Final[Takers[LevelChanges]] = Takers()
        self._indices: Final[Takers[IndexTick]] = Takers()
        self._updates: Final[Takers[Update]] = Takers()
        self._signals: Final[Takers[Signal]] = Takers()
        self._statuses: Final[Takers[ConnectionStatus]] = Takers()
        self._frames: Final[Takers[_Frame]] = Takers()
        # Of what markets are, which is nothing that is known here.
        self._markets: Final[Takers[Any]] = Takers()
        self._prices: Final[Takers[PricePoint]] = Takers()
        self._events: Final[Takers[RelayEvent]] = Takers()
        self.index_ticks: Final[dict[str, IndexTick]] = {}
        """The newest value of each estimated index, by its name."""
        self.schedule: Final[Schedule[Listener]] = Schedule()
        """What is called at which instants; run by whoever lets time pass."""
        self._state: Final = None if on_state is None else self._listener(on_state, "on_state")
        # Batches that came while another one was being handed over, by a callback of it.
        self._backlog: Final[deque[tuple[int, Batch]]] = deque()
        self._busy = False
        self.depth = 0
        """How many batches caused each other, up to the one that is being handed over."""
        # What those dropped that are gone.
        self._streams_dropped = self._callbacks_dropped = 0
        self.callback_errors = 0

    # Who listens.

    def on_batch(self, callback: OnBatch) -> Listener:
        """Hand every batch to ``callback``."""
        listener = self._listener(callback, "on_batch")
        self._batches.add(listener, listener.deliver)
        return listener

    def every(self, seconds: float, callback: OnInstant, now_ns: int | None) -> Listener:
        """Have ``callback`` called at instants of feed time; see ``Schedule`` for which."""
        every_ns = distance_ns(seconds)
        listener = self._listener(callback, "every")
        self.schedule.add(listener, every_ns, listener.deliver, now_ns)
        return listener

    def on_update(
        self,
        callback: OnUpdate,
        *,
        symbols: Symbols | None = None,
        min_change: Amount | None = None,
        max_rate: float | None = None,
    ) -> Listener:
        """Hand updates to ``callback``; ``UpdateFilter`` says what is left out."""
        listener = self._listener(callback, "on_update")
        passing = self._update_filter(listener.deliver, symbols, min_change, max_rate)
        self._updates.add(listener, listener.deliver, passing)
        return listener

    def on_signal(
        self,
        callback: OnSignal,
        *,
        rule: str | int | None = None,
        min_edge: Amount | None = None,
    ) -> Listener:
        """Hand signals to ``callback``; ``SignalFilter`` says what is left out."""
        listener = self._listener(callback, "on_signal")
        passing = _signal_filter(listener.deliver, rule, min_edge)
        self._signals.add(listener, listener.deliver, passing)
        return listener

    def on_status(self, callback: OnStatus) -> Listener:
        """Hand the changed statuses of connections to ``callback``."""
        listener = self._listener(callback, "on_status")
        self._statuses.add(listener, listener.deliver)
        return listener

    def on_market(
        self, callback: Callable[[Any], object], wanted: Callable[[Any], bool]
    ) -> Listener:
        """Hand the news of markets that are ``wanted`` to ``callback``."""
        listener = self._listener(callback, "on_market")

        def take(news: Any) -> None:
            if wanted(news):
                listener.deliver(news)

        self._markets.add(listener, take)
        return listener

    def on_raw(self, callback: OnRaw, *, venue: str | None = None) -> Listener:
        """Hand frames to ``callback``, all of them or those of one venue."""
        if venue is not None and venue not in VENUES:
            raise ValueError(f"no venue {venue!r}: there are {', '.join(VENUES)}")
        listener = self._listener(callback, "on_raw", spread=True)
        venues = self._source.venues

        def take_of_venue(frame: _Frame) -> None:
            if venues.get(frame[0]) == venue:
                listener.deliver(frame)

        self._frames.add(listener, listener.deliver if venue is None else take_of_venue)
        self._source.tap(self.raw)
        return listener

    def on_levels(self, callback: OnLevels, *, symbols: Symbols | None = None) -> Listener:
        """Hand level changes to ``callback``, first of all the books as they are."""
        books = self._source.engine.books()
        listener = self._listener(callback, "on_levels", waiting_max=WAITING_MAX + len(books))
        selection = None if symbols is None else Selection(symbols)

        def take(changes: LevelChanges) -> None:
            if selection is None or selection.wants(changes.instrument, changes.symbol):
                listener.deliver(changes)

        self._source.watch_levels(True)
        self._levels.add(listener, take)
        for book in books:
            whole = whole_book(book)
            if whole is not None:
                take(whole)
        return listener

    def on_index(self, callback: OnIndex, *, name: str | None = None) -> Listener:
        """Hand values of estimated indices to ``callback``, all or those of one."""
        listener = self._listener(callback, "on_index")

        def take(tick: IndexTick) -> None:
            if name is None or tick.name == name:
                listener.deliver(tick)

        self._indices.add(listener, take)
        return listener

    def updates(
        self,
        queue_max: int = QUEUE_MAX,
        *,
        symbols: Symbols | None = None,
        min_change: Amount | None = None,
        max_rate: float | None = None,
    ) -> Stream[Update]:
        """Return a new iterator over updates from now on; ``UpdateFilter`` for what is left out."""
        queue: Queue[Update] = Queue(queue_max, self._left)
        take = update_taker(queue)
        passing = self._update_filter(take, symbols, min_change, max_rate)
        self._updates.add(queue, take, passing)
        return Stream(queue)

    def signals(
        self,
        queue_max: int = QUEUE_MAX,
        *,
        rule: str | int | None = None,
        min_edge: Amount | None = None,
    ) -> Stream[Signal]:
        """Return a new iterator over signals from now on; ``SignalFilter`` for what is left out."""
        queue: Queue[Signal] = Queue(queue_max, self._left)
        passing = _signal_filter(queue.take, rule, min_edge)
        self._signals.add(queue, queue.take, passing)
        return Stream(queue)

    # What relays tell.

    def on_price(
        self, callback: OnPrice, *, topic: str | None = None, symbol: str | None = None
    ) -> Listener:
        """Hand values of references to ``callback``, all or those of a topic or symbol."""
        listener = self._listener(callback, "on_price")
        self._prices.add(listener, price_filter(listener.deliver, topic, symbol))
        return listener

    def on_event(self, callback: OnEvent, *, kind: str | None = None) -> Listener:
        """Hand everything else that relays tell to ``callback``, or one kind of it."""
        listener = self._listener(callback, "on_event")
        self._events.add(listener, event_filter(listener.deliver, kind))
        return listener

    def prices(
        self, queue_max: int = QUEUE_MAX, *, topic: str | None = None, symbol: str | None = None
    ) -> Stream[PricePoint]:
        """Return a new iterator over values of references from now on."""
        queue: Queue[PricePoint] = Queue(queue_max, self._left)
        self._prices.add(queue, price_filter(queue.take, topic, symbol))
        return Stream(queue)

    def events(self, queue_max: int = QUEUE_MAX, *, kind: str | None = None) -> Stream[RelayEvent]:
        """Return a new iterator over everything else that relays tell from now on."""
        queue: Queue[RelayEvent] = Queue(queue_max, self._left)
        self._events.add(queue, event_filter(queue.take, kind))
        return Stream(queue)

    def price(self, point: PricePoint) -> None:
        """Hand over a value of a reference."""
        for take in self._prices.takes:
            take(point)

    def event(self, event: RelayEvent) -> None:
        """Hand over something else that a relay told."""
        for take in self._events.takes:
            take(event)

    def _listener(
        self,
        callback: Callable[..., object],
        what: str,
        *,
        spread: bool = False,
        waiting_max: int = WAITING_MAX,
    ) -> Listener:
        return Listener(
            callback,
            what,
            failed=self._failed,
            closed=self._left,
            spread=spread,
            waiting_max=waiting_max,
            drive=self._drive,
        )

    def _update_filter(
        self,
        take: Callable[[Update], object],
        symbols: Symbols | None,
        min_change: Amount | None,
        max_rate: float | None,
    ) -> UpdateFilter | None:
        if symbols is min_change is max_rate is None:
            return None
        return UpdateFilter(
            take, symbols=symbols, min_change=min_change, max_rate=max_rate, timers=self._timers
        )

    def _takers(self) -> tuple[Takers[Any], ...]:
        return (
            self._batches,
            self._levels,
            self._indices,
            self._updates,
            self._signals,
            self._statuses,
            self._frames,
            self._markets,
            self._prices,
            self._events,
        )

    def _listeners(self) -> list[Listener]:
        found = [one for takers in self._takers() for one in takers.listeners]
        return found + self.schedule.owners

    @property
    def _update_streams(self) -> list[Queue[Update]]:
        return self._updates.queues

    @property
    def _signal_streams(self) -> list[Queue[Signal]]:
        return self._signals.queues

    def _left(self, owner: Listener | Queue[Any]) -> None:
        if isinstance(owner, Listener) and self.schedule.remove(owner):
            self._callbacks_dropped += owner.dropped
            return
        left = next((takers for takers in self._takers() if takers.remove(owner)), None)
        if left is None:
            return
        if isinstance(owner, Listener):
            self._callbacks_dropped += owner.dropped
        else:
            self._streams_dropped += owner.dropped
        if left is self._frames and not left:
            self._source.tap(None)
        elif left is self._levels and not left:
            self._source.watch_levels(False)

    # What is handed over.

    def dispatch(self, batch: Batch) -> None:
        """Hand over one batch; never raises because of a callback.

        A batch that a callback causes is handed over after the one that is at it.
        """
        if self._busy:
            self._backlog.append((self.depth + 1, batch))
            return
        self._busy = True
        try:
            self._hand_over(batch)
            while self._backlog:
                self.depth, caused = self._backlog.popleft()
                self._hand_over(caused)
        finally:
            self._busy, self.depth = False, 0

    def status(self, status: ConnectionStatus) -> None:
        """Hand over that a connection's state is another, or its cause."""
        for take in self._statuses.takes:
            take(status)

    def market(self, news: object) -> None:
        """Hand over news of a market."""
        for take in self._markets.takes:
            take(news)

    def raw(self, conn: int, payload: bytes, ts_recv: int) -> None:
        """Hand over a frame, as it was received on a connection at ``ts_recv``, Unix ns."""
        for take in self._frames.takes:
            take((conn, payload, ts_recv))

    def _hand_over(self, batch: Batch) -> None:
        for take in self._batches.takes:
            take(batch)
        if self._levels.takes:
            _hand_to(self._levels.takes, level_changes(batch.level_bytes, self._names))
        if indices := batch.index_bytes:
            self._hand_over_indices(indices)
        data = batch.update_bytes
        if data:
            if self._updates.takes:
                self._hand_over_updates(data)
            if self._state is not None:
                self._hand_over_states(self._state, data)
        if self._signals.takes and batch.signal_bytes:
            _hand_to(self._signals.takes, records.signals(batch, self._names))

    def _hand_over_indices(self, data: bytes) -> None:
        for tick in index_ticks(data, self._names):
            self.index_ticks[tick.name] = tick
            for take in self._indices.takes:
                take(tick)

    def _hand_over_updates(self, data: bytes) -> None:
        symbols, takes, wanted = self._symbols, self._updates.takes, self._updates.selections
        for offset in range(0, len(data), UPDATE_BYTES):
            if wanted is not None:
                (instrument,) = _INSTRUMENT.unpack_from(data, offset + UPDATE_INSTRUMENT_OFFSET)
                symbol = symbols.get(instrument, "")
                if not any(selection.wants(instrument, symbol) for selection in wanted):
                    continue
            update = Update.from_bytes(data, offset, symbols)
            for take in takes:
                take(update)

    def _hand_over_states(self, state: Listener, data: bytes) -> None:
        kinds = data[UPDATE_KIND_OFFSET::UPDATE_BYTES]
        index = kinds.find(KIND_STATE)
        while index >= 0:
            state.deliver(Update.from_bytes(data, index * UPDATE_BYTES, self._symbols))
            index = kinds.find(KIND_STATE, index + 1)

    # The end, and what is counted.

    def end(self, error: BaseException | None = None) -> None:
        """End every iterator, with ``error`` if there is one."""
        for takers in (self._updates, self._signals, self._prices, self._events):
            takers.end(error)

    async def finish(self, timeout_s: float) -> None:
        """End every iterator, and close every listener once its ``async`` calls are done.

        After ``timeout_s`` those that wait are dropped; one that runs is left to itself, as is the
        call that may have led here.
        """
        self.end()
        listeners = self._listeners()
        tasks = {one.task for one in listeners if one.task} - {asyncio.current_task()}
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=timeout_s)
        finally:
            for listener in listeners:
                listener.close()

    def dropped(self) -> int:
        """Records dropped by the bounds of iterators."""
        queues: list[Queue[Any]] = [*self._update_streams, *self._signal_streams]
        queues += [*self._prices.queues, *self._events.queues]
        return self._streams_dropped + sum(queue.dropped for queue in queues)

    def callbacks_dropped(self) -> int:
        """Calls of ``async`` listeners that never ran."""
        return self._callbacks_dropped + sum(one.dropped for one in self._listeners())

    def _failed(self, listener: Listener, error: BaseException) -> None:
        self.callback_errors += 1
        # Formatting takes longer than most callbacks: only what is logged is.
        _log.warning(f"callback {listener!r}", "a callback raised: %r\n%s", listener, _Trace(error))


class _Trace:
    """An error as its traceback, once somebody prints it."""

    __slots__ = ("_error",)

    def __init__(self, error: BaseException) -> None:
        self._error: Final = error

    def __str__(self) -> str:
        return "".join(traceback.format_exception(self._error))


def _hand_to(takes: tuple[Callable[[T], object], ...], found: Iterable[T]) -> None:
    for record in found:
        for take in takes:
            take(record)


def _signal_filter(
    take: Callable[[Signal], object], rule: str | int | None, min_edge: Amount | None
) -> SignalFilter | None:
    if rule is None and min_edge is None:
        return None
    return SignalFilter(take, rule=rule, min_edge=min_edge)
