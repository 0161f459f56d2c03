"""Never wrong while live, on spot venues: seeded fault runs of the simulated Binance and Kraken.

``python tests/spot_campaign.py --venue binance --seeds 1000`` runs that many seeds and exits with
1 if in any of them a book that was shown as live differed from the truth at the place where it
says it stands, stayed live through a longer silence than it is allowed or through damage that
could be seen, was lost without a fault, or if a clean run changed any state. A failure prints its
seed, and the same seed fails again the same way.

Binance's books say at which update id they stand, so they are held against the truth at that id.
Kraken's are held against the truth of the message that was heard last: the best ten levels a side
always, which its sums cover; the whole window unless a fault that no sum can show has struck since
the last whole book.

The client here does what the session does: it asks REST for a book or subscribes anew, and
reconnects where neither helps.
"""

import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from seeds import Report, arguments
from seeds import play as play_seeds

from bookfeed._bookfeed import CAUSES, STATES, UPDATE_KINDS, BookView, Engine
from bookfeed.sim.binance.faults import random_binance_faults
from bookfeed.sim.binance.stream import BinanceStream
from bookfeed.sim.binance.venue import BinanceVenueConfig
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.kraken.faults import random_kraken_faults
from bookfeed.sim.kraken.stream import KrakenStream
from bookfeed.sim.kraken.venue import KrakenVenueConfig
from bookfeed.sim.spot_stream import SpotItem, SpotStream
from bookfeed.sim.spot_truth import top

MS: Final = 1_000_000
SILENCE_NS: Final = 3_000 * MS
TIMER_NS: Final = 100 * MS
MEND_AFTER_NS: Final = 40 * MS
MEND_EVERY_NS: Final = 1_000 * MS
ARRIVE_NS: Final = 2_000 * MS
"""How long a book may take to come by itself."""
MENDS_MAX: Final = 4
"""How often a book is asked for before its connection is given up."""
SUMMED: Final = 10
"""Levels a side that a sum covers."""

STATE_KIND: Final = UPDATE_KINDS.index("state")
STALE: Final = STATES.index("stale")
OVER: Final = frozenset({"disconnected", "unsubscribed"})
# What a session that mends books brings about.
ORDINARY: Final = frozenset({"subscribed", "snapshot", "resync", "evidence"})

SPARED: Final = frozenset({"corrupt"})
"""Kinds that Binance's books are spared: nothing gives another number away, and it stays."""
_NUMBERED: Final = frozenset({"gap", "out_of_order"})
_SUMS: Final = frozenset({"checksum_mismatch", "crossed"})
_ANY: Final = _NUMBERED | _SUMS | {"malformed", "bbo_mismatch"}
_QUIET: Final = frozenset({"silence", "late"})
# What each fault may be called by the engine. Faults that no engine need notice have no name.
FITTING: Final[dict[str, frozenset[str]]] = {
    "drop": _NUMBERED | _SUMS,
    "duplicate": _NUMBERED | _SUMS,
    "swap": _NUMBERED | _SUMS,
    "delay": _QUIET,
    "malformed": _ANY,
    "bit_flip": _ANY,
    "unknown": frozenset(),
    "foreign": frozenset(),
    "freeze": _QUIET | _NUMBERED | _SUMS,
    "disconnect": frozenset({"disconnected"}),
    "reset": frozenset({"disconnected"}),
    "restart": frozenset({"disconnected"}),
    "shutdown": frozenset({"disconnected"}),
    "gap": _NUMBERED,
    "rewind": _NUMBERED,
    "corrupt": _SUMS | {"bbo_mismatch"},
    "checksum": _SUMS,
    "level": _SUMS,
    "refused": frozenset(),
    "rest_late": frozenset(),
    "rest_stale": frozenset(),
    "rest_error": frozenset(),
    "rest_short": frozenset(),
    "rest_malformed": frozenset({"malformed"}),
}

S = TypeVar("S", bound=SpotStream)


