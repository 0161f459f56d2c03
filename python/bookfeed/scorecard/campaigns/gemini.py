"""What a simulated Gemini is played with: a client that connects anew, and who judges it.

Books say at which update they stand, and are held against the truth of that update. A whole book
that was lost, or is only a part, nothing gives away but the best prices: they must, within so many
of them. Books of version 2 say nothing of where they stand: they are held against the truth of the
message that was heard last, until a fault strikes that nothing can show.
"""

from collections.abc import Iterable
from typing import Final

from bookfeed._bookfeed import BookView
from bookfeed.scorecard.campaigns.binance_kraken_client import Client
from bookfeed.scorecard.campaigns.binance_kraken_referee import Referee
from bookfeed.scorecard.campaigns.levels import sides_of
from bookfeed.scorecard.campaigns.seeds import Report
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.gemini.stream import GeminiStream
from bookfeed.sim.gemini.venue import GeminiVenueConfig
from bookfeed.sim.gemini.wire import TICKER, Api
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_stream import SpotItem

FOUND_WITHIN: Final = 6
"""Through how many changes a best price may be wrong, once the venue has told its own."""

Sides = tuple[list[tuple[int, int]], ...]


class GeminiClient(Client[GeminiStream]):
    """Books come with a new connection alone, which costs all books of the old one."""

    VENUE = "gemini"

    @property
    def depth(self) -> int | None:
        return None

    def books_of(self, event: FaultEvent) -> list[str]:
        """What costs one book costs all of its connection."""
        if event.fault.kind == "restart":
            return self.symbols
        return [one for one in self.symbols if self.stream.conn_of(one) == event.conn]

    def ask(self, symbol: str) -> None:
        self.brought.add("disconnected")
        self.stream.reconnect(self.stream.conn_of(symbol))


class GeminiReferee(Referee[GeminiStream]):
    """Books say where they stand."""

    def __init__(self, client: Client[GeminiStream], report: Report) -> None:
        super().__init__(client, report)
        self._wrong: dict[str, tuple[set[tuple[bool, int]], int]] = {}
        """By symbol: prices that were wrong all the time, and through how many changes."""

    def hides(self, event: FaultEvent) -> bool:
        if event.duty == "unprovable":
            # What follows a whole book that was lost is known for a change, or by its best prices.
            self.client.brought |= {"malformed", "bbo_mismatch"}
        elif event.fault.kind == "freeze":
            self.client.brought.add("bbo_mismatch")
        return event.duty == "unprovable"

    def is_whole(self, item: SpotItem) -> bool:
        return item.whole

    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        if not view.live:
            self._wrong.pop(symbol, None)
            return
        stands_at = view.update_id
        truth = None if stands_at is None else self.stream.truth.at(symbol, stands_at)
        if stands_at is None or truth is None:
            if symbol not in self.unproved:
                self._problem(f"{symbol} live at {stands_at}, where no book is")
            return
        mine, true = sides_of(view), (truth.bids, truth.asks)
        if mine != true and symbol not in self.unproved:
            self._problem(f"{symbol} live and wrong at {stands_at}")
        if item.kind == "frame" and item.is_book and stands_at < item.last:
            self._problem(f"{symbol} live at {stands_at}, but {item.last} was told")
        if item.kind == "frame" and item.channel == TICKER:
            self._wrong.setdefault(symbol, (set(_wrong(mine, true)), 0))
        elif item.kind == "frame" and item.is_book and symbol in self._wrong:
            self._witnessed(symbol, mine, true)

    def _witnessed(self, symbol: str, mine: Sides, true: Sides) -> None:
        """A change came, and best prices before it: one that is wrong was not so for long."""
        wrong = set(_wrong(mine, true))
        before, told = self._wrong[symbol]
        wrong &= before
        self._wrong[symbol] = (wrong, told + 1) if wrong else (set(_wrong(mine, true)), 0)
        if wrong and told + 1 > FOUND_WITHIN:
            self._problem(f"{symbol} has a wrong touch through {told} changes")


class GeminiV2Referee(Referee[GeminiStream]):
    """Books are as of the message that was heard last."""

    def hides(self, event: FaultEvent) -> bool:
        # Nothing is numbered, so that what was lost or came again shows where books cross at best.
        return event.duty in ("unprovable", "resync", "silence")

    def _note_hidden(self, event: FaultEvent) -> None:
        super()._note_hidden(event)
        if event.fault.kind == "swap" and self.hides(event):
            # The whole book itself may be what comes late, and lacks what overtook it.
            for symbol in event.assets:
                self.unproved[symbol] += 1

    def is_whole(self, item: SpotItem) -> bool:
        return item.whole

    def check(self, symbol: str, view: BookView, item: SpotItem) -> None:
        if not view.live or not item.is_book or symbol in self.unproved:
            return
        truth = self.stream.truth.at(symbol, item.last)
        assert truth is not None, "a message is of a version that is yet to come"
        bids, asks = sides_of(view)
        if (bids, asks) != (truth.bids, truth.asks):
            self._problem(f"{symbol} live and wrong at {item.ts_ns}")


def _wrong(mine: Iterable[list[tuple[int, int]]], true: Sides) -> Iterable[tuple[bool, int]]:
    """Best prices that are not the true ones, by side."""
    for is_bid, ours, theirs in zip((True, False), mine, true, strict=True):
        if ours[:1] != theirs[:1]:
            yield from ((is_bid, price) for price, _ in (*ours[:1], *theirs[:1]))


def gemini(seed: int, schedule: tuple[SpotFault, ...], *, api: Api = "fast") -> GeminiStream:
    """A run of the simulated Gemini with these faults."""
    levels = 12 if seed % 4 == 0 else 40
    return GeminiStream(
        GeminiVenueConfig(seed=seed, markets=1 + seed % 3, levels=levels, api=api),
        faults=schedule,
        conns=1 + seed % 2,
        rate=60.0,
    )
