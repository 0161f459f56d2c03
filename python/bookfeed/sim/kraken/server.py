"""Kraken's second WebSocket API, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(KrakenSimConfig(rate=500))
    ...  # connect to server.url, subscribe to the book of "BTC/USD"
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import time
from dataclasses import dataclass

from picows import WSTransport

from bookfeed.sim.entry import Options
from bookfeed.sim.kraken.faults import KrakenFault, KrakenInjector
from bookfeed.sim.kraken.session import KrakenSession, heartbeat
from bookfeed.sim.kraken.venue import SimKraken
from bookfeed.sim.kraken.wire import Message
from bookfeed.sim.server import RestService
from bookfeed.sim.spot_server import SpotSimConfig, configured_as
from bookfeed.sim.spot_session_server import SessionPeer, SessionServer


@dataclass(frozen=True)
class KrakenSimConfig(SpotSimConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be."""

    heartbeat_s: float = 1.0
    """After how long a silence a heartbeat comes."""
    idle_s: float = 60.0
    """After how long a connection is closed that has subscribed to nothing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.heartbeat_s, self.idle_s) <= 0:
            raise ValueError("heartbeat_s and idle_s must be above 0")


def configured(options: Options) -> KrakenSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    return configured_as(KrakenSimConfig, options, KrakenFault)


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

    NAME = "kraken"
    INJECTOR = KrakenInjector
    WS_PATH = "/v2"
    PEER = Client

    config: KrakenSimConfig
    venue: SimKraken

    def _make_venue(self, now_ns: int) -> SimKraken:
        return SimKraken(self.config)

    def session_of(self, conn: int) -> KrakenSession:
        """The session of a new connection."""
        return KrakenSession(self.venue, conn)

    def _make_rest(self) -> RestService:
        from bookfeed.sim.kraken.rest import KrakenRest

        return KrakenRest(self.venue)


serve = KrakenSimServer.serve
run_blocking = KrakenSimServer.run_blocking
