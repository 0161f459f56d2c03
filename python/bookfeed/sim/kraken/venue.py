"""The whole simulated Kraken under a clock of the caller's: markets, views of them, trades.

Every turn that changes a book is a new version of it, and is told at once in one message to the
subscribers of each depth. ``SimKraken`` is what the in-process stream and the socket server share;
it is seeded, reads no clock and sends nothing.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.kraken import wire
from bookfeed.sim.kraken.views import View
from bookfeed.sim.kraken.wire import BOOK, TRADE, Message, Traded
from bookfeed.sim.spot import E9, SpotMarket, Turn
from bookfeed.sim.spot_venue import SpotListed, SpotVenue, SpotVenueConfig, spot_markets, told
from bookfeed.sim.virtual import NS_PER_S

TRADES_KEPT: Final = 50
"""How many trades the snapshot of the channel has."""
LONG_AGO_S: Final = 3_600
"""How old the levels are of which nothing was told."""


class _Listed(SpotListed):
    """One symbol: its market, the views of it, its last trades."""

    def __init__(self, market: SpotMarket, first_trade: int) -> None:
        super().__init__(market, wire.symbol_of(market.spec))
        self.version = 1
        self.views: dict[int, View] = {}
        self.set_s: dict[tuple[bool, int], int] = {}
        """By side and price: in which second a level was set, where that was lately."""
        self.trade_id = first_trade
        self.trades: deque[Traded] = deque(maxlen=TRADES_KEPT)


class SimKraken(SpotVenue[_Listed]):
    """Every symbol and the truth, of whole books; times in Unix nanoseconds.

    A version of a book is a turn that changed it.
    """

    def __init__(self, config: SpotVenueConfig) -> None:
        super().__init__()
        self.config = config
        self._rng = seeded("kraken", config.seed)
        self._zero = self._rng.choice(("0", "0.00000000"))
        """How a size of nothing is printed, which the documents leave open."""
        for market in spot_markets("kraken", config, tick_e9=E9 // 10):
            self._list(_Listed(market, 70_000_000 + int(self._rng.random() * 1e6)), 1)

    def step(self, now_ns: int, among: Sequence[str] = ()) -> list[Message]:
        """A turn of one of the symbols (of any by default), and what is told of it."""
        one = self._listed[self._rng.choice(among or self.symbols)]
        turn = one.market.turn()
        messages = []
        if turn.changes:
            one.version += 1
            for is_bid, price, _ in turn.changes:
                one.set_s[is_bid, price] = now_ns // NS_PER_S
            self.truth.apply(one.symbol, one.version, told(one.spec, turn.changes))
            for view in one.views.values():
                message = self._update(one, view, turn, now_ns)
                if message is not None:
                    messages.append(message)
        if turn.prints:
            where = 0 if self._rng.random() < 0.5 else len(messages)
            messages.insert(where, self._trades(one, turn, now_ns))
        return messages

    def snapshot(self, symbol: str, depth: int, now_ns: int) -> Message:
        """The book of ``symbol`` for a new subscriber; ``KeyError`` if there is none."""
        one = self._listed[symbol]
        view = one.views.get(depth)
        if view is None:
            rng = seeded("kraken view", self.config.seed, one.spec.index, depth)
            view = one.views[depth] = View(one.market, depth, rng)
        spec = one.spec
        bids, asks = (wire.printed(spec, one.market.top(bid, depth)) for bid in (True, False))
        text = wire.book("snapshot", symbol, bids, asks, view.checksum(), now_ns)
        return Message(text, BOOK, symbol, depth, one.version, view.edge())

    def depth(self, symbol: str, count: int, now_ns: int) -> str:
        """The best levels of ``symbol`` as REST tells them; ``KeyError`` if there is none."""
        one = self._listed[symbol]
        long_ago_s = now_ns // NS_PER_S - LONG_AGO_S
        bids, asks = (
            [
                (*texts, one.set_s.get((is_bid, price), long_ago_s))
                for texts, (price, _) in zip(wire.printed(one.spec, levels), levels, strict=True)
            ]
            for is_bid, levels in ((bid, one.market.top(bid, count)) for bid in (True, False))
        )
        return wire.depth(symbol, bids, asks)

    def last_trades(self, symbol: str) -> Message:
        """The last trades for a new subscriber who wants them."""
        text = wire.trades("snapshot", symbol, list(self._listed[symbol].trades))
        return Message(text, TRADE, symbol)

    def _update(self, one: _Listed, view: View, turn: Turn, now_ns: int) -> Message | None:
        update = view.update(turn.changes)
        if update is None:
            return None
        spec = one.spec
        bids, asks = (self._gone(wire.printed(spec, side)) for side in update)
        text = wire.book("update", one.symbol, bids, asks, view.checksum(), now_ns)
        return Message(text, BOOK, one.symbol, view.depth, one.version, view.edge())

    def _gone(self, levels: list[wire.Printed]) -> list[wire.Printed]:
        """The levels, with a size of nothing as this run prints it."""
        return [(price, size if size.strip("0.") else self._zero) for price, size in levels]

    def _trades(self, one: _Listed, turn: Turn, now_ns: int) -> Message:
        fresh = []
        for price, size, taker_buys in turn.prints:
            one.trade_id += 1
            ((price_text, size_text),) = wire.printed(one.spec, [(price, size)])
            fresh.append(Traded(one.trade_id, price_text, size_text, taker_buys, now_ns))
        one.trades.extend(fresh)
        return Message(wire.trades("update", one.symbol, fresh), TRADE, one.symbol)