class Client(ABC, Generic[S]):
    """An engine with the part of a session that mends books, under the stream's clock."""

    VENUE: str

    def __init__(self, stream: S, start_ns: int) -> None:
        self.stream = stream
        self.engine = Engine(silence_ns=SILENCE_NS)
        self.views: dict[str, BookView] = {}
        self.symbols: list[str] = []
        self.changes: list[tuple[int, str, str, str]] = []
        """State changes: time, symbol, state, cause."""
        self.mend_ns: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.timer_ns = start_ns
        self.reconnects = self.signals = 0
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
    def depth(self) -> int:
        """Levels a side that are asked for."""

    @abstractmethod
    def ask(self, symbol: str) -> None:
        """Asks for a whole book."""

    def take(self, item: SpotItem) -> None:
        """One item of the stream."""
        if item.kind == "connected":
            self.engine.connected(item.conn, self.VENUE, item.ts_ns)
        elif item.kind == "disconnected":
            self.engine.disconnected(item.conn, item.ts_ns)
        elif item.kind == "frame":
            self.engine.ingest(item.conn, item.payload, item.ts_ns)
        elif item.kind == "rest" and item.status == 200:
            instrument = self.views[item.symbol].instrument
            self.engine.ingest_rest(item.conn, item.payload, item.ts_ns, instrument=instrument)
        self.drain()

    def advance(self, ts: int) -> None:
        """Lets time pass in steps of the session's timer, and mends what is due."""
        while self.timer_ns + TIMER_NS <= ts:
            self.timer_ns += TIMER_NS
            self.engine.advance(self.timer_ns)
        self.drain()
        for symbol, due_ns in list(self.mend_ns.items()):
            if due_ns <= ts:
                del self.mend_ns[symbol]
                self._mend(symbol, ts)

    def _mend(self, symbol: str, ts: int) -> None:
        view = self.views[symbol]
        if view.live or view.cause in OVER:
            return
        self.mend_ns[symbol] = ts + MEND_EVERY_NS
        self.asked[symbol] += 1
        if view.cause == "silence" or self.asked[symbol] > MENDS_MAX:
            self.stream.reconnect(self.stream.conn_of(symbol))
            self.reconnects += 1
            self.asked[symbol] = 0
            return
        if view.state != "syncing":
            self.engine.resync_begin(view.instrument, ts)
        self.ask(symbol)
        self.drain()

    def drain(self) -> None:
        """Takes in what changed, and plans to mend what was lost."""
        batch = self.engine.drain()
        self.signals += len(batch.signals)
        for update in batch.updates:
            if update["kind"] != STATE_KIND:
                continue
            symbol = self.symbols[int(update["instrument"])]
            ts, cause = int(update["ts_recv"]), CAUSES[update["cause"]]
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
    """Books are asked of REST."""

    VENUE = "binance"
    ARRIVES_NS = MEND_AFTER_NS

    @property
    def depth(self) -> int:
        return 20 if self.stream.venue.config.seed % 3 == 0 else 5_000

    def ask(self, symbol: str) -> None:
        self.stream.ask(symbol, self.depth)


class KrakenClient(Client[KrakenStream]):
    """Books come on the stream, with a subscription."""

    VENUE = "kraken"

    @property
    def depth(self) -> int:
        return self.stream.depth

    def ask(self, symbol: str) -> None:
        self.stream.resubscribe(symbol)


Levels = list[tuple[int, int]]
_MADE_UP: Final = -1


class Referee(ABC, Generic[S]):
    """Holds every book that is shown as live against the truth."""

    def __init__(self, client: Client[S], report: Report) -> None:
        self.client = client
        self.stream = client.stream
        self.report = report
        self.spoke_ns: dict[int, int] = {}
        """When each connection last brought something."""
        self.unproved: dict[str, int] = {}
        """Symbols that a fault has struck which no message shows, since their last whole book, with
        the version that a whole book must have to make up for it.
        """
        self._judged = 0

    def look(self, item: SpotItem) -> None:
        """After an item: what it was about is right, and nobody was silent for too long."""
        struck = self.stream.fault_log[self._judged :]
        self._judged += len(struck)
        for event in struck:
            if self.hides(event):
                for symbol in event.assets or self.client.symbols:
                    self.unproved[symbol] = self.stream.truth.version(symbol)
            if event.duty == "prompt" and item.kind in ("frame", "rest") and not self._late(item):
                self._prompt(event, item)
        if item.kind in ("frame", "ping"):
            self.spoke_ns[item.conn] = item.ts_ns
        self._made_up(item, self._struck(struck))
        for symbol, view in self.client.views.items():
            conn = self.stream.conn_of(symbol)
            silent_ns = item.ts_ns - self.spoke_ns.get(conn, item.ts_ns)
            if view.live and silent_ns > SILENCE_NS + TIMER_NS:
                self._problem(f"{symbol} live after {silent_ns / MS:.0f} ms")
            if view.live and item.kind == "disconnected" and conn == item.conn:
                self._problem(f"{symbol} live without a connection at {item.ts_ns}")
        about = item.symbol if item.kind in ("frame", "rest") else ""
        if about in self.client.views and about not in self._struck(struck):
            self.report.checks += 1
            self.check(about, self.client.views[about], item)

    def _made_up(self, item: SpotItem, struck: set[str]) -> None:
        """Forgets what a whole book has made up for, once it shows: with it, or the next frame."""
        symbol = item.symbol
        if symbol not in self.unproved or symbol in struck or not item.is_book:
            return
        enough = item.last >= self.unproved[symbol]
        if item.kind in ("frame", "rest") and self.is_whole(item) and enough:
            self.unproved[symbol] = _MADE_UP
        if item.kind == "frame" and self.unproved[symbol] == _MADE_UP:
            del self.unproved[symbol]

    def _late(self, item: SpotItem) -> bool:
        """Whether this is a frame of before, and the one that was struck is yet to come."""
        return self.stream.lateness(item.conn) > 0

    def _struck(self, struck: Sequence[FaultEvent]) -> set[str]:
        return {asset for event in struck for asset in event.assets}

    def _prompt(self, event: FaultEvent, item: SpotItem) -> None:
        for symbol in event.assets or self.client.symbols:
            mine = event.assets or self.stream.conn_of(symbol) == event.conn
            if mine and self.client.views[symbol].live:
                self._problem(f"{symbol} live after {event.fault.kind} at {item.ts_ns}: {event}")

    def _problem(self, text: str) -> None:
        self.report.problems.append(text)

    @abstractmethod
    def hides(self, event: FaultEvent) -> bool:
        """Whether a fault may leave something wrong that no message ever shows."""

    @abstractmethod
    def is_whole(self, item: SpotItem) -> bool:
        """Whether the item tells a whole book."""

    @abstractmethod
    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        """Whether a live book is the true one."""


