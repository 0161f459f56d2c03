"""The one timer of a feed: it lets time pass in the engine, so that things end without data, too.

Silence, graces, queued checks and holds are judged at every beat, once for all venues; then every
supervisor does what is due. Between two beats time passes at the instants that were asked for
(``wake_at``), exactly when they are due.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from bookfeed.clock import NS_PER_S, Clock, seconds_ns
from bookfeed.errors import EngineError
from bookfeed.log import RateLimitedLog
from bookfeed.recordings.inputs import EngineInput

# A beat later than this is a stall of the event loop worth counting.
STALL_NS: Final = 100_000_000

_log: Final = RateLimitedLog(logging.getLogger(__name__))


class Pulse:
    """Beats every ``every_s`` seconds from ``start`` to ``stop``.

    ``passed`` is called with the time whenever it has passed in the engine, ``beat`` after it at
    every beat; ``fail`` with what the engine failed of, after which there is no further beat.
    """

    def __init__(
        self,
        inputs: EngineInput,
        clock: Clock,
        every_s: float,
        *,
        passed: Callable[[int], None],
        beat: Callable[[int], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._inputs: Final = inputs
        self._clock: Final = clock
        self._every_s: Final = every_s
        self._passed: Final = passed
        self._beat: Final = beat
        self._fail: Final = fail
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_ns: int | None = None
        self.stalls = 0
        self.stall_ns_max = 0

    def start(self) -> None:
        """Begin on the running event loop."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._every_s
        self._timer = loop.call_at(self._due, self._tick)

    def stop(self) -> None:
        """End; harmless if it was not begun."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.wake_at(None)

    def wake_at(self, due_ns: int | None) -> None:
        """Let time pass at ``due_ns`` (Unix ns), too; replaces what was asked for before."""
        if due_ns == self._alarm_ns:
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._alarm_ns = due_ns
        if due_ns is not None:
            self._arm(due_ns)

    def _arm(self, due_ns: int) -> None:
        delay_s = max(0, due_ns - self._clock.now_ns()) / NS_PER_S
        self._alarm = asyncio.get_running_loop().call_later(delay_s, self._wake, due_ns)

    def _wake(self, due_ns: int) -> None:
        now_ns = self._clock.now_ns()
        if now_ns < due_ns:
            # Timers are coarser than the clock, and the two may run at different speeds.
            self._arm(due_ns)
            return
        self._alarm = self._alarm_ns = None
        self._pass(now_ns)

    def _pass(self, now_ns: int) -> bool:
        """Let time pass; says whether the engine bore it."""
        try:
            self._inputs.advance(now_ns)
        except EngineError as error:
            self.stop()
            self._fail(error)
            return False
        self._passed(now_ns)
        return True

    def _tick(self) -> None:
        late_ns = seconds_ns(asyncio.get_running_loop().time() - self._due)
        if late_ns > STALL_NS:
            self.stalls += 1
            self.stall_ns_max = max(self.stall_ns_max, late_ns)
            _log.warning("stall", "the event loop stood still for %d ms", late_ns // 1_000_000)
        self.start()
        now_ns = self._clock.now_ns()
        if self._pass(now_ns):
            self._inputs.poll(now_ns)
            self._beat(now_ns)
