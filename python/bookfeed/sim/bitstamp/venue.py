"""The whole simulated Bitstamp under a clock of the caller's: markets, and what waits to be told.

A book changes at a time in microseconds, no two changes at the same. The channel of changes tells
them about every 110 ms by their last size, of the time of the last of them; a level that came and
went in between is told as gone, and REST has the book of the moment. By odd seeds it is not told at
all, and REST has the book as the changes left it, then or long before. The channel of the best
levels speaks in a rhythm of its own, of the moment. ``SimBitstamp`` is what the in-process stream
and the socket server share; it is seeded, reads no clock and sends nothing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bookfeed.sim.bitstamp import wire
from bookfeed.sim.bitstamp.wire import Message
from bookfeed.sim.chance import seeded
from bookfeed.sim.spot import E9, SpotMarket
from bookfeed.sim.spot_venue import (
    SpotListed,
    SpotVenue,
    SpotVenueConfig,
    in_grid,
    spot_markets,
    told,
)

NS_PER_US: Final = 1_000
DIFF_EVERY_US: Final = 110_000
TOP_EVERY_US: Final = (130_000, 400_000)
TOP_LEVELS: Final = 100
_QUIET_BEFORE_US: Final = 2_000_000
_TOLD_MAX: Final = 100


@dataclass(slots=True)
class _Waiting:
    """Levels that have changed since the last message, by what they were before."""

    first_us: int = 0
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)


class _Listed(SpotListed):
    """One pair: its market, its time, what it has yet to tell."""

    def __init__(self, market: SpotMarket, first_trade: int) -> None:
        super().__init__(market, wire.symbol_of(market.spec))
        self.changed_us = 0
        self.topped_us = 0
        """Of when the book was that the channel of the best levels told last."""
        self.trade_id = first_trade
        self.diff_due_us = self.top_due_us = 0
        self.told_us: deque[int] = deque(maxlen=_TOLD_MAX)
        """Of when the book was that the changes left lately, each time that they were told."""
        self.waiting = _Waiting()

    def note(self, before: dict[tuple[bool, int], int]) -> None:
        """Keeps what levels were before a turn, for the message that will tell of them."""
        waiting = self.waiting
        waiting.first_us = waiting.first_us or self.changed_us
        for (is_bid, price), size in before.items():
            (waiting.bids if is_bid else waiting.asks).setdefault(price, size)

    def told_by(self, at_us: int) -> int:
        """Of when the book was that the changes had left by a time."""
        return max((told for told in self.told_us if told <= at_us), default=self.told_us[0])

    def size_at(self, is_bid: bool, price: int) -> int:
        """Size of a level now."""
        return (self.market.bids if is_bid else self.market.asks).size_at(price)


class SimBitstamp(SpotVenue[_Listed]):
    """Every pair, what waits for its time, and the truth; times in Unix nanoseconds.

    The version of a book is the time of a change.
    """

    def __init__(self, config: SpotVenueConfig, now_ns: int) -> None:
        super().__init__()
        self.config = config
        now_us = now_ns // NS_PER_US
        self._rng = seeded("bitstamp", config.seed)
        self._netted = config.seed % 2 == 1
        for market in spot_markets("bitstamp", config, tick_e9=E9):
            one = _Listed(market, 400_000_000 + int(self._rng.random() * 1e6))
            one.changed_us = now_us - _QUIET_BEFORE_US
            one.told_us.append(one.changed_us)
            one.diff_due_us = now_us + int(self._rng.random() * DIFF_EVERY_US)
            one.top_due_us = now_us + int(self._rng.random() * TOP_EVERY_US[1])
            self._list(one, one.changed_us)

    # what the channels tell

    def step(self, now_ns: int, among: Sequence[str] = ()) -> list[Message]:
        """A turn of one of the symbols (of any by default); trades are told at once."""
        now_us = now_ns // NS_PER_US
        one = self._listed[self._rng.choice(among or self.symbols)]
        sizes = {
            (is_bid, price): size
            for is_bid in (True, False)
            for price, size in one.market.top(is_bid, 10**9)
        }
        turn = one.market.turn()
        if turn.changes:
            one.changed_us = max(one.changed_us + 1, now_us)
            changed = {(is_bid, price) for is_bid, price, _ in turn.changes}
            one.note({key: sizes.get(key, 0) for key in sorted(changed)})
            self.truth.apply(one.symbol, one.changed_us, told(one.spec, turn.changes))
        messages = []
        for traded in turn.prints:
            one.trade_id += 1
            messages.append(wire.trade(one.spec, one.trade_id, traded, max(one.changed_us, now_us)))
        return messages

    def due(self, now_ns: int) -> list[Message]:
        """What is to be told of books by now, in any order of the two channels."""
        now_us, messages = now_ns // NS_PER_US, []
        for one in self._listed.values():
            due = []
            if now_us >= one.diff_due_us and one.waiting.first_us:
                one.diff_due_us = now_us + DIFF_EVERY_US
                due += self._diff(one)
            if now_us >= one.top_due_us and one.changed_us > one.topped_us:
                low, high = TOP_EVERY_US
                one.top_due_us = now_us + low + int(self._rng.random() * (high - low))
                one.topped_us = one.changed_us
                sides = (one.market.top(is_bid, TOP_LEVELS) for is_bid in (True, False))
                due.append(wire.top(one.spec, one.changed_us, *sides))
            if self._rng.random() < 0.5:
                due.reverse()
            messages += due
        return messages

    def _diff(self, one: _Listed) -> list[Message]:
        waiting, one.waiting = one.waiting, _Waiting()
        one.told_us.append(one.changed_us)
        bids, asks = (
            {
                price: one.size_at(is_bid, price)
                for price, before in changed.items()
                if not self._netted or before != one.size_at(is_bid, price)
            }
            for is_bid, changed in ((True, waiting.bids), (False, waiting.asks))
        )
        if not bids and not asks:
            return []
        return [wire.diff(one.spec, (waiting.first_us, one.changed_us), bids, asks)]

    # what REST answers

    def book(self, symbol: str, *, behind_us: int = 0, levels: int = 10**9) -> tuple[str, int]:
        """The book of ``symbol`` as it was so long ago, and of when that is.

        ``KeyError`` if there is no such symbol.
        """
        one = self._listed[symbol]
        spec, at_us = one.spec, one.changed_us - behind_us
        if self._netted:
            # In between there are levels of which nobody is told that they are gone.
            at_us = one.told_by(one.told_us[-1] - behind_us)
        book = self.truth.at(symbol, at_us)
        assert book is not None, "nothing so old is forgotten"
        then = [in_grid(spec, side, levels) for side in (book.bids, book.asks)]
        return wire.rest_book(spec, at_us, *then), at_us
