"""Bitstamp's WebSocket and its whole books by REST, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(BitstampSimConfig(rate=500))
    ...  # connect to server.url, subscribe to diff_order_book_btcusd, ask server.rest_url
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bookfeed.sim.bitstamp import wire
from bookfeed.sim.bitstamp.faults import BitstampFault, BitstampInjector
from bookfeed.sim.bitstamp.session import BitstampSession
from bookfeed.sim.bitstamp.venue import BitstampVenueConfig, SimBitstamp
from bookfeed.sim.bitstamp.wire import Message
from bookfeed.sim.entry import Options
from bookfeed.sim.server import NS_PER_MS, RestService, check_listening, serve_until_told, started
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_session_server import SessionPeer, SessionServer, ready_of


@dataclass(frozen=True, slots=True)
class BitstampSimConfig(BitstampVenueConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be."""

    host: str = "127.0.0.1"
    port: int = 0
    """WebSocket port; 0 picks a free one."""
    rest_port: int = 0
    """REST port; 0 picks a free one."""
    rest: bool = True
    """Whether to serve REST, if aiohttp is installed."""
    rate: float = 1000.0
    """Frames a second over all connections; 0 as fast as the clients read."""
    faults: tuple[SpotFault, ...] = ()
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        BitstampVenueConfig.__post_init__(self)
        check_listening(self)


def configured(options: Options) -> BitstampSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    options.only_mirrored("a spot market has one book")
    return BitstampSimConfig(
        port=options.port,
        rest_port=options.rest_port,
        markets=options.markets,
        rate=options.rate,
        seed=options.seed,
        faults=options.faults_of(BitstampFault),
        tls=options.tls,
    )


class Client(SessionPeer):
    """The server's end of one connection."""

    session: BitstampSession

    def warn(self) -> None:
        """Asks the client to connect anew, and ends the connection half a second later."""
        self.hand_over(self.session.warning())
        self.flush()
        self._after(0.5, lambda: self.close(1001, b"reconnect"))

    def end_subscription(self, symbol: str) -> None:
        """Ends the subscription to a book without being asked."""
        self.hand_over(self.session.end(symbol))
        self.flush()

    def _receive(self, text: bytes) -> None:
        super()._receive(text)
        if self.session.over:
            self.reset()


class BitstampSimServer(SessionServer[Client, Message]):
    """A running simulator; made by ``serve``."""

    WS_PATH = "/"
    PEER = Client

    injector: BitstampInjector
    venue: SimBitstamp

    def __init__(self, config: BitstampSimConfig) -> None:
        now_ns = time.time_ns()
        super().__init__(config, BitstampInjector(config.faults, config.seed, now_ns))
        self.config = config
        self.venue = SimBitstamp(config, now_ns)

    def session_of(self, conn: int) -> BitstampSession:
        """The session of a new connection."""
        return BitstampSession(self.venue, conn)

    def end_subscription(self, symbol: str) -> None:
        """Ends every subscription to the changes of a book without being asked, and says so."""
        for client in list(self._clients.values()):
            if client.open:
                client.end_subscription(symbol)

    def _make_rest(self) -> RestService:
        from bookfeed.sim.bitstamp.rest import BitstampRest

        return BitstampRest(self.venue, lambda pair: self.injector.rest(pair, time.time_ns()))

    def _messages_due(self, now_ms: int) -> Sequence[Message]:
        return self.venue.due(now_ms * NS_PER_MS)


async def serve(config: BitstampSimConfig) -> BitstampSimServer:
    """Starts a simulator in the running event loop; ``OSError`` if it cannot listen."""
    return await started(BitstampSimServer(config))


def ready(server: BitstampSimServer) -> dict[str, Any]:
    """What a client needs to know: where it listens, and its markets."""
    return ready_of(server, "bitstamp", server.venue.listed, wire)


def ready_line(server: BitstampSimServer) -> str:
    """What a process that started a simulator needs to know, as one line of JSON."""
    return json.dumps(ready(server))


def run_blocking(config: BitstampSimConfig, *, exit_with_parent: bool = False) -> None:
    """Serves until SIGINT or SIGTERM; prints ``ready_line`` on stdout once it listens.

    With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if it cannot
    listen; whatever broke the markets, should that happen.
    """
    serve_until_told(lambda: serve(config), ready_line, exit_with_parent=exit_with_parent)
