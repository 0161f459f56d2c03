"""Where drained records go: callbacks and async iterators, none of which can hold up the feed.

Callbacks run in the order ``on_batch``, ``on_update``, ``on_signal``, on the event loop, right
after the socket read that caused them. One that raises is counted and logged; the others run and
the engine is not affected. Async iterators have bounded queues:

* A waiting ``book`` update of an instrument is replaced by a newer one (latest wins, counted in
  ``conflated``). Any other record of the instrument carries the touch too and displaces it.
* Trades, states, tick sizes, resolutions and signals are never merged. When more of them wait
  than the bound allows, the oldest are dropped and the reader gets one ``Lagged`` error that says
  how many; it may go on reading after that.

So the records of one instrument always come in order; those of different instruments may not.
"""

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, Generic, Self, TypeVar

from bookfeed import records
from bookfeed._bookfeed import Batch
from bookfeed.errors import SessionError
from bookfeed.log import RateLimitedLog
from bookfeed.loops import raise_from_loop
from bookfeed.names import Names
from bookfeed.records import KIND_BOOK, KIND_STATE, UPDATE_BYTES, UPDATE_KIND_OFFSET, Signal, Update
from bookfeed.status import ConnectionStatus

T = TypeVar("T")

OnBatch = Callable[[Batch], object]
OnUpdate = Callable[[Update], object]
OnSignal = Callable[[Signal], object]
OnState = Callable[[Update], object]
OnStatus = Callable[[ConnectionStatus], object]

QUEUE_MAX: Final = 65_536

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.dispatch"))


class Lagged(SessionError):
    """An iterator was too slow; ``missed`` records were dropped. Reading may go on."""

    def __init__(self, missed: int) -> None:
        super().__init__(f"{missed} records were dropped because they were not read in time")
        self.missed: Final = missed


class Stream(AsyncIterator[T], Generic[T]):
    """An async iterator over records; made by ``Feed.updates`` and ``Feed.signals``.

    It ends when the feed is closed, and raises what made the feed fail.
    """

    def __init__(self, queue_max: int, on_close: Callable[["Stream[T]"], None]) -> None:
        if queue_max < 1:
            raise ValueError("queue_max must be at least 1")
        self._queue_max: Final = queue_max
        self._on_close: Final = on_close
        # Insertion order is delivery order. Books are keyed by instrument, all else by a
        # negative number of its own, so that only books can be found and replaced.
        self._waiting: dict[int, T] = {}
        self._kept: deque[int] = deque()
        self._next_key = -1
        self._dropped = 0
        self._wakeup: asyncio.Future[None] | None = None
        self._ended = False
        self._error: BaseException | None = None
        self.conflated = 0
        self.dropped = 0

    def offer_latest(self, instrument: int, item: T) -> None:
        """Queue an item that replaces a waiting one of the same instrument."""
        if instrument in self._waiting:
            self.conflated += 1
        self._waiting[instrument] = item
        self._wake()

    def offer(self, item: T, instrument: int | None = None) -> None:
        """Queue an item that must not be merged; it displaces the instrument's waiting book."""
        if instrument is not None and self._waiting.pop(instrument, None) is not None:
            self.conflated += 1
        if len(self._kept) == self._queue_max:
            del self._waiting[self._kept.popleft()]
            self._dropped += 1
            self.dropped += 1
        self._waiting[self._next_key] = item
        self._kept.append(self._next_key)
        self._next_key -= 1
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """No more will come; what waits can still be read, then ``error`` is raised if given."""
        self._ended = True
        self._error = self._error or error
        self._wake()

    def close(self) -> None:
        """Stop receiving; safe to call again."""
        self._on_close(self)
        self._waiting.clear()
        self._kept.clear()
        self.end()

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            if self._dropped:
                missed, self._dropped = self._dropped, 0
                raise Lagged(missed)
            if self._waiting:
                return self._take()
            if self._ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            if self._wakeup is not None:
                raise SessionError("a stream can be read by one task at a time; make another one")
            self._wakeup = asyncio.get_running_loop().create_future()
            try:
                await self._wakeup
            finally:
                self._wakeup = None

    def _take(self) -> T:
        key = next(iter(self._waiting))
        if key < 0:
            self._kept.popleft()
        return self._waiting.pop(key)


