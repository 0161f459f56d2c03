"""How long an event loop stands still, and how much of that is its own doing.

A loop is late for its timers when something in it takes long, and also when the machine gives its
thread no core. Linux counts the latter by thread, as the time it was ready to run and waited. What
remains, work and whatever blocks the thread, is the loop's own.
"""

import asyncio
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

TICK_S: Final = 0.005
_KEPT: Final = 2_000
"""Of the longest stalls, so many are kept for the percentiles: of runs up to hours 1 in 1,000."""


class Waited:
    """Seconds that the calling thread was ready to run and waited for a core, so far."""

    def __init__(self) -> None:
        path = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._file: int | None = None
        if path.exists():
            self._file = os.open(path, os.O_RDONLY)

    @property
    def known(self) -> bool:
        """Whether the system counts it; all is the loop's own where it does not."""
        return self._file is not None

    def now_s(self) -> float:
        """The count."""
        if self._file is None:
            return 0.0
        return int(os.pread(self._file, 100, 0).split()[1]) / 1e9

    def close(self) -> None:
        """Nothing more is asked."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Stalls:
    """Watches the running loop, for as long as the context lasts."""

    def __init__(self) -> None:
        self.ticks = 0
        self.longest_s = 0.0
        """By the clock on the wall."""
        self.own_longest_s = 0.0
        """Less what the thread waited for a core."""
        self._own: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch(), name="stalls")
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _watch(self) -> None:
        waited = Waited()
        loop = asyncio.get_running_loop()
        try:
            while True:
                slept_s, waited_s = loop.time(), waited.now_s()
                await asyncio.sleep(TICK_S)
                late_s = loop.time() - slept_s - TICK_S
                # Waiting while it would have slept has made nothing late.
                excused_s = max(waited.now_s() - waited_s - TICK_S, 0.0)
                self._take(late_s, max(late_s - excused_s, 0.0))
        finally:
            waited.close()

    def _take(self, late_s: float, own_s: float) -> None:
        self.ticks += 1
        self.longest_s = max(self.longest_s, late_s)
        self.own_longest_s = max(self.own_longest_s, own_s)
        self._own.append(own_s)
        if len(self._own) >= 2 * _KEPT:
            self._own = sorted(self._own, reverse=True)[:_KEPT]

    def own_permille_s(self) -> float:
        """What one in a thousand of the loop's own stalls is longer than."""
        rank = self.ticks // 1_000
        longest = sorted(self._own, reverse=True)
        return longest[min(rank, len(longest) - 1)] if longest else 0.0
