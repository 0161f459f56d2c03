"""``OpenSignals``: signals that are open, as records, for readers that come after they opened."""

from typing import Final

import numpy as np

from bookfeed._bookfeed import SIGNAL_PHASES, Batch

_CLOSE: Final = SIGNAL_PHASES.index("close")


class OpenSignals:
    """Keeps the newest record of each signal that has not closed, with its legs."""

    def __init__(self) -> None:
        self._records: Final[dict[int, tuple[bytes, bytes]]] = {}

    def take(self, batch: Batch) -> None:
        """Take records in."""
        if not batch.signal_bytes:
            return
        legs = batch.legs
        for row in batch.signals:
            number = int(row["id"])
            if row["phase"] == _CLOSE:
                self._records.pop(number, None)
                continue
            start = int(row["leg_start"])
            own = legs[start : start + int(row["legs"])]
            self._records[number] = (row.tobytes(), own.tobytes())

    def batch(self) -> Batch | None:
        """All of them, the one that was told first ahead; ``None`` if none is open."""
        if not self._records:
            return None
        told = b"".join(one for one, _ in self._records.values())
        signals = np.frombuffer(told, Batch(b"", b"", b"", b"").signals.dtype).copy()
        counts = signals["legs"].astype(np.int64)
        signals["leg_start"] = np.cumsum(counts) - counts
        legs = b"".join(own for _, own in self._records.values())
        return Batch(b"", signals.tobytes(), legs, b"")
