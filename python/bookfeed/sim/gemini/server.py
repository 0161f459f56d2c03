"""Gemini's fast WebSocket, or its market data of version 2, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(GeminiSimConfig(rate=500))
    ...  # connect to server.url + "?snapshot=-1", subscribe to "btcusd@depth@100ms"
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from picows import WSTransport, WSUpgradeRequest

from bookfeed.sim.entry import Options
from bookfeed.sim.gemini import wire
from bookfeed.sim.gemini.faults import GeminiFault, GeminiInjector
from bookfeed.sim.gemini.session import PATH_OF_VERSION_2, WHOLE, GeminiSession
from bookfeed.sim.gemini.venue import GeminiVenueConfig, SimGemini
from bookfeed.sim.gemini.wire import Message
from bookfeed.sim.server import (
    NS_PER_MS,
    RestService,
    check_listening,
    serve_until_told,
    started,
)
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_session_server import SessionPeer, SessionServer, ready_of


@dataclass(frozen=True, slots=True)
class GeminiSimConfig(GeminiVenueConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be."""

    host: str = "127.0.0.1"
    port: int = 0
    """WebSocket port; 0 picks a free one."""
    rate: float = 1000.0
    """Frames a second over all connections; 0 as fast as the clients read."""
    faults: tuple[SpotFault, ...] = ()
    tls: ssl.SSLContext | None = None
    rest: bool = True
    """Whether to serve REST, if aiohttp is installed."""
    rest_port: int = 0
    """REST port; 0 picks a free one."""

    def __post_init__(self) -> None:
        GeminiVenueConfig.__post_init__(self)
        check_listening(self)


def configured(options: Options) -> GeminiSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    options.only_mirrored("a spot market has one book")
    return GeminiSimConfig(
        port=options.port,
        rest_port=options.rest_port,
        markets=options.markets,
        rate=options.rate,
        seed=options.seed,
        faults=options.faults_of(GeminiFault),
        tls=options.tls,
    )


class Client(SessionPeer):
    """The server's end of one connection."""

    session: GeminiSession
    path = WHOLE
    """What the handshake asked for."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service, as its address asks."""
        super().on_ws_connected(transport)
        self.session = GeminiSession(self.session.venue, self.conn, self.path)


class GeminiSimServer(SessionServer[Client, Message]):
    """A running simulator; made by ``serve``."""

    WS_PATH = "/"
    PEER = Client

    venue: SimGemini

    def __init__(self, config: GeminiSimConfig) -> None:
        now_ns = time.time_ns()
        super().__init__(config, GeminiInjector(config.faults, config.seed, now_ns))
        self.config = config
        self.venue = SimGemini(config, now_ns)

    def session_of(self, conn: int) -> GeminiSession:
        """The session of a new connection, whatever its address asks."""
        return GeminiSession(self.venue, conn)

    def _make_rest(self) -> RestService:
        from bookfeed.sim.gemini.rest import GeminiRest

        return GeminiRest(self.venue)

    def stumble(self, client: Client, symbol: str) -> None:
        """Leaves numbers of a book out."""
        self.venue.skip(symbol)

    def end_subscription(self, symbol: str) -> None:
        """Ends every subscription to a book without a word."""
        for client in list(self._clients.values()):
            if client.open:
                client.session.end(symbol)

    def _accept(self, request: WSUpgradeRequest) -> Client | None:
        where, path = (PATH_OF_VERSION_2 if self.config.api == "v2" else "/"), request.path.decode()
        if path.partition("?")[0] != where:
            return None
        client = Client(self)
        client.path = path
        return client

    def _messages_due(self, now_ms: int) -> Sequence[Message]:
        return self.venue.due(now_ms * NS_PER_MS) if self.config.api == "fast" else ()


async def serve(config: GeminiSimConfig) -> GeminiSimServer:
    """Starts a simulator in the running event loop; ``OSError`` if it cannot listen."""
    return await started(GeminiSimServer(config))


def ready(server: GeminiSimServer) -> dict[str, Any]:
    """What a client needs to know: where it listens, and its markets."""
    return ready_of(server, "gemini", server.venue.listed, wire)


def ready_line(server: GeminiSimServer) -> str:
    """What a process that started a simulator needs to know, as one line of JSON."""
    return json.dumps(ready(server))


def run_blocking(config: GeminiSimConfig, *, exit_with_parent: bool = False) -> None:
    """Serves until SIGINT or SIGTERM; prints ``ready_line`` on stdout once it listens.

    With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if it cannot
    listen; whatever broke the markets, should that happen.
    """
    serve_until_told(lambda: serve(config), ready_line, exit_with_parent=exit_with_parent)
