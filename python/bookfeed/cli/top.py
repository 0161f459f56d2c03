"""``bookfeed top``: look at a running feed from another terminal."""

import argparse
import asyncio
import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bookfeed import log
from bookfeed.errors import ExitCode, SessionError
from bookfeed.loops import run as run_loop

if TYPE_CHECKING:
    from bookfeed.top.desk import Desk

_TO_LISTEN: Final = (
    "start one with `bookfeed run --config FILE`, where FILE has a [[sink]] with kind = 'socket', "
    "and give top the path of that sink if it has one of its own"
)


def execute(args: argparse.Namespace) -> ExitCode:
    """Runs until it is ended; raises ``SessionError`` where no feed listens, or nothing can be
    shown.
    """
    if importlib.util.find_spec("textual") is None:
        raise SessionError("the terminal needs Textual: pip install 'bookfeed[monitor]'")
    # Textual reads keys from the first and draws on the last.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise SessionError(
            "it needs a terminal, unpiped; for programs there are `bookfeed run -o ndjson` and "
            "`bookfeed serve`"
        )
    run_loop(_show(args))
    return ExitCode.OK


async def _show(args: argparse.Namespace) -> None:
    # Not before: Textual is an extra.
    from bookfeed.monitor.wanted import Wanted
    from bookfeed.top.app import Top
    from bookfeed.top.desk import Desk, Thresholds

    thresholds = Thresholds(
        warn_ms=args.warn_ms,
        alert_ms=max(args.alert_ms, args.warn_ms),
        quiet_s=args.quiet_s,
        silent_s=max(args.silent_s, args.quiet_s),
        large_usd=args.large,
    )
    wanted = Wanted(args.only, args.min_edge, args.min_profit)
    app = Top(Desk(thresholds, wanted), args.socket, refresh_hz=args.refresh_hz)
    await _find(app.remote.path)
    with _logged_by(app.desk):
        await app.run_async()
    if app.failure is not None:
        raise app.failure


async def _find(path: str) -> None:
    """Raises ``SessionError`` if nobody listens: a typing error is told, not waited for."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        raise SessionError(f"no feed at {path} ({error.strerror or error}): {_TO_LISTEN}") from None
    writer.close()


class _Noting(logging.Handler):
    """Log lines become lines of the list of what changed."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self._desk: Final = desk

    def emit(self, record: logging.LogRecord) -> None:
        """Note one."""
        bad = record.levelno >= logging.ERROR
        self._desk.note(record.getMessage(), "bad" if bad else "warn")


@contextmanager
def _logged_by(desk: "Desk") -> Iterator[None]:
    """Log lines do not run across what is drawn."""
    logger = logging.getLogger(log.ROOT)
    before = logger.handlers
    logger.handlers = [_Noting(desk)]
    try:
        yield
    finally:
        logger.handlers = before
