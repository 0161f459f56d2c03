"""Crypto.com's market data of the Exchange, version 1, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(CryptocomSimConfig(rate=500))
    ...  # connect to server.url, a second later subscribe to "book.BTC_USD.50"
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import time
from collections.abc import Sequence
from typing import Final

from picows import WSTransport

from bookfeed.sim.cryptocom.faults import CryptocomFault, CryptocomInjector
from bookfeed.sim.cryptocom.session import CryptocomSession
from bookfeed.sim.cryptocom.venue import SimCryptocom
from bookfeed.sim.cryptocom.wire import Message
from bookfeed.sim.entry import Options
from bookfeed.sim.server import NS_PER_MS
from bookfeed.sim.spot_server import SpotSimConfigWithoutRest, configured_as
from bookfeed.sim.spot_session_server import SessionPeer, SessionServer

# How often it is looked whether the venue asks, or hangs up.
_LOOK_S: Final = 0.5

CryptocomSimConfig = SpotSimConfigWithoutRest


def configured(options: Options) -> CryptocomSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    return configured_as(CryptocomSimConfig, options, CryptocomFault)


class Client(SessionPeer):
    """The server's end of one connection."""

    session: CryptocomSession

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service; it is asked now and then whether it is there."""
        super().on_ws_connected(transport)
        self._after(_LOOK_S, self._look)

    def _look(self) -> None:
        question = self.session.ask(time.time_ns())
        if self.session.over:
            self.close(1001, b"no answer")
            return
        if question is not None:
            self.hand_over(question)
            self.flush()
        self._after(_LOOK_S, self._look)


class CryptocomSimServer(SessionServer[Client, Message]):
    """A running simulator; made by ``serve``."""

    NAME = "cryptocom"
    INJECTOR = CryptocomInjector
    WS_PATH = "/exchange/v1/market"
    PEER = Client

    venue: SimCryptocom

    def _make_venue(self, now_ns: int) -> SimCryptocom:
        return SimCryptocom(self.config)

    def session_of(self, conn: int) -> CryptocomSession:
        """The session of a new connection."""
        return CryptocomSession(self.venue, conn, time.time_ns())

    def end_subscription(self, symbol: str) -> None:
        """Ends every subscription to a book without a word."""
        for client in list(self._clients.values()):
            if client.open:
                client.session.end(symbol)

    def _messages_due(self, now_ms: int) -> Sequence[Message]:
        return self.venue.due(now_ms * NS_PER_MS)


serve = CryptocomSimServer.serve
run_blocking = CryptocomSimServer.run_blocking
