"""``LoopThread``: an event loop on a thread of its own, and how other threads have work done there.

What is called from the loop's own thread, such as by a listener, is done at once; what would have
to wait there for the loop itself is refused.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from bookfeed.errors import SessionError
from bookfeed.loops import new_event_loop
from bookfeed.threads import begin

T = TypeVar("T")

JOIN_TIMEOUT_S: Final = 2.0
"""How long an end waits for what the loop is at."""


class LoopThread:
    """An event loop that runs on a daemon thread from ``start`` to ``stop``."""

    def __init__(self, name: str) -> None:
        self._name: Final = name
        self._loop: Final = new_event_loop()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin to run; ``OSError`` if the system gives no thread."""
        self._thread = begin(self._run, self._name)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            _cancel_all(self._loop)
            self._loop.close()

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._thread is not None and not self._stopped

    @property
    def here(self) -> bool:
        """Whether the caller is the loop's own thread."""
        return self._thread is threading.current_thread()

    def call(self, work: Callable[[], T]) -> T:
        """Have ``work`` done in the loop's thread; returns and raises what it does.

        Before the loop runs and after its end it is done where it is asked for: nobody else is at
        it then.
        """
        if self.here or not self.running:
            return work()
        done: Future[T] = Future()

        def do() -> None:
            try:
                result = work()
            except BaseException as error:  # it belongs to whoever waits
                done.set_exception(error)
            else:
                done.set_result(result)

        try:
            self._loop.call_soon_threadsafe(do)
        except RuntimeError:  # the loop has ended just now
            return work()
        return self._waited(done)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the loop and wait for it; returns and raises what it does.

        An interrupt of the waiting thread cancels it. Raises ``SessionError`` in the loop's own
        thread, which would wait for itself, and where the loop does not run.
        """
        if self.here:
            work.close()
            raise SessionError(
                "a callback in the feed's thread would wait for itself: "
                "have another thread ask, or `await` in an async callback"
            )
        if not self.running:
            work.close()
            raise SessionError("the feed is not open: open it with `with feed`, or open()")
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return self._waited(done)
        except BaseException:
            done.cancel()
            raise

    def begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Have ``work`` run on the loop, in the loop's own thread, without waiting for it."""
        self._loop.create_task(work)

    def stop(self) -> None:
        """End the loop, and wait until it has; safe to call again."""
        if self._stopped:
            return
        self._stopped = True
        if self._thread is None:
            self._loop.close()
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        if not self.here:
            self._thread.join(JOIN_TIMEOUT_S)

    def _waited(self, done: "Future[T]") -> T:
        """What comes of it; ``SessionError`` if the loop ends before."""
        thread = self._thread
        while thread is not None and thread.is_alive():
            try:
                return done.result(timeout=1.0)
            except TimeoutError:
                if done.done():
                    raise
        if done.done():
            return done.result()
        raise SessionError("the feed was closed")


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """End what still runs, so that whoever waits for it hears of the end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
