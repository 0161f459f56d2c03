"""What waits for a sink, and who makes room when it is too much: one class a policy.

The feed's loop calls ``put``; the sink's own thread, or its task, calls ``take``. ``put`` appends
to a deque, which needs no lock, and counts; only where more than ``queue_max`` records would wait
does it do more. Every count has one writer, or is changed under the lock.

A queue is two, one behind the other: older records, which the policy has dealt with, and
``_fresh``, the batches as they came.
"""

import contextlib
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final

from bookfeed._bookfeed import Batch
from bookfeed.log import RateLimitedLog
from bookfeed.sinks.base import SinkOptions
from bookfeed.sinks.batches import EMPTY, conflated, join, merged, without_oldest
from bookfeed.sinks.spill import SpillFile
from bookfeed.threads import begin

# As many fresh records are handed to a sink at once, or moved to disk, about.
PIECE: Final = 4_096
# Conflating fewer records at once than this costs more than it gains.
FOLD_MIN: Final = 512
# Parts of a queue: at most this much is conflated at once, and this much is dropped at once, so
# that a full queue does not mean work with every batch.
FOLD_PART: Final = 4
DROP_PART: Final = 64
# How long a disk that is full is left alone.
DISK_FULL_S: Final = 0.1


class WouldBlock(Exception):
    """The records that come next are on disk, or on their way there."""


class Queue(ABC):
    """Records that wait; ``put`` from one thread, ``take`` from another."""

    _disk_may_block = False

    def __init__(self, queue_max: int) -> None:
        self._closed = False
        self._queue_max: Final = queue_max
        # Each with when it came.
        self._fresh: Final[deque[tuple[Batch, float]]] = deque()
        # Held while older records are set aside: until that is done nobody may take newer ones.
        self._lock: Final = threading.Lock()
        self._taken = 0
        self._dropped = 0
        self.received = 0
        self.conflated = 0
        """Book updates left out because a newer one of the same instrument was waiting."""
        self.spilled = 0
        """Records that went by way of the disk."""
        self.spill_bytes = 0
        """Bytes that wait on disk."""
        self.disk_errors = 0
        """Failures of the disk."""
        self.taken_s: float | None = None
        """When the oldest of the records came that ``take`` returned last; monotonic."""
        # The same of those that the policy has dealt with, while there are any.
        self._older_s: float | None = None

    def open(self) -> None:  # noqa: B027 - most need nothing
        """Get ready. Raises ``OSError`` if a disk is needed and cannot be used."""

    def close(self) -> None:
        """Let go of everything that waits; what still comes is counted as dropped."""
        self._closed = True
        self._fresh.clear()
        self._older_s = None

    @property
    def oldest_s(self) -> float | None:
        """When the oldest record came that waits; monotonic, ``None`` if none does."""
        # The sink's thread may take what is looked at: then the next that is there is as good.
        with contextlib.suppress(IndexError):
            older_s = self._older_s
            return self._fresh[0][1] if older_s is None else older_s
        return None

    @property
    def dropped(self) -> int:
        """Records for which there was no room."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Records that wait, wherever."""
        return self.received - self.conflated - self.dropped - self._taken

    @property
    def in_memory(self) -> int:
        """Records that wait in memory."""
        return self.waiting

    def put(self, batch: Batch, *, bounded: bool = True) -> None:
        """Add a batch; never blocks, and leaves at most ``queue_max`` records in memory.

        Unless it need not be ``bounded``: then nothing is left out.
        """
        self.received += len(batch)
        if self._closed:
            self._dropped += len(batch)
        elif bounded and self.in_memory > self._queue_max:
            self._put_full(batch)
        else:
            self._fresh.append((batch, time.monotonic()))

    @abstractmethod
    def _put_full(self, batch: Batch) -> None:
        """Add a batch, which has been counted, although there is no room."""

    def take(self, *, block: bool = True) -> Batch | None:
        """Take the oldest records out; ``None`` if there are none.

        Raises ``WouldBlock`` instead of waiting for a disk if ``block`` is false.
        """
        if not self._lock.acquire(blocking=block or not self._disk_may_block):
            raise WouldBlock
        try:
            if not block and self._disk_may_block and self.in_memory < self.waiting:
                raise WouldBlock
            older_s = self._older_s
            older = self._pop_older()
            batches, self.taken_s = (older, older_s) if older else self._pop_fresh(PIECE)
            self._taken += sum(map(len, batches))
        finally:
            self._lock.release()
        if not batches:
            return None
        return merged(batches) if older else join(batches)

    def _pop_older(self) -> list[Batch]:
        """Take out what the policy has dealt with, or some of it."""
        return []

    def _pop_fresh(self, count: int) -> tuple[list[Batch], float | None]:
        """Take out batches as they came, until there are ``count`` records.

        Returns also when the first of them came.
        """
        batches: list[Batch] = []
        first_s: float | None = None
        # `close` may empty the deque at any time, so looking first proves nothing.
        with contextlib.suppress(IndexError):
            while count > 0:
                batch, came_s = self._fresh.popleft()
                first_s = came_s if first_s is None else first_s
                batches.append(batch)
                count -= len(batch)
        return batches, first_s


