"""``Stream``: an async iterator over records with a bounded queue, which a slow reader cannot grow.

* A waiting ``book`` update of an instrument is replaced by a newer one (latest wins, counted in
  ``conflated``). Any other record of the instrument carries the touch too and displaces it.
* Trades, states, tick sizes, resolutions and signals are never merged. When more of them wait
  than the bound allows, the oldest are dropped and the reader gets one ``Lagged`` error that says
  how many; it may go on reading after that.

So the records of one instrument always come in order; those of different instruments may not.

The dispatcher knows the queue alone. A stream that nobody refers to any more closes its queue, so
leaving ``async for`` by ``break`` is enough; a task that waits for the next record refers to it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final, Generic, Self, TypeVar

from bookfeed.errors import SessionError
from bookfeed.records import Update

QUEUE_MAX: Final = 65_536

T = TypeVar("T")


class Lagged(SessionError):
    """An iterator was too slow; ``missed`` records were dropped. Reading may go on."""

    def __init__(self, missed: int) -> None:
        super().__init__(f"{missed} records were dropped because they were not read in time")
        self.missed: Final = missed
        """How many records were dropped since the last such error, or since the beginning."""


class Queue(Generic[T]):
    """What waits for the reader of one stream; ``closed`` is told once the stream is."""

    def __init__(self, queue_max: int, closed: Callable[["Queue[T]"], object]) -> None:
        if queue_max < 1:
            raise ValueError(f"queue_max must be at least 1, not {queue_max}")
        self._queue_max: Final = queue_max
        self._on_closed: Final = closed
        self._loop = _running_loop()
        # Insertion order is delivery order. Books are keyed by instrument, all else by a
        # negative number of its own, so that only books can be found and replaced.
        self._waiting: dict[int, T] = {}
        self._kept: deque[int] = deque()
        self._next_key = -1
        self._missed = 0
        self._wakeup: asyncio.Future[None] | None = None
        # Closed, or about to be because nobody can read any more.
        self._left = False
        self.ended = False
        self.error: BaseException | None = None
        self.conflated = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return len(self._waiting)

    def take_latest(self, instrument: int, record: T) -> None:
        """Queue a record that replaces a waiting one of the same instrument."""
        if self._left:
            self.close()
            return
        if instrument in self._waiting:
            self.conflated += 1
        self._waiting[instrument] = record
        self._wake()

    def take(self, record: T, instrument: int | None = None) -> None:
        """Queue a record that must not be merged; it displaces the instrument's waiting book."""
        if self._left:
            self.close()
            return
        if instrument is not None and self._waiting.pop(instrument, None) is not None:
            self.conflated += 1
        if len(self._kept) == self._queue_max:
            del self._waiting[self._kept.popleft()]
            self._missed += 1
            self.dropped += 1
        self._waiting[self._next_key] = record
        self._kept.append(self._next_key)
        self._next_key -= 1
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """No more will come; what waits can still be read, then ``error`` is raised if given."""
        self.ended = True
        self.error = self.error or error
        self._wake()

    def close(self) -> None:
        """Drop what waits and take nothing more; safe to call again."""
        self._left = True
        self._on_closed(self)
        self._waiting.clear()
        self._kept.clear()
        self.end()

    def abandon(self) -> None:
        """Nobody can read any more; close soon.

        The garbage collector may say so on any thread and in the midst of anything, even of the
        dispatcher's own work. So it is done by the loop, or else when the next record comes.
        """
        if self._left:
            return
        self._left = True
        if self._loop is not None:
            # A loop that is closed will bring no record.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.close)

    def next(self) -> T | None:
        """Take the oldest record out, ``None`` if none waits.

        Raises ``Lagged`` if some were dropped since, and what ended the stream if it is empty.
        """
        if self._missed:
            missed, self._missed = self._missed, 0
            raise Lagged(missed)
        if self._waiting:
            key = next(iter(self._waiting))
            if key < 0:
                self._kept.popleft()
            return self._waiting.pop(key)
        if self.error is not None:
            raise self.error
        return None

    async def wait(self) -> None:
        """Wait until there may be something to take."""
        if self._wakeup is not None:
            raise SessionError("a stream can be read by one task at a time; make another one")
        self._loop = asyncio.get_running_loop()
        self._wakeup = self._loop.create_future()
        try:
            await self._wakeup
        finally:
            self._wakeup = None

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)


class Stream(AsyncIterator[T], Generic[T]):
    """An async iterator over records; made by ``Feed.updates`` and ``Feed.signals``.

    It ends when the feed is closed, and raises what made the feed fail. A reader that is too slow
    gets ``Lagged`` once and may go on. A stream to which nothing refers any more unsubscribes.
    """

    def __init__(self, queue: Queue[T]) -> None:
        self._queue: Final = queue

    def __del__(self) -> None:
        self._queue.abandon()

    @property
    def conflated(self) -> int:
        """How many book updates were replaced by newer ones before they were read."""
        return self._queue.conflated

    @property
    def dropped(self) -> int:
        """How many other records were dropped because too many waited."""
        return self._queue.dropped

    @property
    def ended(self) -> bool:
        """Whether no more will come; what waits can still be read."""
        return self._queue.ended

    def end(self, error: BaseException | None = None) -> None:
        """No more will come; what waits can still be read, then ``error`` is raised if given."""
        self._queue.end(error)

    def close(self) -> None:
        """Stop receiving, and drop what waits; safe to call again."""
        self._queue.close()

    def drain(self, max_items: int | None = None) -> list[T]:
        """Return what waits, oldest first, at most ``max_items``; never waits itself.

        An empty list means that nothing waits, or that the stream has ``ended``. Raises as reading
        does: ``Lagged`` if records were dropped, and what made the feed fail once all is read.
        ``ValueError`` if ``max_items`` is below 1.
        """
        if max_items is not None and max_items < 1:
            raise ValueError(f"max_items must be at least 1, not {max_items}")
        found: list[T] = []
        record = self._queue.next()
        while record is not None:
            found.append(record)
            if len(found) == max_items or not self._queue.waiting:
                break
            record = self._queue.next()
        return found

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            record = self._queue.next()
            if record is not None:
                return record
            if self._queue.ended:
                raise StopAsyncIteration
            await self._queue.wait()


def update_taker(queue: Queue[Update]) -> Callable[[Update], None]:
    """Return how updates go into a queue: books are merged, nothing else is."""

    def take(update: Update) -> None:
        if update.kind == "book":
            queue.take_latest(update.instrument, update)
        else:
            queue.take(update, update.instrument)

    return take


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
