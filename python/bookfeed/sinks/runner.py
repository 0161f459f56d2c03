"""One sink at work: its queue, its calls, its counts. A thread for plain ones, a task for others.

Whatever a sink does, the feed does not notice: an error is counted and logged and the next batch
comes, after some in a row a little later each time; a call that never returns keeps its own thread
or task and nothing else, and when the feed is closed it is left behind.
"""

import asyncio
import contextlib
import inspect
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from bookfeed._bookfeed import Batch
from bookfeed.log import RateLimitedLog
from bookfeed.names import Names
from bookfeed.sinks.base import Beating, NotTaken, Sink, SinkOptions, SinkState, SinkStatus
from bookfeed.sinks.policies import Queue, WouldBlock, queue_for
from bookfeed.threads import begin, in_a_thread

# Failures in a row before a sink is left alone for a while, and how long: doubled each time.
FAILURES_IN_A_ROW: Final = 3
BACKOFF_MIN_S: Final = 0.1
BACKOFF_MAX_S: Final = 30.0
# How long between two offers of a batch to a sink that does not take it, while the feed closes.
ASKED_AGAIN_S: Final = 0.05
# Of the time for closing, what may go to writing what waits; the rest is for `close` itself.
DRAIN_PART: Final = 0.75

_logger: Final = logging.getLogger("bookfeed.sinks")


class Runner(ABC):
    """Takes from a queue what waits for a sink and hands it over."""

    def __init__(
        self,
        sink: Sink,
        options: SinkOptions,
        name: str,
        tell: Callable[[], None],
        backoff_max_s: float,
    ) -> None:
        self._tell: Final = tell
        self._log: Final = RateLimitedLog(_logger)
        self._sink: Final = sink
        self._backoff_max_s: Final = backoff_max_s
        self.options: Final = options
        self.name: Final = name
        self.queue: Final[Queue] = queue_for(options, name)
        self._state: SinkState = "opening"
        self._written = 0
        self._lost = 0
        self._errors = 0
        self._error = ""
        self._in_a_row = 0
        self._drain_until_s: float | None = None
        self._dropped_said = 0
        # Guards the counts once the sink may be left behind: a call that returns after that must
        # not change them any more.
        self._counting: Final = threading.Lock()
        self._awaited = True
        self._beats: Final = sink if isinstance(sink, Beating) else None
        self._beat_due = False
        # A batch that the sink has not taken, and that comes before all that waits.
        self._held: Batch | None = None
        # Whether the sink has a batch that it has not written, or has to be offered one again.
        self._in_hand = False
        self.opened = False
        self.ended = False
        self.refusal: BaseException | None = None
        """What ``open`` raised while the feed waited for it."""

    @abstractmethod
    def start(self, names: Names) -> None:
        """Begin: open the sink, then write until told to stop."""

    @abstractmethod
    def wake(self) -> None:
        """Say that records wait."""

    def beat(self) -> None:
        """Have the sink do what is due, if it ever has something to do between records."""
        if self._beats is not None:
            self._beat_due = True
            self.wake()

    def stop(self) -> None:
        """Say that no more records will come: write what waits, then close."""
        if self._drain_until_s is None:
            drain_s = self.options.close_timeout_s * DRAIN_PART
            self._drain_until_s = time.monotonic() + drain_s
            self.wake()

    def abandon(self) -> None:
        """Leave the sink behind if it has not ended; what waits is counted as dropped."""
        with self._counting:
            if self._state in ("closed", "abandoned"):
                return
            self._state = "abandoned"
            left = self._give_up()
            self.ended = True
        text = "sink %s did not close within %g s and is left behind; %d records are dropped"
        _logger.error(text, self.name, self.options.close_timeout_s, left)

    def complain(self) -> None:
        """Log that records are dropped, if more were since the last time."""
        dropped = self.queue.dropped
        if dropped > self._dropped_said:
            self._dropped_said = dropped
            text = "sink %s does not keep up: %d records are dropped so far"
            self._log.warning("full", text, self.name, dropped)

    def wait_no_longer(self) -> None:
        """Say that nobody waits for ``open`` any more; if it fails now it is tried again."""
        with self._counting:
            self._awaited = False

    @property
    def stopping(self) -> bool:
        """Whether no more records will come."""
        return self._drain_until_s is not None

    @property
    def queued(self) -> int:
        """Records that wait or are being written."""
        queue = self.queue
        done = self._written + self._lost
        return queue.received - queue.conflated - queue.dropped - done

    def status(self) -> SinkStatus:
        """How the sink is doing."""
        with self._counting:
            queue = self.queue
            # Read once: other threads go on counting.
            received = queue.received
            dropped, conflated = queue.dropped + self._lost, queue.conflated
            queued = received - self._written - dropped - conflated
            return SinkStatus(
                name=self.name,
                state=self._state,
                received=received,
                written=self._written,
                dropped=dropped,
                conflated=conflated,
                spilled=queue.spilled,
                errors=self._errors + queue.disk_errors,
                queued=queued,
                lag_s=self._lag_s() if queued else 0.0,
                spill_bytes=queue.spill_bytes,
                error=self._error,
            )

    def _lag_s(self) -> float:
        """For how long the oldest record waits, that which is being written included."""
        queue = self.queue
        in_hand = queue.taken_s if self._in_hand else None
        oldest_s = queue.oldest_s if in_hand is None else in_hand
        return 0.0 if oldest_s is None else max(time.monotonic() - oldest_s, 0.0)

    # What both kinds of runner do around the calls.

    def _call_failed(self, call: str, error: BaseException, lost: int = 0) -> None:
        with self._counting:
            if self._state == "abandoned":
                return
            self._errors += 1
            self._lost += lost
            self._in_a_row += 1
            self._error = f"{call}: {type(error).__name__}: {error}"
            self._state = "failing"
        text = "sink %s: %s raised, %d records are dropped: %s: %s"
        self._log.warning(call, text, self.name, call, lost, type(error).__name__, error)

    def _wrote(self, count: int) -> None:
        with self._counting:
            if self._state == "abandoned":
                return
            self._written += count
            self._in_a_row = 0
            self._state = "running"

    def _was_opened(self) -> None:
        with self._counting:
            self.opened = True
            if self._state != "abandoned":
                self._state = "running"
                self._in_a_row = 0
        self._tell()

    def _was_refused(self, error: BaseException) -> bool:
        """Whether the feed hears of it that ``open`` failed; else it may be tried again."""
        with self._counting:
            if self._awaited:
                self.refusal = error
                self._state = "closed"
                self._give_up()
                self.ended = True
        if self.ended:
            self._tell()
            return True
        self._call_failed("open", error)
        return False

    def _has_closed(self) -> None:
        with self._counting:
            if self._state == "abandoned":
                return
            self._state = "closed"
            left = self._give_up()
            self.ended = True
        if left:
            text = "sink %s: %d records were not written in time and are dropped"
            _logger.warning(text, self.name, left)
        self._tell()

    def _give_up(self) -> int:
        """Count everything that waits as lost; how much it is."""
        left = self.queued
        self._lost += left
        self.queue.close()
        return left

    def _may_drain(self) -> bool:
        """Whether there is time to write what waits."""
        return self._drain_until_s is None or time.monotonic() < self._drain_until_s

    def _pause_s(self) -> float:
        """How long to leave a failing sink alone."""
        beyond = self._in_a_row - FAILURES_IN_A_ROW
        if beyond < 0:
            return 0.0
        return float(min(BACKOFF_MIN_S * 2.0 ** min(beyond, 20), self._backoff_max_s))


