"""The sinks of a feed or a replay: opened together, handed every batch, closed together.

A feed must not wait for its sinks: ``open``, ``write`` and ``close`` run on its loop, and what a
sink cannot take is dealt with by its policy. A replay must not lose anything: ``open_waiting``,
``write_waiting`` and ``close_waiting`` need no loop and wait for the sinks instead.
"""

import asyncio
import contextlib
import errno
import inspect
import logging
import re
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from bookfeed._bookfeed import Batch, BookView, Engine
from bookfeed.errors import EngineError, SessionError
from bookfeed.loops import new_event_loop
from bookfeed.names import Names
from bookfeed.sinks.base import (
    Asking,
    Beating,
    BookReading,
    Sink,
    SinkOptions,
    SinkStatus,
    Source,
)
from bookfeed.sinks.policies import PIECE
from bookfeed.sinks.runner import Runner, TaskRunner, ThreadRunner

Given = Sink | tuple[Sink, SinkOptions]

# Records are gathered for this long before sinks are woken: to wake a thread costs the loop more
# than everything else that it does for a frame.
GATHER_S: Final = 0.005
# How far beats are apart.
BEAT_S: Final = 1.0
# How long opening a feed waits for its sinks to open.
OPEN_TIMEOUT_S: Final = 2.0
_NAP_S: Final = 0.001
# What to do about a path that cannot be opened.
_REMEDY: Final = {
    errno.ENOENT: "; make its directory first",
    errno.EISDIR: "; name a file in it",
    errno.ENOTDIR: "; a part of the path is a file",
}
_METHODS: Final = ("open", "write", "close")

_log: Final = logging.getLogger("bookfeed.sinks")


class SinkSet:
    """All sinks of one feed or replay.

    ``sinks`` are sinks, or pairs of a sink and its ``SinkOptions``; ``engine`` has the books for
    those that read some. Raises ``TypeError`` for what
    is no sink, ``ValueError`` for two of one name.
    """

    def __init__(self, sinks: Iterable[Given], names: Names, engine: Engine | None = None) -> None:
        self._names: Final = names
        self._sinks: Final = _named(sinks)
        for name, sink, _ in self._sinks:
            if isinstance(sink, BookReading):
                if engine is None:
                    raise TypeError(f"sink {name} reads books, and there are none here")
                sink.read_books(partial(_book, engine))
        self._runners: Final[list[Runner]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: Final = asyncio.Event()
        self._armed = False
        self._next_beat: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        """Return how many sinks there are."""
        return len(self._sinks)

    # For a feed.

    def attach(self, source: Source) -> None:
        """Say to those sinks that ask their feed whom to ask."""
        for _, sink, _ in self._sinks:
            if isinstance(sink, Asking):
                sink.attach(source)

    async def open(self) -> None:
        """Open all sinks; waits two seconds for them at most, and goes on without those that hang.

        Raises ``SessionError`` naming the sink if one cannot be opened; all are closed then.
        """
        if not self._sinks:
            return
        self._loop = asyncio.get_running_loop()
        for name, sink, options in self._sinks:
            kind = TaskRunner if inspect.iscoroutinefunction(sink.write) else ThreadRunner
            self._runners.append(kind(sink, options, name, self._tell))
        for runner in self._runners:
            runner.start(self._names)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                while self._opening():
                    await self._told()
        try:
            self._check_opened()
        except SessionError:
            await self.close()
            raise
        if any(isinstance(sink, Beating) for _, sink, _ in self._sinks):
            self._next_beat = self._loop.call_later(BEAT_S, self._beat)

    def write(self, batch: Batch) -> None:
        """Hand a batch to every sink's queue; never blocks, never raises."""
        if self._closed or not self._runners:
            return
        for runner in self._runners:
            runner.queue.put(batch)
        if not self._armed and self._loop is not None:
            self._armed = True
            self._loop.call_later(GATHER_S, self._wake)

    async def close(self) -> None:
        """Have what waits written and close all sinks; each has its ``close_timeout_s``.

        One that hangs is left behind, which is logged. Safe to call again.
        """
        ends = self._stop()
        try:
            for end_s, runner in ends:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(end_s - time.monotonic()):
                        while not runner.ended:
                            await self._told()
                runner.abandon()
        finally:
            for _, runner in ends:
                runner.abandon()

    async def _told(self) -> None:
        """Wait until a sink has opened or ended."""
        self._changed.clear()
        await self._changed.wait()

    def _tell(self) -> None:
        # A sink that was left behind may end after the loop has.
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._changed.set)

    # For a replay.

    def open_waiting(self) -> None:
        """Open all sinks and wait for them, as long as it takes; ``async def`` ones get a loop.

        Raises ``SessionError`` naming the sink if one cannot be opened; all are closed then.
        """
        for name, sink, options in self._sinks:
            whole: Sink = _OwnLoop(sink) if inspect.iscoroutinefunction(sink.write) else sink
            self._runners.append(ThreadRunner(whole, options, name, self._tell, backoff_max_s=0.0))
        for runner in self._runners:
            runner.start(self._names)
        while self._opening():
            time.sleep(_NAP_S)
        try:
            self._check_opened()
        except SessionError:
            self.close_waiting()
            raise

    def write_waiting(self, batch: Batch) -> None:
        """Hand a batch to every sink's queue as soon as there is room: nothing is left out."""
        for runner in self._runners:
            queue, queue_max = runner.queue, runner.options.queue_max
            while queue.waiting and queue.waiting + len(batch) > queue_max:
                runner.wake()
                time.sleep(_NAP_S)
            # One that is larger than the bound has the queue to itself.
            queue.put(batch, bounded=False)
            if queue.waiting >= min(PIECE, queue_max):
                runner.wake()

    def close_waiting(self) -> None:
        """Wait until what is queued is written, then close all sinks as ``close`` does."""
        for runner in self._runners:
            while runner.queued and not runner.ended:
                runner.wake()
                time.sleep(_NAP_S)
        for end_s, runner in self._stop():
            while not runner.ended and time.monotonic() < end_s:
                time.sleep(_NAP_S)
            runner.abandon()

    # For both.

    def status(self) -> tuple[SinkStatus, ...]:
        """How each sink is doing, in the order in which they were given."""
        return tuple(runner.status() for runner in self._runners)

    def counters(self) -> dict[str, int]:
        """What is counted of each sink, as ``sink_<name>_<what>``."""
        counts: dict[str, int] = {}
        for status in self.status():
            for what in _COUNTED:
                counts[f"sink_{status.name}_{what}"] = getattr(status, what)
        return counts

    def _wake(self) -> None:
        self._armed = False
        for runner in self._runners:
            if runner.queue.waiting:
                runner.wake()
            runner.complain()

    def _beat(self) -> None:
        for runner in self._runners:
            runner.beat()
        if self._loop is not None:
            self._next_beat = self._loop.call_later(BEAT_S, self._beat)

    def _opening(self) -> bool:
        return not all(runner.opened or runner.ended for runner in self._runners)

    def _check_opened(self) -> None:
        for runner in self._runners:
            runner.wait_no_longer()
            if runner.refusal is not None:
                error = runner.refusal
                problem = f"{type(error).__name__}: {error}"
                if isinstance(error, OSError) and error.filename:
                    remedy = _REMEDY.get(error.errno or 0, "")
                    problem = f"{error.filename}: {error.strerror}{remedy}"
                raise SessionError(f"sink {runner.name} cannot be opened: {problem}") from error
            if not runner.opened:
                text = "sink %s is not open after %g s; the feed goes on, its records wait"
                _log.warning(text, runner.name, OPEN_TIMEOUT_S)

    def _stop(self) -> list[tuple[float, Runner]]:
        """Stop all sinks; each with the time at which it is left behind, the first one first."""
        self._closed = True
        if self._next_beat is not None:
            self._next_beat.cancel()
        now_s = time.monotonic()
        for runner in self._runners:
            runner.stop()
        ends = [(now_s + runner.options.close_timeout_s, runner) for runner in self._runners]
        return sorted(ends, key=lambda end: end[0])


