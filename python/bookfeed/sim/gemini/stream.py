"""The simulated Gemini without sockets: seeded frames under a virtual clock.

Each connection subscribes to its symbols and is answered, then told each book whole; what the
client sends with ``say`` takes effect before the next moment. A lost book comes with ``reconnect``
alone::

    faults = (GeminiFault("drop", at_frame=90),)
    stream = GeminiStream(GeminiVenueConfig(seed=7), faults=faults)
    for item in stream.items(1000):
        if item.kind == "frame":
            engine.ingest(item.conn, item.payload, item.ts_ns)
    stream.truth.at("btcusd", item.last)  # the book as of that update
"""

import json
from collections.abc import Iterator, Sequence

from bookfeed.sim.chance import seeded
from bookfeed.sim.gemini.faults import GeminiInjector
from bookfeed.sim.gemini.session import GeminiSession
from bookfeed.sim.gemini.venue import GeminiVenueConfig, SimGemini
from bookfeed.sim.gemini.wire import L2, STREAMS
from bookfeed.sim.spot_faults import Out, SpotFault
from bookfeed.sim.spot_said_stream import SpotSaidStream
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.virtual import START_NS

__all__ = ["GeminiStream", "SpotItem"]


class GeminiStream(SpotSaidStream):
    """A seeded run of the venue, seen by clients that follow every symbol.

    Symbols are dealt out over ``conns`` connections. ``rate`` is the mean number of turns of a
    market a second of virtual time.
    """

    def __init__(
        self,
        config: GeminiVenueConfig,
        *,
        faults: Sequence[SpotFault] = (),
        conns: int = 1,
        rate: float = 200.0,
        channels: Sequence[str] = STREAMS,
    ) -> None:
        injector = GeminiInjector(faults, config.seed, START_NS)
        super().__init__(seeded("gemini stream", config.seed), injector, conns, rate)
        self.venue: SimGemini = SimGemini(config, START_NS)
        self.channels = tuple(channels)
        self._sessions = [GeminiSession(self.venue, conn) for conn in range(conns)]

    # what the client says

    def say(self, conn: int, method: str, symbols: Sequence[str]) -> None:
        """Sends a command. Lost if the connection is down when it goes out."""
        if self.venue.config.api == "v2":
            listed = [{"name": L2, "symbols": list(symbols)}]
            command = {"type": method, "subscriptions": listed}
        else:
            params = [f"{symbol}@{name}" for symbol in symbols for name in self.channels]
            command = {"id": "1", "method": method, "params": params}
        self._said.append((conn, json.dumps(command)))

    # what happens

    def _open(self, conn: int) -> Iterator[Out]:
        self._sessions[conn] = GeminiSession(self.venue, conn)
        self._begin(conn)
        if self.symbols(conn):
            self.say(conn, "subscribe", self.symbols(conn))
        yield from ()

    def _stumble(self, conn: int, symbol: str) -> None:
        self.venue.skip(symbol)

    def _happen(self) -> Iterator[SpotItem]:
        for message in (*self.venue.due(self._now_ns), *self.venue.step(self._now_ns)):
            for conn, session in enumerate(self._sessions):
                out = session.carry(message)
                if out is not None:
                    yield from self._hand_over(conn, out)
