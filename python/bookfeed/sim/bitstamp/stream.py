"""The simulated Bitstamp without sockets: seeded frames under a virtual clock.

Each connection subscribes to three channels of each of its symbols; books are asked of REST with
``ask``, whose answers arrive as items of kind ``rest``, a while later::

    faults = (BitstampFault("drop", at_frame=90),)
    stream = BitstampStream(SpotVenueConfig(seed=7), faults=faults)
    for item in stream.items(1000):
        if item.kind == "frame":
            engine.ingest(item.conn, item.payload, item.ts_ns)
    stream.truth.at("btcusd", item.last)  # the book as of that time
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from bookfeed.sim.bitstamp.faults import REST_ERRORS, STALE_US, BitstampInjector
from bookfeed.sim.bitstamp.session import BitstampSession
from bookfeed.sim.bitstamp.venue import SimBitstamp
from bookfeed.sim.bitstamp.wire import CHANNELS, Message
from bookfeed.sim.chance import seeded
from bookfeed.sim.spot_faults import Out, SpotFault
from bookfeed.sim.spot_rest_stream import SpotRestStream
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_venue import SpotVenueConfig
from bookfeed.sim.virtual import START_NS

__all__ = ["BitstampStream", "SpotItem"]


class BitstampStream(SpotRestStream):
    """A seeded run of the venue, seen by clients that follow every symbol.

    Symbols are dealt out over ``conns`` connections. ``rate`` is the mean number of turns of a
    market a second of virtual time.
    """

    ERRORS: ClassVar[Mapping[int, str]] = REST_ERRORS
    LEVELS: ClassVar[int] = 10**9

    def __init__(
        self,
        config: SpotVenueConfig,
        *,
        faults: Sequence[SpotFault] = (),
        conns: int = 1,
        rate: float = 200.0,
        channels: Sequence[str] = CHANNELS,
    ) -> None:
        injector = BitstampInjector(faults, config.seed, START_NS)
        super().__init__(seeded("bitstamp stream", config.seed), injector, conns, rate)
        self.venue: SimBitstamp = SimBitstamp(config, START_NS)
        self.channels = tuple(channels)
        self._sessions = [BitstampSession(self.venue, conn) for conn in range(conns)]

    # what happens

    def _open(self, conn: int) -> Iterator[Out]:
        session = self._sessions[conn] = BitstampSession(self.venue, conn)
        self._shutdown_ns.pop(conn, None)
        for symbol in self.symbols(conn):
            for name in self.channels:
                data = {"channel": f"{name}_{symbol}"}
                command = json.dumps({"event": "bts:subscribe", "data": data})
                yield from session.receive(command, self._now_ns)

    def _beat(self, conn: int) -> SpotItem:
        return SpotItem("ping", self._arrival_ns(), conn)

    def _book(self, symbol: str, limit: int, *, stale: bool) -> tuple[str, int]:
        return self.venue.book(symbol, behind_us=STALE_US if stale else 0, levels=limit)

    def _happen(self) -> Iterator[SpotItem]:
        yield from self._ending()
        for message in (*self.venue.due(self._now_ns), *self.venue.step(self._now_ns)):
            yield from self._carry(message)

    def _carry(self, message: Message) -> Iterator[SpotItem]:
        for conn, session in enumerate(self._sessions):
            out = session.carry(message)
            if out is not None:
                yield from self._hand_over(conn, out)

    def _stumble(self, conn: int, symbol: str) -> None:
        self._sessions[conn].refuse()

    def _warning(self, conn: int) -> Out:
        return self._sessions[conn].warning()
