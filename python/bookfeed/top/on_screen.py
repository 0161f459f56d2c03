"""``OnScreen``: how ``run`` shows its feed on a terminal, at a glance and as the lists of ``top``.

It is a ``Show`` as those of ``monitor.shows``. What it draws is drawn in the feed's own process, so
it gathers what the feed hands out, and takes it in a few times a second.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

from textual.geometry import Size

from bookfeed.clock import Clock
from bookfeed.config import ConsoleConfig
from bookfeed.errors import SessionError
from bookfeed.monitor.console import Screen, render
from bookfeed.monitor.shows import Summary, afterwards
from bookfeed.monitor.text import Line, Span, paint
from bookfeed.monitor.wanted import Wanted
from bookfeed.monitor.watch import Watch
from bookfeed.top.app import Top
from bookfeed.top.desk import Desk, Thresholds
from bookfeed.top.near import Near, noted


def _thresholds(console: ConsoleConfig) -> Thresholds:
    return Thresholds(
        warn_ms=console.warn_ms,
        alert_ms=console.alert_ms,
        quiet_s=console.quiet_s,
        silent_s=console.silent_s,
        large_usd=console.large_usd,
    )


_FOOT: Final[Line] = (Span(" Tab lists  ? keys  q end", "dim"),)


class OnScreen:
    """Draws until ``q`` is pressed; then it is ``over``."""

    def __init__(
        self,
        watch: Watch,
        clock: Clock,
        wanted: Wanted,
        console: ConsoleConfig,
        hint: Callable[[], str],
    ) -> None:
        self.every_s = 1 / console.refresh_hz
        self._watch: Final = watch
        self._clock: Final = clock
        self._hint: Final = hint
        self._refresh_hz: Final = console.refresh_hz
        self._desk: Final = Desk(_thresholds(console), wanted)
        self._app: Top | None = None
        self._drawing: asyncio.Task[None] | None = None
        self._screen: Screen | None = None
        self._stack: Final = ExitStack()

    @property
    def thresholds(self) -> Thresholds:
        """From where on what is shown is coloured as odd, and as bad."""
        return self._desk.thresholds

    @property
    def over(self) -> bool:
        """Whether its user wants no more."""
        return self._drawing is not None and self._drawing.done()

    def begin(self) -> None:
        """Take the terminal."""
        near = Near(self._desk, self._watch.feed, self._clock, self._watch.source)
        self._watch.on_records = near.on_batch
        self._stack.enter_context(noted(self._desk))
        self._app = Top(self._desk, near, refresh_hz=self._refresh_hz, whole=self._lines)
        self._drawing = asyncio.create_task(self._app.run_async(), name="bookfeed-screen")

    def refresh(self) -> None:
        """Look at the feed; the screen draws what was seen as often as it likes."""
        self._screen = self._watch.screen(self._hint())

    async def close(self) -> None:
        """Give the terminal back; raises ``SessionError`` if drawing on it failed."""
        self._watch.on_records = None
        if self._drawing is not None and self._app is not None:
            if not self._drawing.done():
                self._app.exit()
            await self._drawing
        self._stack.close()
        if self._app is not None and self._app.return_code:
            raise SessionError("the screen failed, and said why above; -o table does without it")

    def end(self, summary: Summary) -> None:
        """What was seen last, on the terminal as it was before, and what it came to."""
        colour = not os.environ.get("NO_COLOR")
        width, height = shutil.get_terminal_size()
        seen = [] if self._screen is None else render(self._screen, width, height - 2)
        for line in [*paint(seen, colour=colour), *afterwards(self._watch, summary, width, colour)]:
            print(line)

    def _lines(self, size: Size) -> Sequence[Line]:
        if self._screen is None:
            return ()
        shown = render(self._screen, size.width, size.height - 1)[: size.height - 1]
        return [*shown, *[()] * (size.height - 1 - len(shown)), _FOOT]
