"""Who hears of the user's own events: listeners and bounded iterators; none holds up another."""

import logging
import traceback
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from bookfeed.dispatch.listeners import Listener
from bookfeed.dispatch.streams import Queue, Stream
from bookfeed.dispatch.takers import Takers
from bookfeed.log import RateLimitedLog
from bookfeed.own.events import OwnEvent

OnOwn: TypeAlias = Callable[[OwnEvent], object]

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.own"))


class OwnOutlet:
    """Hands events to everybody who asked for them."""

    def __init__(self) -> None:
        self._takers: Final[Takers[OwnEvent]] = Takers()
        self._ended = False
        self.callback_errors = 0

    def add(self, callback: OnOwn) -> Listener:
        """Hand events to ``callback``."""
        listener = Listener(callback, "on_own", failed=self._failed, closed=self._left)
        self._takers.add(listener, listener.deliver)
        return listener

    def stream(self, queue_max: int) -> Stream[OwnEvent]:
        """Return a new iterator over events from now on."""
        queue: Queue[OwnEvent] = Queue(queue_max, self._left)
        self._takers.add(queue, queue.take)
        stream = Stream(queue)
        if self._ended:
            stream.end()
        return stream

    def deliver(self, event: OwnEvent) -> None:
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
        _log.warning(f"callback {listener!r}", "a callback raised: %r\n%s", listener, lines)
