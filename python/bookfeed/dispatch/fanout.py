"""``FanOut``: who hears of events that are no records; listeners and bounded iterators.

None of them holds up another.
"""

import logging
import traceback
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from bookfeed.dispatch.listeners import Listener
from bookfeed.dispatch.streams import Queue, Stream
from bookfeed.dispatch.takers import Takers
from bookfeed.log import RateLimitedLog

T = TypeVar("T")


class FanOut(Generic[T]):
    """Hands events to everybody who asked for them by the method ``called``; ``log`` hears of
    callbacks that raise.
    """

    def __init__(self, called: str, log: logging.Logger) -> None:
        self._called: Final = called
        self._log: Final = RateLimitedLog(log)
        self._takers: Final[Takers[T]] = Takers()
        self._ended = False
        self.callback_errors = 0

    def add(self, callback: Callable[[T], object]) -> Listener:
        """Hand events to ``callback``."""
        listener = Listener(callback, self._called, failed=self._failed, closed=self._left)
        self._takers.add(listener, listener.deliver)
        return listener

    def stream(self, queue_max: int) -> Stream[T]:
        """Return a new iterator over events from now on."""
        queue: Queue[T] = Queue(queue_max, self._left)
        self._takers.add(queue, queue.take)
        stream = Stream(queue)
        if self._ended:
            stream.end()
        return stream

    def deliver(self, event: T) -> None:
        """Hand over one event; never raises because of a callback."""
        for take in self._takers.takes:
            take(event)

    def end(self, error: BaseException | None = None) -> None:
        """No more will come; iterators that are asked for from now on are at their end."""
        self._ended = True
        self._takers.end(error)
        for listener in self._takers.listeners:
            listener.close()

    def _left(self, owner: Listener | Queue[Any]) -> None:
        self._takers.remove(owner)

    def _failed(self, listener: Listener, error: BaseException) -> None:
        self.callback_errors += 1
        lines = "".join(traceback.format_exception(error))
        self._log.warning(f"callback {listener!r}", "a callback raised: %r\n%s", listener, lines)
