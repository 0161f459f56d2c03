"""Who holds the live books of simulated spot venues against the truth, whatever the venue."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final, Generic

from bookfeed._bookfeed import BookView
from bookfeed.scorecard.campaigns.binance_kraken_client import (
    MS,
    SILENCE_NS,
    TIMER_NS,
    Client,
    S,
)
from bookfeed.scorecard.campaigns.levels import sides_of
from bookfeed.scorecard.campaigns.seeds import Report
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.spot_stream import SpotItem

_MADE_UP: Final = -1


class Referee(ABC, Generic[S]):
    """Holds every book that is shown as live against the truth."""

    BY_TIME: ClassVar[bool] = False
    """Whether nothing but time stamps orders messages, so that wrong ones may cost books."""

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
        self.fresh: list[tuple[str, str, str]] = []
        """What the item in hand changed: symbol, state, cause."""
        self.owed: list[FaultEvent] = []
        """Faults that struck a live book and cannot be missed."""
        self._under_way: list[tuple[int, FaultEvent]] = []
        """Faults of frames that are late, with how many frames of their connection come before."""
        self._states = dict.fromkeys(client.symbols, "")
        self._judged = self._changes = 0

    def look(self, item: SpotItem) -> None:
        """After an item: what it was about is right, and nobody was silent for too long."""
        self.fresh = [change[1:] for change in self.client.changes[self._changes :]]
        self._changes += len(self.fresh)
        struck = self.stream.fault_log[self._judged :]
        self._judged += len(struck)
        arrived = self._arrived(item)
        for event in struck:
            self._note_hidden(event)
            felt = event.duty == "prompt" or self.hides(event)
            ahead = self.stream.lateness(event.conn) if felt and event.conn >= 0 else 0
            if ahead:
                self._under_way.append((ahead, event))
            else:
                arrived.append(event)
        for event in arrived:
            self._strike(event, item)
        if item.kind in ("frame", "ping"):
            self.spoke_ns[item.conn] = item.ts_ns
        self._made_up(item, self._struck(struck))
        for symbol, view in self.client.views.items():
            conn = self.stream.conn_of(symbol)
            vouched_ns = self.client.fetched_ns.get(symbol, 0)
            silent_ns = item.ts_ns - max(self.spoke_ns.get(conn, item.ts_ns), vouched_ns)
            if view.live and silent_ns > SILENCE_NS + TIMER_NS:
                self._problem(f"{symbol} live after {silent_ns / MS:.0f} ms")
            if view.live and item.kind == "disconnected" and conn == item.conn:
                self._problem(f"{symbol} live without a connection at {item.ts_ns}")
        about = item.symbol if item.kind in ("frame", "rest", "poll") else ""
        if about in self.client.views and about not in self._struck(struck):
            self.report.checks += 1
            self.check(about, self.client.views[about], item)
        self._states |= {symbol: state for symbol, state, _ in self.fresh}

    def _arrived(self, item: SpotItem) -> list[FaultEvent]:
        """The faults whose frame is this one, which was late."""
        if item.kind == "disconnected":
            self._under_way = [each for each in self._under_way if each[1].conn != item.conn]
        if item.kind != "frame":
            return []
        counted = [(n - (e.conn == item.conn), e) for n, e in self._under_way]
        self._under_way = [each for each in counted if each[0]]
        return [event for ahead, event in counted if not ahead]

    def _strike(self, event: FaultEvent, item: SpotItem) -> None:
        """A fault is felt with this item: no book is believed through it, or nothing shows it."""
        self._note_hidden(event)
        if event.duty not in ("prompt", "reconnect"):
            return
        if any(self._states[one] == "live" for one in self.client.books_of(event)):
            self.owed.append(event)
        if event.duty == "prompt" and item.kind in ("frame", "rest"):
            self._prompt(event, item)

    def _note_hidden(self, event: FaultEvent) -> None:
        """A fault that no message shows: from now on, and anew when what is late comes."""
        if self.hides(event):
            for symbol in event.assets or self.client.symbols:
                self.unproved[symbol] = self.stream.truth.version(symbol)

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

    def made_whole(self, item: SpotItem) -> bool:
        """Whether an answer became the book, or agreed with each level that the running one has: it
        is held against that no further than to its own last levels.
        """
        if item.kind != "rest" or self.client.fetched_ns.get(item.symbol) != item.ts_ns:
            return False
        if self._states[item.symbol] != "live":
            return True
        truth = self.stream.truth.at(item.symbol, item.last)
        levels = [side.count(b'["') for side in item.payload.split(b'"asks"')]
        if truth is None or 0 in levels:
            return False
        last_bid, last_ask = truth.bids[: levels[0]][-1][0], truth.asks[: levels[1]][-1][0]
        bids, asks = sides_of(self.client.views[item.symbol])
        reaches_bids = all(price >= last_bid for price, _ in bids[-1:])
        return reaches_bids and all(price <= last_ask for price, _ in asks[-1:])

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
