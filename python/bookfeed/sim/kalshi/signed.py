"""What serves Kalshi's WebSocket whatever is told there: signed handshakes, and heartbeats."""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

from picows import (
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)

from bookfeed.sim.kalshi.auth import Authenticator, KeyPair, generate_key
from bookfeed.sim.kalshi.faults import HEARTBEAT
from bookfeed.sim.peer import Peer
from bookfeed.sim.server import NS_PER_MS, VenueServer

WS_PATH: Final = "/trade-api/ws/v2"
TIMESTAMP_TOLERANCE_S: Final = 5.0
HEARTBEAT_S: Final = 10.0


class SignedPeer(Peer):
    """The server's end of one connection, with its heartbeats."""

    def __init__(self, hub: Any, heartbeat_s: float) -> None:
        super().__init__(hub)
        self._heartbeat_s = heartbeat_s
        self._heartbeat: asyncio.TimerHandle | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service; heartbeats begin."""
        super().on_ws_connected(transport)
        self._await_heartbeat()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Forgets the client."""
        if self._heartbeat:
            self._heartbeat.cancel()
        super().on_ws_disconnected(transport)

    def _await_heartbeat(self) -> None:
        loop = asyncio.get_running_loop()
        self._heartbeat = loop.call_later(self._heartbeat_s, self._beat)

    def _beat(self) -> None:
        if self.open and self._transport:
            heartbeat = self._next_heartbeat()
            if heartbeat is not None:
                self.flush()
                self._transport.send_ping(heartbeat)
            self._await_heartbeat()

    def _next_heartbeat(self) -> bytes | None:
        """What the next ping carries; ``None`` if there is none."""
        return HEARTBEAT


C = TypeVar("C", bound=Peer)


class SignedServer(VenueServer[C]):
    """A server that lets in who signs with a key that it knows."""

    WS_PATH = WS_PATH

    key: KeyPair | None
    """The key that clients sign with, if none was given."""
    refused: int
    """Handshakes refused so far."""

    def _take_keys(
        self, keys: Mapping[str, str], timestamp_tolerance_s: float = TIMESTAMP_TOLERANCE_S
    ) -> None:
        """Lets in who has one of ``keys``, public ones (PEM) by key id; with none it makes a key
        pair. ``ModuleNotFoundError`` without the ``cryptography`` package.
        """
        self.refused = 0
        self.key = None if keys else generate_key()
        known = {self.key.key_id: self.key.public_pem} if self.key else keys
        self._auth = Authenticator(known, timestamp_tolerance_s)

    @abstractmethod
    def _client(self) -> C:
        """The server's end of a new connection."""

    def _accept(self, request: WSUpgradeRequest) -> C | WSUpgradeResponseWithListener | None:
        path = request.path.split(b"?")[0].decode("ascii", "replace")
        if path != WS_PATH:
            return None
        refusal = self._auth.refusal(request.headers, path, time.time_ns() // NS_PER_MS)
        if refusal is None:
            return self._client()
        self.refused += 1
        answer = WSUpgradeResponse.create_error_response(
            HTTPStatus.UNAUTHORIZED, refusal, {"Content-Type": "application/json"}
        )
        return WSUpgradeResponseWithListener(answer, None)
