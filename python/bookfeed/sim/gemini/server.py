"""Gemini's fast WebSocket, or its market data of version 2, simulated on loopback; or both.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(GeminiSimConfig(rate=500))
    ...  # connect to server.url + "?snapshot=-1", subscribe to "btcusd@depth@100ms"
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from picows import WSTransport, WSUpgradeRequest

from bookfeed.sim.entry import Options
from bookfeed.sim.gemini.faults import GeminiFault, GeminiInjector
from bookfeed.sim.gemini.session import PATH_OF_VERSION_2, WHOLE, GeminiSession
from bookfeed.sim.gemini.venue import GeminiVenueConfig, SimGemini
from bookfeed.sim.gemini.wire import Message
from bookfeed.sim.server import NS_PER_MS, RestService
from bookfeed.sim.spot_server import SpotSimConfig, configured_as
from bookfeed.sim.spot_session_server import SessionPeer, SessionServer

HEARTBEAT_S: Final = 5.0
"""How often version 2 says that it is there."""


@dataclass(frozen=True)
class GeminiSimConfig(SpotSimConfig, GeminiVenueConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be."""


def configured(options: Options) -> GeminiSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    return configured_as(GeminiSimConfig, options, GeminiFault)


class Client(SessionPeer):
    """The server's end of one connection."""

    session: GeminiSession
    path = WHOLE
    """What the handshake asked for."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service, as its address asks."""
        super().on_ws_connected(transport)
        self.session = GeminiSession(self.session.venue, self.conn, self.path)
        self._after(HEARTBEAT_S, self._beat)

    def _beat(self) -> None:
        beat = self.session.heartbeat(time.time_ns())
        if beat is not None:
            self.hand_over(beat)
            self.flush()
            self._after(HEARTBEAT_S, self._beat)


class GeminiSimServer(SessionServer[Client, Message]):
    """A running simulator; made by ``serve``."""

    NAME = "gemini"
    INJECTOR = GeminiInjector
    WS_PATH = "/"
    PEER = Client

    config: GeminiSimConfig
    venue: SimGemini

    def _make_venue(self, now_ns: int) -> SimGemini:
        return SimGemini(self.config, now_ns)

    def session_of(self, conn: int) -> GeminiSession:
        """The session of a new connection, whatever its address asks."""
        return GeminiSession(self.venue, conn)

    def _make_rest(self) -> RestService:
        from bookfeed.sim.gemini.rest import GeminiRest

        return GeminiRest(self.venue)

    def stumble(self, client: Client, symbol: str) -> None:
        """Leaves numbers of a book out."""
        self.venue.skip(symbol)

    def withhold(self, symbol: str) -> None:
        """Tells nobody anything more of a book until he connects anew."""
        for client in self._clients.values():
            client.session.withheld.add(symbol)

    def end_subscription(self, symbol: str) -> None:
        """Ends every subscription to a book without a word."""
        for client in list(self._clients.values()):
            if client.open:
                client.session.end(symbol)

    def _accept(self, request: WSUpgradeRequest) -> Client | None:
        path = request.path.decode()
        served = ("/", PATH_OF_VERSION_2) if self.config.api == "fast" else (PATH_OF_VERSION_2,)
        if path.partition("?")[0] not in served:
            return None
        client = Client(self)
        client.path = path
        return client

    def _messages_due(self, now_ms: int) -> Sequence[Message]:
        return self.venue.due(now_ms * NS_PER_MS) if self.config.api == "fast" else ()


serve = GeminiSimServer.serve
run_blocking = GeminiSimServer.run_blocking