class ThreadRunner(Runner):
    """A sink whose methods are plain: all are called in a daemon thread of its own."""

    def __init__(
        self,
        sink: Sink,
        options: SinkOptions,
        name: str,
        tell: Callable[[], None],
        *,
        backoff_max_s: float = BACKOFF_MAX_S,
    ) -> None:
        super().__init__(sink, options, name, tell, backoff_max_s)
        self._wakeup: Final = threading.Event()
        self._stopped = threading.Event()

    def start(self, names: Names) -> None:
        """Begin in a new thread."""
        try:
            begin(lambda: self._run(names), f"bookfeed-sink-{self.name}")
        except OSError as error:
            if not self._was_refused(error):
                self._has_closed()

    def wake(self) -> None:
        """Say that records wait."""
        self._wakeup.set()

    def stop(self) -> None:
        """Say that no more records will come: write what waits, then close."""
        super().stop()
        self._stopped.set()

    def _run(self, names: Names) -> None:
        if self._open(names):
            while not self.stopping:
                self._wakeup.wait()
                self._wakeup.clear()
                self._write_all()
            self._write_all()
            try:
                self._called(self._sink.close())
            except BaseException as error:
                self._call_failed("close", error)
        self._has_closed()

    def _open(self, names: Names) -> bool:
        while not self.stopping:
            try:
                self.queue.open()
                self._called(self._sink.open(names))
            except BaseException as error:  # whatever it is, a thread must not swallow it
                if self._was_refused(error):
                    return False
                self._leave_alone()
            else:
                self._was_opened()
                return True
        return False

    def _write_all(self) -> None:
        self._beat_if_due()
        while self._may_drain() and (batch := self._held or self.queue.take()) is not None:
            if self._state == "abandoned":  # while a disk was slow
                return
            self._held, self._in_hand = None, True
            try:
                self._called(self._sink.write(batch))
            except NotTaken as error:
                self._held = batch
                self._call_failed("write", error)
                self._leave_alone()
            except BaseException as error:
                self._in_hand = False
                self._call_failed("write", error, len(batch))
                self._leave_alone()
            else:
                self._in_hand = False
                self._wrote(len(batch))
                # A sink that is behind would keep the interpreter from the loop.
                time.sleep(0)
            self._beat_if_due()

    def _beat_if_due(self) -> None:
        if self._beats is None or not self._beat_due or self._state == "abandoned":
            return
        self._beat_due = False
        try:
            self._called(self._beats.beat())
        except BaseException as error:
            self._call_failed("beat", error)
            self._leave_alone()
        else:
            self._wrote(0)

    def _leave_alone(self) -> None:
        if self._held is not None and self.stopping:
            # Until there is no time left it is asked again and again, but not without a pause.
            time.sleep(ASKED_AGAIN_S)
        self._stopped.wait(self._pause_s())

    def _called(self, result: object) -> None:
        if result is not None and inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            kind = type(self._sink).__name__
            raise TypeError(f"{kind} returned an awaitable: make its methods `async def`")