class Dispatcher:
    """Hands every drained batch to everybody who asked for it."""

    def __init__(
        self,
        *,
        names: Names,
        on_batch: OnBatch | None = None,
        on_update: OnUpdate | None = None,
        on_signal: OnSignal | None = None,
        on_status: OnStatus | None = None,
        on_state: OnState | None = None,
    ) -> None:
        self._names: Final = names
        self._on_batch: Final = on_batch
        self._on_update: Final = on_update
        self._on_signal: Final = on_signal
        self._on_status: Final = on_status
        self._on_state: Final = on_state
        self._update_streams: list[Stream[Update]] = []
        self._signal_streams: list[Stream[Signal]] = []
        self.callback_errors = 0

    def updates(self, queue_max: int = QUEUE_MAX) -> Stream[Update]:
        """Return a new iterator over updates from now on."""
        stream: Stream[Update] = Stream(queue_max, lambda s: _forget(self._update_streams, s))
        self._update_streams.append(stream)
        return stream

    def signals(self, queue_max: int = QUEUE_MAX) -> Stream[Signal]:
        """Return a new iterator over signals from now on."""
        stream: Stream[Signal] = Stream(queue_max, lambda s: _forget(self._signal_streams, s))
        self._signal_streams.append(stream)
        return stream

    def dispatch(self, batch: Batch) -> None:
        """Hand over one batch; never raises because of a callback."""
        if self._on_batch is not None:
            self._call(self._on_batch, batch)
        data = batch.update_bytes
        if data:
            if self._on_update is not None or self._update_streams:
                self._dispatch_updates(data)
            if self._on_state is not None:
                self._dispatch_states(self._on_state, data)
        if (self._on_signal is not None or self._signal_streams) and batch.signal_bytes:
            self._dispatch_signals(batch)

    def status(self, status: ConnectionStatus) -> None:
        """Hand over that a connection's state is another, or its cause."""
        if self._on_status is not None:
            self._call(self._on_status, status)

    def end(self, error: BaseException | None = None) -> None:
        """End every iterator, with ``error`` if there is one."""
        for updates in self._update_streams:
            updates.end(error)
        for signals in self._signal_streams:
            signals.end(error)

    def dropped(self) -> int:
        """Records dropped by the bounds of iterators that are open."""
        return sum(s.dropped for s in self._update_streams) + sum(
            s.dropped for s in self._signal_streams
        )

    def _dispatch_updates(self, data: bytes) -> None:
        symbols = self._names.symbols
        for offset in range(0, len(data), UPDATE_BYTES):
            update = Update.from_bytes(data, offset, symbols)
            if self._on_update is not None:
                self._call(self._on_update, update)
            merge = data[offset + UPDATE_KIND_OFFSET] == KIND_BOOK
            for stream in self._update_streams:
                if merge:
                    stream.offer_latest(update.instrument, update)
                else:
                    stream.offer(update, update.instrument)

    def _dispatch_states(self, on_state: OnState, data: bytes) -> None:
        kinds = data[UPDATE_KIND_OFFSET::UPDATE_BYTES]
        index = kinds.find(KIND_STATE)
        while index >= 0:
            self._call(on_state, Update.from_bytes(data, index * UPDATE_BYTES, self._names))
            index = kinds.find(KIND_STATE, index + 1)

    def _dispatch_signals(self, batch: Batch) -> None:
        for signal in records.signals(batch, self._names):
            if self._on_signal is not None:
                self._call(self._on_signal, signal)
            for stream in self._signal_streams:
                stream.offer(signal)

    def _call(self, callback: Callable[[T], object], argument: T) -> None:
        try:
            callback(argument)
        except (KeyboardInterrupt, SystemExit) as error:
            raise_from_loop(error)
        except BaseException as error:  # a callback must not be able to stop the feed
            self.callback_errors += 1
            _log.warning(
                "callback", "a callback raised:\n%s", "".join(traceback.format_exception(error))
            )


def _forget(streams: list[Stream[T]], stream: Stream[T]) -> None:
    if stream in streams:
        streams.remove(stream)
