"""The simulated Kraken without sockets: seeded frames under a virtual clock.

Each connection subscribes to the books and trades of its symbols, and is answered; what the client
sends with ``say`` or ``resubscribe`` takes effect before the next moment::

    stream = KrakenStream(SpotVenueConfig(seed=7), faults=(KrakenFault("drop", at_frame=90),))
    for item in stream.items(1000):
        if item.kind == "frame":
            engine.ingest(item.conn, item.payload, item.ts_ns)
    stream.truth.at("BTC/USD", item.last)  # the whole book as of that message
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bookfeed.sim.chance import seeded
from bookfeed.sim.kraken.faults import KrakenInjector
from bookfeed.sim.kraken.session import KrakenSession, heartbeat
from bookfeed.sim.kraken.venue import SimKraken
from bookfeed.sim.kraken.wire import BOOK, INSTRUMENT, TRADE
from bookfeed.sim.spot_faults import Out, SpotFault
from bookfeed.sim.spot_said_stream import SpotSaidStream
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_venue import SpotVenueConfig
from bookfeed.sim.virtual import NS_PER_S, START_NS

__all__ = ["KrakenStream", "SpotItem"]

_QUIET_NS = NS_PER_S


class KrakenStream(SpotSaidStream):
    """A seeded run of the venue, seen by clients that follow every symbol to one depth.

    Symbols are dealt out over ``conns`` connections. ``rate`` is the mean number of turns of a
    market a second of virtual time; one turn is up to two frames.
    """

    def __init__(
        self,
        config: SpotVenueConfig,
        *,
        faults: Sequence[SpotFault] = (),
        conns: int = 1,
        rate: float = 200.0,
        depth: int = 100,
        channels: Sequence[str] = (BOOK, TRADE),
    ) -> None:
        injector = KrakenInjector(faults, config.seed, START_NS)
        super().__init__(seeded("kraken stream", config.seed), injector, conns, rate)
        self.venue: SimKraken = SimKraken(config)
        self.depth = depth
        self.channels = tuple(channels)
        self._sessions = [KrakenSession(self.venue, conn) for conn in range(conns)]
        self._req_id = 0
        self._spoke_ns = [START_NS] * conns

    # what the client says

    def say(self, conn: int, method: str, params: dict[str, Any] | None = None) -> int:
        """Sends a request; returns its id. Lost if the connection is down when it goes out."""
        self._req_id += 1
        body: dict[str, Any] = {"method": method, "req_id": self._req_id}
        if params is not None:
            body["params"] = params
        self._said.append((conn, json.dumps(body)))
        return self._req_id

    def resubscribe(self, symbol: str) -> None:
        """Gives up the book of ``symbol`` and subscribes to it anew: a fresh book follows."""
        params = {"channel": BOOK, "symbol": [symbol], "depth": self.depth}
        self.say(self.conn_of(symbol), "unsubscribe", params)
        self.say(self.conn_of(symbol), "subscribe", params | {"snapshot": True})

    # what happens

    def _open(self, conn: int) -> Iterator[Out]:
        session = self._sessions[conn] = KrakenSession(self.venue, conn)
        self._begin(conn)
        for channel in self.channels:
            params: dict[str, Any] = {"channel": channel}
            if channel != INSTRUMENT:
                params["symbol"] = list(self.symbols(conn))
            if channel == BOOK:
                params["depth"] = self.depth
            self.say(conn, "subscribe", params)
        yield session.greeting()

    def _happen(self) -> Iterator[SpotItem]:
        for conn, session in enumerate(self._sessions):
            quiet = self._now_ns - self._spoke_ns[conn] >= _QUIET_NS
            if quiet and session.subscribed and conn not in self._back_ns:
                yield from self._send(conn, heartbeat())
        for message in self.venue.step(self._now_ns):
            for conn, session in enumerate(self._sessions):
                out = session.carry(message)
                if out is not None:
                    yield from self._send(conn, out)

    def _send(self, conn: int, out: Out) -> Iterator[SpotItem]:
        self._spoke_ns[conn] = self._now_ns
        yield from self._hand_over(conn, out)
