"""Kraken's second WebSocket API, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(KrakenSimConfig(rate=500))
    ...  # connect to server.url, subscribe to the book of "BTC/USD"
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import json
import ssl
import time
from dataclasses import dataclass
from typing import Any, Final

from picows import WSTransport

from bookfeed.sim.entry import Options
from bookfeed.sim.kraken import wire
from bookfeed.sim.kraken.faults import KrakenFault, KrakenInjector
from bookfeed.sim.kraken.session import KrakenSession, heartbeat
from bookfeed.sim.kraken.venue import KrakenVenueConfig, SimKraken
from bookfeed.sim.kraken.wire import Message
from bookfeed.sim.server import RestService, check_listening, serve_until_told, started
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_session_server import SessionPeer, SessionServer

WS_PATH: Final = "/v2"


@dataclass(frozen=True, slots=True)
class KrakenSimConfig(KrakenVenueConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be."""

    host: str = "127.0.0.1"
    port: int = 0
    """WebSocket port; 0 picks a free one."""
    rate: float = 1000.0
    """Frames a second over all connections; 0 as fast as the clients read."""
    faults: tuple[SpotFault, ...] = ()
    tls: ssl.SSLContext | None = None
    heartbeat_s: float = 1.0
    """After how long a silence a heartbeat comes."""
    idle_s: float = 60.0
    """After how long a connection is closed that has subscribed to nothing."""
    rest: bool = True
    """Whether to serve REST, if aiohttp is installed."""
    rest_port: int = 0
    """REST port; 0 picks a free one."""

    def __post_init__(self) -> None:
        KrakenVenueConfig.__post_init__(self)
        check_listening(self)
        if min(self.heartbeat_s, self.idle_s) <= 0:
            raise ValueError("heartbeat_s and idle_s must be above 0")


def configured(options: Options) -> KrakenSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    options.only_mirrored("a spot market has one book")
    return KrakenSimConfig(
        port=options.port,
        rest_port=options.rest_port,
        markets=options.markets,
        rate=options.rate,
        seed=options.seed,
        faults=options.faults_of(KrakenFault),
        tls=options.tls,
    )


class Client(SessionPeer):
    """The server's end of one connection."""

    session: KrakenSession

    def __init__(self, server: "KrakenSimServer") -> None:
        super().__init__(server)
        self._venue = server

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service and greets it."""
        super().on_ws_connected(transport)
        self.hand_over(self.session.greeting())
        self.flush()
        self._after(self._venue.config.heartbeat_s, self._beat)
        self._after(self._venue.config.idle_s, self._check_idle)

    def _beat(self) -> None:
        quiet_s = (time.time_ns() - self.spoke_ns) / 1e9
        every_s = self._venue.config.heartbeat_s
        if quiet_s >= every_s:
            quiet_s = 0.0
            if self.session.subscribed:
                self.hand_over(heartbeat())
                self.flush()
        self._after(every_s - quiet_s, self._beat)

    def _check_idle(self) -> None:
        if self.session.subscribed:
            self._after(self._venue.config.idle_s, self._check_idle)
        else:
            self.close(1001, b"idle")


class KrakenSimServer(SessionServer[Client, Message]):
    """A running simulator; made by ``serve``."""

    WS_PATH = WS_PATH
    PEER = Client

    def __init__(self, config: KrakenSimConfig) -> None:
        super().__init__(config, KrakenInjector(config.faults, config.seed, time.time_ns()))
        self.config = config
        self.venue = SimKraken(config)

    def session_of(self, conn: int) -> KrakenSession:
        """The session of a new connection."""
        return KrakenSession(self.venue, conn)

    def _make_rest(self) -> RestService:
        from bookfeed.sim.kraken.rest import KrakenRest

        return KrakenRest(self.venue)


async def serve(config: KrakenSimConfig) -> KrakenSimServer:
    """Starts a simulator in the running event loop; ``OSError`` if it cannot listen."""
    return await started(KrakenSimServer(config))


def ready(server: KrakenSimServer) -> dict[str, Any]:
    """What a client needs to know: where it listens, and its markets."""
    markets = [
        {
            "symbol": spec.name,
            "venue_symbol": wire.symbol_of(spec),
            "base": spec.base,
            "quote": spec.quote,
            "tick_size": wire.increment(wire.price_decimals(spec)),
            "step_size": wire.increment(wire.QTY_DECIMALS),
        }
        for spec in server.venue.specs
    ]
    return {"venue": "kraken", "ws": server.url, "rest": server.rest_url, "markets": markets}


def ready_line(server: KrakenSimServer) -> str:
    """What a process that started a simulator needs to know, as one line of JSON."""
    return json.dumps(ready(server))


def run_blocking(config: KrakenSimConfig, *, exit_with_parent: bool = False) -> None:
    """Serves until SIGINT or SIGTERM; prints ``ready_line`` on stdout once it listens.

    With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if it cannot
    listen; whatever broke the markets, should that happen.
    """
    serve_until_told(lambda: serve(config), ready_line, exit_with_parent=exit_with_parent)
