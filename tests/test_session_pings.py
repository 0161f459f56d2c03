"""A peer that pings and never reads is given up before its answers fill the memory."""

import asyncio
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from raw_server import raw_serving
from session_server import MARKET, raw_frame
from tls import Tls
from waiting import PATIENCE_S, until

from bookfeed import loops
from bookfeed.feed.feed import Endpoint, Feed, SessionOptions
from bookfeed.venues.polymarket import polymarket

MIB = 1 << 20
PINGS = 2_000_000
ONCE = 10_000


def flood(sock: socket.socket) -> None:
    """Pings of the greatest size, until all are sent or the client has had enough."""
    pings = raw_frame(0x9, b"x" * 125) * ONCE
    with suppress(OSError):
        for _ in range(PINGS // ONCE):
            sock.sendall(pings)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def flooded(tls: Tls) -> tuple[int, str]:
    """How much memory it took until the connection was given up, and what was said of it."""
    options = SessionOptions(reconnect=False)
    with raw_serving(tls.theirs) as server:
        endpoint = Endpoint(polymarket(), server.url, ssl_context=tls.ours)
        async with Feed([MARKET], endpoints={"polymarket": endpoint}, options=options) as feed:
            await feed.wait_live(PATIENCE_S)
            sock = await asyncio.to_thread(server.opened.get)
            before = most = resident_bytes()
            sending = threading.Thread(target=flood, args=(sock,))
            sending.start()
            while feed.counters()["protocol_violations"] == 0:
                await asyncio.sleep(0)
                most = max(most, resident_bytes())
            assert not any(book.live for book in feed.books())
            await until(lambda: feed.status().connections[0].state == "down")
            # What was waiting is not kept for a peer that will never take it.
            await until(lambda: not sending.is_alive())
            most = max(most, resident_bytes())
            return most - before, feed.status().connections[0].cause


@pytest.mark.usefixtures("either_loop")
def test_pings_without_end(tls: Tls) -> None:
    grown, cause = loops.run(flooded(tls))
    assert grown < 16 * MIB
    assert "pings without reading the answers" in cause
