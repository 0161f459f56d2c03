"""How tests wait: for what they need, as long as a loaded machine may take, and no longer."""

import asyncio
import time
from collections.abc import Callable

import pytest

# Only a test that fails waits this long.
PATIENCE_S = 60.0
LOOK_EVERY_S = 0.002


async def until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Lets the loop run until something comes true. Raises ``TimeoutError`` if it does not."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - a condition rings no bell
            await asyncio.sleep(LOOK_EVERY_S)


def wait_until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """The same without a loop: for what another thread or process does."""
    end_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError(f"not within {within_s} s")
        time.sleep(LOOK_EVERY_S)


class PatientClock:
    """A clock for feeds under test, in Unix nanoseconds, that does not count what the machine
    took: between two readings at most a few milliseconds pass.

    A feed reads it several times a ``SessionOptions.advance_s``, at every socket read and timer.
    So its limits of some tens of milliseconds hold on a machine that lets the test wait for
    longer than that; while nothing happens it may run slower than the wall's.
    """

    STEP_NS_MAX = 5_000_000

    def __init__(self) -> None:
        self._read_ns = time.monotonic_ns()
        self._now_ns = time.time_ns()

    def now_ns(self) -> int:
        """The present time, never earlier than the last answer."""
        read_ns = time.monotonic_ns()
        self._now_ns += min(read_ns - self._read_ns, self.STEP_NS_MAX)
        self._read_ns = read_ns
        return self._now_ns

    async def took(self, condition: Callable[[], object]) -> int:
        """How long something takes to come true. Raises ``TimeoutError`` if it does not."""
        begun_ns = self.now_ns()
        # Read at every look: what passes between two readings is not all counted.
        await until(lambda: self.now_ns() and condition())
        return self.now_ns() - begun_ns

    async def passed(self, seconds: float) -> None:
        """Returns when that much of this clock's time has passed."""
        end_ns = self.now_ns() + round(seconds * 1e9)
        await until(lambda: self.now_ns() >= end_ns)


def let_time_be_patient(loop: asyncio.AbstractEventLoop, patch: pytest.MonkeyPatch) -> PatientClock:
    """Timers and ``loop.time()`` do not count what the machine took: they go by the clock returned.

    For a test of pace or of intervals, whose subject measures time by the loop it runs in.
    """
    clock, start_s = PatientClock(), loop.time()
    start_ns = clock.now_ns()
    patch.setattr(loop, "time", lambda: start_s + (clock.now_ns() - start_ns) / 1e9)
    return clock
