"""The whole simulated Binance under a clock of the caller's: markets, ids, what waits to be told.

Every change of a level takes the next update id of its symbol. Trades and the best of both sides
are told at once, changes of levels once in 100 or 1000 ms, by their last size: a level that came
and went in between is told as gone. ``SimBinance`` is what the in-process stream and the socket
server share; it is seeded, reads no clock and sends nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bookfeed.sim.binance import wire
from bookfeed.sim.binance.wire import DEPTH_PERIODS_MS, Message, Traded
from bookfeed.sim.chance import seeded
from bookfeed.sim.spot import E9, Pair, SpotMarket, Turn
from bookfeed.sim.spot_truth import Told
from bookfeed.sim.spot_venue import (
    SpotListed,
    SpotVenue,
    SpotVenueConfig,
    in_grid,
    spot_markets,
)

DEPTH_MAX: Final = 5_000
_DEPTH_DEFAULT: Final = 100
# Weight of a depth request by its limit.
_WEIGHTS: Final = ((100, 5), (500, 25), (1_000, 50), (DEPTH_MAX, 250))
_FIRST_ID: Final = 50_000_000_000
_SKIPPED: Final = 7


@dataclass(frozen=True, slots=True)
class BinanceVenueConfig(SpotVenueConfig):
    """What is traded, and which of the two venues it is. ``ValueError`` for what cannot be."""

    us: bool = False
    """Binance.US: USD instead of USDT, order ids in trades, no word before the connection ends."""
    weight_per_min_max: int = 6_000
    """What REST requests of one clock minute may weigh together."""


@dataclass(slots=True)
class _Waiting:
    """Changes that one stream of one symbol has yet to tell."""

    first: int = 0
    """The update id of the first of them, 0 for none."""
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)


class _Listed(SpotListed):
    """One symbol: its market, its numbers, what it has yet to tell."""

    def __init__(self, market: SpotMarket, first_id: int) -> None:
        super().__init__(market, wire.symbol_of(market.spec))
        self.update_id = first_id
        self.trade_id = first_id // 10
        self.touch = (market.best_bid, market.best_ask)
        self.waiting = {kind: _Waiting() for kind in DEPTH_PERIODS_MS}

    def number(self, turn: Turn) -> list[tuple[int, Told]]:
        """Gives the changes of a turn their ids, and keeps them for the streams."""
        spec, numbered = self.spec, []
        for is_bid, price, size in turn.changes:
            self.update_id += 1
            for waiting in self.waiting.values():
                waiting.first = waiting.first or self.update_id
                (waiting.bids if is_bid else waiting.asks)[price] = size
            told = Told(is_bid, price * spec.tick_e9, size * spec.lot_e8)
            numbered.append((self.update_id, told))
        return numbered


class SimBinance(SpotVenue[_Listed]):
    """Every symbol, what waits for its time, and the truth; times in Unix milliseconds.

    Versions of books are update ids.
    """

    def __init__(self, config: BinanceVenueConfig, now_ms: int) -> None:
        super().__init__()
        self.config = config
        self._rng = seeded("binance", config.seed)
        self._due_ms = {kind: now_ms + every for kind, every in DEPTH_PERIODS_MS.items()}
        self._weight = (0, 0)
        quote = "USD" if config.us else "USDT"
        markets = spot_markets("binance", config, tick_e9=E9 // 100, quote=quote, lot_e8=_lot_e8)
        for market in markets:
            one = _Listed(market, _FIRST_ID + int(self._rng.random() * 1e9))
            self._list(one, one.update_id)

    # what the streams tell

    def step(self, now_ms: int, among: Sequence[str] = ()) -> list[Message]:
        """A turn of one of the symbols (of any by default); what is told of it at once."""
        one = self._listed[self._rng.choice(among or self.symbols)]
        turn = one.market.turn()
        for update_id, told in one.number(turn):
            self.truth.apply(one.symbol, update_id, (told,))
        messages = [wire.trade(one.spec, traded, now_ms) for traded in self._traded(one, turn)]
        touch = (one.market.best_bid, one.market.best_ask)
        if touch != one.touch and touch[0] and touch[1]:
            one.touch = touch
            ticker = wire.book_ticker(one.spec, one.update_id, touch[0], touch[1])
            messages.insert(0 if self._rng.random() < 0.5 else len(messages), ticker)
        return messages

    def _traded(self, one: _Listed, turn: Turn) -> list[Traded]:
        trades = []
        for price, size, taker_buys in turn.prints:
            one.trade_id += 1
            orders = (one.trade_id * 2, one.trade_id * 2 + 1) if self.config.us else None
            trades.append(Traded(one.trade_id, price, size, not taker_buys, orders))
        return trades

    def due(self, now_ms: int) -> list[Message]:
        """The changes of levels whose time to be told has come."""
        messages = []
        for kind, every_ms in DEPTH_PERIODS_MS.items():
            if now_ms < self._due_ms[kind]:
                continue
            self._due_ms[kind] = now_ms - now_ms % every_ms + every_ms
            for one in self._listed.values():
                waiting = one.waiting[kind]
                if waiting.first:
                    ids = (waiting.first, one.update_id)
                    messages.append(
                        wire.depth_update(one.spec, kind, ids, waiting.bids, waiting.asks, now_ms)
                    )
                    one.waiting[kind] = _Waiting()
        return messages

    def skip(self, symbol: str) -> None:
        """Leaves update ids of ``symbol`` out, as if something had happened that nobody is told."""
        one = self._listed[symbol]
        one.update_id += _SKIPPED
        self.truth.apply(symbol, one.update_id, ())

    # what REST answers

    def depth(self, symbol: str, limit: int, *, behind: int = 0) -> str:
        """The book of ``symbol``, ``limit`` levels a side, as it was ``behind`` updates ago.

        ``KeyError`` if there is no such symbol.
        """
        one = self._listed[symbol]
        spec, market = one.spec, one.market
        book = self.truth.at(symbol, one.update_id - behind) if behind else None
        if book is None:
            return wire.depth_snapshot(
                spec, one.update_id, market.top(True, limit), market.top(False, limit)
            )
        sides = [in_grid(spec, side, limit) for side in (book.bids, book.asks)]
        return wire.depth_snapshot(spec, book.version, *sides)

    def weigh(self, limit: int, now_ms: int) -> int | None:
        """What this clock minute's requests weigh with one more; ``None`` if that is too much."""
        minute, used = self._weight
        used = used if minute == now_ms // 60_000 else 0
        used += next(weight for most, weight in _WEIGHTS if limit <= most)
        self._weight = (now_ms // 60_000, used)
        return used if used <= self.config.weight_per_min_max else None


def depth_limit(text: str) -> int:
    """The limit of a depth request: 100 if none is given, 5,000 at most; ``ValueError``."""
    if not text:
        return _DEPTH_DEFAULT
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ValueError(f"limit {text!r}")
    return min(int(text), DEPTH_MAX)


def _lot_e8(traded: Pair) -> int:
    """Lots are the smaller the dearer what is traded."""
    return 1_000 if traded.price > 1_000 else 100_000 if traded.price > 100 else 10_000_000
