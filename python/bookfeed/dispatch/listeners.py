"""``Listener``: one callback of a user, plain or ``async``, that can do no harm to anybody else.

A plain callback runs at once, inside the socket read that caused it. One that returns an awaitable,
as an ``async def`` does, is run by a task: its calls wait in order of arrival and run one after
another. So many may wait; then the oldest is dropped and counted. An error is counted and logged,
and the next record is handed over as if nothing had happened.
"""

import asyncio
import functools
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from bookfeed.errors import SessionError
from bookfeed.loops import raise_from_loop

WAITING_MAX: Final = 1_024

Failed: TypeAlias = "Callable[[Listener, BaseException], object]"
"""Who counts and logs the errors of all listeners."""


Drive: TypeAlias = Callable[[Awaitable[object]], object]
"""Runs an ``async`` call to its end, where no event loop does."""


class Listener:
    """One callback; made by ``Feed.on_update`` and the other ``on_`` methods.

    Calling it calls the callback itself, so those methods also work as decorators. Leaving it as
    a context manager closes it.
    """

    def __init__(
        self,
        callback: Callable[..., Any],
        what: str,
        *,
        failed: Failed,
        closed: Callable[["Listener"], object],
        spread: bool = False,
        waiting_max: int = WAITING_MAX,
        drive: Drive | None = None,
    ) -> None:
        _check(callback, what)
        self._callback: Final = callback
        # With ``spread`` what is delivered is a tuple of arguments.
        self._call: Final[Callable[[Any], Any]] = (
            (lambda record: callback(*record)) if spread else callback
        )
        self._what: Final = what
        self._name: Final = _name_of(callback)
        self._on_failed: Final = failed
        self._on_closed: Final = closed
        self._waiting: Final[deque[Awaitable[object]]] = deque()
        self._waiting_max: Final = waiting_max
        self._drive: Final = drive
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._calls = self._errors = self._dropped = 0

    def __repr__(self) -> str:
        return f"<Listener {self._what} {self._name}{' closed' if self._closed else ''}>"

    @property
    def calls(self) -> int:
        """How many records were handed over, those that were dropped later included."""
        return self._calls

    @property
    def errors(self) -> int:
        """How many calls raised; they are in the feed's ``callback_errors``, too."""
        return self._errors

    @property
    def dropped(self) -> int:
        """How many ``async`` calls never ran: too many waited, or the listener was closed."""
        return self._dropped

    @property
    def pending(self) -> int:
        """How many ``async`` calls wait for their turn, the one that runs not counted."""
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        """Whether nothing will be handed over any more."""
        return self._closed

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that runs ``async`` calls; ``None`` while there are none."""
        return self._task

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the callback and return what it returns; nothing is counted."""
        return self._callback(*arguments, **named)

    def close(self) -> None:
        """Hand nothing over any more; safe to call again, and from the callback itself.

        What waits is dropped and counted; an ``async`` call that runs goes on to its end.
        """
        if not self._closed:
            self._closed = True
            self._drop_waiting()
            self._on_closed(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # For the dispatcher.

    def deliver(self, record: object) -> None:
        """Hand one record over; never raises what a callback raises, unless it ends the process."""
        if self._closed:
            return
        self._calls += 1
        call = self._call
        try:
            returned = call(record)
        except BaseException as error:  # a callback must not be able to stop the feed
            self._failed(error)
            return
        if returned is not None and hasattr(returned, "__await__"):
            self._wait(returned)

    def _drop_waiting(self) -> None:
        """Drop the ``async`` calls that wait for their turn."""
        self._dropped += len(self._waiting)
        while self._waiting:
            _discard(self._waiting.popleft())

    def _wait(self, call: Awaitable[object]) -> None:
        if self._task is None:
            try:
                self._task = asyncio.get_running_loop().create_task(self._work())
            except RuntimeError:
                self._run_now(call)
                return
        if len(self._waiting) == self._waiting_max:
            _discard(self._waiting.popleft())
            self._dropped += 1
        self._waiting.append(call)

    def _run_now(self, call: Awaitable[object]) -> None:
        """No loop runs: have the call done by whoever can."""
        if self._drive is None:
            _discard(call)
            self._failed(SessionError("an async callback needs a running event loop"))
            return
        try:
            self._drive(call)
        except BaseException as error:  # as above
            self._failed(error)

    async def _work(self) -> None:
        task = asyncio.current_task()
        try:
            while self._waiting:
                try:
                    await self._waiting.popleft()
                except GeneratorExit:
                    raise
                except BaseException as error:  # as above
                    if task is not None and task.cancelling():
                        raise
                    self._failed(error)
        finally:
            self._task = None
            self._drop_waiting()

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise_from_loop(error)
            return
        self._errors += 1
        self._on_failed(self, error)


def _check(callback: Callable[..., Any], what: str) -> None:
    if not callable(callback):
        raise TypeError(f"{what} needs a function, not {callback!r}")
    if inspect.isasyncgenfunction(callback) or inspect.isgeneratorfunction(callback):
        raise TypeError(f"{what} needs a function without yield: {callback!r} would never run")


def _name_of(callback: Callable[..., Any]) -> str:
    """What to call it; its ``repr`` might show, or cost, whatever it is bound to."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))


def _discard(call: Awaitable[object]) -> None:
    """Drop a call that has not begun, without Python's warning that it was never awaited."""
    if inspect.iscoroutine(call):
        call.close()
    elif isinstance(call, asyncio.Future):
        call.cancel()
