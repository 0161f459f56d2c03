"""A feed with a server attached, for tests of the server."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from session_server import MARKET, Server
from waiting import PATIENCE_S, until

from bookfeed import Feed, Rule
from bookfeed.sinks import SocketSink
from bookfeed.web import server as web_server
from bookfeed.web.door import Rules

RULES = [Rule("spread", {"mode": "bps", "open": "20"})]


class Served:
    """Asks the server of a feed."""

    def __init__(self, server: web_server.Server, port: int, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.port = port
        self.http = http
        self.at = f"http://127.0.0.1:{port}"

    async def ask(self, path: str, **headers: str) -> tuple[int, Any]:
        """The status and what was answered: JSON as it is meant, else text."""
        async with self.http.get(self.at + path, headers=headers) as response:
            text = await response.read()
            json = response.content_type == "application/json"
            return response.status, orjson.loads(text) if json else text.decode()


@asynccontextmanager
async def served(path: Path, rules: Rules | None = None) -> AsyncIterator[Served]:
    """A server for the feed that listens at ``path``, or will."""
    server = web_server.Server(rules or Rules("127.0.0.1", 0), str(path))
    port = await server.open()
    try:
        async with aiohttp.ClientSession() as http:
            yield Served(server, port, http)
    finally:
        await server.close()


@asynccontextmanager
async def served_feed(
    venue: Server, path: Path, rules: Rules | None = None
) -> AsyncIterator[tuple[Feed, Served]]:
    """A feed whose books are live, and a server that hears it."""
    async with Feed([MARKET], url=venue.url, rules=RULES, sinks=[SocketSink(path)]) as feed:
        await feed.wait_live(PATIENCE_S)
        async with served(path, rules) as there:
            await until(lambda: there.server.world.feed == "heard")
            yield feed, there


async def serve_command(path: Path, *options: str) -> asyncio.subprocess.Process:
    """``bookfeed serve`` as it is run; its first line is there to be read."""
    command = [sys.executable, "-m", "bookfeed", "serve", str(path), *options]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def message(socket: aiohttp.ClientWebSocketResponse, kind: str) -> Any:
    """The next message of a kind; those before it are passed over."""
    while True:
        said = orjson.loads(await socket.receive_str(timeout=PATIENCE_S))
        if said["type"] == kind:
            return said
