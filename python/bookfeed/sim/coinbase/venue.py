"""The whole simulated Coinbase under a clock of the caller's: markets and trades.

Every turn that changes a book is a new version of it, and is told in one message, some milliseconds
after it happened; trades are told by the quarter of a second. ``SimCoinbase`` is what the
in-process stream and the socket server share; it is seeded, reads no clock and sends nothing.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.coinbase import wire
from bookfeed.sim.coinbase.wire import LEVEL2, TRADES, Message, Traded
from bookfeed.sim.spot import E9, Change, SpotMarket, Turn
from bookfeed.sim.spot_venue import SpotListed, SpotVenue, SpotVenueConfig, spot_markets, told

TRADES_KEPT: Final = 50
"""How many trades the snapshot of the channel has."""
TRADES_EVERY_NS: Final = 250_000_000
_UNDER_WAY_NS: Final = (5_000_000, 60_000_000)
"""From a change until the venue tells of it."""


class _Listed(SpotListed):
    """One symbol: its market, its last trades and those that are yet to be told."""

    def __init__(self, market: SpotMarket, first_trade: int) -> None:
        super().__init__(market, wire.symbol_of(market.spec))
        self.version = 1
        self.changed_ns = 0
        self.trade_id = first_trade
        self.trades: deque[Traded] = deque(maxlen=TRADES_KEPT)
        self.untold: list[Traded] = []


class SimCoinbase(SpotVenue[_Listed]):
    """Every symbol and the truth, of whole books; times in Unix nanoseconds.

    A version of a book is a turn that changed it.
    """

    def __init__(self, config: SpotVenueConfig) -> None:
        super().__init__()
        self.config = config
        self._rng = seeded("coinbase", config.seed)
        for market in spot_markets("coinbase", config, tick_e9=E9 // 100):
            self._list(_Listed(market, 995_000_000 + int(self._rng.random() * 1e6)), 1)

    def step(self, now_ns: int, among: Sequence[str] = ()) -> list[Message]:
        """A turn of one of the symbols (of any by default), and what is told now."""
        one = self._listed[self._rng.choice(among or self.symbols)]
        turn = one.market.turn()
        low, high = _UNDER_WAY_NS
        # Messages of a book are told in the order in which it changed.
        at_ns = max(one.changed_ns, now_ns - low - int(self._rng.random() * (high - low)))
        messages = [self._update(one, turn, at_ns, now_ns)] if turn.changes else []
        for price, size, taker_buys in turn.prints:
            one.trade_id += 1
            texts = wire.price_text(one.spec, price), wire.size_text(one.spec, size)
            one.untold.append(Traded(one.trade_id, *texts, taker_buys, at_ns))
        return messages + self._told_trades(now_ns)

    def _update(self, one: _Listed, turn: Turn, at_ns: int, now_ns: int) -> Message:
        one.version += 1
        one.changed_ns = at_ns
        self.truth.apply(one.symbol, one.version, told(one.spec, turn.changes))
        event = wire.book(one.spec, "update", turn.changes, at_ns)
        return Message(LEVEL2, event, now_ns, one.symbol, one.version, turn.changes)

    def _told_trades(self, now_ns: int) -> list[Message]:
        messages = []
        for one in self._listed.values():
            if one.untold and now_ns - one.untold[0].at_ns >= TRADES_EVERY_NS:
                event = wire.trades("update", one.symbol, one.untold)
                messages.append(Message(TRADES, event, now_ns, one.symbol))
                one.trades.extend(one.untold)
                one.untold.clear()
        return messages

    def snapshot(self, symbol: str, now_ns: int) -> Message:
        """The book of ``symbol`` for a new subscriber; ``KeyError`` if there is none."""
        one = self._listed[symbol]
        levels = [
            Change(is_bid, price, size)
            for is_bid in (True, False)
            for price, size in one.market.top(is_bid, 10**9)
        ]
        event = wire.book(one.spec, "snapshot", levels, one.changed_ns or now_ns)
        return Message(LEVEL2, event, now_ns, symbol, one.version)

    def whole(self, symbol: str) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """Version and both sides of the book of ``symbol``, best first; ``KeyError`` likewise."""
        one = self._listed[symbol]
        return one.version, one.market.top(True, 10**9), one.market.top(False, 10**9)

    def product_book(self, symbol: str, limit: int, now_ns: int) -> str:
        """The book of ``symbol`` as REST tells it; ``KeyError`` if there is none."""
        market = self._listed[symbol].market
        bids, asks = market.top(True, limit), market.top(False, limit)
        return wire.product_book(market.spec, bids, asks, now_ns)

    def last_trades(self, symbol: str, now_ns: int) -> Message:
        """The last trades for a new subscriber."""
        event = wire.trades("snapshot", symbol, list(self._listed[symbol].trades))
        return Message(TRADES, event, now_ns, symbol)
