"""``Listener``: a callback of a feed that runs on another thread, closed from any."""

from types import TracebackType
from typing import Any, Final, Self

from bookfeed.dispatch import listeners
from bookfeed.sync.thread import LoopThread


class Listener:
    """One callback; made by the ``on_`` methods and ``every`` of ``bookfeed.sync.Feed``.

    It is called in the feed's thread. Calling it calls the callback itself, so those methods also
    work as decorators. Leaving it as a context manager closes it.
    """

    def __init__(self, thread: LoopThread, listener: listeners.Listener) -> None:
        self._thread: Final = thread
        self._listener: Final = listener

    def __repr__(self) -> str:
        return repr(self._listener)

    @property
    def calls(self) -> int:
        """How many records were handed over, those that were dropped later included."""
        return self._listener.calls

    @property
    def errors(self) -> int:
        """How many calls raised; they are in the feed's ``callback_errors``, too."""
        return self._listener.errors

    @property
    def dropped(self) -> int:
        """How many ``async`` calls never ran: too many waited, or the listener was closed."""
        return self._listener.dropped

    @property
    def closed(self) -> bool:
        """Whether nothing will be handed over any more."""
        return self._listener.closed

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the callback, in this thread, and return what it returns; nothing is counted."""
        return self._listener(*arguments, **named)

    def close(self) -> None:
        """Hand nothing over any more; safe to call again, and from the callback itself.

        When it returns, the callback is not running, unless it is the callback that calls.
        """
        self._thread.call(self._listener.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
