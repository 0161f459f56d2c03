"""Bitstamp's WebSocket and its whole books by REST, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(BitstampSimConfig(rate=500))
    ...  # connect to server.url, subscribe to diff_order_book_btcusd, ask server.rest_url
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import time
from collections.abc import Sequence

from bookfeed.sim.bitstamp.faults import BitstampFault, BitstampInjector
from bookfeed.sim.bitstamp.session import BitstampSession
from bookfeed.sim.bitstamp.venue import SimBitstamp
from bookfeed.sim.bitstamp.wire import Message
from bookfeed.sim.entry import Options
from bookfeed.sim.server import NS_PER_MS, RestService
from bookfeed.sim.spot_server import SpotSimConfig, configured_as
from bookfeed.sim.spot_session_server import SessionPeer, SessionServer

BitstampSimConfig = SpotSimConfig


def configured(options: Options) -> BitstampSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    return configured_as(BitstampSimConfig, options, BitstampFault)


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

    NAME = "bitstamp"
    INJECTOR = BitstampInjector
    WS_PATH = "/"
    PEER = Client

    injector: BitstampInjector
    venue: SimBitstamp

    def _make_venue(self, now_ns: int) -> SimBitstamp:
        return SimBitstamp(self.config, now_ns)

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


serve = BitstampSimServer.serve
run_blocking = BitstampSimServer.run_blocking
