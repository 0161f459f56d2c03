"""The server's end of one WebSocket connection, whatever is spoken on it.

Text goes out through a queue that is flushed in one write; a client that reads too slowly is
closed; fragments are put together. What the frames mean is for the subclass of each venue.
"""

import asyncio
import logging
import socket
import struct
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

BACKLOG_BYTES_MAX: Final = 16 * 1024 * 1024
"""Unsent bytes at which a client counts as too slow and is closed."""
UNSUPPORTED_DATA: Final = 1003
POLICY_VIOLATION: Final = 1008

_WRITE_HIGH_BYTES: Final = 256 * 1024
_GOODBYE_S: Final = 0.5
_TIMER_S_MIN: Final = 0.001
_CLOSE_SLOW: Final = b"slow consumer"
_LINGER_RESET: Final = struct.pack("ii", 1, 0)

_log = logging.getLogger("bookfeed.sim")


class PeerHub(Protocol):
    """What a connection needs of the server it belongs to."""

    def arrived(self, client: Any) -> int:
        """Takes in a client that has just connected; returns its number."""

    def left(self, client: Any) -> None:
        """Is told when ``client`` is gone."""

    def writable_changed(self) -> None:
        """Is told when a client can or cannot take more bytes."""


class Peer(WSListener):
    """A connection with a number, a queue and an end."""

    def __init__(self, hub: PeerHub) -> None:
        super().__init__()
        self.conn = -1
        """Number of this connection, in order of arrival from 0."""
        self.paused = False
        """Whether the socket wants no more bytes for now."""
        self.open = False
        self._peer_hub = hub
        self._out: list[bytes] = []
        self._partial = bytearray()
        self._transport: WSTransport | None = None
        self._late: deque[tuple[float, bytes]] = deque()
        """Frames that come late, in order, each with the loop's time when it is due."""
        self._timers: set[asyncio.TimerHandle] = set()

    # picows callbacks

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service."""
        self._transport = transport
        self.open = True
        transport.underlying_transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)
        self.conn = self._peer_hub.arrived(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Forgets the client, and what it was still to be told."""
        self.open = False
        for timer in self._timers:
            timer.cancel()
        self._late.clear()
        self._out.clear()
        self._peer_hub.left(self)

    def pause_writing(self) -> None:
        """Notes that the client reads too slowly."""
        self.paused = True
        self._peer_hub.writable_changed()

    def resume_writing(self) -> None:
        """Notes that the client has caught up."""
        self.paused = False
        self._peer_hub.writable_changed()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Acts on what the client says."""
        if frame.msg_type == WSMsgType.CLOSE:
            if self.open:
                payload = frame.get_payload_as_bytes()
                transport.underlying_transport.write(bytes((0x88, len(payload))) + payload)
            self.open = False
            transport.disconnect()
        elif not self.open:
            return
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._partial += frame.get_payload_as_bytes()
            if frame.fin:
                text = bytes(self._partial)
                self._partial.clear()
                self._receive(text)
        elif frame.msg_type == WSMsgType.BINARY:
            self.close(UNSUPPORTED_DATA, b"text frames only")

    @abstractmethod
    def _receive(self, text: bytes) -> None:
        """Acts on one whole text frame."""

    # what goes out

    def _say(self, text: bytes) -> None:
        if self.open and self._transport:
            self.flush()
            self._transport.send(WSMsgType.TEXT, text)

    def _queue(self, payload: bytes) -> None:
        self._out.append(_header(len(payload)))
        self._out.append(payload)

    def _post(self, payload: bytes, late_ns: int) -> None:
        """Queues a frame now or later, after those that are late already."""
        if not late_ns and not self._late:
            self._queue(payload)
            return
        now_s = asyncio.get_running_loop().time()
        when_s = max(now_s + late_ns / 1e9, self._late[-1][0] if self._late else 0.0)
        self._late.append((when_s, payload))
        self._after(when_s - now_s, self._post_late)

    def _post_late(self) -> None:
        if self._late:
            self._queue(self._late.popleft()[1])
            self.flush()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        """Calls ``act`` in so many seconds, unless the client has gone by then."""
        loop = asyncio.get_running_loop()
        self._timers = {timer for timer in self._timers if timer.when() > loop.time()}
        # Of less than a millisecond uvloop makes no timer, which would know its time.
        self._timers.add(loop.call_later(max(seconds, _TIMER_S_MIN), self._on_time, act))

    def _on_time(self, act: Callable[[], None]) -> None:
        if self.open:
            act()

    def flush(self) -> None:
        """Hands everything queued to the socket in one write."""
        if not self._out or not self._transport:
            return
        transport = self._transport.underlying_transport
        transport.write(b"".join(self._out))
        self._out.clear()
        if transport.get_write_buffer_size() > BACKLOG_BYTES_MAX:
            _log.warning("connection %d reads too slowly, closing it", self.conn)
            self.close(POLICY_VIOLATION, _CLOSE_SLOW)

    def close(self, code: int, reason: bytes) -> None:
        """Says goodbye with a close frame; hangs up when answered, or soon anyway."""
        if not self.open or not self._transport:
            return
        self.flush()
        self.open = False
        self._transport.underlying_transport.write(_close_frame(code, reason))
        asyncio.get_running_loop().call_later(_GOODBYE_S, self._transport.disconnect)

    def close_as(self, code: str) -> None:
        """The same with one of ``CLOSE_CODES``; by 1006 the socket ends without a close frame."""
        if code != "1006":
            self.close(int(code), b"simulated")
        elif self.open and self._transport:
            self.flush()
            self.open = False
            self._transport.disconnect()

    def reset_behind_data(self) -> None:
        """Sends what is queued and hangs up without a word, before the client has read it."""
        self.flush()
        self.open = False
        # Some loops write at the end of their turn; hanging up would throw it away.
        asyncio.get_running_loop().call_soon(self.reset)

    def reset(self) -> None:
        """Hangs up without a word: the client's socket sees a TCP reset."""
        if not self._transport:
            return
        self.open = False
        self._out.clear()
        transport = self._transport.underlying_transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        transport.abort()


def _header(size: int) -> bytes:
    """The WebSocket header of one whole text frame from a server."""
    if size < 126:
        return bytes((0x81, size))
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")


def _close_frame(code: int, reason: bytes) -> bytes:
    return bytes((0x88, 2 + len(reason))) + code.to_bytes(2, "big") + reason
