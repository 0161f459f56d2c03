"""The simulated Crypto.com without sockets: seeded frames under a virtual clock.

Each connection subscribes to the books and trades of its symbols a second after it opened, and is
answered; what the client sends with ``say``, ``resubscribe`` or ``respond`` takes effect before the
next moment::

    stream = CryptocomStream(SpotVenueConfig(seed=7), faults=(CryptocomFault("drop", at_frame=90),))
    for item in stream.items(1000):
        if item.kind == "frame":
            engine.ingest(item.conn, item.payload, item.ts_ns)
    stream.truth.at("BTC_USD", item.last)  # the whole book as of that message
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bookfeed.sim.chance import seeded
from bookfeed.sim.cryptocom.faults import CryptocomInjector
from bookfeed.sim.cryptocom.session import CryptocomSession
from bookfeed.sim.cryptocom.venue import SimCryptocom
from bookfeed.sim.cryptocom.wire import book_channel, trade_channel
from bookfeed.sim.spot_faults import Out, SpotFault
from bookfeed.sim.spot_said_stream import SpotSaidStream
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_venue import SpotVenueConfig
from bookfeed.sim.virtual import NS_PER_S, START_NS

__all__ = ["CryptocomStream", "SpotItem"]


class CryptocomStream(SpotSaidStream):
    """A seeded run of the venue, seen by clients that follow every symbol to one depth.

    Symbols are dealt out over ``conns`` connections. ``rate`` is the mean number of turns of a
    market a second of virtual time.
    """

    def __init__(
        self,
        config: SpotVenueConfig,
        *,
        faults: Sequence[SpotFault] = (),
        conns: int = 1,
        rate: float = 200.0,
        depth: int = 50,
    ) -> None:
        injector = CryptocomInjector(faults, config.seed, START_NS)
        super().__init__(seeded("cryptocom stream", config.seed), injector, conns, rate)
        self.venue: SimCryptocom = SimCryptocom(config)
        self.depth = depth
        self._sessions = [CryptocomSession(self.venue, conn, START_NS) for conn in range(conns)]
        self._joins_ns: dict[int, int] = {}
        """Connections that have yet to subscribe, and when they will."""
        self._id = 0

    # what the client says

    def say(self, conn: int, method: str, channels: Sequence[str]) -> int:
        """Sends a command; returns its id. Lost if the connection is down when it goes out."""
        self._id += 1
        params: dict[str, Any] = {"channels": list(channels)}
        if method == "subscribe":
            params |= {
                "book_subscription_type": "SNAPSHOT_AND_UPDATE",
                "book_update_frequency": 10,
            }
        nonce = self._now_ns // 1_000_000
        command = {"id": self._id, "method": method, "nonce": nonce, "params": params}
        self._said.append((conn, json.dumps(command)))
        return self._id

    def respond(self, conn: int, number: int) -> None:
        """Answers the venue's question."""
        answer = {"id": number, "method": "public/respond-heartbeat"}
        self._said.append((conn, json.dumps(answer)))

    def resubscribe(self, symbol: str) -> None:
        """Gives up the book of ``symbol`` and subscribes to it anew: a fresh book follows."""
        conn = self.conn_of(symbol)
        if conn in self._joins_ns:
            return  # it has yet to subscribe at all
        for method in ("unsubscribe", "subscribe"):
            self.say(conn, method, [book_channel(symbol, self.depth)])

    # what happens

    def _open(self, conn: int) -> Iterator[Out]:
        self._sessions[conn] = CryptocomSession(self.venue, conn, self._now_ns)
        self._begin(conn)
        self._joins_ns[conn] = self._now_ns + NS_PER_S
        yield from ()

    def _join(self) -> None:
        """The connections subscribe whose first second is over."""
        for conn, due_ns in list(self._joins_ns.items()):
            if due_ns <= self._now_ns:
                del self._joins_ns[conn]
                symbols = self.symbols(conn)
                channels = [book_channel(symbol, self.depth) for symbol in symbols]
                channels += [trade_channel(symbol) for symbol in symbols]
                if channels:
                    self.say(conn, "subscribe", channels)

    def _happen(self) -> Iterator[SpotItem]:
        self._join()
        for conn, session in enumerate(self._sessions):
            question = None if conn in self._back_ns else session.ask(self._now_ns)
            if question is not None:
                yield from self._hand_over(conn, question)
            if session.over and conn not in self._back_ns:
                session.over = False
                self.reconnect(conn)
        for message in (*self.venue.due(self._now_ns), *self.venue.step(self._now_ns)):
            for conn, session in enumerate(self._sessions):
                out = session.carry(message)
                if out is not None:
                    yield from self._hand_over(conn, out)
