"""The server dies at random moments, while a book comes and goes: no client is misled."""

import asyncio
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp
import orjson
import pytest
from services import KILLS, free_port
from session_server import MARKET, YES, Server, book_frame
from waiting import PATIENCE_S, until
from web_server import serve_command

from bookfeed import Feed, SessionOptions, Update
from bookfeed.sinks import SocketSink

pytestmark = pytest.mark.slow

# What is told in ticks of a tenth of a second may be late by what the machine has besides to do.
SLACK_S: Final = 2.0


class Watcher:
    """A client that attaches again and again, and remembers when it was told what."""

    def __init__(self, port: int) -> None:
        self._at: Final = f"http://127.0.0.1:{port}/ws"
        self.bad_since_s: float | None = None
        """Since when the book may not be believed; the test says so."""
        self.told = 0
        self.attached = 0
        self.believes = False
        self.believed_wrongly_s = 0.0
        """How long at most after that it was told that it is live."""
        self._task: Final = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                with suppress(aiohttp.ClientError, OSError):
                    async with http.ws_connect(self._at) as socket:
                        await socket.send_str('{"op":"subscribe","channel":"books"}')
                        self.attached += 1
                        async for message in socket:
                            self._take(orjson.loads(message.data))
                # Who hears no server believes nothing.
                self.believes = False
                await asyncio.sleep(0.02)

    def _take(self, said: dict[str, object]) -> None:
        books = said.get("books", ())
        assert isinstance(books, list | tuple)
        for one in books:
            if one["symbol"] != YES:
                continue
            self.told += 1
            self.believes = one["live"]
            assert one["live"] or one["bid"] is None
            if one["live"] and self.bad_since_s is not None:
                late_s = time.monotonic() - self.bad_since_s
                self.believed_wrongly_s = max(self.believed_wrongly_s, late_s)

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def test_the_server_dies_and_no_client_believes_what_it_must_not(
    server: Server, tmp_path: Path
) -> None:
    rng, path, port = random.Random(7), tmp_path / "feed.sock", free_port()
    watcher = Watcher(port)
    quick = SessionOptions(backoff_min_s=0.02, backoff_max_s=0.1)
    async with Feed([MARKET], url=server.url, sinks=[SocketSink(path)], options=quick) as feed:

        @feed.on_update
        def changed(update: Update) -> None:
            if update.kind == "state" and update.symbol == YES:
                watcher.bad_since_s = None if update.live else time.monotonic()

        for number in range(KILLS):
            process = await serve_command(path, "--port", str(port))
            attached = watcher.attached
            await until(lambda: watcher.attached > attached)  # noqa: B023 - waited for at once
            await feed.wait_live(PATIENCE_S)
            server.peers[-1].text(book_frame(YES, f"0.{100 + number % 400}", "0.9"))
            await until(lambda: watcher.believes)
            await asyncio.sleep(rng.random() * 0.3)
            server.peers[-1].abort()
            await asyncio.sleep(rng.random() * 0.2)
            process.kill()
            await process.wait()
            if rng.random() < 0.5:
                server.peers[-1].abort()
    await watcher.close()
    assert watcher.told > 2
    assert watcher.believed_wrongly_s < SLACK_S
