"""The lines that a feed logs at INFO, by their fixed first word, for people who grep.

Logger ``bookfeed.feed``. What can come in floods (states, signals) is held to a number of lines a
second; what was held back is said in one more line. Nothing is decoded while nobody listens.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from bookfeed import records
from bookfeed._bookfeed import Batch
from bookfeed.clock import NS_PER_S
from bookfeed.names import Names
from bookfeed.records import Update
from bookfeed.status import ConnectionStatus

_logger: Final = logging.getLogger("bookfeed.feed")

# Lines a second for each kind that can come in floods.
LINES_A_SECOND: Final = 20


class FeedLog:
    """Writes the lines; ``clock`` returns seconds and never goes back."""

    def __init__(self, names: Names, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._names: Final = names
        self._states: Final = _Limited(clock)
        self._signals: Final = _Limited(clock)
        self._live: Final[set[int]] = set()
        self._alarms: Final[dict[str, int]] = {}
        self._looked_ns = 0

    def subscribed(self, venue: str, symbol: str, market: str) -> None:
        """A book is followed from now on."""
        if _logger.isEnabledFor(logging.INFO):
            _logger.info(
                "subscribed venue=%s symbol=%s market=%s", venue, _word(symbol), _word(market)
            )

    def state(self, update: Update) -> None:
        """A book changed its state; one line each time it becomes live or is not any more."""
        instrument, live = update.instrument, update.state == "live"
        if live == (instrument in self._live):
            return
        (self._live.add if live else self._live.discard)(instrument)
        name = self._names.get(instrument)
        book = (name.venue, _word(name.symbol)) if name is not None else ("-", str(instrument))
        if live:
            self._states.info("live venue=%s symbol=%s cause=%s", *book, update.cause)
        else:
            self._states.info(
                "not-live venue=%s symbol=%s state=%s cause=%s", *book, update.state, update.cause
            )

    def batch(self, batch: Batch) -> None:
        """Signals that opened or closed."""
        if not batch.signal_bytes or not _logger.isEnabledFor(logging.INFO):
            return
        for signal in records.signals(batch, self._names):
            if signal.phase == "open":
                self._signals.info(
                    "signal-opened id=%d rule=%s name=%s net=%s qty=%s",
                    signal.id,
                    signal.rule,
                    _word(signal.name),
                    _number(signal.net_edge),
                    _number(signal.qty),
                )
            elif signal.phase == "close":
                lasted_s = (signal.ts_recv - signal.ts_open) / 1e9
                self._signals.info(
                    "signal-closed id=%d reason=%s lasted_s=%.3f",
                    signal.id,
                    signal.reason,
                    lasted_s,
                )

    def senses(self, now_ns: int, told: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        """Each second: venues most of whose trades are on the wrong side of the mid before them."""
        if now_ns - self._looked_ns < NS_PER_S:
            return
        self._looked_ns = now_ns
        for venue, counts in told().items():
            if counts["alarms"] > self._alarms.get(venue, 0):
                self._alarms[venue] = counts["alarms"]
                _logger.warning(
                    "turned-aggressors venue=%s agreed=%d decided=%d alarms=%d: trust no aggressor "
                    "of its trades",
                    venue,
                    counts["agreed"],
                    counts["decided"],
                    counts["alarms"],
                )

    def status(self, status: ConnectionStatus) -> None:
        """A connection was made or lost."""
        venue, conn = status.venue, status.conn
        if status.state == "connected":
            word = "reconnected" if status.reconnects else "connected"
            _logger.info("%s venue=%s conn=%d", word, venue, conn)
        elif status.state == "reconnecting" or (status.state == "down" and status.since_ns):
            _logger.info("disconnected venue=%s conn=%d cause=%s", venue, conn, status.cause)


class _Limited:
    """Lets so many lines a second through, and says how many it held back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock: Final = clock
        self._second = 0.0
        self._lines = self._held = 0

    def info(self, message: str, *args: object) -> None:
        if not _logger.isEnabledFor(logging.INFO):
            return
        now = self._clock()
        if now - self._second >= 1.0:
            if self._held:
                _logger.info("held-back lines=%d", self._held)
            self._second, self._lines, self._held = now, 0, 0
        if self._lines >= LINES_A_SECOND:
            self._held += 1
            return
        self._lines += 1
        _logger.info(message, *args)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _word(text: str) -> str:
    """``text`` as one word of a line: quoted if it would be several, ``-`` if there is none."""
    return text if text.isprintable() and text and " " not in text else repr(text) if text else "-"
