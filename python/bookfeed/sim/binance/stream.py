"""The simulated Binance without sockets: seeded frames under a virtual clock.

Each connection subscribes to the streams of its symbols by a command and is answered; books are
asked of REST with ``ask``, whose answers arrive as items of kind ``rest``, a while later::

    stream = BinanceStream(BinanceVenueConfig(seed=7), faults=(BinanceFault("drop", at_frame=90),))
    for item in stream.items(1000):
        if item.kind == "frame":
            engine.ingest(item.conn, item.payload, item.ts_ns)
    stream.truth.at("BTCUSDT", item.last)  # the book as of that update id
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from bookfeed.sim.binance.faults import REST_ERRORS, STALE_UPDATES, BinanceInjector
from bookfeed.sim.binance.session import BinanceSession
from bookfeed.sim.binance.venue import DEPTH_MAX, BinanceVenueConfig, SimBinance
from bookfeed.sim.binance.wire import Message, server_shutdown
from bookfeed.sim.chance import seeded
from bookfeed.sim.spot_faults import Out, SpotFault
from bookfeed.sim.spot_rest_stream import SpotRestStream
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.virtual import NS_PER_MS, START_NS

__all__ = ["BinanceStream", "SpotItem"]


class BinanceStream(SpotRestStream):
    """A seeded run of the venue, seen by clients that follow ``channels`` of every symbol.

    Symbols are dealt out over ``conns`` connections. ``rate`` is the mean number of turns of a
    market a second of virtual time; one turn is up to a few frames, besides those of the depth.
    """

    ERRORS: ClassVar[Mapping[int, str]] = REST_ERRORS
    LEVELS: ClassVar[int] = DEPTH_MAX

    def __init__(
        self,
        config: BinanceVenueConfig,
        *,
        faults: Sequence[SpotFault] = (),
        conns: int = 1,
        rate: float = 200.0,
        channels: Sequence[str] = ("@depth@100ms", "@bookTicker", "@trade"),
        combined: bool = True,
    ) -> None:
        injector = BinanceInjector(faults, config.seed, START_NS)
        super().__init__(seeded("binance stream", config.seed), injector, conns, rate)
        self.venue: SimBinance = SimBinance(config, START_NS // NS_PER_MS)
        self.channels = tuple(channels)
        self._path = "/stream" if combined else "/ws"
        self._sessions = [self._session(conn) for conn in range(conns)]

    # what happens

    def _session(self, conn: int) -> BinanceSession:
        return BinanceSession(self.venue, conn, self._path)

    def _open(self, conn: int) -> Iterator[Out]:
        session = self._sessions[conn] = self._session(conn)
        self._shutdown_ns.pop(conn, None)
        names = [symbol.lower() for symbol in self.symbols(conn)]
        streams = [f"{name}{channel}" for channel in self.channels for name in names]
        yield session.receive(
            json.dumps({"method": "SUBSCRIBE", "params": streams, "id": conn + 1})
        )

    def _beat(self, conn: int) -> SpotItem:
        payload = str(self._now_ns // NS_PER_MS).encode()
        return SpotItem("ping", self._arrival_ns(), conn, payload)

    def _book(self, symbol: str, limit: int, *, stale: bool) -> tuple[str, int]:
        behind = STALE_UPDATES if stale else 0
        last = self.truth.version(symbol) - behind
        return self.venue.depth(symbol, limit, behind=behind), last

    def _happen(self) -> Iterator[SpotItem]:
        now_ms = self._now_ns // NS_PER_MS
        yield from self._ending()
        for message in self.venue.due(now_ms):
            yield from self._carry(message)
        for message in self.venue.step(now_ms):
            yield from self._carry(message)

    def _carry(self, message: Message) -> Iterator[SpotItem]:
        for conn, session in enumerate(self._sessions):
            out = session.carry(message)
            if out is None:
                continue
            yield from self._hand_over(conn, out)

    def _stumble(self, conn: int, symbol: str) -> None:
        self.venue.skip(symbol)

    def _warning(self, conn: int) -> Out | None:
        return self._sessions[conn].carry(server_shutdown(self._now_ns // NS_PER_MS))
