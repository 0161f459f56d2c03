"""``Stream``: records one after another, for a thread that waits for them.

The queue is that of the feed's own streams (``bookfeed.dispatch.streams``): bounded, the newest of
each book for a reader who is slow, and ``Lagged`` once for what was dropped.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from bookfeed.dispatch import streams
from bookfeed.sync.thread import LoopThread

T = TypeVar("T")

READ_MAX: Final = 256
"""So many records are taken over at once; until they are read, newer ones do not replace them."""


class Stream(Iterator[T], Generic[T]):
    """An iterator over records; made by ``bookfeed.sync.Feed``.

    It waits for the next record, ends when the feed is closed, and raises what made the feed fail.
    Several threads may read one stream: each record goes to one of them. Leaving ``for`` by
    ``break`` is enough to end it; as a context manager it ends at once.
    """

    def __init__(self, thread: LoopThread, stream: streams.Stream[T]) -> None:
        self._thread: Final = thread
        self._stream: Final = stream
        self._taken: Final[deque[T]] = deque()
        self._reading: Final = threading.Lock()

    def __next__(self) -> T:
        with self._reading:
            if not self._taken:
                self._take(None)
            if not self._taken:
                raise StopIteration
            return self._taken.popleft()

    def read(self, timeout_s: float) -> T | None:
        """Return the next record, or ``None`` if none comes within ``timeout_s`` seconds.

        ``ended`` says whether one will ever come. Raises as iterating does: ``Lagged``, and what
        made the feed fail.
        """
        if not self._reading.acquire(timeout=max(timeout_s, 0.0)):
            return None
        try:
            if not self._taken:
                self._take(timeout_s)
            return self._taken.popleft() if self._taken else None
        finally:
            self._reading.release()

    def drain(self) -> list[T]:
        """Return what waits, oldest first; never waits itself. Raises as ``read`` does."""
        with self._reading:
            found = list(self._taken)
            self._taken.clear()
            return found or self._thread.call(self._stream.drain)

    @property
    def ended(self) -> bool:
        """Whether no more will come; what waits can still be read."""
        return self._stream.ended

    @property
    def conflated(self) -> int:
        """How many book updates were replaced by newer ones before they were read."""
        return self._stream.conflated

    @property
    def dropped(self) -> int:
        """How many other records were dropped because too many waited."""
        return self._stream.dropped

    def close(self) -> None:
        """Stop receiving, and drop what waits; safe to call again."""
        self._taken.clear()
        self._thread.call(self._stream.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self, timeout_s: float | None) -> None:
        """Take over what waits, or wait for one; nothing if the stream has ended."""
        if self._stream.ended:
            self._taken.extend(self._thread.call(self._drained))
        else:
            self._taken.extend(self._thread.run(_some(self._stream, timeout_s)))

    def _drained(self) -> list[T]:
        return self._stream.drain(READ_MAX)


async def _some(stream: streams.Stream[T], timeout_s: float | None) -> list[T]:
    """What waits, or the next one that comes, or nothing if the time is up or the stream ends."""
    if found := stream.drain(READ_MAX):
        return found
    try:
        async with asyncio.timeout(timeout_s):
            return [await anext(stream)]
    except (TimeoutError, StopAsyncIteration):
        return []
