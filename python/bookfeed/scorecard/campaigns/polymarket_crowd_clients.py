"""Many WebSocket clients in one process, which do as ``polymarket_crowd.py`` tells them.

Orders come as lines of JSON on standard input, each is answered by one on standard output. The
clients are as small as can be, and know of WebSockets only what they need: what is measured is the
server. How long a message took is told from the newest ``ts_recv`` in it, the time at which the
feed had the frame that it tells of.
"""

import asyncio
import contextlib
import json
import re
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from bookfeed import loops

AT_ONCE: Final = 128
"""Connections that one process makes at once."""
STALLED_BYTES: Final = 4_096
"""What the system takes for a client that reads nothing."""
_TEXT: Final = 1
_CLOSE: Final = 8
_PING: Final = 9
_PONG: Final = 10
_TS: Final = re.compile(rb'"ts_recv":(\d+)')
_KNOWN_MAX: Final = 64
_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame of a client; its mask is all zeros, so that the payload stays as it is."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, 0x80 | length)) + bytes(4) + payload
    return bytes((0x80 | opcode, 0xFE)) + length.to_bytes(2, "big") + bytes(4) + payload


class Crowd:
    """All clients of this process, and what they have seen."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.came_ns: Final[dict[int, list[int]]] = {}
        """By the time in it: when each client had a message, while it is measured."""
        self.measuring = False
        self.known: Final[dict[bytes, int]] = {}
        """Of what was read last: the time in it, 0 where that does not count."""

    def text(self, payload: bytes, data: bytes) -> None:
        """A message, which came in ``data``."""
        counts = b'"snapshot"' not in payload[:40]
        newest = max(map(int, _TS.findall(payload)), default=0) if counts else 0
        if data.endswith(payload) and len(data) <= len(payload) + 10:
            if len(self.known) > _KNOWN_MAX:
                self.known.clear()
            self.known[data] = newest
        self.heard(newest)

    def heard(self, newest: int) -> None:
        """A message whose newest record is of then came to one client."""
        if self.measuring and newest:
            self.came_ns.setdefault(newest, []).append(time.time_ns())

    async def connect(self, said: dict[str, Any]) -> dict[str, Any]:
        """Opens so many, and returns when all are open or refused."""
        gate = asyncio.Semaphore(AT_ONCE)
        begun_s = time.monotonic()
        made = await asyncio.gather(*(self._one(said, gate) for _ in range(said["count"])))
        self.clients += [one for one in made if one is not None]
        seconds = time.monotonic() - begun_s
        return {"open": sum(one is not None for one in made), "seconds": seconds}

    async def _one(self, said: dict[str, Any], gate: asyncio.Semaphore) -> "Client | None":
        loop = asyncio.get_running_loop()
        async with gate:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                _, client = await loop.create_connection(
                    lambda: Client(self, said["port"]), "127.0.0.1", said["port"]
                )
                await client.opened
                return client
        return None

    async def say(self, said: dict[str, Any]) -> dict[str, Any]:
        """All send the same text, a few at a time."""
        frame = masked(_TEXT, said["text"].encode())
        for number, client in enumerate(self.clients):
            client.write(frame)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        return {"said": len(self.clients)}

    async def measure(self, said: dict[str, Any]) -> dict[str, Any]:
        """What comes in so many seconds, and when."""
        self.came_ns.clear()
        self.measuring = True
        await asyncio.sleep(said["seconds"])
        self.measuring = False
        return {"came_ns": list(self.came_ns.items())}

    async def stall(self, said: dict[str, Any]) -> dict[str, Any]:
        """So many read nothing from now on."""
        for client in self.clients[: said["count"]]:
            client.stall()
        await asyncio.sleep(0)
        return {"stalled": said["count"]}

    async def flood(self, said: dict[str, Any]) -> dict[str, Any]:
        """So many send as fast as they can, until they are closed; with which code they are."""
        flooding = self.clients[: said["count"]]
        frame = masked(_TEXT, b'{"op":"ping"}') * 500
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < said["seconds"]:
            if all(one.lost_s is not None for one in flooding):
                break
            for client in flooding:
                client.write(frame)
            await asyncio.sleep(0.05)
        lost = [one.lost_s - begun_s for one in flooding if one.lost_s is not None]
        return {"lost_s": lost, "codes": sorted({one.code for one in flooding})}

    async def look(self, _: dict[str, Any]) -> dict[str, Any]:
        """Who is still there.

        Who reads nothing does not see that it was cut, so each sends something first.
        """
        for _attempt in range(3):  # the first is answered with a reset, which the next one meets
            for client in self.clients:
                if client.stalled_s is not None:
                    client.write(masked(_PONG, b""))
            await asyncio.sleep(0.1)
        stalled = [one for one in self.clients if one.stalled_s is not None]
        lost = [one for one in self.clients if one.lost_s is not None]
        return {
            "open": len(self.clients) - len(lost),
            "stalled_open": sum(one.lost_s is None for one in stalled),
            "healthy_lost": sum(one.stalled_s is None for one in lost),
        }

    async def loris(self, said: dict[str, Any]) -> dict[str, Any]:
        """So many connections say what they want a byte a second; how soon each is cut."""
        begun = [asyncio.create_task(_drip(said["port"])) for _ in range(said["count"])]
        return {"cut_s": sorted(await asyncio.gather(*begun))}

    async def beyond(self, said: dict[str, Any]) -> dict[str, Any]:
        """One more client, and what it is answered."""
        reading, writing = await asyncio.open_connection("127.0.0.1", said["port"])
        begun_s = time.monotonic()
        with contextlib.suppress(ConnectionError):
            writing.write(_handshake(said["port"]))
        line = await asyncio.wait_for(reading.readline(), 30)
        writing.close()
        return {"answer": line.decode().strip(), "seconds": time.monotonic() - begun_s}


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, crowd: Crowd, port: int) -> None:
        self._crowd: Final = crowd
        self._port: Final = port
        self._bytes = b""
        self._transport: asyncio.Transport | None = None
        self._is_open = False
        self.opened: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        self.stalled_s: float | None = None
        self.lost_s: float | None = None
        self.code = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_handshake(self._port))

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        self.lost_s = time.monotonic()
        if not self.opened.done():
            self.opened.set_exception(ConnectionResetError("not let in"))

    def write(self, data: bytes) -> None:
        """Send bytes, if it is still there."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def stall(self) -> None:
        """Read nothing any more."""
        self.stalled_s = time.monotonic()
        if self._transport is not None and not self._transport.is_closing():
            wire = self._transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BYTES)
            self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Frames come; most are whole, and the same that the client before had."""
        newest = self._crowd.known.get(data)
        if newest is not None and not self._bytes:
            self._crowd.heard(newest)
            return
        self._bytes = self._bytes + data if self._bytes else data
        if not self._is_open and not self._open():
            return
        while (found := self._frame()) is not None:
            opcode, payload = found
            if opcode == _TEXT:
                self._crowd.text(payload, data)
            elif opcode == _PING:
                self.write(masked(_PONG, payload))
            elif opcode == _CLOSE:
                self.code = int.from_bytes(payload[:2], "big")
                self.write(masked(_CLOSE, payload[:2]))

    def _open(self) -> bool:
        head, end, rest = self._bytes.partition(b"\r\n\r\n")
        if not end:
            return False
        self._bytes = rest
        self._is_open = head.startswith(b"HTTP/1.1 101")
        if self._is_open and not self.opened.done():
            self.opened.set_result(None)
        elif self._transport is not None and not self._is_open:
            self._transport.abort()
        return self._is_open

    def _frame(self) -> tuple[int, bytes] | None:
        data = self._bytes
        if len(data) < 2:
            return None
        length, at = data[1], 2
        if length >= 126:
            at = 4 if length == 126 else 10
            length = int.from_bytes(data[2:at], "big")
        if len(data) < at + length:
            return None
        self._bytes = data[at + length :]
        return data[0] & 0x0F, data[at : at + length]


def _handshake(port: int) -> bytes:
    return (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {_KEY}\r\n\r\n"
    ).encode()


async def _drip(port: int) -> float:
    reading, writing = await asyncio.open_connection("127.0.0.1", port)
    begun_s = time.monotonic()
    ended = asyncio.create_task(reading.read())
    for byte in _handshake(port):
        with contextlib.suppress(ConnectionError):
            writing.write(bytes((byte,)))
        if (await asyncio.wait({ended}, timeout=1))[0]:
            break
    writing.transport.abort()
    ended.cancel()
    await asyncio.gather(ended, return_exceptions=True)
    return time.monotonic() - begun_s


async def obey() -> None:
    """Orders, one after the other, until there are no more."""
    crowd = Crowd()
    known: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
        name: getattr(crowd, name)
        for name in ("connect", "say", "measure", "stall", "flood", "look", "loris", "beyond")
    }
    print("{}", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        said = json.loads(line)
        print(json.dumps(await known[said["do"]](said)), flush=True)


if __name__ == "__main__":
    loops.run(obey())