def sides_of(view: BookView) -> tuple[Levels, Levels]:
    """Bids and asks as (price 1e-9, size 1e-8), best first."""
    bids, asks = (
        [(int(price), int(size)) for price, size in view.levels_exact(side)]
        for side in ("bid", "ask")
    )
    return bids, asks


class BinanceReferee(Referee[BinanceStream]):
    """Books say where they stand."""

    def hides(self, event: FaultEvent) -> bool:
        return event.duty == "unprovable"

    def is_whole(self, item: SpotItem) -> bool:
        return item.kind == "rest" and item.status == 200

    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        if not view.live or symbol in self.unproved:
            return
        stands_at = view.update_id
        truth = None if stands_at is None else self.stream.truth.at(symbol, stands_at)
        if stands_at is None or truth is None:
            self._problem(f"{symbol} live at {stands_at}, where no book is")
            return
        if item.is_book and item.kind == "frame" and stands_at < item.last:
            self._problem(f"{symbol} live at {stands_at}, but {item.last} was told")
        bids, asks = sides_of(view)
        self._side("bid", bids, truth.bids, view)
        self._side("ask", asks, truth.asks, view)

    def _side(
        self, name: Literal["bid", "ask"], mine: Levels, true: Levels, view: BookView
    ) -> None:
        """Every level is a true one, and as far as the book is known none is missing."""
        known = view.depth_known(name)
        sign = -1 if name == "bid" else 1
        reach = None if known is None else sign * round(known * 1e9)
        owed = {price for price, _ in true if reach is None or sign * price <= reach}
        wrong = [level for level in mine if dict(true).get(level[0]) != level[1]]
        missing = owed - dict(mine).keys()
        if wrong or missing:
            self._problem(
                f"{view.symbol} live and wrong at {view.update_id}: {name}s that are not "
                f"{wrong[:2]}, that lack {sorted(missing)[:2]}, known to {known}"
            )


class KrakenReferee(Referee[KrakenStream]):
    """Books are as of the message that was heard last."""

    def hides(self, event: FaultEvent) -> bool:
        return event.duty in ("unprovable", "resync", "silence")

    def is_whole(self, item: SpotItem) -> bool:
        return b'"type":"snapshot"' in item.payload[:60]

    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        if not view.live or not item.is_book:
            return
        truth = self.stream.truth.at(symbol, item.last)
        assert truth is not None, "a message is of a version that is yet to come"
        depth = SUMMED if symbol in self.unproved else self.stream.depth
        true = top(truth, depth)
        bids, asks = sides_of(view)
        if (bids[:depth], asks[:depth]) != (true.bids, true.asks):
            self._problem(f"{symbol} live and wrong in the best {depth} at {item.ts_ns}")
        if max(len(bids), len(asks)) > self.stream.depth:
            self._problem(f"{symbol} has more levels than its window at {item.ts_ns}")


def named(event: FaultEvent, client: Client[Any], until_ns: int) -> bool:
    """Whether a fault has a fitting name among the state changes after it."""
    symbols = event.assets or tuple(client.symbols)
    return any(
        event.ts_ns <= ts <= until_ns and symbol in symbols and cause in FITTING[event.fault.kind]
        for ts, symbol, _, cause in client.changes
    )


