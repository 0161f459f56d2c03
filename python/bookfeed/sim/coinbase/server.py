"""Coinbase's Advanced Trade WebSocket, simulated on loopback; beside it that of its Exchange.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(CoinbaseSimConfig(rate=500))
    ...  # connect to server.url, subscribe to level2 of "BTC-USD"
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from picows import WSTransport, WSUpgradeRequest

from bookfeed.sim.coinbase.exchange import BATCH_NS, ExchangeInjector, ExchangeSession, refusal
from bookfeed.sim.coinbase.faults import CoinbaseFault, CoinbaseInjector
from bookfeed.sim.coinbase.session import CoinbaseSession
from bookfeed.sim.coinbase.venue import SimCoinbase
from bookfeed.sim.coinbase.wire import Message
from bookfeed.sim.entry import Options
from bookfeed.sim.server import RestService
from bookfeed.sim.spot_faults import Out
from bookfeed.sim.spot_server import SpotSimConfig, configured_as
from bookfeed.sim.spot_session_server import SessionPeer, SessionServer

EXCHANGE_PATH: Final = "/exchange"
"""The path of the Exchange's interface, which at the venue is a host of its own."""


@dataclass(frozen=True)
class CoinbaseSimConfig(SpotSimConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be."""

    heartbeat_s: float = 1.0
    """Time between two signs of life."""
    subscribe_s: float = 5.0
    """After how long a connection is closed that has subscribed to nothing."""
    idle_s: float = 60.0
    """After how long a connection is closed that was told nothing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.heartbeat_s, self.subscribe_s, self.idle_s) <= 0:
            raise ValueError("heartbeat_s, subscribe_s and idle_s must be above 0")


def configured(options: Options) -> CoinbaseSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    return configured_as(CoinbaseSimConfig, options, CoinbaseFault)


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


class ExchangeClient(SessionPeer):
    """The server's end of one connection to the Exchange's interface."""

    session: ExchangeSession

    def __init__(self, server: "CoinbaseSimServer") -> None:
        super().__init__(server)
        self._venue = server
        self.injector = server.exchange_injector

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service."""
        super().on_ws_connected(transport)
        self.session = ExchangeSession(self._venue.venue, self.conn)
        self.injector.connected(self.conn)
        config = self._venue.config
        self._after(BATCH_NS / 1e9, self._batch)
        self._after(config.heartbeat_s, self._beat)
        self._after(config.subscribe_s, self._check_subscribed)

    def _batch(self) -> None:
        self._hand_over_all(self.session.batches(time.time_ns()))
        self._after(BATCH_NS / 1e9, self._batch)

    def _beat(self) -> None:
        self._hand_over_all(self.session.heartbeats(time.time_ns()))
        self._after(self._venue.config.heartbeat_s, self._beat)

    def _hand_over_all(self, outs: Sequence[Out]) -> None:
        for out in outs:
            self.hand_over(out)
        self.flush()

    def _check_subscribed(self) -> None:
        if not self.session.subscribed:
            self.close(1001, b"no subscription")


class CoinbaseSimServer(SessionServer[Client, Message]):
    """A running simulator; made by ``serve``."""

    NAME = "coinbase"
    INJECTOR = CoinbaseInjector
    WS_PATH = "/"
    PEER = Client

    config: CoinbaseSimConfig
    venue: SimCoinbase

    def __init__(self, config: CoinbaseSimConfig) -> None:
        super().__init__(config)
        self.exchange_injector = ExchangeInjector((), config.seed, time.time_ns())

    @property
    def exchange_url(self) -> str:
        """Where the interface of the Exchange is."""
        return f"{self.url.rstrip('/')}{EXCHANGE_PATH}"

    def refuse_exchange(self, why: str) -> None:
        """Tells everybody on the interface of the Exchange an error."""
        for client in self._clients.values():
            if isinstance(client, ExchangeClient) and client.open:
                client.hand_over(Out(refusal(why), "error"))
                client.flush()

    def withhold(self, symbol: str) -> None:
        """Tells nobody on Advanced Trade anything more of a book until he connects anew."""
        for client in self._clients.values():
            if isinstance(client, Client):
                client.session.withheld.add(symbol)

    def _accept(self, request: WSUpgradeRequest) -> Any:
        exchange = request.path.split(b"?")[0] == EXCHANGE_PATH.encode()
        return ExchangeClient(self) if exchange else super()._accept(request)

    def _make_venue(self, now_ns: int) -> SimCoinbase:
        return SimCoinbase(self.config)

    def session_of(self, conn: int) -> CoinbaseSession:
        """The session of a new connection."""
        return CoinbaseSession(self.venue, conn)

    def _make_rest(self) -> RestService:
        from bookfeed.sim.coinbase.rest import CoinbaseRest

        return CoinbaseRest(self.venue)

    def end_subscription(self, symbol: str) -> None:
        """Ends every subscription to a book without being asked, and says so."""
        for client in list(self._clients.values()):
            if client.open and isinstance(client, Client):
                client.end_subscription(symbol)


serve = CoinbaseSimServer.serve
run_blocking = CoinbaseSimServer.run_blocking
