"""``bookfeed serve``: hand out what a running feed tells, to browsers, bots and Prometheus."""

import argparse
import asyncio
import contextlib
import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from bookfeed.cli.notify import Service
from bookfeed.cli.run import ending_signals
from bookfeed.errors import ExitCode, SessionError
from bookfeed.loops import run as run_loop

if TYPE_CHECKING:
    from bookfeed.web.server import Server

TOKEN_VARIABLE = "BOOKFEED_SERVER_TOKEN"  # noqa: S105 - the name of it


def execute(args: argparse.Namespace) -> ExitCode:
    """Runs until a signal ends it; raises ``SessionError`` where it may not listen."""
    if importlib.util.find_spec("aiohttp") is None:
        raise SessionError("the server needs aiohttp: pip install 'bookfeed[server]'")
    if args.otlp is not None and not _can_push():
        raise SessionError("--otlp needs OpenTelemetry's SDK: pip install 'bookfeed[otel]'")
    run_loop(_serve(args))
    return ExitCode.OK


async def _serve(args: argparse.Namespace) -> None:
    # Not before: aiohttp is an extra.
    from bookfeed.web.door import Rules, read_token
    from bookfeed.web.server import Server

    token = os.environ.get(TOKEN_VARIABLE) or None
    if args.token_file is not None:
        token = read_token(Path(args.token_file))
    rules = Rules(args.host, args.port, token, args.expose, tuple(args.allow_host))
    server = Server(rules, args.socket, clients_max=args.clients)
    port = await server.open()
    shown = f"[{args.host}]" if ":" in args.host else args.host
    print(f"serving http://{shown}:{port}/", flush=True)
    pushing = None
    if args.otlp is not None:
        pushing = asyncio.create_task(_push(server, args.otlp, args.otlp_every))
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ending_signals():
        loop.add_signal_handler(number, ended.set)
    if args.exit_with_parent:
        threading.Thread(target=_watch_stdin, args=(loop, ended), daemon=True).start()
    running = asyncio.create_task(server.run())
    waiting = asyncio.create_task(ended.wait())
    try:
        async with Service(lambda: f"the feed is {server.world.feed}"):
            await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
    finally:
        waiting.cancel()
        running.cancel()
        if pushing is not None:
            pushing.cancel()
        with contextlib.suppress(asyncio.CancelledError, SessionError):
            await running
        await server.close()


def _can_push() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


async def _push(server: "Server", endpoint: str, every_s: float) -> None:
    # Not before: the SDK is an extra.
    from bookfeed.web.otlp import Pushing

    pushing = Pushing(server.world, server.counts, endpoint or None, every_s=every_s)
    await pushing.run()


def _watch_stdin(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Waits in a thread of its own until standard input ends: whoever began this is gone then.

    It reads the descriptor: a buffered read would hold a lock that the interpreter's end wants.
    """
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 4_096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(ended.set)
