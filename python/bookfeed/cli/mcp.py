"""``bookfeed mcp``: a running feed as tools of the Model Context Protocol, on standard streams."""

import argparse
import asyncio
import contextlib
import importlib.util
import signal

from bookfeed.errors import ExitCode, SessionError
from bookfeed.loops import run as run_loop


def execute(args: argparse.Namespace) -> ExitCode:
    """Serves until standard input ends; raises ``SessionError`` without the SDK."""
    if importlib.util.find_spec("mcp") is None:
        raise SessionError("it needs the SDK of the protocol: pip install 'bookfeed[mcp]'")
    # Nothing is kept that would have to be put away, and a thread waits for standard input.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    run_loop(_serve(args.socket))
    return ExitCode.OK


async def _serve(path: str | None) -> None:
    # Not before: the SDK is an extra.
    from bookfeed.web.attached import Attached
    from bookfeed.web.mcp import server

    attached = Attached(path)
    following = asyncio.create_task(attached.run())
    serving = asyncio.create_task(server(attached).run_stdio_async())
    try:
        await asyncio.wait([following, serving], return_when=asyncio.FIRST_COMPLETED)
        # A feed of another version ends it; standard input that ends, in good order.
        if following.done():
            await following
        await serving
    finally:
        for task in (following, serving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
