"""``bookfeed top``: look at a running feed from another terminal."""

import argparse
import asyncio
import importlib.util
import sys
from typing import Final

from bookfeed.errors import ExitCode, SessionError
from bookfeed.loops import run as run_loop

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
    from bookfeed.top.near import far, noted

    thresholds = Thresholds(
        warn_ms=args.warn_ms,
        alert_ms=args.alert_ms,
        quiet_s=args.quiet_s,
        silent_s=args.silent_s,
        large_usd=args.large,
    )
    wanted = Wanted(args.only, args.min_edge, args.min_profit)
    desk = Desk(thresholds, wanted)
    remote = far(desk, args.socket)
    app = Top(desk, remote, refresh_hz=args.refresh_hz)
    await _find(remote.path)
    with noted(desk):
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
