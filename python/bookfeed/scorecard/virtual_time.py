"""Days in minutes: an event loop in which time passes only while nobody has anything to do.

``begin`` gives a process such a clock, ``run`` runs a program by it. Sockets on loopback are as
fast as ever, and whenever nothing is ready the time of the next timer has come. All that asks the
time is told that time, from ``time.time()`` to a feed's clock; so it is for a process of its own.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from bookfeed.clock import NS_PER_S, AnchoredClock

T = TypeVar("T")

# What is done takes so long, so that a timer that is due in next to no time becomes due.
_TURN_S: Final = 1e-6
# A loop without timers waits for other threads for so long at a time, in real time.
_THREADS_S: Final = 0.01


class _Selector(selectors.DefaultSelector):
    """Never waits: what it would wait for has come, or the time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        self.passed_s += _TURN_S
        if found or timeout == 0:
            return found
        if timeout is None:
            return super().select(_THREADS_S)
        self.passed_s += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop by such a clock."""

    def __init__(self) -> None:
        self._virtual: Final = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds that passed so far."""
        return self._virtual.passed_s


def begin(loop: VirtualLoop, start_ns: int) -> None:
    """From now on the process has the time of ``loop``, which begins at ``start_ns`` (Unix ns)."""

    def passed_ns() -> int:
        return round(loop.time() * NS_PER_S)

    def now_ns() -> int:
        return start_ns + passed_ns()

    time.time_ns = now_ns
    time.time = lambda: now_ns() / NS_PER_S
    time.monotonic_ns = passed_ns
    time.monotonic = loop.time
    time.clock_gettime_ns = lambda _clock: passed_ns()


def run(main: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Run ``main`` in ``loop``."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)


def clock() -> AnchoredClock:
    """A feed's clock by the time of the process as it is now."""
    return AnchoredClock(wall_ns=time.time_ns, steady_ns=time.monotonic_ns)
