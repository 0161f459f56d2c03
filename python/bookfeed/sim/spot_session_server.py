"""Simulated spot venues on sockets whose connections are sessions: what commands do and messages
become is said without a socket, by the venue's ``session``.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from picows import WSTransport, WSUpgradeRequest

from bookfeed.sim.server import NS_PER_MS
from bookfeed.sim.spot_faults import Out
from bookfeed.sim.spot_server import SpotPeer, SpotServer

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)


class Session(Protocol[M_contra]):
    """The venue's end of one connection, without its socket."""

    def symbols(self) -> set[str]:
        """The symbols that it is told of."""

    def carry(self, message: M_contra) -> Out | None:
        """The frame that this connection gets for a message of the venue, if any."""

    def receive(self, text: bytes | str, now_ns: int) -> list[Out]:
        """Acts on one command; returns the answers."""

    def refuse(self) -> None:
        """Answers the next command with an error, whatever it asks."""


class SessionPeer(SpotPeer):
    """The server's end of one connection."""

    session: Any

    def __init__(self, server: "SessionServer[Any, Any]") -> None:
        super().__init__(server)
        self.sessions = server
        self.spoke_ns = time.time_ns()
        """When it was last told anything."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service."""
        super().on_ws_connected(transport)
        self.session = self.sessions.session_of(self.conn)

    def hand_over(self, out: Out) -> None:
        """Queues what faults leave of a frame; ends what they end."""
        self.spoke_ns = time.time_ns()
        super().hand_over(out)

    def _receive(self, text: bytes) -> None:
        for out in self.session.receive(text, time.time_ns()):
            self.hand_over(out)
        self.flush()
        self.sessions.joined(self)


P = TypeVar("P", bound=SessionPeer)


class SessionServer(SpotServer[P, M], Generic[P, M]):
    """A running simulator; ``PEER`` serves one connection."""

    PEER: Callable[[Any], P]

    @abstractmethod
    def session_of(self, conn: int) -> Session[M]:
        """The session of a new connection."""

    def stumble(self, client: P, symbol: str) -> None:
        """Refuses the next command of a client."""
        client.session.refuse()

    def _accept(self, request: WSUpgradeRequest) -> P | None:
        at_home = request.path.split(b"?")[0] == self.WS_PATH.encode()
        return self.PEER(self) if at_home else None

    def _followed(self, client: P) -> Sequence[str]:
        return sorted(client.session.symbols())

    def _messages_due(self, now_ms: int) -> Sequence[M]:
        return ()

    def _messages_of_a_turn(self, now_ms: int) -> Sequence[M]:
        told: list[M] = self.venue.step(now_ms * NS_PER_MS, self._among)
        return told

    def _carry(self, client: P, message: M) -> Out | None:
        carried: Out | None = client.session.carry(message)
        return carried
