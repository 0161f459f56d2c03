"""The one timer of a feed: it lets time pass in the engine, so that things end without data, too.

Silence, graces, queued checks and holds are judged at every beat, once for all venues; then every
supervisor does what is due.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from bookfeed.clock import Clock, seconds_ns
from bookfeed.errors import EngineError
from bookfeed.log import RateLimitedLog
from bookfeed.recordings.inputs import EngineInput

# A beat later than this is a stall of the event loop worth counting.
STALL_NS: Final = 100_000_000

_log: Final = RateLimitedLog(logging.getLogger(__name__))


class Pulse:
    """Beats every ``every_s`` seconds from ``start`` to ``stop``.

    ``beat`` is called with the time after it has passed in the engine; ``fail`` with what the
    engine failed of, after which there is no further beat.
    """

    def __init__(
        self,
        inputs: EngineInput,
        clock: Clock,
        every_s: float,
        *,
        beat: Callable[[int], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._inputs: Final = inputs
        self._clock: Final = clock
        self._every_s: Final = every_s
        self._beat: Final = beat
        self._fail: Final = fail
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
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

    def _tick(self) -> None:
        late_ns = seconds_ns(asyncio.get_running_loop().time() - self._due)
        if late_ns > STALL_NS:
            self.stalls += 1
            self.stall_ns_max = max(self.stall_ns_max, late_ns)
            _log.warning("stall", "the event loop stood still for %d ms", late_ns // 1_000_000)
        self.start()
        now_ns = self._clock.now_ns()
        try:
            self._inputs.advance(now_ns)
        except EngineError as error:
            self.stop()
            self._fail(error)
            return
        self._inputs.poll(now_ns)
        self._beat(now_ns)
