"""The reference indices that the simulated Kalshi passes on: one value a second, and five.

Averages are of the values themselves, in integers of 1e-8 dollar: the trailing minute leaves the
present value out, the settlement minute before a quarter of an hour takes it in.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Final

from bookfeed.sim.kalshi.wire import Message, dump

SCALE: Final = 100_000_000
_MINUTE_MS: Final = 60_000
_QUARTER_MS: Final = 15 * _MINUTE_MS
_RECEIVED_AFTER_MS: Final = 140
FIVE_HZ_MS: Final = 200
SECOND_MS: Final = 1000


class Index:
    """One index: its value and those of the last minute."""

    def __init__(self, index_id: str, rng: Random) -> None:
        self.index_id = index_id
        self._rng = rng
        self._cents = 8_500_000 if index_id == "BRTI" else 300_000
        self.anchor: Callable[[int], float] | None = None
        """Its value in dollars at a time in Unix milliseconds, if that is made elsewhere."""
        self._past: deque[tuple[int, int]] = deque(maxlen=61)
        """Source time and value of one value a second."""

    @property
    def value(self) -> int:
        """The value now, 1e-8 dollar."""
        return self._cents * (SCALE // 100)

    def tick(self, now_ms: int) -> list[Message]:
        """What is said at ``now_ms``, a multiple of 200: five times a second, or both forms."""
        if self.anchor is None:
            self._cents = max(100, self._cents + int((self._rng.random() - 0.5) * 400))
        else:
            self._cents = round(self.anchor(now_ms) * 100)
        source_ms = now_ms
        messages = [self._fast(source_ms)]
        if source_ms % SECOND_MS == 0:
            messages.insert(0, self._slow(source_ms))
            self._past.append((source_ms, self.value))
        return messages

    def _data(self, source_ms: int) -> str:
        """The vendor's own frame, which travels as text inside the venue's."""
        value = f"{self._cents // 100}.{self._cents % 100:02d}"
        return dump({"type": "value", "id": self.index_id, "time": source_ms, "value": value})

    def _fast(self, source_ms: int) -> Message:
        body = {
            "index_id": self.index_id,
            "value_usd": _text(self.value),
            "source_ts_ms": source_ms,
            "received_at": source_ms + _RECEIVED_AFTER_MS,
            "data": self._data(source_ms),
        }
        kind = "cfbenchmarks_value_5hz"
        return Message(kind, kind, self.index_id, source_ms, dump(body))

    def _slow(self, source_ms: int) -> Message:
        start_ms = source_ms - _MINUTE_MS
        body: dict[str, Any] = {
            "index_id": self.index_id,
            "received_at": source_ms + _RECEIVED_AFTER_MS,
            "data": self._data(source_ms),
            "avg_60s_data": _average(
                [value for ts, value in self._past if start_ms <= ts < source_ms] or [self.value],
                start_ms,
                source_ms,
            ),
        }
        close_ms = -(-source_ms // _QUARTER_MS) * _QUARTER_MS
        opens_ms = close_ms - _MINUTE_MS
        if source_ms > opens_ms:
            values = [value for ts, value in self._past if opens_ms < ts < source_ms]
            body["last_60s_windowed_average_15min"] = _average(
                [*values, self.value], opens_ms, source_ms
            )
        kind = "cfbenchmarks_value"
        return Message(kind, kind, self.index_id, source_ms, dump(body))


def _average(values: list[int], start_ms: int, end_ms: int) -> dict[str, Any]:
    return {
        "value": _text(sum(values) // len(values)),
        "window_size": len(values),
        "window_start_ts_ms": start_ms,
        "window_end_ts_exclusive": end_ms,
    }


def _text(value: int) -> str:
    return f"{value // SCALE}.{value % SCALE:08d}"
