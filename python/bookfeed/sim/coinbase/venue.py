"""The whole simulated Coinbase under a clock of the caller's: markets and trades.

Every turn that changes a book is a new version of it, and is told in one message, some milliseconds
after it happened; trades are told by the quarter of a second. ``SimCoinbase`` is what the
in-process stream and the socket server share; it is seeded, reads no clock and sends nothing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.coinbase import wire
from bookfeed.sim.coinbase.wire import LEVEL2, TRADES, Message, Traded
from bookfeed.sim.spot import E9, Change, SpotMarket, SpotSpec, Turn, pair
from bookfeed.sim.spot_truth import SpotTruth, Told

TRADES_KEPT: Final = 50
"""How many trades the snapshot of the channel has."""
TRADES_EVERY_NS: Final = 250_000_000
_TICKS_IN_PRICE_MIN: Final = 10_000
_UNDER_WAY_NS: Final = (5_000_000, 60_000_000)
"""From a change until the venue tells of it."""


@dataclass(frozen=True, slots=True)
class CoinbaseVenueConfig:
    """What is traded. ``ValueError`` for what cannot be."""

    markets: int = 4
    seed: int = 1
    levels: int = 300
    """Levels a side of each book, about."""

    def __post_init__(self) -> None:
        if self.markets < 1:
            raise ValueError(f"markets must be at least 1, not {self.markets}")
        if self.levels < 6:
            raise ValueError(f"levels must be at least 6, not {self.levels}")


class _Listed:
    """One symbol: its market, its last trades and those that are yet to be told."""

    def __init__(self, market: SpotMarket, first_trade: int) -> None:
        self.market = market
        self.symbol = wire.symbol_of(market.spec)
        self.version = 1
        self.changed_ns = 0
        self.trade_id = first_trade
        self.trades: deque[Traded] = deque(maxlen=TRADES_KEPT)
        self.untold: list[Traded] = []


class SimCoinbase:
    """Every symbol and the truth; times in Unix nanoseconds."""

    def __init__(self, config: CoinbaseVenueConfig) -> None:
        self.config = config
        self.truth = SpotTruth()
        """The true books, by symbol, whole; a version is a turn that changed the book."""
        self._rng = seeded("coinbase", config.seed)
        self._listed: dict[str, _Listed] = {}
        for index in range(config.markets):
            spec = _spec(config, index)
            market = SpotMarket(spec, seeded("coinbase market", config.seed, index))
            one = _Listed(market, 995_000_000 + int(self._rng.random() * 1e6))
            self._listed[one.symbol] = one
            bids, asks = (
                {price * spec.tick_e9: size * spec.lot_e8 for price, size in side.levels().items()}
                for side in (market.bids, market.asks)
            )
            self.truth.start(one.symbol, 1, bids, asks)

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is listed, in order."""
        return tuple(self._listed)

    @property
    def listed(self) -> dict[str, SpotSpec]:
        """Every market, by its symbol, in order."""
        return {symbol: one.market.spec for symbol, one in self._listed.items()}

    @property
    def markets(self) -> list[SpotMarket]:
        """The books and their crowds, in the same order."""
        return [one.market for one in self._listed.values()]

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
            spec = one.market.spec
            texts = wire.price_text(spec, price), wire.size_text(spec, size)
            one.untold.append(Traded(one.trade_id, *texts, taker_buys, at_ns))
        return messages + self._told_trades(now_ns)

    def _update(self, one: _Listed, turn: Turn, at_ns: int, now_ns: int) -> Message:
        one.version += 1
        one.changed_ns = at_ns
        spec = one.market.spec
        told = [
            Told(is_bid, price * spec.tick_e9, size * spec.lot_e8)
            for is_bid, price, size in turn.changes
        ]
        self.truth.apply(one.symbol, one.version, told)
        event = wire.book(spec, "update", turn.changes, at_ns)
        return Message(LEVEL2, event, now_ns, one.symbol, one.version)

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
        event = wire.book(one.market.spec, "snapshot", levels, one.changed_ns or now_ns)
        return Message(LEVEL2, event, now_ns, symbol, one.version)

    def product_book(self, symbol: str, limit: int, now_ns: int) -> str:
        """The book of ``symbol`` as REST tells it; ``KeyError`` if there is none."""
        market = self._listed[symbol].market
        bids, asks = market.top(True, limit), market.top(False, limit)
        return wire.product_book(market.spec, bids, asks, now_ns)

    def last_trades(self, symbol: str, now_ns: int) -> Message:
        """The last trades for a new subscriber."""
        event = wire.trades("snapshot", symbol, list(self._listed[symbol].trades))
        return Message(TRADES, event, now_ns, symbol)


def _spec(config: CoinbaseVenueConfig, index: int) -> SpotSpec:
    """A market on this venue's grid: a cent for the dearest, finer for the others."""
    base, price, size = pair(index)
    tick_e9 = E9 // 100
    while price * E9 / tick_e9 < _TICKS_IN_PRICE_MIN:
        tick_e9 //= 10
    return SpotSpec(
        index=index,
        base=base,
        quote="USD",
        price=int(price * E9 / tick_e9),
        tick_e9=tick_e9,
        lot_e8=1,
        size=size,
        levels=config.levels,
    )
