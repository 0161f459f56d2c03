"""The simulated Coinbase without sockets: seeded frames under a virtual clock.

Each connection subscribes to the books and trades of its symbols and to signs of life, and is
answered; what the client sends with ``say`` or ``resubscribe`` takes effect before the next
moment::

    faults = (CoinbaseFault("drop", at_frame=90),)
    stream = CoinbaseStream(SpotVenueConfig(seed=7), faults=faults)
    for item in stream.items(1000):
        if item.kind == "frame":
            engine.ingest(item.conn, item.payload, item.ts_ns)
    stream.truth.at("BTC-USD", item.last)  # the whole book as of that message
"""

import json
from collections.abc import Iterator, Sequence

from bookfeed.sim.chance import seeded
from bookfeed.sim.coinbase.faults import CoinbaseInjector
from bookfeed.sim.coinbase.session import CoinbaseSession
from bookfeed.sim.coinbase.venue import SimCoinbase
from bookfeed.sim.coinbase.wire import HEARTBEATS, LEVEL2, TRADES
from bookfeed.sim.spot_faults import Out, SpotFault
from bookfeed.sim.spot_said_stream import SpotSaidStream
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_venue import SpotVenueConfig
from bookfeed.sim.virtual import NS_PER_S, START_NS

__all__ = ["CoinbaseStream", "SpotItem"]


class CoinbaseStream(SpotSaidStream):
    """A seeded run of the venue, seen by clients that follow every symbol.

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
        channels: Sequence[str] = (LEVEL2, TRADES, HEARTBEATS),
    ) -> None:
        injector = CoinbaseInjector(faults, config.seed, START_NS)
        super().__init__(seeded("coinbase stream", config.seed), injector, conns, rate)
        self.venue: SimCoinbase = SimCoinbase(config)
        self.channels = tuple(channels)
        self._sessions = [CoinbaseSession(self.venue, conn) for conn in range(conns)]
        self._beat_ns = [START_NS] * conns

    # what the client says

    def say(self, conn: int, kind: str, channel: str, symbols: Sequence[str] = ()) -> None:
        """Sends a command. Lost if the connection is down when it goes out."""
        command = {"type": kind, "product_ids": list(symbols), "channel": channel}
        self._said.append((conn, json.dumps(command)))

    def resubscribe(self, symbol: str) -> None:
        """Gives up the book of ``symbol`` and subscribes to it anew: a fresh book follows."""
        for kind in ("unsubscribe", "subscribe"):
            self.say(self.conn_of(symbol), kind, LEVEL2, (symbol,))

    # what happens

    def _open(self, conn: int) -> Iterator[Out]:
        self._sessions[conn] = CoinbaseSession(self.venue, conn)
        self._begin(conn)
        self._beat_ns[conn] = self._now_ns
        for channel in self.channels:
            self.say(conn, "subscribe", channel, self.symbols(conn))
        yield from ()

    def _happen(self) -> Iterator[SpotItem]:
        for conn, session in enumerate(self._sessions):
            if self._now_ns - self._beat_ns[conn] >= NS_PER_S and conn not in self._back_ns:
                self._beat_ns[conn] = self._now_ns
                beat = session.heartbeat(self._now_ns)
                if beat is not None:
                    yield from self._hand_over(conn, beat)
        for message in self.venue.step(self._now_ns):
            for conn, session in enumerate(self._sessions):
                out = session.carry(message)
                if out is not None:
                    yield from self._hand_over(conn, out)
