"""What a simulated Bitstamp is played with: a client that asks REST, and who judges it.

Books say of when they are, and are held against the truth of that time; where stamps are wrong,
against that of the newest message that was heard, whatever it says of itself. What was lost on the
way shows in no message; the best levels on their own channel must give it away: within so many of
them that are of times which the changes have left behind, or while there are no changes, within so
long.
"""

from collections.abc import Iterable
from typing import ClassVar, Final, NamedTuple

from bookfeed._bookfeed import BookView
from bookfeed.scorecard.campaigns.binance_kraken_client import (
    MEND_AFTER_NS,
    MS,
    OVER,
    Client,
)
from bookfeed.scorecard.campaigns.binance_kraken_referee import Referee
from bookfeed.scorecard.campaigns.levels import sides_of
from bookfeed.scorecard.campaigns.seeds import Report
from bookfeed.sim.bitstamp.stream import BitstampStream
from bookfeed.sim.bitstamp.venue import TOP_LEVELS
from bookfeed.sim.bitstamp.wire import TOP
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_rest_faults import SHORT_LEVELS
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_venue import SpotVenueConfig
from bookfeed.sim.virtual import TRANSIT_NS

FOUND_WITHIN: Final = 6
"""How many messages with the best levels a level may be wrong through, among those they tell, if
the changes leave the time of each behind.
"""
FOUND_WITHIN_NS: Final = 2_000 * MS
"""For how long it may be wrong while they do not."""


class _Wrong(NamedTuple):
    """What the best levels have shown to be wrong, every time."""

    levels: set[tuple[bool, int]]
    """Side and price."""
    told: int
    """Through how many messages that the changes left behind."""
    at_us: int
    """Of when the last of those is."""
    since_ns: int
    """When it came."""


class BitstampClient(Client[BitstampStream]):
    """Books are asked of REST once the stream has spoken of them: an older answer is no basis."""

    VENUE = "bitstamp"
    ARRIVES_NS = MEND_AFTER_NS

    def __init__(self, stream: BitstampStream, start_ns: int) -> None:
        super().__init__(stream, start_ns)
        self._spoken_of: set[str] = set()

    def take(self, item: SpotItem) -> None:
        """One item of the stream."""
        if item.kind == "connected":
            self._spoken_of -= set(self.stream.symbols(item.conn))
        elif item.kind == "frame" and item.is_book:
            self._spoken_of.add(item.symbol)
        super().take(item)

    def _mend(self, symbol: str, ts: int) -> None:
        if symbol in self._spoken_of or self.views[symbol].live:
            super()._mend(symbol, ts)
        elif self.views[symbol].cause not in OVER:
            self.mend_ns[symbol] = ts + MEND_AFTER_NS

    @property
    def depth(self) -> int | None:
        return None

    def ask(self, symbol: str) -> None:
        self.stream.ask(symbol)


class BitstampReferee(Referee[BitstampStream]):
    """Books say of when they are."""

    BY_TIME: ClassVar[bool] = True

    def __init__(self, client: Client[BitstampStream], report: Report) -> None:
        super().__init__(client, report)
        self._told: dict[str, int] = {}
        """Of when the newest change is, really, that was heard of each symbol."""
        self._misstamped: set[int] = set()
        """Connections whose stamps were wrong."""
        self._wrong: dict[str, _Wrong] = {}
        self._thaws: dict[str, int] = {}
        """Symbols whose changes are held back, and until when."""

    def look(self, item: SpotItem) -> None:
        """After an item; what is held back is missing until a whole book of later comes."""
        if item.kind == "connected":
            self._misstamped.discard(item.conn)
            for symbol in self.stream.symbols(item.conn):
                self._told.pop(symbol, None)
        elif item.kind == "frame" and item.is_book:
            self._told[item.symbol] = max(item.last, self._told.get(item.symbol, 0))
        super().look(item)
        for symbol, thaw_ns in list(self._thaws.items()):
            self.unproved[symbol] = self.stream.truth.version(symbol)
            if item.ts_ns > thaw_ns:
                del self._thaws[symbol]

    def _note_hidden(self, event: FaultEvent) -> None:
        super()._note_hidden(event)
        if event.fault.kind == "stamp":
            self._misstamped.add(event.conn)
        if event.fault.kind == "freeze":
            thaw_ns = event.ts_ns + int((event.fault.duration_s or 0) * 1e9) + TRANSIT_NS
            self._thaws |= dict.fromkeys(event.assets or self.client.symbols, thaw_ns)

    def hides(self, event: FaultEvent) -> bool:
        # An answer from before the stream looks newer than it where its stamps are set back.
        old = event.fault.kind in ("rest_stale", "rest_late") and bool(self._misstamped)
        return old or event.duty in ("unprovable", "resync", "silence")

    def is_whole(self, item: SpotItem) -> bool:
        # One with few levels is cut off, and does not say so.
        return item.payload.count(b'["') > 2 * SHORT_LEVELS and self.made_whole(item)

    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        if not view.live:
            self._wrong.pop(symbol, None)
            return
        misstamped = self.stream.conn_of(symbol) in self._misstamped
        stands_at = self._told.get(symbol) if misstamped else view.update_id
        truth = None if stands_at is None else self.stream.truth.at(symbol, stands_at)
        if stands_at is None or truth is None:
            if symbol not in self.unproved:
                self._problem(f"{symbol} live at {stands_at}, where no book is")
            return
        mine, true = sides_of(view), (truth.bids, truth.asks)
        if mine != true and symbol not in self.unproved:
            self._problem(f"{symbol} live and wrong at {stands_at}")
        if item.kind == "frame" and item.channel == TOP:
            self._witnessed(item, set(_wrong(mine, true)), stands_at)

    def _witnessed(self, item: SpotItem, wrong: set[tuple[bool, int]], stands_at: int) -> None:
        """The best levels were told: what of them is wrong has not been so for long."""
        before = self._wrong.get(item.symbol)
        still = wrong & before.levels if before else set()
        if before is None or not still:
            self._wrong[item.symbol] = _Wrong(wrong, 1, item.last, item.ts_ns)
            return
        now = before._replace(levels=still)
        if stands_at > before.at_us:
            now = _Wrong(still, before.told + 1, item.last, item.ts_ns)
        self._wrong[item.symbol] = now
        where, waited_ns = f"{item.symbol} wrong in {sorted(still)[:2]}", item.ts_ns - now.since_ns
        if now.told > FOUND_WITHIN:
            self._problem(f"{where} through {now.told} best levels")
        if waited_ns >= FOUND_WITHIN_NS:
            self._problem(f"{where} for {waited_ns / MS:.0f} ms")


def _wrong(
    mine: Iterable[list[tuple[int, int]]], true: Iterable[list[tuple[int, int]]]
) -> Iterable[tuple[bool, int]]:
    """Prices among the best levels whose size is not the true one, by side."""
    for is_bid, ours, theirs in zip((True, False), mine, true, strict=True):
        told = dict(theirs[:TOP_LEVELS])
        end = min(told, default=0) if is_bid else max(told, default=0)
        within = dict((p, q) for p, q in ours if (p >= end if is_bid else p <= end))
        yield from ((is_bid, p) for p in told.keys() | within if told.get(p) != within.get(p))


def bitstamp(seed: int, schedule: tuple[SpotFault, ...]) -> BitstampStream:
    """A run of the simulated Bitstamp with these faults."""
    return BitstampStream(
        SpotVenueConfig(seed=seed, markets=1 + seed % 3, levels=12 if seed % 4 == 0 else 40),
        faults=schedule,
        conns=1 + seed % 2,
        rate=60.0,
    )
