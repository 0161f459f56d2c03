"""Of every book the last word of each interval: what is kept where everything would be too much.

Intervals are those of the time at which records were received, so a replay comes to the same.
"""

from typing import Final

import numpy as np

from bookfeed._bookfeed import UPDATE_KINDS, Batch
from bookfeed.records import UPDATE_BYTES

_TOLD: Final = np.array([kind in ("book", "state") for kind in UPDATE_KINDS])


class Sampling:
    """Keeps the newest update of each book until the interval of ``every_ns`` is over.

    0 keeps none.
    """

    def __init__(self, every_ns: int) -> None:
        self._every_ns: Final = every_ns
        self._interval = 0
        self._held: Final[dict[int, bytes]] = {}

    def take(self, batch: Batch) -> list[bytes]:
        """Take a batch; returns packed updates, the last one of each book and interval that ended.

        Of an instant the clock has gone back to, it is as if it had not.
        """
        if not self._every_ns:
            return []
        rows = batch.updates
        told = np.flatnonzero(_TOLD[rows["kind"]])
        if not len(told):
            return []
        intervals = rows["ts_recv_ns"][told] // self._every_ns
        intervals = np.maximum.accumulate(np.maximum(intervals, self._interval))
        data, instruments = batch.update_bytes, rows["instrument"][told]
        ended: list[bytes] = []
        for interval in np.unique(intervals).tolist():
            ended += self._end(interval)
            here = intervals == interval
            newest = dict(zip(instruments[here].tolist(), told[here].tolist(), strict=True))
            for instrument, at in newest.items():
                self._held[instrument] = data[at * UPDATE_BYTES : (at + 1) * UPDATE_BYTES]
        return ended

    def due(self, now_ns: int | None) -> list[bytes]:
        """What is held, if its interval is over at ``now_ns``; ``None``: whatever it is."""
        if not self._every_ns:
            return []
        return self._end(self._interval + 1 if now_ns is None else now_ns // self._every_ns)

    def _end(self, interval: int) -> list[bytes]:
        """Another interval is reached: what was held of the one before."""
        if interval <= self._interval:
            return []
        self._interval = interval
        ended = list(self._held.values())
        self._held.clear()
        return ended
