"""The server that goes with a run: ``bookfeed serve`` as a process of its own, ended with it.

The feed is followed over a socket, which is added to its sinks where there is none. A server that
dies is begun again, so that whatever becomes of it costs those who look, and not the feed.
"""

import asyncio
import contextlib
import logging
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from bookfeed.cli.source import Source
from bookfeed.config import ServerConfig
from bookfeed.errors import SessionError
from bookfeed.sinks.socket import SocketSection, default_path

# Until it says where it listens, and until it has ended.
READY_S: Final = 60.0
END_S: Final = 3.0
# How soon a server that died is begun again: doubled each time it dies at once.
AGAIN_MIN_S: Final = 0.5
AGAIN_MAX_S: Final = 30.0
# One that lived so long did not die at once.
LIVED_S: Final = 60.0

_log: Final = logging.getLogger("bookfeed.server")


@contextlib.contextmanager
def with_socket(source: Source) -> Iterator[tuple[Source, str]]:
    """The source with a socket among its sinks, and where that is.

    It is the user's own, where `bookfeed top` looks, unless another feed listens there.
    """
    for section in source.config.sink:
        if isinstance(section, SocketSection):
            yield source, section.path or default_path()
            return
    with contextlib.ExitStack() as stack:
        path = default_path()
        if _is_taken(path):
            made = tempfile.TemporaryDirectory(prefix="bookfeed-", ignore_cleanup_errors=True)
            path = str(Path(stack.enter_context(made)) / "feed.sock")
        names = {section.called for section in source.config.sink}
        name = "server" if "socket" in names else "socket"
        section = SocketSection(kind="socket", path=path, name=name)
        config = replace(source.config, sink=(*source.config.sink, section))
        yield source._replace(config=config), path


@contextlib.asynccontextmanager
async def serving(config: ServerConfig, path: str) -> AsyncIterator[str]:
    """A server for the feed at ``path``, and where it listens; it never outlives the context.

    Raises ``SessionError`` if it does not begin, having said itself why.
    """
    process, url = await _begin(_command(config, path))
    # Where it was is where those look who had it open.
    port = url.rstrip("/").rpartition(":")[2]
    again = _command(replace(config, port=int(port)), path)
    keeping = asyncio.create_task(_keep(process, again), name="bookfeed-server")
    try:
        yield url
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping


async def _keep(process: asyncio.subprocess.Process, command: list[str]) -> None:
    """Begins it again when it dies, and ends it when cancelled."""
    loop = asyncio.get_running_loop()
    begun_s, pause_s = loop.time(), AGAIN_MIN_S
    try:
        while True:
            code = await process.wait()
            if loop.time() - begun_s > LIVED_S:
                pause_s = AGAIN_MIN_S
            _log.warning("the server has ended (%d) and is begun again in %g s", code, pause_s)
            await asyncio.sleep(pause_s)
            pause_s, begun_s = min(pause_s * 2, AGAIN_MAX_S), loop.time()
            with contextlib.suppress(SessionError):
                process, _ = await _begin(command)
    finally:
        await _end(process)


async def _begin(command: list[str]) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C is for the feed: books are told as not live before the server goes.
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            line = (await process.stdout.readline()).decode()
    except BaseException as error:
        await _end(process)
        if isinstance(error, TimeoutError):
            raise SessionError(f"the server was not ready within {READY_S:g} s") from None
        raise
    word, _, url = line.strip().partition(" ")
    if word != "serving":
        code = await process.wait()
        raise SessionError(f"the server did not begin (exit code {code})")
    return process, url


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its standard input, which tells it to end; what does not listen is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _command(config: ServerConfig, path: str) -> list[str]:
    command = [sys.executable, "-m", "bookfeed", "serve", path, "--exit-with-parent"]
    command += ["--host", config.host, "--port", str(config.port)]
    if config.token_file is not None:
        command += ["--token-file", config.token_file]
    if config.expose:
        command += ["--expose"]
    return [*command, *(part for name in config.allow_host for part in ("--allow-host", name))]


def _is_taken(path: str) -> bool:
    """Whether a feed listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
