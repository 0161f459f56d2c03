"""The whole simulated Gemini under a clock of the caller's: markets, numbers, what is yet to tell.

Every change of a level takes the next update of its book. The fast WebSocket tells changes once in
100 ms by their last size (a level that came and went in between is told as gone), trades and the
best of both sides at once, these in numbers of their own. A book begins whole with the first
message on a connection, which looks like any other: by even seeds it is of the moment, so that the
next message overlaps it, by odd ones as it was told last, and it may say that it holds one update
or many. Version 2 tells every turn at once. ``SimGemini`` is what the in-process stream and the
socket server share; it is seeded, reads no clock and sends nothing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.gemini import wire
from bookfeed.sim.gemini.wire import Api, Message
from bookfeed.sim.spot import E9, Change, SpotMarket, Turn
from bookfeed.sim.spot_truth import Told
from bookfeed.sim.spot_venue import (
    SpotListed,
    SpotVenue,
    SpotVenueConfig,
    in_grid,
    spot_markets,
)

DEPTH_EVERY_NS: Final = 100_000_000
TRADES_KEPT: Final = 50
"""How many trades come with a whole book of version 2."""
_FIRST_ID: Final = 12_000_000
_SKIPPED: Final = 7


@dataclass(frozen=True, slots=True)
class GeminiVenueConfig(SpotVenueConfig):
    """What is traded, and by which interface it is told. ``ValueError`` for what cannot be."""

    api: Api = "fast"


@dataclass(slots=True)
class _Waiting:
    """Changes that are yet to be told."""

    first: int = 0
    """The first of their updates, 0 for none."""
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)


class _Listed(SpotListed):
    """One pair: its market, its numbers, what it has yet to tell."""

    def __init__(self, market: SpotMarket, api: Api, first_id: int) -> None:
        super().__init__(market, wire.symbol_of(market.spec, api))
        self.update_id = self.told_id = first_id
        self.trade_id = first_id * 200
        self.ticker_id = first_id * 3
        self.touch = (market.best_bid, market.best_ask)
        self.due_ns = 0
        self.skips = 0
        """How many numbers are to be left out before the next message begins."""
        self.waiting = _Waiting()
        self.trades: deque[dict[str, Any]] = deque(maxlen=TRADES_KEPT)

    def number(self, turn: Turn) -> list[tuple[int, Told]]:
        """Gives the changes of a turn their numbers, and keeps them for the next message."""
        spec, numbered = self.spec, []
        for is_bid, price, size in turn.changes:
            if not self.waiting.first:
                # Within a message nobody would miss them.
                self.update_id, self.skips = self.update_id + self.skips, 0
            self.update_id += 1
            self.waiting.first = self.waiting.first or self.update_id
            (self.waiting.bids if is_bid else self.waiting.asks)[price] = size
            told = Told(is_bid, price * spec.tick_e9, size * spec.lot_e8)
            numbered.append((self.update_id, told))
        return numbered


class SimGemini(SpotVenue[_Listed]):
    """Every pair, what waits for its time, and the truth; times in Unix nanoseconds.

    Versions of books are updates.
    """

    def __init__(self, config: GeminiVenueConfig, now_ns: int) -> None:
        super().__init__()
        self.config = config
        self.tells_both = False
        """Whether somebody follows version 2 beside the fast WebSocket."""
        self._rng = seeded("gemini", config.seed)
        for market in spot_markets("gemini", config, tick_e9=E9 // 100):
            one = _Listed(market, config.api, _FIRST_ID + int(self._rng.random() * 1e6))
            one.due_ns = now_ns + int(self._rng.random() * DEPTH_EVERY_NS)
            self._list(one, one.update_id)

    # what the streams tell

    def step(self, now_ns: int, among: Sequence[str] = ()) -> list[Message]:
        """A turn of one of the symbols (of any by default); what is told of it at once."""
        one = self._listed[self._rng.choice(among or self.symbols)]
        turn = one.market.turn()
        for update_id, told in one.number(turn):
            self.truth.apply(one.symbol, update_id, (told,))
        if self.config.api == "v2":
            return self._told_at_once(one, turn, now_ns)
        messages = []
        if self.tells_both and turn.changes:
            messages.append(wire.l2(one.spec, turn.changes, one.update_id))
        for each in turn.prints:
            one.trade_id += 1
            messages.append(wire.trade(one.spec, one.trade_id, each, now_ns))
        touch = (one.market.best_bid, one.market.best_ask)
        if touch != one.touch and touch[0] and touch[1]:
            one.touch = touch
            one.ticker_id += 1 + int(self._rng.random() * 5)
            messages.append(wire.ticker(one.spec, one.ticker_id, touch[0], touch[1], now_ns))
        return messages

    def _told_at_once(self, one: _Listed, turn: Turn, now_ns: int) -> list[Message]:
        """Version 2: what changed, then the trades."""
        one.waiting, one.told_id = _Waiting(), one.update_id
        messages = [wire.l2(one.spec, turn.changes, one.update_id)] if turn.changes else []
        for each in turn.prints:
            one.trade_id += 1
            traded = wire.l2_traded(one.spec, one.trade_id, each, now_ns)
            one.trades.append(traded)
            messages.append(wire.l2_trade(one.spec, traded))
        return messages

    def due(self, now_ns: int) -> list[Message]:
        """The changes of levels whose time to be told has come."""
        messages = []
        for one in self._listed.values():
            if now_ns < one.due_ns or not one.waiting.first:
                continue
            one.due_ns = now_ns + DEPTH_EVERY_NS
            waiting, one.waiting, one.told_id = one.waiting, _Waiting(), one.update_id
            bids, asks = sorted(waiting.bids.items(), reverse=True), sorted(waiting.asks.items())
            ids = (waiting.first, one.update_id)
            messages.append(wire.depth(one.spec, ids, bids, asks, now_ns, whole=False))
        return messages

    def whole(self, symbol: str, now_ns: int, api: Api | None = None) -> Message:
        """The message with which a connection to ``api``, by default the one that is served, begins
        the book of ``symbol``.

        ``KeyError`` if there is no such symbol.
        """
        one, api = self._listed[symbol], api or self.config.api
        spec, of_the_moment = one.spec, self.config.seed % 2 == 0 or api == "v2"
        last = one.update_id if of_the_moment else one.told_id
        book = self.truth.at(symbol, last)
        assert book is not None, "nothing so new is forgotten"
        bids, asks = in_grid(spec, book.bids), in_grid(spec, book.asks)
        if api == "v2":
            levels = [
                Change(is_bid, price, size)
                for is_bid, side in ((True, bids), (False, asks))
                for price, size in side
            ]
            return wire.l2(spec, levels, last, list(one.trades))
        first = last if self._rng.random() < 0.5 else max(1, last - int(self._rng.random() * 1e4))
        return wire.depth(spec, (first, last), bids, asks, now_ns, whole=True)

    def book(self, symbol: str, bids: int, asks: int, now_ns: int) -> str:
        """The best levels of each side of ``symbol`` as REST tells them; ``KeyError`` if there is
        none.
        """
        market = self._listed[symbol].market
        return wire.book(market.spec, market.top(True, bids), market.top(False, asks), now_ns)

    def skip(self, symbol: str) -> None:
        """Leaves updates of ``symbol`` out, as if something had happened that nobody is told."""
        self._listed[symbol].skips += _SKIPPED
