"""``bookfeed mcp``: a feed as tools, asked by the client of the protocol's own SDK."""

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from session_server import MARKET, NO, YES, Server
from waiting import PATIENCE_S, until
from web_server import RULES

from bookfeed import Feed
from bookfeed.cli import main
from bookfeed.sinks import SocketSink, remote
from bookfeed.web.attached import Attached
from bookfeed.web.mcp import COUNT_MAX, server

PRICES = ("bid", "bid_qty", "ask", "ask_qty")


async def asked(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers; it must not fail."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    content = result.structured_content
    assert isinstance(content, dict)
    return content


@asynccontextmanager
async def attached_to(path: Path) -> AsyncIterator[tuple[Attached, Client]]:
    """A client of a server that is attached to the feed at ``path``, or will be."""
    attached = Attached(str(path))
    following = asyncio.create_task(attached.run())
    try:
        async with Client(server(attached)) as client:
            yield attached, client
    finally:
        following.cancel()


@asynccontextmanager
async def feed_at(venue: Server, path: Path) -> AsyncIterator[Feed]:
    """A feed whose books are live, and whose socket is at ``path``."""
    async with Feed([MARKET], url=venue.url, rules=RULES, sinks=[SocketSink(path)]) as feed:
        await feed.wait_live(PATIENCE_S)
        yield feed


async def test_tools_tell_what_the_feed_knows(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "feed.sock"
    async with feed_at(server, path), attached_to(path) as (attached, client):
        await until(lambda: attached.world.feed == "heard")
        health = await asked(client, "health")
        assert (health["feed"], health["states"]) == ("heard", {"live": 2})
        told = await asked(client, "books", text="will IT yes")
        (book,) = told["books"]
        assert (told["found"], book["symbol"], book["state"]) == (1, YES, "live")
        assert (book["bid"], book["ask"], book["title"]) == ("0.4", "0.6", "Will it?")
        assert (await asked(client, "books", venue="kalshi"))["found"] == 0
        paged = await asked(client, "books", count=1, offset=1)
        assert (paged["found"], len(paged["books"])) == (2, 1)
        ladder = (await asked(client, "book", venue="polymarket", symbol=NO, depth=1))["book"]
        assert (ladder["live"], ladder["bids"]) == (True, [["0.4", "11"]])
        signals = await asked(client, "signals", rule="spread")
        assert signals["open"] and signals["open"][0]["legs"][0]["state"] == "live"
        assert (await asked(client, "signals", rule="box"))["open"] == []
        why = await asked(client, "why")
        assert [one["rule"] for one in why["rules"]] == ["spread"]
        assert (await asked(client, "trades"))["trades"] == []


async def test_no_price_comes_from_a_book_that_may_not_be_believed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lost by its connection, by a feed that hangs, and with its feed."""
    path = tmp_path / "feed.sock"

    async def nothing_is_believed(client: Client, feed: str) -> None:
        told = await asked(client, "books")
        assert told["feed"] == feed
        for book in told["books"]:
            assert book["state"] == "stale" and not book["live"]
            assert [book[key] for key in PRICES] == [None] * 4

    async with attached_to(path) as (attached, client):
        async with feed_at(server, path) as feed:
            await until(lambda: attached.world.feed == "heard")
            server.refuses = True
            (await server.peer(0)).abort()
            await until(lambda: not any(book.live for book in feed.books()))
            await until(lambda: {s for _, s, _ in attached.world.states()} == {"stale"})
            await nothing_is_believed(client, "heard")
            ladder = (await asked(client, "book", venue="polymarket", symbol=YES))["book"]
            assert (ladder["state"], ladder["live"], ladder["bids"]) == ("stale", False, [])
            assert (await asked(client, "signals"))["open"] == []
            # As after three seconds of silence.
            monkeypatch.setattr(remote, "SILENT_S", 0.0)
            await nothing_is_believed(client, "silent")
        await until(lambda: attached.world.feed == "lost")
        await nothing_is_believed(client, "lost")
        gone = await client.call_tool("book", {"venue": "polymarket", "symbol": YES})
        assert gone.is_error and "the feed is lost" in str(gone.content)


async def test_every_tool_only_reads_and_says_what_may_be_asked(tmp_path: Path) -> None:
    """Before any feed is there, too."""
    async with attached_to(tmp_path / "nobody.sock") as (_, client):
        tools = (await client.list_tools()).tools
        names = [tool.name for tool in tools]
        assert names == ["health", "books", "book", "markets", "signals", "trades", "why"]
        for tool in tools:
            assert tool.annotations is not None and tool.annotations.read_only_hint
            assert tool.description and len(tool.description) < 400
        assert client.instructions is not None and "may be believed" in client.instructions
        assert (await asked(client, "health"))["feed"] == "lost"
        for arguments in (
            {"count": 0}, {"count": COUNT_MAX + 1}, {"text": "x" * 201}, {"offset": -1},
        ):  # fmt: skip
            assert (await client.call_tool("books", arguments)).is_error, arguments
        none = await client.call_tool("book", {"venue": "kalshi", "symbol": "X", "depth": 1})
        assert none.is_error and "there is no book X of kalshi" in str(none.content)


@pytest.mark.slow
async def test_the_command_talks_on_its_standard_streams(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "feed.sock"
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "bookfeed", "mcp", str(path)],
        # Left to itself the SDK hands on little of it.
        env=dict(os.environ),
    )
    async with feed_at(server, path), Client(stdio_client(command)) as client:
        async with asyncio.timeout(PATIENCE_S):
            while (await asked(client, "health"))["feed"] != "heard":
                pass
        told = await asked(client, "books", text="yes")
        assert [(book["bid"], book["live"]) for book in told["books"]] == [("0.4", True)]


def test_without_the_sdk_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert main(["mcp"]) == 1
    assert "pip install 'bookfeed[mcp]'" in capsys.readouterr().err