def was_live(event: FaultEvent, client: Client[Any]) -> bool:
    """Whether a book that the fault concerns was live when it struck."""
    for symbol in event.assets or tuple(client.symbols):
        states = [s for ts, t, s, _ in client.changes if t == symbol and ts <= event.ts_ns]
        if states and states[-1] == "live":
            return True
    return False


def binance(seed: int, items: int, faults: int, clean: bool) -> BinanceStream:
    """A run of the simulated Binance with random faults, or none."""
    schedule = random_binance_faults(seed, count=faults, frames=items * 2 // 3)
    return BinanceStream(
        BinanceVenueConfig(
            seed=seed, markets=1 + seed % 3, levels=12 if seed % 4 == 0 else 40, us=seed % 5 == 0
        ),
        faults=() if clean else [fault for fault in schedule if fault.kind not in SPARED],
        conns=1 + seed % 2,
        rate=60.0,
        combined=seed % 7 != 0,
    )


def kraken(seed: int, items: int, faults: int, clean: bool) -> KrakenStream:
    """A run of the simulated Kraken with random faults, or none."""
    schedule = random_kraken_faults(seed, count=faults, frames=items * 2 // 3)
    return KrakenStream(
        KrakenVenueConfig(seed=seed, markets=1 + seed % 3, levels=8 if seed % 4 == 0 else 40),
        faults=() if clean else schedule,
        conns=1 + seed % 2,
        rate=60.0,
        depth=(10, 25, 100)[seed % 3],
    )


class Play(NamedTuple):
    """What a venue is played with."""

    stream: Callable[[int, int, int, bool], Any]
    client: Callable[[Any, int], Client[Any]]
    referee: Callable[[Any, Report], Referee[Any]]


PLAYS: Final = {
    "binance": Play(binance, BinanceClient, BinanceReferee),
    "kraken": Play(kraken, KrakenClient, KrakenReferee),
}


def run(
    seed: int, *, venue: str, items: int = 1_000, faults: int = 6, clean: bool = False
) -> Report:
    """One seed: a stream with random faults, or none, judged after every item."""
    report = Report(seed)
    play = PLAYS[venue]
    stream = play.stream(seed, items, faults, clean)
    client: Client[Any] | None = None
    referee: Referee[Any] | None = None
    start_ns = live_at = 0
    for item in stream.items(items):
        if client is None or referee is None:
            client = play.client(stream, item.ts_ns)
            referee = play.referee(client, report)
            start_ns = live_at = item.ts_ns
        client.advance(item.ts_ns)
        client.take(item)
        referee.look(item)
        report.frames += item.kind == "frame"
        share = sum(view.live for view in client.views.values()) / len(client.views)
        report.live_ns += int((item.ts_ns - live_at) * share)
        live_at = item.ts_ns
    assert client is not None
    report.total_ns = live_at - start_ns
    report.signals = client.signals
    report.transitions = len(client.changes)
    report.causes.update(cause for _, _, _, cause in client.changes)
    judge_faults(stream, client, report, live_at)
    if clean:
        judge_clean(client, report)
    return report


def judge_faults(stream: SpotStream, client: Client[Any], report: Report, end_ns: int) -> None:
    """Every fault that the engine could not miss has its name, and no book is lost without one."""
    for event in stream.fault_log:
        report.faults[event.fault.kind] += 1
        ended = event.ts_ns > end_ns - 1_000 * MS
        owed = event.duty in ("prompt", "reconnect") and not ended and was_live(event, client)
        if owed and not named(event, client, end_ns):
            report.problems.append(f"a fault was not named: {event}")
    explained = ORDINARY.union(*(FITTING[kind] for kind in report.faults))
    if client.reconnects:
        explained |= {"disconnected"}
    for cause in sorted(set(report.causes) - explained):
        report.problems.append(f"cause {cause} names no fault of this run ({dict(report.faults)})")


def judge_clean(client: Client[Any], report: Report) -> None:
    """Without faults a book changes state twice: subscribed, then live."""
    for symbol in client.symbols:
        changes = [(state, cause) for _, name, state, cause in client.changes if name == symbol]
        if [state for state, _ in changes] != ["syncing", "live"]:
            report.problems.append(f"clean run, but {symbol} went through {changes}")
    for kind in ("malformed", "bbo_mismatch", "checksum_mismatch"):
        if client.engine.evidence().get(kind):
            report.problems.append(f"clean run, but {client.engine.evidence()[kind]} {kind}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--venue", default="binance", choices=tuple(PLAYS))
    options = parser.parse_args(argv)
    return play_seeds(
        options.first,
        options.seeds,
        lambda seed: run(seed, venue=options.venue, items=options.items, clean=options.clean),
    )


if __name__ == "__main__":
    sys.exit(main())
