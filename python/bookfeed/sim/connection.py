"""One client of the simulated market channel: its subscription, and the frames going out.

The rules are the venue's: the first frame must subscribe, ``PING`` before that closes the
connection, a second initial frame is refused, a duplicate subscription brings no new books,
and beyond 500 assets initial books stop arriving.
"""

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bookfeed.sim.faults import Delivery, FaultInjector
from bookfeed.sim.market import Market
from bookfeed.sim.venue import SimVenue
from bookfeed.sim.wire import Message

SNAPSHOT_ASSETS_MAX: Final = 500
"""Assets on one connection beyond which no initial book comes any more."""
BACKLOG_BYTES_MAX: Final = 16 * 1024 * 1024
"""Unsent bytes at which a client counts as too slow and is closed."""

_WRITE_HIGH_BYTES: Final = 256 * 1024
_GOODBYE_S: Final = 0.5
_UNSUPPORTED_DATA: Final = 1003
_POLICY_VIOLATION: Final = 1008
_CLOSE_SUBSCRIPTION: Final = b"invalid subscription payload"
_CLOSE_SLOW: Final = b"slow consumer"
_LINGER_RESET: Final = struct.pack("ii", 1, 0)

_log = logging.getLogger("bookfeed.sim")


class Hub(Protocol):
    """What a client needs of the server it belongs to."""

    venue: SimVenue
    injector: FaultInjector

    def arrived(self, client: "Client") -> int:
        """Takes in a client that has just connected; returns its number."""

    def joined(self, client: "Client") -> None:
        """Is told when the set of markets ``client`` follows may have changed."""

    def left(self, client: "Client") -> None:
        """Is told when ``client`` is gone."""

    def writable_changed(self) -> None:
        """Is told when a client can or cannot take more bytes."""


class Client(WSListener):
    """The server's end of one WebSocket connection."""

    def __init__(self, hub: Hub, now_ns: Callable[[], int]) -> None:
        super().__init__()
        self.conn = -1
        """Number of this connection, in order of arrival from 0."""
        self.masks: dict[int, int] = {}
        """Subscribed outcomes by market."""
        self.custom = False
        """Whether the custom features are on."""
        self.paused = False
        """Whether the socket wants no more bytes for now."""
        self.open = False
        self._hub = hub
        self._now_ns = now_ns
        self._subscribed: set[str] = set()
        self._started = False
        self._out: list[bytes] = []
        self._partial = bytearray()
        self._transport: WSTransport | None = None

    # picows callbacks

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service."""
        self._transport = transport
        self.open = True
        transport.underlying_transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)
        self.conn = self._hub.arrived(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Forgets the client."""
        self.open = False
        self._out.clear()
        self._hub.left(self)

    def pause_writing(self) -> None:
        """Notes that the client reads too slowly."""
        self.paused = True
        self._hub.writable_changed()

    def resume_writing(self) -> None:
        """Notes that the client has caught up."""
        self.paused = False
        self._hub.writable_changed()

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
            self.close(_UNSUPPORTED_DATA, b"text frames only")

    # the protocol

    def _receive(self, text: bytes) -> None:
        if text.strip().upper() == b"PING":
            if self._started:
                self._say(b"PONG")
            else:
                self.close(_POLICY_VIOLATION, _CLOSE_SUBSCRIPTION)
            return
        request = _parse(text)
        if not self._started:
            if request is None or str(request.get("type", "")).lower() != "market":
                self.close(_POLICY_VIOLATION, _CLOSE_SUBSCRIPTION)
                return
            self._started = True
            self.custom = bool(request.get("custom_feature_enabled", False))
            self._add(request["assets_ids"], dump=bool(request.get("initial_dump", True)))
        elif request is None or request.get("operation") not in ("subscribe", "unsubscribe"):
            self._say(b"INVALID OPERATION")
        else:
            self._update(request)

    def _update(self, request: dict[str, Any]) -> None:
        if "custom_feature_enabled" in request:
            self.custom = bool(request["custom_feature_enabled"])
        asset_ids = request["assets_ids"]
        if request["operation"] == "unsubscribe":
            self._subscribed.difference_update(asset_ids)
            self._recount()
        elif all(asset_id in self._subscribed for asset_id in asset_ids):
            self._recount()
            self._say(b"NO NEW ASSETS")
        else:
            self._add(asset_ids, dump=bool(request.get("initial_dump", True)))

    def _add(self, asset_ids: Iterable[str], *, dump: bool) -> None:
        fresh = [asset_id for asset_id in dict.fromkeys(asset_ids)
                 if asset_id not in self._subscribed]  # fmt: skip
        self._subscribed.update(fresh)
        self._recount()
        if dump and len(self._subscribed) <= SNAPSHOT_ASSETS_MAX:
            self._say(self._hub.venue.initial_books(fresh))

    def _recount(self) -> None:
        self.masks.clear()
        for asset_id in self._subscribed:
            market = self._hub.venue.market_of(asset_id)
            if market:
                bit = self._hub.venue.assets[asset_id].bit
                self.masks[market.spec.index] = self.masks.get(market.spec.index, 0) | bit
        self._hub.joined(self)

    # what goes out

    def _say(self, text: bytes) -> None:
        if self.open and self._transport:
            self.flush()
            self._transport.send(WSMsgType.TEXT, text)

    def push(self, message: Message, mask: int, market: Market | None) -> int:
        """Queues what faults leave of ``message``; returns 1, or 0 if the client is gone."""
        if not self.open:
            return 0
        ids = ("", "")
        if market:
            first, second = market.assets
            ids = (first.asset_id, second.asset_id)
        delivery = self._hub.injector.deliver(self.conn, message, mask, ids, self._now_ns())
        for payload in delivery.payloads:
            self._out.append(_header(len(payload)))
            self._out.append(payload)
        if delivery.end:
            self._end(delivery)
        return 1

    def flush(self) -> None:
        """Hands everything queued to the socket in one write."""
        if not self._out or not self._transport:
            return
        transport = self._transport.underlying_transport
        transport.write(b"".join(self._out))
        self._out.clear()
        if transport.get_write_buffer_size() > BACKLOG_BYTES_MAX:
            _log.warning("connection %d reads too slowly, closing it", self.conn)
            self.close(_POLICY_VIOLATION, _CLOSE_SLOW)

    def _end(self, delivery: Delivery) -> None:
        if delivery.end == "reset":
            self.reset()
        elif delivery.fault:
            self.close(delivery.fault.close_code, b"simulated")

    def close(self, code: int, reason: bytes) -> None:
        """Says goodbye with a close frame; hangs up when answered, or soon anyway."""
        if not self.open or not self._transport:
            return
        self.flush()
        self.open = False
        self._transport.underlying_transport.write(_close_frame(code, reason))
        asyncio.get_running_loop().call_later(_GOODBYE_S, self._transport.disconnect)

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


def _parse(text: bytes) -> dict[str, Any] | None:
    """A request as a dictionary with a list of strings under ``assets_ids``, or ``None``."""
    try:
        request = json.loads(text)
    except ValueError:
        return None
    if not isinstance(request, dict):
        return None
    asset_ids = request.setdefault("assets_ids", [])
    if not isinstance(asset_ids, list) or not all(isinstance(one, str) for one in asset_ids):
        return None
    return request


def _header(size: int) -> bytes:
    """The WebSocket header of one whole text frame from a server."""
    if size < 126:
        return bytes((0x81, size))
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")


def _close_frame(code: int, reason: bytes) -> bytes:
    return bytes((0x88, 2 + len(reason))) + code.to_bytes(2, "big") + reason
