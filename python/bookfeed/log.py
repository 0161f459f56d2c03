"""Logging of bookfeed: standard library loggers named ``bookfeed.*``.

Importing bookfeed configures nothing; the command line calls ``configure``. Logs go to
standard error, so that standard output carries data alone.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

LogFormat = Literal["text", "json"]

ROOT: Final = "bookfeed"

# Keys a limiter remembers; beyond it the oldest are forgotten, so that keys made from venue
# data cannot grow memory.
_KEYS_MAX: Final = 1024

# Attributes every LogRecord has; others came in through ``extra``.
_STANDARD: Final = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}


def _timestamp(record: logging.LogRecord) -> str:
    """UTC, milliseconds, RFC 3339."""
    moment = datetime.fromtimestamp(record.created, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def printable(text: str) -> str:
    """``text`` with escapes for what a terminal would obey; line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


class TextFormatter(logging.Formatter):
    """``2026-01-02T03:04:05.678Z WARNING bookfeed.live.session: text``.

    Further lines of a text are indented, so that none of them passes for a line of the log.
    """

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Overrides the local time of the standard library with UTC."""
        return _timestamp(record)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record and its traceback, printable."""
        return printable(super().format(record)).replace("\n", "\n  ")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``ts``, ``level``, ``logger``, ``message``; then ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON; values JSON does not know are given as text."""
        line: dict[str, Any] = {
            "ts": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        text = json.dumps(line, default=str, ensure_ascii=False)
        return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def configure(
    *, verbosity: int = 0, log_format: LogFormat = "text", stream: TextIO | None = None
) -> logging.Logger:
    """Sends the logs of bookfeed, and of nobody else, to ``stream`` (standard error).

    ``verbosity`` counts ``-v`` minus ``-q``: -2 critical, -1 error, 0 warning, 1 info, 2 and
    above debug. Calling again replaces the handler. Returns the logger.
    """
    levels = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
    logger = logging.getLogger(ROOT)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    for old in logger.handlers[:]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(levels[min(max(verbosity + 2, 0), 4)])
    logger.propagate = False
    return logger


class RateLimitedLog:
    """Lets one line per key and interval through, and says how many it held back.

    For warnings that a venue's data can cause: a thousand bad frames a second must not become
    a thousand lines a second. ``clock`` returns seconds and never goes back.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        interval_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger: Final = logger
        self._interval_s: Final = interval_s
        self._clock: Final = clock
        self._last: dict[str, tuple[float, int]] = {}

    def warning(self, key: str, message: str, *args: object) -> bool:
        """Logs ``message % args`` as a warning unless ``key`` was logged lately; tells whether."""
        return self._log(logging.WARNING, key, message, args)

    def error(self, key: str, message: str, *args: object) -> bool:
        """The same as an error."""
        return self._log(logging.ERROR, key, message, args)

    def _log(self, level: int, key: str, message: str, args: tuple[object, ...]) -> bool:
        now = self._clock()
        logged_at, held_back = self._last.get(key, (None, 0))
        if logged_at is not None and now - logged_at < self._interval_s:
            self._last[key] = (logged_at, held_back + 1)
            return False
        self._last.pop(key, None)
        if len(self._last) >= _KEYS_MAX:
            del self._last[next(iter(self._last))]
        self._last[key] = (now, 0)
        if held_back:
            message, args = message + " (%d more like it were held back)", (*args, held_back)
        self._logger.log(level, message, *args)
        return True
