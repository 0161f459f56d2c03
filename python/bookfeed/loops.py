"""Event loops: uvloop where it is installed, plain asyncio elsewhere, and loops that never sleep.

When frames come one at a time, waking a sleeping process costs several times more than all that
is done with the frame. ``run(..., busy_poll=True)`` is for those who give the feed a core of its
own: the loop asks the sockets again and again instead of waiting for them.
"""

import asyncio
import importlib
import importlib.util
import logging
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from bookfeed.log import RateLimitedLog

T = TypeVar("T")

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.loops"))


def uvloop_available() -> bool:
    """Whether uvloop is installed."""
    return importlib.util.find_spec("uvloop") is not None


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop: uvloop's, or asyncio's where uvloop is not installed.

    What nobody in it handles goes to bookfeed's log.
    """
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if uvloop_available():
        factory = importlib.import_module("uvloop").new_event_loop
    loop = factory()
    loop.set_exception_handler(_unhandled)
    return loop


def _unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A socket's end in one line, such as of a TLS handshake; anything else with its traceback."""
    error, message = context.get("exception"), context["message"]
    # Some loops give the class of an error where they have none.
    if error is None or isinstance(error, type | OSError):
        _log.warning(message, "%s: %r", message, error)
    else:
        lines = "".join(traceback.format_exception(error))
        _log.error(message, "%s:\n%s", message, lines)


def run(main: Coroutine[Any, Any, T], *, busy_poll: bool = False) -> T:
    """Run ``main`` in a new event loop and return its result, like ``asyncio.run``.

    With ``busy_poll`` the loop never sleeps and takes a whole core.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_spinning(main) if busy_poll else main)


async def _spinning(main: Coroutine[Any, Any, T]) -> T:
    with Spinner():
        return await main


def raise_from_loop(error: BaseException) -> None:
    """Raise ``error`` out of the running loop, a moment later.

    For what is meant to end the process, ``KeyboardInterrupt`` and ``SystemExit``: raised while
    a socket read is being handled it would tear the read apart. Raised at once where no loop runs.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise error from None
    loop.call_soon(_raise, error)


def _raise(error: BaseException) -> None:
    raise error


class Spinner:
    """Keeps the running loop from sleeping: a context manager, on any asyncio loop.

    There is always one callback ready, so the loop looks at its sockets without waiting.
    """

    __slots__ = ("_handle", "_loop")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.Handle | None = None

    def __enter__(self) -> "Spinner":
        self._loop = asyncio.get_running_loop()
        self._spin()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._loop = None
        if self._handle is not None:
            self._handle.cancel()

    def _spin(self) -> None:
        if self._loop is not None:
            self._handle = self._loop.call_soon(self._spin)
