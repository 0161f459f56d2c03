"""A progress bar on standard error for work that has an end; nothing where nobody looks."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TextIO

_WIDTH: Final = 24
_REDRAW_S: Final = 0.1


class Progress:
    """One line, redrawn ten times a second at most, and only on a terminal.

    ``total`` is the amount that means done, in whatever unit ``advance`` counts; ``None`` when
    it is not known. ``clock`` returns seconds and never goes back.
    """

    def __init__(
        self,
        label: str,
        total: int | None = None,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label: Final = label
        self._total: Final = total
        self._stream: Final = stream or sys.stderr
        self._clock: Final = clock
        self._shown: Final = self._stream.isatty()
        self._started_s: Final = clock()
        self._drawn_s = float("-inf")
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wipes the line: what is left on the screen is the result."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def reach(self, done: int) -> None:
        """Says how much is done by now."""
        self._done = done
        if not self._shown:
            return
        now = self._clock()
        if now - self._drawn_s >= _REDRAW_S:
            self._drawn_s = now
            self._stream.write(f"\r{self.line(now)}\x1b[K")
            self._stream.flush()

    def line(self, now_s: float) -> str:
        """The bar as text, at the time ``now_s`` of the clock."""
        elapsed_s = max(now_s - self._started_s, 1e-9)
        rate = self._done / elapsed_s
        if not self._total:
            return f"{self._label} {self._done:,} ({rate:,.0f}/s)"
        share = min(self._done / self._total, 1.0)
        filled = int(share * _WIDTH)
        bar = "█" * filled + "·" * (_WIDTH - filled)
        left_s = (self._total - self._done) / rate if rate else 0.0
        return f"{self._label} {bar} {share:4.0%} {rate:,.0f}/s {max(left_s, 0.0):.0f}s left"
