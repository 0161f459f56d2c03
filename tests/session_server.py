"""A WebSocket server for session tests: Polymarket's opening moves, then whatever a test says.

It is not the simulator: it knows no market, but it can send any bytes at all, which a well-behaved
simulator cannot.
"""

import asyncio
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)
from waiting import PATIENCE_S

from bookfeed._bookfeed import Engine
from bookfeed.feed.feed import Feed
from bookfeed.market import Market, Outcome

YES, NO = "1" * 77, "2" * 76
MARKET = Market("0xabc", (Outcome("Yes", YES), Outcome("No", NO)), name="Will it?")


class Stamps:
    """Milliseconds of now, or of so long ago, each later than the one before."""

    def __init__(self, ago_ms: int = 0) -> None:
        self._ago_ms = ago_ms
        self._newest_ms = 0

    def next_ms(self) -> int:
        self._newest_ms = max(self._newest_ms + 1, time.time_ns() // 1_000_000 - self._ago_ms)
        return self._newest_ms


STAMPS = Stamps()


def book_message(
    symbol: str, bid: str = "0.40", ask: str = "0.60", *, ts_ms: int | None = None
) -> dict[str, object]:
    """A ``book`` message of now, newer than every one before it unless ``ts_ms`` is given.

    The outcomes never mirror each other, so a test may send the book of either alone.
    """
    size = "11" if symbol.endswith("2") else "10"
    return {
        "event_type": "book",
        "market": MARKET.market,
        "asset_id": symbol,
        "timestamp": str(STAMPS.next_ms() if ts_ms is None else ts_ms),
        "hash": "",
        "bids": [{"price": bid, "size": size}],
        "asks": [{"price": ask, "size": size}],
    }


def book_frame(symbol: str, bid: str = "0.40", ask: str = "0.60") -> bytes:
    """The same as the bytes of a frame."""
    return orjson.dumps(book_message(symbol, bid, ask))


def raw_frame(opcode: int, payload: bytes, *, fin: bool = True, reserved: int = 0) -> bytes:
    """One server frame as it is on the wire, however forbidden."""
    first = (fin << 7) | (reserved << 4) | opcode
    if len(payload) < 126:
        return bytes((first, len(payload))) + payload
    if len(payload) < 1 << 16:
        return struct.pack("!BBH", first, 126, len(payload)) + payload
    return struct.pack("!BBQ", first, 127, len(payload)) + payload


class Peer(WSListener):
    """One connection as the server sees it."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.transport: WSTransport | None = None
        self.received: list[tuple[WSMsgType, bytes]] = []
        self.close_code: int | None = None
        self.gone = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.server.peers.append(self)
        self.server.news.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.gone.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        self.received.append((frame.msg_type, payload))
        if frame.msg_type is WSMsgType.CLOSE:
            self.close_code = int.from_bytes(payload[:2])
            if self.server.answers_close:
                transport.send_close(frame.get_close_code())
                transport.disconnect()
        elif payload == b"PING" and self.server.answers_ping:
            self.text(b"PONG")
        elif payload.startswith(b'{"type"') and self.server.on_subscribe is not None:
            self.server.on_subscribe(self, orjson.loads(payload)["assets_ids"])
        self.server.news.set()

    def text(self, payload: bytes) -> None:
        """Send a text frame."""
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, payload)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self.transport is not None
        self.transport.underlying_transport.write(data)

    def abort(self) -> None:
        """Drop the connection without a word."""
        assert self.transport is not None
        self.transport.disconnect(graceful=False)


class FailingEngine:
    """An engine that raises ``error`` instead of taking the next frame, once it is given one."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._engine = Engine()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def ingest(self, conn: int, payload: bytes, ts: int) -> int:
        error, self.error = self.error, None
        if error is not None:
            raise error
        return self._engine.ingest(conn, payload, ts)


def send_books(peer: Peer, symbols: list[str]) -> None:
    """What the venue does on a subscription: one array with every book."""
    peer.text(orjson.dumps([book_message(symbol) for symbol in symbols]))


@dataclass
class Server:
    """The server; change its attributes to change what it does next."""

    port: int = 0
    peers: list[Peer] = field(default_factory=list)
    on_subscribe: Callable[[Peer, list[str]], None] | None = send_books
    answers_ping: bool = True
    answers_close: bool = True
    refuses: bool = False
    requests: list[WSUpgradeRequest] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """What the answer to a handshake says besides."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/market"

    async def peer(self, number: int) -> Peer:
        """The connection ``number`` (from 0), when it has come."""
        await self.until(lambda: len(self.peers) > number)
        return self.peers[number]

    async def recovered(self, feed: Feed, symbol: str) -> None:
        """The book of ``symbol``, live by now, is lost and live again; however short the loss."""
        epoch = feed.book(symbol).epoch
        await self.until(lambda: feed.book(symbol).epoch > epoch)
        await feed.wait_live(PATIENCE_S)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something the server can see, or anything else, to come true."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.news.clear()
                try:
                    async with asyncio.timeout(0.005):
                        await self.news.wait()
                except TimeoutError:
                    continue


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on a free port of loopback."""
    server = Server()

    def accept(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener | None:
        server.requests.append(request)
        if server.refuses:
            return None
        answer = WSUpgradeResponse.create_101_response(server.headers)
        return WSUpgradeResponseWithListener(answer, Peer(server))

    listening = await ws_create_server(accept, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for peer in server.peers:
            if peer.transport is not None:
                peer.transport.disconnect(graceful=False)
        await asyncio.sleep(0)
