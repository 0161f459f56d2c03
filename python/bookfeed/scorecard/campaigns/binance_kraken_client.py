"""Clients of simulated spot venues: an engine, and what a session does for its books.

A client asks REST for a book (Binance) or subscribes to it anew (Kraken), and reconnects where
neither helps. Nothing here knows the truth.
"""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Final, Generic, TypeVar

from bookfeed._bookfeed import CAUSES, STATES, UPDATE_KINDS, BookView, Engine
from bookfeed.scorecard.campaigns.levels import Side
from bookfeed.scorecard.campaigns.seeds import Trace
from bookfeed.sim.binance.stream import BinanceStream
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.kraken.stream import KrakenStream
from bookfeed.sim.spot_stream import SpotItem, SpotStream

MS: Final = 1_000_000
SILENCE_NS: Final = 3_000 * MS
TIMER_NS: Final = 100 * MS
MEND_AFTER_NS: Final = 40 * MS
MEND_EVERY_NS: Final = 1_000 * MS
ARRIVE_NS: Final = 2_000 * MS
"""How long a book may take to come by itself."""
LOOK_EVERY_NS: Final = 1_500 * MS
"""How often a client that does so asks for books that it may have."""
POLL_EVERY_NS: Final = 1_000 * MS
POLL_DEPTH: Final = 15
# Of four clients, these do; and one polls books of which its open connection says nothing.
LOOKS: Final = 2
TWICE: Final = 1
POLLS: Final = 3
MENDS_MAX: Final = 4
"""How often a book is asked for before its connection is given up."""
OVER: Final = frozenset({"disconnected", "unsubscribed"})

_STATE_KIND: Final = UPDATE_KINDS.index("state")

S = TypeVar("S", bound=SpotStream)


def known_to(view: BookView, side: Side) -> int | None:
    """Where knowledge of a side ends (1e-9), negative for bids so that lower is better."""
    end = view.depth_known(side)
    return None if end is None else round(end * 1e9) * (-1 if side == "bid" else 1)


class Client(ABC, Generic[S]):
    """An engine with the part of a session that mends books, under the stream's clock."""

    VENUE: str

    def __init__(self, stream: S, start_ns: int) -> None:
        self.stream = stream
        self.engine = Engine(silence_s=SILENCE_NS / 1e9)
        self.views: dict[str, BookView] = {}
        self.symbols: list[str] = []
        self.changes: list[tuple[int, str, str, str]] = []
        """State changes: time, symbol, state, cause."""
        self.mend_ns: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.fetched_ns: dict[str, int] = {}
        """When each book was last taken from REST."""
        self.brought: set[str] = set()
        """Causes of losses that this client brings about."""
        self.timer_ns = start_ns
        self._probed_ns: dict[str, int] = {}
        self.signals = 0
        self.trace = Trace()
        for symbol, spec in stream.listed.items():
            instrument = self.engine.subscribe(
                self.VENUE,
                symbol,
                stream.conn_of(symbol),
                start_ns,
                base=spec.base,
                quote=spec.quote,
                depth=self.depth,
            )
            self.symbols.append(symbol)
            self.views[symbol] = self.engine.book(instrument)
            self.mend_ns[symbol] = start_ns + ARRIVE_NS
        self.engine.add_rule("spread", {"mode": "absolute", "open": "5", "close": "1"})

    @property
    @abstractmethod
    def depth(self) -> int | None:
        """Levels a side that are asked for; ``None``: all."""

    @abstractmethod
    def ask(self, symbol: str) -> None:
        """Asks for a whole book."""

    def books_of(self, event: FaultEvent) -> list[str]:
        """The books that a fault may cost something: its own, those of its connection, or all."""
        if event.fault.kind == "restart":  # of the venue
            return self.symbols
        if event.assets and event.fault.kind != "stamp":
            return list(event.assets)
        # Stamps are wrong for all of a connection, whichever book they were wrong of at first.
        return self._on(event.conn)

    def take(self, item: SpotItem) -> None:
        """One item of the stream."""
        if item.kind == "connected":
            self.engine.connected(item.conn, self.VENUE, item.ts_ns)
        elif item.kind == "disconnected":
            self.engine.disconnected(item.conn, item.ts_ns)
        elif item.kind == "frame":
            self.engine.ingest(item.conn, item.payload, item.ts_ns)
        elif item.kind == "rest" and item.status == 200:
            self._take_rest(item)
        self.drain()

    def _take_rest(self, item: SpotItem) -> None:
        taken = self.engine.counters()["rest_accepted"]
        instrument = self.views[item.symbol].instrument
        self.engine.ingest_rest(item.conn, item.payload, item.ts_ns, instrument=instrument)
        if self.engine.counters()["rest_accepted"] > taken:
            self.fetched_ns[item.symbol] = item.ts_ns

    def advance(self, ts: int) -> None:
        """Lets time pass in steps of the session's timer, and mends what is due."""
        while self.timer_ns + TIMER_NS <= ts:
            self.timer_ns += TIMER_NS
            self.engine.advance(self.timer_ns)
        self.drain()
        self._probe(ts)
        for symbol, due_ns in list(self.mend_ns.items()):
            if due_ns <= ts:
                del self.mend_ns[symbol]
                self._mend(symbol, ts)

    def _probe(self, ts: int) -> None:
        """Asks for the books that are wanted beside their streams, each once in a while."""
        wanted = [i for conn in range(self.stream.conns) for i in self.engine.probes(conn)]
        for symbol in (self.symbols[instrument] for instrument in wanted):
            if ts >= self._probed_ns.get(symbol, 0):
                self._probed_ns[symbol] = ts + MEND_EVERY_NS
                self.ask(symbol)

    def _mend(self, symbol: str, ts: int) -> None:
        view = self.views[symbol]
        if view.live or view.cause in OVER:
            return
        self.mend_ns[symbol] = ts + MEND_EVERY_NS
        self.asked[symbol] += 1
        if view.cause == "silence" or self.asked[symbol] > MENDS_MAX:
            conn = self.stream.conn_of(symbol)
            self.stream.reconnect(conn)
            self.brought.add("disconnected")
            # The new connection owes nothing for what the old one did not give.
            self.asked -= Counter({one: self.asked[one] for one in self._on(conn)})
            return
        if view.state != "syncing":
            self.engine.resync_begin(view.instrument, ts)
        self.ask(symbol)
        self.drain()

    def _on(self, conn: int) -> list[str]:
        return [symbol for symbol in self.symbols if self.stream.conn_of(symbol) == conn]

    def drain(self) -> None:
        """Takes in what changed, and plans to mend what was lost."""
        batch = self.engine.drain()
        self.trace.take(batch)
        self.signals += len(batch.signals)
        for update in batch.updates:
            if update["kind"] != _STATE_KIND:
                continue
            symbol = self.symbols[int(update["instrument"])]
            ts, cause = int(update["ts_recv_ns"]), CAUSES[update["cause"]]
            state = STATES[update["state"]]
            self.changes.append((ts, symbol, state, cause))
            if state == "live":
                self.asked[symbol] = 0
                self.mend_ns.pop(symbol, None)
            elif cause == "subscribed":
                self.mend_ns[symbol] = ts + self.ARRIVES_NS
            elif state in ("stale", "suspect") and cause not in OVER:
                self.mend_ns.setdefault(symbol, ts + MEND_AFTER_NS)

    ARRIVES_NS: int = ARRIVE_NS
    """When a book is asked for that should come by itself."""


