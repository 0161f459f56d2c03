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
from typing import Final, NamedTuple

from bookfeed.sim.binance.faults import (
    LATE_S,
    REST_ERRORS,
    SHORT_LEVELS,
    STALE_UPDATES,
    BinanceInjector,
    damaged,
)
from bookfeed.sim.binance.session import BinanceSession
from bookfeed.sim.binance.venue import DEPTH_MAX, BinanceVenueConfig, SimBinance
from bookfeed.sim.binance.wire import Message, server_shutdown
from bookfeed.sim.chance import seeded
from bookfeed.sim.spot import SpotSpec
from bookfeed.sim.spot_faults import Out, SpotDelivery, SpotFault
from bookfeed.sim.spot_stream import SpotItem, SpotStream
from bookfeed.sim.spot_truth import SpotTruth
from bookfeed.sim.virtual import NS_PER_MS, START_NS

__all__ = ["BinanceStream", "SpotItem"]

_REST_MS: Final = (20, 200)
_SHUTDOWN_AFTER_NS: Final = 500 * NS_PER_MS


class _Answer(NamedTuple):
    """A REST answer under way."""

    arrive_ns: int
    symbol: str
    status: int
    body: str
    last_update_id: int


class BinanceStream(SpotStream):
    """A seeded run of the venue, seen by clients that follow ``channels`` of every symbol.

    Symbols are dealt out over ``conns`` connections. ``rate`` is the mean number of turns of a
    market a second of virtual time; one turn is up to a few frames, besides those of the depth.
    """

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
        self.venue = SimBinance(config, START_NS // NS_PER_MS)
        self.channels = tuple(channels)
        self._rest = injector
        self._path = "/stream" if combined else "/ws"
        self._sessions = [self._session(conn) for conn in range(conns)]
        self._asked: list[tuple[str, int]] = []
        self._answering: list[_Answer] = []
        self._shutdown_ns: dict[int, int] = {}

    @property
    def listed(self) -> Mapping[str, SpotSpec]:
        """Every market, by its symbol, in order."""
        return self.venue.listed

    @property
    def truth(self) -> SpotTruth:
        """The true books, by symbol and update id."""
        return self.venue.truth

    def ask(self, symbol: str, limit: int = DEPTH_MAX) -> None:
        """Asks REST for a book; the answer is an item of kind ``rest``, with its status.

        ``KeyError`` if there is no such symbol.
        """
        self.venue.spec(symbol)
        self._asked.append((symbol, limit))

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

    def _answers(self) -> Iterator[SpotItem]:
        asked, self._asked = self._asked, []
        for symbol, limit in asked:
            self._answering.append(self._answer(symbol, limit))
        here = sorted(one for one in self._answering if one.arrive_ns <= self._now_ns)
        self._answering = [one for one in self._answering if one.arrive_ns > self._now_ns]
        for _, symbol, status, body, last in here:
            yield SpotItem(
                "rest",
                self._arrival_ns(),
                self.conn_of(symbol),
                body.encode(),
                "depth",
                symbol,
                last,
                last,
                status == 200,
                status,
            )

    def _answer(self, symbol: str, limit: int) -> _Answer:
        """The answer as it is now, with what goes wrong with it."""
        fastest, slowest = _REST_MS
        arrive_ns = self._now_ns + int(self._rng.uniform(fastest, slowest) * NS_PER_MS)
        fault = self._rest.rest(symbol, self._now_ns)
        behind = STALE_UPDATES if fault and fault.kind == "rest_stale" else 0
        last = self.truth.version(symbol) - behind
        status = 200
        if fault and fault.kind == "rest_short":
            limit = min(limit, SHORT_LEVELS)
        body = self.venue.depth(symbol, limit, behind=behind)
        if fault and fault.kind == "rest_late":
            arrive_ns += int((fault.duration_s or LATE_S) * 1e9)
        if fault and fault.kind == "rest_malformed":
            body = damaged(body, fault.variant)
        if fault and fault.kind == "rest_error":
            status = int(fault.variant)
            body, last = REST_ERRORS[status], 0
        return _Answer(arrive_ns, symbol, status, body, last)

    def _happen(self) -> Iterator[SpotItem]:
        now_ms = self._now_ns // NS_PER_MS
        for conn, end_ns in list(self._shutdown_ns.items()):
            if self._now_ns >= end_ns:
                del self._shutdown_ns[conn]
                if conn not in self._back_ns:
                    self._down(conn, None)
                    yield self._gone(conn)
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

    def _end(self, conn: int, delivery: SpotDelivery) -> Iterator[SpotItem]:
        if delivery.end != "shutdown":
            yield from super()._end(conn, delivery)
        elif conn not in self._shutdown_ns:
            self._shutdown_ns[conn] = self._now_ns + _SHUTDOWN_AFTER_NS
            warning = self._sessions[conn].carry(server_shutdown(self._now_ns // NS_PER_MS))
            if warning is not None:
                yield from self._hand_over(conn, warning)