_COUNTED: Final = (
    "received", "written", "dropped", "conflated", "spilled", "errors", "queued",
)  # fmt: skip


def _named(sinks: Iterable[Given]) -> list[tuple[str, Sink, SinkOptions]]:
    """Each sink with its options and a name of its own."""
    named: dict[str, tuple[Sink, SinkOptions]] = {}
    for given in sinks:
        sink, options = given if isinstance(given, tuple) else (given, SinkOptions())
        missing = [name for name in _METHODS if not callable(getattr(sink, name, None))]
        if missing:
            lacks = ", ".join(missing)
            raise TypeError(f"a sink has open, write and close; {sink!r} lacks {lacks}")
        name = options.name or _free(_name_of(sink), named)
        if name in named:
            raise ValueError(f"two sinks are called {name!r}; give one another SinkOptions.name")
        named[name] = (sink, options)
    return [(name, sink, options) for name, (sink, options) in named.items()]


def _name_of(sink: Sink) -> str:
    """``MySink`` is called ``my_sink``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(sink).__name__.strip("_"))
    return re.sub(r"[^a-z0-9_]", "_", words.lower())[:28] or "sink"


def _free(name: str, taken: dict[str, Any]) -> str:
    """``name``, or with a number behind it if it is taken."""
    number = 2
    free = name
    while free in taken:
        free = f"{name}_{number}"
        number += 1
    return free


def _book(engine: Engine, instrument: int) -> BookView | None:
    """A copy of a book of ``engine``; ``None`` if there is none of this number."""
    try:
        return engine.book(instrument).freeze()
    except EngineError:
        return None


class _OwnLoop:
    """An ``async def`` sink as a plain one, on a loop of its own."""

    def __init__(self, sink: Sink) -> None:
        self._sink: Final = sink
        self._runner: Final = asyncio.Runner(loop_factory=new_event_loop)

    def open(self, names: Names) -> None:
        """Open it."""
        self._runner.run(_result(self._sink.open(names)))

    def write(self, batch: Batch) -> None:
        """Have it write."""
        self._runner.run(_result(self._sink.write(batch)))

    def close(self) -> None:
        """Close it, and the loop."""
        try:
            self._runner.run(_result(self._sink.close()))
        finally:
            self._runner.close()


async def _result(result: Any) -> None:
    if inspect.isawaitable(result):
        await result
