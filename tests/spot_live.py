"""Feeds against simulated spot venues over sockets, held to what the venue's books truly were.

Wrong means: a book shown as ``live`` that differs from the venue's own at the update it stands at.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from waiting import PATIENCE_S, PatientClock, until

from bookfeed._bookfeed import Batch, BookView, Engine
from bookfeed.audit import Auditor, AuditReport
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.live.recovery.plan import ResyncPolicy
from bookfeed.market import Market
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.replay import replay
from bookfeed.records import Update
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_server import SpotServer
from bookfeed.sim.spot_truth import SpotTruth, top
from bookfeed.sim.truth import BookTruth
from bookfeed.venues import Endpoint

S = 1_000_000_000
# How far back a book without numbers is looked for among those that were.
VERSIONS_BACK = 600

Sides = tuple[list[tuple[int, int]], list[tuple[int, int]]]
Record = tuple[int, int, int, int, bytes]

OPTIONS = SessionOptions(
    backoff_min_s=0.02,
    backoff_max_s=0.1,
    connect_stagger_s=0.0,
    advance_s=0.02,
    resync=ResyncPolicy(
        fetch_interval_s=0.02,
        fetch_backoff_min_s=0.02,
        fetch_backoff_max_s=1.0,
        reconnect_interval_s=0.1,
    ),
)


class Tape:
    """A recorder in memory."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:
        self.records.append((kind, ts, conn, epoch, payload))

    def poll(self, now_ns: int) -> None:
        assert now_ns > 0

    def close(self, timeout_s: float) -> None:
        assert timeout_s > 0

    def kinds(self) -> list[int]:
        return [record[0] for record in self.records]


class Watcher:
    """Compares live books with the truth whenever records come out, and keeps all records."""

    def __init__(self, truths: dict[str, SpotTruth]) -> None:
        self.truths = truths
        self.feed: Feed | None = None
        self.checked = 0
        self.wrong: list[str] = []
        self.states: list[tuple[str, str, str]] = []
        self.emitted: list[bytes] = []

    def on_update(self, update: Update) -> None:
        if update.kind == "state":
            self.states.append((update.symbol, update.state, update.cause))

    def on_batch(self, batch: Batch) -> None:
        assert self.feed is not None
        self.emitted.append(batch.update_bytes)
        for instrument in set(batch.updates["instrument"].tolist()):
            view = self.feed.engine.book(instrument)
            truth = self.truths.get(view.venue)
            if view.live and truth is not None:
                self.checked += 1
                if not agrees(view, truth):
                    self.wrong.append(f"{view.symbol} at {view.update_id} ({view.cause})")

    def causes(self, symbol: str) -> list[str]:
        return [cause for name, _, cause in self.states if name == symbol]


def agrees(view: BookView, truth: SpotTruth) -> bool:
    """Whether a live book is the true one, as far as it claims to know it."""
    mine = levels(view)
    if view.update_id is not None:
        whole = truth.at(view.symbol, view.update_id)
        return whole is not None and within(view, whole) == mine
    newest, depth = truth.version(view.symbol), max(map(len, mine))
    recent = (truth.at(view.symbol, newest - back) for back in range(VERSIONS_BACK))
    return any(within(view, top(one, depth)) == mine for one in recent if one is not None)


def levels(view: BookView) -> Sides:
    """A book's levels up to where it claims to know them."""
    bids, asks = (
        [(price, qty) for price, qty in view.levels_exact(side).tolist()] for side in ("bid", "ask")
    )
    return within(view, BookTruth(0, bids, asks, False))


def within(view: BookView, book: BookTruth) -> Sides:
    """Those levels of ``book`` that ``view`` claims to know."""
    worst_bid, worst_ask = (
        None if end is None else round(end * 1e9)
        for end in (view.depth_known("bid"), view.depth_known("ask"))
    )
    return (
        [level for level in book.bids if worst_bid is None or level[0] >= worst_bid],
        [level for level in book.asks if worst_ask is None or level[0] <= worst_ask],
    )


def replayed(records: Iterable[Record]) -> bytes:
    """What a fresh engine makes of a recording."""
    out: list[bytes] = []
    engine = Engine()
    for _ in replay(engine, records, on_batch=lambda batch: out.append(batch.update_bytes)):
        pass
    return b"".join(out)


def audited(records: Iterable[Record]) -> AuditReport:
    """A second, independent reading of a recording."""
    return Auditor(EngineWitness(Engine())).run(records)


def feed_of(
    markets: Sequence[Market],
    endpoints: dict[str, Endpoint],
    watcher: Watcher,
    tape: Tape,
    options: SessionOptions = OPTIONS,
    clock: PatientClock | None = None,
) -> Feed:
    """A feed that is watched and recorded, not yet open."""
    feed = Feed(
        markets,
        endpoints=endpoints,
        on_batch=watcher.on_batch,
        on_update=watcher.on_update,
        recorder=tape,
        options=options,
        clock=clock or PatientClock(),
        seed=1,
    )
    watcher.feed = feed
    return feed


V = TypeVar("V", bound=SpotServer[Any, Any])


class Running(Generic[V]):
    """A simulator and a feed that follows some of its markets."""

    def __init__(
        self, venue: str, server: V, markets: list[Market], fault: type[SpotFault]
    ) -> None:
        self.venue = venue
        self.server = server
        self.markets = markets
        self.watcher = Watcher({venue: server.truth})
        self.tape = Tape()
        self.feed: Feed
        self._fault = fault

    @property
    def symbols(self) -> list[str]:
        return [symbol for market in self.markets for symbol in market.symbols]

    async def live(self) -> None:
        await self.feed.wait_live(PATIENCE_S)

    async def checked(self, more: int = 30) -> None:
        """Waits until so many more live books were held to the truth; none was wrong."""
        enough = self.watcher.checked + more
        await until(lambda: self.watcher.checked >= enough)
        assert self.watcher.wrong == []

    async def lost(self, symbol: str, cause: str) -> None:
        await until(lambda: cause in self.watcher.causes(symbol))

    def frames(self) -> list[bytes]:
        return [record[4] for record in self.tape.records if record[0] == Kind.FRAME]

    def inject(self, kind: str, variant: str = "", **more: Any) -> None:
        self.server.inject(self._fault(kind, variant=variant, **more))


@asynccontextmanager
async def following(
    one: Running[V],
    endpoint: Endpoint,
    options: SessionOptions = OPTIONS,
    clock: PatientClock | None = None,
) -> AsyncIterator[Running[V]]:
    """Opens the feed of one that is running; at the end no book was wrong. Closes the simulator."""
    try:
        where = {one.venue: endpoint}
        one.feed = feed_of(one.markets, where, one.watcher, one.tape, options, clock)
        async with one.feed:
            yield one
        assert one.feed.counters()["callback_errors"] == 0
        assert one.watcher.wrong == []
    finally:
        await one.server.close()
