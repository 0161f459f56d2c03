"""Coinbase's Advanced Trade WebSocket, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(CoinbaseSimConfig(rate=500))
    ...  # connect to server.url, subscribe to level2 of "BTC-USD"
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import json
import ssl
import time
from dataclasses import dataclass
from typing import Any, Final

from picows import WSTransport

from bookfeed.sim.coinbase import wire
from bookfeed.sim.coinbase.faults import CoinbaseFault, CoinbaseInjector
from bookfeed.sim.coinbase.session import CoinbaseSession
from bookfeed.sim.coinbase.venue import CoinbaseVenueConfig, SimCoinbase
from bookfeed.sim.coinbase.wire import Message
from bookfeed.sim.entry import Options
from bookfeed.sim.server import RestService, check_listening, serve_until_told, started
from bookfeed.sim.spot import decimal_text
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_session_server import SessionPeer, SessionServer

WS_PATH: Final = "/"


@dataclass(frozen=True, slots=True)
class CoinbaseSimConfig(CoinbaseVenueConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be."""

    host: str = "127.0.0.1"
    port: int = 0
    """WebSocket port; 0 picks a free one."""
    rate: float = 1000.0
    """Frames a second over all connections; 0 as fast as the clients read."""
    faults: tuple[SpotFault, ...] = ()
    tls: ssl.SSLContext | None = None
    heartbeat_s: float = 1.0
    """Time between two signs of life."""
    subscribe_s: float = 5.0
    """After how long a connection is closed that has subscribed to nothing."""
    idle_s: float = 60.0
    """After how long a connection is closed that was told nothing."""
    rest: bool = True
    """Whether to serve REST, if aiohttp is installed."""
    rest_port: int = 0
    """REST port; 0 picks a free one."""

    def __post_init__(self) -> None:
        CoinbaseVenueConfig.__post_init__(self)
        check_listening(self)
        if min(self.heartbeat_s, self.subscribe_s, self.idle_s) <= 0:
            raise ValueError("heartbeat_s, subscribe_s and idle_s must be above 0")


def configured(options: Options) -> CoinbaseSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    options.only_mirrored("a spot market has one book")
    return CoinbaseSimConfig(
        port=options.port,
        rest_port=options.rest_port,
        markets=options.markets,
        rate=options.rate,
        seed=options.seed,
        faults=options.faults_of(CoinbaseFault),
        tls=options.tls,
    )


class Client(SessionPeer):
    """The server's end of one connection."""

    session: CoinbaseSession

    def __init__(self, server: "CoinbaseSimServer") -> None:
        super().__init__(server)
        self._venue = server

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service."""
        super().on_ws_connected(transport)
        config = self._venue.config
        self._after(config.heartbeat_s, self._beat)
        self._after(config.subscribe_s, self._check_subscribed)
        self._after(config.idle_s, self._check_idle)

    def end_subscription(self, symbol: str) -> None:
        """Ends the subscription to a book without being asked."""
        self.hand_over(self.session.end(symbol, time.time_ns()))
        self.flush()

    def _beat(self) -> None:
        beat = self.session.heartbeat(time.time_ns())
        if beat is not None:
            self.hand_over(beat)
            self.flush()
        self._after(self._venue.config.heartbeat_s, self._beat)

    def _check_subscribed(self) -> None:
        if not self.session.subscribed:
            self.close(1001, b"no subscription")

    def _check_idle(self) -> None:
        idle_s = self._venue.config.idle_s
        quiet_s = (time.time_ns() - self.spoke_ns) / 1e9
        if quiet_s >= idle_s:
            self.close(1001, b"idle")
        else:
            self._after(idle_s - quiet_s, self._check_idle)


class CoinbaseSimServer(SessionServer[Client, Message]):
    """A running simulator; made by ``serve``."""

    WS_PATH = WS_PATH
    PEER = Client

    def __init__(self, config: CoinbaseSimConfig) -> None:
        super().__init__(config, CoinbaseInjector(config.faults, config.seed, time.time_ns()))
        self.config = config
        self.venue = SimCoinbase(config)

    def session_of(self, conn: int) -> CoinbaseSession:
        """The session of a new connection."""
        return CoinbaseSession(self.venue, conn)

    def _make_rest(self) -> RestService:
        from bookfeed.sim.coinbase.rest import CoinbaseRest

        return CoinbaseRest(self.venue)

    def end_subscription(self, symbol: str) -> None:
        """Ends every subscription to a book without being asked, and says so."""
        for client in list(self._clients.values()):
            if client.open:
                client.end_subscription(symbol)


async def serve(config: CoinbaseSimConfig) -> CoinbaseSimServer:
    """Starts a simulator in the running event loop; ``OSError`` if it cannot listen."""
    return await started(CoinbaseSimServer(config))


def ready(server: CoinbaseSimServer) -> dict[str, Any]:
    """What a client needs to know: where it listens, and its markets."""
    markets = [
        {
            "symbol": spec.name,
            "venue_symbol": symbol,
            "base": spec.base,
            "quote": spec.quote,
            "tick_size": wire.price_text(spec, 1),
            "step_size": decimal_text(1, spec.lot_e8, 8, wire.QTY_DECIMALS),
        }
        for symbol, spec in server.venue.listed.items()
    ]
    return {"venue": "coinbase", "ws": server.url, "rest": server.rest_url, "markets": markets}


def ready_line(server: CoinbaseSimServer) -> str:
    """What a process that started a simulator needs to know, as one line of JSON."""
    return json.dumps(ready(server))


def run_blocking(config: CoinbaseSimConfig, *, exit_with_parent: bool = False) -> None:
    """Serves until SIGINT or SIGTERM; prints ``ready_line`` on stdout once it listens.

    With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if it cannot
    listen; whatever broke the markets, should that happen.
    """
    serve_until_told(lambda: serve(config), ready_line, exit_with_parent=exit_with_parent)