class DropOldest(Queue):
    """Whole records are dropped, the oldest first."""

    def _put_full(self, batch: Batch) -> None:
        with self._lock:
            self._fresh.append((batch, time.monotonic()))
            while (surplus := self.waiting - self._queue_max) > 0:
                oldest, came_s = self._fresh.popleft()
                self._dropped += len(oldest)
                if len(oldest) > surplus + self._queue_max // DROP_PART:
                    rest = without_oldest(oldest, surplus)
                    self._fresh.appendleft((rest, came_s))
                    self._dropped -= len(rest)


class Conflate(Queue):
    """Of the books of an instrument the newest is kept; the rest until it alone is too much."""

    def __init__(self, queue_max: int) -> None:
        super().__init__(queue_max)
        self._books = EMPTY
        self._others: Final[deque[Batch]] = deque()
        # Records in both.
        self._older = 0

    def _put_full(self, batch: Batch) -> None:
        with self._lock:
            self._fresh.append((batch, time.monotonic()))
            while (surplus := self.waiting - self._queue_max) > 0:
                # As many at once as there are books set aside already, so that those are not
                # looked at more often than what is new.
                piece = min(max(FOLD_MIN, len(self._books)), self._queue_max // FOLD_PART)
                fresh = self.waiting - self._older
                if fresh >= max(piece, 1) or (fresh and not self._others):
                    self._fold(max(piece, 1))
                else:
                    self._drop(max(surplus, self._queue_max // DROP_PART))

    def _fold(self, count: int) -> None:
        fresh, came_s = self._pop_fresh(count)
        self._older_s = came_s if self._older_s is None else self._older_s
        left = conflated([self._books, *fresh])
        self.conflated += left.left_out
        self._older += sum(map(len, fresh)) - left.left_out
        self._books = left.books
        if len(left.others):
            self._others.append(left.others)

    def _drop(self, count: int) -> None:
        """Drop the oldest records that are no books; books only where nothing else is left."""
        if self._others:
            oldest = self._others.popleft()
            rest = without_oldest(oldest, count)
            if len(rest):
                self._others.appendleft(rest)
        else:
            oldest = self._books
            self._books = rest = without_oldest(oldest, count)
        self._older -= len(oldest) - len(rest)
        self._dropped += len(oldest) - len(rest)
        if not self._older:
            self._older_s = None

    def _pop_older(self) -> list[Batch]:
        older = [*self._others, self._books] if self._older else []
        self._others.clear()
        self._books = EMPTY
        self._older = 0
        self._older_s = None
        return older

    def close(self) -> None:
        """Let go of everything that waits; what still comes is counted as dropped."""
        super().close()
        with self._lock:
            self._pop_older()


class Spill(Queue):
    """Records wait on disk when more than half of what may wait in memory does.

    What is on disk is older than what is in memory. A thread of its own moves records there, so
    that neither a slow disk nor a full one is met by anybody but that thread and the sink.
    """

    _disk_may_block = True

    def __init__(self, queue_max: int, open_file: Callable[[], SpillFile], name: str) -> None:
        super().__init__(queue_max)
        self._open_file: Final = open_file
        self._name: Final = name
        self._log: Final = RateLimitedLog(logging.getLogger("bookfeed.sinks"))
        self._file: SpillFile | None = None
        self._wake: Final = threading.Event()
        self._called = False
        # Changed by `put` alone, unlike `_dropped`, which is changed under the lock.
        self._refused = 0
        self._on_disk = 0
        # When the oldest record came of each batch on disk.
        self._came_s: Final[deque[float]] = deque()

    def open(self) -> None:
        """Make the file and start the thread; ``OSError`` if either cannot be had."""
        if self._file is not None:
            return
        self._file = self._open_file()
        begin(self._move_all, f"bookfeed-spill-{self._name}")

    @property
    def dropped(self) -> int:
        """Records for which there was no room, and those that the disk did not give back."""
        return self._dropped + self._refused

    @property
    def in_memory(self) -> int:
        """Records that wait in memory."""
        return self.waiting - self._on_disk

    def put(self, batch: Batch, *, bounded: bool = True) -> None:
        """Add a batch; never blocks, and leaves at most ``queue_max`` records in memory.

        Unless it need not be ``bounded``: then nothing is left out.
        """
        super().put(batch, bounded=bounded)
        if not self._called and self.in_memory > self._queue_max // 2:
            self._called = True
            self._wake.set()

    def _put_full(self, batch: Batch) -> None:
        self._refused += len(batch)

    def _pop_older(self) -> list[Batch]:
        while self._file is not None and self._on_disk:
            batch: Batch | None = None
            try:
                batch = self._file.read()
            except OSError as error:
                records = self._file.skip()
                if not self._closed:  # else it is counted already
                    self._dropped += records
                self._failed("records on disk cannot be read and are dropped", error)
            self._on_disk, self.spill_bytes = self._file.records, self._file.bytes
            self._came_s.popleft()
            self._older_s = self._came_s[0] if self._came_s else None
            if batch is not None:
                return [batch]
        return []

    def _move_all(self) -> None:
        """The thread: moves records to disk whenever it is called."""
        while self._wake.wait() and not self._closed:
            self._wake.clear()
            self._called = False
            while self.in_memory > self._queue_max // 2 and not self._closed:
                if not self._move():
                    # What is too much for the memory as well is dropped by `put`.
                    time.sleep(DISK_FULL_S)
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def _move(self) -> bool:
        """Move the oldest records that are in memory; false if the disk does not take them."""
        with self._lock:
            piece = min(PIECE, max(self._queue_max // FOLD_PART, 1))
            batches, came_s = self._pop_fresh(piece)
            if not batches or came_s is None or self._file is None:
                return False
            batch = join(batches)
            try:
                moved = self._file.write(batch)
            except OSError as error:
                self._failed("records cannot be put on disk and wait in memory", error)
                moved = False
            if not moved:
                self._fresh.appendleft((batch, came_s))
                return False
            self._came_s.append(came_s)
            self._older_s = self._came_s[0]
            self.spilled += len(batch)
            self._on_disk, self.spill_bytes = self._file.records, self._file.bytes
            return True

    def _failed(self, what: str, error: OSError) -> None:
        self.disk_errors += 1
        why = error.strerror or error
        self._log.warning(what, "sink %s: %s: %s", self._name, what, why)

    def close(self) -> None:
        """Let go of everything; the thread gives up the file when the disk lets it."""
        super().close()
        self._wake.set()


def queue_for(options: SinkOptions, name: str) -> Queue:
    """The queue that ``options`` ask for."""
    if options.full == "drop_oldest":
        return DropOldest(options.queue_max)
    if options.full == "conflate":
        return Conflate(options.queue_max)

    def open_file() -> SpillFile:
        return SpillFile(options.spill_dir, options.spill_bytes_max)

    return Spill(options.queue_max, open_file, name)
