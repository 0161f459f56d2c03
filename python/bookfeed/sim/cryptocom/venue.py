"""The whole simulated Crypto.com under a clock of the caller's: markets, windows of them, trades.

Every turn that changes a book moves its number on, by more than one now and then. A window of 10 or
50 levels is told every 10 ms by the last sizes of its levels, with the number at which the book
stands and that of the message before; a level that came and went in between is told as gone. Where
nothing has happened for 5 s the venue says that: by even seeds with the number that the message
before it had, by odd ones with the one at which the book is by now. ``SimCryptocom`` is what the
in-process stream and the socket server share; it is seeded, reads no clock and sends nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.cryptocom import wire
from bookfeed.sim.cryptocom.wire import Message, Traded
from bookfeed.sim.spot import E9, Change, SpotMarket
from bookfeed.sim.spot_truth import top
from bookfeed.sim.spot_venue import (
    SpotListed,
    SpotVenue,
    SpotVenueConfig,
    in_grid,
    spot_markets,
    told,
)
from bookfeed.sim.spot_window import Window

PERIOD_NS: Final = 10_000_000
QUIET_NS: Final = 5_000_000_000
"""After how long without a change the venue says that there was none."""
_FIRST_ID: Final = 542_048_000_000
_ONE_BY_ONE: Final = 0.8
"""How often a number is the next one."""


@dataclass(slots=True)
class _Channel:
    """A window of a market, and how far it was told."""

    window: Window
    told_id: int
    """The number of the newest message."""
    version: int
    """A version of the book whose window is the one that was told."""
    spoke_ns: int
    due_ns: int
    waiting: dict[tuple[bool, int], int] = field(default_factory=dict)
    """Levels that have changed since, in the order in which they first did, with their sizes."""


class _Listed(SpotListed):
    """One pair: its market, its number, its windows."""

    def __init__(self, market: SpotMarket, first_id: int) -> None:
        super().__init__(market, wire.symbol_of(market.spec))
        self.update_id = first_id
        self.trade_id = first_id * 10
        self.channels: dict[int, _Channel] = {}


class SimCryptocom(SpotVenue[_Listed]):
    """Every pair, what waits to be told, and the truth, of whole books; times in Unix nanoseconds.

    Versions of books are the venue's numbers.
    """

    def __init__(self, config: SpotVenueConfig) -> None:
        super().__init__()
        self.config = config
        self._rng = seeded("cryptocom", config.seed)
        self._moves_on = config.seed % 2 == 1
        for market in spot_markets("cryptocom", config, tick_e9=E9 // 100):
            one = _Listed(market, _FIRST_ID + int(self._rng.random() * 1e6))
            self._list(one, one.update_id)

    # what the channels tell

    def step(self, now_ns: int, among: Sequence[str] = ()) -> list[Message]:
        """A turn of one of the symbols (of any by default); trades are told at once."""
        one = self._listed[self._rng.choice(among or self.symbols)]
        turn = one.market.turn()
        if turn.changes:
            one.update_id += 1 if self._rng.random() < _ONE_BY_ONE else 2
            self.truth.apply(one.symbol, one.update_id, told(one.spec, turn.changes))
            for channel in one.channels.values():
                for is_bid, price, size in turn.changes:
                    channel.waiting[is_bid, price] = size
        if not turn.prints:
            return []
        traded = []
        for each in turn.prints:
            one.trade_id += 1
            traded.append(Traded(one.trade_id, each, now_ns))
        return [wire.trades(one.spec, traded)]

    def due(self, now_ns: int) -> list[Message]:
        """What is to be told of books by now."""
        messages = []
        for one in self._listed.values():
            for channel in one.channels.values():
                message = self._told(one, channel, now_ns)
                if message is not None:
                    messages.append(message)
        return messages

    def _told(self, one: _Listed, channel: _Channel, now_ns: int) -> Message | None:
        depth, before = channel.window.depth, channel.told_id
        sides = None
        if channel.waiting and now_ns >= channel.due_ns:
            changes = [Change(*key, size) for key, size in channel.waiting.items()]
            channel.waiting.clear()
            channel.due_ns = now_ns + PERIOD_NS
            channel.version = one.update_id
            sides = channel.window.update(changes)
        if sides is not None:
            channel.told_id = one.update_id
        elif channel.waiting or now_ns - channel.spoke_ns < QUIET_NS:
            return None
        else:
            channel.told_id = one.update_id if self._moves_on else before
        channel.spoke_ns = now_ns
        chain = (before, channel.told_id)
        return wire.update(one.spec, depth, chain, sides or ((), ()), now_ns)

    def whole(self, symbol: str, depth: int, now_ns: int, id_: int = wire.UNASKED) -> Message:
        """The window of ``symbol`` as it was told last; ``KeyError`` if there is no such symbol."""
        one = self._listed[symbol]
        channel = one.channels.get(depth)
        if channel is None:
            rng = seeded("cryptocom window", self.config.seed, one.spec.index, depth)
            window = Window(one.market, depth, rng)
            channel = _Channel(window, one.update_id, one.update_id, now_ns, now_ns)
            one.channels[depth] = channel
        book = self.truth.at(symbol, channel.version)
        assert book is not None, "nothing so new is forgotten"
        shown = top(book, depth)
        sides = in_grid(one.spec, shown.bids), in_grid(one.spec, shown.asks)
        return wire.whole(one.spec, depth, channel.told_id, sides, now_ns, id_)