class BinanceClient(Client[BinanceStream]):
    """Books are asked of REST; some clients ask twice, or for books that they have."""

    VENUE = "binance"
    ARRIVES_NS = MEND_AFTER_NS

    def __init__(self, stream: BinanceStream, start_ns: int) -> None:
        super().__init__(stream, start_ns)
        self._eager = stream.venue.config.seed % 4
        self._look_ns = start_ns + LOOK_EVERY_NS
        self._polled_ns: dict[str, int] = {}
        """When each book was asked for by polling."""
        self.polled_at: dict[str, int] = {}
        """At which update its venue stood then."""

    def advance(self, ts: int) -> None:
        """As any client does; now and then all books are asked for, whatever their state."""
        super().advance(ts)
        if self._eager == LOOKS and ts >= self._look_ns:
            self._look_ns = ts + LOOK_EVERY_NS
            for symbol in self.symbols:
                self.ask(symbol)
        if self._eager == POLLS:
            self._poll(ts)

    def _poll(self, ts: int) -> None:
        """Asks for the books of which an open connection says nothing, each once in a while."""
        silent = [i for conn in range(self.stream.conns) for i in self.engine.unstreamed(conn, ts)]
        for symbol in (self.symbols[instrument] for instrument in silent):
            if ts >= self._polled_ns.get(symbol, 0) + POLL_EVERY_NS:
                self._polled_ns[symbol] = ts
                self.polled_at[symbol] = self.stream.truth.version(symbol)
                self.stream.ask(symbol, POLL_DEPTH, "poll")

    def take(self, item: SpotItem) -> None:
        """One item of the stream; the answer to a poll is taken as such."""
        if item.kind == "poll" and item.status == 200:
            asked, number = self._polled_ns[item.symbol], self.views[item.symbol].instrument
            self.engine.ingest_poll(
                item.conn, item.payload, item.ts_ns, asked=asked, instrument=number
            )
        super().take(item)

    def _mend(self, symbol: str, ts: int) -> None:
        """A client that polls is content with that, and gives no connection up for its silence."""
        view = self.views[symbol]
        if self._eager != POLLS or not (view.polled or view.cause in ("silence", "expired")):
            super()._mend(symbol, ts)
        elif not view.polled:
            self.mend_ns[symbol] = ts + MEND_EVERY_NS
            self.engine.resync_begin(view.instrument, ts)
            self.ask(symbol)
            self.drain()

    @property
    def depth(self) -> int:
        return 20 if self.stream.venue.config.seed % 3 == 0 else 5_000

    def ask(self, symbol: str) -> None:
        for _ in range(2 if self._eager == TWICE else 1):
            self.stream.ask(symbol, self.depth)


class KrakenClient(Client[KrakenStream]):
    """Books come on the stream, with a subscription."""

    VENUE = "kraken"

    @property
    def depth(self) -> int:
        return self.stream.depth

    def ask(self, symbol: str) -> None:
        self.brought.add("channel")
        self.stream.resubscribe(symbol)