class TaskRunner(Runner):
    """A sink whose methods are ``async def``: a task on the running loop."""

    def __init__(
        self, sink: Sink, options: SinkOptions, name: str, tell: Callable[[], None]
    ) -> None:
        super().__init__(sink, options, name, tell, BACKOFF_MAX_S)
        self._wakeup: Final = asyncio.Event()
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, names: Names) -> None:
        """Begin in a new task."""
        self._task = asyncio.create_task(self._run(names), name=f"bookfeed-sink-{self.name}")

    def wake(self) -> None:
        """Say that records wait."""
        self._wakeup.set()

    def stop(self) -> None:
        """Say that no more records will come: write what waits, then close."""
        super().stop()
        self._stopped.set()

    def abandon(self) -> None:
        """Leave the sink behind if it has not ended, and cancel what it is doing."""
        super().abandon()
        if self._task is not None:
            self._task.cancel()

    async def _run(self, names: Names) -> None:
        if await self._open(names):
            while not self.stopping:
                await self._wakeup.wait()
                self._wakeup.clear()
                await self._write_all()
            await self._write_all()
            try:
                await _awaited(self._sink.close())
            except BaseException as error:
                self._raise_ours(error)
                self._call_failed("close", error)
        self._has_closed()

    async def _open(self, names: Names) -> bool:
        while not self.stopping:
            try:
                await asyncio.wrap_future(in_a_thread(self.queue.open, "bookfeed-disk"))
                await _awaited(self._sink.open(names))
            except BaseException as error:
                self._raise_ours(error)
                if self._was_refused(error):
                    return False
                await self._leave_alone()
            else:
                self._was_opened()
                return True
        return False

    async def _write_all(self) -> None:
        await self._beat_if_due()
        while self._may_drain() and (batch := self._held or await self._take()) is not None:
            self._held, self._in_hand = None, True
            try:
                await _awaited(self._sink.write(batch))
            except NotTaken as error:
                self._held = batch
                self._call_failed("write", error)
                await self._leave_alone()
            except BaseException as error:
                self._raise_ours(error)
                self._in_hand = False
                self._call_failed("write", error, len(batch))
                await self._leave_alone()
            else:
                self._in_hand = False
                self._wrote(len(batch))
                # One that never waits for anything would keep the loop to itself.
                await asyncio.sleep(0)
            await self._beat_if_due()

    async def _beat_if_due(self) -> None:
        if self._beats is None or not self._beat_due:
            return
        self._beat_due = False
        try:
            await _awaited(self._beats.beat())
        except BaseException as error:
            self._raise_ours(error)
            self._call_failed("beat", error)
            await self._leave_alone()
        else:
            self._wrote(0)

    def _raise_ours(self, error: BaseException) -> None:
        """Raise what is not about the sink: the task is cancelled, or the process shall end.

        A ``CancelledError`` may also come out of something that the sink waited for.
        """
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        if isinstance(error, asyncio.CancelledError) and self._task and self._task.cancelling():
            raise error

    async def _take(self) -> Batch | None:
        try:
            return self.queue.take(block=False)
        except WouldBlock:
            return await asyncio.wrap_future(in_a_thread(self.queue.take, "bookfeed-disk"))

    async def _leave_alone(self) -> None:
        if self._held is not None and self.stopping:
            await asyncio.sleep(ASKED_AGAIN_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s()):
                await self._stopped.wait()


async def _awaited(result: Any) -> None:
    if inspect.isawaitable(result):
        await result
